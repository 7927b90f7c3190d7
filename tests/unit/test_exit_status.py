"""What decides the exit status of a run: the worst that came of a group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from sg_compliance.entrypoints.cli.exit import status_of_rollback, status_of_run
from sg_compliance.entrypoints.cli.options import duration, lasting, moment
from sg_compliance.model.outcome import Outcome, Status
from tests.builders import NOW, group

WELL = (Status.CHANGED, Status.WOULD_CHANGE, Status.UNCHANGED)


def outcomes(*statuses: Status) -> list[Outcome]:
    return [Outcome(group().place, "web", status) for status in statuses]


def test_what_is_done_is_0() -> None:
    assert status_of_run(outcomes(*WELL), stopped=False) == status_of_rollback(outcomes(*WELL), stopped=False) == 0
    assert status_of_run([], stopped=False) == 0


@pytest.mark.parametrize(
    ("status", "of_run", "of_rollback"),
    [
        (Status.PARTIAL, 1, 1),
        (Status.REFUSED, 1, 2),
        (Status.LOCKED, 1, 2),
        (Status.GONE, 1, 2),
        (Status.FAILED, 2, 2),
        (Status.INCOMPLETE, 2, 2),
    ],
)
def test_one_group_that_was_not_done_decides(status: Status, of_run: int, of_rollback: int) -> None:
    assert status_of_run(outcomes(*WELL, status), stopped=False) == of_run
    assert status_of_rollback(outcomes(*WELL, status), stopped=False) == of_rollback


def test_a_run_that_was_stopped_is_2() -> None:
    assert status_of_run(outcomes(*WELL), stopped=True) == status_of_rollback(outcomes(*WELL), stopped=True) == 2


def test_a_duration_is_a_number_and_a_unit() -> None:
    assert [duration(text) for text in ("90s", "30m", " 24h", "7d", "2w")] == [
        timedelta(seconds=90),
        timedelta(minutes=30),
        timedelta(hours=24),
        timedelta(days=7),
        timedelta(weeks=2),
    ]


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "24 h", "\u0661h", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_a_moment_is_a_time_or_so_long_ago() -> None:
    assert moment("24h", NOW) == NOW - timedelta(hours=24)
    assert moment("2026-01-02", NOW) == datetime(2026, 1, 2, tzinfo=UTC)
    assert moment("2026-01-02T03:04+02:00", NOW) == datetime(2026, 1, 2, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "9" * 9 + "w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text, NOW)


def test_how_long_is_a_duration_or_until_a_time() -> None:
    assert lasting("24h", NOW) == timedelta(hours=24)
    assert lasting("0h", NOW) == timedelta(0)
    assert lasting("2026-01-16T12:00", NOW) == timedelta(days=1)
    for text in ("2026-01-14", "long", "9" * 7 + "d"):
        with pytest.raises(typer.BadParameter):
            lasting(text, NOW)
