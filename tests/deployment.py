"""A deployment in moto, in this process: what the functions need, and the functions' invocations."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import boto3

from sg_compliance.aws import emf
from sg_compliance.entrypoints import lambda_handler
from sg_compliance.entrypoints.telemetry import Levels, logger

if TYPE_CHECKING:
    import pytest

REGION: Final = "eu-west-1"
HOME: Final = "123456789012"
BUCKET: Final = "sg-compliance-state"
TABLE: Final = "sg-compliance"


@dataclass
class Invocation:
    """The context of an invocation, as Lambda gives it."""

    left: int = 300_000
    function_name: str = "sg-compliance-test"
    function_version: str = "1"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{HOME}:function:sg-compliance-test"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    tenant_id: str | None = None

    def get_remaining_time_in_millis(self) -> int:
        return self.left


@dataclass
class Deployed:
    """Everything that a deployment has at home."""

    environ: dict[str, str]
    log: io.StringIO = field(default_factory=io.StringIO)

    def client(self, service: str) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return _client(service)

    def lines(self) -> list[dict[str, Any]]:
        """What was written to the log, figures too."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def said(self, message: str) -> list[dict[str, Any]]:
        """The lines with this message."""
        return [line for line in self.lines() if line.get("message") == message]

    def figures(self, name: str, **dimensions: str) -> list[float]:
        """The figures of this name under these dimensions and no other, but for the environment."""
        wanted = {**dimensions, "environment": "test"}
        return [
            value
            for line in self.lines()
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
            for keys in directive["Dimensions"]
            if {key: line[key] for key in keys} == wanted and directive["Metrics"][0]["Name"] == name
            for value in line[name]
        ]

    def bodies(self, queue: str) -> list[str]:
        """The messages in a queue, taken out of it."""
        client, bodies = self.client("sqs"), []
        while found := client.receive_message(QueueUrl=self.environ[queue], MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(message["Body"])
                client.delete_message(QueueUrl=self.environ[queue], ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def told(self) -> list[dict[str, Any]]:
        """What people were told through any topic, as JSON for machines."""
        return [json.loads(json.loads(body)["Message"]) for body in self.bodies("TOLD")]


def _client(service: str) -> Any:  # noqa: ANN401  SDK clients have no types of their own
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def deploy(monkeypatch: pytest.MonkeyPatch, policy: str, **settings: str) -> Deployed:
    """Make the stores in moto, and set the variables of the functions. Under `mock_aws`."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_DEFAULT_REGION", REGION)):
        monkeypatch.setenv(name, value)
    made = Deployed(_environ(policy))
    made.environ.update(settings)
    for name, value in made.environ.items():
        if name.startswith("SG_COMPLIANCE_"):
            monkeypatch.setenv(name, value)
    lambda_handler.deployed_here.cache_clear()
    monkeypatch.setattr(lambda_handler, "_levels", Levels())
    monkeypatch.setattr(emf, "sys", SimpleNamespace(stdout=made.log))
    monkeypatch.setattr(logger.logger_handler, "stream", made.log)
    logger.setLevel("INFO")
    return made


def _environ(policy: str) -> dict[str, str]:
    s3, sqs, sns = (_client(name) for name in ("s3", "sqs", "sns"))
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy.encode())
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    _client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=keys,
        AttributeDefinitions=attributes,
        BillingMode="PAY_PER_REQUEST",
    )
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("told", "recheck", "dead")}
    topics = {}
    for name in ("critical", "findings", "operations"):
        topics[name] = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topics[name], Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{HOME}:told")
    return {
        "SG_COMPLIANCE_STATE": f"s3://{BUCKET}/state",
        "SG_COMPLIANCE_TABLE": TABLE,
        "SG_COMPLIANCE_POLICY": f"s3://{BUCKET}/config/policy.json",
        "SG_COMPLIANCE_REGIONS": REGION,
        "SG_COMPLIANCE_ENVIRONMENT": "test",
        "SG_COMPLIANCE_REAL_TIME_SCANNING_ENABLED": "true",
        "SG_COMPLIANCE_LOOK_AGAIN_FOR": "1m",
        "SG_COMPLIANCE_RECHECK_QUEUE_URL": queues["recheck"],
        "SG_COMPLIANCE_DEAD_LETTER_QUEUE_URL": queues["dead"],
        "TOLD": queues["told"],
        **{f"SG_COMPLIANCE_TOPIC_{name.upper()}": arn for name, arn in topics.items()},
    }
