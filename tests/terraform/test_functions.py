"""The functions are deployed as the code wants them: names, variables, parameters, queues."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

import pytest

from sg_compliance.bootstrap.settings import VARIABLES, settings_of
from sg_compliance.model.finding import Severity
from tests.terraform.adapters import FUNCTIONS, TAKES_MESSAGES
from tests.terraform.paper import EXTERNAL_ID, REGION
from tools.cli_reference import commands
from tools.package import PLATFORMS

if TYPE_CHECKING:
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]


def variables(applied: Applied, function: str) -> dict[str, str]:
    (environment,) = applied.of("aws_lambda_function")[function]["environment"]
    found: dict[str, str] = environment["variables"]
    return found


def test_there_are_the_four_functions_and_their_handlers_are_there(least: Applied) -> None:
    functions = least.of("aws_lambda_function")
    assert set(functions) == set(FUNCTIONS)
    for name, function in functions.items():
        module, _, handler = function["handler"].rpartition(".")
        assert handler == name
        assert callable(getattr(importlib.import_module(module), handler))
        assert function["function_name"] == f"sg-compliance-dev-{name}"  # docs/realtime.md names their logs so


def test_the_package_is_what_the_tool_builds(least: Applied, everything: Applied) -> None:
    for function in (*least.of("aws_lambda_function").values(), *everything.of("aws_lambda_function").values()):
        (architecture,) = function["architectures"]
        assert architecture in PLATFORMS
        assert function["filename"].endswith(f"dist/sg-compliance-lambda-{architecture}.zip")
        assert function["source_code_hash"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_that_the_code_reads_is_set_and_no_other(
    applied: dict[str, Applied], least: Applied, function: str
) -> None:
    set_somewhere = set[str]()
    for each in applied.values():
        found = variables(each, function)
        assert set(found) <= set(VARIABLES)
        assert "" not in found.values()
        set_somewhere |= set(found)
    assert set_somewhere == set(VARIABLES)
    unset = set(VARIABLES) - set(variables(least, function))
    assert {name.removeprefix("SG_COMPLIANCE_") for name in unset} == {
        "ACCOUNTS",
        "BREAK_GLASS",
        "CONTACTS",
        "EXTERNAL_ID",
        "MASS_OPERATIONS_ALERT_THRESHOLD",
        "MAX_OPERATIONS_PER_MINUTE",
        "REGIONS",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_code_takes_what_is_set(applied: dict[str, Applied], function: str) -> None:
    for each in applied.values():
        settings_of(variables(each, function))


def test_by_default_nothing_is_changed_and_nobody_is_blocked(least: Applied) -> None:
    settings = settings_of(variables(least, "respond"))
    assert settings.dry_run_mode
    assert not settings.enable_automatic_remediation
    assert not settings.real_time_scanning_enabled
    assert not settings.immediate_remediation_enabled
    assert not settings.block_suspicious_users
    assert settings.violation_severity_threshold is Severity.CRITICAL


def test_what_is_said_in_terraform_is_what_the_code_hears(everything: Applied, member: Applied) -> None:
    settings = settings_of(variables(everything, "respond"))
    assert not settings.dry_run_mode
    assert settings.organization
    assert settings.external_id == EXTERNAL_ID
    assert settings.regions == ("us-east-1", "eu-west-1", "eu-central-1")
    assert settings.break_glass[0] == "break-glass*"
    assert settings.contacts == ("security-team@example.com", "#security")
    assert (settings.max_operations_per_minute, settings.mass_operations_alert_threshold) == (12, 60)
    assert settings.violation_severity_threshold is Severity.HIGH
    assert settings.environment == "dev"
    others = settings_of(variables(member, "scan"))
    assert others.accounts == ("222233334444", "444455556666")
    assert not others.organization


def test_the_variables_name_what_is_made(everything: Applied) -> None:
    settings = settings_of(variables(everything, "scan"))
    bucket, policy = everything.one("aws_s3_bucket", "this")["bucket"], everything.one("aws_s3_object", "policy")
    assert settings.state == f"s3://{bucket}/state"
    assert settings.policy == f"s3://{bucket}/{policy['key']}"
    assert settings.table == everything.one("aws_dynamodb_table")["name"]
    assert settings.kms_key == everything.one("aws_kms_key")["arn"]
    topics = {name: topic["arn"] for name, topic in everything.of("aws_sns_topic").items()}
    assert topics == {
        "critical": settings.topic_critical,
        "findings": settings.topic_findings,
        "operations": settings.topic_operations,
    }
    queues = everything.of("aws_sqs_queue")
    assert settings.recheck_queue_url == queues["rechecks"]["url"]
    assert settings.dead_letter_queue_url == queues["dead"]["url"]
    parameters = {each["name"] for each in everything.of("aws_ssm_parameter").values()}
    assert parameters == {settings.log_level_parameter, settings.pause_parameter}


def test_all_functions_have_the_same_settings(everything: Applied) -> None:
    assert len({json.dumps(variables(everything, name)) for name in FUNCTIONS}) == 1


def test_our_roles_are_the_execution_roles_of_all_functions(everything: Applied) -> None:
    roles = {each["arn"]: each["name"] for each in everything.of("aws_iam_role", "function").values()}
    used = {roles[each["role"]] for each in everything.of("aws_lambda_function").values()}
    assert set(settings_of(variables(everything, "scan")).own_roles) == used
    assert len(used) == len(FUNCTIONS)


def test_only_lambda_has_sessions_of_the_execution_roles(everything: Applied) -> None:
    for role in everything.of("aws_iam_role", "function").values():
        (statement,) = json.loads(role["assume_role_policy"])["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert statement["Action"] == "sts:AssumeRole"


def test_a_switch_can_be_set_by_people_and_terraform_leaves_it(least: Applied) -> None:
    level, paused = (least.one("aws_ssm_parameter", name) for name in ("log_level", "paused"))
    assert level["name"] == "/sg-compliance-dev/config/log-level"  # docs/realtime.md
    assert level["type"] == "SecureString"  # SsmDocument reads with decryption
    assert paused["type"] == "String"  # SsmSwitch reads without, and writes a String
    assert paused["value"] == "{}"  # nobody has paused


def test_the_variables_of_a_function_fit_into_4_kb(applied: dict[str, Applied]) -> None:
    for each in applied.values():
        assert sum(len(name) + len(value) for name, value in variables(each, "scan").items()) < 4096


@pytest.mark.parametrize("function", TAKES_MESSAGES)
def test_a_function_takes_its_queue_and_says_which_messages_failed(everything: Applied, function: str) -> None:
    mapping = everything.of("aws_lambda_event_source_mapping")[function]
    queue = everything.of("aws_sqs_queue")["events" if function == "respond" else "rechecks"]
    assert mapping["event_source_arn"] == queue["arn"]
    assert mapping["function_response_types"] == ["ReportBatchItemFailures"]
    assert mapping["batch_size"] <= 10
    timeout = everything.of("aws_lambda_function")[function]["timeout"]
    assert queue["visibility_timeout_seconds"] >= 6 * timeout


def test_what_lambda_has_no_room_for_is_not_counted_as_tried(everything: Applied) -> None:
    for name, mapping in everything.of("aws_lambda_event_source_mapping").items():
        (scaling,) = mapping["scaling_config"]
        assert (
            scaling["maximum_concurrency"]
            <= everything.of("aws_lambda_function")[name]["reserved_concurrent_executions"]
        )


def test_queues_are_read_only_in_real_time(least: Applied, everything: Applied) -> None:
    assert [each["enabled"] for each in least.of("aws_lambda_event_source_mapping").values()] == [False, False]
    assert [each["enabled"] for each in everything.of("aws_lambda_event_source_mapping").values()] == [True, True]


def test_a_dead_letter_outlives_its_queue(least: Applied) -> None:
    queues = least.of("aws_sqs_queue")
    for name in ("events", "rechecks"):
        redrive = json.loads(queues[name]["redrive_policy"])
        assert redrive["deadLetterTargetArn"] == queues["dead"]["arn"]
        assert redrive["maxReceiveCount"] >= 5
        assert queues[name]["message_retention_seconds"] < queues["dead"]["message_retention_seconds"]
    allowed = json.loads(least.one("aws_sqs_queue_redrive_allow_policy")["redrive_allow_policy"])
    assert set(allowed["sourceQueueArns"]) == {queues["events"]["arn"], queues["rechecks"]["arn"]}


def test_a_second_look_fits_into_its_queues_patience(least: Applied) -> None:
    """A message is hidden, at its longest delay, for less than it is kept."""
    assert least.of("aws_sqs_queue")["rechecks"]["message_retention_seconds"] > 24 * 3600


def test_a_function_writes_into_the_group_that_is_made_for_it(least: Applied) -> None:
    for name, function in least.of("aws_lambda_function").items():
        (logging,) = function["logging_config"]
        assert logging["log_group"] == least.of("aws_cloudwatch_log_group")[name]["name"]
        assert logging["log_group"] == f"/aws/lambda/{function['function_name']}"
        assert logging["log_format"] == "Text"  # the lines are JSON already, and figures must stay as they are


def test_everything_is_in_the_region_that_is_said(least: Applied) -> None:
    assert REGION in least.one("aws_kms_key")["arn"]
    assert f":{REGION}:" in settings_of(variables(least, "scan")).topic_critical


@pytest.mark.parametrize(
    ("output", "used_with"),
    [
        ("command_options", ("backups list", "history", "blocks list", "mass-operations show")),
        ("changing_options", ("pause", "resume", "rollback", "unblock", "apply")),
    ],
)
def test_what_the_commands_are_told_are_options_of_each(
    least: Applied, output: str, used_with: tuple[str, ...]
) -> None:
    said = dict(zip(*[iter(least.outputs[output].split())] * 2, strict=True))
    known = {name: {option for each in command.params for option in each.opts} for name, command, _ in commands()}
    for name in used_with:
        assert said.keys() <= known[f"sg-compliance {name}"], name
    settings = settings_of(variables(least, "scan"))
    expected = {
        "--state": settings.state,
        "--table": settings.table,
        "--kms-key": settings.kms_key,
        "--pause-parameter": settings.pause_parameter,
        "--topic": settings.topic_operations,
    }
    assert said == {option: expected[option] for option in said}
    assert len(said) == (2 if output == "command_options" else 5)
