"""From a backup back to the group: what is to be restored, and which backup takes which change back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.calls import is_reserved
from sg_compliance.model.change import Wanted
from sg_compliance.model.journal import EntryKind, EntryState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Place, SecurityGroup


def restoring(backup: SecurityGroup, now: SecurityGroup) -> Wanted:
    """What makes the group what it was: rules, descriptions, rule tags and group tags. AWS keeps `aws:` tags itself."""
    tags = tuple((key, value) for key, value in backup.tags if not is_reserved(key))
    kept = {key for key, _ in tags}
    added = frozenset(key for key, _ in now.tags if key not in kept and not is_reserved(key))
    return Wanted(rules=backup.rules, gone=None, tags=tags, untagged=added, exact=True)


class Standing(NamedTuple):
    """A change that stands: the entry, and the one that made it stand: itself, or a rollback of its rollback."""

    entry: Entry
    cause: Entry


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """The changes that no rollback of their group has taken back, in order."""
    return [each.entry for each in stands(entries)]


def stands(entries: Iterable[Entry]) -> list[Standing]:
    """The changes that no rollback of their group has taken back, in order.

    A finished rollback goes back to how things stood before the entry whose backup it restored; so the rollback of a
    rollback makes what that one took back stand again. Of a rollback that was not finished nobody knows: what stood
    before it and what would stand after it both count.
    """
    now: dict[Place, tuple[Standing, ...]] = {}
    before: dict[str, tuple[Standing, ...]] = {}
    for entry in sorted(entries, key=in_order):
        then = now.get(entry.place, ())
        before.update(dict.fromkeys((entry.backup_id, *entry.replaced), then))
        if entry.kind is not EntryKind.ROLLBACK:
            now[entry.place] = (*then, Standing(entry, entry))
            continue
        known = {each.entry.id for each in then}
        restored = before.get(entry.restores, then)
        again = [each if each.entry.id in known else Standing(each.entry, entry) for each in restored]
        if entry.state is not EntryState.DONE:
            again = [*then, *(each for each in again if each.entry.id not in known)]
        now[entry.place] = tuple(sorted(again, key=lambda each: in_order(each.entry)))
    return sorted((each for found in now.values() for each in found), key=lambda each: in_order(each.entry))


def in_order(entry: Entry) -> tuple[Place, int, datetime]:
    """Entries of one group in the order in which it was locked: clocks of different machines differ."""
    return entry.place, entry.fence, entry.started


def to_take_back(entries: Sequence[Entry], run_id: str = "", since: datetime | None = None) -> dict[Place, str]:
    """The backup that each group goes back to: before its newest remediation; or before a run, or a time."""
    found: dict[Place, str] = {}
    stand = stands(entries)
    if run_id or since:
        for each in reversed(stand):
            cause = each.cause
            if (run_id and run_id in {cause.run_id, each.entry.run_id}) or (since and cause.started >= since):
                found[cause.place] = cause.backup_id
        return found | (_undone(entries, run_id) if run_id else {})
    for each in stand:
        entry, newest = each.entry, found.get(each.entry.place)
        if newest is None or entry.kind is EntryKind.REMEDIATION:
            found[entry.place] = entry.backup_id
    return found


def _undone(entries: Iterable[Entry], run_id: str) -> dict[Place, str]:
    """What a run of rollbacks took back can be made to stand again, where nothing was done to the group since."""
    last = {entry.place: entry for entry in sorted(entries, key=in_order)}
    return {
        place: entry.backup_id
        for place, entry in last.items()
        if entry.run_id == run_id and entry.kind is EntryKind.ROLLBACK and entry.state is EntryState.DONE
    }
