"""What Terraform plans is made in the emulator, and works: the real package, under exactly the planned policies."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.emulated.planned_stage import DRY_RUN
from tests.e2e.emulated.response_stage import ADDRESS, DUMMY, HTTPS, WATCHED, figures
from tests.e2e.emulated.waiting import eventually

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.e2e.emulated.planned_stage import PlannedStage

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("planned")]

LONG: Final = 60.0
"""For the first calls of functions, on a machine that has other work."""
BY_HAND: Final = ("custom.security.compliance", "Manual Compliance Scan")
OPEN: Final = [["tcp", 22, 22], ["tcp", 443, 443]]


def by_hand(**detail: object) -> Json:
    return {"source": BY_HAND[0], "detail-type": BY_HAND[1], "detail": {"scan_type": "manual", **detail}}


def violations(stage: PlannedStage, name: str, group: str) -> list[Json]:
    """What the log of `scan` says of the group to who filters it as README does."""
    pages = (
        stage.home[name]
        .client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/aws/lambda/sg-compliance-{name}-scan", filterPattern="COMPLIANCE_VIOLATION")
    )
    found = [json.loads(event["message"]) for page in pages for event in page["events"]]
    return [each for each in found if each["group_id"] == group]


def report_about(stage: PlannedStage, name: str, group: str) -> str:
    """The key of a report in which the group stands, "" where there is none."""
    s3, bucket = stage.home[name].client("s3"), stage.planned[name].one("aws_s3_bucket")["bucket"]
    for each in s3.list_objects_v2(Bucket=bucket, Prefix="state/reports/").get("Contents", ()):
        packed = s3.get_object(Bucket=bucket, Key=each["Key"])
        if group in gzip.decompress(packed["Body"].read()).decode():
            assert packed["ServerSideEncryption"] == "aws:kms"
            return str(each["Key"])
    return ""


@pytest.mark.parametrize("name", DRY_RUN)
def test_what_is_made_is_what_is_planned(planned: PlannedStage, name: str) -> None:
    home, wanted = planned.home[name], planned.planned[name]
    for each in wanted.of("aws_lambda_function").values():
        made = home.client("lambda").get_function_configuration(FunctionName=each["function_name"])
        variables = dict(made["Environment"]["Variables"])
        assert variables.pop("AWS_ENDPOINT_URL") == home.endpoint_url
        assert variables == each["environment"][0]["variables"]
        assert (made["Handler"], made["MemorySize"], made["Timeout"], made["Role"]) == (
            each["handler"],
            each["memory_size"],
            each["timeout"],
            each["role"],
        )
    for each in wanted.of("aws_cloudwatch_event_rule").values():
        rule = home.client("events").describe_rule(Name=each["name"], EventBusName=each["event_bus_name"] or "default")
        assert rule.get("ScheduleExpression") == each["schedule_expression"]
        assert json.loads(rule.get("EventPattern", "{}")) == json.loads(each["event_pattern"] or "{}")
        assert rule["State"] == (each["state"] or "ENABLED")
    policies = {each["queue_url"]: each["policy"] for each in wanted.of("aws_sqs_queue_policy").values()}
    for each in wanted.of("aws_sqs_queue").values():
        asked = home.client("sqs").get_queue_attributes(QueueUrl=each["url"], AttributeNames=["All"])["Attributes"]
        assert (asked["QueueArn"], asked["KmsMasterKeyId"]) == (each["arn"], each["kms_master_key_id"])
        assert json.loads(asked.get("RedrivePolicy", "null")) == json.loads(each["redrive_policy"] or "null")
        assert json.loads(asked["Policy"]) == json.loads(policies[each["url"]])


def test_a_scan_by_hand_is_seen_in_the_log_the_report_and_a_message(planned: PlannedStage) -> None:
    group = planned.group("by-hand")
    planned.put("told", *BY_HAND, {"scan_type": "manual"})

    (line,) = eventually(lambda: violations(planned, "told", group), "the log tells of the violation", LONG)
    assert (line["severity"], line["rule_id"], line["account_id"]) == ("critical", "SSH", WATCHED)
    eventually(lambda: report_about(planned, "told", group), "the report is kept")
    (message,) = eventually(lambda: planned.told("told", group), "people are told")
    assert (message["severity"], message["topic"]) == ("critical", "sg-compliance-told-critical")
    assert planned.ports(group) == OPEN, "a dry run changes nothing"
    assert "LambdaErrors" not in figures(planned.home["told"].records("sg-compliance-told-scan"))


@pytest.mark.parametrize(("name", "changed", "ports"), [("told", 0, OPEN), ("locks", 1, DUMMY)])
def test_a_scan_mends_where_dry_run_is_off_and_only_there(
    planned: PlannedStage, name: str, changed: int, ports: object
) -> None:
    group = planned.group(f"scanned-by-{name}")
    ran = planned.home[name].invoke(
        f"sg-compliance-{name}-scan", by_hand(security_groups=[group], accounts=[WATCHED], dry_run=False)
    )
    assert not ran.failed, ran.payload
    assert {key: ran.payload[key] for key in ("complete", "groups", "open", "changed", "problems")} == {
        "complete": True,
        "groups": 1,
        "open": {"critical": 1},
        "changed": changed,
        "problems": 0,
    }
    assert planned.ports(group) == ports


def test_an_attackers_event_is_answered_as_the_deployment_may(planned: PlannedStage) -> None:
    groups = {name: planned.group(f"attacked-{name}", HTTPS) for name in DRY_RUN}
    planned.heard_by.update({group: name for name, group in groups.items()})
    for name, group in groups.items():
        planned.open(f"mallory-{name}", group)

    (would,) = eventually(lambda: planned.told("told", groups["told"]), "people are told", LONG)
    assert (would["kind"], would["severity"], would["topic"]) == (
        "violation",
        "critical",
        "sg-compliance-told-critical",
    )
    assert f"Who did it: arn:aws:iam::{WATCHED}:user/mallory-told (IAMUser) from {ADDRESS}" in would["text"]
    assert planned.ports(groups["told"]) == OPEN

    eventually(lambda: planned.is_locked(groups["locks"]), "the group is locked", LONG)
    (done,) = eventually(lambda: planned.told("locks", groups["locks"]), "people are told")
    assert (done["kind"], done["severity"], done["topic"]) == (
        "remediation",
        "critical",
        "sg-compliance-locks-critical",
    )
    assert "To undo it: sg-compliance rollback " in done["text"]

    for name in DRY_RUN:
        queues = planned.planned[name].of("aws_sqs_queue")
        for queue in ("events", "dead", "undelivered"):
            eventually(lambda: not planned.waiting(name, queues[queue]["url"]), f"{name}: nothing is in {queue}")  # noqa: B023  at once
        assert "LambdaErrors" not in figures(planned.home[name].records(f"sg-compliance-{name}-respond"))
