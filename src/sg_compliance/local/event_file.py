"""Events in a file or on standard input, each as the text that it is written as: it is read strictly later.

Taken is one event, a list, one a line or one after the other, and what CloudTrail puts into S3: an object `Records`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN: Final = " \t\r\n,"
_HINT: Final = "give an event as EventBridge delivers it, a list of them, or one a line"


class EventText(NamedTuple):
    """An event as it is written, and where: `trail.jsonl, line 3`, `trail.json, line 1, record 2`."""

    text: str
    place: str


class _Found(NamedTuple):
    """An event, the line that it begins in, and which of the records of that object it is; 0: it is in none."""

    text: str
    line: int
    record: int = 0


def event_texts(source: str) -> list[EventText]:
    """The events of a file; `-` is standard input. Raises InputError where there is none."""
    name = "standard input" if source == "-" else source
    try:
        data = _stdin() if source == "-" else Path(source).read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name}: cannot be read: it is not in UTF-8, from byte {error.start + 1} on"
        raise InputError(message, hint=_HINT) from error
    except OSError as error:
        message = f"{name}: cannot be read: {error.strerror or error}"
        raise InputError(message, hint="give a readable file in UTF-8, or -") from error
    found = list(_texts(text))
    if not found:
        raise InputError(f"{name}: there is no event in it", hint=_HINT)
    return [EventText(each.text, _place(name, each)) for each in found]


def _stdin() -> bytes:
    if sys.stdin is None:
        raise InputError("standard input is closed", hint="give a file")
    return sys.stdin.buffer.read()


def _place(name: str, found: _Found) -> str:
    return f"{name}, line {found.line}" + (f", record {found.record}" if found.record else "")


def _texts(text: str) -> Iterator[_Found]:
    """The events one by one. Of what is no JSON each line is one, for whoever reads it to reject; or all is one."""
    try:
        yield from [each for value in _values(text) for each in _records(value)]
    except (ValueError, RecursionError):
        lines = [_Found(line.strip(), number) for number, line in enumerate(text.split("\n"), 1)]
        if any(map(_is_object, text.split("\n"))):
            yield from (each for each in lines if each.text)
        elif text.strip():
            yield _Found(text.strip(), next(each.line for each in lines if each.text))


def _is_object(line: str) -> bool:
    """Whether the line is an object by itself: then the file is one of lines, and only some of them are broken."""
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _values(text: str) -> Iterator[_Found]:
    """Each JSON value as it is written; of a list, each of its elements. Raises ValueError, RecursionError."""
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if text[begin : begin + 1] == "[" and text[end - 1] == "]":
        begin, end = begin + 1, end - 1
    decoder, counted, line = json.JSONDecoder(), 0, 1
    start = _next(text, begin, end)
    while start < end:
        _, stop = decoder.raw_decode(text, start)
        if stop > end:
            raise ValueError
        line, counted = line + text.count("\n", counted, start), start
        yield _Found(text[start:stop], line)
        start = _next(text, stop, end)


def _next(text: str, start: int, end: int) -> int:
    """Where the next value begins."""
    while start < end and text[start] in _BETWEEN:
        start += 1
    return start


def _records(value: _Found) -> list[_Found]:
    """The records of a file of CloudTrail's, or of what SQS hands to a function; else the event itself."""
    records = read.get("Records") if isinstance(read := json.loads(value.text), dict) else None
    if not isinstance(records, list):
        return [value]
    return [_Found(_body(each), value.line, number) for number, each in enumerate(records, 1)]


def _body(record: object) -> str:
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, str) else json.dumps(record)
