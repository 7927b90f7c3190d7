"""How durations and times are written: `24h`, `30d`; RFC 3339, and in UTC where no offset is given.

Text → value, or ValueError in words.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_DURATION: Final = re.compile(r"([0-9]+)([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK: Final = r"\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?"
_TIME: Final = re.compile(rf"\d{{4}}-\d\d-\d\d([Tt ]{_CLOCK})?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """A whole number of seconds, minutes, hours, days or weeks: `90m`, `24h`, `30d`, `2w`."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        message = f"{text!r} is no duration: write it like 90m, 24h, 30d or 2w"
        raise ValueError(message)
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        message = f"{text!r} is too long"
        raise ValueError(message) from None


def parse_time(text: str) -> datetime:
    """A time in UTC: `2027-01-31T12:00:00Z`, `2027-01-31 12:00`, `2027-01-31`, which is its first moment."""
    if _TIME.fullmatch(text.strip()):
        try:
            time = datetime.fromisoformat(text.strip().upper())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
    message = f"{text!r} is no time: write it like 2027-01-31T12:00:00Z"
    raise ValueError(message)


def parse_future(text: str, now: datetime) -> datetime:
    """A time, or how long from now."""
    return _moment(text, now, 1)


def parse_past(text: str, now: datetime) -> datetime:
    """A time, or how long ago."""
    return _moment(text, now, -1)


def _moment(text: str, now: datetime, sign: int) -> datetime:
    if not _DURATION.fullmatch(text.strip()):
        try:
            return parse_time(text)
        except ValueError as error:
            message = f"{error}, or like 24h"
            raise ValueError(message) from None
    try:
        return now + sign * parse_duration(text)
    except OverflowError:
        message = f"{text!r} is too long"
        raise ValueError(message) from None
