"""What goes wrong in practice, one day at a time. docs/enforcement.md tells the same days in prose."""

from __future__ import annotations

import errno
import itertools
import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from sg_compliance.enforcement.audit import verify
from sg_compliance.enforcement.guards import Pause
from sg_compliance.enforcement.plan import NotPlanned
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.errors import StoreError
from sg_compliance.model.outcome import Status
from sg_compliance.workflows.apply import Budget, StoppedError
from sg_compliance.workflows.rollback import What
from sg_compliance.workflows.transaction import LEASE
from tests.builders import ACCOUNT, REGION, raw_group, tcp
from tests.world import make_world

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.testing.twin import Call
from tests.crash.days import POLICY, SHELL, later, lock_down, one, shell_group, statuses


def test_a_policy_that_flags_nearly_everything_is_stopped_before_the_first_change(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    places = [world.put(shell_group(group_id=f"sg-{number:08x}")) for number in range(90)]
    plan = replace(world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN), totals={ACCOUNT: 100})
    with pytest.raises(StoppedError, match="90 groups would be changed, at most 25 may be in one run") as stopped:
        list(world.applying(budget=Budget()).apply(plan))
    assert len(stopped.value.problems) == 2
    assert world.mutations() == []
    assert json.loads(next(iter(world.stores.audit.lines())))["event"] == "stopped"
    assert "stopped before its first change" in (tmp_path / "notices.jsonl").read_text()


def test_a_controller_that_puts_the_rule_back_at_once_is_not_fought_for_ever(tmp_path: Path) -> None:
    world, place = one(tmp_path)

    def put_back(_: Call) -> None:
        world.twin.call(
            ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", {"GroupId": place.group_id, "IpPermissions": [SHELL]}
        )

    world.twin.faults.after(put_back, operation="RevokeSecurityGroupIngress")
    (outcome,) = lock_down(world, place)
    assert outcome.status is Status.INCOMPLETE
    assert "adds rules as fast as they are removed" in outcome.reason
    assert world.stores.journal.unfinished() == []


