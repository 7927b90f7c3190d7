"""What is known of one group: gathered from the journal, the backups, the grants and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.enforcement.grants import stored, written
from sg_compliance.enforcement.story import Granted, Story, story
from sg_compliance.model.concession import ConcessionKind
from sg_compliance.model.security_group import Place
from sg_compliance.workflows.backups import listed

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.policy.document import Document
    from sg_compliance.workflows.transaction import Stores


def history(stores: Stores, group: str, document: Document, now: datetime) -> list[Story]:
    """The story of the group with this id, or of every group that had this name when it was backed up."""
    names = {each.backup.group.place: each.backup.group.name for each in listed(stores, group) if each.backup}
    entries = stores.journal.entries(group_id=group) if group.startswith("sg-") else []
    concessions = stores.concessions.all()
    granted = Granted([*written(document), *stored(concessions, ConcessionKind.EXEMPTION)], concessions)
    places = dict.fromkeys((*names, *(entry.place for entry in entries)))
    if not places and _is_granted(group, granted):
        places = {Place("", "", group): None}
    return [
        story(
            place,
            names.get(place, ""),
            [each for each in stores.journal.entries(group_id=place.group_id) if each.place == place],
            granted,
            now,
        )
        for place in places
    ]


def _is_granted(group: str, granted: Granted) -> bool:
    return group in {*(each.subject for each in granted.exemptions), *(each.subject for each in granted.concessions)}
