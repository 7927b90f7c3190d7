"""The audit log as a chain: each line carries the hash of the one before. Sealing a line, and checking them all.

A line is one JSON object in canonical form (ASCII, sorted keys, no spaces): the event's own keys, and `sequence` (from
1), `previous`, `hash` (SHA-256 of the line without it). A line that was cut off by a crash stays: it is closed with
`TORN_END`, and the next entry carries `torn`, the hash of what is left of it.

Not seen: the end of the log cut off, or its last line replaced with a hash to match; for that the caller gives a head
that was noted elsewhere. The chain has no key: who can rewrite the whole log can seal it anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESERVED: Final = frozenset({"sequence", "previous", "hash", "torn"})
TORN_END: Final = " #torn"
_NO_HASH: Final = "0" * 64


class Head(NamedTuple):
    """The last entry of a chain, as far as it is known."""

    sequence: int
    hash: str


NO_ENTRY: Final = Head(0, _NO_HASH)
"""The head of an empty chain."""


class ProblemKind(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    MISSING = "missing"
    ORDER = "wrong order"
    TORN = "torn"


class Problem(NamedTuple):
    """One thing wrong at a line of the file, counted from 1."""

    line: int
    kind: ProblemKind
    text: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found: how many entries are sound, how many torn lines are accounted for, and what is wrong."""

    entries: int
    torn: int
    head: Head
    problems: tuple[Problem, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def seal(event: Mapping[str, Any], previous_hash: str, sequence: int, *, torn: str = "") -> str:
    """The line of an event, without newline. `torn` is the hash of the torn lines before it (`torn_hash`).

    Raises ValueError, TypeError where the event has a reserved key or cannot be written as JSON.
    """
    taken = RESERVED & event.keys()
    if taken:
        message = f"an event cannot have the key {', '.join(sorted(taken))}: it belongs to the chain"
        raise ValueError(message)
    plain = json.loads(_canonical(event))  # keys that are numbers become text here, and sort as text
    body = {**plain, "sequence": sequence, "previous": previous_hash, **({"torn": torn} if torn else {})}
    return _canonical({**body, "hash": _hash(_canonical(body))})


def torn_hash(lines: Iterable[str]) -> str:
    """The hash of torn lines that follow each other, each with its `TORN_END`."""
    return _hash("\n".join(lines))


def sealed_head(line: str) -> Head | None:
    """The sequence and hash of a line that is sound in itself; None for any other text."""
    record = _record(line)
    return Head(record["sequence"], record["hash"]) if record else None


def verify(lines: Iterable[str], expected: Head | None = None) -> AuditReport:
    """Check every line. `expected` is a head that was noted before: it must be there, with that hash."""
    walk = _Walk(expected)
    for number, line in enumerate(lines, start=1):
        walk.read(number, line)
    return walk.report()


class _Walk:
    """One reading of a chain from its beginning."""

    def __init__(self, expected: Head | None) -> None:
        self._expected = expected
        self._head = NO_ENTRY
        self._unsealed: list[str] = []
        self._entries = self._torn = self._last = 0
        self._problems: list[Problem] = []
        self._met = expected is None or expected == NO_ENTRY

    def read(self, number: int, line: str) -> None:
        self._last = number
        record = _record(line)
        if record is None:
            self._unsealed.append(line)
            return
        replaced = self._settle(number, record.get("torn"))
        self._link(number, record, replaced)

    def _settle(self, number: int, torn: object) -> int:
        """Account for the lines before this one that are no entries. How many of them nobody vouches for."""
        before, self._unsealed = self._unsealed, []
        if torn is None:
            self._refuse(number, before)
            return len(before)
        if torn_hash(before) == torn:
            self._torn += len(before)
            return 0
        self._refuse(number, before)
        if not before:
            self._wrong(number, ProblemKind.MISSING, "the torn line that stood before this one is missing")
        return len(before)

    def _refuse(self, number: int, before: list[str]) -> None:
        for place, line in enumerate(before, start=number - len(before)):
            if _is_cut(line):
                self._wrong(place, ProblemKind.TORN, "is cut off, and the next entry does not account for it")
            else:
                self._wrong(place, ProblemKind.CHANGED, "was changed, or is no line of this log")

    def _link(self, number: int, record: Mapping[str, Any], replaced: int) -> None:
        sequence, due = record["sequence"], self._head.sequence + 1
        if sequence < due:
            self._wrong(number, ProblemKind.ORDER, f"entry {sequence} stands after entry {due - 1}")
            return
        if sequence > due + replaced:
            gone = _span(due + replaced, sequence - 1)
            self._wrong(number, ProblemKind.MISSING, f"{gone} missing before this line")
        elif sequence == due and record["previous"] != self._head.hash:
            self._wrong(number, ProblemKind.CHANGED, f"names another hash for entry {due - 1} than that has")
        self._entries += 1
        self._head = Head(sequence, record["hash"])
        self._meet(number)

    def _meet(self, number: int) -> None:
        if self._expected and self._head.sequence == self._expected.sequence:
            self._met = True
            if self._head != self._expected:
                self._wrong(number, ProblemKind.CHANGED, f"entry {self._head.sequence} has another hash than was noted")

    def report(self) -> AuditReport:
        self._refuse(self._last + 1, self._unsealed)
        if self._expected and not self._met:
            sequence = self._expected.sequence
            what = (
                f"{_span(self._head.sequence + 1, sequence)} missing at the end"
                if sequence > self._head.sequence
                else f"entry {sequence} missing"
            )
            self._wrong(self._last, ProblemKind.MISSING, what)
        return AuditReport(self._entries, self._torn, self._head, tuple(self._problems))

    def _wrong(self, line: int, kind: ProblemKind, text: str) -> None:
        self._problems.append(Problem(line, kind, text))


def _record(line: str) -> dict[str, Any] | None:
    """The entry, if the line is sound in itself: in canonical form, with its own hash."""
    try:
        record = json.loads(line)
        if not isinstance(record, dict) or _canonical(record) != line:
            return None
        body = {key: value for key, value in record.items() if key != "hash"}
        sound = _hash(_canonical(body)) == record.get("hash")
    except (ValueError, TypeError, RecursionError):
        return None
    sequence, previous = record.get("sequence"), record.get("previous")
    return record if sound and type(sequence) is int and sequence > 0 and isinstance(previous, str) else None


def _is_cut(line: str) -> bool:
    return line.endswith(TORN_END) or not line.endswith("}")


def _span(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first}-{last}"


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
