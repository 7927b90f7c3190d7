"""Too many changes by one principal in one account: true sliding windows of a minute and an hour → a verdict.

A window is [t, t + 60 s) or [t, t + 1 h) from any operation on: 10 at 11:59:59 and 10 at 12:00:01 are 20 in a minute.
The verdict on an operation is about the densest window that it stands in, so it does not matter in which order
operations come, and one that comes twice (the same event id) counts once.

What has been told is kept by level and clock hour: the hour of each operation in a window over its limit, and of a
minute later, so that what begins in the last minute of an hour is told once. A principal that goes on is told again in
the next hour. Which marks are told depends on the operations alone, not on their order. One verdict may carry several
marks; each mark is told once.

Calls that were refused are too many like others, and never critical: whoever may do nothing could else have somebody
blocked whose role it shares. Critical are operations that took effect.

Exact for operations up to an hour late. Those up to two hours late are counted among what is still known; later ones
are passed over. Not here: who counts as one principal, and whether anybody is told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.policy.automation import automation_of
from sg_compliance.realtime.sliding import Dense, Moment, counted, dense, summarised
from sg_compliance.realtime.verdict import Level, Mark, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sg_compliance.policy.automation import Automation
    from sg_compliance.policy.reaction import MassOperations

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
KEPT_FOR: Final = 2 * HOUR
"""An operation an hour late may stand in a window that began an hour before it."""
MOST_KEPT: Final = 2_000
"""Of more operations the oldest are counts by second: their ids and groups are forgotten, their number never is.

So a count is never below the truth. It is above it where one of those comes once more, or where times are finer than
the seconds of CloudTrail.
"""
_MOST_NAMED: Final = 10
_LONGEST: Final = 48


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that would change a group. `group_id` is empty where none is named; `time` has a time zone."""

    event_id: str
    account_id: str
    region: str
    principal: str
    group_id: str
    time: datetime
    failed: bool

    def bounded(self) -> Operation:
        """The same with texts of bounded length: a longer one than any of AWS's is cut, and its hash put on."""
        event_id, region, group_id = (_bounded(text) for text in (self.event_id, self.region, self.group_id))
        return replace(self, event_id=event_id, region=region, group_id=group_id)


def _bounded(text: str) -> str:
    hashed = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
    return text if len(text) <= _LONGEST else f"{text[:16]}~{hashed[:24]}"


