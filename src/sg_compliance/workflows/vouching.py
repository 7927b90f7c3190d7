"""Whether a change in our name is one that this tool made: what it did, when, where, and with which rules.

Every change is written down before it is made, with what the group is to become. The clock alone proves nothing: who
got hold of our role and session may act in the minutes of a change of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.backup import decode_backup
from sg_compliance.enforcement.record import rule_of
from sg_compliance.errors import BackupDamagedError, BackupNotFoundError
from sg_compliance.model.journal import EntryKind, EntryState
from sg_compliance.model.security_group import identity
from sg_compliance.realtime.record import Change, ChangeKind
from sg_compliance.workflows.transaction import FORGOTTEN

if TYPE_CHECKING:
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Identity
    from sg_compliance.workflows.transaction import Stores

_POSSIBLE: Final = frozenset({ChangeKind.RULES_ADDED, ChangeKind.RULES_REMOVED, ChangeKind.DESCRIBED})
"""What this tool can do to a group beside its tags (`model/change.py`)."""
_SKEW: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Vouching:
    """Knows our changes by the journal. Raises SgComplianceError where that cannot be read now."""

    stores: Stores

    def is_ours(self, change: Change) -> bool:
        """Whether all of the change was written down."""
        return (
            change.kind in _POSSIBLE
            and bool(change.groups)
            and all(self._is_written(change, group_id) for group_id in change.groups)
        )

    def _is_written(self, change: Change, group_id: str) -> bool:
        since = change.event_time - FORGOTTEN - _SKEW
        entries = self.stores.journal.entries(group_id=group_id, since=since)
        covering = [each for each in entries if _covers(each, change)]
        if change.kind is not ChangeKind.RULES_ADDED:
            return bool(covering)
        added = set(map(identity, change.rules_added))
        told = change.complete and not change.malformed and bool(added)
        return told and any(added <= self._wanted(each) for each in reversed(covering))

    def _wanted(self, entry: Entry) -> frozenset[Identity]:
        """The rules that the change was to leave, or to bring back; none where that is not known any more."""
        try:
            if entry.kind is EntryKind.ROLLBACK:
                backup = decode_backup(self.stores.backups.get(entry.restores), entry.restores)
                return frozenset(map(identity, backup.group.rules))
            wanted = entry.wanted
            return frozenset(identity(rule_of(each)) for each in wanted.get("made", wanted.get("rules", ())))
        except (BackupNotFoundError, BackupDamagedError, ValueError, TypeError):
            return frozenset()


def _covers(entry: Entry, change: Change) -> bool:
    """Whether the change was made while the entry was open. Clocks may differ by a little."""
    place = entry.place
    if (place.account_id, place.region) != (change.account_id, change.region):
        return False
    begun = entry.started - _SKEW <= change.event_time
    is_open = entry.state is EntryState.OPEN or entry.ended is None
    return begun and (is_open or (entry.ended is not None and change.event_time <= entry.ended + _SKEW))
