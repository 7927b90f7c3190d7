"""Sets of integers as sorted, disjoint, non-adjacent inclusive ranges: the ground under addresses and ports.

Every operation is exact and linear in the number of ranges; building from n unsorted ranges sorts once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Interval: TypeAlias = tuple[int, int]
"""First and last member, both inside."""


class IntervalSet:
    """An immutable set of non-negative integers. Two sets with the same members are equal and hash alike."""

    __slots__ = ("intervals",)

    intervals: tuple[Interval, ...]

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        """Build from ranges in any order, overlapping or not. A range whose last is below its first is empty."""
        object.__setattr__(self, "intervals", _normalise(intervals))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a set is a value."""
        message = f"IntervalSet is immutable: cannot set {name}"
        raise AttributeError(message)

    @classmethod
    def _trusted(cls, intervals: tuple[Interval, ...]) -> IntervalSet:
        """Wrap ranges that are already sorted, disjoint and non-adjacent."""
        made = cls.__new__(cls)
        object.__setattr__(made, "intervals", intervals)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self.intervals == other.intervals

    def __hash__(self) -> int:
        return hash(self.intervals)

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __repr__(self) -> str:
        return f"IntervalSet({list(self.intervals)!r})"

    def __iter__(self) -> Iterator[Interval]:
        return iter(self.intervals)

    def __contains__(self, member: int) -> bool:
        index = bisect_right(self.intervals, member, key=itemgetter(0)) - 1
        return index >= 0 and member <= self.intervals[index][1]

    def __or__(self, other: IntervalSet) -> IntervalSet:
        if not other.intervals:
            return self
        return IntervalSet((*self.intervals, *other.intervals)) if self.intervals else other

    def __and__(self, other: IntervalSet) -> IntervalSet:
        return IntervalSet._trusted(tuple(_intersect(self.intervals, other.intervals)))

    def __sub__(self, other: IntervalSet) -> IntervalSet:
        return IntervalSet._trusted(tuple(_subtract(self.intervals, other.intervals)))

    def overlaps(self, other: IntervalSet) -> bool:
        """Whether the two sets share a member."""
        return next(_intersect(self.intervals, other.intervals), None) is not None

    def covers(self, other: IntervalSet) -> bool:
        """Whether every member of the other set is in this one."""
        return next(_subtract(other.intervals, self.intervals), None) is None

    def clip(self, first: int, last: int) -> IntervalSet:
        """The members from first to last; costs no more than what comes out, and two searches."""
        start = bisect_left(self.intervals, first, key=itemgetter(1))
        end = bisect_right(self.intervals, last, key=itemgetter(0))
        found = self.intervals[start:end]
        if not found:
            return EMPTY
        clipped = [*found]
        clipped[0] = (max(first, clipped[0][0]), clipped[0][1])
        clipped[-1] = (clipped[-1][0], min(last, clipped[-1][1]))
        return IntervalSet._trusted(tuple(clipped))

    def count(self) -> int:
        """How many members there are."""
        return sum(last - first + 1 for first, last in self.intervals)


def _normalise(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def _intersect(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Iterator[Interval]:
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            yield first, last
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


def _subtract(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Iterator[Interval]:
    j = 0
    for start, end in left:
        first = start
        while j < len(right) and right[j][1] < first:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= end:
            if first < right[k][0]:
                yield first, right[k][0] - 1
            first = right[k][1] + 1
            k += 1
        if first <= end:
            yield first, end


EMPTY = IntervalSet()
