"""What came of events as people and programs read it. The whole of the text is held by tests/golden."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.finding import Severity
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.realtime.response import Handled, Reaction
from sg_compliance.reports.responses import (
    LONGEST,
    REACTIONS,
    beginning_lines,
    message_lines,
    message_record,
    reaction_text,
    shown,
)
from sg_compliance.reports.simulation import event_lines, event_record
from tests.golden.happenings import EVENTS, FORGED, MESSAGES, OPENED, OTHER, REFUSED, would
from tests.unit.test_reports_golden import shown as as_shown

KEYS = {
    *("schema_version", "message_id", "time", "latency_seconds", "comes_again", "error", "rejected", "event"),
    *("skipped", "responses", "mass_operations", "notes", "next_step", "second_look", "second_looks_awaited"),
}


def test_every_message_is_as_many_lines_as_it_touched_groups_and_forges_none() -> None:
    for message in MESSAGES:
        lines = list(message_lines(message))
        assert len(lines) == max(1, len(message.handled.responses) if message.handled else 1)
        for line in lines:
            assert not [char for char in line.plain if unicodedata.category(char) in {"Cc", "Cf"}]


def test_a_simulated_event_forges_no_line() -> None:
    said = as_shown(line for event in EVENTS for line in event_lines(event))
    assert said.replace("\n", "").isprintable()
    assert not [line for line in said.splitlines() if line.startswith("12:00:00")]


def test_every_reaction_has_a_style() -> None:
    assert set(REACTIONS) == set(Reaction)


def test_the_worst_is_counted_first() -> None:
    finding = would().findings[0]
    mixed = [replace(finding, severity=each) for each in (Severity.LOW, Severity.CRITICAL, Severity.LOW)]
    said = reaction_text(replace(OTHER, findings=tuple(mixed))).plain
    assert said == "reported: 1 critical, 2 low"


def test_long_texts_are_cut() -> None:
    assert len(shown("x" * 5_000)) == LONGEST + 1
    assert shown("x" * LONGEST) == "x" * LONGEST


def test_a_message_is_one_line_of_json_whatever_came_of_it() -> None:
    for message in MESSAGES:
        record = json.loads(json.dumps(message_record(message)))
        assert set(record) == KEYS
        assert record["comes_again"] is (message.error is not None)
    assert message_record(MESSAGES[-1])["message_id"] is None
    assert message_record(MESSAGES[2])["rejected"].endswith(FORGED)
    assert message_record(MESSAGES[1])["skipped"] == {"reason": "failed call", "note": "Client.UnauthorizedOperation"}
    assert [each["level"] for each in message_record(MESSAGES[1])["mass_operations"]] == ["critical", "alert"]
    assert message_record(MESSAGES[3])["error"] == {
        "message": "the topic cannot be reached",
        "next_step": "see whether it is there",
    }


def test_a_second_look_is_told_apart_from_an_event() -> None:
    looked = MESSAGES[0]._replace(handled=Handled(OPENED, responses=(OTHER,), attempt=2))
    (line,) = message_lines(looked)
    assert "  second look 2 after AuthorizeSecurityGroupIngress by " in line.plain
    assert message_record(looked)["second_look"] == 2
    assert message_record(MESSAGES[0])["second_look"] is None
    passed = MESSAGES[1]._replace(handled=Handled(REFUSED, attempt=1))
    assert "second look 1 after " in next(message_lines(passed)).plain
    early = MESSAGES[4]._replace(handled=Handled(None, notes=("x",), attempt=3))
    assert "second look 3  nothing to do" in next(message_lines(early)).plain


def test_nobody_is_promised_a_look_that_is_not_waited_for() -> None:
    once = MESSAGES[0]._replace(awaited=False)
    *_, line = message_lines(once)
    assert "; to be looked at again at 12:05:01 UTC, which --once does not wait for: the next scan" in line.plain
    assert message_record(once)["second_looks_awaited"] is False


def test_what_is_rejected_says_the_place_the_reason_and_the_next_step() -> None:
    said = as_shown(event_lines(EVENTS[2]))
    assert said.startswith("event 3  e.jsonl, line 3: rejected: the message is no JSON")
    assert "  help: it would be put with the dead letters: mend the event, and try it again\n" in said
    assert event_record(EVENTS[2])["source"] == "e.jsonl, line 3"
    other = EVENTS[2]._replace(handled=Handled(None, "none of ours", next_step="name it: --accounts"))
    assert "help: name it: --accounts" in as_shown(event_lines(other))
    usual = EVENTS[2]._replace(handled=Handled(None, "x", next_step=RejectedEventError.USUAL_HINT))
    assert "dead letter queue" not in as_shown(event_lines(usual))
    (line,) = message_lines(MESSAGES[2]._replace(handled=other.handled))
    assert "rejected: none of ours; name it: --accounts" in line.plain


def test_what_was_changed_says_how_to_undo_it_in_json() -> None:
    outcome = Outcome(would().place, "web", Status.CHANGED, backup_id="sg-1-backup")
    response = would(Reaction.CHANGED, outcome=outcome)
    (record,) = message_record(MESSAGES[0]._replace(handled=Handled(OPENED, responses=(response,))))["responses"]
    assert (record["reaction"], record["backup_id"], record["emergency"]) == ("changed", "sg-1-backup", True)
    assert [each["rule_id"] for each in record["findings"]] == ["NO_SSH"]


def test_the_record_of_a_simulated_event_has_its_plan_and_why_others_are_left_alone() -> None:
    record = json.loads(json.dumps(event_record(EVENTS[0])))
    planned, left = record["responses"]
    assert planned["plan"]["strategy"] == "lockdown"
    assert planned["plan"]["change"]["revoke"]
    assert (planned["left_alone"], planned["supposed"]) == (None, True)
    assert planned["digests"] == ["hourly", "daily"]
    assert left["plan"] is None
    assert left["left_alone"]["reason"] == left["done"]
    assert record["told_at_once"][0]["severity"] == "critical"
    assert event_record(EVENTS[4])["responses"][0]["unseen"]["next_step"] == "give the output of the AWS CLI"


def test_hints_are_shown_with_the_options_to_be_given_again() -> None:
    said = as_shown(event_lines(EVENTS[3], " --state here"))
    assert "sg-compliance history sg-1 --state here" in said


@pytest.mark.parametrize(
    ("number", "unknown", "bad"), [(0, False, True), (1, False, False), (2, True, False), (3, True, False)]
)
def test_what_an_event_comes_to_decides_the_exit_status(number: int, unknown: bool, bad: bool) -> None:
    assert (EVENTS[number].is_unknown, EVENTS[number].is_bad) == (unknown, bad)


def test_a_group_that_is_not_shown_is_unknown() -> None:
    assert EVENTS[4].is_unknown


def test_the_beginning_is_loud_where_groups_are_changed() -> None:
    made = {"severity": Severity.HIGH, "most_groups": 7, "state": "/s\n", "by": "arn:\x1b"}
    loud = as_shown(beginning_lines(applying=True, accounts=("111122223333",), **made))  # type: ignore[arg-type]
    assert loud.startswith("GROUPS WILL BE CHANGED in 111122223333, as arn:")
    assert "severity high or worse, at most 7 groups an hour" in loud
    assert "events of other accounts than 111122223333 are rejected\n" in loud
    quiet = as_shown(beginning_lines(applying=False, accounts=("1", "2"), named=False, **made))  # type: ignore[arg-type]
    assert quiet.startswith("DRY RUN: no group is changed")
    assert "than 1, 2 are rejected: your own and those in the policy's accounts_config; to name others: --acc" in quiet
    assert "\x1b" not in loud + quiet
