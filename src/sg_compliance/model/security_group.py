"""Security groups as AWS means them: one security group rule has one peer and, in AWS, one id (`sgr-…`).

Ports are held in one space for every protocol, 0–65535: a port for tcp and udp, `type * 256 + code` for ICMP and
ICMPv6, and the whole space for `-1` and for protocols that have no ports. What AWS returned is kept beside it
(`ip_protocol`, `from_port`, `to_port`, the peer's text), because evidence is quoted as it was written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sg_compliance.model.addresses import AddressSet, Cidr
from sg_compliance.model.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALL_PROTOCOLS: Final = -1
ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
LAST_PROTOCOL: Final = 255
LAST_PORT: Final = 65535
ALL_PORTS: Final = IntervalSet([(0, LAST_PORT)])
CODES: Final = 256
"""ICMP codes of one type: the width of a type in the port space."""

PROTOCOL_NAMES: Final = {ALL_PROTOCOLS: "all", ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6"}
PROTOCOL_NUMBERS: Final = {name: number for number, name in PROTOCOL_NAMES.items()}
WITH_PORTS: Final = frozenset({TCP, UDP})
ICMP_PROTOCOLS: Final = frozenset({ICMP, ICMPV6})


class Direction(StrEnum):
    """Which way the traffic goes, seen from the group's members."""

    INGRESS = "ingress"
    EGRESS = "egress"


class CidrPeer(NamedTuple):
    """An IPv4 or IPv6 block, with the text as AWS returned it."""

    block: Cidr
    text: str


class PrefixListPeer(NamedTuple):
    """A managed prefix list; what it holds is in the region's `PrefixLists`."""

    prefix_list_id: str


class GroupPeer(NamedTuple):
    """The members of another security group. `name` is known where the group itself was read.

    The VPC and the peering connection are there for groups on the other side of a peering.
    """

    group_id: str
    account_id: str | None = None
    name: str | None = None
    vpc_id: str | None = None
    peering_id: str | None = None
    peering_status: str | None = None


Peer: TypeAlias = CidrPeer | PrefixListPeer | GroupPeer


class SecurityGroupRule(NamedTuple):
    """One rule: protocol number or -1, first and last port in the port space, one peer; then as AWS wrote it.

    `tags` are known only where the rule itself was asked for (DescribeSecurityGroupRules).
    """

    direction: Direction
    protocol: int
    first: int
    last: int
    peer: Peer
    ip_protocol: str
    from_port: int | str | None
    to_port: int | str | None
    description: str | None = None
    rule_id: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


Identity: TypeAlias = "tuple[Direction, int, int, int, Cidr | str]"


def identity(rule: SecurityGroupRule) -> Identity:
    """What makes two rules the same to AWS: authorizing both is InvalidPermission.Duplicate.

    Not the description, nor tags or the id (EC2 API reference, AuthorizeSecurityGroupIngress).
    """
    return (*rule[:4], _peer_identity(rule.peer))


def _peer_identity(peer: Peer) -> Cidr | str:
    if isinstance(peer, CidrPeer):
        return peer.block
    return peer.prefix_list_id if isinstance(peer, PrefixListPeer) else peer.group_id


class MalformedRule(NamedTuple):
    """A permission that cannot mean any traffic, such as ports 23–21: never dropped in silence, never guessed at."""

    direction: Direction
    problem: str
    ip_protocol: str
    from_port: int | str | None
    to_port: int | str | None
    peer: str


class Place(NamedTuple):
    """Where a group is, and which."""

    account_id: str
    region: str
    group_id: str

    def __str__(self) -> str:
        """`111122223333/eu-west-1/sg-…`, as people and logs read it."""
        return "/".join(self)


def value_of(tags: Iterable[tuple[str, str]], key: str) -> str | None:
    """The value of the tag with this key, the first where there are several; None where there is none."""
    for name, value in tags:
        if name == key:
            return value
    return None


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A group in one account and region. `interfaces` is None where attached interfaces were not read.

    `managed_interfaces` are those of them that an AWS service made and looks after (`RequesterManaged`).
    """

    account_id: str
    region: str
    group_id: str
    name: str = ""
    description: str = ""
    vpc_id: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    rules: tuple[SecurityGroupRule, ...] = ()
    malformed: tuple[MalformedRule, ...] = ()
    interfaces: tuple[str, ...] | None = None
    managed_interfaces: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Where the group is."""
        return Place(self.account_id, self.region, self.group_id)

    def tag(self, key: str) -> str | None:
        """The tag's value, or None. Tag keys are case-sensitive in AWS."""
        return value_of(self.tags, key)

    def with_names(self, names: Mapping[str, str]) -> SecurityGroup:
        """The same group, its referenced groups named where the name is known."""
        return replace(self, rules=tuple(_named(rule, names) for rule in self.rules))


def _named(rule: SecurityGroupRule, names: Mapping[str, str]) -> SecurityGroupRule:
    peer = rule.peer
    if not isinstance(peer, GroupPeer) or peer.name or peer.group_id not in names:
        return rule
    return rule._replace(peer=peer._replace(name=names[peer.group_id]))


AWS_WEIGHTS: Final = {
    "origin-facing": 55,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
"""By the end of the list's name (VPC user guide, AWS-managed prefix list weight)."""


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list. `blocks` is None where the entries could not be read: its addresses are unknown.

    `max_entries` is what a reference to the list counts for the quota of rules; None where AWS does not say.
    """

    prefix_list_id: str
    name: str = ""
    blocks: tuple[Cidr, ...] | None = None
    max_entries: int | None = None

    def weight(self) -> int:
        """How many rules a reference to this list counts for the quota: AWS's lists have weights of their own."""
        service = self.name.rpartition(".")[2] if self.name.startswith("com.amazonaws.") else ""
        return AWS_WEIGHTS.get(service) or self.max_entries or len(self.blocks or ()) or 1


PrefixLists: TypeAlias = "Mapping[str, PrefixList]"


def blocks_of(peer: Peer, prefix_lists: PrefixLists) -> tuple[Cidr, ...] | None:
    """The peer's address blocks: none for a referenced group, None where a prefix list could not be read."""
    if isinstance(peer, CidrPeer):
        return (peer.block,)
    if isinstance(peer, GroupPeer):
        return ()
    known = prefix_lists.get(peer.prefix_list_id)
    return known.blocks if known else None


def address_set(peers: Iterable[Peer], prefix_lists: PrefixLists) -> AddressSet:
    """Every address that is known to be among the peers."""
    return AddressSet.of(block for peer in peers for block in blocks_of(peer, prefix_lists) or ())
