"""The one question: which findings does a group have under the policy?

Rules of the policy are indexed by (direction, protocol, ports): a security group rule looks up the few policy rules
that it can touch, and only those are judged, once per group, on all the rules that touch them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from sg_compliance.evaluation.hygiene import hygiene_findings
from sg_compliance.evaluation.pieces import Surroundings
from sg_compliance.evaluation.remedy import smallest_change
from sg_compliance.evaluation.violation import violation
from sg_compliance.evaluation.wording import overlap_of, said
from sg_compliance.model.finding import Finding, FindingState
from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    CidrPeer,
    Direction,
    PrefixListPeer,
    SecurityGroup,
    blocks_of,
)
from sg_compliance.policy.exemptions import exemption_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sg_compliance.model.columns import Head
    from sg_compliance.model.security_group import PrefixLists, SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule, RuleSet
    from sg_compliance.policy.resolve import Policy

_REMEMBERED: Final = 1 << 16
_Key: TypeAlias = tuple[Direction, int, int, int]


class Evaluator:
    """A policy at one time. Keep it for many groups: it remembers which rules touch which ports.

    `now` decides which exemptions have expired.
    """

    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy = policy
        self.now = now
        self._touching: dict[tuple[str, str | None], _Index] = {}

    def evaluate(self, group: SecurityGroup, prefix_lists: PrefixLists) -> list[Finding]:
        """The group's findings: by direction, then as the rules stand in the policy."""
        rule_set = self.policy.binding(group)
        key = (rule_set.account_id, rule_set.environment)
        index = self._touching.get(key)
        if index is None:
            index = self._touching[key] = _Index(rule_set)
        around = Surroundings(prefix_lists, rule_set.allowances)
        findings = [
            finding
            for bound, rules in index.touched(group.rules, around)
            if (finding := judge(bound, group, rules, around)) is not None
        ]
        findings.extend(hygiene_findings(group, rule_set.hygiene, prefix_lists))
        if not findings:
            return findings
        subject = replace(group, rules=(), malformed=())
        return [self._settled(finding, subject, rule_set) for finding in findings]

    def cleared(self, group: SecurityGroup | Head) -> None:
        """A screen has found that this group has no finding: it will not be judged. For who notes what was judged."""

    def _settled(self, finding: Finding, subject: SecurityGroup, rule_set: RuleSet) -> Finding:
        """Look for an exemption, and keep of the group only who it is: findings outlive the scan of their group."""
        found = exemption_of(finding, self.policy.document.exemptions, rule_set.required_approvals, self.now)
        state = FindingState.EXEMPT if found and not found.lapsed else FindingState.OPEN
        return replace(finding, group=subject, exemption=found, state=state)


class _Index:
    """The rules of a rule set by what they can touch."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._rules = rule_set.rules
        self._known: dict[_Key, tuple[int, ...]] = {}
        self._by_floors: dict[tuple[tuple[int, int], ...], set[int]] = {}
        self._always: set[int] = set()
        for number, bound in enumerate(rule_set.rules):
            if bound.floors is None:
                self._always.add(number)
            else:
                self._by_floors.setdefault(tuple(bound.floors.items()), set()).add(number)

    def touched(
        self, rules: Sequence[SecurityGroupRule], around: Surroundings
    ) -> Iterator[tuple[BoundRule, list[SecurityGroupRule]]]:
        """The policy rules that some of the rules can violate, with those, in the order of the policy."""
        possible = self._possible(rules, around)
        if not possible:
            return
        known = self._known
        hits: dict[int, list[SecurityGroupRule]] = {}
        for rule in rules:
            key = rule[:4]
            numbers = known.get(key)
            if numbers is None:
                numbers = self._remember(key)
            for number in numbers:
                if number in possible:
                    hits.setdefault(number, []).append(rule)
        for number in sorted(hits):
            yield self._rules[number], hits[number]

    def _possible(self, rules: Sequence[SecurityGroupRule], around: Surroundings) -> set[int]:
        """Leave out the rules that need more routable addresses than all rules of the group admit together."""
        admitted = {4: 0, 6: 0}
        for rule in rules:
            peer = rule.peer
            if type(peer) is CidrPeer:
                admitted[peer.block.version] += peer.block.routable
            elif type(peer) is PrefixListPeer:
                if around.cannot_read(peer):
                    return self._always.union(*self._by_floors.values())
                for block in blocks_of(peer, around.prefix_lists) or ():
                    admitted[block.version] += block.routable
        possible = self._always
        for floors, numbers in self._by_floors.items():
            for version, floor in floors:
                if admitted[version] >= floor:
                    possible = possible | numbers
        return possible

    def _remember(self, key: _Key) -> tuple[int, ...]:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        found = tuple(number for number, bound in enumerate(self._rules) if touches(bound, *key))
        self._known[key] = found
        return found


def touches(bound: BoundRule, direction: Direction, protocol: int, first: int, last: int) -> bool:
    """Whether a rule of the group with this protocol and these ports can matter to the policy rule."""
    if bound.direction is not direction:
        return False
    if bound.protocols is not None and protocol != ALL_PROTOCOLS and protocol not in bound.protocols:
        return False
    return any(low <= last and high >= first for low, high in bound.ports)


def judge(
    bound: BoundRule, group: SecurityGroup, rules: Sequence[SecurityGroupRule], around: Surroundings
) -> Finding | None:
    """Judge one policy rule on the rules of the group that it can touch."""
    parts, certain = violation(bound, rules, around)
    if not parts:
        return None
    unknown = _unknown(bound, rules, around)
    carrying = {piece.rule: None for part in parts for piece in part.causes}
    return Finding(
        group=group,
        rule_id=bound.rule_id,
        severity=bound.severity,
        direction=bound.direction,
        reason=bound.reason or bound.description,
        message=said(bound, parts, unknown, certain=certain),
        evidence=tuple(rule for rule in rules if rule in carrying),
        overlaps=tuple(overlap_of(part) for part in parts),
        unknown_peers=unknown,
        certain=certain,
        change=smallest_change(bound, rules, around, parts, certain=certain),
        references=bound.references,
    )


def _unknown(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings) -> tuple[str, ...]:
    """The unreadable prefix lists that matter: those that open a port of the rule, and those that the policy names."""
    peers = [rule.peer for rule in rules if bound.looks_at(rule.peer)]
    opening = {peer.prefix_list_id for peer in peers if isinstance(peer, PrefixListPeer) and around.cannot_read(peer)}
    return tuple(sorted(opening | around.unknown_to(bound)))
