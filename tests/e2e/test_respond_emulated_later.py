"""What takes a minute, on the platform that stands for AWS, and the functions under AWS's own runtime client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sg_compliance.enforcement.backup import decode_backup
from tests.e2e.emulated.emulator import REGION
from tests.e2e.emulated.killed import place_of, running
from tests.e2e.emulated.response_stage import HTTPS, SSH, WATCHED, figures, message
from tests.e2e.emulated.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders import Json
    from tests.e2e.emulated.response_stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("responding")]

SLOW = 110.0


def batch(*events: Json | str) -> Json:
    """A batch from SQS."""
    bodies = [each if isinstance(each, str) else json.dumps(each) for each in events]
    return {"Records": [message(body, number=number) for number, body in enumerate(bodies, 1)]}


def test_under_the_runtime_client_it_answers_with_what_failed_and_its_log_says_the_rest(
    responding: Stage, tmp_path: Path
) -> None:
    closed, throttled = (responding.group(name, HTTPS) for name in ("runtime", "runtime-throttled"))
    command = responding.accounts.command
    place, kept = place_of(responding, tmp_path), responding.keeping_back(closed, throttled)
    with kept, running(responding, place, "respond") as function:
        responding.open("runtime", closed)
        (opened,) = responding.told_by_cloudtrail(closed, own=False)
        assert function.invoke(batch(opened, "{ no JSON")).payload == {"batchItemFailures": []}
        assert responding.is_locked(closed)
        first, own = figures(function.records()), responding.told_by_cloudtrail(closed, own=True)
        assert function.invoke(batch(*own, opened)).payload == {"batchItemFailures": []}
        responding.open("runtime-throttled", throttled)
        (opened,) = responding.told_by_cloudtrail(throttled, own=False)
        command("refuse", operation="DescribeSecurityGroups", code="RequestLimitExceeded")
        answer = function.invoke(batch(own[0], opened)).payload
        command("clear")
        assert answer == {"batchItemFailures": [{"itemIdentifier": message("", number=2)["messageId"]}]}
        records = function.records()

    assert first["EmergencyRemediationsPerformed"] == first["RemediationActions"] == first["EventsRejected"] == [1.0]
    assert first["ContainmentLatency"][0] >= 0
    assert first["CriticalViolationsFound"] == [1.0]
    assert len(own) == 3
    assert figures(records)["OwnChanges"] == [1.0] * len(own), "each once, though one came twice"
    assert figures(records)["LambdaErrors"] == [1.0]
    (violation,) = [each for each in records if each.get("message") == "COMPLIANCE_VIOLATION"]
    keys = ("account_id", "region", "group_id", "rule_id", "severity")
    assert [violation[key] for key in keys] == [WATCHED, REGION, closed, "SSH", "critical"]
    assert [each["kind"] for each in responding.told(closed)] == ["remediation"], "and no suspicion"
    assert [body for body, _ in responding.letters(1)] == ["{ no JSON"]


def test_a_change_in_our_name_that_we_did_not_make_is_told_of(responding: Stage) -> None:
    group = responding.group("impostor", HTTPS)
    thief = responding.accounts.session(WATCHED, "sg-compliance-remediate", "sg-compliance")
    responding.accounts.client(thief).authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    (event,) = responding.told_by_cloudtrail(group, own=True)
    eventually(lambda: responding.is_locked(group) and responding.handled(event), "it is closed all the same")
    told = {each["kind"]: each for each in responding.told(event["detail"]["eventID"])}
    assert told.keys() == {"remediation", "suspicion"}
    assert "a change in this tool's name that it did not make" in told["suspicion"]["text"]


def test_a_function_that_was_killed_is_followed_by_one_that_finishes_and_tells(responding: Stage) -> None:
    group = responding.early["is killed"]
    eventually(lambda: responding.is_locked(group), "what was begun is finished", SLOW)
    (entry,) = responding.entries(group)
    assert entry["state"] == "done"
    found = responding.deployment.client("s3").get_object(
        Bucket=responding.bucket, Key=f"state/backups/{group}/{entry['backup_id']}.json"
    )
    backup = decode_backup(found["Body"].read(), entry["backup_id"])
    assert len(backup.group.rules) == 3, "as the group was before it was touched"
    (told,) = responding.told(group, "remediation")
    assert f"sg-compliance rollback {entry['backup_id']}" in told["text"]


def test_after_a_grace_period_a_group_is_closed_and_one_that_complies_by_then_is_left_alone(responding: Stage) -> None:
    open_, closed = (responding.early[name] for name in ("stays open", "is closed by hand"))
    eventually(lambda: responding.entries(open_), "the grace period is over", SLOW)
    eventually(lambda: responding.is_locked(open_), "the group is closed")
    (opened,) = (
        each
        for each in responding.told_by_cloudtrail(closed, own=False)
        if each["detail"]["eventName"] == "AuthorizeSecurityGroupIngress"
    )
    eventually(lambda: responding.handled(opened, look=f"#1#{closed}"), "the other was looked at again, too")
    assert responding.ports(closed) == [["tcp", 443, 443]]
    assert responding.entries(closed) == []
    assert responding.told(closed, "remediation") == []
    (told,) = responding.told(open_, "remediation")
    assert told["topic"] == responding.topics["findings"]
    assert "EMERGENCY" not in told["subject"]
