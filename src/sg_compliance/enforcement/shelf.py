"""The backups as they are kept: each with what came of the change that it was made for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.rollback import standing
from sg_compliance.model.journal import EntryKind, EntryState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sg_compliance.enforcement.backup import Backup
    from sg_compliance.model.journal import Entry


class Fate(StrEnum):
    """What came of the change. `UNKNOWN`: nothing was begun with the backup, or the journal was lost."""

    STANDS = "stands"
    ROLLED_BACK = "rolled back"
    UNFINISHED = "unfinished"
    FINISHED = "finished"
    GIVEN_UP = "given up"
    REPLACED = "replaced"
    UNKNOWN = "no entry in the journal"


class Kept(NamedTuple):
    """One backup; `problem` says why it cannot be used, and then there is no `backup`."""

    id: str
    backup: Backup | None
    fate: Fate = Fate.UNKNOWN
    problem: str = ""


class Fates:
    """What came of changes, by the backups that were made for them."""

    def __init__(self, entries: Sequence[Entry], backups: Iterable[Backup]) -> None:
        self._entries = {entry.backup_id: entry for entry in entries}
        self._standing = {entry.id for entry in standing(entries)}
        self._replaced = {backup.amends for backup in backups if backup.amends}
        self._replaced.update(backup_id for entry in entries for backup_id in entry.replaced)

    def of(self, backup_id: str) -> Fate:
        """What came of the change that the backup was made for."""
        entry = self._entries.get(backup_id)
        if entry is None:
            return Fate.REPLACED if backup_id in self._replaced else Fate.UNKNOWN
        if entry.state is EntryState.OPEN:
            return Fate.UNFINISHED
        if entry.kind is EntryKind.ROLLBACK:
            return Fate.FINISHED if entry.state is EntryState.DONE else Fate.GIVEN_UP
        return Fate.STANDS if entry.id in self._standing else Fate.ROLLED_BACK
