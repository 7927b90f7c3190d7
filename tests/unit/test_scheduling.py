"""The order of reading: every shard once, accounts in turns, and slow ones aside."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.interfaces import Page, Shard
from sg_compliance.workflows import scheduling
from sg_compliance.workflows.reading import Readers
from sg_compliance.workflows.scheduling import SLOW_SECONDS, Schedule, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.model.security_group import SecurityGroup


def shards(accounts: int, regions: int) -> list[Shard]:
    return [Shard(f"{at}/{region}", f"{at}", f"{region}") for at in range(accounts) for region in range(regions)]


@dataclass
class Log:
    """What a schedule said: when each shard was begun and over, in this order."""

    begun: dict[Shard, float] = field(default_factory=dict)
    over: dict[Shard, float] = field(default_factory=dict)
    waits: list[tuple[float, int]] = field(default_factory=list)
    most_at_once: int = 0


def drive(found: Sequence[Shard], workers: int, seconds: Callable[[Shard], Sequence[float]]) -> Log:
    """Read with as many readers as the schedule wants; `seconds` until each of a shard's pages, and its end."""
    schedule, log, now = Schedule(found, workers), Log(), 0.0
    answers: list[tuple[float, int, Shard, int]] = []
    reading: set[Shard] = set()
    while True:
        turn: Shard | float | None = None
        while len(reading) < schedule.readers and isinstance(turn := schedule.next(now), Shard):
            assert turn not in log.begun, "begun twice"
            log.begun[turn] = now
            reading.add(turn)
            heappush(answers, (now + seconds(turn)[0], len(log.begun), turn, 0))
        log.most_at_once = max(log.most_at_once, len(reading))
        if isinstance(turn, float):
            log.waits.append((turn, len(reading)))
            assert turn > 0
        if not answers:
            assert len(reading) == 0
            return log
        if isinstance(turn, float) and now + turn < answers[0][0]:
            now += turn
            continue
        now, order, shard, page = heappop(answers)
        if page + 1 < len(seconds(shard)):
            schedule.page(shard, now)
            heappush(answers, (now + seconds(shard)[page + 1], order, shard, page + 1))
        else:
            schedule.over(shard)
            reading.remove(shard)
            log.over[shard] = now


def last(log: Log, *, but: str = "") -> float:
    return max(at for shard, at in log.over.items() if shard.account_id != but)


# --- order ----------------------------------------------------------------------------------------------------------


def test_accounts_take_turns_and_begin_with_different_regions() -> None:
    assert [each.name for each in in_turns(shards(3, 2))] == ["0/0", "1/1", "2/0", "0/1", "1/0", "2/1"]


def test_accounts_with_few_regions_are_done_early() -> None:
    found = [*shards(1, 3), Shard("9/a", "9", "a")]
    assert [each.name for each in in_turns(found)] == ["0/0", "9/a", "0/1", "0/2"]


def test_files_keep_their_order_and_are_not_one_account() -> None:
    found = [*(Shard(name) for name in "cab"), Shard("1/x", "1", "x")]
    assert in_turns(found) == found


def test_of_five_thousand_accounts_none_is_met_twice_among_the_first_five_thousand_shards() -> None:
    first = in_turns(shards(5_000, 17))[:5_000]
    assert len({each.account_id for each in first}) == 5_000
    assert max(sum(each.region == f"{region}" for each in first) for region in range(17)) < 5_000 // 17 + 2


# --- every shard once, whatever happens -----------------------------------------------------------------------------

TIMES = st.one_of(st.floats(0, 3), st.floats(0, 40), st.just(SLOW_SECONDS))


