"""Everything that is known of one group: what was done to it, in order, and what holds for it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.guards import flapping, held, unprotected
from sg_compliance.enforcement.rollback import in_order, standing, to_take_back
from sg_compliance.model.journal import EntryState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sg_compliance.enforcement.granted import Listed
    from sg_compliance.enforcement.shelf import Kept
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry, Lock
    from sg_compliance.model.security_group import Place


@dataclass(frozen=True, slots=True)
class Story:
    """One group. `entries` are all of it, oldest first; of them `open` is not finished, `stand` are not rolled back.

    `backups` are what the shelf holds of it. `undo` is the backup that a rollback of the group goes back to. `hold`:
    until when real time leaves it alone. `flapping`: why it is not fought any longer, in words. `lock`: who changes it
    at this moment.
    """

    place: Place
    name: str
    entries: tuple[Entry, ...]
    backups: tuple[Kept, ...]
    stand: tuple[Entry, ...]
    undo: str
    open: Entry | None
    lock: Lock | None
    hold: datetime | None
    flapping: str
    exemptions: tuple[Listed, ...]
    unprotection: Concession | None


class Granted(NamedTuple):
    """What people granted: exemptions, wherever they stand, as this group has them; and all outside the policy."""

    exemptions: Sequence[Listed]
    concessions: Sequence[Concession]


class Found(NamedTuple):
    """What the stores hold of one group."""

    entries: Sequence[Entry] = ()
    backups: Sequence[Kept] = ()
    lock: Lock | None = None


def story(place: Place, name: str, found: Found, granted: Granted, now: datetime) -> Story:
    """Put together what the stores hold."""
    entries = tuple(sorted(found.entries, key=in_order))
    return Story(
        place=place,
        name=name,
        entries=entries,
        backups=tuple(found.backups),
        stand=tuple(standing(entries)),
        undo=to_take_back(entries).get(place, ""),
        open=next((entry for entry in entries if entry.state is EntryState.OPEN), None),
        lock=found.lock,
        hold=held(entries, now),
        flapping=flapping(entries, now),
        exemptions=tuple(each for each in granted.exemptions if each.subject in {place.group_id, place.account_id}),
        unprotection=unprotected(granted.concessions, place, now),
    )
