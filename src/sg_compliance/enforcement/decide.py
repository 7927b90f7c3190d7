"""The ladder: what is done about one finding, and why, in words that name the key of the policy that decided.

The policy may go far or stop early; these never go further than telling: exempt findings, findings about no traffic,
and findings that a prefix list which cannot be read leaves in doubt.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from sg_compliance.enforcement.strategies import Strategy, concerns_traffic
from sg_compliance.model.finding import FindingState, Severity

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.enforcement.prompt import Prompt
    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.document import AccountConfig
    from sg_compliance.policy.reaction import ComplianceActions
    from sg_compliance.policy.resolve import Policy

Level: TypeAlias = Literal["disabled", "monitor", "warn", "enforce"]

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_UNITS: Final = {"m": 60, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}


class Action(StrEnum):
    """How far to go, each including the ones before it."""

    NONE = "none"
    WARN = "warn"
    TAG = "tag"
    REMEDIATE = "remediate"


class Circumstances(NamedTuple):
    """How the run came about. `automatic`: nobody looks at the plan. `severity`: the least that is acted on.

    `level` stands in place of the account's enforcement level. `prompt`: an event gave rise to it.
    """

    automatic: bool = False
    severity: Severity = Severity.INFO
    level: Level | None = None
    prompt: Prompt | None = None


class Decision(NamedTuple):
    """What to do about a finding. `escalation`: by how many steps people are told more urgently."""

    action: Action
    reason: str
    escalation: int = 0


class _Case(NamedTuple):
    """All that a decision depends on."""

    finding: Finding
    config: AccountConfig | None
    actions: ComplianceActions
    circumstances: Circumstances
    now: datetime

    @property
    def age(self) -> float | None:
        """Seconds since the finding was first seen."""
        first = self.finding.first_seen
        return (self.now - first).total_seconds() if first else None

    @property
    def account(self) -> str:
        return f"account {self.finding.group.account_id}"


def decide(finding: Finding, policy: Policy, circumstances: Circumstances, now: datetime) -> Decision:
    """What to do about the finding."""
    config = policy.account(finding.group.account_id)
    case = _Case(finding, config, policy.document.policies().compliance_actions, circumstances, now)
    level, why = _level(case)
    untouched = _untouched(case, level, why)
    if untouched:
        return Decision(Action.NONE, untouched)
    if finding.severity.rank < circumstances.severity.rank:
        below = f"severity {finding.severity.value} is below the threshold {circumstances.severity.value}"
        return Decision(Action.WARN, below, _escalation(case))
    prompt = circumstances.prompt
    if prompt and finding.id not in prompt.fresh:
        return Decision(Action.WARN, prompt.objection(finding, now), _escalation(case))
    hindered = why if level == "warn" else _never(case) or _forbidden(case)
    if hindered:
        return Decision(_telling(case), hindered, _escalation(case))
    return Decision(Action.REMEDIATE, why, _escalation(case))


def _level(case: _Case) -> tuple[Level, str]:
    """The enforcement level that counts, and where it comes from."""
    asked, config = case.circumstances.level, case.config
    if asked:
        return asked, f"enforcement_level {asked!r} was asked for in this run"
    if config is None:
        if case.circumstances.automatic:
            return "monitor", f"{case.account} is not in accounts_config"
        return "enforce", f"{case.account} is not in accounts_config, and a person reviews the plan"
    level = config.enforcement_level
    said = f"{case.account} is at enforcement_level {level!r}"
    if level == "warn" and _old_enough_to_enforce(case, config):
        return "enforce", f"{said}, and the finding is past auto_enforce_after_days"
    return level, said


def _old_enough_to_enforce(case: _Case, config: AccountConfig) -> bool:
    settings = config.warning_settings
    if settings.auto_enforce_after_days is None or case.age is None:
        return False
    return case.age >= max(settings.auto_enforce_after_days, settings.grace_period_days) * _DAY


def _untouched(case: _Case, level: Level, why: str) -> str:
    """Why nothing is done, beyond the report."""
    if case.finding.state is FindingState.EXEMPT:
        exemption = case.finding.exemption
        return f"exempt by {exemption.path}, approved by {exemption.approved_by}" if exemption else "exempt"
    if level == "monitor":
        return f"{why}: reported only"
    return why if level == "disabled" else ""


def _never(case: _Case) -> str:
    """Why a finding is never remediated, whatever the policy says."""
    finding = case.finding
    if not concerns_traffic(finding):
        return f"{finding.rule_id} is about no traffic: people have to mend it"
    if not finding.certain:
        unread = ", ".join(finding.unknown_peers) or "a prefix list"
        return f"the violation is not certain: what {unread} holds could not be read"
    return ""


def _forbidden(case: _Case) -> str:
    """The key of the policy that keeps an enforcing account's finding from being remediated now."""
    own = case.config.actions if case.config else None
    if own and "remove_violating_rules" in own.model_fields_set and not own.remove_violating_rules:
        return f"{case.account} has actions.remove_violating_rules false"
    prompt = case.circumstances.prompt
    if prompt:
        return prompt.objection(case.finding, case.now)
    return _not_by_itself(case) if case.circumstances.automatic else ""


def _not_by_itself(case: _Case) -> str:
    settings = case.actions.remediation_settings
    if not settings.automatic_remediation:
        return "remediation_settings.automatic_remediation is false: a person has to start it"
    if settings.require_manual_approval:
        return "remediation_settings.require_manual_approval is true: a person has to approve it"
    hours = settings.grace_period_hours
    if case.age is None:
        return f"when it was first seen is not known: remediation_settings.grace_period_hours ({hours}) has not passed"
    if case.age < hours * _HOUR:
        return f"remediation_settings.grace_period_hours ({hours}) has not passed since it was first seen"
    return ""


def _telling(case: _Case) -> Action:
    """Tagging, where both the account and the policy want it."""
    by_account = case.config is None or case.config.actions.tag_non_compliant
    return Action.TAG if by_account and case.actions.violation_handling.tag_non_compliant else Action.WARN


def _escalation(case: _Case) -> int:
    """How many steps of the account's schedule have passed, and one more for escalation_after_hours."""
    age = case.age
    if age is None:
        return 0
    schedule = case.config.warning_settings.escalation_schedule if case.config else []
    passed = sum(age >= int(step[:-1]) * _UNITS[step[-1]] for step in schedule)
    return passed + (age >= case.actions.remediation_settings.escalation_after_hours * _HOUR)


def strategy_of(finding: Finding, policy: Policy, asked: Strategy | None = None) -> Strategy:
    """How the finding is to be closed: as asked for, else as its rule, its account, or the policy says."""
    if asked:
        return asked
    rule = next((each.strategy for each in policy.rules() if each.rule_id == finding.rule_id), None)
    config = policy.account(finding.group.account_id)
    settings = policy.document.policies().compliance_actions.remediation_settings
    return Strategy(rule or (config.strategy if config else None) or settings.strategy)
