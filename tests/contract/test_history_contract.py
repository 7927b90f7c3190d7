"""What is remembered of findings, in SQLite and in DynamoDB: told at least once, never for ever, never lost."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sg_compliance.errors import SgComplianceError
from sg_compliance.local.history import SqliteHistory
from sg_compliance.model.finding import Severity
from sg_compliance.model.remembered import REOPENED_WITHIN
from sg_compliance.model.security_group import Place
from tests.contract.histories import HOUR, in_table, times, waiting
from tests.contract.store_homes import AwsHome, Wire, aws_on_loopback
from tests.properties.test_history_against_an_oracle import START, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import FindingHistory

pytestmark = pytest.mark.e2e

SPAWN = multiprocessing.get_context("spawn")
LATER = START + 2 * HOUR
MOMENT = timedelta(microseconds=1)
AT_ONCE = 6


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def aws(wire: Wire) -> AwsHome:
    return AwsHome(wire)


@pytest.fixture(params=["local", "aws"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], FindingHistory]]:
    """Each call makes an adapter of its own, as another process would."""
    if request.param == "aws":
        yield partial(in_table, request.getfixturevalue("aws"))
        return
    made: list[SqliteHistory] = []

    def adapter() -> SqliteHistory:
        made.append(SqliteHistory(tmp_path / "seen.db"))
        return made[-1]

    yield adapter
    for each in made:
        each.close()


# What holds for both


def test_the_first_and_the_last_time_are_kept_whatever_the_order(opened: Callable[[], FindingHistory]) -> None:
    assert times(opened().seen([finding(1)], START)) == {(START, START)}
    assert times(opened().seen([finding(1)], LATER)) == {(START, LATER)}
    assert times(opened().seen([finding(1)], START - HOUR)) == {(START - HOUR, LATER)}
    assert times(opened().seen([finding(2)], LATER)) == {(LATER, LATER)}


@pytest.mark.parametrize(
    ("after", "first"), [(REOPENED_WITHIN - MOMENT, START), (REOPENED_WITHIN, START + REOPENED_WITHIN)]
)
def test_a_finding_that_is_there_again_is_told_again_and_after_a_day_it_is_new(
    opened: Callable[[], FindingHistory], after: timedelta, first: datetime
) -> None:
    history = opened()
    history.told(history.seen([finding(1), finding(2)], START), START)
    history.gone(finding(1).group.place, as_of=START)
    assert history.untold([finding(1), finding(2)]) == set()
    again = START + after
    (one, two) = opened().seen([finding(1), finding(2)], again)
    assert (one.first_seen, one.last_seen, two.first_seen) == (first, again, START)
    assert waiting(opened()) == [finding(1).id]
    opened().told([one], again)
    assert waiting(opened()) == []


def test_telling_of_before_it_was_gone_is_no_telling_of_it_however_often_it_was_seen_since(
    opened: Callable[[], FindingHistory],
) -> None:
    history = opened()
    before = history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=START)
    for minutes in (1, 2):
        history.seen([finding(1)], START + timedelta(minutes=minutes))
    history.told(before, LATER)
    assert waiting(opened()) == [finding(1).id]


def test_what_others_see_meanwhile_makes_nothing_new_of_what_is_gone(opened: Callable[[], FindingHistory]) -> None:
    history, again = opened(), START + REOPENED_WITHIN - MOMENT
    history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=START)
    history.seen([finding(2)], again)
    history.gone(finding(2).group.place, as_of=again)
    assert times(history.seen([finding(1)], again)) == {(START, again)}


def test_what_is_gone_does_not_wait_and_goes_once(opened: Callable[[], FindingHistory]) -> None:
    history = opened()
    history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=LATER)
    assert waiting(history) == []
    assert history.untold([finding(1)]) == set()
    history.gone(finding(1).group.place, as_of=LATER + 23 * HOUR)
    again = LATER + REOPENED_WITHIN
    assert times(opened().seen([finding(1)], again)) == {(again, again)}


def test_what_was_seen_after_the_group_was_read_is_not_gone(opened: Callable[[], FindingHistory]) -> None:
    """A scan has read the group, an event finds something, and the scan notes what is gone at its end."""
    history = opened()
    history.seen([finding(1, "OLD")], START - HOUR)
    history.seen([finding(1), finding(1, "BEFORE")], START)
    history.seen([finding(1, "BEFORE")], START + MOMENT)
    opened().gone(finding(1).group.place, as_of=START)
    assert waiting(opened()) == [finding(1, "BEFORE").id]
    opened().gone(finding(1).group.place, as_of=START + MOMENT)
    assert waiting(opened()) == []


def test_who_comes_late_with_a_finding_that_is_gone_opens_it(opened: Callable[[], FindingHistory]) -> None:
    """A scan dates what it finds with its beginning: it may have read the group after it was found to comply."""
    history = opened()
    history.told(history.seen([finding(1)], START), START)
    history.gone(finding(1).group.place, as_of=LATER)
    late = history.seen([finding(1)], START + HOUR)
    assert times(late) == {(START, LATER + MOMENT)}
    assert waiting(opened()) == [finding(1).id]
    opened().told(late, LATER)
    assert waiting(opened()) == []


def test_what_is_gone_is_of_that_group_in_that_place_and_not_among_those_named(
    opened: Callable[[], FindingHistory],
) -> None:
    elsewhere = replace(finding(1), group=replace(finding(1).group, region="us-east-1"))
    owned = replace(finding(1), group=replace(finding(1).group, account_id="444455556666"))
    history = opened()
    history.seen([finding(1), finding(1, "TWO"), finding(11), elsewhere, owned], START)
    opened().gone(finding(1).group.place, [finding(1, "TWO").id], as_of=START)
    assert set(waiting(history)) == {finding(1, "TWO").id, finding(11).id, elsewhere.id, owned.id}
    opened().gone(finding(1).group.place, as_of=START)
    opened().gone(Place("1", "2", "3"), as_of=START)
    assert set(waiting(history)) == {finding(11).id, elsewhere.id, owned.id}


def test_an_exempt_finding_does_not_wait_until_it_is_open_again(opened: Callable[[], FindingHistory]) -> None:
    history = opened()
    history.seen([finding(1), finding(2, exempt=True)], START)
    assert waiting(history) == [finding(1).id]
    history.seen([finding(1, exempt=True), finding(2)], LATER)
    assert waiting(history) == [finding(2).id]
    history.told(history.waiting(Severity), LATER)
    history.seen([finding(1), finding(2, exempt=True)], LATER + HOUR)
    history.seen([finding(1), finding(2)], LATER + 2 * HOUR)
    assert waiting(history) == [finding(1).id]


def test_what_became_worse_than_people_were_told_waits_again(opened: Callable[[], FindingHistory]) -> None:
    history = opened()
    told = history.seen([finding(1, severity=Severity.MEDIUM)], START)
    history.told(told, START)
    history.seen([finding(1, severity=Severity.LOW)], LATER)
    assert waiting(history) == []
    history.seen([finding(1, severity=Severity.HIGH)], LATER + HOUR)
    assert waiting(history, Severity.MEDIUM) == []
    assert waiting(history, Severity.HIGH) == [finding(1).id]
    history.told(told, LATER)  # of what it was
    assert waiting(history, Severity.HIGH) == [finding(1).id]
    history.told(history.waiting([Severity.HIGH]), LATER)
    history.told(told, LATER)  # once more of what it was, late
    assert history.untold([finding(1)]) == set()


def test_telling_of_what_was_there_before_is_no_telling_of_what_came_after(
    opened: Callable[[], FindingHistory],
) -> None:
    history = opened()
    before = history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=START)
    history.seen([finding(1)], START + timedelta(minutes=1))
    history.told(before, LATER)
    assert waiting(opened()) == [finding(1).id]


def test_what_waits_comes_whole_and_in_the_order_of_reports(opened: Callable[[], FindingHistory]) -> None:
    history = opened()
    low, worst = finding(1, "TWO", Severity.LOW), finding(1, "ONE", Severity.CRITICAL)
    history.seen([finding(2), low, worst], START)
    assert waiting(opened()) == [worst.id, low.id, finding(2).id]
    assert waiting(opened(), Severity.LOW, Severity.CRITICAL) == [worst.id, low.id]
    assert list(opened().waiting([])) == []
    (found,) = opened().waiting([Severity.CRITICAL])
    group = worst.group
    assert (found.place, found.group_name, found.rule_id) == (group.place, "name-1", "ONE")
    assert (found.severity, found.direction, found.reason) == (Severity.CRITICAL, "ingress", worst.reason)
    assert (found.message, found.first_seen, found.last_seen) == (worst.message, START, START)


def test_findings_that_are_not_remembered_are_passed_over(opened: Callable[[], FindingHistory]) -> None:
    history = opened()
    (dated,) = history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=START)
    history.told([dated, finding(7)], LATER)
    assert history.untold([dated, finding(7)]) == set()
    assert (waiting(history), history.seen([], START)) == ([], [])


def test_more_than_a_call_takes_is_remembered_told_and_gone(opened: Callable[[], FindingHistory]) -> None:
    many = [finding(1, f"RULE-{number:03}") for number in range(72)]
    history = opened()
    dated = history.seen(many, START)
    assert [each.id for each in dated] == [each.id for each in many]
    assert waiting(history) == [each.id for each in many]
    assert len(history.untold(dated)) == 72
    history.told(dated[:40], LATER)
    assert waiting(opened()) == [each.id for each in many[40:]]
    history.gone(finding(1).group.place, [many[60].id], as_of=START)
    assert waiting(opened()) == [many[60].id]


def test_any_text_may_be_in_a_finding_and_a_long_one_is_cut(opened: Callable[[], FindingHistory]) -> None:
    for number, text in enumerate(("half \ud800", "a'b\"c;--\0", "\U0001f600" * 9_000, "", "x" * 100_000)):
        odd = finding(number)
        group = replace(odd.group, group_id=f"sg-{number}{text}", name=text, region=text)
        odd = replace(odd, group=group, reason=text, message=text)
        history = opened()
        (dated,) = history.seen([odd], START)
        assert dated == replace(odd, first_seen=START, last_seen=START)
        (found,) = history.waiting(Severity)
        assert text.startswith((found.message.rstrip("…"), "half"))
        assert max(map(len, (found.message, found.reason, found.group_name, *found.place))) <= 1_000
        history.told([found], LATER)
        assert waiting(history) == []
        history.gone(odd.group.place, as_of=START)
        assert times(history.seen([odd], LATER)) == {(START, LATER)}
        history.told(history.waiting(Severity), LATER)


# Many at once


def test_of_many_that_see_and_tell_at_once_nothing_is_lost(opened: Callable[[], FindingHistory]) -> None:
    """Some see all, some tell what waits, one sees the last ones worse: all is told in the end, at its worst."""
    all_ = [finding(number % 4, f"RULE-{number:02}") for number in range(24)]
    worse = [replace(each, severity=Severity.CRITICAL) for each in all_[:6]]
    told: list[tuple[str, Severity]] = []

    def work(number: int) -> None:
        history = opened()
        if number % 2:
            found = list(history.waiting(Severity))
            history.told(found, START)
            told.extend((each.id, each.severity) for each in found)
        else:
            now = START + timedelta(minutes=number)
            history.seen(worse if number == 4 else all_ if number < 4 else all_[6:], now)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, range(AT_ONCE)))
    left = [(each.id, each.severity) for each in opened().waiting(Severity)]
    assert {name for name, _ in [*told, *left]} == {each.id for each in all_}
    assert {(each.id, each.severity) for each in worse} <= {*told, *left}
    opened().told(opened().waiting(Severity), START)
    assert waiting(opened()) == []


# SQLite


def _see(path: Path, number: int) -> None:
    with closing(SqliteHistory(path)) as history:
        for rule in range(20):
            history.seen([finding(0, f"RULE-{rule}"), finding(number)], START + number * HOUR)


def old_file(path: Path, *ids: str) -> None:
    """As the first version made it."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE finding (id TEXT PRIMARY KEY, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL)"
            " WITHOUT ROWID"
        )
        rows = [(name, "2025-12-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00") for name in ids]
        database.executemany("INSERT INTO finding VALUES (?, ?, ?)", rows)
        database.commit()


