"""Take changes back: find the backups, show what would be restored, restore group by group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.enforcement.backup import BACKUP_ID, Backup, decode_backup
from sg_compliance.enforcement.calls import calls
from sg_compliance.enforcement.refusals import GONE
from sg_compliance.enforcement.rollback import restoring, to_take_back
from sg_compliance.errors import AwsError, InputError, SgComplianceError
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.model.security_group import Place
from sg_compliance.workflows.transaction import Stores, Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sg_compliance.interfaces import Clock, RuleWriter
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.workflows.accounting import Run

HOLD: Final = timedelta(hours=24)


class What(NamedTuple):
    """What is to be taken back: one of these."""

    backup_id: str = ""
    group_id: str = ""
    run_id: str = ""
    since: datetime | None = None


class Step(NamedTuple):
    """One group: the backup it goes back to, how it is now, and what would be done; or why not."""

    backup_id: str
    backup: Backup | None
    now: SecurityGroup | None
    outcome: Outcome


def backups_for(stores: Stores, what: What) -> list[str]:
    """The ids of the backups to go back to, one a group. Raises InputError where there is nothing to take back."""
    if what.backup_id:
        return [what.backup_id]
    entries = stores.journal.entries(group_id=what.group_id)
    chosen = to_take_back(entries, what.run_id, what.since)
    if not chosen:
        raise InputError(_nothing(what, entries), hint="see what there is: sg-compliance backups list")
    return [chosen[place] for place in sorted(chosen)]


def _nothing(what: What, entries: list[Entry]) -> str:
    subject = what.group_id or (f"run {what.run_id}" if what.run_id else f"the time since {what.since}")
    touched = [entry for entry in entries if not what.run_id or entry.run_id == what.run_id]
    return f"{subject}: {'everything is taken back already' if touched else 'no remediation is known'}"


@dataclass(frozen=True, slots=True)
class RollingBack:
    """The world of one rollback."""

    writer: RuleWriter
    stores: Stores
    clock: Clock
    run: Run
    hold: timedelta = HOLD
    despite_pause: bool = False
    stopping: Callable[[], bool] = lambda: False

    def plan(self, backup_ids: list[str]) -> Iterator[Step]:
        """What would be restored, read from AWS and changing nothing."""
        for backup_id in backup_ids:
            yield self._step(backup_id)

    def _step(self, backup_id: str) -> Step:
        try:
            backup = decode_backup(self.stores.backups.get(backup_id), backup_id)
        except SgComplianceError as error:
            place = _place_of(backup_id)
            return Step(backup_id, None, None, Outcome(place, "", Status.FAILED, str(error), error.hint))
        group = backup.group
        try:
            now = self.writer.read(group.place)
        except AwsError as error:
            status = Status.GONE if error.code in GONE else Status.FAILED
            outcome = Outcome(group.place, group.name, status, str(error), error.hint, backup_id)
            return Step(backup_id, backup, None, outcome)
        made = calls(now, restoring(group, now))
        unfinished = any(entry.place == group.place for entry in self.stores.journal.unfinished())
        status = Status.WOULD_CHANGE if made or unfinished else Status.UNCHANGED
        return Step(backup_id, backup, now, Outcome(group.place, group.name, status, backup_id=backup_id, calls=made))

    def roll_back(self, steps: list[Step]) -> Iterator[Outcome]:
        """Restore what can be restored; the outcome of a step that cannot even begin is the one it came with."""
        transactions = Transactions(self.writer, self.stores, self.clock, self.run)
        for step in steps:
            if self.stopping():
                return
            if step.backup is None or step.now is None:
                yield step.outcome
            else:
                yield transactions.roll_back(step.backup, self.hold, despite_pause=self.despite_pause)


def _place_of(backup_id: str) -> Place:
    match = BACKUP_ID.fullmatch(backup_id)
    return Place("", "", match[1] if match else backup_id)
