"""What tools/costs.py counts is what terraform/ makes, and nothing that costs is left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tools import costs

if TYPE_CHECKING:
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

PAGE: Final = Path(__file__).parents[2] / "docs" / "costs.md"
COST_NOTHING: Final = frozenset(
    {
        "aws_cloudwatch_event_bus_policy",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_query_definition",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_kms_alias",
        "aws_lambda_function_event_invoke_config",
        "aws_lambda_permission",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_object_lock_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_s3_object",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_sqs_queue_policy",
        "aws_sqs_queue_redrive_allow_policy",
    }
)
"""Settings of what is counted, and IAM."""
OF_CLOUDTRAIL: Final = "aws_cloudtrail"


def made(applied: Applied) -> Counter[str]:
    return Counter(each["type"] for each in applied.resources if each["mode"] == "managed")


def test_what_is_counted_is_what_is_made(least: Applied) -> None:
    found = made(least)
    assert {kind: found[kind] for kind in costs.PLANNED} == costs.PLANNED


def test_nothing_that_costs_is_left_out(least: Applied, everything: Applied) -> None:
    kinds = made(least).keys() | made(everything).keys()
    assert kinds - costs.PLANNED.keys() - COST_NOTHING == {OF_CLOUDTRAIL}
    assert "CloudTrail" in PAGE.read_text(encoding="utf-8")


def test_only_a_trail_and_regions_make_more_than_is_counted(everything: Applied) -> None:
    found = made(everything)
    more = {kind: found[kind] - count for kind, count in costs.PLANNED.items() if found[kind] != count}
    assert more == {"aws_s3_bucket": 1, "aws_cloudwatch_event_rule": 2}  # the trail's; two further regions


def test_every_parameter_is_of_the_tier_that_costs_nothing(least: Applied) -> None:
    assert {each["tier"] for each in least.of("aws_ssm_parameter").values()} <= {None, "", "Standard"}


def test_the_table_is_paid_by_use_and_the_functions_are_of_the_cheaper_kind(least: Applied) -> None:
    assert least.one("aws_dynamodb_table")["billing_mode"] == "PAY_PER_REQUEST"
    for function in least.of("aws_lambda_function").values():
        assert function["architectures"] == ["arm64"]
        assert function["memory_size"] == costs.Volume().memory
    assert {each["retention_in_days"] for each in least.of("aws_cloudwatch_log_group").values()} == {
        costs.Volume().log_days
    }


def test_no_alarm_is_of_high_resolution(least: Applied) -> None:
    assert all(each["period"] >= 60 for each in least.of("aws_cloudwatch_metric_alarm").values())


def test_alarms_that_can_ring_in_real_time_alone_are_named(least: Applied) -> None:
    only_then = (
        "respond-fails",
        "respond-throttled",
        "recheck-fails",
        "recheck-throttled",
        "events-wait",
        "mass-operations",
        "blocked",
        "emergencies",
    )
    names = {each["alarm_name"] for each in least.of("aws_cloudwatch_metric_alarm").values()}
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"sg-compliance-dev-{each}" in names for each in only_then)
    assert all(f"`{each}`" in page for each in only_then)
    assert f"--alarms {len(names) - len(only_then)}\n" in page
