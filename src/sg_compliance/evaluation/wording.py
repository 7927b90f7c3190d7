"""Traffic in words: `tcp 20-25 from 0.0.0.0/0`. One vocabulary for findings, explanations and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.finding import Overlap
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import (
    ALL_PORTS,
    ALL_PROTOCOLS,
    CODES,
    ICMP_PROTOCOLS,
    PROTOCOL_NAMES,
    WITH_PORTS,
    CidrPeer,
    Direction,
    GroupPeer,
    PrefixListPeer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.evaluation.pieces import Part
    from sg_compliance.model.change import Rest, RuleChange
    from sg_compliance.model.security_group import Peer, SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule

_LISTED = 4
_SPOKEN = 10**13
"""Numbers from here on are said as powers of two."""


def protocol_name(protocol: int) -> str:
    """`tcp`, `icmpv6`, `all traffic`, or `protocol 47`."""
    return "all traffic" if protocol == ALL_PROTOCOLS else PROTOCOL_NAMES.get(protocol, f"protocol {protocol}")


def traffic(protocol: int, ports: IntervalSet) -> str:
    """Protocol and ports: `tcp 22,80-90`, `icmp type 8`, `all traffic`."""
    name = protocol_name(protocol)
    if protocol in ICMP_PROTOCOLS:
        return name if ports == ALL_PORTS else f"{name} {listed([_icmp(*each) for each in ports])}"
    if protocol not in WITH_PORTS:
        return name
    return f"{name} {listed([_range(*each) for each in ports])}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _icmp(first: int, last: int) -> str:
    (low, code), (high, last_code) = divmod(first, CODES), divmod(last, CODES)
    if first == last:
        return f"type {low} code {code}"
    whole = code == 0 and last_code == CODES - 1
    return f"type {_range(low, high)}" if whole else f"type {low} code {code} to type {high} code {last_code}"


def listed(items: Sequence[str], most: int = _LISTED, separator: str = ", ") -> str:
    """The first few, and how many more."""
    more = len(items) - most
    return separator.join(items[:most]) + (f" and {more} more" if more > 0 else "")


def peer_text(peer: Peer) -> str:
    """The peer as a person would write it."""
    if isinstance(peer, CidrPeer):
        return peer.text
    if isinstance(peer, PrefixListPeer):
        return peer.prefix_list_id
    place = f" in {peer.account_id}" if peer.account_id else ""
    return f"{peer.group_id}{f' ({peer.name})' if peer.name else ''}{place}"


def rule_text(rule: SecurityGroupRule) -> str:
    """A rule of the group: `tcp 22 from 0.0.0.0/0`."""
    preposition = "from" if rule.direction is Direction.INGRESS else "to"
    return f"{traffic(rule.protocol, IntervalSet([(rule.first, rule.last)]))} {preposition} {peer_text(rule.peer)}"


def said(bound: BoundRule, parts: Sequence[Part], unknown: Sequence[str], *, certain: bool) -> str:
    """What is open to whom, in one sentence; `unknown` are the prefix lists that could not be read."""
    open_traffic = listed([traffic(part.protocol, part.ports) for part in parts])
    peers = dict.fromkeys(peer_text(piece.rule.peer) for part in parts for piece in part.causes)
    preposition = "from" if bound.direction is Direction.INGRESS else "to"
    widest = max((part.addresses for part in parts), key=AddressSet.count_globally_routable)
    counted = f" ({public_text(widest)})" if widest.count_globally_routable() else ""
    is_open = f"{open_traffic} is open {preposition} {listed(list(peers))}{counted}"
    if not certain:
        return f"{is_open}: what {listed(unknown)} holds could not be read, so a violation cannot be ruled out"
    return f"{is_open}; what {listed(unknown)} holds could not be read" if unknown else is_open


def public_text(addresses: AddressSet) -> str:
    """How much of the internet a set of addresses is: `the whole IPv4 internet`, `256 public IPv4 addresses`."""
    counts = {version: _only(addresses, version).count_globally_routable() for version in (4, 6)}
    return (
        " and ".join(_count_text(version, count) for version, count in counts.items() if count) or "no public address"
    )


def _only(addresses: AddressSet, version: int) -> AddressSet:
    return AddressSet(v4=addresses.v4) if version == 4 else AddressSet(v6=addresses.v6)  # noqa: PLR2004 - IP version


def _count_text(version: int, count: int) -> str:
    if count == globally_routable.TOTAL[version]:
        return f"the whole IPv{version} internet"
    return f"{count_text(count)} public IPv{version} address{'es' if count > 1 else ''}"


def count_text(count: int) -> str:
    """A number as a person says it: `65,536`, `2^80`, `about 2^125`."""
    if count < _SPOKEN:
        return f"{count:,}"
    power = (count * count).bit_length() // 2
    return f"2^{power}" if count == 1 << power else f"about 2^{power}"


def overlap_of(part: Part) -> Overlap:
    """The violating traffic of one protocol in figures."""
    groups = {piece.rule.peer.group_id for piece in part.causes if isinstance(piece.rule.peer, GroupPeer)}
    public = part.addresses.count_globally_routable()
    return Overlap(part.protocol, part.ports, tuple(part.addresses.cidrs()), tuple(sorted(groups)), public)


def change_text(change: RuleChange) -> str:
    """A change to one rule: `revoke sgr-1 (tcp 20-25 from 0.0.0.0/0), keep tcp 20-21, 23-25`."""
    rule = change.rule
    name = f"{rule.rule_id} ({rule_text(rule)})" if rule.rule_id else rule_text(rule)
    if change.keep:
        return f"narrow {name} to {listed([_rest_text(rule, rest) for rest in change.keep])}"
    if rule.protocol == ALL_PROTOCOLS:
        return f"revoke {name}, and authorize only the protocols and ports that are needed"
    return f"revoke {name}"


def _rest_text(rule: SecurityGroupRule, rest: Rest) -> str:
    preposition = "from" if rule.direction is Direction.INGRESS else "to"
    place = f" {preposition} {rest.block}" if rest.block else ""
    return f"{traffic(rule.protocol, IntervalSet([(rest.first, rest.last)]))}{place}"
