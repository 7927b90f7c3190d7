"""How many stand in every window of a length that one time stands in, when each is a moment with a count."""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_SECOND: Final = timedelta(seconds=1)


class Moment(NamedTuple):
    """So many operations from `first` to `last`, within one second; for a single one both are its time."""

    first: datetime
    last: datetime
    number: int
    failed: int


class Dense(NamedTuple):
    """A window [since, until), how many are in it, and the times of the first and the last."""

    since: datetime
    until: datetime
    number: int
    failed: int
    first: datetime
    last: datetime


def counted(time: datetime, *, failed: bool) -> Moment:
    """One operation."""
    return Moment(time, time, 1, int(failed))


def summarised(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """The same number, one moment a second."""
    found: dict[datetime, Moment] = {}
    for each in moments:
        second = each.first.replace(microsecond=0)
        old = found.get(second, each._replace(number=0, failed=0))
        first, last = min(old.first, each.first), max(old.last, each.last)
        found[second] = Moment(first, last, old.number + each.number, old.failed + each.failed)
    return tuple(sorted(found.values()))


def dense(moments: list[Moment], time: datetime, span: timedelta) -> list[Dense]:
    """The windows of that span which start at a moment and hold the time, the densest first, then the earliest.

    A moment that a window touches counts whole, and a window that starts at one lasts until its last time and the span:
    so none of the true windows holds more.
    """
    near = [each for each in moments if time - span - _SECOND < each.last and each.first < time + span + _SECOND]
    return sorted((each for each in _windows(near, span) if each.since <= time < each.until), key=_densest_first)


def densest(moments: list[Moment], span: timedelta) -> Dense | None:
    """Of all windows of that span the densest, the earliest of several; None where there is nothing."""
    return min(_windows(sorted(moments), span), key=_densest_first, default=None)


def _windows(near: list[Moment], span: timedelta) -> Iterator[Dense]:
    """The window that starts at each of the moments, which are sorted."""
    ended = sorted(near, key=_last)
    begun, over = [each.first for each in near], [each.last for each in ended]
    into, out, latest = _totals(near), _totals(ended), list(accumulate(map(_last, near), max))
    for moment in near:
        until = moment.last + span
        end, start = bisect_left(begun, until), bisect_left(over, moment.first)
        (number, failed), (before, failed_before) = into[end], out[start]
        yield Dense(moment.first, until, number - before, failed - failed_before, moment.first, latest[end - 1])


def _densest_first(window: Dense) -> tuple[int, datetime]:
    return -window.number, window.since


def _last(moment: Moment) -> datetime:
    return moment.last


def _totals(moments: list[Moment]) -> list[tuple[int, int]]:
    counts = accumulate((each.number for each in moments), initial=0)
    failures = accumulate((each.failed for each in moments), initial=0)
    return list(zip(counts, failures, strict=True))