def test_processes_share_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with SPAWN.Pool(4) as pool:
        pool.starmap(_see, [(path, number) for number in range(1, 5)])
    with closing(SqliteHistory(path)) as history:
        assert len(waiting(history)) == 24
        assert times(history.seen([finding(0, "RULE-7")], START)) == {(START + HOUR - HOUR, START + 4 * HOUR)}


def test_a_file_of_the_first_version_keeps_its_times_and_waits_for_what_is_seen(tmp_path: Path) -> None:
    path, first = tmp_path / "seen.db", datetime(2025, 12, 1, tzinfo=UTC)
    old_file(path, finding(1).id, finding(2).id, finding(3).id)
    with closing(SqliteHistory(path)) as history:
        assert waiting(history) == []
        assert history.untold([finding(1)]) == set()
        history.told([finding(1)], START)
        history.gone(finding(3).group.place, as_of=START)
        assert times(history.seen([finding(1), finding(2, exempt=True)], START)) == {(first, START)}
        assert waiting(history) == [finding(1).id]
        history.told(history.waiting(Severity), START)
    with closing(SqliteHistory(path)) as again:
        assert waiting(again) == []
        assert times(again.seen([finding(1)], LATER)) == {(first, LATER)}
        early = datetime(2025, 11, 1, tzinfo=UTC)
        assert times(again.seen([finding(3)], early)) == {(early, datetime(2026, 1, 1, tzinfo=UTC))}


def test_what_was_gone_for_two_days_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with closing(SqliteHistory(path)) as history:
        history.seen([finding(1), finding(2)], START)
        history.gone(finding(1).group.place, as_of=START)
        history.seen([finding(2)], START + 2 * REOPENED_WITHIN + MOMENT)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT id FROM finding").fetchall() == [(finding(2).id,)]


def test_processes_share_a_file_of_the_first_version(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    old_file(path, finding(0, "RULE-7").id)
    with SPAWN.Pool(4) as pool:
        pool.starmap(_see, [(path, number) for number in range(1, 5)])
    with closing(SqliteHistory(path)) as history:
        (dated,) = history.seen([finding(0, "RULE-7")], LATER)
        assert dated.first_seen == datetime(2025, 12, 1, tzinfo=UTC)


def test_a_row_that_is_not_ours_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with closing(SqliteHistory(path)) as history:
        history.seen([finding(1)], START)
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE finding SET rank = 99")
            other.commit()
        with pytest.raises(SgComplianceError, match=r"seen\.db: cannot be used as a history of findings") as damaged:
            history.seen([finding(1)], LATER)
        assert damaged.value.hint
