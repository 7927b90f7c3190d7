"""The transaction for one group: lock, read, back up, journal, change, read back, audit, tell, end.

The order of effects is the whole point, and it is here only:

1. nothing is changed before a backup of the group is written, read back and compared, and the journal points at it;
2. an entry that is open in the journal is finished first, by whoever comes next, with the backup it began with;
3. the audit log and people are told before the entry is closed: after a crash they may be told twice, never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sg_compliance.enforcement.backup import Backup, Cause, decode_backup
from sg_compliance.enforcement.calls import settled
from sg_compliance.enforcement.guards import fingerprint, paused
from sg_compliance.enforcement.objections import Since, is_done, protected, refusal
from sg_compliance.enforcement.record import wanted_of, wanted_record
from sg_compliance.enforcement.refusals import GONE, IN_FLUX
from sg_compliance.enforcement.rollback import restoring
from sg_compliance.errors import AwsError, GroupLockedError, SgComplianceError
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.workflows.accounting import Accounting, Run
from sg_compliance.workflows.change import Change, GroupGoneError, Held, keep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    from sg_compliance.model.change import Call, Wanted
    from sg_compliance.model.security_group import Place, SecurityGroup

LEASE: Final = timedelta(minutes=5)
"""How long a group stays locked after its run has died. Renewed while the run lives; no call may take half of it."""

FORGOTTEN: Final = timedelta(hours=24)
"""After so long nobody goes on with what was begun without being told to: people have looked at the group since."""

Replan: TypeAlias = "Callable[[SecurityGroup], PlannedGroup | None]"
"""What is planned for a group as it is; None: nothing that would be a change of its rules."""

_LAG: Final = timedelta(minutes=3)
_READS: Final = 4
_WAITS: Final = 4


@dataclass(frozen=True, slots=True)
class Stores:
    """Where everything is kept that outlives a run."""

    backups: BackupStore
    journal: Journal
    audit: AuditLog
    concessions: Concessions
    switch: Switch
    notifier: Notifier


class _Work(NamedTuple):
    """What is to be done to one group."""

    planned: PlannedGroup
    plan_id: str
    prefix: str
    replan: Replan | None
    answers: Mapping[str, Any]


class Transactions:
    """Transactions of one run. Each returns an Outcome and raises only what says that the run cannot go on at all."""

    def __init__(  # noqa: PLR0913 - all that a run is made of
        self,
        writer: RuleWriter,
        stores: Stores,
        clock: Clock,
        run: Run,
        since: Since = Since(),  # noqa: B008 - it cannot change
        *,
        lease: timedelta = LEASE,
    ) -> None:
        self._writer = writer
        self._stores = stores
        self._clock = clock
        self._run = run
        self._since = since
        self._lease = lease
        self._despite_pause = False
        self._accounting = Accounting(stores.audit, stores.notifier, clock, run)

    def remediate(
        self,
        planned: PlannedGroup,
        plan_id: str,
        prefix: str,
        replan: Replan | None = None,
        answers: Mapping[str, Any] = MappingProxyType({}),
    ) -> Outcome:
        """Do what the plan says for one group. `answers`: what in answer to, which is told with it.

        Where the group is not what it was when the plan was made it is refused; or, with `replan`, decided anew, under
        the lock, from the group as it is: who changes it in a loop cannot keep it from being changed.
        """
        work = _Work(planned, plan_id, prefix, replan, answers)
        before: list[Entry] = []
        outcome = self._locked(planned.place, planned.group.name, lambda held: self._remediate(held, work, before))
        if before:  # only tags were left of what was begun; its lock was given back
            outcome = self._locked(planned.place, planned.group.name, lambda held: self._remediate(held, work, before))
        return outcome

    def roll_back(self, backup: Backup, hold: timedelta, *, despite_pause: bool = False) -> Outcome:
        """Restore the group as the backup has it. Real time leaves it alone for as long as `hold`."""
        group = backup.group
        self._despite_pause = despite_pause
        before: list[Entry] = []
        outcome = self._locked(group.place, group.name, lambda held: self._roll_back(held, backup, hold, before))
        if before:  # what was begun is over now, and its lock given back
            outcome = self._locked(group.place, group.name, lambda held: self._roll_back(held, backup, hold, before))
        return outcome

    def resume(self, entry: Entry) -> Outcome:
        """Finish what another run has begun and left open."""
        return self._locked(entry.place, "", self._resume)

    def _locked(self, place: Place, name: str, work: Callable[[Held], Outcome]) -> Outcome:
        """What comes of the work under the lock."""
        try:
            lock = self._stores.journal.lock(place, self._run.id, self._clock.now(), self._lease)
        except GroupLockedError as error:
            return Outcome(place, name, Status.LOCKED, str(error), error.hint)
        except SgComplianceError as error:
            return Outcome(place, name, Status.FAILED, str(error), error.hint)
        held = Held(lock, self._stores.journal, self._clock, self._lease)
        try:
            return work(held)
        except GroupGoneError as error:
            return self._gone(held, name, error)
        except SgComplianceError as error:
            return self._stopped(held, name, error)
        finally:
            held.give_back()

    def _gone(self, held: Held, name: str, error: GroupGoneError) -> Outcome:
        """Nothing is left to be done. What was done before is still accounted for."""
        entry = held.entry
        outcome = Outcome(held.place, name, Status.GONE, str(error), error.hint, _backup_of(entry), _made(held))
        if entry is None:
            return outcome
        try:
            self._accounting.of(entry, outcome)
            held.end(self._ended(entry, EntryState.GIVEN_UP, str(error)))
        except SgComplianceError as failed:
            return replace(outcome, notes=(f"the entry stays open: {failed}",))
        return outcome

    def _stopped(self, held: Held, name: str, error: SgComplianceError) -> Outcome:
        """Say why it went no further. An entry that was begun stays open for the next run."""
        entry = held.entry
        if entry is None:
            return Outcome(held.place, name, Status.FAILED, str(error), error.hint)
        status = Status.INCOMPLETE
        outcome = Outcome(held.place, name, status, str(error), error.hint, _backup_of(entry), _made(held))
        try:
            return replace(outcome, notes=self._accounting.of(entry, outcome))
        except SgComplianceError as failed:
            return replace(outcome, notes=(f"not in the audit log yet: {failed}",))

    def _remediate(self, held: Held, work: _Work, before: list[Entry]) -> Outcome:
        planned, unfinished = work.planned, held.lock.open
        if unfinished and unfinished.plan_id == work.plan_id:
            return self._resume(held, asked=True)
        if unfinished:
            return self._half_done(held, unfinished, planned, before)
        group = self._read(planned.place, interfaces=planned.changes_rules)
        if is_done(group, planned):
            return Outcome(planned.place, group.name, Status.UNCHANGED, "the group is as planned already")
        if work.replan and fingerprint(group, work.prefix) != planned.fingerprint:
            anew = work.replan(group)
            if anew is None or (anew.changes_rules and not planned.changes_rules):
                return Outcome(group.place, group.name, Status.REFUSED, "it changed meanwhile, and is looked at again")
            planned = anew
        refused = self._refused(group, planned, work.prefix) or self._pause(held, group.name)
        if refused:
            return refused
        cause = self._cause("remediation", "; ".join(planned.reasons), planned)
        backup = keep(self._stores.backups, Backup(group, self._clock.now(), cause))
        wanted = planned.wanted_with(backup.id)
        kind = EntryKind.REMEDIATION if planned.is_remediation else EntryKind.TAGGING
        rules = tuple(dict.fromkeys(each["rule_id"] for each in planned.closed))
        entry = replace(self._entry(kind, group, backup, wanted), plan_id=work.plan_id, rules=rules)
        held.begin(replace(entry, answers=work.answers))
        return self._carry_out(held, group, backup, wanted)

    def _half_done(self, held: Held, entry: Entry, planned: PlannedGroup, before: list[Entry]) -> Outcome:
        """Leave it to whoever finishes it. Where only tags were left, which AWS denies, it is ended: into `before`."""
        name = planned.group.name
        if before or not _lacks_only_tags(entry):
            reason = f"{entry.run_id} has left it half done"
            hint = f"finish it (sg-compliance apply) or take it back: sg-compliance rollback {entry.backup_id}"
            return Outcome(planned.place, name, Status.REFUSED, reason, hint)
        before.append(entry)
        reason = "its tags were denied, and the group is to be changed again"
        outcome = Outcome(planned.place, name, Status.INCOMPLETE, reason, backup_id=entry.backup_id)
        self._accounting.of(entry, outcome)
        held.end(self._ended(entry, EntryState.GIVEN_UP, reason))
        return outcome

    def _refused(self, group: SecurityGroup, planned: PlannedGroup, prefix: str) -> Outcome | None:
        """Why the group is not touched: it is not what it was when the plan was made."""
        granted, now = self._stores.concessions.all, self._clock.now()
        reason, hint = refusal(group, planned, prefix, self._since, granted, now)
        return Outcome(group.place, group.name, Status.REFUSED, reason, hint) if reason else None

    def _roll_back(self, held: Held, backup: Backup, hold: timedelta, before: list[Entry]) -> Outcome:
        """Restore, unless something else is open: that is ended, put into `before`, and its lock given back."""
        unfinished = held.lock.open
        if unfinished and unfinished.kind is EntryKind.ROLLBACK and unfinished.restores == backup.id:
            return self._resume(held, asked=True)
        group = self._read(backup.group.place)
        paused_ = self._pause(held, group.name)
        if paused_:
            return paused_
        if unfinished and not before:
            before.append(unfinished)
            return self._supersede(held, unfinished, group, backup)
        wanted = restoring(backup.group, group)
        if settled(group, wanted) and not before:
            return self._settled_already(group, wanted, backup)
        cause = self._cause("rollback", f"back to {backup.id}")
        kept = keep(self._stores.backups, Backup(group, self._clock.now(), cause))
        entry = self._entry(EntryKind.ROLLBACK, group, kept, wanted)
        held.begin(replace(entry, restores=backup.id, hold_until=self._clock.now() + hold))
        return self._carry_out(held, group, kept, wanted)

    def _supersede(self, held: Held, unfinished: Entry, group: SecurityGroup, backup: Backup) -> Outcome:
        """End what was begun, because it is to be taken back."""
        reason = f"rolled back to {backup.id} before it was finished"
        outcome = Outcome(group.place, group.name, Status.INCOMPLETE, reason, backup_id=unfinished.backup_id)
        self._accounting.of(unfinished, outcome)
        held.end(self._ended(unfinished, EntryState.SUPERSEDED, reason))
        return outcome

    def _settled_already(self, group: SecurityGroup, wanted: Wanted, backup: Backup) -> Outcome:
        """Believe it only once AWS can be expected to show what was done lately."""
        name = group.name
        recent = self._stores.journal.entries(group_id=group.group_id, since=self._clock.now() - _LAG)
        for attempt in range(_WAITS if any(entry.restores != backup.id for entry in recent[-1:]) else 0):
            self._clock.sleep(2**attempt)
            if not settled(self._read(group.place), wanted):
                reason, hint = "AWS shows what was done before only now", "try again"
                return Outcome(group.place, name, Status.FAILED, reason, hint, backup.id)
        return Outcome(group.place, name, Status.UNCHANGED, "the group is as the backup has it already")

    def _resume(self, held: Held, *, asked: bool = False) -> Outcome:
        """Go on with the open entry: with its backup, never with one of the half-changed group.

        `asked`: somebody wants just this, now.
        """
        entry = held.lock.open
        if entry is None:
            return Outcome(held.place, "", Status.UNCHANGED, "it was finished meanwhile")
        group = self._read(entry.place, interfaces=entry.kind is EntryKind.REMEDIATION)
        hindered = self._pause(held, group.name, entry) or self._forgotten(group, entry, asked=asked)
        if hindered:
            return hindered
        held.take_over(entry)
        backup = self._backup(entry.backup_id)
        if entry.kind is EntryKind.ROLLBACK:
            wanted = restoring(self._backup(entry.restores).group, group)
        else:
            wanted = wanted_of(dict(entry.wanted))
        return self._carry_out(held, group, backup, wanted)

    def _forgotten(self, group: SecurityGroup, entry: Entry, *, asked: bool) -> Outcome | None:
        """Leave alone what people may want otherwise by now."""
        changes_rules = entry.kind is EntryKind.REMEDIATION
        reason = protected(group, self._stores.concessions.all, self._clock.now()) if changes_rules else ""
        if not asked and self._clock.now() - entry.started > FORGOTTEN:
            reason = f"left half done by {entry.run_id} since {entry.started.isoformat(timespec='minutes')}"
        if not reason:
            return None
        hint = f"look at it, then take it back: sg-compliance rollback {entry.restores or entry.backup_id}"
        return Outcome(group.place, group.name, Status.INCOMPLETE, reason, hint, entry.backup_id)

    def _carry_out(self, held: Held, group: SecurityGroup, backup: Backup, wanted: Wanted) -> Outcome:
        change = held.change = Change(held, self._writer, self._stores.backups, self._clock, backup, wanted)
        change.run(group, self._read)
        return self._settle(held, group, change)

    def _settle(self, held: Held, group: SecurityGroup, change: Change) -> Outcome:
        """Audit, tell, close the entry. What was refused and may be granted later leaves it open."""
        entry = held.entry
        assert entry is not None  # noqa: S101 - a change is carried out under an entry
        status, reason = change.verdict()
        notes = tuple(change.notes)
        outcome = Outcome(
            group.place, group.name, status, reason, change.hint, change.backup.id, tuple(change.made), notes
        )
        outcome = replace(outcome, notes=self._accounting.of(entry, outcome))
        if status is not Status.INCOMPLETE or change.fought:
            state = EntryState.GIVEN_UP if change.fought else EntryState.DONE
            held.end(self._ended(replace(entry, notes=outcome.notes), state, reason))
        elif change.denied_tags and entry.kind is not EntryKind.ROLLBACK:
            made = entry.wanted.get("made", entry.wanted["rules"])  # by which our own events are known
            held.begin(replace(entry, wanted={**entry.wanted, "rules": [], "gone": [], "made": made}))
        return outcome

    def _ended(self, entry: Entry, state: EntryState, note: str) -> Entry:
        notes = (*entry.notes, note) if note else entry.notes
        return replace(entry, state=state, ended=self._clock.now(), notes=notes)

    def _read(self, place: Place, *, interfaces: bool = False) -> SecurityGroup:
        """The group, once two answers of AWS agree about it. Raises GroupGoneError, AwsError."""
        for attempt in range(_READS):
            try:
                return self._writer.read(place, interfaces=interfaces)
            except AwsError as error:
                if error.code in GONE:
                    reason = f"{place.group_id} is not there any more"
                    raise GroupGoneError(reason, hint="nothing is left to be done") from error
                if error.code != IN_FLUX or attempt == _READS - 1:
                    raise
                self._clock.sleep(2**attempt)
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _pause(self, held: Held, name: str, entry: Entry | None = None) -> Outcome | None:
        pause = paused(self._stores.switch.read(), self._clock.now())
        if not pause or self._despite_pause:
            return None
        status = Status.INCOMPLETE if entry else Status.REFUSED
        return Outcome(held.place, name, status, str(pause), "sg-compliance resume", _backup_of(entry))

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
            wanted=wanted_record(wanted, group.rules) if kind is not EntryKind.ROLLBACK else {},
        )


def _lacks_only_tags(entry: Entry) -> bool:
    """Whether the rules are as they were wanted, and only tags were denied: as `_settle` writes it down."""
    wanted = entry.wanted
    return entry.kind is not EntryKind.ROLLBACK and wanted.get("rules") == [] and wanted.get("gone") == []


def _backup_of(entry: Entry | None) -> str:
    return entry.backup_id if entry else ""


def _made(held: Held) -> tuple[Call, ...]:
    return tuple(held.change.made) if held.change else ()
