"""What came of a run as people and programs read it. The whole of it is held by tests/golden."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sg_compliance.model.change import Authorize, Describe, Revoke, Tag, Untag
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.model.security_group import Direction
from sg_compliance.reports.outcomes import (
    STATUS_STYLES,
    Ran,
    calls_text,
    outcome_lines,
    ran_lines,
    ran_record,
    restoring_lines,
    restoring_record,
    totals_text,
)
from tests.builders import EVERYONE, group, tcp
from tests.golden import changes
from tests.unit.test_reports_golden import shown

RULES = group(tcp(22, EVERYONE), tcp(80, EVERYONE)).rules
PLACE = group().place


def test_what_came_of_a_run_is_safe_to_show() -> None:
    said = shown(ran_lines(changes.ran())) + "".join(shown(restoring_lines(step)) for step in changes.steps())
    assert said.replace("\n", "").isprintable()


def test_every_status_has_a_style() -> None:
    assert set(STATUS_STYLES) == set(Status)


def test_the_way_back_is_a_command_to_copy() -> None:
    assert f"  undo: sg-compliance rollback {changes.BACKUP_ID} --state 'my state'\n" in shown(ran_lines(changes.ran()))


def test_the_way_back_of_a_whole_run_is_one_command() -> None:
    done = changes.ran().outcomes[0]
    said = shown(ran_lines(Ran("run-1", "me", (done, done), "plan-1", again=" --state x")))
    assert said.endswith("2 changed\n  undo all: sg-compliance rollback --run run-1 --state x\n")
    assert "undo all" not in shown(ran_lines(Ran("run-1", "me", (done,), "plan-1")))
    assert "undo all" not in shown(ran_lines(Ran("run-1", "me", (done, done))))


def test_where_nothing_was_done_there_is_no_way_back() -> None:
    refused = Outcome(PLACE, "web", Status.REFUSED, "changed", "plan again", backup_id=changes.BACKUP_ID)
    assert "undo" not in shown(outcome_lines(refused))
    assert "  help: plan again\n" in shown(outcome_lines(refused))


def test_calls_are_counted_in_rules() -> None:
    made = (
        Revoke(Direction.INGRESS, RULES),
        Authorize(Direction.INGRESS, RULES[:1]),
        Describe(Direction.INGRESS, RULES),
        Tag(("sg-1",), (("a", "b"),)),
        Untag(("sg-1",), ("c",)),
    )
    assert calls_text(made) == "2 rules revoked, 1 rule added, 2 rules described anew, tags changed"
    would = shown(outcome_lines(Outcome(PLACE, "web", Status.WOULD_CHANGE, calls=made)))
    signs = [line[:3] for line in would.splitlines()[1:]]
    assert signs == ["  -", "  -", "  +", "  ~", "  ~", "  +", "  -"]


def test_the_figures_count_every_status_and_what_was_not_come_to() -> None:
    expected = "1 changed, 1 nothing to do, 1 refused, 1 locked, 1 incomplete, 1 not done"
    assert totals_text(changes.ran()) == expected
    assert totals_text(Ran("run-1", "me", ())) == "nothing to do"
    assert totals_text(changes.previewed()) == "dry run, nothing was changed: 1 would change"


def test_a_run_as_json_says_the_same() -> None:
    record = json.loads(json.dumps(ran_record(changes.ran())))
    assert (record["run_id"], record["plan_id"], record["dry_run"]) == ("run-1", "plan-1", False)
    assert record["totals"]["changed"] == record["totals"]["nothing_to_do"] == 1
    assert record["totals"]["failed"] == 0
    assert record["not_done"][0]["group_id"] == "sg-0006"
    first, second, *_ = record["outcomes"]
    assert first["backup_id"] == changes.BACKUP_ID
    assert [call["call"] for call in first["calls"]] == ["tag", "revoke", "revoke", "authorize"]
    assert second["next_step"] == "look at it and plan again: sg-compliance plan --state 'my state'"
    made = Outcome(PLACE, "web", Status.CHANGED, calls=(Untag(("sg-1",), ("c",)),))
    (call,) = ran_record(Ran("run-1", "me", (made,)))["outcomes"][0]["calls"]
    assert call == {"call": "untag", "resources": ["sg-1"], "keys": ["c"]}


def test_what_would_be_restored_is_shown_as_a_difference() -> None:
    step, same, gone = changes.steps()
    record = restoring_record(step)
    assert [rule.get("FromPort") for rule in record["change"]["authorize"]] == [20, None]
    assert record["change"]["describe"][0].get("Description") is None
    assert record["change"]["remove_tags"] == ["COMPLIANCE_STATUS"]
    assert "nothing to do: the group is as the backup has it" in shown(restoring_lines(same))
    assert restoring_record(gone)["change"] is None
    assert "gone: sg-0009 is not there any more" in shown(restoring_lines(gone))


@pytest.mark.parametrize("status", Status)
def test_every_status_can_be_told(status: Status) -> None:
    outcome = replace(changes.ran().outcomes[0], status=status)
    assert f"  {status.value}" in shown(outcome_lines(outcome))
