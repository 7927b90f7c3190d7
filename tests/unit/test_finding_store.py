"""Findings that do not fit in memory come back as those that do."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.errors import InputError
from sg_compliance.local.findings import SpillingFindings
from sg_compliance.local.history import SqliteHistory
from sg_compliance.model.finding import Exemption, Severity
from tests.builders import BASELINE, EVERYONE, EVERYONE_V6, all_traffic, bind, group, judge, permission, restrict, tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sg_compliance.model.finding import Finding

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def real_findings() -> list[Finding]:
    """Findings with everything in them: rests, ports, IPv6, unknown lists, malformed rules, exemptions, times."""
    wide = group(tcp("20-25", EVERYONE, EVERYONE_V6, description="old"), all_traffic(EVERYONE), group_id="sg-wide")
    odd = group(tcp(22, "pl-1", "sg-2"), permission("tcp", 23, 21, EVERYONE), group_id="sg-odd")
    found = [
        *judge(bind(BASELINE), wide),
        *judge(restrict(22, "10.0.0.0/8"), wide),
        *judge(restrict(22, "10.0.0.0/8"), odd),
    ]
    exemption = Exemption("exemptions.x", "why", "who", WHEN, 3, "")
    return [*found, replace(found[0], exemption=exemption, first_seen=WHEN, last_seen=WHEN, rule_id="AGAIN")]


FINDINGS = real_findings()


def placed(finding: Finding, number: int, severity: Severity) -> Finding:
    return replace(finding, group=replace(finding.group, group_id=f"sg-{number}"), severity=severity)


drawn = st.lists(
    st.builds(placed, st.sampled_from(FINDINGS), st.integers(0, 5), st.sampled_from(list(Severity))), max_size=40
)


@settings(max_examples=60)
@given(batches=st.lists(drawn, max_size=6), in_memory=st.integers(0, 30))
def test_spilled_findings_come_back_unchanged_and_in_the_order_of_those_in_memory(
    batches: list[list[Finding]], in_memory: int
) -> None:
    assert stored(batches, in_memory) == stored(batches, 10_000)


def stored(batches: Sequence[Sequence[Finding]], in_memory: int) -> list[Finding]:
    store = SpillingFindings(in_memory)
    for batch in batches:
        store.add(batch)
    found = list(store)
    assert list(store) == found, "asked for once more"
    store.close()
    return found


def test_the_order_is_by_place_and_then_the_worst_first() -> None:
    found = stored([FINDINGS[::-1], FINDINGS[:3]], 2)
    assert len(found) == len(FINDINGS) + 3
    assert all(one.sort_key() <= other.sort_key() for one, other in pairwise(found))
    severities = [each.severity.rank for each in found if each.group.group_id == "sg-wide"]
    assert severities == sorted(severities, reverse=True)


def test_more_can_be_added_after_findings_were_asked_for() -> None:
    store = SpillingFindings(1)
    store.add(FINDINGS[:3])
    assert len(list(store)) == 3
    store.add(FINDINGS[3:])
    assert len(list(store)) == len(FINDINGS)
    store.close()


def test_a_store_that_is_read_only_in_part_can_be_read_again() -> None:
    store = SpillingFindings(1)
    for finding in FINDINGS:
        store.add([finding])
    next(iter(store))
    assert len(list(store)) == len(FINDINGS)
    store.close()


def open_files() -> int:
    descriptors = Path("/proc/self/fd")
    return sum(1 for _ in descriptors.iterdir()) if descriptors.exists() else 0


def test_its_files_are_closed_at_the_end() -> None:
    before = open_files()
    store = SpillingFindings(0)
    for finding in FINDINGS:
        store.add([finding])
    assert open_files() >= before
    store.close()
    assert open_files() == before


def test_an_empty_store_is_empty() -> None:
    assert stored([], 0) == []


@pytest.fixture
def history(tmp_path: Path) -> Iterator[SqliteHistory]:
    made = SqliteHistory(tmp_path / "seen.db")
    yield made
    made.close()


def times(findings: Iterable[Finding]) -> set[tuple[datetime | None, datetime | None]]:
    return {(finding.first_seen, finding.last_seen) for finding in findings}


def test_a_history_keeps_the_first_and_the_last_time(history: SqliteHistory) -> None:
    later = WHEN + timedelta(days=3)
    assert times(history.seen(FINDINGS[:2], WHEN)) == {(WHEN, WHEN)}
    assert times(history.seen(FINDINGS[:2], later)) == {(WHEN, later)}
    assert times(history.seen(FINDINGS[:2], WHEN + timedelta(days=1))) == {(WHEN, later)}
    assert times(history.seen(FINDINGS[2:3], later)) == {(later, later)}


def test_several_scans_may_share_a_history(history: SqliteHistory, tmp_path: Path) -> None:
    other = SqliteHistory(tmp_path / "seen.db")
    history.seen(FINDINGS, WHEN)
    assert times(other.seen(FINDINGS[:1], WHEN + timedelta(hours=1))) == {(WHEN, WHEN + timedelta(hours=1))}
    other.close()


def test_after_ctrl_c_in_the_middle_a_history_goes_on(history: SqliteHistory) -> None:
    def interrupted() -> Iterator[Finding]:
        yield FINDINGS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        history.seen(interrupted(), WHEN)
    later = WHEN + timedelta(days=1)
    assert times(history.seen(FINDINGS[:1], later)) == {(later, later)}


@pytest.mark.parametrize("place", ["missing/seen.db", "", "other.db"])
def test_a_place_that_can_hold_no_history_is_an_input_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("something else, and long enough to be no database" * 20, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be used as a history"):
        SqliteHistory(tmp_path / place)


def full(database: sqlite3.Connection, _: Path) -> None:
    database.execute("PRAGMA max_page_count = 1")


def only_read(database: sqlite3.Connection, _: Path) -> None:
    database.execute("PRAGMA query_only = ON")


def broken(_: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)


@pytest.mark.parametrize(
    ("spoil", "step"),
    [
        (full, "see whether the disk that .* is on is full"),
        (only_read, "let this user read and write "),
        (broken, "put a copy from before back, or move .*seen.db away"),
    ],
)
def test_the_next_step_is_the_one_for_the_cause(
    spoil: Callable[[sqlite3.Connection, Path], None], step: str, history: SqliteHistory, tmp_path: Path
) -> None:
    spoil(history._database, tmp_path / "seen.db")  # noqa: SLF001
    many = [replace(FINDINGS[0], rule_id=f"{number}" * 900) for number in range(30)]
    with pytest.raises(InputError) as failed:
        history.seen(many, WHEN)
    assert re.search(step, failed.value.hint), (str(failed.value), failed.value.hint)


def test_a_folder_that_is_not_there_is_no_place_for_a_history(tmp_path: Path) -> None:
    with pytest.raises(InputError) as failed:
        SqliteHistory(tmp_path / "missing" / "seen.db")
    assert failed.value.hint == "name a file in a folder that is there"


def test_a_history_that_fails_later_is_an_input_error_too(history: SqliteHistory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "seen.db")) as spoiler:
        spoiler.execute("DROP TABLE finding")
    with pytest.raises(InputError, match=r"seen\.db: cannot be used as a history"):
        history.seen(FINDINGS, WHEN)
