"""Events in a file or on standard input, each as the text that it is written as: it is read strictly later.

Taken is one event, a list, one a line or one after the other, and what CloudTrail puts into S3: an object `Records`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN: Final = " \t\r\n,"
_HINT: Final = "give an event as EventBridge delivers it, a list of them, or one a line"


def event_texts(source: str) -> list[str]:
    """The events of a file; `-` is standard input. Raises InputError where there is none."""
    name = "standard input" if source == "-" else source
    try:
        data = _stdin() if source == "-" else Path(source).read_bytes()
        text = data.decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, hint="give a readable file in UTF-8, or -") from error
    found = list(_texts(text))
    if not found:
        raise InputError(f"{name}: there is no event in it", hint=_HINT)
    return found


def _stdin() -> bytes:
    if sys.stdin is None:
        raise InputError("standard input is closed", hint="give a file")
    return sys.stdin.buffer.read()


def _texts(text: str) -> Iterator[str]:
    """The events one by one; of what is no JSON each line is one, for whoever reads it to reject."""
    try:
        found = [each for value in _values(_inside(text)) for each in _records(value)]
    except (ValueError, RecursionError):
        found = [line.strip() for line in text.splitlines()]
    yield from filter(None, found)


def _inside(text: str) -> str:
    """What stands in a list; all of the text where it is none."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _values(text: str) -> Iterator[str]:
    """Each JSON value as it is written. Raises ValueError, RecursionError."""
    decoder, start = json.JSONDecoder(), _next(text, 0)
    while start < len(text):
        _, end = decoder.raw_decode(text, start)
        yield text[start:end]
        start = _next(text, end)


def _next(text: str, start: int) -> int:
    """Where the next value begins."""
    while start < len(text) and text[start] in _BETWEEN:
        start += 1
    return start


def _records(text: str) -> list[str]:
    """The records of a file of CloudTrail's, or of what SQS hands to a function; else the event itself."""
    records = value.get("Records") if isinstance(value := json.loads(text), dict) else None
    if not isinstance(records, list):
        return [text]
    return [_body(each) for each in records]


def _body(record: object) -> str:
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, str) else json.dumps(record)
