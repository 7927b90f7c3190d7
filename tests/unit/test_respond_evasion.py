"""Who tries to keep a group open cannot, and what nobody opened just now is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.enforcement.guards import Pause
from sg_compliance.errors import SgComplianceError
from sg_compliance.model.finding import Severity
from sg_compliance.model.metric import MetricName
from sg_compliance.model.notice import NoticeKind
from sg_compliance.realtime.response import Reaction
from sg_compliance.testing.twin import TwinError
from sg_compliance.workflows.rollback import What
from tests.builders import ACCOUNT, EVERYONE, REGION, bind, document, prohibit, raw_group, tcp
from tests.response_world import (
    EMERGENCY,
    GROUP,
    IMMEDIATE,
    LIST,
    OURS,
    TERMS,
    WEB,
    ResponseWorld,
    close_response_stores,
    list_changed,
    locked,
    make_response_world,
    real_time,
    responding_policy,
    with_a_list,
)
from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.testing.twin import Call


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ResponseWorld]:
    yield make_response_world(tmp_path)
    close_response_stores()
    close_stores()


def test_what_stood_before_is_told_and_left_to_scans(tmp_path: Path) -> None:
    world = make_response_world(tmp_path, [raw_group(tcp(22, EVERYONE))])
    response = world.one(world.open_ssh(WEB, "203.0.113.0/24"))
    assert response.reaction is Reaction.REPORTED
    assert "what stood before is remediated by scans" in response.done
    assert "It stood before. Looked at because of" in world.told.texts()
    assert not world.world.stores.journal.entries()
    close_response_stores()
    close_stores()


def test_a_second_bad_rule_is_an_emergency_though_another_stood_before(tmp_path: Path) -> None:
    world = make_response_world(tmp_path, [raw_group(tcp(22, EVERYONE))])
    world.policy = bind(
        document(
            prohibit(22, severity="critical"),
            prohibit(3389, severity="critical", rule_id="RDP"),
            real_time_scanning=real_time(EMERGENCY),
            accounts_config=[{"account_id": ACCOUNT, "enforcement_level": "enforce"}],
        )
    )
    request = {"GroupId": GROUP, "IpPermissions": [tcp(3389, EVERYONE)]}
    assert world.one(world.call("AuthorizeSecurityGroupIngress", request)).emergency
    assert locked(world)
    close_response_stores()
    close_stores()


def test_where_tags_are_denied_a_group_is_closed_each_time_it_is_opened(world: ResponseWorld) -> None:
    world.world.twin.faults.deny("CreateTags")
    for _ in range(2):
        body = world.open_ssh(WEB)
        with pytest.raises(SgComplianceError, match="CreateTags"):
            world.one(body)
        assert (22, EVERYONE) not in world.shown_ports(WEB)
        world.world.clock.sleep(200)


def test_a_brake_that_lifts_is_waited_for(world: ResponseWorld) -> None:
    world.terms = replace(TERMS, most_groups_per_hour=1)
    assert world.slots.take("real-time", "another", 1, timedelta(hours=1), world.world.clock.now())
    response = world.one(world.open_ssh(WEB))
    assert "at most 1" in response.done
    _wait_until_closed(world, 3700)


def test_a_pause_that_ends_is_waited_for(world: ResponseWorld) -> None:
    world.world.stores.switch.write(Pause("deploy", "alice", world.world.clock.now()).encode())
    world.one(world.open_ssh(WEB))
    for _ in range(40):
        world.wait(60)
    assert (22, EVERYONE) in world.shown_ports(WEB)
    world.world.stores.switch.write("")
    _wait_until_closed(world, 400)


def test_the_end_of_a_hold_is_waited_for(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    world.world.roll_back(What(world.world.stores.journal.entries()[0].backup_id))
    world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    assert "held until" in world.one(world.open_ssh(WEB)).done
    _wait_until_closed(world, 25 * 3600)


def _wait_until_closed(world: ResponseWorld, seconds: float) -> None:
    begun = world.world.clock.now()
    while (22, EVERYONE) in world.shown_ports(WEB):
        due = world.later.next_at()
        assert due is not None
        assert due - begun < timedelta(seconds=seconds)
        world.wait(max((due - world.world.clock.now()).total_seconds(), 0.1))


def test_a_harmless_event_beside_it_does_not_hide_what_is_looked_at_again(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    evil = world.open_ssh(WEB)
    benign = world.open_ssh(WEB, "10.1.0.0/16")
    world.world.twin.faults.lag = 30
    world.respond(evil, benign)
    world.world.twin.faults.lag = 0
    world.wait(3)
    assert locked(world)


def test_a_group_in_flux_is_looked_at_again_with_all_that_events_tell(world: ResponseWorld) -> None:
    patterns = {"critical_patterns": [{"pattern": EVERYONE, "protocol": "tcp"}]}
    world.policy = responding_policy(
        severity="medium", real_time_scanning=real_time(EMERGENCY, risky_rule_added=patterns)
    )
    evil, benign = world.open_ssh(WEB), world.open_ssh(WEB, "10.1.0.0/16")

    def change(_: object) -> None:
        world.world.twin.faults.clear()
        world.open_ssh(WEB, "10.2.0.0/16")

    world.world.twin.faults.after(change, operation="DescribeSecurityGroups")
    world.world.twin.faults.after(change, operation="DescribeSecurityGroupRules")
    world.respond(evil, benign)
    world.wait(3)
    world.wait(16)
    assert locked(world)


def test_who_changes_tags_in_a_loop_cannot_keep_a_group_open(world: ResponseWorld) -> None:
    body, count = world.open_ssh(WEB), iter(range(10_000))

    def tag(_: object) -> None:
        request = {"Resources": [GROUP], "Tags": [{"Key": "churn", "Value": str(next(count))}]}
        world.world.twin.call(ACCOUNT, REGION, "CreateTags", request)

    world.world.twin.faults.before(tag, operation="DescribeSecurityGroups")
    assert world.one(body).reaction is Reaction.CHANGED
    assert (22, EVERYONE) not in world.shown_ports(WEB)


def test_a_group_that_complies_by_the_time_it_is_locked_is_left_alone(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)

    def mend(_: object) -> None:
        world.world.twin.faults.clear()
        request = {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]}
        world.world.twin.call(ACCOUNT, REGION, "RevokeSecurityGroupIngress", request)

    world.world.twin.faults.before(mend, operation="DescribeSecurityGroups", nth=2)
    response = world.one(body)
    assert "changed meanwhile" in response.done
    assert world.shown_ports(WEB) == [(443, "10.0.0.0/8")]
    assert not world.world.stores.journal.entries()


def test_one_group_that_cannot_be_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    world = with_a_list(tmp_path, EVERYONE)
    other = raw_group({**tcp(22), "IpRanges": [], "PrefixListIds": [{"PrefixListId": LIST}]}, group_id="sg-00000001")
    world.world.put(other)
    body = list_changed(world, AddEntry={"Cidr": EVERYONE, "tag": 1})
    failed: list[str] = []

    def fail(call: Call) -> None:
        if call.params.get("GroupIds") == ["sg-00000001"]:
            failed.append(call.operation)
            raise TwinError("UnauthorizedOperation", "not you")

    world.world.twin.faults.before(fail, operation="DescribeSecurityGroups")
    with pytest.raises(SgComplianceError):
        world.respond(body)
    assert failed
    assert locked(world)


def test_of_very_many_groups_each_gets_a_look_of_its_own(tmp_path: Path) -> None:
    world = with_a_list(tmp_path, EVERYONE)
    for number in range(25):
        raw = {**tcp(22), "IpRanges": [], "PrefixListIds": [{"PrefixListId": LIST}]}
        world.world.put(raw_group(raw, group_id=f"sg-0000{number:04}", GroupName=f"g{number}"))
    world.terms = replace(TERMS, most_groups_per_hour=100)
    (handled,) = world.respond(list_changed(world, AddEntry={"Cidr": EVERYONE, "tag": 1}))
    assert len(handled.responses) == 20
    world.wait(1)
    remediated = {each.place for each in world.world.stores.journal.entries()}
    assert len(remediated) == 26
    close_response_stores()
    close_stores()


def test_what_is_not_shown_at_a_lockdown_is_told_by_itself(world: ResponseWorld) -> None:
    world.policy = bind(
        document(
            prohibit(22, severity="critical"),
            prohibit(3389, severity="critical", rule_id="RDP"),
            real_time_scanning=real_time(EMERGENCY),
            accounts_config=[{"account_id": ACCOUNT, "enforcement_level": "enforce"}],
        )
    )
    shown = world.open_ssh(WEB)
    world.world.clock.sleep(60)
    request = {"GroupId": GROUP, "IpPermissions": [tcp(3389, EVERYONE)]}
    late = world.call("AuthorizeSecurityGroupIngress", request)
    world.world.twin.faults.lag = 30
    world.respond(shown, late)
    assert "RDP" in world.told.texts()
    assert {each.kind for each in world.told.notices} >= {NoticeKind.VIOLATION}


def test_what_may_have_been_hidden_by_our_own_change_is_looked_at_again(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    event = json.loads(world.open_ssh(WEB, "0.0.0.0/1"))
    world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, "0.0.0.0/1")]})
    time = world.world.stores.journal.entries()[0].ended
    assert time is not None
    event["detail"]["eventTime"] = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    response = world.one(json.dumps(event))
    assert response.reaction is Reaction.COMPLIANT
    assert response.look_again is not None


def test_a_rule_that_refers_to_a_list_is_new_when_the_list_grows(tmp_path: Path) -> None:
    world = with_a_list(tmp_path, EVERYONE)
    patterns = {"critical_patterns": [{"pattern": EVERYONE, "protocol": "tcp"}]}
    world.policy = responding_policy(
        severity="medium", real_time_scanning=real_time(EMERGENCY, risky_rule_added=patterns)
    )
    (handled,) = world.respond(list_changed(world, AddEntry={"Cidr": EVERYONE, "tag": 1}))
    assert [each.emergency for each in handled.responses] == [True]
    close_response_stores()
    close_stores()


def test_a_new_group_that_is_opened_in_the_same_batch_settles_first(world: ResponseWorld) -> None:
    request = {"groupName": "web", "groupDescription": "x", "vpcId": "vpc-0a1b2c3d"}
    created = world.told_by_cloudtrail("CreateSecurityGroup", request, {"groupId": GROUP})
    world.respond(created, world.open_ssh(WEB))
    assert (22, EVERYONE) in world.shown_ports(WEB)
    world.wait(11)
    assert locked(world)


def test_each_event_is_heard_as_the_policy_says_of_its_own_kind(world: ResponseWorld) -> None:
    world.policy = responding_policy(
        real_time_scanning=real_time(EMERGENCY, new_security_group_created={"enabled": False})
    )
    request = {"groupName": "web", "groupDescription": "x", "vpcId": "vpc-0a1b2c3d"}
    created = world.told_by_cloudtrail("CreateSecurityGroup", request, {"groupId": GROUP})
    world.respond(created, world.open_ssh(WEB))
    assert locked(world)


def test_a_group_that_is_named_in_another_case_is_the_same(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    event = json.loads(world.open_ssh(WEB))
    del event["detail"]["requestParameters"]["groupId"]
    event["detail"]["requestParameters"]["groupName"] = "WEB"
    event["detail"]["responseElements"] = {"_return": True}
    world.world.twin.faults.lag = 30
    assert world.one(json.dumps(event)).findings


def test_figures_of_an_event_are_published_once(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="critical")
    world.one(world.open_ssh(WEB))
    world.wait(301)
    for name in (
        MetricName.CRITICAL_VIOLATIONS_FOUND,
        MetricName.DETECTION_LATENCY,
        MetricName.REAL_TIME_SCAN_DURATION,
    ):
        assert len(world.figures.of(name)) == 1


def test_an_event_that_was_cut_off_is_held_to_have_brought_about_what_is_found(tmp_path: Path) -> None:
    world = make_response_world(tmp_path, [raw_group(tcp(22, EVERYONE))])
    request = {"groupId": GROUP, "ipPermissions": {}}
    cut_off = world.told_by_cloudtrail("AuthorizeSecurityGroupIngress", request, {"_return": True})
    assert world.one(cut_off).emergency
    close_response_stores()
    close_stores()


def test_an_event_that_comes_often_is_looked_at_again_once(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    body = world.open_ssh(WEB)
    world.world.twin.faults.lag = 20
    world.respond(body, body, body)
    world.world.clock.sleep(3)
    assert len(world.later.come()) == 1


def test_where_changes_are_not_switched_on_nothing_is_tagged_either(world: ResponseWorld) -> None:
    world.terms = replace(TERMS, acting=False)
    world.policy = responding_policy(level="warn")
    body, before = world.open_ssh(WEB), len(world.world.twin.log)
    assert world.one(body).reaction is Reaction.WOULD_CHANGE
    assert world.world.mutations(before) == []


def test_a_group_that_is_opened_again_and_again_is_told_and_looked_at_until_it_can_be_closed(
    world: ResponseWorld,
) -> None:
    for _ in range(3):
        world.one(world.open_ssh(WEB))
        world.world.clock.sleep(600)
    response = world.one(world.open_ssh(WEB))
    assert "something puts its rules back" in response.done
    assert response.look_again is not None
    _wait_until_closed(world, 25 * 3600)


def test_a_thief_of_our_session_who_opens_a_group_right_after_us_is_met(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    world.world.clock.sleep(5)
    (handled,) = world.respond(world.open_ssh(WEB, who=OURS))
    assert handled.notes
    assert locked(world)
    assert NoticeKind.SUSPICION in {each.kind for each in world.told.notices}


def test_a_change_in_our_name_that_is_not_shown_yet_is_looked_at_again(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    body = world.open_ssh(WEB, who=OURS)
    world.world.twin.faults.lag = 20
    world.respond(body)
    world.world.twin.faults.lag = 0
    world.wait(3)
    assert locked(world)


def test_what_others_see_while_a_group_is_read_is_not_taken_for_gone(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="monitor", severity="high")
    (seen,) = world.one(world.open_ssh(WEB)).findings
    world.one(world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]}))
    assert not list(world.history.waiting(Severity))
    harmless = world.open_ssh(WEB, "10.1.0.0/16")

    def others(_: object) -> None:
        world.world.twin.faults.clear()
        world.history.seen([seen], world.world.clock.now())

    world.world.twin.faults.after(others, operation="DescribeNetworkInterfaces")
    world.one(harmless)
    assert [each.id for each in world.history.waiting(Severity)] == [seen.id]
