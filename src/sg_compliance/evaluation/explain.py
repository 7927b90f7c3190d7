"""Why a group has the findings it has, and why every other rule that binds it does not fire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

from sg_compliance.evaluation.evaluate import touches
from sg_compliance.evaluation.pieces import Surroundings, pieces_of, protocols_of
from sg_compliance.evaluation.violation import violation
from sg_compliance.evaluation.wording import (
    count_text,
    listed,
    peer_text,
    protocol_name,
    public_text,
    rule_text,
    traffic,
)
from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import ALL_PORTS, ICMP_PROTOCOLS, Direction, GroupPeer
from sg_compliance.model.traffic import Piece as PortsOfBlock
from sg_compliance.model.traffic import Traffic, exposure
from sg_compliance.policy.bound import Kind, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.evaluation.pieces import Piece
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import PrefixLists, SecurityGroup, SecurityGroupRule
    from sg_compliance.model.traffic import PeerSet
    from sg_compliance.policy.bound import BoundRule, RuleSet


@dataclass(frozen=True, slots=True)
class Opening:
    """Traffic that the group allows, and to whom, in words."""

    direction: Direction
    traffic: str
    peers: str
    public_addresses: int
    public: str
    rules: tuple[SecurityGroupRule, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """A rule that binds the group and does not fire, and why not."""

    rule: BoundRule
    because: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one group."""

    group: SecurityGroup
    environment: str | None
    openings: tuple[Opening, ...]
    findings: tuple[Finding, ...]
    rules: dict[str, BoundRule]
    silent: tuple[Silence, ...]


def explain(evaluator: Evaluator, group: SecurityGroup, prefix_lists: PrefixLists) -> Explanation:
    """Explain one group. The findings are the evaluator's own."""
    rule_set = evaluator.policy.binding(group)
    findings = sorted(evaluator.evaluate(group, prefix_lists), key=lambda finding: finding.sort_key())
    fired = {finding.rule_id for finding in findings}
    return Explanation(
        group=group,
        environment=evaluator.policy.environment_of(group),
        openings=tuple(opening for direction in Direction for opening in _openings(group, direction, prefix_lists)),
        findings=tuple(findings),
        rules={rule.rule_id: rule for rule in rule_set.rules if rule.rule_id in fired},
        silent=tuple(_silences(group, rule_set, fired, prefix_lists)),
    )


def _openings(group: SecurityGroup, direction: Direction, prefix_lists: PrefixLists) -> Iterator[Opening]:
    rules = [rule for rule in group.rules if rule.direction is direction]
    for protocol, segments in Traffic.of(rules, prefix_lists).segments:
        for first, last, peers in segments:
            opening = tuple(
                rule for rule in rules if rule.protocol in (protocol, -1) and rule.first <= last and rule.last >= first
            )
            public = peers.addresses.count_globally_routable()
            said = public_text(peers.addresses) if public else ""
            yield Opening(direction, _traffic(protocol, first, last), _peers(peers, opening), public, said, opening)


def _traffic(protocol: int, first: int, last: int) -> str:
    return traffic(protocol, IntervalSet([(first, last)]))


def _peers(peers: PeerSet, rules: Sequence[SecurityGroupRule]) -> str:
    named = {rule.peer.group_id: peer_text(rule.peer) for rule in rules if isinstance(rule.peer, GroupPeer)}
    texts = [str(block) for block in peers.addresses.cidrs()]
    texts += [named.get(group_id, group_id) for group_id in sorted(peers.groups)]
    texts += [f"{prefix_list_id} (entries unknown)" for prefix_list_id in sorted(peers.unreadable)]
    return listed(texts, 6)


def _silences(group: SecurityGroup, rule_set: RuleSet, fired: set[str], prefix_lists: PrefixLists) -> Iterator[Silence]:
    around = Surroundings(prefix_lists, rule_set.allowances)
    for bound in rule_set.rules:
        if bound.rule_id not in fired:
            yield Silence(bound, why_silent(bound, group, around))


def why_silent(bound: BoundRule, group: SecurityGroup, around: Surroundings) -> str:
    """Why a rule that binds the group does not fire on it."""
    rules = [rule for rule in group.rules if touches(bound, *rule[:4])]
    if not rules:
        return f"no {bound.direction} rule of the group opens {rule_traffic(bound)}"
    seen = [rule for rule in rules if bound.looks_at(rule.peer)]
    if not seen:
        return f"it looks only at peers of type {bound.source_type}, and {_opens(rules)} is to others"
    if not _pieces(bound, seen, around._replace(allowances=())):
        return f"{_opens(seen)} lets nobody through: the prefix list has no entries"
    carrying = {piece.rule for piece in _pieces(bound, seen, around)}
    if not carrying:
        return f"all of it is known to be good by allowed_rules or an allowance: {_opens(seen)}"
    if bound.kind is Kind.RESTRICTED:
        return f"only peers that may use it do: {_opens([rule for rule in seen if rule in carrying])}"
    return f"{_why_not_prohibited(bound, seen, around)}: {_opens(seen)}"


def _pieces(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings) -> list[Piece]:
    return [
        piece for protocol in protocols_of(bound, rules, around) for piece in pieces_of(bound, rules, protocol, around)
    ]


def _opens(rules: Sequence[SecurityGroupRule]) -> str:
    return listed([rule_text(rule) for rule in rules], 3)


def _why_not_prohibited(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings) -> str:
    versions = " or ".join(f"IPv{version}" for version in bound.floors or ())
    widest = _widest(bound, rules, around)
    public = public_text(widest) if widest.count_globally_routable() else f"no public {versions} address"
    if bound.max_public_addresses is not None:
        return f"it admits {public}, and {count_text(bound.max_public_addresses)} are within bounds"
    if bound.port_match is Match.COVER and violation(_any_port(bound), rules, around)[0]:
        return f"some of what the rule is about ({rule_traffic(bound)}) is closed"
    if bound.floors:
        return f"it admits {public}, not the whole {versions} internet"
    return "it is not what the rule prohibits"


def _any_port(bound: BoundRule) -> BoundRule:
    return replace(bound, port_match=Match.OVERLAP)


def _widest(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings) -> AddressSet:
    """The addresses at the port with the most routable ones, for each IP version that the rule counts."""
    found = AddressSet()
    for version in bound.floors or (4, 6):
        at_ports = [
            (each.addresses, [block for first, last, block in openings if first <= each.first <= last])
            for protocol in protocols_of(bound, rules, around)
            if (openings := _openings_of(pieces_of(bound, rules, protocol, around), version))
            for each in exposure(openings, routable=True)
        ]
        found |= AddressSet.of(max(at_ports, key=itemgetter(0), default=(0, []))[1])
    return found


def _openings_of(pieces: Iterable[Piece], version: int) -> list[PortsOfBlock]:
    return [
        PortsOfBlock(piece.first, piece.last, piece.block)
        for piece in pieces
        if piece.block and piece.block.version == version
    ]


def rule_traffic(bound: BoundRule) -> str:
    """The traffic that a policy rule is about."""
    if bound.protocols is None:
        return "all protocols and ports" if bound.port_match is Match.COVER else "any traffic"
    names = "/".join(protocol_name(protocol) for protocol in sorted(bound.protocols))
    if bound.ports == ALL_PORTS:
        what = "type" if bound.protocols & ICMP_PROTOCOLS else "port"
        return f"{names}, all {what}s" if bound.port_match is Match.COVER else f"{names}, any {what}"
    protocol = min(bound.protocols)
    return traffic(protocol, bound.ports).replace(protocol_name(protocol), names, 1)
