"""Who changed how much of late: the figures, against counting by hand, and how they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.policy.document import Document
from sg_compliance.realtime.activity import Activity, activity
from sg_compliance.realtime.mass_operations import HOUR, MINUTE, Limits, Operation, Watched, Window, take
from sg_compliance.realtime.sliding import Moment, counted, densest
from sg_compliance.reports.mass_operations import activity_lines, activity_record
from sg_compliance.workflows.watching import Wanted, activities
from tests.builders import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.realtime.verdict import Verdict

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
ADA = f"arn:aws:iam::{ACCOUNT}:user/ada"
BOT = f"arn:aws:sts::{ACCOUNT}:assumed-role/bot/run"
LIMITS = Limits(10, 50, 20)


def operation(number: int, ago: float, principal: str = ADA, *, failed: bool = False) -> Operation:
    return Operation(
        f"e-{number}",
        ACCOUNT,
        f"eu-west-{number % 3}",
        principal,
        f"sg-{number % 7}",
        NOW - timedelta(seconds=ago),
        failed,
    )


def window(*operations: Operation, limits: Limits = LIMITS) -> Window:
    made = Window()
    for each in operations:
        made, _ = take(made, each, limits)
    return made


def figures(*operations: Operation, limits: Limits = LIMITS, now: datetime = NOW) -> Activity:
    found = activity(Watched(ACCOUNT, ADA, window(*operations, limits=limits)), limits, now)
    assert found
    return found


def densest_by_hand(times: list[datetime], span: timedelta) -> int:
    return max(sum(start <= each < start + span for each in times) for start in times)


@given(st.lists(st.integers(0, 3600 * 2 - 1), min_size=1, max_size=60), st.integers(-10, 600))
def test_the_figures_are_those_of_counting_by_hand(agos: list[int], later: int) -> None:
    now = NOW + timedelta(seconds=later)
    operations = [operation(number, ago, failed=number % 4 == 0) for number, ago in enumerate(agos)]
    found = figures(*operations, now=now)
    times = sorted(each.time for each in operations)
    newest = times[-1]
    times = [each for each in times if each > newest - 2 * HOUR]
    for span, figure in ((MINUTE, found.minute), (HOUR, found.hour)):
        assert figure.densest == densest_by_hand(times, span)
        assert sum(figure.since <= each < figure.since + span for each in times) == figure.densest
        assert figure.now == sum(now - span < each <= now for each in times)
    assert found.operations == len(times)
    assert (found.first, found.last) == (times[0], newest)
    assert found.groups == len({each.group_id for each in operations if each.time in times})


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 5)), max_size=30), st.sampled_from([MINUTE, HOUR]))
def test_the_densest_window_holds_the_most_and_is_the_earliest(found: list[tuple[int, int]], span: timedelta) -> None:
    moments = [Moment(NOW + timedelta(seconds=at), NOW + timedelta(seconds=at), number, 0) for at, number in found]
    best = densest(moments, span)
    if not moments:
        assert best is None
        return
    counts = {
        each.first: sum(other.number for other in moments if each.first <= other.first < each.first + span)
        for each in moments
    }
    assert best
    assert best.number == max(counts.values())
    assert best.since == min(time for time, count in counts.items() if count == best.number)


def test_operations_across_the_full_minute_are_in_one_window() -> None:
    found = figures(*[operation(number, 1) for number in range(10)], *[operation(10 + n, -2) for n in range(10)])
    assert (found.minute.densest, found.minute.now) == (20, 10)
    assert found.minute.is_over
    assert not found.hour.is_over
    assert [each.level.value for each in found.told] == ["alert", "critical"]


def test_as_many_as_are_allowed_are_not_too_many_and_a_minute_ago_is_not_in_the_minute() -> None:
    found = figures(*[operation(number, 60) for number in range(10)])
    assert (found.minute.densest, found.minute.now, found.hour.now) == (10, 0, 10)
    assert not found.minute.is_over
    assert figures(*[operation(number, 59) for number in range(11)]).minute.is_over


def test_the_share_that_failed_and_the_regions_are_shown() -> None:
    found = figures(*[operation(number, number, failed=number < 3) for number in range(4)])
    assert (found.failed, found.error_rate) == (3, 0.75)
    assert found.regions == ("eu-west-0", "eu-west-1", "eu-west-2")
    assert not found.at_least


def test_more_than_is_kept_in_full_is_at_least_and_still_counted() -> None:
    found = activity(Watched(ACCOUNT, ADA, Window((operation(1, 5),), (counted(NOW, failed=True),))), LIMITS, NOW)
    assert found
    assert (found.operations, found.failed, found.at_least) == (2, 1, True)
    assert "at least 1 group in eu-west-1" in "\n".join(map(str, activity_lines([found])))


def test_a_window_without_operations_has_no_figures() -> None:
    assert activity(Watched(ACCOUNT, ADA, Window()), LIMITS, NOW) is None


class Kept:
    """The OperationWindows socket, to be looked at."""

    def __init__(self, *watched: Watched) -> None:
        self._watched = watched

    def all(self) -> Iterator[Watched]:
        return iter(self._watched)

    def take(self, _: Operation, decide: Callable[[Window], tuple[Window, Verdict | None]]) -> Verdict | None:
        raise NotImplementedError(decide)

    def was_told(self, mark: str) -> bool:
        raise NotImplementedError(mark)

    def note_told(self, mark: str) -> None:
        raise NotImplementedError(mark)


DOCUMENT = Document.model_validate({"x_automation": {"bot": {"threshold_per_minute": 100}}})


def kept(*principals: str, account_id: str = ACCOUNT) -> list[Watched]:
    return [
        Watched(account_id, who, window(*[operation(n, n, who) for n in range(5 * (at + 1))]))
        for at, who in enumerate(principals)
    ]


def test_everybody_is_listed_the_nearest_to_a_limit_first_by_their_own_limits() -> None:
    found = activities(Kept(*kept(BOT, ADA, "root"), *kept(ADA, account_id="4")), DOCUMENT, Wanted(), NOW)
    assert [(each.account_id, each.principal) for each in found] == [
        (ACCOUNT, "root"),
        (ACCOUNT, ADA),
        ("4", ADA),
        (ACCOUNT, BOT),
    ]
    assert [each.minute.limit for each in found] == [10, 10, 10, 100]
    assert found[-1].limits.automation == "bot"


def test_the_list_is_narrowed_by_account_and_by_text() -> None:
    store = Kept(*kept(BOT, ADA), *kept(ADA, account_id="4"))

    def listed(wanted: Wanted) -> list[tuple[str, str]]:
        return sorted((each.account_id, each.principal) for each in activities(store, DOCUMENT, wanted, NOW))

    assert listed(Wanted(frozenset({"4"}))) == [("4", ADA)]
    assert listed(Wanted(principal="user/")) == [(ACCOUNT, ADA), ("4", ADA)]
    assert listed(Wanted(principal="iam*ada")) == [(ACCOUNT, ADA), ("4", ADA)]
    assert listed(Wanted(frozenset({ACCOUNT}), "bot")) == [(ACCOUNT, BOT)]
    assert listed(Wanted(principal=".")) == []


def test_what_is_shown_says_all_and_nothing_that_a_terminal_acts_on() -> None:
    found = figures(*[operation(number, number / 10) for number in range(25)])
    text = "\n".join(map(str, activity_lines([found])))
    assert f"{ADA}  in {ACCOUNT}\n" in text
    assert "minute    25 up to now; at most 25, from 2026-01-15 11:59:57 UTC on; 10 are allowed: too many" in text
    assert "hour      25 up to now; at most 25, from 2026-01-15 11:59:57 UTC on; 50 are allowed\n" in text
    assert "changed   7 groups in eu-west-0, eu-west-1, eu-west-2" in text
    assert "told      critical: " in text
    hostile = activity(Watched(ACCOUNT, "\x1b[31m\nx", window(operation(1, 1))), LIMITS, NOW)
    assert hostile
    assert "\x1b" not in "\n".join(map(str, activity_lines([hostile])))
    assert "nobody has changed a group" in str(next(activity_lines([])))


def test_programs_get_the_same() -> None:
    record = activity_record(figures(*[operation(number, number / 10, failed=number == 0) for number in range(25)]))
    assert record["principal"] == ADA
    assert (record["operations"], record["error_rate"], record["groups"]) == (25, 0.04, 7)
    assert record["minute"] == {
        "now": 25,
        "densest": 25,
        "since": "2026-01-15T11:59:57.600000+00:00",
        "threshold": 10,
    }
    assert [each["level"] for each in record["told"]] == ["alert", "critical"]
    assert record["told"][0]["keys"]
