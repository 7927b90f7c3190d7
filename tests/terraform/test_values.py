"""Values that AWS lists are on its lists: the provider on paper takes any, and so does `terraform validate`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import pytest

from sg_compliance.entrypoints.telemetry import LEVELS
from sg_compliance.model.finding import Severity
from tests.terraform.paper import TERRAFORM
from tools.terraform_reference import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

LISTS: Final = {
    ("aws_cloudtrail", "event_selector.read_write_type"): ("cloudtrail", "ReadWriteType"),
    ("aws_cloudwatch_event_rule", "state"): ("events", "RuleState"),
    ("aws_cloudwatch_metric_alarm", "comparison_operator"): ("cloudwatch", "ComparisonOperator"),
    ("aws_cloudwatch_metric_alarm", "statistic"): ("cloudwatch", "Statistic"),
    ("aws_dynamodb_table", "attribute.type"): ("dynamodb", "ScalarAttributeType"),
    ("aws_dynamodb_table", "billing_mode"): ("dynamodb", "BillingMode"),
    ("aws_lambda_event_source_mapping", "function_response_types"): ("lambda", "FunctionResponseType"),
    ("aws_lambda_function", "architectures"): ("lambda", "Architecture"),
    ("aws_lambda_function", "logging_config.log_format"): ("lambda", "LogFormat"),
    ("aws_lambda_function", "runtime"): ("lambda", "Runtime"),
    ("aws_s3_bucket_lifecycle_configuration", "rule.status"): ("s3", "ExpirationStatus"),
    ("aws_s3_bucket_lifecycle_configuration", "rule.transition.storage_class"): ("s3", "TransitionStorageClass"),
    ("aws_s3_bucket_object_lock_configuration", "rule.default_retention.mode"): ("s3", "ObjectLockRetentionMode"),
    ("aws_s3_bucket_ownership_controls", "rule.object_ownership"): ("s3", "ObjectOwnership"),
    ("aws_s3_bucket_versioning", "versioning_configuration.status"): ("s3", "BucketVersioningStatus"),
    ("aws_s3_object", "server_side_encryption"): ("s3", "ServerSideEncryption"),
    ("aws_ssm_parameter", "type"): ("ssm", "ParameterType"),
}
"""Resource and argument: AWS's service and the shape that lists the values (botocore's service models)."""
UNSET: Final = frozenset({"", None, "paper-state"})
"""The last is what the provider on paper invents for a rule whose state is AWS's to set."""
RETENTION: Final = re.compile(r"Possible values are:?\s*(.*?)\.", re.DOTALL)


@cache
def model(service: str) -> Any:  # noqa: ANN401  botocore's
    return botocore.session.get_session().get_service_model(service)


def values(raw: Any, path: str) -> Iterator[Any]:  # noqa: ANN401  JSON
    """The values at a path; blocks and lists are lists."""
    key, _, rest = path.partition(".")
    found = raw.get(key)
    for each in found if isinstance(found, list) else [found]:
        if rest:
            yield from values(each, rest)
        else:
            yield each


@pytest.mark.parametrize(("place", "shape"), LISTS.items(), ids=".".join)
def test_a_value_is_one_that_aws_lists(
    applied: dict[str, Applied], place: tuple[str, str], shape: tuple[str, str]
) -> None:
    kind, path = place
    service, name = shape
    found = {
        value
        for each in applied.values()
        for resource in each.of(kind).values()
        for value in values(resource, path)
        if value not in UNSET
    }
    assert found
    assert found <= set(model(service).shape_for(name).enum)


def test_every_retention_of_a_log_is_one_that_cloudwatch_takes() -> None:
    documented = RETENTION.search(
        model("logs")
        .shape_for("PutRetentionPolicyRequest")
        .members["retentionInDays"]
        .documentation.replace("</p>", ".")
    )
    shape = re.search(
        r"\[([0-9, ]+)\], var\.log_retention_days", (TERRAFORM / "variables.tf").read_text(encoding="utf-8")
    )
    assert documented
    assert shape
    assert {int(each) for each in shape[1].split(",")} == {int(each) for each in re.findall(r"\d+", documented[1])}


def test_every_choice_of_a_variable_is_one_that_aws_or_the_code_knows() -> None:
    text = (TERRAFORM / "variables.tf").read_text(encoding="utf-8")

    def choices(variable: str) -> set[str]:
        found = re.search(rf"contains\(\[([^\]]+)\], var\.{variable}\)", text)
        assert found, variable
        return set(re.findall(r'"(\w+)"', found[1]))

    assert choices("violation_severity_threshold") == set(Severity)
    assert choices("lambda_architecture") == set(model("lambda").shape_for("Architecture").enum)
    assert choices("object_lock_mode") == set(model("s3").shape_for("ObjectLockRetentionMode").enum)
    assert choices("log_level") <= set(LEVELS)
    assert len(variables(TERRAFORM)) > 30
