"""What Terraform plans, made in the emulator: a call or two of the SDK for each resource, with the planned attributes.

Taken as they are: names, ARNs, URLs of queues, patterns, policies, variables. Put in their place: the ARN of the KMS
key, which is the emulator's, and the package, which is the code as it is now. Added to the functions' variables: where
AWS is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from tests.e2e.emulated.deployment import Deployment
from tests.e2e.emulated.emulator import REGION
from tests.e2e.emulated.waiting import eventually
from tests.terraform.paper import Applied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.builders import Json

SECRET: Final = "of the emulator"
LEFT_OUT: Final = frozenset(
    {
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_metric_alarm",
        "aws_cloudwatch_query_definition",
        "aws_kms_alias",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_public_access_block",
    }
)
"""Nothing that is tried depends on them."""
_DIRECT: Final = Config(proxies={}, retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=120)


@dataclass(frozen=True)
class Emulated(Deployment):
    """A deployment in an account of the emulator. Calls are those of the account's root user, whom no policy binds."""

    account: str
    package: Path

    def client(self, service: str, region: str = REGION) -> Any:  # noqa: ANN401  clients have no types of their own
        """Ask the emulator as the root user."""
        return _client(self.endpoint_url, service, region, self.account)


@cache
def _client(endpoint_url: str, service: str, region: str, account: str) -> Any:  # noqa: ANN401
    session: Any = boto3.Session(account, SECRET, region_name=region)
    return session.client(service, endpoint_url=endpoint_url, config=_DIRECT)


def make(home: Emulated, planned: Applied) -> Applied:
    """Make all of it in one account, in the order of `_MAKERS`, and give what was made. No type may be unknown."""
    unknown = {each["type"] for each in _managed(planned)} - _MAKERS.keys() - LEFT_OUT
    assert not unknown, f"planned, and not made here: {unknown}"
    (key,) = planned.of("aws_kms_key").values() or ({},)
    if key:
        arn = home.client("kms").create_key(Policy=key["policy"])["KeyMetadata"]["Arn"]
        planned = Applied(tuple(json.loads(json.dumps(planned.resources).replace(key["arn"], arn))), planned.outputs)
    for name, maker in _MAKERS.items():
        for each in _managed(planned):
            if each["type"] == name:
                maker(home, each["values"])
    return planned


def _managed(planned: Applied) -> Iterable[Json]:
    return [each for each in planned.resources if each["mode"] == "managed"]


# ---- What is kept ----


def _versioning(home: Emulated, values: Json) -> None:
    (configuration,) = values["versioning_configuration"]
    home.client("s3").put_bucket_versioning(
        Bucket=values["bucket"], VersioningConfiguration={"Status": configuration["status"]}
    )


def _encryption(home: Emulated, values: Json) -> None:
    (rule,) = values["rule"]
    (by_default,) = rule["apply_server_side_encryption_by_default"]
    usual = {"SSEAlgorithm": by_default["sse_algorithm"], "KMSMasterKeyID": by_default["kms_master_key_id"]}
    applied = {"ApplyServerSideEncryptionByDefault": usual, "BucketKeyEnabled": rule["bucket_key_enabled"]}
    home.client("s3").put_bucket_encryption(
        Bucket=values["bucket"], ServerSideEncryptionConfiguration={"Rules": [applied]}
    )


def _lifecycle(home: Emulated, values: Json) -> None:
    rules = [
        {
            "ID": each["id"],
            "Status": each["status"],
            "Filter": {"Prefix": each["filter"][0]["prefix"]},
            **({"Expiration": {"Days": each["expiration"][0]["days"]}} if each["expiration"] else {}),
            "Transitions": [_set(moved, "days storage_class") for moved in each["transition"]],
        }
        for each in values["rule"]
    ]
    home.client("s3").put_bucket_lifecycle_configuration(
        Bucket=values["bucket"], LifecycleConfiguration={"Rules": rules}
    )


def _object(home: Emulated, values: Json) -> None:
    home.client("s3").put_object(
        Bucket=values["bucket"],
        Key=values["key"],
        Body=Path(values["source"]).read_bytes(),
        ContentType=values["content_type"],
        ServerSideEncryption=values["server_side_encryption"],
        SSEKMSKeyId=values["kms_key_id"],
    )


def _table(home: Emulated, values: Json) -> None:
    client, name = home.client("dynamodb"), values["name"]
    (ttl,), (encryption,), (recovery,) = (
        values[key] for key in ("ttl", "server_side_encryption", "point_in_time_recovery")
    )
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": values["hash_key"], "KeyType": "HASH"},
            {"AttributeName": values["range_key"], "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": each["name"], "AttributeType": each["type"]} for each in values["attribute"]
        ],
        BillingMode=values["billing_mode"],
        DeletionProtectionEnabled=values["deletion_protection_enabled"],
        SSESpecification={
            "Enabled": encryption["enabled"],
            "SSEType": "KMS",
            "KMSMasterKeyId": encryption["kms_key_arn"],
        },
    )
    eventually(lambda: client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", f"table {name}")
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": ttl["enabled"], "AttributeName": ttl["attribute_name"]}
    )
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": recovery["enabled"]}
    )


def _log_group(home: Emulated, values: Json) -> None:
    home.client("logs").create_log_group(logGroupName=values["name"], kmsKeyId=values["kms_key_id"])
    home.client("logs").put_retention_policy(logGroupName=values["name"], retentionInDays=values["retention_in_days"])


# ---- What is told, and what waits ----


def _topic(home: Emulated, values: Json) -> None:
    attributes = {"DisplayName": values["display_name"], "KmsMasterKeyId": values["kms_master_key_id"]}
    home.client("sns").create_topic(Name=values["name"], Attributes=attributes)


