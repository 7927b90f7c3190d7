"""What a group is to become: lockdown, revoke_violating, or trim.

Whatever is done is judged again before it is wanted, with the same question that made the findings. Traffic is only
ever taken away, never added: the rest of a rule lies inside the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sg_compliance.enforcement.calls import after
from sg_compliance.enforcement.trim import rest_rules, rule_text, untrimmable
from sg_compliance.model.change import Wanted
from sg_compliance.model.finding import Finding, FindingState
from sg_compliance.model.quota import RULES_PER_DIRECTION, quota_count
from sg_compliance.model.security_group import Direction, SecurityGroup, identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sg_compliance.model.change import RuleChange
    from sg_compliance.model.security_group import Identity, PrefixLists, SecurityGroupRule

Evaluate: TypeAlias = Callable[[SecurityGroup], list[Finding]]
"""The policy's verdict on a group with these rules."""

_TRIMS_OF_A_RULE: Final = 8
"""How often one policy rule may ask for another cut before its traffic is revoked instead."""


class Strategy(StrEnum):
    """How a finding is closed, the strongest first."""

    LOCKDOWN = "lockdown"
    REVOKE_VIOLATING = "revoke_violating"
    TRIM = "trim"


class Remedy(NamedTuple):
    """What closes the findings. `strategy` is the strongest that was needed.

    `closed`: the findings that go away. `remaining`: what is still found then of their rules, or of the marker itself:
    only the marker's, and what prefix lists that cannot be read leave in doubt.
    """

    strategy: Strategy
    wanted: Wanted
    notes: tuple[str, ...]
    closed: tuple[Finding, ...]
    remaining: tuple[Finding, ...]


def concerns_traffic(finding: Finding) -> bool:
    """Whether taking rules away can close the finding; hygiene findings are closed by people."""
    return finding.direction is not None and bool(finding.change)


def remedy(  # noqa: PLR0913, PLR0917 - all that the outcome depends on
    group: SecurityGroup,
    findings: Iterable[Finding],
    strategies: Mapping[str, Strategy],
    evaluate: Evaluate,
    prefix_lists: PrefixLists,
    marker: Sequence[SecurityGroupRule] = (),
    quota: int = RULES_PER_DIRECTION,
) -> Remedy:
    """What the group is to become so that these open findings go away. Raises KeyError for a rule without a strategy.

    One finding to be closed by lockdown locks the group down. Else rules that a revoke_violating finding touches go,
    and rules that only trim findings touch are replaced by their compliant rest.
    """
    targets = [finding for finding in findings if concerns_traffic(finding)]
    chosen = {finding.rule_id: strategies[finding.rule_id] for finding in targets}
    if Strategy.LOCKDOWN in chosen.values():
        locked = Wanted(rules=tuple(marker), gone=None)
        return _judged(group, targets, evaluate, Remedy(Strategy.LOCKDOWN, locked, (), (), ()))
    cutting = _cut(group, targets, chosen, evaluate, prefix_lists)
    cutting.fit(quota)
    revoked = cutting.notes or Strategy.REVOKE_VIOLATING in chosen.values()
    strategy = Strategy.REVOKE_VIOLATING if revoked else Strategy.TRIM
    return _judged(group, targets, evaluate, Remedy(strategy, cutting.wanted(), tuple(cutting.notes), (), ()))


def _judged(group: SecurityGroup, targets: Sequence[Finding], evaluate: Evaluate, planned: Remedy) -> Remedy:
    rule_ids = {finding.rule_id for finding in targets}
    marking = set(map(identity, planned.wanted.rules)) if planned.strategy is Strategy.LOCKDOWN else set()
    remaining = tuple(
        finding
        for finding in evaluate(after(group, planned.wanted))
        if finding.state is FindingState.OPEN
        and concerns_traffic(finding)
        and (finding.rule_id in rule_ids or not marking.isdisjoint(map(identity, finding.evidence)))
    )
    left = {finding.id for finding in remaining}
    return planned._replace(
        notes=(*planned.notes, *map(_doubt, remaining)) if not marking else planned.notes,
        closed=tuple(finding for finding in targets if finding.id not in left),
        remaining=remaining,
    )


def _doubt(finding: Finding) -> str:
    return f"{finding.rule_id} remains: {finding.message}"


