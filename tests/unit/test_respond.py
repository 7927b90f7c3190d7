"""From an event to a closed group: judged, locked, told, looked at again, held, and never twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.enforcement.guards import Pause
from sg_compliance.errors import AwsError, SgComplianceError
from sg_compliance.model.finding import Severity
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.metric import MetricName
from sg_compliance.model.notice import NoticeKind
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.record import Change, Skipped, SkipReason
from sg_compliance.realtime.response import Reaction
from sg_compliance.realtime.second_look import SecondLook
from sg_compliance.workflows.rollback import What
from tests.builders import ACCOUNT, EVERYONE, REGION, raw_group, tcp
from tests.response_world import (
    EMERGENCY,
    GROUP,
    IMMEDIATE,
    LIST,
    MALLORY,
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

    from sg_compliance.policy.resolve import Policy
    from tests.builders import Json


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ResponseWorld]:
    yield make_response_world(tmp_path)
    close_response_stores()
    close_stores()


def test_open_ssh_is_locked_down_tagged_and_told_with_who_did_it_and_how_to_undo_it(world: ResponseWorld) -> None:
    response = world.one(world.open_ssh(WEB))
    assert (response.reaction, response.emergency) == (Reaction.CHANGED, True)
    assert locked(world)
    (notice,) = world.told.notices
    assert (notice.kind, notice.severity) == (NoticeKind.REMEDIATION, Severity.CRITICAL)
    assert notice.subject.startswith("EMERGENCY")
    entry = world.world.stores.journal.entries()[0]
    for said in (MALLORY.arn, MALLORY.source_ip, f"sg-compliance rollback {entry.backup_id}", "#security", "RULE"):
        assert said in notice.text
    assert world.figures.of(MetricName.EMERGENCY_REMEDIATIONS_PERFORMED) == [1.0]
    assert len(world.figures.of(MetricName.CONTAINMENT_LATENCY)) == 1
    assert not list(world.history.waiting(Severity))


def test_what_this_tool_did_itself_is_passed_over_and_found_in_the_journal(world: ResponseWorld) -> None:
    before = len(world.world.twin.log)
    world.one(world.open_ssh(WEB))
    own = world.own_events(before + 1)
    assert own
    calls = len(world.world.twin.log)
    for handled in world.respond(*own):
        assert isinstance(handled.read, Skipped)
        assert handled.read.reason in {SkipReason.OWN_CHANGE, SkipReason.UNSUPPORTED}
        assert not handled.notes
        assert not handled.responses
    assert len(world.world.twin.log) == calls
    assert len(world.told.notices) == 1


def test_a_change_in_our_name_that_is_not_in_the_journal_alarms(world: ResponseWorld) -> None:
    (handled,) = world.respond(world.open_ssh(WEB, who=OURS))
    assert handled.notes
    assert [(each.kind, each.severity) for each in world.told.notices] == [
        (NoticeKind.REMEDIATION, Severity.CRITICAL),
        (NoticeKind.SUSPICION, Severity.CRITICAL),
    ]
    assert locked(world)


def test_a_stranger_in_our_role_is_told_of_and_its_change_is_judged_all_the_same(world: ResponseWorld) -> None:
    thief = OURS._replace(arn=OURS.arn.replace("/sg-compliance", "/thief"))
    thief = thief._replace(arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sg-compliance-remediate/thief")
    (handled,) = world.respond(world.open_ssh(WEB, who=thief))
    assert handled.notes
    assert locked(world)
    assert {each.kind for each in world.told.notices} == {NoticeKind.SUSPICION, NoticeKind.REMEDIATION}


@pytest.mark.parametrize(
    ("policy", "reaction", "why"),
    [
        (responding_policy(level="monitor"), Reaction.REPORTED, "enforcement_level 'monitor'"),
        (responding_policy(level="disabled"), Reaction.NOT_WATCHED, "does not watch"),
        (responding_policy(severity="high"), Reaction.CHANGED, ""),
        (responding_policy({}), Reaction.CHANGED, ""),
        (responding_policy(real_time_scanning={"enabled": False}), Reaction.NOT_WATCHED, "enabled is false"),
        (
            responding_policy(real_time_scanning=real_time(EMERGENCY, risky_rule_added={"immediate_scan": False})),
            Reaction.NOT_WATCHED,
            "risky_rule_added.immediate_scan is false",
        ),
    ],
)
def test_the_policy_decides_how_far_it_goes(world: ResponseWorld, policy: Policy, reaction: Reaction, why: str) -> None:
    world.policy = policy
    before = world.shown_ports(WEB)
    response = world.one(world.open_ssh(WEB))
    if reaction is Reaction.CHANGED:  # tagged, as a warning: no key lets it be remediated
        assert world.world.read(WEB).tag("COMPLIANCE_STATUS") == "NON_COMPLIANT"
        assert world.world.read(WEB).tag("COMPLIANCE_REMEDIATED") is None
    else:
        assert why in response.done
    assert response.reaction is reaction
    assert world.shown_ports(WEB) == [*[(22, EVERYONE)], *before]


def test_dry_run_makes_no_changing_call_and_says_what_it_would_do(world: ResponseWorld) -> None:
    world.terms = replace(TERMS, dry_run=True)
    body, before = world.open_ssh(WEB), len(world.world.twin.log)
    response = world.one(body)
    assert response.reaction is Reaction.WOULD_CHANGE
    assert world.world.mutations(before) == []
    (notice,) = world.told.notices
    assert "dry run: would be changed (lockdown)" in notice.text
    assert not world.world.stores.journal.entries()


def test_where_remediation_is_not_switched_on_people_are_told_and_nothing_is_changed(world: ResponseWorld) -> None:
    world.terms = replace(TERMS, acting=False)
    response = world.one(world.open_ssh(WEB))
    assert response.reaction is Reaction.WOULD_CHANGE
    assert "not switched on" in response.done
    assert (22, EVERYONE) in world.shown_ports(WEB)


def test_an_event_that_comes_twice_acts_and_tells_once(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    world.one(body)
    again = world.one(body)
    assert again.reaction is Reaction.COMPLIANT
    assert len(world.told.notices) == 1
    assert len(world.world.stores.journal.entries()) == 1


def test_two_hundred_events_for_one_group_are_one_look_and_one_change(world: ResponseWorld) -> None:
    bodies = [world.open_ssh(WEB, f"203.0.113.{number}/32") for number in range(40)] + [world.open_ssh(WEB)]
    bodies += [bodies[-1]] * 159
    before = len(world.world.twin.log)
    handled = world.respond(*bodies)
    assert len(handled) == 200
    assert locked(world)
    operations = [each.operation for each in world.world.twin.log[before:]]
    assert operations.count("DescribeNetworkInterfaces") == 2  # to judge, and in the transaction
    assert len(operations) < 16
    assert [each.kind for each in world.told.notices].count(NoticeKind.REMEDIATION) == 1


def test_events_out_of_order_end_in_the_same_state(world: ResponseWorld) -> None:
    opened = world.open_ssh(WEB)
    world.world.clock.sleep(2)
    closed = world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    first = world.one(closed)
    assert first.reaction is Reaction.COMPLIANT
    second = world.one(opened)
    assert second.look_again is not None
    for _ in range(12):
        world.wait(61)
    assert world.shown_ports(WEB) == [(443, "10.0.0.0/8")]
    assert not list(world.history.waiting(Severity))
    assert world.later.next_at() is None
    assert not world.world.stores.journal.entries()


def test_in_one_batch_a_rule_that_was_removed_since_is_not_missed(world: ResponseWorld) -> None:
    opened = world.open_ssh(WEB)
    world.world.clock.sleep(2)
    closed = world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    for handled in world.respond(closed, opened):
        assert handled.responses[0].reaction is Reaction.COMPLIANT
    assert world.later.next_at() is None
    assert not world.told.notices


def test_a_rule_that_aws_does_not_show_yet_is_told_at_once_and_closed_once_it_is_shown(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    body = world.open_ssh(WEB)
    world.world.twin.faults.lag = 20
    response = world.one(body)
    assert response.reaction is Reaction.REPORTED
    assert "does not show all rules yet" in response.done
    assert [each.kind for each in world.told.notices] == [NoticeKind.VIOLATION]
    assert world.world.read(WEB).tag("COMPLIANCE_STATUS") is None
    world.world.twin.faults.lag = 0
    (handled,) = world.wait(3)
    assert handled.responses[0].reaction is Reaction.CHANGED
    assert locked(world)


def test_what_aws_does_not_show_for_long_is_believed_in_the_end(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    body = world.open_ssh(WEB)
    world.world.twin.faults.lag = 10_000
    world.one(body)
    looks = 0
    while world.later.next_at() is not None:
        looks += len(world.wait(61))
        assert looks < 12
    assert not world.world.stores.journal.entries()


def test_a_grace_period_is_waited_for_and_counted_from_the_first_look(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="high")
    first = world.one(world.open_ssh(WEB))
    assert first.reaction is Reaction.CHANGED  # tagged
    assert first.look_again is not None
    early = world.wait(200)
    assert not early
    (handled,) = world.wait(101)
    assert handled.responses[0].reaction is Reaction.CHANGED
    assert (22, EVERYONE) not in world.shown_ports(WEB)
    assert world.world.read(WEB).tag("COMPLIANCE_EMERGENCY") is None


def test_a_second_look_is_called_off_by_a_group_that_complies(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="high")
    world.one(world.open_ssh(WEB))
    closed = world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    world.one(closed)
    assert world.world.read(WEB).tag("COMPLIANCE_STATUS") is None
    (handled,) = world.wait(301)
    assert handled.responses[0].reaction is Reaction.COMPLIANT
    assert not [each for each in world.world.stores.journal.entries() if each.kind is EntryKind.REMEDIATION]


def test_a_forged_second_look_does_not_shorten_the_grace_period(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="high")
    event = world.open_ssh(WEB)
    world.one(event)
    forged = {
        "schema": "sg-compliance/second-look",
        "version": 1,
        **WEB._asdict(),
        "received": "2020-01-01T00:00:00Z",
        "due": "2020-01-01T00:00:00Z",
        "attempt": 3,
        "event": json.loads(event),
    }
    response = world.one(json.dumps(forged))
    assert "grace_period_minutes (5) has not passed" in response.done
    assert (22, EVERYONE) in world.shown_ports(WEB)


def test_after_a_rollback_the_group_is_held_and_left_alone(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    backup = world.world.stores.journal.entries()[0].backup_id
    world.world.roll_back(What(backup))
    assert (22, EVERYONE) in world.shown_ports(WEB)
    world.world.clock.sleep(600)
    world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    response = world.one(world.open_ssh(WEB))
    assert response.reaction is Reaction.REPORTED
    assert "held until" in response.done
    assert (22, EVERYONE) in world.shown_ports(WEB)


def test_the_pause_switch_stops_real_time_too(world: ResponseWorld) -> None:
    world.world.stores.switch.write(Pause("deploy", "alice", world.world.clock.now()).encode())
    response = world.one(world.open_ssh(WEB))
    assert "paused" in response.done
    assert (22, EVERYONE) in world.shown_ports(WEB)
    assert "paused" in world.told.texts()


def test_a_protected_group_is_told_of_and_left_alone(tmp_path: Path) -> None:
    world = make_response_world(tmp_path, [raw_group(tags={"sg-compliance:protect": "true"})])
    response = world.one(world.open_ssh(WEB))
    assert "protected" in response.done
    assert (22, EVERYONE) in world.shown_ports(WEB)
    assert world.told.notices
    close_response_stores()
    close_stores()


def test_a_new_group_is_judged_at_once_and_changed_at_the_second_look(tmp_path: Path) -> None:
    policy = responding_policy(
        real_time_scanning=real_time({}, new_security_group_created={"auto_remediate_critical": True})
    )
    world = make_response_world(tmp_path, [raw_group(tcp(22, EVERYONE))], policy)
    request = {"groupName": "web", "groupDescription": "x", "vpcId": "vpc-0a1b2c3d"}
    response = world.one(world.told_by_cloudtrail("CreateSecurityGroup", request, {"groupId": GROUP}))
    assert response.reaction is Reaction.WOULD_CHANGE
    assert "second look" in response.done
    assert len(world.told.notices) == 1
    (handled,) = world.wait(11)
    assert handled.responses[0].reaction is Reaction.CHANGED
    close_response_stores()
    close_stores()


def test_a_group_that_is_not_there_yet_is_looked_at_again_and_then_let_go(world: ResponseWorld) -> None:
    request: Json = {"groupId": "sg-0a1b2c3d4e5f60718", "ipPermissions": {}, "cidrIp": EVERYONE, "ipProtocol": "tcp"}
    request |= {"fromPort": 22, "toPort": 22}
    response = world.one(world.told_by_cloudtrail("AuthorizeSecurityGroupIngress", request, {"_return": True}))
    assert response.reaction is Reaction.LOOK_AGAIN
    for _ in range(12):
        world.wait(61)
    assert world.later.next_at() is None


def test_poison_goes_to_the_dead_letters_and_the_rest_of_the_batch_is_handled(world: ResponseWorld) -> None:
    stranger = json.loads(world.open_ssh(WEB, "203.0.113.0/24"))
    stranger["account"] = stranger["detail"]["recipientAccountId"] = "999999999999"
    world.ours = replace(world.ours, accounts=frozenset({ACCOUNT}))
    bad, other, good = world.respond("{", json.dumps(stranger), world.open_ssh(WEB))
    assert (bad.read, other.read) == (None, None)
    assert isinstance(good.read, Change)
    assert [reason for _, reason in world.rejected.letters] == [bad.rejected, other.rejected]
    assert "none of ours" in other.rejected
    assert locked(world)
    assert world.figures.of(MetricName.EVENTS_REJECTED) == [1.0, 1.0]


def test_an_event_from_the_future_is_rejected(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    world.world.clock.sleep(-3600)
    (handled,) = world.respond(body)
    assert "future" in handled.rejected


def test_throttling_has_the_message_come_again_and_nothing_is_lost(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    world.world.twin.faults.fail("RequestLimitExceeded", operation="DescribeSecurityGroups")
    with pytest.raises(SgComplianceError):
        world.one(body)
    world.world.twin.faults.clear()
    (handled,) = world.respond(body)
    assert handled.responses[0].reaction is Reaction.CHANGED
    assert locked(world)


def test_what_a_killed_function_has_begun_is_finished_by_whoever_comes_next(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)

    def kill(_: object) -> None:
        raise KeyboardInterrupt

    world.world.twin.faults.before(kill, operation="RevokeSecurityGroupIngress")
    with pytest.raises(KeyboardInterrupt):
        world.one(body)
    world.world.twin.faults.clear()
    assert world.world.stores.journal.unfinished()
    world.world.clock.sleep(90)
    received = world.received(body, again=True)
    batch = world.responding().batch([received])
    batch.handle(received.id)
    assert locked(world)
    assert not world.world.stores.journal.unfinished()
    (entry,) = world.world.stores.journal.entries()
    assert entry.kind is EntryKind.REMEDIATION


def test_what_a_killed_function_has_closed_is_ended_and_told_though_its_lock_still_stands(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)

    def kill(_: object) -> None:
        raise KeyboardInterrupt

    world.world.twin.faults.after(kill, operation="RevokeSecurityGroupIngress")
    with pytest.raises(KeyboardInterrupt):
        world.one(body)
    world.world.twin.faults.clear()
    world.world.stores.journal.lock(WEB, "the killed run", world.world.clock.now(), timedelta(minutes=1))
    world.world.clock.sleep(20)
    received = world.received(body, again=True)
    world.responding().batch([received]).handle(received.id)
    for _ in range(6):
        world.wait(16)
    assert locked(world)
    assert not world.world.stores.journal.unfinished()
    assert [each.kind.value for each in world.told.notices] == ["remediation"]


def test_while_another_run_has_the_group_it_is_looked_at_again(world: ResponseWorld) -> None:
    journal, clock = world.world.stores.journal, world.world.clock
    lock = journal.lock(WEB, "somebody", clock.now(), timedelta(minutes=5))
    response = world.one(world.open_ssh(WEB))
    assert "locked" in response.done
    journal.unlock(lock)
    (handled,) = world.wait(16)
    assert handled.responses[0].reaction is Reaction.CHANGED
    assert locked(world)


def test_where_nobody_can_be_told_the_message_comes_again(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="monitor")
    body = world.open_ssh(WEB)
    world.told.failure = AwsError("SNS is away")
    with pytest.raises(AwsError):
        world.one(body)
    world.told.failure = None
    world.one(body)
    world.one(body)
    assert len(world.told.notices) == 1


def test_a_finding_that_comes_back_is_told_again(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="monitor")
    world.one(world.open_ssh(WEB))
    world.world.clock.sleep(400)
    world.one(world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]}))
    world.world.clock.sleep(400)
    world.one(world.open_ssh(WEB))
    assert len(world.told.notices) == 2


def test_what_was_closed_is_a_new_finding_when_it_is_opened_again_and_told_where_it_is_left_alone(
    world: ResponseWorld,
) -> None:
    world.one(world.open_ssh(WEB))
    world.world.roll_back(What(world.world.stores.journal.entries()[0].backup_id))
    world.told.notices.clear()
    world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]})
    assert world.one(world.open_ssh(WEB)).reaction is Reaction.REPORTED
    assert [each.kind.value for each in world.told.notices] == ["violation"]
    assert "held until" in world.told.texts()


def test_no_more_groups_than_the_budget_of_an_hour_are_locked(tmp_path: Path) -> None:
    ids = [f"sg-0a1b2c3{number}" for number in range(3)]
    world = make_response_world(tmp_path, [raw_group(group_id=each) for each in ids])
    world.terms = replace(TERMS, most_groups_per_hour=2)
    places = [Place(ACCOUNT, REGION, each) for each in ids]
    responses = [world.one(world.open_ssh(place)) for place in places]
    assert [each.reaction for each in responses] == [Reaction.CHANGED, Reaction.CHANGED, Reaction.WOULD_CHANGE]
    assert "at most 2" in responses[2].done
    assert "at most 2" in world.told.texts()
    close_response_stores()
    close_stores()


def test_a_principal_that_changes_too_much_is_told_of(world: ResponseWorld) -> None:
    bodies = [world.open_ssh(WEB, f"10.0.{number}.0/24") for number in range(11)]
    handled = world.respond(*bodies)
    assert sum(len(each.verdicts) for each in handled) == 1
    (notice,) = world.told.notices
    assert notice.kind is NoticeKind.SUSPICION
    assert "11 operations within a minute, more than 10" in notice.text
    assert world.figures.of(MetricName.MASS_OPERATIONS_DETECTED) == [1.0]


def test_a_prefix_list_change_judges_every_group_that_refers_to_it(tmp_path: Path) -> None:
    lists = {"PrefixListIds": [{"PrefixListId": LIST}]}
    groups = [
        raw_group({**tcp(22), "IpRanges": [], **lists}, group_id="sg-0a1b2c31"),
        raw_group({**tcp(22), "IpRanges": [], **lists}, group_id="sg-0a1b2c32"),
        raw_group(tcp(443, "10.0.0.0/8"), group_id="sg-0a1b2c33"),
    ]
    world = make_response_world(tmp_path, [])
    world.world.twin.put_prefix_list(
        ACCOUNT,
        REGION,
        {"PrefixListId": LIST, "PrefixListName": "x", "MaxEntries": 5, "AddressFamily": "IPv4"},
        [EVERYONE],
    )
    for raw in groups:
        world.world.put(raw)
    request = {"PrefixListId": LIST, "AddEntry": {"Cidr": EVERYONE, "tag": 1}}
    answer = {"ModifyManagedPrefixListResponse": {"prefixList": {"state": "modify-in-progress"}}}
    event = world.told_by_cloudtrail("ModifyManagedPrefixList", {"ModifyManagedPrefixListRequest": request}, answer)
    (handled,) = world.respond(event)
    assert {each.place.group_id: each.reaction for each in handled.responses} == {
        "sg-0a1b2c31": Reaction.CHANGED,
        "sg-0a1b2c32": Reaction.CHANGED,
    }
    close_response_stores()
    close_stores()


def test_an_emergency_does_what_its_lockdown_mode_says(world: ResponseWorld) -> None:
    mode = {"remove_all_rules": False, "add_dummy_rule": False, "tag_as_emergency": False}
    emergency = {"emergency_remediation": {"enabled": True, "lockdown_mode": mode}}
    actions = {"remediation_settings": {"strategy": "revoke_violating"}}
    world.policy = responding_policy(emergency, compliance_actions=actions)
    world.one(world.open_ssh(WEB))
    assert world.shown_ports(WEB) == [(443, "10.0.0.0/8")]
    assert world.world.read(WEB).tag("COMPLIANCE_EMERGENCY") is None
    assert world.told.notices[0].severity is Severity.CRITICAL


def test_an_account_that_only_warns_has_no_emergencies(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="warn")
    response = world.one(world.open_ssh(WEB))
    assert not response.emergency
    assert world.world.read(WEB).tag("COMPLIANCE_STATUS") == "NON_COMPLIANT"
    assert world.world.read(WEB).tag("COMPLIANCE_EMERGENCY") is None


@pytest.mark.parametrize(
    "quiet",
    [
        responding_policy(
            accounts_config=[
                {"account_id": ACCOUNT, "enforcement_level": "monitor", "actions": {"send_notifications": False}}
            ]
        ),
        responding_policy(
            level="monitor",
            real_time_scanning=real_time(EMERGENCY, risky_rule_added={"notify_on_violations": False}),
        ),
        responding_policy(level="monitor", severity="high"),  # in the digest of the hour
    ],
)
def test_who_is_not_to_be_told_at_once_is_not(world: ResponseWorld, quiet: Policy) -> None:
    world.policy = quiet
    response = world.one(world.open_ssh(WEB))
    assert response.findings
    assert not world.told.notices
    assert [each.rule_id for each in world.history.waiting(Severity)] == ["RULE"]


def test_a_group_that_was_deleted_is_forgotten(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="monitor", severity="high")
    world.one(world.open_ssh(WEB))
    assert list(world.history.waiting(Severity))
    response = world.one(world.call("DeleteSecurityGroup", {"GroupId": GROUP}))
    assert response.reaction is Reaction.GONE
    assert world.later.next_at() is None
    assert not list(world.history.waiting(Severity))


def test_a_finding_that_is_gone_is_forgotten(world: ResponseWorld) -> None:
    world.policy = responding_policy(level="monitor", severity="high")
    world.one(world.open_ssh(WEB))
    world.world.clock.sleep(10)
    world.one(world.call("RevokeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]}))
    assert not list(world.history.waiting(Severity))


def test_a_change_that_is_refused_has_the_message_come_again_and_is_told_once(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    world.world.twin.faults.deny("RevokeSecurityGroupIngress")
    with pytest.raises(SgComplianceError, match="RevokeSecurityGroupIngress"):
        world.one(body)
    assert len(world.told.notices) == 1
    assert (22, EVERYONE) in world.shown_ports(WEB)
    world.world.twin.faults.clear()
    world.world.clock.sleep(90)
    received = world.received(body, again=True)
    world.responding().batch([received]).handle(received.id)
    assert locked(world)
    assert not world.world.stores.journal.unfinished()


def test_what_people_take_back_is_not_finished_by_an_event(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    backup = world.world.stores.journal.entries()[0].backup_id
    world.world.twin.faults.deny("AuthorizeSecurityGroupIngress")
    world.world.roll_back(What(backup))
    world.world.twin.faults.clear()
    left = world.world.stores.journal.unfinished()
    assert [each.kind for each in left] == [EntryKind.ROLLBACK]
    world.world.clock.sleep(90)
    world.respond(world.open_ssh(WEB, "203.0.113.0/24"))
    assert world.world.stores.journal.unfinished() == left


def test_each_role_session_is_counted_and_all_sessions_of_the_role_together(world: ResponseWorld) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    bodies = []
    for number in range(11):
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/s{number}"
        who = MALLORY._replace(arn=session, role_arn=role, unique_id=f"AROAEXAMPLE:s{number}")
        bodies.append(world.open_ssh(WEB, f"10.0.{number}.0/24", who=who))
    verdicts = [verdict for handled in world.respond(*bodies) for verdict in handled.verdicts]
    assert [each.principal for each in verdicts] == [role]


def test_refused_calls_are_counted_and_calls_that_change_no_group_are_not(world: ResponseWorld) -> None:
    nowhere = Place(ACCOUNT, REGION, "sg-0a1b2c3d4e5f60718")
    refused = [world.open_ssh(nowhere) for _ in range(11)]
    verdicts = [verdict for handled in world.respond(*refused) for verdict in handled.verdicts]
    assert [each.failed for each in verdicts] == [11]
    runs = [
        world.told_by_cloudtrail("RunInstances", {}, {"instancesSet": {"items": [{"groupSet": {"items": []}}]}})
        for _ in range(30)
    ]
    assert not [verdict for handled in world.respond(*runs) for verdict in handled.verdicts]


def test_mass_operations_are_counted_and_told_as_the_policy_says(world: ResponseWorld) -> None:
    for settings, verdicts in (({"enabled": False}, 0), ({"notify_security_team": False}, 1)):
        world.policy = responding_policy(real_time_scanning=real_time({}, mass_operations_detected=settings))
        bodies = [world.open_ssh(WEB, f"10.0.{number}.0/24") for number in range(11)]
        found = [verdict for handled in world.respond(*bodies) for verdict in handled.verdicts]
        assert len(found) == verdicts
        world.world.clock.sleep(3 * 3600)
        for number in range(11):
            world.call(
                "RevokeSecurityGroupIngress",
                {"GroupId": GROUP, "IpPermissions": [tcp(22, f"10.0.{number}.0/24")]},
            )
    assert not [each for each in world.told.notices if each.kind is NoticeKind.SUSPICION]


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_change_in_our_name_long_before_or_after_ours_alarms(world: ResponseWorld, seconds: float) -> None:
    world.world.clock.sleep(3600)
    world.one(world.open_ssh(WEB))
    assert len(world.told.notices) == 1
    world.world.clock.sleep(seconds)
    body = world.open_ssh(WEB, "203.0.113.0/24", who=OURS)
    world.world.clock.sleep(-seconds)
    (handled,) = world.respond(body)
    assert handled.notes


def test_a_change_in_our_name_in_another_region_alarms(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    event = json.loads(world.open_ssh(WEB, "203.0.113.0/24", who=OURS))
    event["region"] = event["detail"]["awsRegion"] = "eu-central-1"
    (handled,) = world.respond(json.dumps(event))
    assert handled.notes


def test_a_second_look_that_comes_early_waits_on(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="high")
    world.one(world.open_ssh(WEB))
    world.world.clock.sleep(301)
    (look,) = world.later.come()
    calls = len(world.world.twin.log)
    (handled,) = world.respond(replace(look, due=look.due + timedelta(hours=1)).encode())
    assert handled.responses == ()
    assert len(world.world.twin.log) == calls
    assert world.later.next_at() is not None


def test_a_second_look_counts_no_operation(world: ResponseWorld) -> None:
    world.policy = responding_policy(IMMEDIATE, severity="high")
    for number in range(10):
        world.one(world.open_ssh(WEB, f"10.0.{number}.0/24"))
    world.one(world.open_ssh(Place(ACCOUNT, REGION, GROUP), EVERYONE, who=OURS._replace(arn=OURS.arn + "x")))
    (look, *_) = _looks(world)
    event = dict(look.event)
    assert event
    handled = world.respond(look.encode(), look.encode())
    assert [each.verdicts for each in handled] == [(), ()]


def _looks(world: ResponseWorld) -> list[SecondLook]:
    world.world.clock.sleep(301)
    return world.later.come()


def test_a_second_look_at_a_group_that_the_event_cannot_have_touched_is_rejected(world: ResponseWorld) -> None:
    event = json.loads(world.open_ssh(WEB))
    now = world.world.clock.now()
    elsewhere = (Place("999999999999", REGION, GROUP), Place(ACCOUNT, "eu-central-1", GROUP))
    for place in (*elsewhere, Place(ACCOUNT, REGION, "sg-00000001")):
        (handled,) = world.respond(SecondLook(place, now, now, 1, event).encode())
        assert "can have touched" in handled.rejected


def test_an_entry_that_a_list_does_not_show_yet_is_told_at_once_and_looked_for_again(tmp_path: Path) -> None:
    world = with_a_list(tmp_path, "10.0.0.0/8")
    response = world.one(list_changed(world, AddEntry={"Cidr": EVERYONE, "tag": 1}))
    assert [each.rule_id for each in response.findings] == ["RULE"]
    assert response.reaction is Reaction.REPORTED
    assert len(world.told.notices) == 1
    raw = {"PrefixListId": LIST, "PrefixListName": "x", "MaxEntries": 5, "AddressFamily": "IPv4"}
    world.world.twin.put_prefix_list(ACCOUNT, REGION, raw, [EVERYONE])
    (handled,) = world.wait(3)
    assert handled.responses[0].reaction is Reaction.CHANGED
    close_response_stores()
    close_stores()


def test_after_an_event_that_does_not_say_what_was_added_the_group_is_looked_at_for_a_while(tmp_path: Path) -> None:
    world = with_a_list(tmp_path, "10.0.0.0/8")
    answer = {"RestoreManagedPrefixListVersionResponse": {"prefixList": {"prefixListId": LIST}}}
    asked = {"RestoreManagedPrefixListVersionRequest": {"PrefixListId": LIST, "PreviousVersion": 1}}
    response = world.one(world.told_by_cloudtrail("RestoreManagedPrefixListVersion", asked, answer))
    assert response.reaction is Reaction.COMPLIANT
    looks = 0
    while world.later.next_at() is not None:
        looks += len(world.wait(61))
        assert looks < 10
    assert looks == 6
    close_response_stores()
    close_stores()


def test_a_prefix_list_that_others_refer_to_is_looked_at_in_our_accounts_only(world: ResponseWorld) -> None:
    world.ours = replace(world.ours, accounts=frozenset({ACCOUNT}))
    world.world.twin.put_prefix_list(
        ACCOUNT,
        REGION,
        {"PrefixListId": LIST, "PrefixListName": "x", "MaxEntries": 5, "AddressFamily": "IPv4"},
        [EVERYONE],
    )
    foreign = raw_group(
        {**tcp(22), "IpRanges": [], "PrefixListIds": [{"PrefixListId": LIST}]},
        group_id="sg-0a1b2c99",
        account="999999999999",
    )
    world.world.twin.put_group("999999999999", REGION, foreign)
    request = {"PrefixListId": LIST, "AddEntry": {"Cidr": EVERYONE, "tag": 1}}
    answer = {"ModifyManagedPrefixListResponse": {"prefixList": {"state": "modify-in-progress"}}}
    event = world.told_by_cloudtrail("ModifyManagedPrefixList", {"ModifyManagedPrefixListRequest": request}, answer)
    (handled,) = world.respond(event)
    assert handled.responses == ()


def test_an_emergency_leaves_nothing_behind_where_no_dummy_rule_is_wanted(world: ResponseWorld) -> None:
    emergency = {"emergency_remediation": {"enabled": True, "lockdown_mode": {"add_dummy_rule": False}}}
    world.policy = responding_policy(emergency)
    world.one(world.open_ssh(WEB))
    assert world.world.read(WEB).rules == ()


def test_a_critical_pattern_makes_a_new_rule_an_emergency(world: ResponseWorld) -> None:
    patterns = {"critical_patterns": [{"pattern": EVERYONE, "protocol": "tcp"}]}
    world.policy = responding_policy(
        severity="medium", real_time_scanning=real_time(EMERGENCY, risky_rule_added=patterns)
    )
    assert world.one(world.open_ssh(WEB)).emergency
    assert locked(world)


def test_every_rule_that_is_not_shown_is_looked_for_again(world: ResponseWorld) -> None:
    world.world.clock.sleep(60)
    bodies = [world.open_ssh(WEB), world.open_ssh(WEB, "203.0.113.0/24")]
    world.world.twin.faults.lag = 20
    world.respond(*bodies)
    world.world.clock.sleep(3)
    assert len(world.later.come()) == 2


def test_nobody_looks_for_longer_than_is_wanted(world: ResponseWorld) -> None:
    world.terms = replace(TERMS, look_again_for=timedelta(seconds=30))
    world.world.clock.sleep(60)
    body = world.open_ssh(WEB)
    world.world.twin.faults.lag = 10_000
    world.one(body)
    begun = world.world.clock.now()
    while (due := world.later.next_at()) is not None:
        world.wait(max((due - world.world.clock.now()).total_seconds(), 0.1))
    assert world.world.clock.now() - begun < timedelta(seconds=65)


def test_what_this_tool_is_refused_is_not_counted_as_an_attack(world: ResponseWorld) -> None:
    nowhere = Place(ACCOUNT, REGION, "sg-0a1b2c3d4e5f60718")
    refused = [world.open_ssh(nowhere, who=OURS) for _ in range(11)]
    assert not [verdict for handled in world.respond(*refused) for verdict in handled.verdicts]


def test_an_event_with_a_rule_that_cannot_be_read_is_looked_at_again(world: ResponseWorld) -> None:
    event = json.loads(world.open_ssh(WEB, "203.0.113.0/24"))
    items = event["detail"]["requestParameters"]["ipPermissions"]["items"]
    items[0]["toPort"] = -70000
    event["detail"]["responseElements"] = {"_return": True}
    response = world.one(json.dumps(event))
    assert response.look_again is not None
