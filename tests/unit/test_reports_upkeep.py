"""Reports on what changes leave behind: whatever the text, nothing in it is acted on, and every line is one line."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.enforcement.audit import AuditReport, Head, Problem, ProblemKind
from sg_compliance.enforcement.backup import Backup, Cause
from sg_compliance.enforcement.difference import difference
from sg_compliance.enforcement.granted import Listed
from sg_compliance.enforcement.shelf import Fate, Kept
from sg_compliance.enforcement.story import Found, Granted, story
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.model.journal import Entry, EntryKind, EntryState, Lock
from sg_compliance.policy.approvals import Unaccepted
from sg_compliance.reports.audit_log import check_lines, check_record, event_line
from sg_compliance.reports.backups import difference_lines, list_lines, verified_lines, whole_lines
from sg_compliance.reports.concessions import done_lines, grant_lines, time_left, unaccepted_lines
from sg_compliance.reports.history import story_lines
from sg_compliance.reports.switch import pause_lines, resume_lines
from tests.builders import EVERYONE, NOW, group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

HOSTILE = st.text(st.characters(categories=("Cc", "Cf", "Zl", "Zp", "Lu", "Po", "Cs")), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    *("time", "event", "by", "why", "run_id", "group_id", "group_name", "account_id", "region", "status", "reason"),
    *("backup_id", "calls", "rules", "problems", "concession", "until", "paused"),
)


def assert_harmless(lines: Iterable[Text]) -> None:
    for line in lines:
        assert not [char for char in line.plain if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def backup(text: str) -> Backup:
    note = {"rule_id": text, "severity": text, "message": text}
    judged = group(tcp(22, EVERYONE, description=text), tags={text: text}, GroupName=text, Description=text)
    return Backup(judged, NOW, Cause(text, text, text, text, text, text, (note,)))


@given(HOSTILE)
def test_no_text_in_a_backup_is_acted_on(text: str) -> None:
    made, other = backup(text), replace(backup("other").group, tags=((text, "changed"), ("more", text)))
    kept = Kept(made.id, made, Fate.STANDS)
    damaged = Kept(text, None, problem=text)
    assert_harmless(list_lines([kept, damaged], asked=False, again=text))
    assert_harmless(whole_lines(kept, made, text))
    assert_harmless(verified_lines([kept, damaged]))
    for found in (difference(made.group, other), difference(other, made.group)):
        assert_harmless(difference_lines(text, text, found))


@given(HOSTILE)
def test_no_text_in_a_story_is_acted_on(text: str) -> None:
    made = backup(text)
    entries = [
        Entry(text, made.group.place, kind, state, text, text, text, NOW, {}, (text,), notes=(text,), restores=text)
        for kind in EntryKind
        for state in EntryState
    ]
    grant = Listed(text, made.group.group_id, (text,), text, text, NOW, emergency=True, created=NOW, created_by=text)
    refused = Unaccepted(text, (text,))
    grant = grant._replace(unaccepted=(refused,))
    concession = Concession(ConcessionKind.UNPROTECTION, made.group.group_id, (text,), text, "zoe", None, NOW, text)
    found = Found(entries, [Kept(text, made), Kept(text, None, problem=text)], Lock(made.group.place, text, 1, NOW))
    told = story(made.group.place, text, found, Granted([grant], [concession]), NOW)
    assert_harmless(story_lines(told, NOW, text))
    assert_harmless(story_lines(replace(told, entries=()), NOW, text))
    assert_harmless(unaccepted_lines([refused], text))
    assert_harmless(grant_lines([grant], NOW, "none"))
    assert_harmless(done_lines("granted", replace(concession, subject=text), concession, [text]))
    assert_harmless(pause_lines(changed=False, before=text, notes=[text]))
    assert_harmless(resume_lines(changed=True, before=text, notes=[text]))


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_event_is_one_harmless_line(event: dict[str, Any]) -> None:
    assert_harmless([event_line(event)])


def test_problems_of_the_log_are_told_with_their_lines() -> None:
    report = AuditReport(3, 1, Head(3, "a" * 64), (Problem(2, ProblemKind.CHANGED, "was \x1b changed"),))
    assert [line.plain for line in check_lines(report)] == [
        "error: line 2: changed: was \\x1b changed",
        "3 entries sound, 1 cut off by a crash and accounted for; 1 problem",
    ]


def test_the_head_of_a_log_that_is_not_whole_is_not_told() -> None:
    head, problem = Head(3, "a" * 64), Problem(0, ProblemKind.MISSING, "gone")
    assert [line.plain for line in check_lines(AuditReport(3, 0, head))][-1] == f"head 3:{'a' * 64}"
    assert [line.plain for line in check_lines(AuditReport(3, 0, head, (problem,)))] == [
        "error: missing: gone",
        "3 entries sound; 1 problem",
    ]
    assert check_record(AuditReport(3, 0, head, (problem,)))["head"] is None


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=30), "until 2026-02-14 12:00 UTC, 30 days left"),
        (timedelta(days=1, hours=5), "until 2026-01-16 17:00 UTC, 29 hours left"),
        (timedelta(hours=1), "until 2026-01-15 13:00 UTC, 1 hour left"),
        (timedelta(minutes=5), "until 2026-01-15 12:05 UTC, less than an hour left"),
        (timedelta(), "lapsed on 2026-01-15 12:00 UTC"),
    ],
)
def test_the_time_that_is_left_is_said_in_days_or_hours(left: timedelta, said: str) -> None:
    assert time_left(Listed("x", "sg-1", (), "", "", NOW + left), NOW) == said


def test_what_holds_for_a_group_now_is_told() -> None:
    place = group().place

    def entry(hour: int, kind: EntryKind, state: EntryState, **others: Any) -> Entry:  # noqa: ANN401
        return Entry(
            str(hour), place, kind, state, "run-1", "zoe", f"b{hour}", NOW - timedelta(hours=hour), {}, **others
        )

    entries = [entry(hour, EntryKind.REMEDIATION, EntryState.DONE) for hour in (10, 9, 8, 7)]
    entries.append(entry(6, EntryKind.ROLLBACK, EntryState.DONE, restores="b7", hold_until=NOW + timedelta(hours=18)))
    entries.append(entry(1, EntryKind.REMEDIATION, EntryState.OPEN))
    lock = Lock(place, "run-2", 7, NOW + timedelta(minutes=5))
    told = story(place, "web", Found(entries, (), lock), Granted([], []), NOW)
    assert told.flapping.startswith("remediated 3 times within 24 hours")
    lines = [line.plain for line in story_lines(told, NOW)]
    assert lines[lines.index("now") :] == [
        "now",
        "  locked by run-2 until 2026-01-15 12:05:00 UTC",
        "  not finished: the remediation of 2026-01-15 11:00 UTC, which the next run finishes",
        "  left alone until 2026-01-16 06:00 UTC: it was rolled back",
        f"  flapping: {told.flapping}",
        "help: undo the newest remediation: sg-compliance rollback b1",
        "help: undo all of them: sg-compliance rollback b10",
    ]


def test_a_group_whose_journal_was_lost_is_told_by_its_backups() -> None:
    made = backup("x")
    told = story(made.group.place, "web", Found((), [Kept(made.id, made), Kept("b2", None)]), Granted([], []), NOW)
    assert [line.plain for line in story_lines(told, NOW, " --state s")][1:] == [
        f"  no journal entry, but 1 backup: {made.id}",
        "  warning: 1 backup cannot be used: sg-compliance backups verify",
        "now",
        "  nothing is open, no lock, no hold, no exemption",
        "help: go back to one of them: sg-compliance rollback BACKUP --state s",
    ]


def test_what_was_ended_before_all_was_done_is_told_as_that() -> None:
    given_up = Entry(
        "1", group().place, EntryKind.REMEDIATION, EntryState.GIVEN_UP, "run-1", "zoe", "b1", NOW, {}, fence=1
    )
    told = story(group().place, "web", Found([given_up]), Granted([], []), NOW)
    assert "remediation  not all done, and stands, by zoe in run-1" in list(story_lines(told, NOW))[1].plain


def test_the_story_is_in_the_order_of_locks_whatever_clocks_say() -> None:
    first, second = (
        Entry(f"e{fence}", group().place, kind, EntryState.DONE, "r", "zoe", f"b{fence}", started, {}, **others)
        for fence, kind, started, others in (
            (1, EntryKind.REMEDIATION, NOW, {"fence": 1}),
            (2, EntryKind.ROLLBACK, NOW - timedelta(minutes=1), {"fence": 2, "restores": "b1"}),
        )
    )
    told = story(group().place, "web", Found([second, first]), Granted([], []), NOW)
    assert [entry.id for entry in told.entries] == ["e1", "e2"]
    assert told.stand == ()
