"""An attacker opens a group, and the deployed functions close it: the real package, on what stands in for AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.enforcement.backup import decode_backup
from tests.builders import EVERYONE, tcp
from tests.e2e.emulated.emulator import ACCOUNT, REGION
from tests.e2e.emulated.places import ROOT
from tests.e2e.emulated.response_stage import ADDRESS, DUMMY, ESCALATED, HTTPS, MOST_A_MINUTE, SSH, WATCHED
from tests.e2e.emulated.waiting import eventually
from tests.event_builders import AUTHORIZE, asked, envelope, record

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.e2e.emulated.response_stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("responding")]

MANY: Final = 100
LONG: Final = 90.0
"""For what is much work for a machine that has other work."""


def sg_compliance(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as somebody at home runs it beside the deployment."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
        "PYTHONPATH": str(ROOT / "src"),
        "AWS_ENDPOINT_URL": stage.deployment.endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "of the emulator",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        **stage.accounts.variables,
    }
    command = [sys.executable, "-m", "sg_compliance", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def locked(stage: Stage, group: str) -> Json:
    """Wait until the group is locked; the one remediation that the journal has of it."""
    eventually(lambda: stage.is_locked(group), f"{group} is locked")
    (entry,) = stage.entries(group)
    return entry


def test_a_group_that_is_opened_is_closed_told_of_and_put_back_as_it_was(responding: Stage) -> None:
    group = responding.group("shop", HTTPS)
    responding.open("mallory", group)
    opened = responding.snapshot(group)
    backup_id = locked(responding, group)["backup_id"]

    found = responding.deployment.client("s3").get_object(
        Bucket=responding.bucket, Key=f"state/backups/{group}/{backup_id}.json"
    )
    backup = decode_backup(found["Body"].read(), backup_id)
    assert len(backup.group.rules) == len(opened["rules"]) == 3
    tags = responding.snapshot(group)["tags"]
    assert tags["COMPLIANCE_BACKUP_ID"] == backup_id
    assert (tags["COMPLIANCE_EMERGENCY"], tags["Team"]) == ("true", "payments")

    (notice,) = eventually(lambda: responding.told(group), "people are told")
    assert (notice["kind"], notice["severity"], notice["topic"]) == (
        "remediation",
        "critical",
        responding.topics["critical"],
    )
    assert f"Who did it: {responding.arn('mallory')} (IAMUser) from {ADDRESS}" in notice["text"]
    assert f"To undo it: sg-compliance rollback {backup_id}\n" in notice["text"]

    own = eventually(lambda: responding.told_by_cloudtrail(group, own=True), "CloudTrail tells of our own changes")
    eventually(lambda: responding.handled(*own), "our own changes came back over the same road")
    assert {each["detail"]["eventName"] for each in own} == {
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
    }
    assert len(responding.entries(group)) == 1
    assert [each["kind"] for each in responding.told(group)] == ["remediation"]

    ran = sg_compliance(responding, "rollback", backup_id, "--yes", *responding.options)
    assert ran.returncode == 0, ran.stderr
    assert responding.snapshot(group) == opened
    (rollback,) = responding.entries(group, "rollback")
    assert rollback["hold_until"] is not None
    open_again = tcp("20-30", EVERYONE)
    responding.attacker("eve").authorize_security_group_ingress(GroupId=group, IpPermissions=[open_again])
    held = eventually(lambda: responding.told(responding.arn("eve")), "people are told of it again")
    assert [(each["kind"], each["severity"]) for each in held] == [("violation", "critical")]
    assert "held until" in held[0]["text"]
    assert len(responding.ports(group)) == 3
    assert len(responding.entries(group)) == 1


def test_an_event_that_comes_twice_is_handled_once(responding: Stage) -> None:
    group = responding.group("twice", HTTPS)
    with responding.keeping_back(group):
        responding.open("twice", group)
    (event,) = responding.told_by_cloudtrail(group)
    for _ in range(2):
        responding.deployment.send_event(event)
    locked(responding, group)
    responding.deployment.send_event(event)
    eventually(lambda: responding.deployment.waiting(responding.events) == 0, "all three were handled")
    assert len(responding.entries(group)) == 1
    assert responding.calls(group, "AuthorizeSecurityGroupIngress") == 2, "the attacker's, and the dummy rule"
    assert len(responding.told(group)) == 1


def test_events_in_another_order_end_in_the_same_state(responding: Stage) -> None:
    left_open, closed = (responding.group(name, HTTPS) for name in ("left-open", "closed"))
    mallory = responding.attacker("disorder")
    with responding.keeping_back(left_open, closed):
        for group in (left_open, closed):
            mallory.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
            mallory.revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])
        mallory.authorize_security_group_ingress(GroupId=left_open, IpPermissions=[SSH])
    events = [each for group in (closed, left_open) for each in responding.told_by_cloudtrail(group)]
    for event in reversed(events):
        responding.deployment.send_event(event)
    locked(responding, left_open)
    eventually(lambda: responding.handled(*events), "all were handled", LONG)
    assert responding.ports(closed) == [["tcp", 443, 443]]
    assert responding.entries(closed) == []


def test_a_flood_ends_in_one_lockdown_and_holds_back_who_made_it(responding: Stage) -> None:
    group = responding.group("flood", HTTPS)
    flood, name = responding.attacker("flood"), responding.deployment.name("flood")
    with responding.keeping_back(group):
        for number in range(MANY):
            rule = tcp(22, EVERYONE) if number == 0 else tcp(1000 + number, "10.0.0.0/8")
            flood.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    events = responding.told_by_cloudtrail(group)
    assert len(events) == MANY
    for event in events:
        responding.deployment.send_event(event)
    eventually(lambda: responding.handled(*events), "all were handled", LONG)
    locked(responding, group)
    assert len(responding.told(group, "remediation")) == 1

    told = [each["record"] for each in responding.told(responding.arn("flood"), "suspicion")]
    assert [(each["level"], each["count"]) for each in told] == [("alert", MOST_A_MINUTE + 1), ("critical", ESCALATED)]
    assert told[1]["done"].startswith("blocked until 2"), told[1]["done"]
    iam = responding.accounts.client(responding.accounts.session(WATCHED), "iam")
    policy = iam.get_user_policy(UserName=name, PolicyName="sg-compliance-block")["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Deny", "*", "*")
    assert statement["Condition"].keys() == {"DateLessThan"}
    ran = sg_compliance(responding, "unblock", responding.arn("flood"), "--reason", "a test", *responding.options)
    assert ran.returncode == 0, ran.stderr
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == []


def test_what_can_never_be_handled_goes_to_the_dead_letters_and_the_rest_is_handled(responding: Stage) -> None:
    group = responding.group("beside-poison", HTTPS)
    with responding.keeping_back(group):
        responding.open("beside-poison", group)
    (event,) = responding.told_by_cloudtrail(group)
    stranger = "999988887777"
    foreign = envelope(
        record(AUTHORIZE, asked(SSH), recipientAccountId=stranger, awsRegion=REGION), account=stranger, region=REGION
    )
    bodies = ["{ no JSON", json.dumps(foreign), json.dumps(event)]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    responding.deployment.client("sqs").send_message_batch(QueueUrl=responding.events.url, Entries=entries)
    locked(responding, group)
    letters = dict(responding.letters(2))
    assert letters.keys() == set(bodies[:2])
    assert "no JSON" in letters[bodies[0]]
    assert stranger in letters[bodies[1]]


def test_a_rule_that_aws_does_not_show_yet_is_waited_for(responding: Stage) -> None:
    group = responding.early["old"]
    responding.accounts.command("lag", seconds=2)
    responding.open("early", group)
    entry = locked(responding, group)
    responding.accounts.command("clear")
    assert entry["state"] == "done"
    assert [each["kind"] for each in responding.told(group)] == ["violation", "remediation"]


def test_a_call_that_is_throttled_is_made_again(responding: Stage) -> None:
    group = responding.group("throttled", HTTPS)
    responding.accounts.command("refuse", operation="DescribeSecurityGroups", code="RequestLimitExceeded")
    responding.open("throttled", group)
    eventually(lambda: responding.accounts.command("refused", operation="DescribeSecurityGroups"), "it is throttled")
    assert responding.ports(group) != DUMMY
    responding.accounts.command("clear")
    locked(responding, group)
    assert len(responding.told(group)) == 1
