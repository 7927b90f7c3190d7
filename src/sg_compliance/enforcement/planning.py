"""One group and its findings → what is planned for it, or why nothing is: the ladder, the brakes, then the strategy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.backup import finding_note
from sg_compliance.enforcement.calls import settled
from sg_compliance.enforcement.decide import Action, decide, strategy_of
from sg_compliance.enforcement.guards import fingerprint, flapping, held, protections, unprotected
from sg_compliance.enforcement.marker import marker
from sg_compliance.enforcement.plan import CLEAR, TAG_ONLY, TO_COME, NotPlanned, PlannedGroup
from sg_compliance.enforcement.strategies import remedy
from sg_compliance.enforcement.tags import marks, warning_marks, worst_of
from sg_compliance.model.change import Wanted
from sg_compliance.model.security_group import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sg_compliance.enforcement.decide import Circumstances, Decision
    from sg_compliance.enforcement.strategies import Evaluate, Remedy, Strategy
    from sg_compliance.model.columns import Head
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Identity, Place, PrefixLists, SecurityGroup
    from sg_compliance.policy.reaction import ViolationHandling
    from sg_compliance.policy.resolve import Policy

_UNREAD: Final = "its network interfaces were not read: whether a service manages it is looked at when it is changed"
_WARNING: Final = (
    "COMPLIANCE WARNING - Security Group fails compliance check. Contact Security Team. Violation: {violation_reason}"
)


@dataclass(frozen=True, slots=True)
class Planning:
    """All that decisions depend on, besides the group and its findings.

    `entries` are those of the journal by group. `despite_hold`: a person wants to change groups that were rolled back
    a short while ago. `emergency`: groups are marked so. `explained`: a locked group gets the rule that says why.
    """

    policy: Policy
    circumstances: Circumstances
    now: datetime
    strategy: Strategy | None = None
    concessions: Sequence[Concession] = ()
    entries: Mapping[Place, Sequence[Entry]] = field(default_factory=dict)
    despite_hold: bool = False
    emergency: bool = False
    explained: bool = True

    @property
    def handling(self) -> ViolationHandling:
        """What the policy wants to happen to a group that violates."""
        return self.policy.document.policies().compliance_actions.violation_handling

    @property
    def prefix(self) -> str:
        """How the keys of our tags begin."""
        return self.handling.tag_prefix

    def is_marked(self, group: SecurityGroup | Head) -> bool:
        """Whether the group is tagged as violating, and was not remediated: nobody needs that tag once it complies."""
        return group.tag(f"{self.prefix}STATUS") == "NON_COMPLIANT" and group.tag(f"{self.prefix}REMEDIATED") is None

    def decide(
        self,
        group: SecurityGroup,
        findings: Sequence[Finding],
        prefix_lists: PrefixLists,
        evaluate: Evaluate,
        *,
        compliant: bool,
    ) -> PlannedGroup | NotPlanned | None:
        """What to do about the open findings that were asked for. `compliant`: the group has no open ones at all."""
        if compliant:
            return self._cleared(group) if self.is_marked(group) else None
        decided = [(finding, decide(finding, self.policy, self.circumstances, self.now)) for finding in findings]
        closing = [finding for finding, decision in decided if decision.action is Action.REMEDIATE]
        if closing:
            hindrance = self._hindrance(group, closing)
            reasons = _reasons([each for each in decided if each[1].action is Action.REMEDIATE])
            return hindrance or self._remediation(group, closing, reasons, prefix_lists, evaluate)
        tagging = [finding for finding, decision in decided if decision.action is Action.TAG]
        if tagging and not protections(group):
            found = self._tagged(group, tagging, _reasons(decided))
            if found:
                return found
        return _left_alone(group, decided) if decided else None

    def _hindrance(self, group: SecurityGroup, closing: Sequence[Finding]) -> NotPlanned | None:
        """The brake that keeps the group from being changed."""
        entries = self.entries.get(group.place, ())
        rules = tuple(dict.fromkeys(finding.rule_id for finding in closing))
        protected = protections(group)
        if protected and not unprotected(self.concessions, group.place, self.now):
            hint = f"to let it be changed: sg-compliance unprotect {group.group_id}"
            return NotPlanned(group.place, group.name, rules, f"protected: {'; '.join(protected)}", hint)
        hold = held(entries, self.now)
        if hold and not self.despite_hold:
            reason = f"rolled back lately, and held until {hold.isoformat(timespec='minutes')}"
            return NotPlanned(group.place, group.name, rules, reason, "--despite-hold plans it all the same")
        flaps = flapping(entries, self.now)
        if flaps:
            by = f"find out who does: sg-compliance history {group.group_id}, and CloudTrail"
            return NotPlanned(group.place, group.name, rules, flaps, by)
        return None

    def _remediation(
        self,
        group: SecurityGroup,
        closing: Sequence[Finding],
        reasons: tuple[str, ...],
        prefix_lists: PrefixLists,
        evaluate: Evaluate,
    ) -> PlannedGroup | NotPlanned:
        worst = worst_of(closing)
        reason = (worst.reason or worst.message) if worst else ""
        strategies = {finding.rule_id: strategy_of(finding, self.policy, self.strategy) for finding in closing}
        marking = marker(self.handling, reason) if self.explained else ()
        found = remedy(group, closing, strategies, evaluate, prefix_lists, marking)
        if settled(group, found.wanted):
            rules = tuple(dict.fromkeys(finding.rule_id for finding in closing))
            return NotPlanned(group.place, group.name, rules, "nothing is left to be taken away")
        set_, missing = marks(closing, self.prefix, TO_COME, emergency=self.emergency, existing=group.tags)
        wanted = replace(found.wanted, tags=set_ if self.handling.tag_non_compliant else ())
        return self._planned(group, found, wanted, reasons, missing if self.handling.tag_non_compliant else ())

    def _planned(
        self,
        group: SecurityGroup,
        found: Remedy,
        wanted: Wanted,
        reasons: tuple[str, ...],
        missing: tuple[str, ...],
    ) -> PlannedGroup:
        slots = [f"no free tag slot for {', '.join(missing)}"] if missing else []
        unread = [_UNREAD] if group.interfaces is None else []
        return PlannedGroup(
            group=group,
            fingerprint=fingerprint(group, self.prefix),
            strategy=found.strategy.value,
            wanted=wanted,
            closed=tuple(finding_note(finding) for finding in found.closed),
            remaining=tuple(finding_note(finding) for finding in found.remaining),
            reasons=reasons,
            notes=(*found.notes, *slots, *unread),
            interfaces=group.interfaces,
        )

    def _tagged(
        self, group: SecurityGroup, findings: Sequence[Finding], reasons: tuple[str, ...]
    ) -> PlannedGroup | None:
        """A warning: tags and, where the account wants it, a rule that says so. None where they are there already."""
        config = self.policy.account(group.account_id)
        worst = worst_of(findings)
        warning = self.handling.model_copy(
            update={"dummy_rule_config": self.handling.dummy_rule_config.model_copy(update={"description": _WARNING})}
        )
        rules = (
            marker(warning, worst.reason or worst.message)
            if worst and config and config.actions.add_warning_rule
            else ()
        )
        set_, missing = warning_marks(findings, self.prefix, existing=group.tags)
        wanted = Wanted(rules=rules, tags=set_)
        if settled(group, wanted):
            return None
        return PlannedGroup(
            group=group,
            fingerprint=fingerprint(group, self.prefix),
            strategy=TAG_ONLY,
            wanted=wanted,
            remaining=tuple(finding_note(finding) for finding in findings),
            reasons=reasons,
            notes=(f"no free tag slot for {', '.join(missing)}",) if missing else (),
            interfaces=group.interfaces,
        )

    def _cleared(self, group: SecurityGroup) -> PlannedGroup:
        """The group complies now: take the warning away, and the rule that warns."""
        ours = frozenset(key for key, _ in group.tags if key in {f"{self.prefix}{name}" for name in _WARNING_TAGS})
        return PlannedGroup(
            group=group,
            fingerprint=fingerprint(group, self.prefix),
            strategy=CLEAR,
            wanted=Wanted(gone=_warnings(group), untagged=ours),
            reasons=("it has no open finding any more",),
            interfaces=group.interfaces,
        )


def _warnings(group: SecurityGroup) -> frozenset[Identity]:
    begins = _WARNING.partition(" - ")[0]
    return frozenset(identity(rule) for rule in group.rules if (rule.description or "").startswith(begins))


_WARNING_TAGS: Final = ("STATUS", "VIOLATION_COUNT", "VIOLATION_REASON")


def _reasons(decided: Sequence[tuple[Finding, Decision]]) -> tuple[str, ...]:
    """Why it was decided so, each reason once."""
    acted = [decision.reason for _, decision in decided if decision.action in {Action.REMEDIATE, Action.TAG}]
    return tuple(dict.fromkeys(acted))


def _left_alone(group: SecurityGroup, decided: Sequence[tuple[Finding, Decision]]) -> NotPlanned:
    rules = tuple(dict.fromkeys(finding.rule_id for finding, _ in decided))
    reasons = dict.fromkeys(decision.reason for _, decision in decided)
    return NotPlanned(group.place, group.name, rules, "; ".join(reasons))
