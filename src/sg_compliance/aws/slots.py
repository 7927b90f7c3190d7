"""Slots in the journal's DynamoDB table: a version in each list of them, and nothing written over another's.

Items: `slot` / name: the version, `held` (JSON: hash of the item → time when it was taken) and `expires`, the table's
TTL attribute. Calls: 2 for a slot, 1 where it is held already or none is left, and 2 more for each time that another
got there first. A slot is about 75 bytes: some hundred of them are far from the 400 KB that an item may have.

One item for all that share a name: of 25 slots, 2 KB. It is written once a slot, read as often as somebody asks: a
hundred times a second is a hundred units of the 3,000 that a partition gives.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Final

from sg_compliance.aws.dynamodb_table import Key, Table, Write
from sg_compliance.enforcement.wire import sortable
from sg_compliance.errors import StoreError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sg_compliance.aws.dynamodb_table import Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock

IAM_ACTIONS: Final = frozenset({"dynamodb:GetItem", "dynamodb:UpdateItem"})

_SLOT: Final = "slot"
_ATTEMPTS: Final = 40
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_CHANGE: Final = "SET #version = :next, #held = :held, #expires = :expires"


class DynamoSlots:
    """The Slots socket. Raises StoreError."""

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region, actions=IAM_ACTIONS)
        self._clock = clock

    def take(self, name: str, item: str, most: int, window: timedelta, now: datetime) -> bool:
        """Whether the item has a slot, or gets one. Where another got there first, once more on what it left."""
        key, wanted, since = Key(_SLOT, name), hashlib.sha256(item.encode()).hexdigest()[:32], sortable(now - window)
        for attempt in range(_ATTEMPTS):
            kept = self._table.get(key)
            held = {each: taken for each, taken in self._held(key, kept).items() if taken > since}
            if wanted in held:
                return True
            if len(held) >= most:
                return False
            expires = int((now + window).timestamp())
            if self._table.update(_write(key, kept, {**held, wanted: sortable(now)}, expires)).held:
                return True
            longest = min(_FIRST_PAUSE * 2 ** (attempt // 2), _LONGEST_PAUSE)
            self._clock.sleep(longest * secrets.randbelow(1000) / 1000)
        raise StoreError(
            f"{self._table.place(key)}: others kept writing it at the same time",
            hint="try again in a minute: nothing was written",
        )

    def _held(self, key: Key, kept: Item) -> dict[str, str]:
        try:
            return {str(each): str(taken) for each, taken in json.loads(kept["held"] if kept else "{}").items()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._table.place(key)}: what the table holds cannot be read: {error}",
                hint="delete the item: the counting begins anew, and nothing else depends on it",
            ) from error


def _write(key: Key, kept: Item, held: dict[str, str], expires: int) -> Write:
    """Of the version that was read, and no other. A lost answer is not taken for another's writing: it is held then."""
    values: dict[str, str | int] = {"held": json.dumps(held), "expires": max(expires, kept.get("expires", 0))}
    if not kept:
        return Write(key, _CHANGE, "attribute_not_exists(#version)", {**values, "next": 1})
    version = kept["version"]
    return Write(key, _CHANGE, "#version = :version", {**values, "next": version + 1, "version": version})
