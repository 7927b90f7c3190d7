"""What a deployment has, made in the emulator in a line each: functions, queues, rules, tables, topics.

Names begin with a prefix, so that tests share one emulator. Calls are those of the management account of the demo
organisation: MiniStack takes an access key of twelve digits for an account, and functions act with such a key too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.emulated.emulator import ACCOUNT, REGION
from tests.e2e.emulated.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.builders import Json

BUS: Final = "default"
RUNTIME: Final = "python3.12"
"""MiniStack runs every function with its own Python, whatever is named here."""
_DIRECT: Final = Config(proxies={}, retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60)
_MOST: Final = 10
_NOW: Final = 1


class Queue(NamedTuple):
    """A queue of SQS."""

    url: str
    arn: str


class Answer(NamedTuple):
    """What a function gave: its answer, or its error (`errorMessage`, `errorType`)."""

    payload: Any
    failed: bool


@dataclass(frozen=True)
class Deployment:
    """All that is made under one prefix, in the emulator at the endpoint."""

    endpoint_url: str
    prefix: str

    def client(self, service: str, region: str = REGION) -> Any:  # noqa: ANN401  clients have no types of their own
        """Ask the emulator as the management account."""
        return _client(self.endpoint_url, service, region)

    def name(self, suffix: str) -> str:
        """The name under which something is made here."""
        return f"{self.prefix}-{suffix}"

    # --- Functions

    def function(
        self, suffix: str, package: Path, handler: str, variables: Mapping[str, str] | None = None, *, seconds: int = 60
    ) -> str:
        """Deploy a function from a zip, and give its name. `variables` come on top of where AWS is."""
        name = self.name(suffix)
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Role=f"arn:aws:iam::{ACCOUNT}:role/{name}",
            Handler=handler,
            Code={"ZipFile": package.read_bytes()},
            Timeout=seconds,
            MemorySize=512,
            Environment={"Variables": {"AWS_ENDPOINT_URL": self.endpoint_url, **(variables or {})}},
        )
        state = self.client("lambda").get_function_configuration
        eventually(lambda: state(FunctionName=name)["State"] == "Active", f"function {name} is active")
        return name

    def invoke(self, function: str, event: object) -> Answer:
        """Call a function, and wait for what it gives; until it has room, where it does one thing at a time."""

        def asked() -> Any:  # noqa: ANN401  the SDK's answer
            try:
                return dict(self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode()))
            except ClientError as error:
                if error.response["Error"]["Code"] != "TooManyRequestsException":
                    raise
                return None

        answer = eventually(asked, f"{function} has room")
        return Answer(json.loads(answer["Payload"].read() or b"null"), "FunctionError" in answer)

    def logs(self, function: str) -> list[str]:
        """All lines that the function has written, those of the platform (START, END, REPORT) among them."""
        logs, group = self.client("logs"), f"/aws/lambda/{function}"
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if group not in {each["logGroupName"] for each in groups}:
            return []
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def records(self, function: str) -> list[Json]:
        """The lines of the log that are objects of JSON: our own records, and metrics in EMF."""
        return [json.loads(line) for line in self.logs(function) if line.startswith("{")]

    # --- Queues and events

    def queue(
        self, suffix: str, dead_letters: Queue | None = None, *, receives: int = 3, hidden_seconds: int = 60
    ) -> Queue:
        """Make a queue; what was received so often without being deleted goes to the dead letter queue."""
        redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": receives} if dead_letters else {}
        attributes = {"VisibilityTimeout": str(hidden_seconds)}
        if redrive:
            attributes["RedrivePolicy"] = json.dumps(redrive)
        name = self.name(suffix)
        url = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")

    def trigger(self, queue: Queue, function: str, *, batch: int = _MOST) -> str:
        """Let the queue call the function, which answers with the messages that failed. Gives the mapping's id."""
        made = self.client("lambda").create_event_source_mapping(
            EventSourceArn=queue.arn,
            FunctionName=function,
            BatchSize=batch,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        return str(made["UUID"])

    def rule(self, suffix: str, pattern: Json, queue: Queue) -> None:
        """Send what matches the pattern from the bus to the queue, whole."""
        events, name = self.client("events"), self.name(suffix)
        events.put_rule(Name=name, EventPattern=json.dumps(pattern), EventBusName=BUS)
        events.put_targets(Rule=name, EventBusName=BUS, Targets=[{"Id": "queue", "Arn": queue.arn}])

    def rule_that_calls(self, suffix: str, pattern: Json, function: str) -> None:
        """Call the function with what matches the pattern."""
        events, name = self.client("events"), self.name(suffix)
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern), EventBusName=BUS)["RuleArn"]
        self.client("lambda").add_permission(
            FunctionName=function,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
        events.put_targets(Rule=name, EventBusName=BUS, Targets=[{"Id": "function", "Arn": arn}])

    def send_event(self, envelope: Json) -> None:
        """Put an event on the bus as AWS's services do. The bus gives it an id and a time of its own."""
        entry = {
            "Source": envelope["source"],
            "DetailType": envelope["detail-type"],
            "Detail": json.dumps(envelope["detail"]),
            "Resources": envelope.get("resources", []),
            "EventBusName": BUS,
        }
        answer = self.client("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0, answer

    def send(self, queue: Queue, *bodies: str) -> None:
        """Put messages into the queue, past the bus."""
        for body in bodies:
            self.client("sqs").send_message(QueueUrl=queue.url, MessageBody=body)

    def take(self, queue: Queue, at_least: int = 1) -> list[str]:
        """Wait for so many messages, take all there are, and give their bodies."""
        taken: list[str] = []

        def look() -> bool:
            taken.extend(self._received(queue))
            return len(taken) >= at_least

        eventually(look, f"{at_least} messages in {queue.url}")
        return taken

    def _received(self, queue: Queue) -> list[str]:
        sqs = self.client("sqs")
        found = sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=_NOW)
        messages = found.get("Messages", [])
        for each in messages:
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=each["ReceiptHandle"])
        return [each["Body"] for each in messages]

    def waiting(self, queue: Queue) -> int:
        """How many messages the queue has, hidden and delayed ones too."""
        names = [f"ApproximateNumberOfMessages{each}" for each in ("", "NotVisible", "Delayed")]
        found = self.client("sqs").get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    # --- Stores and topics

    def table(self, suffix: str) -> str:
        """Make a table with the keys that the tool's stores use, and give its name."""
        name, table = self.name(suffix), self.client("dynamodb")
        table.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        eventually(lambda: _is_active(table, name), f"table {name} is active")
        ttl = {"Enabled": True, "AttributeName": "expires"}
        table.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)
        return name

    def items(self, table: str) -> list[Json]:
        """All items of a table, as DynamoDB writes them."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def bucket(self, suffix: str) -> str:
        """Make a bucket with versions, and give its name."""
        name, bucket = self.name(suffix), self.client("s3")
        bucket.create_bucket(Bucket=name)
        bucket.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def parameter(self, suffix: str, value: str) -> str:
        """Set a parameter, and give its name."""
        name = f"/{self.prefix}/{suffix}"
        self.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        return name

    def topic(self, suffix: str) -> tuple[str, Queue]:
        """Make a topic and a queue that is told all of it; its ARN, and the queue. `take` gives SNS's envelopes."""
        topics = self.client("sns")
        arn = topics.create_topic(Name=self.name(suffix))["TopicArn"]
        inbox = self.queue(f"{suffix}-inbox")
        topics.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=inbox.arn)
        return arn, inbox


def _is_active(table: Any, name: str) -> bool:  # noqa: ANN401  a client
    return bool(table.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")


@cache
def _client(endpoint_url: str, service: str, region: str) -> Any:  # noqa: ANN401  clients have no types of their own
    return _session().client(service, region_name=region, endpoint_url=endpoint_url, config=_DIRECT)


@cache
def _session() -> Any:  # noqa: ANN401  its clients have no types of their own
    return boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="of the emulator", region_name=REGION)