def test_a_pipeline_that_puts_the_rule_back_after_each_run_is_escalated(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    for _ in range(3):
        assert statuses(lock_down(world, place)) == [Status.CHANGED]
        world.put(shell_group())
        later(world, 1)
    found = world.decide(place, POLICY)
    assert isinstance(found, NotPlanned)
    assert "something puts its rules back" in found.reason


def test_a_group_that_was_deleted_since_the_plan_is_gone(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.twin.delete_group_hard(*place)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.GONE
    assert list(world.stores.backups.ids()) == []


def test_a_group_that_was_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.put(shell_group(tcp(443, "10.0.0.0/8")))
    (outcome,) = world.apply(plan)
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "changed since the plan was made")
    assert world.mutations() == []


def test_a_group_that_is_deleted_half_way_is_gone_and_nothing_stays_open(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.after(
        lambda _: world.twin.delete_group_hard(*place), operation="RevokeSecurityGroupIngress", nth=1
    )
    (outcome,) = lock_down(world, place)
    assert outcome.status is Status.GONE
    assert world.stores.journal.unfinished() == []


def test_what_refers_to_a_group_that_is_gone_is_listed_and_the_rest_is_restored(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    friend = world.put(raw_group(group_id="sg-00000001"))
    place = world.put(shell_group(tcp(5432, "sg-00000001"), tcp(443, "10.0.0.0/8"), tcp(444, "10.0.0.0/8")))
    before = {rule.peer: rule.description for rule in world.read(place).rules}
    lock_down(world, place)
    world.twin.delete_group_hard(*friend)
    (outcome,) = world.roll_back(What(group_id=place.group_id))
    assert outcome.status is Status.PARTIAL
    assert [note for note in outcome.notes if note.startswith("not added: tcp 5432 from sg-00000001")]
    assert len(before) - 1 == len({rule.peer for rule in world.read(place).rules})


def test_a_quota_that_became_smaller_leaves_out_what_does_not_fit(tmp_path: Path) -> None:
    world, place = one(tmp_path, *[tcp(port, "10.0.0.0/8") for port in range(100, 110)], quota=8)
    lock_down(world, place)
    (outcome,) = world.roll_back(What(group_id=place.group_id))
    assert outcome.status is Status.PARTIAL
    assert len([note for note in outcome.notes if note.startswith("not added: ")]) == 3
    assert len([rule for rule in world.read(place).rules if rule.direction == "ingress"]) == 8


def test_rollback_makes_room_first_where_the_quota_is_full(tmp_path: Path) -> None:
    world, place = one(tmp_path, *[tcp(port, "10.0.0.0/8") for port in range(100, 103)], quota=4)
    before = world.shown()
    lock_down(world, place)
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.CHANGED]
    assert world.shown() == before


@pytest.mark.parametrize("count", [46, 48, 50])
def test_a_group_with_hardly_a_free_tag_slot_is_remediated_all_the_same(count: int, tmp_path: Path) -> None:
    world, place = one(tmp_path, tags={f"key-{number}": "x" for number in range(count)})
    before = world.shown()
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    assert any("no free tag slot" in note for note in plan.groups[0].notes) == (count > 45)
    assert statuses(world.apply(plan)) == [Status.CHANGED]
    assert len(world.read(place).tags) == min(50, count + 5)
    world.roll_back(What(group_id=place.group_id))
    assert world.shown() == before


def test_tags_that_fill_up_meanwhile_do_not_keep_the_door_open(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.twin.faults.fail("TagLimitExceeded", operation="CreateTags")
    (outcome,) = lock_down(world, place)
    assert outcome.status is Status.CHANGED
    assert any("tags could not be changed" in note for note in outcome.notes)
    assert [rule.from_port for rule in world.read(place).rules] == [65535]


def test_who_may_not_tag_closes_the_door_and_tags_once_it_is_granted(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.deny("ec2:CreateTags")
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.INCOMPLETE
    assert [rule.from_port for rule in world.read(place).rules] == [65535]
    world.twin.faults.clear()
    assert statuses(world.apply(plan)) == [Status.CHANGED]
    assert world.read(place).tag("COMPLIANCE_REMEDIATED") == "true"


@pytest.mark.parametrize("reason", ["s3:PutObject: AccessDenied", "kms:GenerateDataKey: AccessDenied"])
def test_where_no_backup_can_be_written_nothing_is_changed(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)

    def denied(*_: object) -> NoReturn:
        raise StoreError(reason, hint="allow it")

    monkeypatch.setattr(type(world.stores.backups), "put", denied)
    (outcome,) = world.apply(plan)
    assert (outcome.status, outcome.reason, outcome.hint) == (Status.FAILED, reason, "allow it")
    assert world.mutations() == []


def test_a_backup_that_reads_back_differently_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    monkeypatch.setattr(type(world.stores.backups), "get", lambda *_: b"{}")
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.FAILED
    assert "reads back as something else" in outcome.reason
    assert world.mutations() == []


def test_a_full_disk_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            world.apply(plan)
    assert world.mutations() == []
    assert statuses(world.apply(plan)) == [Status.CHANGED]


def test_the_lock_of_a_dead_run_lasts_as_long_as_its_lease(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.stores.journal.lock(place, "run-dead", world.clock.now(), LEASE)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.LOCKED
    assert "run-dead" in outcome.reason
    world.clock.sleep((LEASE + timedelta(seconds=1)).total_seconds())
    assert statuses(world.apply(plan)) == [Status.CHANGED]


def test_credentials_that_expire_half_way_leave_the_rest_to_the_next_run(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    before = world.shown()
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.expire_credentials(from_call=len(world.twin.log) + 5)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.INCOMPLETE
    assert "RequestExpired" in outcome.reason
    world.twin.faults.clear()
    assert statuses(list(world.applying().finish())) == [Status.CHANGED]
    world.roll_back(What(group_id=place.group_id))
    assert world.shown() == before


def test_a_throttling_storm_is_outlasted(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    places = [world.put(shell_group(group_id=f"sg-{number:08x}")) for number in range(12)]
    plan = world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN)
    calls = 0

    def storm(_: Call) -> None:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            from sg_compliance.testing.twin import TwinError  # noqa: PLC0415

            raise TwinError("RequestLimitExceeded", "Request limit exceeded.")

    world.twin.faults.before(storm)
    assert Status.CHANGED not in statuses(world.apply(plan))
    for _ in range(5):
        world.apply(plan)
    world.twin.faults.clear()
    world.apply(plan)
    assert set(statuses(world.apply(plan))) == {Status.UNCHANGED}
    assert all([rule.from_port for rule in world.read(place).rules] == [65535] for place in places)


def test_a_backup_that_somebody_edited_is_refused(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    (outcome,) = lock_down(world, place)
    locked = world.shown()
    (path,) = (tmp_path / "state" / "backups").rglob("*.json")
    path.chmod(0o600)
    path.write_text(path.read_text().replace("0.0.0.0/0", "10.0.0.0/8"))
    (outcome,) = world.roll_back(What(group_id=place.group_id))
    assert outcome.status is Status.FAILED
    assert "does not match its checksum" in outcome.reason
    assert world.shown() == locked


def test_a_rule_that_is_added_meanwhile_is_backed_up_and_comes_back_with_the_rest(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    added = tcp(8443, "198.51.100.0/24", description="just now")

    def add(_: Call) -> None:
        world.twin.call(
            ACCOUNT, REGION, "AuthorizeSecurityGroupIngress", {"GroupId": place.group_id, "IpPermissions": [added]}
        )

    world.twin.faults.after(add, operation="RevokeSecurityGroupIngress", nth=1)
    (outcome,) = lock_down(world, place)
    assert outcome.status is Status.CHANGED
    assert [rule.from_port for rule in world.read(place).rules] == [65535]
    assert world.read(place).tag("COMPLIANCE_BACKUP_ID") == outcome.backup_id
    world.roll_back(What(group_id=place.group_id))
    assert {rule.from_port for rule in world.read(place).rules} == {22, 8443, -1}


def test_a_describe_that_lags_is_waited_for(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.clock.sleep(1000)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.lag = 6
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.CHANGED
    assert world.mutations().count("RevokeSecurityGroupIngress") == 1


def test_a_describe_that_lags_for_minutes_is_said(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    world.clock.sleep(1000)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.lag = 120
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.CHANGED
    assert any("does not show the result yet" in note for note in outcome.notes)
    assert world.mutations().count("RevokeSecurityGroupIngress") == 1


def test_a_pause_stops_runs_and_what_is_resumed(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)
    world.stores.switch.write(Pause("incident 7", "anna", world.clock.now()).encode())
    with pytest.raises(StoppedError, match="paused by anna"):
        world.apply(plan)
    assert world.mutations() == []
    world.stores.switch.write("")
    assert statuses(world.apply(plan)) == [Status.CHANGED]


def test_a_pause_between_two_groups_stops_the_second(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    places = [world.put(shell_group(group_id=f"sg-{number:08x}")) for number in range(2)]
    plan = world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN)
    outcomes = []
    for outcome in world.applying().apply(plan):
        outcomes.append(outcome)
        world.stores.switch.write(Pause("incident 7", "anna", world.clock.now()).encode())
    assert statuses(outcomes) == [Status.CHANGED, Status.REFUSED]


def test_looking_before_applying_makes_no_changing_call_and_keeps_nothing(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    (outcome,) = world.applying().preview(plan)
    assert outcome.status is Status.WOULD_CHANGE
    assert len(outcome.calls) == 4
    assert world.mutations() == []
    assert (list(world.stores.backups.ids()), world.stores.journal.entries()) == ([], [])


def test_stopping_finishes_the_group_in_hand(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    places = [world.put(shell_group(group_id=f"sg-{number:08x}")) for number in range(3)]
    plan = world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN)
    asked = itertools.count()
    outcomes = list(world.applying(stopping=lambda: next(asked) > 0).apply(plan))
    assert statuses(outcomes) == [Status.CHANGED]
    assert world.stores.journal.unfinished() == []


def test_every_change_is_in_the_audit_log_and_people_are_told(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    (outcome,) = lock_down(world, place)
    world.roll_back(What(group_id=place.group_id))
    lines = list(world.stores.audit.lines())
    assert not verify(lines).problems
    assert [json.loads(line)["event"] for line in lines] == ["begun", "remediation", "rollback"]
    notices = (tmp_path / "state" / "notices.jsonl").read_text().splitlines()
    assert len(notices) == 2
    assert f"sg-compliance rollback {outcome.backup_id}" in notices[0]


def test_that_nobody_could_be_told_is_said_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place)

    def failed(*_: object) -> NoReturn:
        raise StoreError("sns:Publish: the topic is gone")

    monkeypatch.setattr(type(world.stores.notifier), "send", failed)
    (outcome,) = world.apply(plan)
    assert outcome.status is Status.CHANGED
    assert any("nobody was told" in note for note in outcome.notes)


def test_a_rollback_can_itself_be_taken_back(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    original = world.shown()
    lock_down(world, place)
    locked = world.shown()
    (outcome,) = world.roll_back(What(group_id=place.group_id))
    assert world.shown() == original
    world.roll_back(What(backup_id=outcome.backup_id))
    assert world.shown() == locked
    world.roll_back(What(group_id=place.group_id))
    assert world.shown() == original


def test_a_remediation_that_was_left_half_done_is_rolled_back_from_the_original(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    original = world.shown()
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    world.twin.faults.fail("InternalError", operation="RevokeSecurityGroupEgress")
    assert statuses(world.apply(plan)) == [Status.INCOMPLETE]
    world.twin.faults.clear()
    assert statuses(world.roll_back(What(group_id=place.group_id))) == [Status.CHANGED]
    assert world.shown() == original
    assert world.stores.journal.unfinished() == []


def test_a_group_that_was_rolled_back_is_held(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    lock_down(world, place)
    world.roll_back(What(group_id=place.group_id))
    held = world.decide(place, POLICY)
    assert isinstance(held, NotPlanned)
    assert "held until" in held.reason
    later(world)
    assert not isinstance(world.decide(place, POLICY), NotPlanned)
