"""The audit log in S3: one object a line, in one chain, that is written once; the last one is noted in DynamoDB.

The note is a hint: where it is behind (a writer between its two calls, or one that crashed there), the object of the
next sequence is already there, and the chain goes on after it.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import s3
from sg_compliance.aws.concurrency import in_order
from sg_compliance.aws.dynamodb_table import Key, Table, Write
from sg_compliance.aws.s3 import Bucket
from sg_compliance.enforcement.audit import NO_ENTRY, Head, seal, sealed_head
from sg_compliance.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sg_compliance.aws.s3 import BucketPlace, Object
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock

IAM_ACTIONS: Final = s3.IAM_ACTIONS | frozenset({"dynamodb:GetItem", "dynamodb:UpdateItem"})

_FOLDER: Final = "audit/"
_KEY: Final = re.compile(r"audit/\d{12}\.json", re.ASCII)
_ATTEMPTS: Final = 40
_STEPS: Final = 3
"""So often it goes one line on; then it asks for the last one: the note is far behind."""

_LONGEST_PAUSE: Final = 0.5
_READERS: Final = 8
_PAGE: Final = 1000


class S3AuditLog:
    """The AuditLog socket. Calls: append 3 (two more for each other writer that was faster), lines 1 a line."""

    def __init__(self, sessions: Sessions, place: BucketPlace, table: str, clock: Clock) -> None:
        self._bucket = Bucket(sessions, place)
        self._table = Table(sessions, table, clock, place.region)
        self._clock = clock
        self._note = Key("audit", f"{place.bucket}/{place.prefix}")

    def append(self, event: Mapping[str, Any]) -> None:
        """Add a line. Raises StoreError; ValueError, TypeError for an event that is no JSON object."""
        name = secrets.token_hex(8)
        head = self._noted()
        for attempt in range(_ATTEMPTS):
            line, key = seal(event, head.hash, head.sequence + 1), _key(head.sequence + 1)
            kept = self._put(key, line, name)
            if kept is None:
                self._remember(line)
                return
            head = self._head(key, kept) if attempt < _STEPS else self._last(key, kept)
            self._wait(attempt)
        raise StoreError(
            f"{self._bucket.name(_FOLDER)}: others kept writing the audit log, and this line is not in it",
            hint="let fewer runs write at once, and try again",
        )

    def lines(self) -> Iterator[str]:
        """The lines, oldest first. Raises StoreError."""
        keys = self._keys()
        for start in range(0, len(keys), _PAGE):
            yield from in_order(self._line, keys[start : start + _PAGE], _READERS)

    def _keys(self, after: str = "") -> list[str]:
        return [key for key in self._bucket.keys(_FOLDER, after) if _KEY.fullmatch(key)]

    def _put(self, key: str, line: str, name: str) -> str | None:
        """None where the line is kept, else the line in its way. An object with our name in it is this very one."""
        if self._bucket.put_new(key, f"{line}\n".encode(), {"attempt": name}):
            return None
        kept = self._bucket.get(key)
        if kept is not None and kept.metadata.get("attempt") == name:
            return None
        return _text(kept)

    def _last(self, key: str, line: str) -> Head:
        """The head of the last line, which is in the way itself or comes after it."""
        later = self._keys(after=key)
        return self._head(later[-1], self._line(later[-1])) if later else self._head(key, line)

    def _head(self, key: str, line: str) -> Head:
        head = sealed_head(line)
        if head is None or _key(head.sequence) != key:
            raise StoreError(
                f"{self._bucket.name(key)}: this is no line of the audit log: nothing is added after it",
                hint="find out what wrote it: sg-compliance audit verify",
            )
        return head

    def _line(self, key: str) -> str:
        return _text(self._bucket.get(key))

    def _noted(self) -> Head:
        item = self._table.get(self._note)
        return Head(item["sequence"], item["hash"]) if item else NO_ENTRY

    def _remember(self, line: str) -> None:
        """Note the new head. The line is kept without it, too."""
        head = sealed_head(line) or NO_ENTRY
        condition = "attribute_not_exists(#sequence) OR #sequence < :sequence"
        with suppress(StoreError):
            self._table.update(Write(self._note, "SET #sequence = :sequence, #hash = :hash", condition, head._asdict()))

    def _wait(self, attempt: int) -> None:
        longest = min(_LONGEST_PAUSE, 0.01 * 2**attempt)
        self._clock.sleep(longest * secrets.randbelow(1000) / 1000)


def _text(kept: Object | None) -> str:
    return kept.data.decode("utf-8", "surrogateescape").removesuffix("\n") if kept else ""


def _key(sequence: int) -> str:
    return f"{_FOLDER}{sequence:012}.json"
