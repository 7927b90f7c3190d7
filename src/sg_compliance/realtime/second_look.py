"""A second look at a group: the event that gave rise to it, to be read again later. Nothing else in it is believed.

It goes through a queue as JSON, schema version 1. The event is read as strictly as the first time, so whoever can write
to the queue can have a group looked at, and no more: how long a finding has stood is known from the history.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.security_group import Place
from sg_compliance.policy.times import parse_time
from sg_compliance.realtime.event_fields import ACCOUNT_ID, GROUP_ID, REGION, identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = "sg-compliance/second-look"
VERSION: Final = 1
MOST_ATTEMPTS: Final = 100
_KEYS: Final = frozenset(
    {"schema", "version", "account_id", "region", "group_id", "received", "due", "attempt", "event"}
)

Event: TypeAlias = "Mapping[str, Any]"


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Look at the group again at `due`. `received` is when the event first came, `attempt` counts from 1."""

    place: Place
    received: datetime
    due: datetime
    attempt: int
    event: Event

    def encode(self) -> str:
        """The message."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "version": VERSION,
                **self.place._asdict(),
                "received": self.received.isoformat(),
                "due": self.due.isoformat(),
                "attempt": self.attempt,
                "event": self.event,
            }
        )

    def left(self, now: datetime) -> timedelta:
        """How long it has still to wait; never less than nothing."""
        return max(self.due - now, timedelta())


def is_second_look(message: object) -> TypeGuard[Event]:
    """Whether the message says that it is one."""
    return isinstance(message, dict) and message.get("schema") == SCHEMA


def second_look_of(message: Mapping[str, Any]) -> SecondLook:
    """Read it. Raises RejectedEventError."""
    if message.get("version") != VERSION or message.keys() != _KEYS:
        raise RejectedEventError(f"the second look is not of version {VERSION}, or has other keys than it should")
    attempt, event = message["attempt"], message["event"]
    if type(attempt) is not int or not 1 <= attempt <= MOST_ATTEMPTS or not isinstance(event, dict):
        raise RejectedEventError("the second look does not hold its attempt and its event")
    place = Place(
        identifier(message["account_id"], ACCOUNT_ID, "account_id"),
        identifier(message["region"], REGION, "region"),
        identifier(message["group_id"], GROUP_ID, "group_id"),
    )
    return SecondLook(place, _time(message, "received"), _time(message, "due"), attempt, event)


def _time(message: Mapping[str, Any], key: str) -> datetime:
    try:
        return parse_time(message[key])
    except (ValueError, TypeError, AttributeError):
        raise RejectedEventError(f"the second look's {key} is no time") from None
