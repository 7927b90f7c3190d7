"""A plan as people and programs read it. The whole of it is held by tests/golden."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.model.change import Wanted
from sg_compliance.model.finding import FindingState
from sg_compliance.model.security_group import identity
from sg_compliance.reports.diff import diff_lines, diff_of
from sg_compliance.reports.plan import Reading, age_text, brief_lines, next_lines, plan_lines, unmet_lines
from sg_compliance.reports.plan_figures import Limits
from sg_compliance.reports.plan_record import plan_record
from tests.builders import EVERYONE, NOW, group, tcp
from tests.golden import changes
from tests.unit.test_marks import findings
from tests.unit.test_reports_golden import shown

if TYPE_CHECKING:
    from sg_compliance.enforcement.plan import Plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return changes.plan()


def text_of(plan: Plan, reading: Reading | None = None, limits: Limits | None = None) -> str:
    return shown(plan_lines(plan, reading or Reading(), limits or Limits()))


def test_a_plan_is_safe_to_show(plan: Plan) -> None:
    said = text_of(plan, changes.READING) + shown(brief_lines(plan, NOW))
    assert said.replace("\n", "").isprintable()
    assert "[bold red]\\x1b[2J\\u202egpj.exe\\x0a[/]" in said


def test_what_goes_and_comes_is_shown_in_full_and_what_stays_is_folded() -> None:
    many = group(*[tcp(port, EVERYONE) for port in range(100, 130)])
    goes = diff_of(many, Wanted(gone=None))
    assert shown(diff_lines(goes)).count("  - ") == 30
    assert (shown(diff_lines(diff_of(many, Wanted()))).count("\n"), diff_of(many, Wanted()).goes) == (4, ())
    assert "  = and 27 more rules stay" in shown(diff_lines(diff_of(many, Wanted())))
    few = group(*[tcp(port, EVERYONE) for port in range(4)])
    assert "more" not in shown(diff_lines(diff_of(few, Wanted())))


def test_only_the_rules_that_are_named_go() -> None:
    before = group(tcp(22, EVERYONE), tcp(443, EVERYONE))
    diff = diff_of(before, Wanted(gone=frozenset({identity(before.rules[0])})))
    assert (diff.goes, diff.stays, diff.comes) == (before.rules[:1], before.rules[1:], ())


def test_tags_that_are_set_already_do_not_change() -> None:
    before = group(tags={"a": "1", "b": "2"})
    diff = diff_of(before, Wanted(tags=(("a", "1"), ("c", "3")), untagged=frozenset({"b", "x"})))
    assert (diff.tags, diff.untagged) == ((("c", "3"),), ("b",))


def test_a_long_value_of_a_tag_is_cut_on_the_screen_only() -> None:
    diff = diff_of(group(), Wanted(tags=(("key", "v" * 200),)))
    assert shown(diff_lines(diff)) == f"  + tags key={'v' * 31}…\n"
    assert diff.tags[0][1] == "v" * 200


def test_a_plan_within_the_budget_says_nothing_of_it(plan: Plan) -> None:
    assert "over budget" not in text_of(plan, limits=Limits(10, 50))


def test_a_plan_over_the_budget_says_what_would_let_it_through(plan: Plan) -> None:
    said = text_of(plan, limits=Limits(1, 10))
    assert "over budget: 2 groups would be changed, at most 1 may be in one run" in said
    assert "over budget: 2 of the 5 groups of account 111122223333 would be changed, at most 10 % may be" in said
    assert "--max-groups 2 --max-percent 40" in said
    assert Limits(2, 40).problems(plan) == ()


def test_an_account_of_which_nothing_else_was_read_has_no_percentage(plan: Plan) -> None:
    said = text_of(replace(plan, totals={"111122223333": 2}))
    assert "  111122223333  2 of 2 groups\n" in said
    assert "  111122223333  2 of 5 groups (40.0 %)\n" in text_of(plan)


def test_a_partial_plan_says_so_and_why(plan: Plan) -> None:
    assert "PARTIAL" not in text_of(plan)
    assert "PARTIAL PLAN: something could not be read" in text_of(plan, Reading(complete=False))
    assert "PARTIAL PLAN: interrupted" in text_of(plan, Reading(complete=False, interrupted=True))


def test_interfaces_that_a_service_manages_are_named(plan: Plan) -> None:
    first = replace(plan.groups[0], group=replace(plan.groups[0].group, managed_interfaces=("eni-2",)))
    said = text_of(replace(plan, groups=(first,)))
    assert "attached  to 2 interfaces: eni-1, eni-2; managed by a service: eni-2" in said
    unknown = replace(plan.groups[0], interfaces=None)
    assert "attached  interfaces were not read" in text_of(replace(plan, groups=(unknown,)))


def test_groups_that_are_left_alone_for_one_reason_stand_together(plan: Plan) -> None:
    said = text_of(plan)
    assert said.count("account 222233334444 is at enforcement_level 'monitor'") == 1
    assert "    and 2 more\n" in said


def test_a_plan_without_groups_says_so() -> None:
    empty = replace(changes.plan(), groups=(), not_planned=())
    assert text_of(empty).startswith("no group would be changed\n")
    assert shown(next_lines(empty, "plan.json", "")) == "nothing to apply\n"


def test_the_next_step_is_a_command_to_copy(plan: Plan) -> None:
    assert shown(next_lines(plan, "my plan.json", " --state x")).endswith(
        "sg-compliance apply 'my plan.json' --state x\n"
    )
    assert "--output FILE" in shown(next_lines(plan, "", ""))


def test_a_group_that_was_asked_for_and_is_not_in_the_plan_may_be_misspelt(plan: Plan) -> None:
    wanted = ["sg-0001", changes.HOSTILE_NAME, "AWSServiceName-x", "sg-\x1bx"]
    assert shown(unmet_lines(plan, wanted, {})) == "note: sg-\\x1bx: no group of this id or name was read\n"
    assert shown(unmet_lines(plan, wanted[:3], {})) == ""


def test_why_a_group_that_was_read_is_not_in_the_plan_is_said(plan: Plan) -> None:
    found = findings()[0]
    exempt = replace(found, state=FindingState.EXEMPT)
    said = [shown(unmet_lines(plan, ["x"], {"x": each})) for each in ([], [exempt, exempt], [exempt, found])]
    assert said == [
        "note: x: nothing to do: it has no finding\n",
        "note: x: nothing to do: all of its findings are exempt\n",
        "note: x: it has no open finding of those that were asked for (--severity, --rule)\n",
    ]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=119), "1 hour ago"),
        (timedelta(days=3, hours=5), "3 days ago"),
    ],
)
def test_the_age_of_a_plan_is_said_in_its_largest_unit(age: timedelta, said: str, plan: Plan) -> None:
    assert age_text(plan, NOW + age) == said


def test_the_summary_before_the_question_names_some_groups(plan: Plan) -> None:
    said = shown(brief_lines(replace(plan, groups=plan.groups[:1] * 12), NOW + timedelta(hours=2)))
    assert "made 2 hours ago by arn:aws:iam::111122223333:user/\\x1bme" in said
    assert said.count("sg-0001") == 10
    assert "  and 2 more\n" in said


def test_a_plan_as_json_says_the_same(plan: Plan) -> None:
    record = json.loads(json.dumps(plan_record(plan, changes.READING, Limits(1, 10), "plan.json")))
    assert record["plan"] == {
        "id": plan.id,
        "created": "2026-01-15T12:00:00+00:00",
        "by": plan.by,
        "automatic": False,
        "file": "plan.json",
    }
    assert (record["complete"], record["interrupted"], len(record["skipped"])) == (False, False, 1)
    first = record["groups"][0]
    assert [rule["SecurityGroupRuleId"] for rule in first["change"]["revoke"]] == ["sgr-1", "sgr-2", "sgr-3", "sgr-4"]
    assert first["change"]["set_tags"]["COMPLIANCE_STATUS"] == "NON_COMPLIANT"
    assert [note["rule_id"] for note in first["closes"]] == ["NO_SSH"]
    assert first["network_interfaces"] == ["eni-1", "eni-2"]
    assert record["left_alone"][-1]["rules"] == ["NO_SSH"]
    assert record["budget"]["within"] is False
    assert record["budget"]["accounts"][0] == {"account_id": "111122223333", "planned": 2, "groups": 5}
