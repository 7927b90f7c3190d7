"""The transaction for one group: lock, read, back up, journal, change, read back, audit, tell, end.

The order of effects is the whole point, and it is here only:

1. nothing is changed before a backup of the group is written, read back and compared, and the journal points at it;
2. an entry that is open in the journal is finished first, by whoever comes next, with the backup it began with;
3. the audit log and people are told before the entry is closed: after a crash they may be told twice, never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.backup import Backup, Cause, decode_backup
from sg_compliance.enforcement.calls import settled
from sg_compliance.enforcement.guards import fingerprint, paused
from sg_compliance.enforcement.notices import notice_of
from sg_compliance.enforcement.record import call_record, wanted_of, wanted_record
from sg_compliance.enforcement.refusals import GONE, IN_FLUX
from sg_compliance.enforcement.rollback import restoring
from sg_compliance.errors import AwsError, GroupLockedError, SgComplianceError
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.workflows.change import Change, Held, keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.enforcement.plan import PlannedGroup
    from sg_compliance.interfaces import (
        AuditLog,
        BackupStore,
        Clock,
        Concessions,
        Journal,
        Notifier,
        RuleWriter,
        Switch,
    )
    from sg_compliance.model.change import Wanted
    from sg_compliance.model.security_group import Place, SecurityGroup

LEASE: Final = timedelta(minutes=5)
"""How long a group stays locked after its run has died. Renewed while the run lives."""

_READS: Final = 4


@dataclass(frozen=True, slots=True)
class Stores:
    """Where everything is kept that outlives a run."""

    backups: BackupStore
    journal: Journal
    audit: AuditLog
    concessions: Concessions
    switch: Switch
    notifier: Notifier


@dataclass(frozen=True, slots=True)
class Run:
    """Who changes groups, in which run, and why."""

    id: str
    by: str
    why: str = ""
    policy_version: str = ""
    policy_hash: str = ""


class Transactions:
    """Transactions of one run. Each returns an Outcome and raises only what says that the run cannot go on at all."""

    def __init__(self, writer: RuleWriter, stores: Stores, clock: Clock, run: Run) -> None:
        self._writer = writer
        self._stores = stores
        self._clock = clock
        self._run = run

    def remediate(self, planned: PlannedGroup, plan_id: str, prefix: str) -> Outcome:
        """Do what the plan says for one group, unless the group is not what it was when the plan was made."""
        outcome = self._locked(
            planned.place, planned.group.name, lambda held: self._remediate(held, planned, plan_id, prefix)
        )
        return outcome or self.remediate(planned, plan_id, prefix)

    def roll_back(self, backup: Backup, hold: timedelta) -> Outcome:
        """Restore the group as the backup has it. Real time leaves it alone for as long as `hold`."""
        group = backup.group
        outcome = self._locked(group.place, group.name, lambda held: self._roll_back(held, backup, hold))
        return outcome or self.roll_back(backup, hold)

    def resume(self, entry: Entry) -> Outcome:
        """Finish what another run has begun and left open."""
        outcome = self._locked(entry.place, "", self._resume)
        return outcome or Outcome(entry.place, "", Status.UNCHANGED, "it was finished meanwhile")

    def _locked(self, place: Place, name: str, work: Callable[[Held], Outcome | None]) -> Outcome | None:
        """What comes of the work under the lock; None where it was in the way of an open entry that is over now."""
        try:
            lock = self._stores.journal.lock(place, self._run.id, self._clock.now(), LEASE)
        except GroupLockedError as error:
            return Outcome(place, name, Status.LOCKED, str(error), error.hint)
        except SgComplianceError as error:
            return Outcome(place, name, Status.FAILED, str(error), error.hint)
        held = Held(lock, self._stores.journal, self._clock, LEASE)
        try:
            return work(held)
        except AwsError as error:
            return self._stopped(held, name, error, gone=error.code in GONE)
        except SgComplianceError as error:
            return self._stopped(held, name, error)
        finally:
            held.give_back()

    def _stopped(self, held: Held, name: str, error: SgComplianceError, *, gone: bool = False) -> Outcome:
        """Say why it went no further. An entry that was begun stays open for the next run, unless the group is gone."""
        place, entry = held.place, held.entry
        if gone:
            reason = f"{place.group_id} is not there any more"
            if entry is not None:
                held.end(replace(entry, state=EntryState.DONE, ended=self._clock.now(), notes=(*entry.notes, reason)))
            return Outcome(place, name, Status.GONE, reason, "nothing is left to be done", self._backup_of(entry))
        status = Status.INCOMPLETE if entry else Status.FAILED
        return Outcome(place, name, status, str(error), error.hint, self._backup_of(entry))

    @staticmethod
    def _backup_of(entry: Entry | None) -> str:
        return entry.backup_id if entry else ""

    def _remediate(self, held: Held, planned: PlannedGroup, plan_id: str, prefix: str) -> Outcome | None:
        if held.lock.open:
            done = self._resume(held)
            return done if held.lock.open.plan_id == plan_id or not done.status.is_complete else None
        group = self._read(planned.place)
        rules_only = replace(planned.wanted, tags=(), untagged=frozenset())
        if settled(group, rules_only if planned.changes_rules else planned.wanted):
            return Outcome(planned.place, group.name, Status.UNCHANGED, "the group is as planned already")
        if fingerprint(group, prefix) != planned.fingerprint:
            hint = "look at it and plan again: sg-compliance plan"
            return Outcome(planned.place, group.name, Status.REFUSED, "changed since the plan was made", hint)
        pause = self._pause(held, group.name)
        if pause:
            return pause
        cause = self._cause("remediation", "; ".join(planned.reasons), planned)
        backup = self._back_up(Backup(group, self._clock.now(), cause))
        wanted = planned.wanted_with(backup.id)
        entry = self._entry(EntryKind.REMEDIATION, group, backup, wanted)
        rules = tuple(dict.fromkeys(each["rule_id"] for each in planned.closed))
        held.begin(replace(entry, plan_id=plan_id, rules=rules))
        return self._carry_out(held, group, backup, wanted)

    def _roll_back(self, held: Held, backup: Backup, hold: timedelta) -> Outcome | None:
        unfinished = held.lock.open
        if unfinished:
            if unfinished.kind is EntryKind.ROLLBACK and unfinished.restores == backup.id:
                return self._resume(held)
            note = f"rolled back to {backup.id} before it was finished"
            held.end(
                replace(
                    unfinished,
                    state=EntryState.SUPERSEDED,
                    ended=self._clock.now(),
                    notes=(*unfinished.notes, note),
                )
            )
            return None
        group = self._read(backup.group.place)
        wanted = restoring(backup.group, group)
        if settled(group, wanted):
            return Outcome(group.place, group.name, Status.UNCHANGED, "the group is as the backup has it already")
        pause = self._pause(held, group.name)
        if pause:
            return pause
        before = self._back_up(Backup(group, self._clock.now(), self._cause("rollback", f"back to {backup.id}")))
        entry = self._entry(EntryKind.ROLLBACK, group, before, wanted)
        held.begin(replace(entry, restores=backup.id, hold_until=self._clock.now() + hold))
        return self._carry_out(held, group, before, wanted)

    def _resume(self, held: Held) -> Outcome:
        """Go on with the open entry: with its backup, never with one of the half-changed group."""
        entry = held.lock.open
        if entry is None:
            return Outcome(held.place, "", Status.UNCHANGED, "it was finished meanwhile")
        held.take_over(entry)
        group = self._read(entry.place)
        pause = self._pause(held, group.name)
        if pause:
            return pause
        backup = self._backup(entry.backup_id)
        if entry.kind is EntryKind.ROLLBACK:
            wanted = restoring(self._backup(entry.restores).group, group)
        else:
            wanted = wanted_of(dict(entry.wanted))
        return self._carry_out(held, group, backup, wanted)

    def _carry_out(self, held: Held, group: SecurityGroup, backup: Backup, wanted: Wanted) -> Outcome:
        change = Change(held, self._writer, self._stores.backups, self._clock, backup, wanted)
        change.run(group, self._read)
        return self._settle(held, group, change)

    def _settle(self, held: Held, group: SecurityGroup, change: Change) -> Outcome:
        """Audit, tell, close the entry. What was refused and may be granted later leaves it open."""
        entry = held.entry
        assert entry is not None  # noqa: S101 - a change is carried out under an entry
        notes = (*entry.notes, *change.notes)
        status, reason = change.verdict()
        outcome = Outcome(
            group.place, group.name, status, reason, change.hint, change.backup.id, tuple(change.made), notes
        )
        self._audit(entry, outcome)
        told = self._tell(entry, outcome)
        outcome = replace(outcome, notes=(*notes, *told))
        if status is not Status.INCOMPLETE or change.fought:
            held.end(
                replace(
                    entry,
                    state=EntryState.DONE,
                    ended=self._clock.now(),
                    notes=(*outcome.notes, *([reason] if reason else [])),
                )
            )
        return outcome

    def _audit(self, entry: Entry, outcome: Outcome) -> None:
        self._stores.audit.append(
            {
                "time": self._clock.now().isoformat(),
                "event": entry.kind.value,
                "run_id": self._run.id,
                "by": self._run.by,
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
        try:
            self._stores.notifier.send(notice_of(entry, outcome))
        except SgComplianceError as error:
            return [f"nobody was told: {error}"]
        return []

    def _read(self, place: Place) -> SecurityGroup:
        """The group, once two answers of AWS agree about it. Raises AwsError."""
        for attempt in range(_READS):
            try:
                return self._writer.read(place)
            except AwsError as error:
                if error.code != IN_FLUX or attempt == _READS - 1:
                    raise
                self._clock.sleep(2**attempt)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _pause(self, held: Held, name: str) -> Outcome | None:
        pause = paused(self._stores.switch.read(), self._clock.now())
        if not pause:
            return None
        status = Status.INCOMPLETE if held.entry else Status.REFUSED
        return Outcome(held.place, name, status, str(pause), "sg-compliance resume", self._backup_of(held.entry))

    def _back_up(self, backup: Backup) -> Backup:
        return keep(self._stores.backups, backup)

    def _backup(self, backup_id: str) -> Backup:
        return decode_backup(self._stores.backups.get(backup_id), backup_id)

    def _cause(self, kind: str, why: str, planned: PlannedGroup | None = None) -> Cause:
        run = self._run
        findings = planned.closed if planned else ()
        return Cause(kind, run.id, run.by, run.why or why, run.policy_version, run.policy_hash, findings)

    def _entry(self, kind: EntryKind, group: SecurityGroup, backup: Backup, wanted: Wanted) -> Entry:
        now = self._clock.now()
        return Entry(
            id=f"{now.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{group.group_id}-{kind}",
            place=group.place,
            kind=kind,
            state=EntryState.OPEN,
            run_id=self._run.id,
            by=self._run.by,
            backup_id=backup.id,
            started=now,
            wanted=wanted_record(wanted, group.rules) if kind is EntryKind.REMEDIATION else {},
        )
