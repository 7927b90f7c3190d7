from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.policy.times import parse_duration, parse_future, parse_past, parse_time
from tests.builders import NOW


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        (" 24h ", timedelta(hours=24)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "h", "24", "1.5h", "-1h", "1h30m", "٣h", "24H", "24h\n1"])
def test_what_is_no_duration_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write it like"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999w", f"{'9' * 5000}d"])
def test_a_duration_beyond_all_time_is_too_long(text: str) -> None:
    with pytest.raises(ValueError, match="is too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["2026-01-15T12:00:00Z", "2026-01-15t12:00:00z", "2026-01-15 12:00", "2026-01-15T13:00+01:00"],
)
def test_a_time_is_utc_where_it_does_not_say(text: str) -> None:
    assert parse_time(text) == NOW
    assert parse_time(text).tzinfo is UTC


def test_a_day_is_its_first_moment() -> None:
    assert parse_time("2026-01-15") == datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01", "20260115", "2026-W03-4", "0001-01-01T00:00+14:00", "12:00"]
)
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write it like"):
        parse_time(text)


def test_a_moment_is_a_time_or_how_long_from_now_or_ago() -> None:
    assert parse_future("2d", NOW) == NOW + timedelta(days=2)
    assert parse_past("2d", NOW) == NOW - timedelta(days=2)
    assert parse_future("2026-01-15T12:00:00Z", NOW) == parse_past("2026-01-15T12:00:00Z", NOW) == NOW
    for parse in (parse_future, parse_past):
        with pytest.raises(ValueError, match="is too long"):
            parse("500000w", NOW)


@given(st.text(max_size=30))
def test_any_other_text_is_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_time, lambda each: parse_future(each, NOW), lambda each: parse_past(each, NOW)):
        try:
            parse(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - any text, fine or not