def _queue(home: Emulated, values: Json) -> None:
    planned = {
        "VisibilityTimeout": values["visibility_timeout_seconds"],
        "MessageRetentionPeriod": values["message_retention_seconds"],
        "KmsMasterKeyId": values["kms_master_key_id"],
        "RedrivePolicy": values["redrive_policy"],
    }
    attributes = {name: str(value) for name, value in planned.items() if value}
    home.client("sqs").create_queue(QueueName=values["name"], Attributes=attributes)


# ---- Functions, and what calls them ----


def _function(home: Emulated, values: Json) -> None:
    client, name = home.client("lambda"), values["function_name"]
    (environment,) = values["environment"]
    named = "function_name role handler runtime description timeout memory_size"
    client.create_function(
        **_set(values, named, KMSKeyArn="kms_key_arn"),
        Code={"ZipFile": home.package.read_bytes()},
        Environment={"Variables": {**environment["variables"], "AWS_ENDPOINT_URL": home.endpoint_url}},
    )
    state = client.get_function_configuration
    eventually(lambda: state(FunctionName=name)["State"] == "Active", f"function {name} is active")
    if values["reserved_concurrent_executions"] >= 0:
        client.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=values["reserved_concurrent_executions"]
        )


def _mapping(home: Emulated, values: Json) -> None:
    (scaling,) = values["scaling_config"]
    home.client("lambda").create_event_source_mapping(
        **_set(values, "event_source_arn function_name enabled batch_size function_response_types"),
        ScalingConfig=_set(scaling, "maximum_concurrency"),
    )


def _target(home: Emulated, values: Json) -> None:
    (retry,), (dead,) = values["retry_policy"], values["dead_letter_config"]
    target = {
        "Id": values["target_id"],
        **_set(values, "arn input"),
        "RetryPolicy": _set(retry, "maximum_event_age_in_seconds maximum_retry_attempts"),
        "DeadLetterConfig": {"Arn": dead["arn"]},
    }
    bus = values["event_bus_name"] or "default"
    home.client("events").put_targets(Rule=values["rule"], EventBusName=bus, Targets=[target])


def _attribute(service: str, name: str, planned: str) -> Callable[[Emulated, Json], None]:
    """Set an attribute of a queue, or of a topic."""

    def maker(home: Emulated, values: Json) -> None:
        if service == "sqs":
            home.client("sqs").set_queue_attributes(QueueUrl=values["queue_url"], Attributes={name: values[planned]})
        else:
            home.client("sns").set_topic_attributes(
                TopicArn=values["arn"], AttributeName=name, AttributeValue=values[planned]
            )

    return maker


def _call(service: str, operation: str, same: str, **others: str) -> Callable[[Emulated, Json], None]:
    """One call with the attributes that are set: those that the SDK names the same, and others by the SDK's names."""

    def maker(home: Emulated, values: Json) -> None:
        getattr(home.client(service), operation)(**_set(values, same, **others))

    return maker


def _set(values: Json, same: str, **others: str) -> Json:
    names = {"".join(part.capitalize() for part in name.split("_")): name for name in same.split()} | others
    return {parameter: values[name] for parameter, name in names.items() if values[name] or values[name] == 0}


_MAKERS: Final[Mapping[str, Callable[[Emulated, Json], None]]] = {
    "aws_kms_key": lambda *_: None,  # made before all others, for its ARN
    "aws_iam_role": _call(
        "iam",
        "create_role",
        "description max_session_duration",
        RoleName="name",
        AssumeRolePolicyDocument="assume_role_policy",
    ),
    "aws_iam_role_policy": _call(
        "iam", "put_role_policy", "", RoleName="role", PolicyName="name", PolicyDocument="policy"
    ),
    "aws_s3_bucket": _call("s3", "create_bucket", "bucket", ObjectLockEnabledForBucket="object_lock_enabled"),
    "aws_s3_bucket_versioning": _versioning,
    "aws_s3_bucket_server_side_encryption_configuration": _encryption,
    "aws_s3_bucket_lifecycle_configuration": _lifecycle,
    "aws_s3_bucket_policy": _call("s3", "put_bucket_policy", "bucket policy"),
    "aws_s3_object": _object,
    "aws_dynamodb_table": _table,
    "aws_ssm_parameter": _call("ssm", "put_parameter", "name value type description key_id allowed_pattern"),
    "aws_cloudwatch_log_group": _log_group,
    "aws_sns_topic": _topic,
    "aws_sns_topic_policy": _attribute("sns", "Policy", "policy"),
    "aws_sqs_queue": _queue,
    "aws_sqs_queue_policy": _attribute("sqs", "Policy", "policy"),
    "aws_sqs_queue_redrive_allow_policy": _attribute("sqs", "RedriveAllowPolicy", "redrive_allow_policy"),
    "aws_lambda_function": _function,
    "aws_lambda_function_event_invoke_config": _call(
        "lambda",
        "put_function_event_invoke_config",
        "function_name maximum_retry_attempts maximum_event_age_in_seconds",
    ),
    "aws_lambda_event_source_mapping": _mapping,
    "aws_lambda_permission": _call(
        "lambda", "add_permission", "function_name statement_id action principal source_arn"
    ),
    "aws_cloudwatch_event_bus": _call("events", "create_event_bus", "name description"),
    "aws_cloudwatch_event_bus_policy": _call("events", "put_permission", "event_bus_name policy"),
    "aws_cloudwatch_event_rule": _call(
        "events", "put_rule", "name event_bus_name event_pattern schedule_expression state description"
    ),
    "aws_cloudwatch_event_target": _target,
}
"""By type, in the order in which they are made."""
