"""What is kept of a principal's window, as text: the same text in every store, a few bytes an operation.

2,000 operations with ids as CloudTrail gives them are about 120 KB, and 80 KB packed: DynamoDB takes 400 KB an item.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.realtime.mass_operations import Operation, Watched, Window
from sg_compliance.realtime.sliding import Moment
from sg_compliance.realtime.verdict import Level, Mark, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_KEY: Final = 900  # DynamoDB takes a sort key of 1,024 bytes
_LARGEST: Final = 8_000_000
MARKED_FOR: Final = timedelta(days=2)
"""A message that fails has come for the last time long before."""


def window_key(operation: Operation) -> str:
    """Under which the window of its principal is kept."""
    key = f"{operation.account_id}#{operation.principal}".encode(errors="backslashreplace").decode()
    return key if len(key.encode()) <= _LONGEST_KEY else f"{operation.account_id}#sha256:{_hashed(key)}"


def mark_key(mark: str) -> str:
    """Under which it is kept that people were told of something; a mark may be any text."""
    return _hashed(mark)


def window_text(window: Window) -> str:
    """The window as text."""
    names = sorted({name for each in window.operations for name in (each.region, each.group_id)})
    whose = window.operations[0] if window.operations else None
    number = {name: index for index, name in enumerate(names)}
    record = {
        "version": _VERSION,
        **({"account_id": whose.account_id, "principal": whose.principal} if whose else {}),
        "names": names,
        "operations": [
            [each.event_id, _number(each.time), number[each.region], number[each.group_id], int(each.failed)]
            for each in window.operations
        ],
        "seconds": [[_number(each.first), _number(each.last), *each[2:]] for each in window.seconds],
        "told": [_verdict_record(each) for each in window.told],
    }
    packed = zlib.compress(json.dumps(record, separators=(",", ":")).encode())
    return base64.b64encode(packed).decode()


class _Whose(NamedTuple):
    account_id: str
    principal: str


def window_of(text: str, operation: Operation) -> Window:
    """The window that was kept for the operation's principal.

    Raises ValueError, LookupError, TypeError, OverflowError for what is none.
    """
    return _window(_record(text), _Whose(operation.account_id, operation.principal))


def watched_of(text: str, key: str) -> Watched:
    """The window that was kept under the key, and whose it is: as the record says, as the key does in older ones.

    Raises as `window_of` does.
    """
    record = _record(text)
    account_id, _, principal = key.partition("#")
    whose = _Whose(str(record.get("account_id", account_id)), str(record.get("principal", principal)))
    return Watched(*whose, _window(record, whose))


def _record(text: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(_unpacked(text))
    if record["version"] != _VERSION:
        message = f"version {record['version']!r} is not known here"
        raise ValueError(message)
    return record


def _window(record: dict[str, Any], who: _Whose) -> Window:
    names = record["names"]
    return Window(
        tuple(
            Operation(event_id, who.account_id, names[region], who.principal, names[group], _time(time), bool(failed))
            for event_id, time, region, group, failed in record["operations"]
        ),
        tuple(Moment(_time(first), _time(last), *counts) for first, last, *counts in record["seconds"]),
        tuple(_verdict_of(each, who) for each in record["told"]),
    )


def _unpacked(text: str) -> bytes:
    """Raises ValueError."""
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(base64.b64decode(text, validate=True), _LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof:
        message = "it is cut off, or too large"
        raise ValueError(message)
    return found


_PLAIN: Final = ("event_id", "threshold", "count", "failed", "groups", "regions", "at_least", "automation")


def _verdict_record(verdict: Verdict) -> dict[str, Any]:
    return {
        **{name: getattr(verdict, name) for name in _PLAIN},
        "level": verdict.level.value,
        "window": verdict.window // _MICROSECOND,
        "first": _number(verdict.first),
        "last": _number(verdict.last),
        "some_groups": list(verdict.some_groups),
        "some_regions": list(verdict.some_regions),
        "marks": [[mark.level.value, _number(mark.hour)] for mark in verdict.marks],
    }


def _verdict_of(record: dict[str, Any], who: _Whose) -> Verdict:
    return Verdict(
        **{name: record[name] for name in _PLAIN},
        level=Level(record["level"]),
        account_id=who.account_id,
        principal=who.principal,
        window=record["window"] * _MICROSECOND,
        first=_time(record["first"]),
        last=_time(record["last"]),
        some_groups=tuple(record["some_groups"]),
        some_regions=tuple(record["some_regions"]),
        marks=tuple(_marks_of(record["marks"])),
    )


def _marks_of(records: Iterable[list[Any]]) -> Iterable[Mark]:
    return (Mark(Level(level), _time(hour)) for level, hour in records)


def _number(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _time(number: int) -> datetime:
    return _EPOCH + number * _MICROSECOND


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
