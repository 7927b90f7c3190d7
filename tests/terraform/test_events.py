"""What calls the functions: patterns are held against events, and only what is meant to may send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from moto.events.models import EventPattern

from sg_compliance.bootstrap.settings import settings_of
from sg_compliance.entrypoints.triggers import CADENCES, MANUAL_SOURCE, MANUAL_TYPE, digest_of, scan_of
from sg_compliance.realtime.cloudtrail import READERS
from tests.terraform.paper import ACCOUNT, ROOT, listed, statements
from tests.unit.test_settings import LEAST

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

EVENTS: Final = sorted((ROOT / "tests" / "data" / "events").glob("*.json"))
NOT_HANDLED: Final = (
    "DescribeSecurityGroups",
    "DescribeSecurityGroupRules",
    "CreateTags",
    "DeleteTags",
    "CreateVpc",
    "TerminateInstances",
    "ModifyInstancePlacement",
    "authorizesecuritygroupingress",
)


def matches(pattern: str, event: Any) -> bool:  # noqa: ANN401  JSON
    return bool(EventPattern.load(pattern).matches_event(event))


def event(name: str) -> Json:
    found: Json = json.loads(EVENTS[0].read_text(encoding="utf-8"))
    return {**found, "detail": {**found["detail"], "eventName": name}}


def changes(applied: Applied) -> list[str]:
    """The patterns by which changes come: from the default bus, from the central one, and from other regions."""
    rules = [*applied.of("aws_cloudwatch_event_rule", "changes").values()]
    rules += applied.of("aws_cloudwatch_event_rule", "forward").values()
    return [rule["event_pattern"] for rule in rules]


# ---- CloudTrail's events ----


def test_there_is_one_pattern_for_all_roads(everything: Applied) -> None:
    patterns = changes(everything)
    assert len(patterns) == 4
    assert len(set(patterns)) == 1


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: str(path.stem))
def test_real_events_match(everything: Applied, path: Any) -> None:  # noqa: ANN401  a path
    assert matches(changes(everything)[0], json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_call_that_the_code_reads_matches(everything: Applied, name: str) -> None:
    assert matches(changes(everything)[0], event(name))


@pytest.mark.parametrize("name", NOT_HANDLED)
def test_no_other_call_matches(everything: Applied, name: str) -> None:
    assert name not in READERS
    assert not matches(changes(everything)[0], event(name))


def test_the_pattern_names_the_calls_of_the_code_and_no_other(everything: Applied) -> None:
    pattern = json.loads(changes(everything)[0])
    assert pattern["detail"]["eventName"] == sorted(READERS)


@pytest.mark.parametrize(
    "other",
    [
        {"source": "custom.ec2"},
        {"source": "aws.rds"},
        {"detail-type": "EC2 Instance State-change Notification"},
        {"detail-type": "AWS Service Event via CloudTrail"},
        {"detail": {"eventSource": "rds.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress"}},
        {"detail": {}},
    ],
)
def test_events_of_another_kind_do_not_match(everything: Applied, other: Json) -> None:
    assert not matches(changes(everything)[0], {**event("AuthorizeSecurityGroupIngress"), **other})


def test_failed_calls_match_for_they_count_as_operations(everything: Applied) -> None:
    failed = event("AuthorizeSecurityGroupIngress")
    detail = {**failed["detail"], "errorCode": "Client.UnauthorizedOperation", "responseElements": None}
    assert matches(changes(everything)[0], {**failed, "detail": detail})


def test_events_come_only_in_real_time_and_only_of_what_is_watched(
    least: Applied, everything: Applied, member: Applied
) -> None:
    def states(applied: Applied) -> dict[str, str]:
        rules = applied.of("aws_cloudwatch_event_rule", "changes", "module.sg_compliance")
        rules = rules or applied.of("aws_cloudwatch_event_rule", "changes")
        return {name: rule["state"] for name, rule in rules.items()}

    assert states(least) == {"default": "DISABLED", "central": "DISABLED"}
    assert states(everything) == {"default": "ENABLED", "central": "ENABLED"}
    assert states(member) == {"default": "DISABLED", "central": "ENABLED"}  # home is not watched there


def test_other_regions_of_the_account_send_theirs_to_the_central_bus(least: Applied, everything: Applied) -> None:
    assert least.of("aws_cloudwatch_event_rule", "forward") == {}
    rules, targets = everything.of("aws_cloudwatch_event_rule", "forward"), everything.of("aws_cloudwatch_event_target")
    assert {rule["region"] for rule in rules.values()} == {"eu-west-1", "eu-central-1"}
    for region in rules:
        assert targets[region]["region"] == region
        assert targets[region]["arn"] == everything.one("aws_cloudwatch_event_bus")["arn"]


def test_events_go_to_the_queue_whole(everything: Applied) -> None:
    for target in everything.of("aws_cloudwatch_event_target", "changes").values():
        assert target["arn"] == everything.of("aws_sqs_queue")["events"]["arn"]
        assert not target["input"]
        assert not target["input_path"]
        assert target["input_transformer"] == []
        assert not target["role_arn"]  # with one, sending to an encrypted queue fails (EventBridge user guide)


def test_only_forwarding_roles_of_watched_accounts_send_to_the_central_bus(
    everything: Applied, member: Applied
) -> None:
    (wide,) = json.loads(everything.one("aws_cloudwatch_event_bus_policy")["policy"])["Statement"]
    assert wide["Action"] == "events:PutEvents"
    assert wide["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}
    assert wide["Condition"]["ArnLike"] == {"aws:PrincipalArn": "arn:aws:iam::*:role/sg-compliance-dev-forward"}
    (narrow,) = json.loads(member.one("aws_cloudwatch_event_bus_policy")["policy"])["Statement"]
    assert set(narrow["Principal"]["AWS"]) == {"222233334444", "444455556666"}


# ---- timers, and scans by hand ----


def test_timers_send_what_the_functions_take(least: Applied) -> None:
    rules, targets = least.of("aws_cloudwatch_event_rule", "call"), least.of("aws_cloudwatch_event_target", "call")
    functions = {function["arn"]: name for name, function in least.of("aws_lambda_function").items()}
    called = {name: functions[target["arn"]] for name, target in targets.items()}
    assert called == {"schedule": "scan", "manual": "scan", **dict.fromkeys(CADENCES, "digest")}
    for name in CADENCES:
        assert digest_of(json.loads(targets[name]["input"])) == name
        assert rules[name]["schedule_expression"]
    assert rules["schedule"]["schedule_expression"] == "rate(24 hours)"
    assert not targets["schedule"]["input"]  # EventBridge's Scheduled Event, whole
    assert not targets["manual"]["input"]


def manual(**others: object) -> Json:
    return {
        "version": "0",
        "account": ACCOUNT,
        "source": MANUAL_SOURCE,
        "detail-type": MANUAL_TYPE,
        "detail": {"scan_type": "manual"},
        **others,
    }


def test_a_scan_by_hand_matches_and_is_taken(least: Applied) -> None:
    pattern = least.of("aws_cloudwatch_event_rule", "call")["manual"]["event_pattern"]
    assert matches(pattern, manual())
    assert scan_of(manual(), settings_of(LEAST)).kind == "manual"


@pytest.mark.parametrize(
    "other", [{"account": "999999999999"}, {"source": "custom.other"}, {"detail-type": "Scan"}], ids=str
)
def test_nothing_else_is_a_scan_by_hand(least: Applied, other: Json) -> None:
    pattern = least.of("aws_cloudwatch_event_rule", "call")["manual"]["event_pattern"]
    assert not matches(pattern, manual(**other))


def test_a_rule_may_call_its_own_function_and_no_other(least: Applied) -> None:
    rules, permissions = least.of("aws_cloudwatch_event_rule", "call"), least.of("aws_lambda_permission")
    targets, functions = least.of("aws_cloudwatch_event_target", "call"), least.of("aws_lambda_function")
    assert set(permissions) == set(rules)
    for name, permission in permissions.items():
        assert permission["principal"] == "events.amazonaws.com"
        assert permission["source_arn"] == rules[name]["arn"]
        assert permission["function_name"] == functions[targets[name]["target_id"]]["function_name"]


def test_what_cannot_be_delivered_is_kept(everything: Applied) -> None:
    undelivered = everything.of("aws_sqs_queue")["undelivered"]["arn"]
    for name in ("call", "changes"):
        for target in everything.of("aws_cloudwatch_event_target", name).values():
            assert target["dead_letter_config"] == [{"arn": undelivered}]


def test_a_scan_is_not_begun_anew_by_itself(least: Applied) -> None:
    retries = {
        name: each["maximum_retry_attempts"]
        for name, each in least.of("aws_lambda_function_event_invoke_config").items()
    }
    assert retries == {"scan": 0, "digest": 2}


# ---- who may send to a queue ----


def sending(applied: Applied, queue: str) -> Json:
    policy = json.loads(applied.of("aws_sqs_queue_policy")[queue]["policy"])
    (denied,) = [each for each in statements(policy, "Deny") if each["Action"] == "sqs:SendMessage"]
    assert denied["Principal"] == "*"
    condition: Json = denied["Condition"]["ArnNotLike"]
    return condition


def test_nobody_but_our_rules_tells_of_events(everything: Applied, least: Applied) -> None:
    rules = {rule["arn"] for rule in least.of("aws_cloudwatch_event_rule", "changes").values()}
    assert sending(least, "events").keys() == {"aws:SourceArn"}
    assert set(listed(sending(least, "events")["aws:SourceArn"])) == rules
    assert sending(everything, "events")["aws:PrincipalArn"] == f"arn:aws:iam::{ACCOUNT}:role/operators"
    policy = json.loads(least.of("aws_sqs_queue_policy")["events"]["policy"])
    (allowed,) = statements(policy)
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert set(listed(allowed["Condition"]["ArnLike"]["aws:SourceArn"])) == rules


@pytest.mark.parametrize("queue", ["rechecks", "dead"])
def test_nobody_but_the_functions_sends_second_looks_and_dead_letters(least: Applied, queue: str) -> None:
    roles = least.of("aws_iam_role", "function")
    assert sending(least, queue).keys() == {"aws:PrincipalArn"}
    assert set(sending(least, queue)["aws:PrincipalArn"]) == {roles[name]["arn"] for name in ("respond", "recheck")}


def test_only_with_tls(least: Applied) -> None:
    policies = [*least.of("aws_sqs_queue_policy").values(), *least.of("aws_sns_topic_policy").values()]
    policies += least.of("aws_s3_bucket_policy").values()
    assert len(policies) == 8
    for each in policies:
        denied = [
            statement
            for statement in statements(json.loads(each["policy"]), "Deny")
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        ]
        assert [statement["Principal"] for statement in denied] == ["*"]
