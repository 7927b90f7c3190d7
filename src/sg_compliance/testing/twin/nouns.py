"""The twin's nouns: groups, rules, peers, and what stands around them. Frozen: a change is a new value.

Because groups never change in place, a change is atomic, a describe can show the past, and a dry run costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json: TypeAlias = "dict[str, Any]"
Tags: TypeAlias = "tuple[tuple[str, str], ...]"
PeerKind = Literal["IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"]

PEER_KEYS: Final[Mapping[PeerKind, str]] = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}
"""The lists of an IpPermission, and the key of an element that names the peer."""


class Peer(NamedTuple):
    """The one peer of a rule. `others` is what else AWS shows of a referenced group: its VPC, the peering."""

    kind: PeerKind
    value: str
    account_id: str | None = None
    others: Tags = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A security group rule. Ports are None where AWS shows none. `absent`: lists that its permission lacks."""

    is_egress: bool
    protocol: str
    from_port: int | None
    to_port: int | None
    peer: Peer
    description: str | None = None
    rule_id: str = ""
    tags: Tags = ()
    absent: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same rule to AWS: everything but description, id and tags."""
        return (self.is_egress, self.protocol, self.from_port, self.to_port, *self.peer[:3])

    def __str__(self) -> str:
        """Tell the rule as AWS quotes it in errors."""
        if self.protocol == "-1":
            return f"peer: {self.peer.value}, ALL, ALLOW"
        ports = f"from port: {self.from_port}, to port: {self.to_port}"
        return f"peer: {self.peer.value}, {self.protocol.upper()}, {ports}, ALLOW"


@dataclass(frozen=True, slots=True)
class Group:
    """A security group."""

    group_id: str
    owner_id: str
    region: str
    name: str
    description: str
    vpc_id: str | None = None
    tags: Tags = ()
    rules: tuple[Rule, ...] = ()

    def prefix_list_ids(self, *, is_egress: bool) -> list[str]:
        """The prefix lists that the rules of one direction refer to."""
        return [
            rule.peer.value for rule in self.rules if rule.is_egress is is_egress and rule.peer.kind == "PrefixListIds"
        ]

    def with_rules(self, changed: Mapping[str, Rule]) -> Group:
        """The same group, the rules with these ids replaced."""
        return replace(self, rules=tuple(changed.get(rule.rule_id, rule) for rule in self.rules))

    def without(self, rules: Iterable[Rule]) -> Group:
        """The same group without these rules."""
        gone = {rule.rule_id for rule in rules}
        return replace(self, rules=tuple(rule for rule in self.rules if rule.rule_id not in gone))


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC of `owner_id`, in which the accounts of `shared_with` have groups of their own."""

    vpc_id: str
    owner_id: str
    is_default: bool = False
    has_ipv6: bool = False
    shared_with: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list as AWS describes it, and its entries. `weight`: what a reference costs of the quota."""

    shown: Json
    entries: tuple[Json, ...]
    weight: int


@dataclass(slots=True)
class Region:
    """One account in one region. `past`: groups by id, each since a time, oldest first; the last is now."""

    account_id: str
    name: str
    vpcs: dict[str, Vpc] = field(default_factory=dict)
    prefix_lists: dict[str, PrefixList] = field(default_factory=dict)
    interfaces: dict[str, Json] = field(default_factory=dict)
    past: list[tuple[float, Mapping[str, Group]]] = field(default_factory=list)

    @property
    def groups(self) -> Mapping[str, Group]:
        """The account's own groups as they are now."""
        return self.past[-1][1] if self.past else {}