class Limits(NamedTuple):
    """More than `per_minute` or `per_hour` is too many, and critical from `escalate_from` on that took effect.

    `automation` is the pattern by which the principal is known to make many changes, if it is.
    """

    per_minute: int
    per_hour: int
    escalate_from: int
    automation: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of one principal in one account: operations by time, counts of older ones, verdicts given."""

    operations: tuple[Operation, ...] = ()
    seconds: tuple[Moment, ...] = ()
    told: tuple[Verdict, ...] = ()

    @property
    def latest(self) -> datetime | None:
        """The time of the newest operation."""
        return self.operations[-1].time if self.operations else None

    def moments(self) -> list[Moment]:
        """Everything that counts, by time."""
        return sorted([*self.seconds, *(counted(each.time, failed=each.failed) for each in self.operations)])


class Watched(NamedTuple):
    """Whose window it is."""

    account_id: str
    principal: str
    window: Window


def limits_of(mass: MassOperations, known: Mapping[str, Automation], principal: str) -> Limits:
    """The limits of a principal (its ARN): as for everybody, but for what is said of it as known automation."""
    limits = Limits(mass.threshold_per_minute, mass.threshold_per_hour, mass.escalate_after_operations)
    found = automation_of(principal, known)
    if found is None:
        return limits
    own = (found.automation.threshold_per_minute, found.automation.threshold_per_hour)
    minute, hour = (each if given is None else given for given, each in zip(own, limits[:2], strict=True))
    return Limits(minute, hour, limits.escalate_from, found.pattern)


def take(window: Window, operation: Operation, limits: Limits) -> tuple[Window, Verdict | None]:
    """The window with the operation, and what is to be told.

    An operation that comes again changes nothing: the window is the same object. The one that made a verdict gets that
    verdict again, so that who died before telling it will tell it.
    """
    operation = operation.bounded()
    given = next((each for each in window.told if each.event_id == operation.event_id), None)
    if given or _is_known(window, operation) or _is_too_late(window, operation):
        return window, given
    grown = _grown(window, operation)
    verdict = _judged(grown, operation, limits)
    return (replace(grown, told=(*grown.told, verdict)) if verdict else grown), verdict


def _is_known(window: Window, operation: Operation) -> bool:
    return any(each.event_id == operation.event_id for each in window.operations)


def _is_too_late(window: Window, operation: Operation) -> bool:
    return window.latest is not None and operation.time <= window.latest - KEPT_FOR


def _grown(window: Window, operation: Operation) -> Window:
    """The window with the operation, without what is too old, the oldest as counts where there are too many."""
    operations = sorted([*window.operations, operation], key=lambda each: (each.time, each.event_id))
    since = operations[-1].time - KEPT_FOR
    operations = [each for each in operations if each.time > since]
    older, kept = operations[:-MOST_KEPT], operations[-MOST_KEPT:]
    moments = (counted(each.time, failed=each.failed) for each in older)
    return Window(
        tuple(kept),
        summarised([*(each for each in window.seconds if each.last > since), *moments]),
        tuple(each for each in window.told if max(mark.hour for mark in each.marks) + HOUR > since),
    )


def _judged(window: Window, operation: Operation, limits: Limits) -> Verdict | None:
    """The verdict on an operation of the window, if it tells something that was not told yet."""
    near = HOUR + MINUTE
    moments = [each for each in window.moments() if -near < each.first - operation.time < near]
    told = {mark for verdict in window.told for mark in verdict.marks}
    if told.issuperset(Mark(level, hour) for hour in _hours_of(moments) for level in Level):
        return None
    counts = {Level.ALERT: moments, Level.CRITICAL: list(_took_effect(moments))}
    found = [
        _Excess(level, dense(counts[level], operation.time, span), span, most, _least(most, level, limits))
        for span, most in _spans(limits)
        for level in Level
    ]
    marks = sorted({mark for each in found for mark in _marks(counts[each.level], each)} - told, key=_worst_first)
    if not marks:
        return None
    worst = next(each for each in found if each.level is marks[0].level and each.over)
    evidence = _Evidence(_whole(worst.dense[0], moments), worst.span, worst.most)
    return _verdict(window, operation, evidence, limits.automation, tuple(marks))


def _took_effect(moments: list[Moment]) -> Iterator[Moment]:
    for each in moments:
        if each.number > each.failed:
            yield each._replace(number=each.number - each.failed, failed=0)


class _Excess(NamedTuple):
    """The windows of one span that an operation stands in, the densest first, as they count for a level.

    `most` is what is not too many; more than `least` is of the level.
    """

    level: Level
    dense: list[Dense]
    span: timedelta
    most: int
    least: int

    @property
    def over(self) -> list[Dense]:
        return [each for each in self.dense if each.number > self.least]


class _Evidence(NamedTuple):
    """A window with all that is in it, its span, and the most that is not too many."""

    window: Dense
    span: timedelta
    most: int


def _whole(window: Dense, moments: list[Moment]) -> Dense:
    """The window with what was refused in it, too."""
    inside = [each for each in moments if each.last >= window.since and each.first < window.until]
    return window._replace(
        number=sum(each.number for each in inside),
        failed=sum(each.failed for each in inside),
        first=min(each.first for each in inside),
        last=max(each.last for each in inside),
    )


def _spans(limits: Limits) -> tuple[tuple[timedelta, int], ...]:
    return (MINUTE, limits.per_minute), (HOUR, limits.per_hour)


def _least(most: int, level: Level, limits: Limits) -> int:
    """The largest count that is not of the level yet."""
    return max(most, limits.escalate_from - 1) if level is Level.CRITICAL else most


def _marks(moments: list[Moment], excess: _Excess) -> Iterator[Mark]:
    """The marks of all windows that are over."""
    over = excess.over
    if over:
        since, until = min(each.since for each in over), max(each.until for each in over)
        inside = [each for each in moments if each.last >= since and each.first < until]
        yield from (Mark(excess.level, hour) for hour in _hours_of(inside))


def _hours_of(moments: list[Moment]) -> Iterator[datetime]:
    """The clock hours that are marked for what happened in these moments."""
    yield from _hours((each.first for each in moments), timedelta())
    yield from _hours((each.last for each in moments), MINUTE)


def _hours(times: Iterable[datetime], ahead: timedelta) -> Iterator[datetime]:
    """The clock hours that the times are in so much later, each once."""
    end = datetime.min.replace(tzinfo=UTC)
    for time in sorted(times):
        if time >= end:
            hour = (time + ahead).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            end = hour + HOUR - ahead
            yield hour


def _worst_first(mark: Mark) -> tuple[bool, datetime]:
    return mark.level != Level.CRITICAL, mark.hour


def _verdict(
    window: Window, operation: Operation, evidence: _Evidence, automation: str, marks: tuple[Mark, ...]
) -> Verdict:
    densest = evidence.window
    inside = [each for each in window.operations if densest.since <= each.time < densest.until]
    groups = sorted({each.group_id for each in inside} - {""})
    regions = sorted({each.region for each in inside} - {""})
    return Verdict(
        level=marks[0].level,
        account_id=operation.account_id,
        principal=operation.principal,
        event_id=operation.event_id,
        window=evidence.span,
        threshold=evidence.most,
        count=densest.number,
        failed=densest.failed,
        first=densest.first,
        last=densest.last,
        groups=len(groups),
        some_groups=tuple(groups[:_MOST_NAMED]),
        regions=len(regions),
        some_regions=tuple(regions[:_MOST_NAMED]),
        at_least=len(inside) < densest.number,
        automation=automation,
        marks=marks,
    )
