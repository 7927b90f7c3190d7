"""Accounting for what was done to a group: the audit log, then people. After a crash twice rather than never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sg_compliance.enforcement.notices import notice_of
from sg_compliance.enforcement.record import call_record
from sg_compliance.errors import SgComplianceError
from sg_compliance.realtime.alerts import attributed

if TYPE_CHECKING:
    from sg_compliance.interfaces import AuditLog, Clock, Notifier
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """Who changes groups, in which run, and why; `contacts` are whom people may ask about an answer to an event."""

    id: str
    by: str
    why: str = ""
    policy_version: str = ""
    policy_hash: str = ""
    contacts: tuple[str, ...] = ()


class Accounting:
    """The audit log and the notifier of one run."""

    def __init__(self, audit: AuditLog, notifier: Notifier, clock: Clock, run: Run) -> None:
        self._log = audit
        self._notifier = notifier
        self._clock = clock
        self._run = run

    def of(self, entry: Entry, outcome: Outcome) -> tuple[str, ...]:
        """Audit and tell; the notes, with what went wrong in telling. Raises SgComplianceError: no audit, no end."""
        self._audit(entry, outcome)
        return (*outcome.notes, *self._tell(entry, outcome))

    def _audit(self, entry: Entry, outcome: Outcome) -> None:
        self._log.append(
            {
                "time": self._clock.now().isoformat(),
                "event": entry.kind.value,
                "run_id": self._run.id,
                "by": self._run.by,
                "begun_by": entry.by,
                "begun_in": entry.run_id,
                "why": self._run.why,
                "account_id": outcome.place.account_id,
                "region": outcome.place.region,
                "group_id": outcome.place.group_id,
                "group_name": outcome.name,
                "status": outcome.status.value,
                "reason": outcome.reason,
                "backup_id": outcome.backup_id,
                "restores": entry.restores,
                "plan_id": entry.plan_id,
                "rules": list(entry.rules),
                "policy_hash": self._run.policy_hash,
                "calls": [call_record(call) for call in outcome.calls],
                "notes": list(outcome.notes),
            }
        )

    def _tell(self, entry: Entry, outcome: Outcome) -> list[str]:
        """Tell people. That nobody could be told is no reason to leave a group half changed."""
        notice = notice_of(entry, outcome)
        try:
            self._notifier.send(attributed(notice, entry.answers, self._run.contacts) if entry.answers else notice)
        except SgComplianceError as error:
            return [f"nobody was told: {error}"]
        return []
