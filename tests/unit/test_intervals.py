"""Sets of integers: what the property tests do not say by name."""

from __future__ import annotations

import pytest

from sg_compliance.model.intervals import EMPTY, IntervalSet


def test_neighbours_are_joined() -> None:
    assert IntervalSet([(5, 9), (1, 4)]) == IntervalSet([(1, 9)])


def test_an_inverted_range_is_empty() -> None:
    assert IntervalSet([(4, 3)]) == EMPTY
    assert not EMPTY


def test_a_set_is_a_value() -> None:
    made = IntervalSet([(1, 2)])
    with pytest.raises(AttributeError):
        made.intervals = ()
    assert {made: "here"}[IntervalSet([(2, 2), (1, 1)])] == "here"
    assert made != ((1, 2),)


def test_everything_covers_nothing_and_nothing_overlaps() -> None:
    assert EMPTY.covers(EMPTY)
    assert not EMPTY.overlaps(IntervalSet([(0, 9)]))
    assert IntervalSet([(0, 9)]).covers(EMPTY)


def test_a_hole_inside_is_cut_out() -> None:
    assert IntervalSet([(0, 9)]) - IntervalSet([(3, 4), (6, 6)]) == IntervalSet([(0, 2), (5, 5), (7, 9)])


def test_it_is_shown_as_it_is_built() -> None:
    assert repr(IntervalSet([(0, 1)])) == "IntervalSet([(0, 1)])"
