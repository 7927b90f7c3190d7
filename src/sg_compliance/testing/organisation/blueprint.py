"""How a group is written down before it stands anywhere: its peers are CIDRs, or neighbours and lists by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sg_compliance.testing.organisation.shapes import Account

HTTP: Final = "PROHIBIT_ALL_TRAFFIC_HTTP"
SSH: Final = "PROHIBIT_ALL_TRAFFIC_SSH"
RDP: Final = "PROHIBIT_ALL_TRAFFIC_RDP"
ANY_PORT: Final = "PROHIBIT_ALL_TRAFFIC_ANY_PORT"
IPV6_ALL: Final = "PROHIBIT_IPV6_ALL_TRAFFIC"
OUTBOUND: Final = "PROHIBIT_OUTBOUND_ALL_TRAFFIC"

ALL_TCP: Final = (HTTP, SSH, RDP)
ALL_IPV4: Final = (*ALL_TCP, ANY_PORT)
"""Every protocol and port from everywhere: the four ingress rules on `0.0.0.0/0`."""

MORE_THAN_DEFAULT_QUOTA: Final = "the account's quota of rules a group has been raised"
NOT_CANONICAL: Final = "AWS stores the canonical form"

PeerKind = Literal["IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"]
Where = Literal["main VPC", "default VPC", "no VPC"]


class Peer(NamedTuple):
    """One peer of a rule. `value` is a CIDR, or a name; `account` is set for a group of another account."""

    kind: PeerKind
    value: str
    description: str = ""
    account: Account | None = None


class Rule(NamedTuple):
    """One permission. `ports` is None where AWS gives neither FromPort nor ToPort. `absent` are keys to leave out."""

    protocol: str
    ports: tuple[int, int] | None
    peers: tuple[Peer, ...]
    absent: frozenset[str] = frozenset()


def cidr(text: str, description: str = "") -> Peer:
    """An IPv4 or IPv6 block, kept as it is written."""
    return Peer("Ipv6Ranges" if ":" in text else "IpRanges", text, description)


def cidrs(texts: Iterable[str], description: str = "") -> tuple[Peer, ...]:
    """Many blocks with one description."""
    return tuple(cidr(text, description) for text in texts)


def neighbour(name: str, description: str = "", account: Account | None = None) -> Peer:
    """A group by its name, in the same account's VPC or in that of `account`."""
    return Peer("UserIdGroupPairs", name, description, account)


def listed(name: str, description: str = "") -> Peer:
    """A managed prefix list by its name in the region."""
    return Peer("PrefixListIds", name, description)


def tcp(ports: int | tuple[int, int], *peers: Peer) -> Rule:
    """A tcp rule on one port or on a range."""
    return Rule("tcp", (ports, ports) if isinstance(ports, int) else ports, peers)


def every_protocol(*peers: Peer) -> Rule:
    """A rule on `-1`: AWS gives it no ports."""
    return Rule("-1", None, peers)


ITSELF: Final = Peer("UserIdGroupPairs", "", "members of this group")
ANYWHERE: Final = cidr("0.0.0.0/0")
ANYWHERE_IPV6: Final = cidr("::/0")
INTERNAL: Final = cidr("10.0.0.0/8", "internal networks")
OFFICES: Final = listed("harbour-corporate-networks", "offices and VPN")

HTTPS_OUT: Final = tcp(443, cidr("0.0.0.0/0", "HTTPS to AWS and partners"))
UNTOUCHED_EGRESS: Final = every_protocol(ANYWHERE)
"""What AWS gives a new group: everything out."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A group to be set down. `extra_tags` are a controller's; `untagged` groups have those and no others."""

    name: str
    description: str
    project: str
    purpose: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = (HTTPS_OUT,)
    expected: tuple[str, ...] = ()
    case: str = ""
    oddity: str = ""
    where: Where = "main VPC"
    untagged: bool = False
    extra_tags: Mapping[str, str] = field(default_factory=dict)

    def with_untouched_egress(self) -> Blueprint:
        """Give the same group with the egress rule that AWS made."""
        return replace(self, egress=(UNTOUCHED_EGRESS,), expected=(*self.expected, OUTBOUND))


def special_case(  # noqa: PLR0913  a line of the tables below, not an interface
    name: str,
    case: str,
    *ingress: Rule,
    expected: tuple[str, ...] = (),
    oddity: str = "",
    egress: tuple[Rule, ...] = (),
    where: Where = "main VPC",
) -> Blueprint:
    """Make a group that is there for one thing: what `case` says."""
    return Blueprint(
        name=name,
        description=f"Access for {name.replace('-', ' ')}",
        project=name.split("-", maxsplit=1)[0],
        purpose="access",
        ingress=ingress,
        egress=egress,
        expected=expected,
        case=case,
        oddity=oddity,
        where=where,
    )
