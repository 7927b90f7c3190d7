"""What is known of one group: gathered from the journal, the backups, the grants and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.enforcement.granted import exemptions
from sg_compliance.enforcement.story import Found, Granted, Story, story
from sg_compliance.model.security_group import Place
from sg_compliance.policy.resolve import Policy
from sg_compliance.workflows.backups import listed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sg_compliance.enforcement.shelf import Kept
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry
    from sg_compliance.policy.document import Document
    from sg_compliance.workflows.transaction import Stores


def history(stores: Stores, group: str, document: Document, now: datetime) -> list[Story]:
    """The story of the group with this id, or of every group that had this name when it was backed up."""
    kept = listed(stores, group)
    names = {each.backup.group.place: each.backup.group.name for each in kept if each.backup}
    entries = stores.journal.entries(group_id=group) if group.startswith("sg-") else []
    locks = {lock.place: lock for lock in stores.journal.locks(now)}
    policy, concessions = Policy(document), stores.concessions.all()
    named = (*(entry.place for entry in entries), *(place for place in locks if place.group_id == group))
    places = dict.fromkeys((*names, *named))
    if not places and _is_granted(group, policy, concessions):
        places = {Place("", "", group): None}
    return [
        story(
            place,
            names.get(place, ""),
            Found(_entries(stores, place), _of(kept, place), locks.get(place)),
            Granted(list(exemptions(policy, concessions, place.account_id)), concessions),
            now,
        )
        for place in places
    ]


def _entries(stores: Stores, place: Place) -> list[Entry]:
    return [each for each in stores.journal.entries(group_id=place.group_id) if each.place == place]


def _of(kept: Iterable[Kept], place: Place) -> list[Kept]:
    """The backups of the group; those that cannot be read, by their ids."""
    return [
        each
        for each in kept
        if (each.backup.group.place == place if each.backup else each.id.startswith(f"{place.group_id}-"))
    ]


def _is_granted(group: str, policy: Policy, concessions: Iterable[Concession]) -> bool:
    return group in {*(each.subject for each in exemptions(policy, concessions)), *(c.subject for c in concessions)}
