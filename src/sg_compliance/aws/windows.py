"""The windows of principals in the journal's DynamoDB table: a version in each, and nothing written over another's.

Items: `window#` 0 to f / account#principal: the version, the window as text, and `expires`, the table's TTL attribute;
`told` / hash: what people were told of, and `expires`.
Calls: 2 for an operation, 1 for one that comes again, and 1 or 2 more for each time that another got there first;
all 16, and 1 more for each megabyte, some dozen windows of the largest.

A hundred operations a second of as many principals are a hundred units of the 16,000 that the partitions take. Those
of one principal are one item, which no key can spread: 9 KB with 200 operations in it, 26 with 500, 63 with 1,000, 130
with 2,000 and more. It can be written a hundred times a second at first, then 38, 15, 7 times: the rest waits in the
queue, and is counted late. What had to be closed was closed before that.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.aws.dynamodb_table import Key, Table, Write, shares, spread
from sg_compliance.errors import StoreError
from sg_compliance.realtime.mass_operations import KEPT_FOR, Window
from sg_compliance.realtime.window_record import (
    MARKED_FOR,
    mark_key,
    watched_of,
    window_key,
    window_of,
    window_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.aws.dynamodb_table import Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.realtime.mass_operations import Operation, Watched
    from sg_compliance.realtime.verdict import Verdict

IAM_ACTIONS: Final = frozenset({"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"})

_WINDOW: Final = "window"
_TOLD: Final = "told"
_UNUSED_FOR: Final = KEPT_FOR + timedelta(hours=1)
_ATTEMPTS: Final = 40
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_UNREADABLE: Final = (ValueError, LookupError, TypeError, OverflowError)
_CHANGE: Final = "SET #version = :next, #state = :state, #expires = :expires"


class _Kept(NamedTuple):
    """A window as it stands in the table; version 0 where there is none."""

    version: int
    window: Window


class DynamoWindows:
    """The OperationWindows socket. A window that nothing was added to for three hours goes. Raises StoreError."""

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)
        self._clock = clock

    def take(self, operation: Operation, decide: Callable[[Window], tuple[Window, Verdict | None]]) -> Verdict | None:
        """Add the operation. Where another got there first, decide anew on what it left: at once, then after a pause.

        Where an answer is lost and the SDK asks again, that other is this call: the operation is known then.
        """
        key = _key(operation)
        item = self._table.get(key)
        for attempt in range(_ATTEMPTS):
            kept = self._kept(item, key, operation)
            after, verdict = decide(kept.window)
            if after is kept.window:
                return verdict
            answer = self._table.update(self._write(key, kept.version, after))
            if answer.held:
                return verdict
            item = self._later(key, attempt) if attempt % 2 else answer.item
        raise StoreError(
            f"{self._table.place(key)}: others kept writing it at the same time",
            hint="take the operation once more in a minute: nothing was written",
        )

    def all(self) -> Iterator[Watched]:
        """The windows that something was added to in the last three hours: the table lets go of others some days late.

        (DynamoDB developer guide, "Using time to live".)
        """
        now = int(self._clock.now().timestamp())
        items = (self._table.query(share, "", "#expires >= :now", {"now": now}) for share in shares(_WINDOW))
        for item in chain.from_iterable(items):
            key = Key(item["pk"], item["sk"])
            try:
                yield watched_of(item["state"], key.sk)
            except _UNREADABLE as error:
                raise self._damaged(key, error) from error

    def was_told(self, mark: str) -> bool:
        """Whether people were told."""
        item = self._table.get(Key(_TOLD, mark_key(mark)))
        return bool(item) and item["expires"] >= int(self._clock.now().timestamp())

    def note_told(self, mark: str) -> None:
        """Note it, unless it is noted already."""
        now = self._clock.now()
        values = {"expires": int((now + MARKED_FOR).timestamp()), "now": int(now.timestamp())}
        free = "attribute_not_exists(#expires) OR #expires < :now"
        self._table.update(Write(Key(_TOLD, mark_key(mark)), "SET #expires = :expires", free, values))

    def _later(self, key: Key, attempt: int) -> Item:
        """The item after a pause: longer each time, and for each caller another."""
        longest = min(_FIRST_PAUSE * 2 ** (attempt // 2), _LONGEST_PAUSE)
        self._clock.sleep(longest * secrets.randbelow(1000) / 1000)
        return self._table.get(key)

    def _write(self, key: Key, version: int, window: Window) -> Write:
        """Of the version that was read, and no other."""
        expires = int((self._clock.now() + _UNUSED_FOR).timestamp())
        values: dict[str, str | int] = {"next": version + 1, "state": window_text(window), "expires": expires}
        if not version:
            return Write(key, _CHANGE, "attribute_not_exists(#version)", values)
        return Write(key, _CHANGE, "#version = :version", {**values, "version": version})

    def _kept(self, item: Item, key: Key, operation: Operation) -> _Kept:
        if not item:
            return _Kept(0, Window())
        try:
            return _Kept(item["version"], window_of(item["state"], operation))
        except _UNREADABLE as error:
            raise self._damaged(key, error) from error

    def _damaged(self, key: Key, error: Exception) -> StoreError:
        return StoreError(
            f"{self._table.place(key)}: what the table holds cannot be read: {error}",
            hint="delete the item: the window begins anew, and nothing else depends on it",
        )


def _key(operation: Operation) -> Key:
    name = window_key(operation)
    return Key(spread(_WINDOW, name), name)