@given(
    st.integers(0, 6),
    st.integers(1, 6),
    st.integers(1, 12),
    st.lists(st.lists(TIMES, min_size=1, max_size=3), min_size=1, max_size=36),
)
def test_every_shard_is_read_once_and_nobody_waits_in_vain(
    accounts: int, regions: int, workers: int, times: list[list[float]]
) -> None:
    found = shards(accounts, regions)
    by_shard = {shard: times[at % len(times)] for at, shard in enumerate(found)}
    log = drive(found, workers, by_shard.__getitem__)
    assert log.begun.keys() == log.over.keys() == set(found)
    assert log.most_at_once <= workers + (0 if workers == 1 else max(1, workers // 4))
    assert all(reading >= min(workers, len(found)) and wait < SLOW_SECONDS + 1e-6 for wait, reading in log.waits)
    again = drive(found, workers, by_shard.__getitem__)
    assert list(again.begun.items()) == list(log.begun.items())


def test_no_more_than_the_workers_are_busy_where_nobody_is_slow() -> None:
    assert drive(shards(10, 4), 8, lambda _: [1.0]).most_at_once == 8


def test_nothing_to_read_needs_no_reader() -> None:
    schedule = Schedule([], 8)
    assert schedule.readers == 0
    assert schedule.next(0.0) is None


# --- slow accounts --------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 99), st.sampled_from([2, 4, 8, 16]), st.floats(0.2, 3.0))
def test_a_slow_account_delays_the_rest_by_no_more_than_it_takes_to_notice(
    which: int, workers: int, usual: float
) -> None:
    found, slow = shards(100, 10), str(which)
    without = drive(found, workers, lambda _: [usual])
    with_it = drive(found, workers, lambda shard: [100.0 if shard.account_id == slow else usual])
    assert last(with_it, but=slow) <= last(without, but=slow) + SLOW_SECONDS / workers + usual


def test_a_slow_account_gets_the_spare_readers_while_others_wait() -> None:
    found = shards(60, 6)
    log = drive(found, 8, lambda shard: [50.0 if shard.account_id == "0" else 1.0])
    last_of_the_rest = max(at for shard, at in log.begun.items() if shard.account_id != "0")
    begun = [at for shard, at in log.begun.items() if shard.account_id == "0"]
    assert sorted(at for at in begun if at < last_of_the_rest) == [0.0, SLOW_SECONDS]
    assert log.most_at_once == 10


def test_once_the_others_are_begun_a_slow_account_gets_every_reader() -> None:
    found = shards(60, 8)
    log = drive(found, 4, lambda shard: [50.0 if shard.account_id == "0" else 1.0])
    end_of_the_rest = last(log, but="0")
    left = [at for shard, at in log.begun.items() if shard.account_id == "0" and at > SLOW_SECONDS]
    assert max(left) <= end_of_the_rest + 50.0


def test_of_two_accounts_a_slow_one_does_not_get_more_readers_than_the_other() -> None:
    found = shards(2, 17)
    log = drive(found, 8, lambda shard: [100.0 if shard.account_id == "0" else 1.0])
    assert last(log, but="0") == 5.0
    assert len([at for shard, at in log.begun.items() if shard.account_id == "0" and at < 4.0]) == 4


def test_an_account_that_gives_a_page_now_and_then_is_not_slow() -> None:
    log = drive(shards(40, 2), 4, lambda shard: [SLOW_SECONDS - 1] * 3 if shard.account_id == "0" else [1.0])
    assert log.most_at_once == 4


def test_an_account_that_is_slow_on_a_later_page_is_slow() -> None:
    log = drive(shards(60, 2), 4, lambda shard: [1.0, 90.0] if shard.account_id == "0" else [1.0])
    assert log.most_at_once == 5


def test_of_slow_accounts_the_slowest_does_not_hold_up_the_others() -> None:
    times = {"0": [200.0], "1": [SLOW_SECONDS + 2]}
    log = drive(shards(30, 8), 4, lambda shard: times.get(shard.account_id, [1.0]))
    assert max(at for shard, at in log.over.items() if shard.account_id == "1") < 200.0


def test_where_everything_is_slow_every_reader_reads() -> None:
    log = drive(shards(20, 1), 8, lambda _: [60.0])
    assert last(log) <= 60.0 * 20 / 8 + 60.0


# --- threads --------------------------------------------------------------------------------------------------------


class Gated:
    """An inventory in which one account answers when a gate is opened."""

    def __init__(self, slow: str) -> None:
        self.gate = threading.Event()
        self.rest = threading.Event()
        self._slow = slow
        self._left = 0
        self._lock = threading.Lock()

    def shards(self) -> list[Shard]:
        found = shards(30, 2)
        self._left = len([each for each in found if each.account_id != self._slow])
        return found

    def read(self, shard: Shard) -> Iterator[Page]:
        if shard.account_id == self._slow:
            assert self.gate.wait(30)
        else:
            with self._lock:
                self._left -= 1
                if not self._left:
                    self.rest.set()
        yield Page([], {})

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        raise NotImplementedError


def test_threads_read_all_others_while_an_account_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SLOW_SECONDS", 0.05)
    inventory = Gated("0")
    readers = Readers(inventory, inventory.shards(), lambda shard, _: shard.name, 4)
    results = readers.results()
    got = [next(results) for _ in range(2 * 58)]
    assert inventory.rest.wait(5)
    assert not any(each.shard.account_id == "0" for each in got)
    inventory.gate.set()
    assert {each.work for each in results} == {"0/0", "0/1", None}
    assert not readers.unfinished()


def test_each_page_counts_as_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Shard] = []
    monkeypatch.setattr(Schedule, "page", lambda _schedule, shard, _now: told.append(shard))
    inventory = Gated("none")
    found = inventory.shards()
    list(Readers(inventory, found, lambda shard, _: shard.name, 2).results())
    assert sorted(told) == sorted(found)


def test_threads_are_free_for_the_next_shard_at_once_and_end_when_there_is_none() -> None:
    inventory = Gated("none")
    before, began = threading.active_count(), time.monotonic()
    list(Readers(inventory, inventory.shards(), lambda shard, _: shard.name, 16).results())
    assert time.monotonic() - began < SLOW_SECONDS / 2
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_threads_that_wait_for_their_turn_end_when_they_are_stopped() -> None:
    inventory = Gated("0")
    before = threading.active_count()
    readers = Readers(inventory, shards(1, 40), lambda shard, _: shard.name, 8)
    assert threading.active_count() == before + 10
    readers.stop()
    until = time.monotonic() + 2
    while threading.active_count() > before + 8 and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before + 8
    inventory.gate.set()


class Endless(Gated):
    """Each shard gives pages until nobody wants more."""

    def read(self, shard: Shard) -> Iterator[Page]:
        while True:
            yield from super().read(shard)


def broken_off(inventory: Endless) -> None:
    """Take some results, and then fail, once every thread has more than fits in."""
    with Readers(inventory, inventory.shards(), lambda shard, _: shard.name, 8) as readers:
        for number, _ in enumerate(readers.results()):
            if number == 100:
                time.sleep(0.3)
                raise ZeroDivisionError


def test_threads_end_however_the_taking_of_results_ends() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        broken_off(Endless("none"))
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
