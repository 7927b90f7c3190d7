"""Who acts in our name, what of it is ours, and who is held back: told once, and never by what was long ago."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.errors import RejectedEventError, SgComplianceError, StoreError
from sg_compliance.model.notice import NoticeKind
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.cloudtrail import parse
from sg_compliance.realtime.record import Change, Skipped
from sg_compliance.workflows.counting import Counting
from sg_compliance.workflows.rollback import What
from tests.builders import ACCOUNT, EVERYONE, REGION, all_traffic, raw_group, tcp
from tests.event_builders import MODIFY_LIST
from tests.response_world import (
    EMERGENCY,
    MALLORY,
    OURS,
    ResponseWorld,
    close_response_stores,
    make_response_world,
    real_time,
    responding_policy,
)
from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.realtime.verdict import Verdict

GROUP = "sg-0a1b2c3d"
WEB = Place(ACCOUNT, REGION, GROUP)
NOWHERE = Place(ACCOUNT, REGION, "sg-0a1b2c3d4e5f60718")
LIST = "pl-0a1b2c3d4e5f60718"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ResponseWorld]:
    yield make_response_world(tmp_path)
    close_response_stores()
    close_stores()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[ResponseWorld]:
    """Nothing is changed here: what is told is told by counting alone, once group findings are left out."""
    yield make_response_world(tmp_path, policy=responding_policy(level="monitor"))
    close_response_stores()
    close_stores()


@dataclass
class Holding:
    """Holds nobody back; fails as often as it is told to."""

    failures: int = 0
    asked: list[Verdict] = field(default_factory=list)

    def contain(self, verdict: Verdict, record: Change | Skipped) -> str:
        del record
        self.asked.append(verdict)
        if self.failures:
            self.failures -= 1
            raise StoreError("the table is damaged")
        return "blocked until noon"


def counting(world: ResponseWorld) -> Counting:
    return Counting(
        windows=world.windows,
        stores=replace(world.world.stores, notifier=world.told),
        metrics=world.figures,
        clock=world.world.clock,
        document=world.policy.document,
        containing=world.containing,
    )


def read(world: ResponseWorld, body: str) -> Change | Skipped:
    return parse(json.loads(body), world.ours)


def suspicions(world: ResponseWorld) -> list[str]:
    return [each.subject for each in world.told.notices if each.kind is NoticeKind.SUSPICION]


def own_changes(world: ResponseWorld, since: int) -> list[Skipped]:
    found = [read(world, body) for body in world.own_events(since)]
    return [each for each in found if isinstance(each, Skipped) and each.change]


# ---- what is ours ----


def test_a_thief_in_the_minutes_of_our_change_is_not_vouched_for(world: ResponseWorld) -> None:
    world.one(world.open_ssh(WEB))
    world.world.clock.sleep(30)
    body = world.open_ssh(WEB, who=OURS)
    assert not counting(world).vouches(read(world, body))
    assert counting(world).who(read(world, body))
    assert len(suspicions(world)) == 1


def test_all_that_we_do_is_vouched_for(world: ResponseWorld) -> None:
    world.world.put(
        raw_group(
            tcp("8000-9000", "10.0.0.0/8", "2001:db8::/32"),
            {**tcp(5432), "IpRanges": [], "UserIdGroupPairs": [{"GroupId": GROUP, "UserId": ACCOUNT}]},
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.1.2.3/8"}]},
            egress=[all_traffic(EVERYONE)],
        )
    )
    before = len(world.world.twin.log)
    world.one(world.open_ssh(WEB))
    locking = own_changes(world, before + 1)
    entry = world.world.stores.journal.entries()[0]
    before = len(world.world.twin.log)
    world.world.clock.sleep(3600)
    world.world.roll_back(What(entry.backup_id))
    restoring = own_changes(world, before)
    for own in (locking, restoring):
        assert {each.event_name for each in own} >= {"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"}
        assert all(counting(world).vouches(each) for each in own)
        assert not [note for each in own for note in counting(world).who(each)]


def test_what_was_begun_long_ago_and_is_finished_now_is_vouched_for(world: ResponseWorld) -> None:
    before = len(world.world.twin.log)
    world.one(world.open_ssh(WEB))
    entry = world.world.stores.journal.entries()[0]
    late = replace(entry, started=entry.started - timedelta(hours=20))

    class Journal:
        def entries(self, since: object, **_: str) -> list[object]:
            return [late] if late.started >= since else []  # type: ignore[operator]

    made = counting(world)
    made = replace(made, stores=replace(made.stores, journal=Journal()))  # type: ignore[arg-type]
    assert all(made.vouches(each) for each in own_changes(world, before + 1))


def test_what_we_did_is_vouched_for_though_its_tags_were_denied(world: ResponseWorld) -> None:
    world.world.twin.faults.deny("ec2:CreateTags")
    body = world.open_ssh(WEB)
    before = len(world.world.twin.log)
    with pytest.raises(SgComplianceError, match="tags"):
        world.respond(body)
    own = own_changes(world, before)
    assert [each.event_name for each in own if each.event_name.startswith("Authorize")]
    assert world.world.stores.journal.unfinished()
    assert all(counting(world).vouches(each) for each in own)


@pytest.mark.parametrize("missing", ["groups", "complete", "rules_added", "place"])
def test_what_does_not_say_what_it_did_is_not_vouched_for(world: ResponseWorld, missing: str) -> None:
    before = len(world.world.twin.log)
    world.one(world.open_ssh(WEB))
    own = next(each for each in own_changes(world, before + 1) if each.event_name.startswith("Authorize"))
    assert own.change
    less = {
        "groups": {"groups": ()},
        "complete": {"complete": False},
        "rules_added": {"rules_added": ()},
        "place": {"region": "eu-central-1"},
    }
    changed = replace(own.change, **less[missing])  # type: ignore[arg-type]
    assert counting(world).vouches(own)
    assert not counting(world).vouches(replace(own, change=changed))


def test_a_backup_that_is_gone_vouches_for_nothing(world: ResponseWorld, tmp_path: Path) -> None:
    world.one(world.open_ssh(WEB))
    entry = world.world.stores.journal.entries()[0]
    before = len(world.world.twin.log)
    world.world.roll_back(What(entry.backup_id))
    own = [each for each in own_changes(world, before) if each.event_name.startswith("Authorize")]
    made = counting(world)
    assert own
    assert all(made.vouches(each) for each in own)
    for path in tmp_path.rglob(f"*{entry.backup_id}*"):
        path.unlink()
    assert not any(counting(world).vouches(each) for each in own)


@pytest.mark.parametrize(
    ("name", "request_", "response"),
    [
        (
            MODIFY_LIST,
            {"ModifyManagedPrefixListRequest": {"PrefixListId": LIST, "AddEntry": {"Cidr": EVERYONE, "tag": 1}}},
            {"ModifyManagedPrefixListResponse": {"prefixList": {"state": "x"}}},
        ),
        ("CreateSecurityGroup", {"groupName": "x"}, {"groupId": GROUP}),
        ("DeleteSecurityGroup", {"groupId": GROUP}, {"_return": True}),
    ],
)
def test_what_this_tool_never_does_is_not_ours(
    world: ResponseWorld, name: str, request_: object, response: object
) -> None:
    world.one(world.open_ssh(WEB))
    event = json.loads(world.told_by_cloudtrail(name, request_, response))  # type: ignore[arg-type]
    event["detail"]["userIdentity"] = json.loads(world.open_ssh(NOWHERE, who=OURS))["detail"]["userIdentity"]
    own = parse(event, world.ours)
    assert own.own
    assert not counting(world).vouches(own)


def test_only_what_changed_something_in_our_name_needs_vouching(world: ResponseWorld) -> None:
    made = counting(world)
    assert made.vouches(read(world, world.open_ssh(WEB)))
    assert made.vouches(read(world, world.open_ssh(NOWHERE, who=OURS)))


def test_what_is_not_ours_is_counted_like_anybody_s(quiet: ResponseWorld) -> None:
    bodies = [quiet.open_ssh(WEB, f"10.0.{number}.0/24", who=OURS) for number in range(11)]
    verdicts = [verdict for handled in quiet.respond(*bodies) for verdict in handled.verdicts]
    assert {each.principal for each in verdicts} == {OURS.arn, OURS.role_arn}


# ---- told once ----


def test_an_impostor_is_told_of_once_an_hour_whatever_it_calls_itself(quiet: ResponseWorld) -> None:
    names = [f"{OURS.arn}-{number}" for number in range(30)]
    bodies = [quiet.open_ssh(NOWHERE, who=OURS._replace(arn=name)) for name in names]
    mass = real_time(EMERGENCY, mass_operations_detected={"enabled": False})
    quiet.policy = responding_policy(level="monitor", real_time_scanning=mass)
    assert all(handled.notes for handled in quiet.respond(*bodies))
    assert len(suspicions(quiet)) == 1
    quiet.world.clock.sleep(3600)
    quiet.respond(quiet.open_ssh(NOWHERE, who=OURS._replace(arn=names[0])))
    assert len(suspicions(quiet)) == 2


def test_another_suspicion_and_another_role_are_told_too(quiet: ResponseWorld) -> None:
    quiet.respond(quiet.open_ssh(WEB, "10.0.0.0/24", who=OURS))
    quiet.respond(quiet.open_ssh(WEB, "10.0.1.0/24", who=OURS._replace(arn=f"{OURS.arn}x")))
    assert len(suspicions(quiet)) == 2
    other = OURS._replace(
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sg-compliance-scan/x",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/sg-compliance-scan",
    )
    quiet.ours = replace(quiet.ours, role_names=frozenset({"sg-compliance-remediate", "sg-compliance-scan"}))
    quiet.respond(quiet.open_ssh(WEB, "10.0.2.0/24", who=other))
    assert len(suspicions(quiet)) == 3


def test_a_message_that_comes_again_repeats_no_suspicion_and_loses_none(quiet: ResponseWorld) -> None:
    body = quiet.open_ssh(WEB, "10.7.0.0/16", who=OURS._replace(arn=f"{OURS.arn}x"))
    quiet.told.failure = StoreError("nobody listens")
    with pytest.raises(StoreError):
        quiet.respond(body)
    quiet.told.failure = None
    usual = quiet.windows.take

    def fail(*_: object) -> None:
        raise StoreError("throttled")

    quiet.windows.take = fail  # type: ignore[method-assign, assignment]
    for _ in range(3):
        with pytest.raises(StoreError):
            quiet.respond(body)
    assert len(suspicions(quiet)) == 1
    quiet.windows.take = usual  # type: ignore[method-assign]
    quiet.respond(body)
    assert len(suspicions(quiet)) == 1


def test_who_cannot_be_told_of_is_counted_all_the_same(quiet: ResponseWorld) -> None:
    quiet.told.failure, quiet.containing = StoreError("nobody listens"), Holding()
    for number in range(11):
        body = quiet.open_ssh(WEB, f"10.0.{number}.0/24", who=OURS._replace(arn=f"{OURS.arn}x"))
        with pytest.raises(StoreError):
            quiet.respond(body)
    assert {each.level.value for each in quiet.containing.asked} == {"alert"}


def test_a_call_is_counted_also_where_its_groups_cannot_be_found(
    quiet: ResponseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("throttled")

    monkeypatch.setattr(Ec2Lookup, "named", fail)
    quiet.containing = Holding()
    for number in range(11):
        event = json.loads(quiet.open_ssh(WEB, f"10.0.{number}.0/24"))
        del event["detail"]["requestParameters"]["groupId"]
        event["detail"]["requestParameters"]["groupName"] = "web"
        event["detail"]["responseElements"] = {"_return": True}
        with pytest.raises(StoreError):
            quiet.respond(json.dumps(event))
    assert [each.level.value for each in quiet.containing.asked] == ["alert"]


# ---- who is held back ----


def many(world: ResponseWorld, number: int = 25) -> list[str]:
    return [world.open_ssh(WEB, f"10.0.{each}.0/24") for each in range(number)]


def done(world: ResponseWorld) -> list[str]:
    return [each.record["done"] for each in world.told.notices if each.record.get("kind") == "mass_operations"]


def test_who_changes_too_much_is_held_back(quiet: ResponseWorld) -> None:
    quiet.containing = Holding()
    quiet.respond(*many(quiet))
    assert [each.level.value for each in quiet.containing.asked] == ["alert", "critical"]
    assert done(quiet) == ["blocked until noon"] * 2


def test_nobody_is_held_back_where_real_time_is_off(quiet: ResponseWorld) -> None:
    section = {**real_time(EMERGENCY), "enabled": False}
    quiet.policy, quiet.containing = responding_policy(real_time_scanning=section), Holding()
    quiet.respond(*many(quiet))
    assert quiet.containing.asked == []
    assert done(quiet) == ["not blocked: real_time_scanning.enabled is false"] * 2


@pytest.mark.parametrize(("minutes", "blocks"), [(14, True), (16, False)])
def test_what_is_long_over_holds_nobody_back(quiet: ResponseWorld, minutes: int, *, blocks: bool) -> None:
    quiet.containing = Holding()
    bodies = many(quiet)
    quiet.world.clock.sleep(minutes * 60)
    quiet.respond(*bodies)
    assert bool(quiet.containing.asked) == blocks
    assert [said.startswith("not blocked: the last of these calls was at 20") for said in done(quiet)] == [
        not blocks
    ] * 2


def test_people_are_told_also_where_nobody_could_be_blocked_and_once(quiet: ResponseWorld) -> None:
    quiet.containing = Holding(failures=3)
    failed = 0
    for body in many(quiet, 11):
        for _ in range(4):
            try:
                quiet.respond(body)
                break
            except SgComplianceError:
                failed += 1
    assert failed == 3
    assert done(quiet) == ["could not be blocked: the table is damaged; it is tried again"]


def test_refused_calls_hold_nobody_back_and_dry_runs_are_no_calls(quiet: ResponseWorld) -> None:
    quiet.containing = Holding()
    refused = [quiet.open_ssh(NOWHERE) for _ in range(30)]
    verdicts = [verdict.level.value for handled in quiet.respond(*refused) for verdict in handled.verdicts]
    assert verdicts == ["alert"]
    quiet.world.clock.sleep(3 * 3600)
    for code, told in (("Client.DryRunOperation", 0), ("Client.UnauthorizedOperation", 1)):
        asked = [json.loads(quiet.open_ssh(NOWHERE, who=MALLORY)) for _ in range(11)]
        for each in asked:
            each["detail"]["errorCode"] = code
        handled = quiet.respond(*map(json.dumps, asked))
        assert len([verdict for each in handled for verdict in each.verdicts]) == told


def test_a_refused_change_of_an_instance_is_not_counted(quiet: ResponseWorld) -> None:
    bodies = []
    for _ in range(11):
        event = json.loads(quiet.told_by_cloudtrail("ModifyInstanceAttribute", {"instanceId": "i-1"}, {}))
        event["detail"]["errorCode"] = "Client.IncorrectInstanceState"
        bodies.append(json.dumps(event))
    assert not [verdict for each in quiet.respond(*bodies) for verdict in each.verdicts]


# ---- which messages belong in which queue ----


def test_an_event_does_not_belong_in_the_queue_of_looks_nor_a_look_in_that_of_events(world: ResponseWorld) -> None:
    world.world.twin.faults.lag = 10_000
    event = world.open_ssh(WEB)
    world.one(event)
    world.world.clock.sleep(3)
    (look,) = (each.encode() for each in world.later.come())
    for body, takes in ((event, {"events": False}), (look, {"looks": False})):
        received = world.received(body)
        handled = world.responding().batch([received], **takes).handle(received.id)
        assert "does not belong in this queue" in handled.rejected
        assert world.rejected.letters[-1] == (body, handled.rejected)
        taken = {"events": True, "looks": True} | {"events": body == event, "looks": body == look}
        assert not world.responding().batch([received], **taken).handle(received.id).rejected


@pytest.mark.parametrize(("days", "rejected"), [(89, False), (91, True)])
def test_an_event_that_is_history_is_rejected(world: ResponseWorld, days: int, *, rejected: bool) -> None:
    body = world.open_ssh(WEB)
    world.world.clock.sleep(days * 86400)
    (handled,) = world.respond(body)
    assert ("too old" in handled.rejected) == rejected


def test_a_time_before_all_time_is_rejected(world: ResponseWorld) -> None:
    event = json.loads(world.open_ssh(WEB))
    event["detail"]["eventTime"] = "0001-01-01T00:00:00Z"
    with pytest.raises(RejectedEventError):
        parse(event, world.ours)
    (handled,) = world.respond(json.dumps(event))
    assert handled.rejected
