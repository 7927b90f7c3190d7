"""Everything that is known of one group: what was done to it, in order, and what holds for it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.guards import flapping, held, unprotected
from sg_compliance.enforcement.rollback import standing
from sg_compliance.model.journal import EntryState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sg_compliance.enforcement.grants import Listed
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Place


@dataclass(frozen=True, slots=True)
class Story:
    """One group. `entries` are all of it, oldest first; of them `open` is not finished, `stand` are not rolled back.

    `hold`: until when real time leaves it alone. `flapping`: why it is not fought any longer, in words.
    """

    place: Place
    name: str
    entries: tuple[Entry, ...]
    stand: tuple[Entry, ...]
    open: Entry | None
    hold: datetime | None
    flapping: str
    exemptions: tuple[Listed, ...]
    unprotection: Concession | None


class Granted(NamedTuple):
    """What people granted, for any group: exemptions wherever they stand, and what was granted outside the policy."""

    exemptions: Sequence[Listed]
    concessions: Sequence[Concession]


def story(place: Place, name: str, entries: Sequence[Entry], granted: Granted, now: datetime) -> Story:
    """Put together what the stores hold; the entries are those of this group."""
    return Story(
        place=place,
        name=name,
        entries=tuple(entries),
        stand=tuple(standing(entries)),
        open=next((entry for entry in entries if entry.state is EntryState.OPEN), None),
        hold=held(entries, now),
        flapping=flapping(entries, now),
        exemptions=tuple(each for each in granted.exemptions if each.subject in {place.group_id, place.account_id}),
        unprotection=unprotected(granted.concessions, place, now),
    )