def _cut(
    group: SecurityGroup,
    targets: Sequence[Finding],
    chosen: Mapping[str, Strategy],
    evaluate: Evaluate,
    prefix_lists: PrefixLists,
) -> _Cutting:
    """Close one finding after the other, judging anew each time, so that none takes what another has mended.

    Revocations come first. Where a certain violation is to be closed, what is only suspected is left alone.
    """
    cutting, cuts = _Cutting(group, prefix_lists), Counter[str]()
    doubtful = {finding.rule_id for finding in targets if not finding.certain}
    while True:
        left = [
            finding
            for finding in evaluate(replace(group, rules=tuple(cutting.rules.values())))
            if finding.rule_id in chosen
            and finding.state is FindingState.OPEN
            and (finding.certain or finding.rule_id in doubtful)
        ]
        if not left:
            return cutting
        finding = min(left, key=lambda each: (chosen[each.rule_id] is Strategy.TRIM, each.sort_key()))
        cuts[finding.rule_id] += 1
        trim = chosen[finding.rule_id] is Strategy.TRIM
        if not cutting.close(finding, trim=trim, again=cuts[finding.rule_id] <= _TRIMS_OF_A_RULE):
            return cutting


class _Cutting:
    """The rules of a group while they are revoked and trimmed. A rest knows the rules of the group it comes from."""

    def __init__(self, group: SecurityGroup, prefix_lists: PrefixLists) -> None:
        self.rules: dict[Identity, SecurityGroupRule] = {identity(rule): rule for rule in group.rules}
        self.notes: dict[str, None] = {}
        self._before = dict(self.rules)
        self._prefix_lists = prefix_lists
        self._origins: dict[Identity, frozenset[Identity]] = {}

    def close(self, finding: Finding, *, trim: bool, again: bool) -> bool:
        """Make the change that the finding asks for; whether anything changed. `again`: cutting is still worth it."""
        before = set(self.rules)
        for change in finding.change:
            if not trim:
                self._take(change.rule)
                continue
            why = untrimmable(change.rule, self._prefix_lists)
            why = why or ("" if again else f"what is left of it would still violate {finding.rule_id}")
            if why:
                self._give_up(identity(change.rule), why)
            else:
                self._trim(change)
        return set(self.rules) != before

    def _take(self, rule: SecurityGroupRule) -> frozenset[Identity]:
        """Take a rule away: the rules of the group that it comes from, itself where it is one."""
        key = identity(rule)
        self.rules.pop(key, None)
        return self._origins.pop(key, frozenset({key}))

    def _trim(self, change: RuleChange) -> None:
        origins = self._take(change.rule)
        for rest in rest_rules(change):
            key = identity(rest)
            if key not in self.rules or key in self._origins:
                self.rules.setdefault(key, rest)
                self._origins[key] = self._origins.get(key, frozenset()) | origins

    def _give_up(self, key: Identity, why: str) -> None:
        """Revoke the rules of the group that this one is, or comes from, with all that was to be kept of them."""
        for origin in self._origins.get(key, frozenset({key})):
            for rest, origins in list(self._origins.items()):
                self._origins[rest] = origins - {origin}
                if not self._origins[rest]:
                    self.rules.pop(rest)
                    del self._origins[rest]
            self.rules.pop(origin, None)
            self.notes[f"{rule_text(self._before[origin])} cannot be trimmed: {why}"] = None

    def fit(self, quota: int) -> None:
        """Give up trims until the group has no more rules than it may have, or has now."""
        for direction in Direction:
            now = quota_count(self._before.values(), direction, self._prefix_lists)
            for version, most in now.items():
                while self._count(direction, version) > max(quota, most):
                    if not self._give_up_widest(direction, version, max(quota, most)):
                        break

    def _count(self, direction: Direction, version: int) -> int:
        return quota_count(self.rules.values(), direction, self._prefix_lists)[version]

    def _give_up_widest(self, direction: Direction, version: int, most: int) -> bool:
        """Give up the rule that needs the most rules in its place."""
        needed: Counter[Identity] = Counter()
        for rest, origins in self._origins.items():
            weight = quota_count([self.rules[rest]], direction, self._prefix_lists)[version]
            needed.update(dict.fromkeys(origins, weight) if weight else {})
        for origin, count in needed.most_common(1):
            why = f"it would become {count} rules, and the group may have {most} {direction} rules for IPv{version}"
            self._give_up(origin, why)
        return bool(needed)

    def wanted(self) -> Wanted:
        """The rests to be added, and the rules that go."""
        added = tuple(rule for key, rule in self.rules.items() if key not in self._before)
        return Wanted(rules=added, gone=frozenset(self._before.keys() - self.rules.keys()))
