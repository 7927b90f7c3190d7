"""Worse days: what was believed too soon, claimed too much, or done although people no longer wanted it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.enforcement.guards import Pause
from sg_compliance.enforcement.plan import NotPlanned
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.errors import InputError, StoreError
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.model.outcome import Status
from sg_compliance.workflows.rollback import What, backups_for
from tests.builders import ACCOUNT, REGION, Json, policy, prohibit, raw_group, restrict, tcp
from tests.world import make_world

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.security_group import Place
    from sg_compliance.testing.twin import Call
    from tests.world import World
from tests.crash.days import POLICY, later, lock_down, one, shell_group, statuses


def friends(folder: Path) -> tuple[World, Place, Place]:
    world = make_world(folder / "state")
    friend = world.put(raw_group(group_id="sg-00000001"))
    place = world.put(shell_group(tcp(5432, "sg-00000001"), tcp(443, "10.0.0.0/8")))
    return world, place, friend


def somebody_adds(world: World, place: Place, permission: Json) -> None:
    world.twin.call(
        ACCOUNT,
        REGION,
        "AuthorizeSecurityGroupIngress",
        {"GroupId": place.group_id, "IpPermissions": [permission]},
    )


def test_a_referenced_group_that_is_gone_is_not_taken_for_the_group_itself(tmp_path: Path) -> None:
    world, place, friend = friends(tmp_path)
    lock_down(world, place)
    somebody_adds(world, place, tcp(8443, "10.0.0.0/8"))
    world.twin.delete_group_hard(*friend)
    (outcome,) = world.roll_back(What(group_id=place.group_id))
    assert outcome.status is Status.PARTIAL
    assert {rule.from_port for rule in world.read(place).rules} == {22, 443, -1}


def test_a_trim_goes_on_where_what_its_rest_refers_to_is_gone(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    friend = world.put(raw_group(group_id="sg-00000001"))
    place = world.put(shell_group(tcp("20-25", "sg-00000001")))
    restricted = policy(prohibit(22, "any", severity="critical"), restricted=[restrict(22, "10.0.0.0/8", rule_id="R")])
    plan = world.plan(restricted, place, strategy=Strategy.TRIM)
    world.twin.delete_group_hard(*friend)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.PARTIAL
    assert not any(rule.first <= 22 <= rule.last for rule in world.read(place).rules if rule.protocol == 6)


def test_a_lost_answer_and_a_describe_that_lags_for_a_minute_are_no_fight(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.clock.sleep(1000)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.lag = 60

    def again(call: Call) -> None:
        world.twin.call(ACCOUNT, REGION, call.operation, call.params)

    world.twin.faults.before(again, operation="RevokeSecurityGroupIngress", nth=1)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.CHANGED
    world.clock.sleep(100)
    assert [rule.from_port for rule in world.read(place).rules] == [65535]


def test_what_another_run_left_open_is_finished_and_said(tmp_path: Path) -> None:
    world, place = one(tmp_path, tcp(443, "10.0.0.0/8"))
    first = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.fail("RequestLimitExceeded", operation="CreateTags", nth=1)
    assert statuses(world.apply(first)) == [Status.INCOMPLETE]
    second = world.plan(POLICY, place, strategy=Strategy.REVOKE_VIOLATING)
    assert statuses(world.apply(second)) == [Status.CHANGED, Status.UNCHANGED]


def test_rolling_back_what_had_not_begun_yet_ends_it(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    before = world.shown()
    world.twin.faults.fail("RequestLimitExceeded", operation="CreateTags", nth=1)
    assert statuses(lock_down(world, place)) == [Status.INCOMPLETE]
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.CHANGED]
    assert list(world.applying().finish()) == []
    assert world.shown() == before
    with pytest.raises(InputError, match="taken back already"):
        world.roll_back(What(run_id="run-1"))


def test_what_was_left_open_for_a_day_is_not_finished_without_being_asked_for(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.fail("InternalError", operation="RevokeSecurityGroupEgress")
    lock_down(world, place)
    world.twin.faults.clear()
    later(world)
    mutations = len(world.mutations())
    (outcome,) = world.applying().finish()
    assert outcome.status is Status.INCOMPLETE
    assert "left half done by run-1" in outcome.reason
    assert len(world.mutations()) == mutations


def test_denied_tags_leave_only_the_tags_to_the_next_run(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.deny("ec2:CreateTags")
    world.apply(plan)
    world.twin.faults.clear()
    somebody_adds(world, place, tcp(443, "10.0.0.0/8"))
    list(world.applying().finish())
    assert {rule.from_port for rule in world.read(place).rules} == {65535, 443}
    assert world.read(place).tag("COMPLIANCE_REMEDIATED") == "true"


@pytest.mark.parametrize("protect", ["interface", "tag"])
def test_a_group_that_was_protected_after_the_plan_is_left_alone(protect: str, tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    if protect == "interface":
        world.twin.put_interface(ACCOUNT, REGION, place.group_id, RequesterId="amazon-elb")
    else:
        tags = [{"Key": "aws:eks:cluster-name", "Value": "shop"}]
        world.put(shell_group(Tags=tags))
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.REFUSED
    assert outcome.reason.startswith("protected: ")
    assert world.mutations() == []


def test_where_interfaces_cannot_be_read_nothing_is_changed(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    assert any("interfaces were not read" in note for note in plan.groups[0].notes)
    world.twin.faults.deny("ec2:DescribeNetworkInterfaces")
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.FAILED
    assert world.mutations() == []


def test_an_old_plan_does_not_undo_a_rollback(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.apply(plan)
    world.roll_back(What(group_id=place.group_id))
    (outcome,) = world.apply(plan)
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "rolled back since the plan was made")


def test_an_exemption_that_came_after_the_plan_counts(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    now = world.clock.now()
    exemption = Concession(
        ConcessionKind.EXEMPTION, place.group_id, ("RULE",), "the move", "zoe", now + timedelta(days=1), now, "anna"
    )
    world.stores.concessions.grant(exemption)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.REFUSED
    assert "exempt since the plan was made" in outcome.reason


def test_a_broken_audit_log_is_found_out_before_the_first_change(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    (tmp_path / "state" / "audit.jsonl").write_text("garbage\n")
    with pytest.raises(StoreError, match="audit log"):
        lock_down(world, place)
    assert world.mutations() == []


def test_what_was_done_before_the_group_was_deleted_is_in_the_audit_log(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.after(
        lambda _: world.twin.delete_group_hard(*place), operation="RevokeSecurityGroupIngress", nth=1
    )
    lock_down(world, place)
    last = json.loads(list(world.stores.audit.lines())[-1])
    assert (last["status"], [call["call"] for call in last["calls"]]) == ("gone", ["tag", "revoke"])


def test_what_was_done_before_it_failed_is_in_the_audit_log(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.fail("InternalError", operation="RevokeSecurityGroupEgress")
    lock_down(world, place)
    last = json.loads(list(world.stores.audit.lines())[-1])
    assert (last["status"], [call["call"] for call in last["calls"]]) == ("incomplete", ["tag", "revoke"])


def test_a_rollback_that_failed_half_way_leaves_the_remediation_to_be_taken_back(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    original = world.shown()
    lock_down(world, place)
    (back,) = world.roll_back(What(group_id=place.group_id))
    world.twin.faults.fail("InternalError", operation="RevokeSecurityGroupEgress")
    (redo,) = world.roll_back(What(backup_id=back.backup_id))
    assert redo.status is Status.INCOMPLETE
    world.twin.faults.clear()
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.CHANGED]
    assert world.shown() == original


def test_a_run_of_rollbacks_can_be_taken_back(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    lock_down(world, place)
    locked = world.shown()
    world.roll_back(What(group_id=place.group_id))
    world.roll_back(What(run_id=f"run-{world.runs}"))
    assert world.shown() == locked


def test_a_lock_down_that_was_made_again_is_taken_back_since_then(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    original = world.shown()
    lock_down(world, place)
    (back,) = world.roll_back(What(group_id=place.group_id))
    later(world, 1)
    since = world.clock.now()
    world.roll_back(What(backup_id=back.backup_id))
    world.roll_back(What(since=since))
    assert world.shown() == original


def test_trying_out_a_rollback_is_no_flapping(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    for _ in range(4):
        assert statuses(lock_down(world, place)) == [Status.CHANGED]
        world.roll_back(What(group_id=place.group_id))
        later(world, 25)
    assert not isinstance(world.decide(place, POLICY), NotPlanned)


def test_a_rollback_does_not_believe_a_describe_that_lags(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    before = world.shown()
    world.clock.sleep(1000)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.lag = 30
    world.apply(plan)
    statuses_ = []
    for _ in range(4):
        statuses_ += statuses(world.roll_back(What(backup_id=world.stores.journal.entries()[0].backup_id)))
        world.clock.sleep(60)
    assert Status.CHANGED in statuses_
    assert world.shown() == before


def test_a_tag_policy_does_not_keep_the_door_open(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.fail("TagPolicyViolation", operation="CreateTags")
    assert statuses(lock_down(world, place)) == [Status.CHANGED]
    assert [rule.from_port for rule in world.read(place).rules] == [65535]


def test_tags_of_others_that_look_like_ours_are_left_alone(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    place = world.put(raw_group(tags={"COMPLIANCE_STATUS": "COMPLIANT by another tool"}))
    assert world.decide(place, POLICY) is None


def test_looking_at_a_plan_that_was_applied_says_so(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.apply(plan)
    assert statuses(list(world.applying().preview(plan))) == [Status.UNCHANGED]


def test_a_rollback_is_possible_while_changes_are_paused_if_it_is_asked_for(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    before = world.shown()
    lock_down(world, place)
    world.stores.switch.write(Pause("incident 7", "anna", world.clock.now()).encode())
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.REFUSED]
    rolling = replace(world.rolling_back(), despite_pause=True)
    steps = list(rolling.plan(backups_for(world.stores, What(group_id=place.group_id))))
    assert statuses(list(rolling.roll_back(steps))) == [Status.CHANGED]
    assert world.shown() == before


def test_what_is_added_to_a_half_changed_group_comes_back_with_the_original(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.fail("InternalError", operation="RevokeSecurityGroupEgress")
    world.apply(plan)
    world.twin.faults.clear()
    somebody_adds(world, place, tcp(8443, "10.0.0.0/8"))
    assert statuses(list(world.applying().finish())) == [Status.CHANGED]
    assert [rule.from_port for rule in world.read(place).rules] == [65535]
    world.roll_back(What(group_id=place.group_id))
    assert {rule.from_port for rule in world.read(place).rules} == {22, 8443, -1}


def test_a_rollback_that_failed_half_way_is_finished_by_asking_again(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    original = world.shown()
    lock_down(world, place)
    world.twin.faults.fail("InternalError", operation="AuthorizeSecurityGroupEgress")
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.INCOMPLETE]
    world.twin.faults.clear()
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.CHANGED]
    assert world.shown() == original


def test_a_dry_run_refuses_what_the_real_one_refuses(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.apply(plan)
    world.roll_back(What(group_id=place.group_id))
    (looked,) = world.applying().preview(plan)
    (outcome,) = world.apply(plan)
    assert (looked.status, looked.reason) == (outcome.status, outcome.reason)
    assert looked.status is Status.REFUSED


def test_a_lockdown_that_closes_nothing_because_of_its_own_marker_is_still_a_remediation(tmp_path: Path) -> None:
    world, place = one(tmp_path, tcp(65535, "0.0.0.0/0"))
    odd = policy(restricted=[restrict(65535, "10.0.0.0/8", rule_id="R", severity="critical")])
    plan = world.plan(odd, place, strategy=Strategy.LOCKDOWN)
    assert plan.groups[0].closed == ()
    world.apply(plan)
    assert [entry.kind.value for entry in world.stores.journal.entries()] == ["remediation"]
