"""The model of an organisation's scan: its parts against brute force, and a small run against what is aimed at."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.retries import adaptive, bucket, throttling
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale import modes, reading
from benchmarks.scale.__main__ import lowest_bucket
from benchmarks.scale.aws import Bucket, Region
from benchmarks.scale.engine import Asleep, Processor, Room, Simulation, Steps
from benchmarks.scale.limiter import Limiter
from benchmarks.scale.modes import Drawn, Run
from benchmarks.scale.organisation import organisation, pages
from benchmarks.scale.reading import Cost
from sg_compliance.workflows.scheduling import SLOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

TICK = 1 / 64
SMALL = Drawn(200, 3)


# --- AWS ------------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from([(100.0, 20.0), (3.0, 1.0), (8.0, 2.0)]),
    st.sampled_from([0.0, 0.5, 1.0, 2.0, 20.0, 25.0]),
    st.lists(st.integers(0, 400), max_size=200),
)
def test_a_bucket_is_what_filling_it_tick_by_tick_gives(
    size_and_refill: tuple[float, float], others: float, gaps: list[int]
) -> None:
    size, refill = size_and_refill
    model, level, lowest, tick = Bucket(size, refill, others), size if others < refill else 0.0, size, 0
    lowest = level
    for gap in gaps:
        for _ in range(gap):
            level = min(size, max(0.0, level + refill * TICK - others * TICK))
        tick += gap
        taken = level >= 1
        level -= taken
        lowest = min(lowest, level)
        assert model.take(tick * TICK) == taken
        assert model.level == level
    assert model.lowest == lowest


def test_what_we_took_of_a_bucket_is_told_apart_from_what_others_take() -> None:
    shared = Bucket(100.0, 20.0, others=15.0)
    assert [shared.take(0.0) for _ in range(40)] == [True] * 40
    assert shared.take(2.0)
    assert (shared.level, shared.most_taken) == (69.0, 40.0)


class Clock(bucket.Clock):
    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def current_time(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=40))
def test_the_limiter_has_the_rate_that_the_sdks_own_has(answers: list[tuple[float, bool]]) -> None:
    class Detector:
        def is_throttling_error(self, *, throttled: bool) -> bool:
            return throttled

    clock, simulation = Clock(), Simulation()
    simulation.now = clock.now
    tokens: Any = bucket.TokenBucket(max_rate=1, clock=clock)
    real: Any = adaptive.ClientRateLimiter(
        throttling.CubicCalculator(starting_max_rate=0, start_time=clock.now),
        adaptive.RateClocker(clock),
        tokens,
        Detector(),
        clock,
    )
    ours: Any = Limiter(simulation)
    for gap, throttled in answers:
        clock.now += gap
        simulation.now += gap
        real.on_receiving_response(throttled=throttled)
        ours.answered(throttled=throttled)
        assert (tokens.max_rate, real._enabled) == (ours._bucket.max_rate, ours._enabled)  # noqa: SLF001  the SDK's own


@given(st.integers(0, 12_000))
def test_pages_hold_everything_and_there_is_one_at_least(items: int) -> None:
    found = list(pages(items))
    assert sum(found) == items
    assert len(found) == max(1, -(-items // 1_000))
    assert all(each == 1_000 for each in found[:-1])


# --- time -----------------------------------------------------------------------------------------------------------


def test_threads_take_turns_on_a_processor() -> None:
    simulation, ended = Simulation(), dict[str, float]()
    processor = Processor(simulation, speed=0.5)

    def compute(name: str, seconds: float) -> Steps:
        yield from processor.use(seconds)
        ended[name] = simulation.now

    simulation.begin(compute("long", 1.0))
    simulation.begin(compute("short", 0.1))
    simulation.run()
    assert ended == {"short": pytest.approx(0.4, abs=0.03), "long": pytest.approx(2.2)}
    assert processor.busy == pytest.approx(2.2)


def test_who_sleeps_goes_on_when_woken_or_when_the_time_is_over_and_once() -> None:
    simulation, went_on = Simulation(), list[tuple[str, float]]()
    room = Room(simulation)

    def sleep(name: str, seconds: float) -> Steps:
        yield Asleep(seconds, room)
        went_on.append((name, simulation.now))

    def wake() -> Steps:
        yield 5.0
        room.wake_one()

    for name, seconds in (("short", 3.0), ("long", 9.0)):
        simulation.begin(sleep(name, seconds))
    simulation.begin(wake())
    simulation.run()
    assert went_on == [("short", 3.0), ("long", 5.0)]


# --- a small organisation, every way to run it ----------------------------------------------------------------------

WAYS: dict[str, Callable[..., Run]] = {
    "process": partial(modes.one_process, SMALL, 16),
    "lambda": partial(modes.one_lambda, SMALL, 16, 1769),
    "map": partial(modes.distributed_map, SMALL, 8, 1769, batch=20, at_once=5),
}


@cache
def run(way: str, *, slow: bool = True) -> Run:
    return WAYS[way](slow=slow)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_shard_is_read_once_and_every_group(way: str) -> None:
    world = run(way).world
    found = world.organisation
    assert len(world.read) == len(world.ended) == 199 * 3
    assert set(world.read.values()) == {1}
    unread = sum(each.groups for each in found.accounts[found.throttled].sizes.values())
    assert world.groups == found.groups - unread


def test_it_takes_less_than_ten_minutes(way: str) -> None:
    assert run(way).makespan < 600


def test_no_bucket_is_drained_below_half(way: str) -> None:
    assert lowest_bucket(run(way)) >= 0.5


def test_a_slow_account_does_not_delay_the_rest(way: str) -> None:
    assert run(way).rest - run(way, slow=False).rest <= SLOW_SECONDS


def test_the_slow_account_is_slow_and_is_read_all_the_same(way: str) -> None:
    found = run(way)
    slow, usual = (max(at for shard, at in each.world.ended.items() if shard.account_id == found.organisation.slow)
                   for each in (found, run(way, slow=False)))  # fmt: skip
    assert slow > usual + 30


def test_the_account_that_throttles_is_given_up_region_by_region_and_the_broken_one_never_read(way: str) -> None:
    world = run(way).world
    throttled, broken = world.organisation.throttled, world.organisation.broken
    assert {name.partition("/")[0] for name in world.failed} == {throttled}
    assert len(world.failed) == 3
    assert world.throttles == {"DescribeSecurityGroups": 3 * 6}
    assert not any(shard.account_id == broken for shard in world.ended)


def test_an_account_is_entered_once(way: str) -> None:
    assert run(way).world.calls["AssumeRole"] == 200


def test_the_same_seed_gives_the_same_run(way: str) -> None:
    again = WAYS[way](slow=True)
    assert again.world.ended == run(way).world.ended
    assert again.dollars == run(way).dollars


def test_a_lambda_that_is_too_small_ends_in_time_and_says_what_is_missing() -> None:
    found = modes.one_lambda(SMALL, 16, 200)
    assert found.makespan < modes.LAMBDA_SECONDS
    assert found.world.late
    assert len(found.world.late) + len(found.world.ended) == 199 * 3


def test_money_is_memory_times_time_and_what_stands_beside_it() -> None:
    found = run("lambda")
    assert found.dollars == pytest.approx(found.makespan * 1769 / 1024 * 0.0000166667 + 0.0000002)
    mapped = run("map")
    assert mapped.dollars is not None
    assert mapped.dollars > 13 * 0.000025 + 10 * 0.000005 + 12 * 0.0000002


def test_too_many_roles_assumed_at_once_are_throttled_and_assumed_later() -> None:
    found = modes.distributed_map(Drawn(2_000, 1), 64, 1769, batch=40, at_once=50)
    assert found.world.throttles["AssumeRole"] > 0
    assert len(found.world.ended) == 1_999


# --- the guards can be missed ---------------------------------------------------------------------------------------


def at_once(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """An AWS that answers at once: the worst for its buckets."""
    monkeypatch.setattr(reading, "answering", lambda _chance, _items: 0.0)
    monkeypatch.setattr(reading, "_ROUND_TRIPS", dict.fromkeys(reading._ROUND_TRIPS, 0.0))  # noqa: SLF001
    return Drawn(40, 2, cost=Cost(0, 0, 0, 0, 0, 0))


def test_where_aws_answers_at_once_the_pace_keeps_half_of_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    found = modes.one_process(at_once(monkeypatch), 64).organisation
    assert max(each.most_taken for account in found.accounts.values() for each in account.buckets.values()) > 49
    quiet = [each for account in found.accounts.values() for each in account.buckets.values() if each.alone == 100.0]
    assert min(each.lowest for each in quiet) >= 50 - 1e-6


def test_without_the_pace_it_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = at_once(monkeypatch)
    monkeypatch.setattr("sg_compliance.aws.pacing.Pace.take", lambda _self, _now: 0.0)
    assert lowest_bucket(modes.one_process(drawn, 64)) < 0.4


def test_without_setting_slow_accounts_aside_they_would_delay_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def ordinary(found: Run) -> float:
        aside = {found.organisation.slow, found.organisation.throttled}
        return max(at for shard, at in found.world.ended.items() if shard.account_id not in aside)

    monkeypatch.setattr("benchmarks.scale.organisation.SLOW_SECONDS", 300.0)
    monkeypatch.setattr("benchmarks.scale.organisation._enlarge", lambda _: None)
    few = partial(modes.one_process, Drawn(40, 17), 4)
    usual = ordinary(few(slow=False))
    assert ordinary(few()) - usual < SLOW_SECONDS
    monkeypatch.setattr("sg_compliance.workflows.scheduling.SLOW_SECONDS", 1e9)
    assert ordinary(few()) - usual > 60


def test_the_organisation_has_a_few_very_large_regions_and_many_small_ones() -> None:
    found = organisation(500, 5, 7)
    sizes = [size.groups for account in found.accounts.values() for size in account.sizes.values()]
    assert sizes.count(10_000) >= 10
    assert sizes.count(1) > len(sizes) / 2
    assert len({found.slow, found.throttled, found.broken}) == 3
    assert Region("x", 0.1).round_trip == 0.1
