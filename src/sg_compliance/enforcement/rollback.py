"""From a backup back to the group: what is to be restored, and which backup takes which change back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.change import Wanted
from sg_compliance.model.journal import EntryKind, EntryState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Place, SecurityGroup

_RESERVED = "aws:"


def restoring(backup: SecurityGroup, now: SecurityGroup) -> Wanted:
    """What makes the group what it was: rules, descriptions, rule tags and group tags. AWS keeps `aws:` tags itself."""
    tags = tuple((key, value) for key, value in backup.tags if not key.startswith(_RESERVED))
    kept = {key for key, _ in tags}
    added = frozenset(key for key, _ in now.tags if key not in kept and not key.startswith(_RESERVED))
    return Wanted(rules=backup.rules, gone=None, tags=tags, untagged=added, exact=True)


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """The remediations that no rollback of their group has taken back, oldest first.

    A finished rollback goes back to how things stood before the entry whose backup it restored; so the rollback of a
    rollback makes what that one took back stand again.
    """
    now: dict[Place, tuple[Entry, ...]] = {}
    before: dict[str, tuple[Entry, ...]] = {}
    for entry in sorted(entries, key=lambda each: each.started):
        stands = now.get(entry.place, ())
        before[entry.backup_id] = stands
        if entry.kind is EntryKind.REMEDIATION:
            now[entry.place] = (*stands, entry)
        elif entry.state is EntryState.DONE:
            now[entry.place] = before.get(entry.restores, stands)
    return sorted((entry for each in now.values() for entry in each), key=lambda each: each.started)


def newest_by_group(entries: Iterable[Entry]) -> dict[Place, Entry]:
    """The newest entry of each group."""
    return {entry.place: entry for entry in sorted(entries, key=lambda each: each.started)}


def oldest_by_group(entries: Iterable[Entry]) -> dict[Place, Entry]:
    """The oldest entry of each group: going back to its backup undoes all that followed."""
    return {entry.place: entry for entry in sorted(entries, key=lambda each: each.started, reverse=True)}
