"""What one principal did of late in one account, in figures: from its window of operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.realtime.mass_operations import HOUR, MINUTE
from sg_compliance.realtime.sliding import densest

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sg_compliance.realtime.mass_operations import Limits, Watched, Window
    from sg_compliance.realtime.sliding import Moment
    from sg_compliance.realtime.verdict import Verdict


class Span(NamedTuple):
    """Operations within a minute or an hour: in the one up to now, and in the densest one, which began at `since`.

    More than `limit` is too many.
    """

    now: int
    densest: int
    since: datetime
    limit: int

    @property
    def is_over(self) -> bool:
        """Whether it was too many."""
        return self.densest > self.limit


@dataclass(frozen=True, slots=True)
class Activity:
    """Figures of two hours. `groups` and `regions` are of what is kept in full; `at_least` says that there was more."""

    account_id: str
    principal: str
    operations: int
    failed: int
    first: datetime
    last: datetime
    minute: Span
    hour: Span
    groups: int
    regions: tuple[str, ...]
    at_least: bool
    limits: Limits
    told: tuple[Verdict, ...]

    @property
    def error_rate(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failed / self.operations


def activity(watched: Watched, limits: Limits, now: datetime) -> Activity | None:
    """The figures; None where no operation is known."""
    window = watched.window
    moments = window.moments()
    if not moments:
        return None
    return Activity(
        account_id=watched.account_id,
        principal=watched.principal,
        operations=sum(each.number for each in moments),
        failed=sum(each.failed for each in moments),
        first=moments[0].first,
        last=max(each.last for each in moments),
        minute=_span(moments, MINUTE, limits.per_minute, now),
        hour=_span(moments, HOUR, limits.per_hour, now),
        groups=len({each.group_id for each in window.operations} - {""}),
        regions=_regions(window),
        at_least=bool(window.seconds),
        limits=limits,
        told=window.told,
    )


def _span(moments: list[Moment], span: timedelta, limit: int, now: datetime) -> Span:
    found = densest(moments, span)
    assert found is not None  # noqa: S101 - there are moments
    return Span(sum(each.number for each in moments if now - span < each.last <= now), found.number, found.since, limit)


def _regions(window: Window) -> tuple[str, ...]:
    return tuple(sorted({each.region for each in window.operations} - {""}))
