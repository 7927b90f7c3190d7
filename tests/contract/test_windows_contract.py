"""Windows of operations in SQLite and DynamoDB: exact for many at once, as the oracle of the property tests counts."""

from __future__ import annotations

import base64
import json
import multiprocessing
import random
import sqlite3
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import windows
from sg_compliance.aws.dynamodb_table import spread
from sg_compliance.aws.windows import DynamoWindows
from sg_compliance.errors import StoreError
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.windows import SqliteWindows
from sg_compliance.realtime.mass_operations import Limits, Operation, Window, take
from sg_compliance.realtime.window_record import window_key
from tests.contract.store_homes import LOST, AwsHome, RealClock, Refusal, Wire, aws_on_loopback
from tests.properties.test_windows_against_an_oracle import ACCOUNT, START, Event, keys, keys_owed, operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sg_compliance.interfaces import Clock, OperationWindows
    from sg_compliance.realtime.verdict import Verdict

pytestmark = pytest.mark.e2e

SPAWN = multiprocessing.get_context("spawn")
LIMITS = Limits(10, 50, 20)
AT_ONCE = 8


@dataclass
class MovableClock:
    """It stands where it is put; how often somebody waited is counted."""

    time: datetime = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class PatientClock(RealClock):
    """The machine's time, and waits as long as they are: who gives way lets the others get on."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def aws(wire: Wire) -> AwsHome:
    return AwsHome(wire)


@pytest.fixture(params=["local", "aws"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], OperationWindows]]:
    """Each call makes an adapter of its own, as another process would."""
    if request.param == "aws":
        yield partial(in_table, request.getfixturevalue("aws"))
        return
    made: list[SqliteWindows] = []

    def adapter() -> SqliteWindows:
        made.append(SqliteWindows(tmp_path / "state.sqlite", RealClock()))
        return made[-1]

    yield adapter
    for each in made:
        each.close()


def in_table(home: AwsHome, clock: Clock | None = None) -> DynamoWindows:
    return DynamoWindows(home.sessions(), home.name, clock or PatientClock())


def taken(store: OperationWindows, *events: Event, limits: Limits = LIMITS) -> list[Verdict]:
    found = []
    for each in events:
        new = operation(each)
        found.append(store.take(new, partial(take, operation=new, limits=limits)))
    return [verdict for verdict in found if verdict]


def burst(number: int, principal: str = "zoë", start: int = START) -> list[Event]:
    return [Event(f"{principal}-{second}", principal, start + second) for second in range(number)]


# What holds for both


def test_operations_add_up_over_adapters_that_know_nothing_of_each_other(
    opened: Callable[[], OperationWindows],
) -> None:
    verdicts = [verdict for each in burst(35) for verdict in taken(opened(), each)]
    assert [(each.level.value, each.count, each.failed) for each in verdicts] == [("alert", 11, 4), ("critical", 29, 9)]


def test_the_decision_sees_what_the_one_before_left(opened: Callable[[], OperationWindows]) -> None:
    seen: list[Window] = []

    def decide(window: Window, new: Operation) -> tuple[Window, Verdict | None]:
        seen.append(window)
        return take(window, new, LIMITS)

    for each in burst(12):
        new = operation(each)
        opened().take(new, partial(decide, new=new))
    assert [len(window.operations) for window in seen] == list(range(12))
    assert seen[0] == Window()
    assert [len(window.told) for window in seen] == [0] * 11 + [1]


def test_principals_and_accounts_are_apart(opened: Callable[[], OperationWindows]) -> None:
    store = opened()
    assert taken(store, *burst(10), *burst(10, "other")) == []
    for each in burst(10):
        new = replace(operation(each), account_id="444455556666")
        assert store.take(new, partial(take, operation=new, limits=LIMITS)) is None
    assert len(taken(store, *burst(12)[10:])) == 1


def test_an_operation_that_comes_again_counts_once_and_gets_its_verdict_again(
    opened: Callable[[], OperationWindows],
) -> None:
    first = taken(opened(), *burst(15))
    assert taken(opened(), *burst(15)) == first
    assert [each.count for each in first] == [11]


def test_any_text_may_be_a_name(opened: Callable[[], OperationWindows]) -> None:
    for principal in ("", "half \ud800", "a'b\"c;--", "\U0001f600" * 900):
        new = replace(operation(burst(1)[0]), principal=principal, group_id="\0\ud800", event_id="\u2028")
        for _ in range(2):
            verdict = opened().take(new, partial(take, operation=new, limits=Limits(0, 0, 9)))
            assert verdict
            assert (verdict.principal, verdict.some_groups) == (principal, ("\0\ud800",))


def test_all_windows_are_listed_with_whose_they_are(opened: Callable[[], OperationWindows]) -> None:
    store = opened()
    assert list(store.all()) == []
    longest = "arn:aws:iam::111122223333:user/" + "\U0001f600" * 400
    verdicts = taken(store, *burst(12), *burst(3, "half \ud800"), *burst(2, longest))
    new = replace(operation(burst(1)[0]), account_id="444455556666")
    store.take(new, partial(take, operation=new, limits=LIMITS))
    found = {(each.account_id, each.principal): each.window for each in opened().all()}
    assert {key: len(window.operations) for key, window in found.items()} == {
        (ACCOUNT, "zoë"): 12,
        (ACCOUNT, "half \ud800"): 3,
        (ACCOUNT, longest): 2,
        ("444455556666", "zoë"): 1,
    }
    assert found[ACCOUNT, "zoë"] == window_seen(store, "zoë")
    assert list(found[ACCOUNT, "zoë"].told) == verdicts
    assert found[ACCOUNT, longest].operations[0].principal == longest


def test_a_decision_that_fails_leaves_the_window_as_it_was(opened: Callable[[], OperationWindows]) -> None:
    store = opened()
    taken(store, *burst(10))

    def fail(window: Window) -> tuple[Window, None]:
        raise ZeroDivisionError(str(window))

    with pytest.raises(ZeroDivisionError):
        store.take(operation(burst(11)[10]), fail)
    assert len(taken(opened(), *burst(11))) == 1


def test_what_people_were_told_is_remembered_by_all(opened: Callable[[], OperationWindows]) -> None:
    marks = ["", "half \ud800", "a'b\"c;--", "x" * 3000, "one", "one "]
    for mark in marks:
        assert not opened().was_told(mark)
        for _ in range(2):
            opened().note_told(mark)
        assert opened().was_told(mark)
    assert not opened().was_told("two")
    assert list(opened().all()) == []


# Many at once


def storm(seed: int, each: int) -> list[Event]:
    """Shuffled bursts of three principals around a full hour, every event two or three times: within an hour in all."""
    draw = random.Random(seed)  # noqa: S311  the same storm each time
    events = []
    for principal in ("quiet", "busy", "wild"):
        for number in range(each if principal != "quiet" else 8):
            spread = {"quiet": 3400, "busy": 3400, "wild": 240}[principal]
            events.append(Event(f"{principal}-{number}", principal, START + 2000 + draw.randrange(spread)))
    coming = [*events, *events, *draw.sample(events, len(events) // 3)]
    draw.shuffle(coming)
    return coming


def _take_from(path: Path, events: Sequence[Event]) -> list[tuple[Event, tuple[str, ...]]]:
    with closing(SqliteWindows(path, RealClock())) as store:
        return [(each, verdict.keys) for each in events for verdict in taken(store, each)]


def _window_in(path: Path, principal: str) -> Window:
    with closing(SqliteWindows(path, RealClock())) as store:
        return window_seen(store, principal)


def window_seen(store: OperationWindows, principal: str) -> Window:
    seen: list[Window] = []

    def look(window: Window) -> tuple[Window, None]:
        seen.append(window)
        return window, None

    store.take(operation(Event("look", principal, START)), look)
    return seen[-1]


def check(told: list[tuple[Event, tuple[str, ...]]], events: list[Event], look: Callable[[str], Window]) -> None:
    """What was told is what the oracle tells; every key by one event alone; every event is kept once."""
    assert {key for _, found in told for key in found} == keys_owed(events, LIMITS)
    tellers: dict[str, set[str]] = {}
    for event, found in told:
        for key in found:
            tellers.setdefault(key, set()).add(event.name)
    assert {len(names) for names in tellers.values()} == {1}
    for principal in ("quiet", "busy", "wild"):
        names = [each.event_id for each in look(principal).operations]
        assert sorted(names) == sorted({each.name for each in events if each.principal == principal})


def test_eight_processes_at_once_tell_what_the_oracle_tells(tmp_path: Path) -> None:
    path, events = tmp_path / "new" / "state.sqlite", storm(1, 120)
    started = time.perf_counter()
    with SPAWN.Pool(AT_ONCE) as pool:
        parts = pool.starmap(_take_from, [(path, events[number::AT_ONCE]) for number in range(AT_ONCE)], chunksize=1)
    assert time.perf_counter() - started < 120
    check([each for part in parts for each in part], events, partial(_window_in, path))


def test_eight_threads_at_once_tell_what_the_oracle_tells(aws: AwsHome) -> None:
    events = storm(2, 40)

    def work(number: int) -> list[tuple[Event, tuple[str, ...]]]:
        store = in_table(aws)
        return [(each, verdict.keys) for each in events[number::AT_ONCE] for verdict in taken(store, each)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = [each for part in pool.map(work, range(AT_ONCE)) for each in part]
    check(told, events, partial(window_seen, in_table(aws)))


def test_threads_that_share_an_adapter_lose_nothing(opened: Callable[[], OperationWindows]) -> None:
    store, events = opened(), burst(40)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda event: taken(store, event), events))
    assert keys(verdict for part in found for verdict in part) == keys_owed(events, LIMITS)
    assert len(window_seen(store, "zoë").operations) == 40


# Records of before


def of_before(text: str) -> str:
    """The record as it was written when it did not say whose it is."""
    record = json.loads(zlib.decompress(base64.b64decode(text)))
    del record["account_id"], record["principal"]
    return base64.b64encode(zlib.compress(json.dumps(record).encode())).decode()


def test_a_record_of_before_is_read_by_its_key(tmp_path: Path, aws: AwsHome) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteWindows(path, RealClock())) as store:
        taken(store, *burst(11))
        with closing(sqlite3.connect(path)) as other:
            ((text,),) = other.execute("SELECT state FROM operation_window").fetchall()
            other.execute("UPDATE operation_window SET state = ?", (of_before(text),))
            other.commit()
        (found,) = store.all()
        assert (found.account_id, found.principal) == (ACCOUNT, "zoë")
        assert found.window == window_seen(store, "zoë")
        assert {each.principal for each in found.window.told} == {"zoë"}
    table = in_table(aws)
    taken(table, *burst(11))
    kept = item(aws)
    aws.client("dynamodb").put_item(TableName=aws.name, Item={**kept, "state": {"S": of_before(kept["state"]["S"])}})
    assert list(table.all()) == [found]


def test_a_window_that_may_go_is_not_listed(tmp_path: Path, aws: AwsHome) -> None:
    clock = MovableClock()
    with closing(SqliteWindows(tmp_path / "state.sqlite", clock)) as store:
        for each in (store, in_table(aws, clock)):
            clock.time = MovableClock().time
            taken(each, *burst(3))
            clock.time += timedelta(hours=3)
            assert len(list(each.all())) == 1
            clock.time += timedelta(seconds=1)
            assert list(each.all()) == []


def test_what_people_were_told_is_forgotten_after_two_days_and_may_be_noted_again(tmp_path: Path, aws: AwsHome) -> None:
    clock = MovableClock()
    with closing(SqliteWindows(tmp_path / "state.sqlite", clock)) as store:
        for each in (store, in_table(aws, clock)):
            clock.time = MovableClock().time
            each.note_told("one")
            clock.time += timedelta(days=1)
            each.note_told("one")
            clock.time += timedelta(days=1)
            assert each.was_told("one")
            clock.time += timedelta(seconds=1)
            assert not each.was_told("one")
            each.note_told("one")
            assert each.was_told("one")


def test_a_damaged_window_is_not_listed_in_silence(tmp_path: Path, aws: AwsHome) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteWindows(path, RealClock())) as store:
        taken(store, *burst(3))
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE operation_window SET state = 'eA=='")
            other.commit()
        with pytest.raises(StoreError, match="a window of operations cannot be read"):
            list(store.all())
    taken(in_table(aws), *burst(1))
    aws.client("dynamodb").put_item(TableName=aws.name, Item={**item(aws), "state": {"S": "eA=="}})
    with pytest.raises(StoreError, match=r"window#\w 111122223333#zoë.*cannot be read"):
        list(in_table(aws).all())


def test_looking_at_windows_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteWindows(path, RealClock(), reading=True)) as store:
        assert list(store.all()) == []
    assert not path.exists()


# SQLite


def test_windows_share_the_file_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteJournal(path)) as journal, closing(SqliteWindows(path, RealClock())) as store:
        assert len(taken(store, *burst(11))) == 1
        assert journal.entries() == []


def test_a_window_that_nothing_was_added_to_for_three_hours_goes(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.sqlite", MovableClock()
    with closing(SqliteWindows(path, clock)) as store:
        taken(store, *burst(3, "old"))
        clock.time += timedelta(hours=2, minutes=59)
        taken(store, *burst(1, "new"))
        assert len(window_seen(store, "old").operations) == 3
        clock.time += timedelta(minutes=2)
        taken(store, *burst(2, "new"))
        assert window_seen(store, "old") == Window()
        assert len(window_seen(store, "new").operations) == 2


def test_a_damaged_window_in_a_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteWindows(path, RealClock())) as store:
        taken(store, *burst(3))
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE operation_window SET state = 'x'")
            other.commit()
        with pytest.raises(StoreError, match="a window of operations cannot be read") as damaged:
            taken(store, *burst(4))
    assert str(path) in str(damaged.value)
    assert damaged.value.hint


# DynamoDB


def item(home: AwsHome, principal: str = "zoë") -> dict[str, Any]:
    name = f"{ACCOUNT}#{principal}"
    key = {"pk": {"S": spread("window", name)}, "sk": {"S": name}}
    found: dict[str, Any] = home.client("dynamodb").get_item(TableName=home.name, Key=key).get("Item", {})
    return found


def test_an_item_has_a_version_and_the_time_when_it_may_go(aws: AwsHome) -> None:
    clock = MovableClock()
    taken(in_table(aws, clock), *burst(3))
    kept = item(aws)
    assert kept["version"] == {"N": "3"}
    assert kept["expires"] == {"N": str(int((clock.time + timedelta(hours=3)).timestamp()))}


def test_an_operation_costs_two_calls_and_one_more_for_each_that_was_there_first(aws: AwsHome) -> None:
    store, (first, second, third) = in_table(aws), burst(3)
    taken(store, first)
    assert aws.wire.calls == {"GetItem": 1, "UpdateItem": 1}
    taken(store, first)
    assert aws.wire.calls == {"GetItem": 2, "UpdateItem": 1}
    asked: list[int] = []

    def decide(window: Window) -> tuple[Window, Verdict | None]:
        asked.append(len(window.operations))
        if len(asked) == 1:
            taken(in_table(aws), third)
        return take(window, operation(second), LIMITS)

    aws.wire.calls.clear()
    store.take(operation(second), decide)
    assert asked == [1, 2]
    assert aws.wire.calls - Counter(GetItem=1, UpdateItem=1) == {"GetItem": 1, "UpdateItem": 2}
    assert len(window_seen(store, "zoë").operations) == 3


def test_of_two_that_begin_a_window_at_once_neither_is_lost(aws: AwsHome) -> None:
    first, second = burst(2)
    asked: list[int] = []

    def decide(window: Window) -> tuple[Window, Verdict | None]:
        asked.append(len(window.operations))
        if len(asked) == 1:
            taken(in_table(aws), first)
        return take(window, operation(second), LIMITS)

    in_table(aws).take(operation(second), decide)
    assert asked == [0, 1]
    assert len(window_seen(in_table(aws), "zoë").operations) == 2


def test_a_verdict_whose_answer_was_lost_is_given_all_the_same(aws: AwsHome) -> None:
    store = in_table(aws)
    taken(store, *burst(10))
    aws.wire.refuse("UpdateItem", LOST)
    (verdict,) = taken(store, burst(11)[10])
    assert verdict.count == 11
    assert len(window_seen(store, "zoë").operations) == 11


def test_a_verdict_whose_every_answer_was_lost_is_given_when_the_operation_is_taken_again(aws: AwsHome) -> None:
    store = in_table(aws)
    taken(store, *burst(10))
    aws.wire.refuse("UpdateItem", LOST, 2)
    with pytest.raises(StoreError, match="the answer was lost"):
        taken(store, burst(11)[10])
    assert [each.count for each in taken(store, burst(11)[10])] == [11]


def test_who_never_gets_there_first_gives_up_and_says_so(aws: AwsHome) -> None:
    clock = MovableClock()
    other, others = in_table(aws), iter(range(1_000))

    def decide(window: Window) -> tuple[Window, Verdict | None]:
        taken(other, Event(f"other-{next(others)}", "zoë", START))
        return take(window, operation(burst(1)[0]), LIMITS)

    with pytest.raises(StoreError, match=r"window#\w 111122223333#zoë.*same time") as busy:
        in_table(aws, clock).take(operation(burst(1)[0]), decide)
    assert "once more" in busy.value.hint
    assert len(clock.waits) == 20
    assert max(clock.waits) <= 1
    assert len(set(clock.waits)) > 6


def test_a_damaged_item_is_said_to_be_damaged(aws: AwsHome) -> None:
    taken(in_table(aws), *burst(1))
    aws.client("dynamodb").put_item(TableName=aws.name, Item={**item(aws), "state": {"S": "eA=="}})
    with pytest.raises(StoreError, match=r"window#\w 111122223333#zoë.*cannot be read") as damaged:
        taken(in_table(aws), *burst(2))
    assert "delete the item" in damaged.value.hint


def test_a_refusal_names_the_table(aws: AwsHome) -> None:
    aws.wire.refuse("UpdateItem", Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=aws.name):
        taken(in_table(aws), *burst(1))


def test_nothing_is_called_but_what_is_declared(aws: AwsHome) -> None:
    store = in_table(aws)
    taken(store, *burst(3), *burst(3))
    list(store.all())
    assert {f"dynamodb:{action}" for action in aws.wire.calls} == windows.IAM_ACTIONS


def test_the_key_in_the_table_is_the_key_of_the_window(aws: AwsHome) -> None:
    new = operation(burst(1)[0])
    taken(in_table(aws), *burst(1))
    assert item(aws)["sk"] == {"S": window_key(new)}
    assert json.loads(json.dumps(item(aws)))["pk"] == {"S": spread("window", window_key(new))}
