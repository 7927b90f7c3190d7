"""What is remembered of changes: the lock on a group, and the entry that tells what was begun and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sg_compliance.model.security_group import Place


class EntryKind(StrEnum):
    """What was begun. `TAGGING` changes no rule, unless it adds one that warns."""

    REMEDIATION = "remediation"
    TAGGING = "tagging"
    ROLLBACK = "rollback"


class EntryState(StrEnum):
    """How far it is. An open entry was not finished: the next run goes on from it.

    `SUPERSEDED`: a rollback came before it was finished. `GIVEN_UP`: it was ended though not all was done.
    """

    OPEN = "open"
    DONE = "done"
    SUPERSEDED = "superseded"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction on one group.

    `wanted` is what the group is to become, as JSON (`enforcement/record.py`); for a rollback, what it goes back to.
    `backup_id` is the backup that takes this transaction back. `notes` say what could not be done, or how it ended.
    `hold_until`: real time leaves the group alone until then. `fence` is that of the lock it was begun under: entries
    of one group are in its order, whatever clocks say. `replaced` are backups that `backup_id` took the place of.
    `answers`: what it is in answer to, as JSON (`realtime/alerts.py`), so that whoever finishes it can tell; empty
    where it answers no event.
    """

    id: str
    place: Place
    kind: EntryKind
    state: EntryState
    run_id: str
    by: str
    backup_id: str
    started: datetime
    wanted: Mapping[str, Any]
    rules: tuple[str, ...] = ()
    plan_id: str = ""
    ended: datetime | None = None
    notes: tuple[str, ...] = ()
    hold_until: datetime | None = None
    restores: str = ""
    fence: int = 0
    replaced: tuple[str, ...] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)


class Lock(NamedTuple):
    """The right to change one group until `until`. `fence` grows with every lock given out on the group.

    `open` is the entry that was left unfinished there, if one was.
    """

    place: Place
    owner: str
    fence: int
    until: datetime
    open: Entry | None = None
