"""Calls are paced so that half of what AWS allows is left, whenever they are made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.pacing import A_SECOND, AT_ONCE, Pace

AWS_SIZE, AWS_REFILL = 100.0, 20.0


def sent_at(pauses: list[float]) -> list[float]:
    """When calls are sent by someone who, after each, does something else for a while."""
    pace, now, sent = Pace(), 0.0, []
    for pause in pauses:
        now += pace.take(now)
        sent.append(now)
        now += pause
    return sent


def lowest(sent: list[float]) -> float:
    """The lowest level of AWS's bucket, worked out anew from the definition."""
    level, before, found = AWS_SIZE, 0.0, AWS_SIZE
    for at in sent:
        level = min(AWS_SIZE, level + (at - before) * AWS_REFILL) - 1
        before, found = at, min(found, level)
    return found


@given(st.lists(st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 8)), min_size=1, max_size=300))
def test_awss_bucket_stays_at_least_half_full(pauses: list[float]) -> None:
    assert lowest(sent_at(pauses)) >= AWS_SIZE / 2 - 1e-6


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=300))
def test_between_any_two_calls_there_are_no_more_than_half_of_awss_allowance(pauses: list[float]) -> None:
    sent = sent_at(pauses)
    for first in range(0, len(sent), 7):
        for end in range(first, len(sent), 5):
            assert end - first + 1 <= AT_ONCE + (sent[end] - sent[first]) * A_SECOND + 1e-6


def test_fifty_calls_are_made_at_once_and_then_ten_a_second() -> None:
    sent = sent_at([0.0] * 70)
    assert sent[49] == 0.0
    assert sent[50:] == pytest.approx([0.1 * each for each in range(1, 21)])


def test_after_a_long_pause_there_are_fifty_again_and_no_more() -> None:
    sent = sent_at([0.0] * 59 + [1_000.0] + [0.0] * 52)
    assert len([at for at in sent if at == sent[60]]) == AT_ONCE
