"""Sliding windows against an oracle that counts by brute force: every order of arrival tells the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.realtime import mass_operations
from sg_compliance.realtime.mass_operations import Limits, Operation, Window, take
from sg_compliance.realtime.verdict import Level
from sg_compliance.realtime.window_record import window_of, window_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from sg_compliance.realtime.verdict import Verdict

ACCOUNT = "111122223333"
START = int(datetime(2026, 1, 15, 11, 0, tzinfo=UTC).timestamp())
HOUR = 3600


# The oracle: plain numbers, every window of every principal, nothing remembered, nothing in order


@dataclass(frozen=True)
class Event:
    name: str
    principal: str
    second: int

    @property
    def failed(self) -> bool:
        return self.second % 3 == 0


def keys_owed(events: Iterable[Event], limits: Limits) -> set[str]:
    """What is to be told of these events, in whatever order they come, however often."""
    distinct = set(events)
    owed = set()
    for span, most in ((60, limits.per_minute), (HOUR, limits.per_hour)):
        for start in distinct:
            inside = [
                each
                for each in distinct
                if each.principal == start.principal and 0 <= each.second - start.second < span
            ]
            took_effect = [each for each in inside if not each.failed]
            critical = took_effect if len(took_effect) > max(most, limits.escalate_from - 1) else []
            for level, counted in (("alert", inside if len(inside) > most else []), ("critical", critical)):
                for second in (each.second + ahead for each in counted for ahead in (0, 60)):
                    hour = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H")
                    owed.add(f"{ACCOUNT}/{start.principal}/{level}/{hour}")
    return owed


def densest(events: Iterable[Event], event: Event, span: int) -> int:
    """How many there are in the densest window with the event."""
    seconds = [each.second for each in events if each.principal == event.principal]
    starts = [second for second in seconds if 0 <= event.second - second < span]
    return max(sum(0 <= second - start < span for second in seconds) for start in starts)


# How the events come


@dataclass(frozen=True)
class Arrival:
    """An event, and how many seconds after its time it comes."""

    event: Event
    delay: int


def operation(event: Event) -> Operation:
    time = datetime.fromtimestamp(event.second, UTC)
    group = f"sg-{event.name}"
    return Operation(event.name, ACCOUNT, "eu-west-1", event.principal, group, time, failed=event.failed)


@st.composite
def bursts(draw: st.DrawFn, principals: str = "abc", longest: int = 3 * HOUR) -> list[Event]:
    events: list[Event] = []
    for _ in range(draw(st.integers(1, 6))):
        principal, start = draw(st.sampled_from(principals)), START + draw(st.integers(0, longest))
        start = draw(st.sampled_from([start, START + HOUR - 30]))
        steps = draw(st.lists(st.sampled_from([0, 1, 5, 29, 59, 60, 61, 400]), max_size=12))
        for number, step in enumerate([0, *steps]):
            start += step
            events.append(Event(f"{len(events)}-{number}", principal, start))
    return events


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """Up to an hour late, and some of them again, up to three hours late."""
    coming = [Arrival(each, draw(st.integers(0, HOUR - 1))) for each in draw(bursts())]
    again = draw(st.lists(st.sampled_from(coming), max_size=8))
    coming += [Arrival(each.event, each.delay + draw(st.integers(0, 2 * HOUR))) for each in again]
    return [each.event for each in sorted(coming, key=lambda each: each.event.second + each.delay)]


def some_limits() -> st.SearchStrategy[Limits]:
    return st.builds(Limits, st.integers(0, 6), st.integers(0, 12), st.integers(0, 9))


def told(events: Iterable[Event], limits: Limits) -> list[Verdict]:
    """The verdicts, each principal's window written down and read back after each event."""
    windows: dict[str, str] = {}
    verdicts = []
    for event in events:
        new = operation(event)
        text = windows.get(event.principal)
        window, verdict = take(window_of(text, new) if text else Window(), new, limits)
        windows[event.principal] = window_text(window)
        assert window_of(windows[event.principal], new) == window
        if verdict:
            verdicts.append(verdict)
    return verdicts


def keys(verdicts: Iterable[Verdict]) -> set[str]:
    return {key for verdict in verdicts for key in verdict.keys}


@given(arrivals(), some_limits())
def test_late_and_repeated_events_tell_what_the_oracle_tells(events: list[Event], limits: Limits) -> None:
    verdicts = told(events, limits)
    assert keys(verdicts) == keys_owed(events, limits)
    assert len({verdict.event_id for verdict in verdicts}) == len({verdict.key for verdict in verdicts})


@given(bursts(longest=HOUR), st.randoms(use_true_random=False), some_limits())
def test_any_order_within_the_hours_that_are_kept_tells_the_same(
    events: list[Event], random: Random, limits: Limits
) -> None:
    events = [each for each in events if each.second < START + HOUR]
    shuffled = events * 2
    random.shuffle(shuffled)
    assert keys(told(shuffled, limits)) == keys(told(events, limits)) == keys_owed(events, limits)


@given(arrivals(), some_limits())
def test_the_evidence_is_the_densest_window_of_what_had_come(events: list[Event], limits: Limits) -> None:
    by_name = {each.name: each for each in events}
    seen: list[Event] = []
    window: dict[str, Window] = {}
    for event in events:
        seen.append(event)
        before = window.get(event.principal, Window())
        window[event.principal], verdict = take(before, operation(event), limits)
        if verdict and window[event.principal] is not before:
            assert by_name[verdict.event_id] == event
            span = int(verdict.window.total_seconds())
            if verdict.level is Level.CRITICAL:
                took_effect = {each for each in seen if not each.failed}
                assert verdict.count - verdict.failed == densest(took_effect, event, span) >= limits.escalate_from
            else:
                assert verdict.count == densest(set(seen), event, span)
            assert verdict.count > verdict.threshold
            assert verdict.groups == verdict.count
            assert not verdict.at_least


@given(arrivals(), some_limits(), st.integers(1, 9))
def test_with_most_events_forgotten_but_for_their_number_nothing_is_missed(
    events: list[Event], limits: Limits, most: int
) -> None:
    once = list(dict.fromkeys(events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mass_operations, "MOST_KEPT", most)
        assert keys(told(events, limits)) >= keys_owed(events, limits)
        assert keys(told(once, limits)) == keys_owed(once, limits)


@given(st.integers(1, 20), st.lists(st.integers(0, 4_000_000), min_size=1, max_size=30))
def test_times_finer_than_a_second_never_count_too_few(most: int, offsets: list[int]) -> None:
    owed = any(sum(0 <= other - offset < 60_000 for other in offsets) > most for offset in offsets)
    limits = Limits(most, 1_000, 1_000)
    for kept in (2, 2_000):
        window, found = Window(), False
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mass_operations, "MOST_KEPT", kept)
            for number, offset in enumerate(offsets):
                when = datetime.fromtimestamp(START, UTC) + timedelta(milliseconds=offset)
                new = Operation(str(number), ACCOUNT, "eu-west-1", "a", "", when, failed=False)
                window, verdict = take(window, new, limits)
                found |= verdict is not None
        assert found >= owed
        assert found == owed or kept == 2
