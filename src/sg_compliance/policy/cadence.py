"""When people are told of findings: at once, or in a digest of the hour, the day or the week.

In real time `notification_escalation` says it, where the document gives its list and the severity stands in it; else
`notification_settings.alert_levels`, which do not speak of info: that is told once a week.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sg_compliance.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.policy.document import Policies
    from sg_compliance.policy.resolve import Policy


class Cadence(StrEnum):
    """When, the soonest first."""

    AT_ONCE = "at once"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


_LEVELS: Final[Mapping[str, Cadence]] = {
    "immediate": Cadence.AT_ONCE,
    "within_1_hour": Cadence.HOURLY,
    "daily_digest": Cadence.DAILY,
    "weekly_digest": Cadence.WEEKLY,
}
_LISTS: Final[Mapping[str, Cadence]] = {
    "immediate_alert_severities": Cadence.AT_ONCE,
    "hourly_digest_severities": Cadence.HOURLY,
    "daily_digest_severities": Cadence.DAILY,
}


def cadence_of(severity: Severity, policies: Policies) -> Cadence:
    """When a finding of this severity is told."""
    settings = policies.compliance_actions.notification_settings
    cadence = _in_real_time(severity, policies) or (
        Cadence.WEEKLY if severity is Severity.INFO else _LEVELS[getattr(settings.alert_levels, severity.value)]
    )
    return Cadence.HOURLY if cadence is Cadence.AT_ONCE and not settings.send_immediate_alerts else cadence


def _in_real_time(severity: Severity, policies: Policies) -> Cadence | None:
    """The soonest of the lists that the document gives and that name the severity."""
    escalation = policies.real_time_scanning.notification_escalation
    given = (key for key in _LISTS if key in escalation.model_fields_set)
    return next((_LISTS[key] for key in given if severity in getattr(escalation, key)), None)


def severities_of(cadence: Cadence, policies: Policies) -> tuple[Severity, ...]:
    """The severities that are told then, the least first."""
    return tuple(each for each in Severity if cadence_of(each, policies) is cadence)


def is_told(account_id: str, policy: Policy) -> bool:
    """Whether people want to be told about findings of the account."""
    config = policy.account(account_id)
    return config is None or config.actions.send_notifications
