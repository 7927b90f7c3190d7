"""How far an event lets a run go by itself, and when: the policy's `real_time_scanning`, as the ladder asks for it.

In real time its settings stand in place of `remediation_settings.automatic_remediation`, `require_manual_approval` and
`grace_period_hours`: who enables them has approved. The account's enforcement level and actions count as always.

Only what the event itself brought about is remediated: what stood before is for scans. An instance that is launched, or
a description that is mended, must not have a group locked down that has been open for years.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.model.finding import Severity

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.reaction import RealTimeScanning

_REMEDIATION: Final = "real_time_scanning.remediation_settings"


class Prompt(NamedTuple):
    """From which severity on a group is locked down as an emergency, remediated at once, or after a grace period.

    None: not at all. `detection` is the key under which the policy speaks of events of this kind. `fresh` are the ids
    of the findings that the event brought about.
    """

    detection: str
    emergency: Severity | None = None
    at_once: Severity | None = None
    later: Severity | None = None
    grace: timedelta = timedelta()
    fresh: frozenset[str] = frozenset()

    def is_emergency(self, finding: Finding) -> bool:
        """Whether the finding is one."""
        return finding.id in self.fresh and _reaches(finding.severity, self.emergency)

    def due(self, finding: Finding) -> datetime | None:
        """When the finding may be remediated; None where never by itself, or where its age is not known."""
        if finding.first_seen is None or finding.id not in self.fresh:
            return None
        if self.is_emergency(finding) or _reaches(finding.severity, self.at_once):
            return finding.first_seen
        return finding.first_seen + self.grace if _reaches(finding.severity, self.later) else None

    def objection(self, finding: Finding, now: datetime) -> str:
        """Why the finding is not remediated now; empty where it may be."""
        if finding.id not in self.fresh:
            return "it is not the event that brought it about: what stood before is remediated by scans"
        due = self.due(finding)
        if due is not None:
            minutes = self.grace // timedelta(minutes=1)
            key = f"{_REMEDIATION}.immediate_remediation.grace_period_minutes"
            return "" if due <= now else f"{key} ({minutes}) has not passed since it was first seen"
        if _reaches(finding.severity, self.later):
            return "when it was first seen is not known: no grace period can be counted"
        severity = finding.severity.value
        return f"no key of {_REMEDIATION} or {self.detection} lets {severity} findings be remediated by themselves"


def prompt_of(scanning: RealTimeScanning, *, created: bool) -> Prompt:
    """What the policy allows after an event. `created`: the group was made by it."""
    rules, settings = scanning.detection_rules, scanning.remediation_settings
    detection = rules.new_security_group_created if created else rules.risky_rule_added
    name = "new_security_group_created" if created else "risky_rule_added"
    emergency, immediate = settings.emergency_remediation, settings.immediate_remediation
    return Prompt(
        detection=f"real_time_scanning.detection_rules.{name}",
        emergency=emergency.severity_threshold if emergency.enabled else None,
        at_once=Severity.CRITICAL if detection.auto_remediate_critical else None,
        later=immediate.severity_threshold if immediate.enabled else None,
        grace=timedelta(minutes=min(immediate.grace_period_minutes, _LONGEST_GRACE)),
    )


_LONGEST_GRACE: Final = 10 * 366 * 24 * 60
"""Minutes: a time so long after now is one still."""


def _reaches(severity: Severity, least: Severity | None) -> bool:
    return least is not None and severity.rank >= least.rank
