"""A whole deployment that responds in real time, in the emulator: what it is made of, and what came of what was done.

Watched is account `WATCHED`. The policy locks what is critical (SSH from everywhere) down at once, and gives what is
high (RDP from everywhere) a minute. Everything is counted in tables, topics and the twin, never in logs.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.model.security_group import Place
from sg_compliance.realtime.cloudtrail import READERS
from sg_compliance.realtime.second_look import SecondLook
from sg_compliance.testing.organisation import demo_organisation
from tests.builders import EVERYONE, document, prohibit, tcp
from tests.e2e.emulated.emulator import REGION
from tests.e2e.emulated.waiting import eventually
from tests.event_builders import AUTHORIZE, asked, envelope, record
from tests.response_world import real_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.builders import Json
    from tests.e2e.emulated.deployment import Deployment, Queue
    from tests.e2e.emulated.member_accounts import MemberAccounts

WATCHED: Final = "311122223333"
VPC: Final = next(
    each.vpc_id for each in demo_organisation().groups if (each.account_id, each.region) == (WATCHED, REGION)
)
HANDLERS: Final = "sg_compliance.entrypoints.lambda_handler"
ADDRESS: Final = "198.51.100.7"
"""Where attackers call from."""
SSH: Final = tcp(22, EVERYONE)
RDP: Final = tcp(3389, EVERYONE)
HTTPS: Final = tcp(443, "10.0.0.0/8", description="the offices")
DUMMY: Final = [["tcp", 65535, 65535]]
"""The ports of a group that is locked down."""
MOST_A_MINUTE: Final = 40
ESCALATED: Final = 60
_HIDDEN: Final = 4
_TIME: Final = 300
"""The functions': a scan ends 90 seconds before it is over."""
_RECEIVES: Final = 25
_GRACE: Final[Json] = {"enabled": True, "severity_threshold": "high", "grace_period_minutes": 1}
POLICY: Final[Json] = document(
    prohibit(22, severity="critical", rule_id="SSH"),
    prohibit(3389, severity="high", rule_id="RDP"),
    real_time_scanning=real_time(
        {"emergency_remediation": {"enabled": True}, "immediate_remediation": _GRACE},
        mass_operations_detected={
            "threshold_per_minute": MOST_A_MINUTE,
            "threshold_per_hour": 1000,
            "escalate_after_operations": ESCALATED,
            "block_suspicious_users": True,
        },
    ),
    accounts_config=[{"account_id": WATCHED, "enforcement_level": "enforce"}],
    compliance_actions={
        "remediation_settings": {
            "automatic_remediation": True,
            "require_manual_approval": False,
            "grace_period_hours": 0,
        }
    },
)
PATTERN: Final[Json] = {
    "source": ["aws.ec2"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {"eventSource": ["ec2.amazonaws.com"], "eventName": sorted(READERS)},
}
MANUAL: Final[Json] = {"source": ["custom.security.compliance"], "detail-type": ["Manual Compliance Scan"]}


@dataclass
class Stage:
    """The deployment: names of all that was made, and what people were told so far."""

    deployment: Deployment
    accounts: MemberAccounts
    package: Path
    table: str
    bucket: str
    kms_key: str
    events: Queue
    rechecks: Queue
    dead: Queue
    topics: Mapping[str, str]
    inbox: Queue
    early: dict[str, str] = field(default_factory=dict)
    """Groups to which something was done when the deployment was made, because it takes long; what, and the id."""
    kept_back: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    """The ids of all events that CloudTrail has told."""
    _told: list[Json] = field(default_factory=list)

    # --- What the deployment is

    @property
    def state(self) -> str:
        """Where backups, audit log and reports are."""
        return f"s3://{self.bucket}/state"

    @property
    def options(self) -> tuple[str, ...]:
        """The same for the command."""
        return ("--state", self.state, "--table", self.table, "--kms-key", self.kms_key)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the functions."""
        return {
            **self.accounts.variables,
            "SG_COMPLIANCE_STATE": self.state,
            "SG_COMPLIANCE_TABLE": self.table,
            "SG_COMPLIANCE_KMS_KEY": self.kms_key,
            "SG_COMPLIANCE_POLICY": f"s3://{self.bucket}/config/policy.json",
            **{f"SG_COMPLIANCE_TOPIC_{name.upper()}": arn for name, arn in self.topics.items()},
            "SG_COMPLIANCE_ACCOUNTS": WATCHED,
            "SG_COMPLIANCE_REGIONS": REGION,
            "SG_COMPLIANCE_ENVIRONMENT": "test",
            "SG_COMPLIANCE_DRY_RUN_MODE": "false",
            "SG_COMPLIANCE_REAL_TIME_SCANNING_ENABLED": "true",
            "SG_COMPLIANCE_IMMEDIATE_REMEDIATION_ENABLED": "true",
            "SG_COMPLIANCE_BLOCK_SUSPICIOUS_USERS": "true",
            "SG_COMPLIANCE_VIOLATION_SEVERITY_THRESHOLD": "high",
            "SG_COMPLIANCE_RECHECK_QUEUE_URL": self.rechecks.url,
            "SG_COMPLIANCE_DEAD_LETTER_QUEUE_URL": self.dead.url,
            "SG_COMPLIANCE_LOOK_AGAIN_FOR": "2m",
        }

    def deploy(self, name: str, **others: str) -> str:
        """Deploy one of the functions. `others` are variables of its own."""
        return self.deployment.function(
            name, self.package, f"{HANDLERS}.{name}", {**self.variables, **others}, seconds=_TIME
        )

    def hear(self, event: Json) -> None:
        """An event of the trail: to the bus, but for those of groups that a test keeps back."""
        if event["detail"]["requestParameters"].get("groupId") not in self.kept_back:
            self.deployment.send_event(event)
        self.heard.add(event["id"])

    @contextmanager
    def keeping_back(self, *group_ids: str) -> Iterator[None]:
        """Keep the events of these groups from the bus, for as long as the block lasts, and for good."""
        self.kept_back |= set(group_ids)
        try:
            yield
            told = [each for group_id in group_ids for each in self.told_by_cloudtrail(group_id)]
            ids = {each["id"] for each in told}
            eventually(lambda: ids <= self.heard, "the trail is read")
        finally:
            self.kept_back -= set(group_ids)

    # --- What is done to it

    def group(self, name: str, *permissions: Json) -> str:
        """A group that has been there for long, by its id; no event tells of it."""
        raw = {
            "GroupName": self.deployment.name(name),
            "VpcId": VPC,
            "Description": "of a test",
            "Tags": [{"Key": "Team", "Value": "payments"}],
            "IpPermissions": list(permissions),
            "IpPermissionsEgress": [tcp(443, EVERYONE, description="partners")],
        }
        made: str = self.accounts.command("make", account_id=WATCHED, region=REGION, raw_group=raw)
        return made

    def attacker(self, name: str) -> Any:  # noqa: ANN401  a client
        """EC2 as an IAM user of the watched account calls it, from `ADDRESS`."""
        ec2 = self.accounts.client(self.accounts.user(WATCHED, self.deployment.name(name)))
        ec2.meta.events.register("before-sign.ec2", _from_address)
        return ec2

    def open(self, name: str, group_id: str, permission: Json = SSH) -> None:
        """An attacker of the name opens the group."""
        self.attacker(name).authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])

    def arn(self, name: str) -> str:
        """The ARN of the attacker of that name."""
        return f"arn:aws:iam::{WATCHED}:user/{self.deployment.name(name)}"

    # --- What came of it

    def snapshot(self, group_id: str) -> Json:
        """All that AWS shows of a group, but for ids of rules."""
        found: Json = self.accounts.command("snapshot", account_id=WATCHED, region=REGION, group_id=group_id)
        return found

    def ports(self, group_id: str) -> list[list[object]]:
        """Protocol and ports of each inbound rule."""
        rules = self.snapshot(group_id)["rules"]
        return sorted(each["traffic"] for each in rules if each["direction"] == "ingress")

    def is_locked(self, group_id: str) -> bool:
        """Whether the group has the dummy rule and no other."""
        return self.ports(group_id) == DUMMY and not self.open_entries(group_id)

    def calls(self, group_id: str, operation: str) -> int:
        """How often it took effect."""
        return int(self.accounts.command("calls", group_id=group_id, operation=operation))

    def items(self, partition: str) -> list[Json]:
        """Items of the table."""
        return [each for each in self.deployment.items(self.table) if each["pk"]["S"] == partition]

    def entries(self, group_id: str, kind: str = "remediation") -> list[Json]:
        """What the journal has of a group, ended or not."""
        found = [json.loads(each["record"]["S"]) for each in self.items(f"entry#{group_id}")]
        return [each for each in found if each["kind"] == kind]

    def open_entries(self, group_id: str) -> list[Json]:
        """What the journal has of a group that is not ended, and locks that are held."""
        all_items = self.deployment.items(self.table)
        found = [each for each in all_items if group_id in each["sk"]["S"]]
        return [each for each in found if each["pk"]["S"] == "open" or "owner" in each]

    def told(self, about: str, kind: str = "") -> list[Json]:
        """What people were told by now that has this text in it: records for machines, and their topic's ARN."""
        for body in self.deployment.take(self.inbox, at_least=0):
            envelope_ = json.loads(body)
            self._told.append({**json.loads(envelope_["Message"]), "topic": envelope_["TopicArn"]})
        return [each for each in self._told if about in json.dumps(each) and kind in {"", each["kind"]}]

    def handled(self, *events: Json, look: str = "") -> bool:
        """Whether the functions have handled the events: their idempotency items say so, by Powertools' own hash.

        `look`: `#1#sg-…`, the first second look at the group.
        """
        done = {each["sk"]["S"] for each in self.items("once") if each["status"]["S"] == "COMPLETED"}
        return all(_idempotency_key(each["detail"], look) in done for each in events)

    def told_by_cloudtrail(self, group_id: str, *, own: bool | None = None) -> list[Json]:
        """The events of a group that are watched, in their order: of our own changes, of others', or of both."""
        ours = ":assumed-role/sg-compliance-remediate/sg-compliance"
        return [
            each
            for each in self.accounts.events()
            if each["detail"]["requestParameters"].get("groupId") == group_id
            and each["detail"]["eventName"] in READERS
            and own in {None, each["detail"]["userIdentity"]["arn"].endswith(ours)}
        ]

    def letters(self, at_least: int) -> list[tuple[str, str]]:
        """Wait for so many dead letters, and take them: the body, and the reason beside it."""
        sqs, taken = self.deployment.client("sqs"), []

        def look() -> bool:
            found = sqs.receive_message(
                QueueUrl=self.dead.url, MaxNumberOfMessages=10, MessageAttributeNames=["reason"], WaitTimeSeconds=1
            ).get("Messages", [])
            for each in found:
                sqs.delete_message(QueueUrl=self.dead.url, ReceiptHandle=each["ReceiptHandle"])
                taken.append((each["Body"], each.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")))
            return len(taken) >= at_least

        eventually(look, f"{at_least} dead letters")
        return taken


def _idempotency_key(record_: Json, look: str) -> str:
    key = f"={record_['recipientAccountId']}/{record_['awsRegion']}/{record_['eventID']}{look}"
    return f"message#{hashlib.sha256(json.dumps(key).encode()).hexdigest()}"


def stage(deployment: Deployment, accounts: MemberAccounts, package: Path) -> Stage:
    """Deploy it all. Nothing comes over the bus yet: that is `Crier`'s part, with `Stage.hear`."""
    dead = deployment.queue("dead")
    inbox = deployment.queue("told")
    made = Stage(
        deployment,
        accounts,
        package,
        table=deployment.table("state"),
        bucket=deployment.bucket("state"),
        kms_key=deployment.client("kms").create_key()["KeyMetadata"]["Arn"],  # MiniStack wants one named
        events=deployment.queue("events", dead, receives=_RECEIVES, hidden_seconds=_HIDDEN),
        rechecks=deployment.queue("rechecks", dead, receives=_RECEIVES, hidden_seconds=_HIDDEN),
        dead=dead,
        topics={name: _topic(deployment, name, inbox) for name in ("critical", "findings", "operations")},
        inbox=inbox,
    )
    made.early["old"] = made.group("old", HTTPS)
    made.deployment.client("s3").put_object(
        Bucket=made.bucket, Key="config/policy.json", Body=json.dumps(POLICY).encode()
    )
    for role in ("sg-compliance-remediate", "sg-compliance-contain"):
        accounts.role(WATCHED, role)
    look = _look_at(made.early["old"])
    for name, queue, warm in (("respond", made.events, _passed_over()), ("recheck", made.rechecks, look)):
        function = made.deploy(name)
        warmed = deployment.invoke(function, {"Records": [message(warm)]})
        assert warmed.payload == {"batchItemFailures": []}, (warmed, deployment.logs(function))
        deployment.trigger(queue, function)
    deployment.rule("changes", PATTERN, made.events)
    return made


def begin_grace_periods(made: Stage) -> None:
    """Open RDP of two groups, and close one by hand once it is known that a second look will come."""
    for name in ("stays open", "is closed by hand"):
        made.early[name] = made.group(name.replace(" ", "-"), HTTPS)
    mallory = made.attacker("impatient")
    for group in (made.early["stays open"], made.early["is closed by hand"]):
        mallory.authorize_security_group_ingress(GroupId=group, IpPermissions=[RDP])
    eventually(lambda: made.deployment.waiting(made.rechecks) >= 2, "two second looks are to come")
    mallory.revoke_security_group_ingress(GroupId=made.early["is closed by hand"], IpPermissions=[RDP])


def message(body: str, *, receives: int = 1, number: int = 1) -> Json:
    """A message as SQS hands it to a function."""
    return {
        "messageId": f"00000000-0000-4000-8000-{number:012}",
        "receiptHandle": "receipt",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1700000000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:events",
        "awsRegion": REGION,
    }


def figures(records: list[Json]) -> dict[str, list[float]]:
    """Figures by name, as CloudWatch reads them from the log."""
    found: dict[str, list[float]] = {}
    for each in records:
        for directive in each.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "SecurityGroup/Compliance"
            for metric in directive["Metrics"]:
                found.setdefault(metric["Name"], []).extend(each[metric["Name"]])
    return found


def _passed_over() -> str:
    """An event of a call that only reads."""
    return json.dumps(_event("DescribeSecurityGroups", {}))


def _look_at(group_id: str) -> str:
    """A second look at a group that complies."""
    now, event = datetime.now(UTC), _event(AUTHORIZE, asked(HTTPS, group=group_id))
    return SecondLook(Place(WATCHED, REGION, group_id), now, now, 1, event).encode()


def _event(name: str, request: Json) -> Json:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    read = record(name, request, recipientAccountId=WATCHED, awsRegion=REGION, eventTime=now)
    return envelope(read, account=WATCHED, region=REGION)


def _topic(deployment: Deployment, name: str, inbox: Queue) -> str:
    sns = deployment.client("sns")
    arn: str = sns.create_topic(Name=deployment.name(name))["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=inbox.arn)
    return arn


def _from_address(request: Any, **_: object) -> None:  # noqa: ANN401  botocore's
    request.headers["X-Forwarded-For"] = ADDRESS
