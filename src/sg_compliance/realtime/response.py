"""What came of an event: for each group that it touched, what was found and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place
    from sg_compliance.realtime.record import Change, Skipped
    from sg_compliance.realtime.verdict import Verdict


class Reaction(StrEnum):
    """How far it went with a group. `LOOK_AGAIN`: nothing is known for certain yet."""

    NOT_WATCHED = "not watched"
    GONE = "gone"
    COMPLIANT = "compliant"
    REPORTED = "reported"
    WOULD_CHANGE = "would change"
    CHANGED = "changed"
    LOOK_AGAIN = "look again"


@dataclass(frozen=True, slots=True)
class Response:
    """What was found at one group and done about it. `findings` are the open ones, dated.

    `done` says it in words. `look_again` is when it is looked at once more. `received` is when the event came first,
    `judged` when the verdict stood, `closed` when the group was as wanted.
    """

    place: Place
    reaction: Reaction
    done: str
    name: str = ""
    findings: tuple[Finding, ...] = ()
    outcome: Outcome | None = None
    emergency: bool = False
    look_again: datetime | None = None
    received: datetime | None = None
    judged: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of one message. `read` None: it was rejected, and is with the dead letters for the reason given.

    `next_step` is what to do about that. `attempt` of a second look says which one it is, from 1; of an event it is 0.
    """

    read: Change | Skipped | None
    rejected: str = ""
    responses: tuple[Response, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    next_step: str = ""
    attempt: int = 0
