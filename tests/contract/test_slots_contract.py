"""Slots in SQLite and DynamoDB: never more than there may be, for many at once, and a slot taken again is the same."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import slots
from sg_compliance.aws.slots import DynamoSlots
from sg_compliance.errors import StoreError
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.slots import SqliteSlots
from tests.contract.histories import StillClock
from tests.contract.store_homes import LOST, AwsHome, RealClock, Refusal, Wire, aws_on_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import Clock, Slots

pytestmark = pytest.mark.e2e

SPAWN = multiprocessing.get_context("spawn")
NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_ONCE = 8


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def aws(wire: Wire) -> AwsHome:
    return AwsHome(wire)


@pytest.fixture(params=["local", "aws"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Slots]]:
    """Each call makes an adapter of its own, as another process would."""
    if request.param == "aws":
        yield partial(in_table, request.getfixturevalue("aws"))
        return
    made: list[SqliteSlots] = []

    def adapter() -> SqliteSlots:
        made.append(SqliteSlots(tmp_path / "state.sqlite"))
        return made[-1]

    yield adapter
    for each in made:
        each.close()


def in_table(home: AwsHome, clock: Clock | None = None) -> DynamoSlots:
    return DynamoSlots(home.sessions(), home.name, clock or RealClock())


def take(store: Slots, item: str, most: int = 2, after: timedelta = timedelta(), name: str = "all") -> bool:
    return store.take(name, item, most, HOUR, NOW + after)


# What holds for both


def test_so_many_get_a_slot_and_no_more(opened: Callable[[], Slots]) -> None:
    assert [take(opened(), item) for item in ("a", "b", "c")] == [True, True, False]
    assert take(opened(), "c", most=3)
    assert not take(opened(), "d", most=0, name="other")


def test_a_slot_taken_again_is_the_same_one(opened: Callable[[], Slots]) -> None:
    assert [take(opened(), item) for item in ("a", "a", "b", "c", "b", "a")] == [True, True, True, False, True, True]


def test_names_are_apart(opened: Callable[[], Slots]) -> None:
    assert take(opened(), "a", most=1)
    assert take(opened(), "a", most=1, name="444455556666")
    assert not take(opened(), "b", most=1, name="444455556666")


def test_the_window_slides_and_a_slot_taken_again_does_not_last_longer(opened: Callable[[], Slots]) -> None:
    half, tick = HOUR / 2, timedelta(microseconds=1)
    assert take(opened(), "a")
    assert take(opened(), "b", after=half)
    assert take(opened(), "a", after=HOUR - tick)
    assert not take(opened(), "c", after=HOUR - tick)
    assert take(opened(), "c", after=HOUR)
    assert not take(opened(), "a", after=HOUR + tick)


def test_any_text_may_be_an_item(opened: Callable[[], Slots]) -> None:
    store = opened()
    for item in ("", "a'b\"c;--\0", "\U0001f600" * 9_000):
        assert take(store, item, most=3)
        assert take(store, item, most=3)
    assert not take(store, "more", most=3)


# Many at once


def _take_all(path: Path, number: int) -> list[str]:
    with closing(SqliteSlots(path)) as store:
        return [item for item in (f"{number}-{each}" for each in range(10)) if take(store, item, most=25)]


def test_eight_processes_at_once_never_take_more(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite"
    with SPAWN.Pool(AT_ONCE) as pool:
        got = pool.starmap(_take_all, [(path, number) for number in range(AT_ONCE)], chunksize=1)
    assert sum(map(len, got)) == 25
    with closing(SqliteSlots(path)) as store:
        assert all(take(store, item, most=25) for items in got for item in items)


def test_eight_threads_at_once_never_take_more(aws: AwsHome) -> None:
    def work(number: int) -> list[str]:
        store = in_table(aws)
        return [item for item in (f"{number}-{each}" for each in range(5)) if take(store, item, most=12)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        got = [item for items in pool.map(work, range(AT_ONCE)) for item in items]
    assert len(got) == 12
    assert all(take(in_table(aws), item, most=12) for item in got)


# SQLite


def test_slots_share_the_file_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteJournal(path)) as journal, closing(SqliteSlots(path)) as store:
        assert take(store, "a")
        assert journal.entries() == []
        take(store, "b", after=2 * HOUR)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT item FROM slot").fetchall() == [("b",)]


# DynamoDB


def item_of(home: AwsHome) -> dict[str, Any]:
    key = {"pk": {"S": "slot"}, "sk": {"S": "all"}}
    found: dict[str, Any] = home.client("dynamodb").get_item(TableName=home.name, Key=key).get("Item", {})
    return found


def test_a_slot_costs_two_calls_and_none_costs_one(aws: AwsHome) -> None:
    store = in_table(aws)
    assert take(store, "a", most=1)
    assert aws.wire.calls == {"GetItem": 1, "UpdateItem": 1}
    assert take(store, "a", most=1)
    assert not take(store, "b", most=1)
    assert aws.wire.calls == {"GetItem": 3, "UpdateItem": 1}
    assert {f"dynamodb:{action}" for action in aws.wire.calls} == slots.IAM_ACTIONS


def test_the_item_ends_with_its_last_slot(aws: AwsHome) -> None:
    take(in_table(aws), "a", after=HOUR)
    take(in_table(aws), "b")
    assert item_of(aws)["expires"] == {"N": str(int((NOW + 2 * HOUR).timestamp()))}
    assert item_of(aws)["version"] == {"N": "2"}


def test_of_two_that_want_the_last_slot_one_gets_it(aws: AwsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    for first in (True, False):
        store = in_table(aws)
        if not first:
            take(in_table(aws), "before", after=-2 * HOUR)
        read = store._table.get  # noqa: SLF001 - to stand between two of its calls

        def meanwhile(key: Any, read: Any = read, name: str = f"other-{first}") -> Any:  # noqa: ANN401
            found = read(key)
            monkeypatch.undo()
            assert take(in_table(aws), name, most=1, after=timedelta() if "True" in name else 2 * HOUR)
            return found

        monkeypatch.setattr(store._table, "get", meanwhile)  # noqa: SLF001
        assert not take(store, "mine", most=1, after=timedelta() if first else 2 * HOUR)


def test_a_slot_whose_answer_was_lost_is_held(aws: AwsHome) -> None:
    aws.wire.refuse("UpdateItem", LOST)
    assert take(in_table(aws), "a", most=1)
    assert not take(in_table(aws), "b", most=1)


def test_who_never_gets_there_first_gives_up_and_says_so(aws: AwsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    store, other, others = in_table(aws, clock), in_table(aws), iter(range(1_000))
    read = store._table.get  # noqa: SLF001

    def beaten(key: Any) -> Any:  # noqa: ANN401
        found = read(key)
        take(other, f"other-{next(others)}", most=99)
        return found

    monkeypatch.setattr(store._table, "get", beaten)  # noqa: SLF001
    with pytest.raises(StoreError, match=r"slot all.*same time") as busy:
        take(store, "mine", most=99)
    assert "nothing was written" in busy.value.hint
    assert len(clock.waits) == 40
    assert max(clock.waits) <= 1


@pytest.mark.parametrize("damaged", ["x", "[]", "1"])
def test_a_damaged_item_is_said_to_be_damaged(aws: AwsHome, damaged: str) -> None:
    take(in_table(aws), "a")
    aws.client("dynamodb").put_item(TableName=aws.name, Item={**item_of(aws), "held": {"S": damaged}})
    with pytest.raises(StoreError, match=r"slot all.*cannot be read") as said:
        take(in_table(aws), "b")
    assert "delete the item" in said.value.hint


def test_a_refusal_names_the_table(aws: AwsHome) -> None:
    aws.wire.refuse("UpdateItem", Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=aws.name):
        take(in_table(aws), "a")
