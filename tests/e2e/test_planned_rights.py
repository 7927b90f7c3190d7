"""The planned roles, tried: the functions' code does with them, and without any one action it fails and says which.

The emulator judges every call by the planned policies. The code runs in this process with keys of the functions' roles.
"""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sg_compliance.enforcement.guards import PROTECT_TAG
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.second_look import SecondLook
from sg_compliance.testing.organisation import demo_organisation
from tests.e2e.emulated.acting import Actor, keys_of
from tests.e2e.emulated.emulator import REGION
from tests.e2e.emulated.response_stage import HTTPS, SSH, WATCHED, message
from tests.e2e.emulated.waiting import eventually
from tests.event_builders import AUTHORIZE, MODIFY_LIST, USER, asked, envelope, record
from tests.terraform.paper import EXTERNAL_ID, actions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.builders import Json
    from tests.e2e.emulated.acting import Ran
    from tests.e2e.emulated.planned_stage import PlannedStage

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("planned")]

LOCKS: Final = "sg-compliance-locks"
POLICY: Final = "what-it-needs"
LONG: Final = 60.0
"""For the first calls of functions, on a machine that has other work."""
LIST: Final = demo_organisation().prefix_lists_of(WATCHED, REGION)[0].prefix_list_id
_NUMBERS: Final = count(1)


class Case(NamedTuple):
    """A run, and an action that is taken away from a role for it: `scan-function`, or `scan` in the watched account."""

    run: str
    role: str
    action: str


def event(name: str, request: Json) -> Json:
    """A message to `respond` that tells of a call in the watched account, by a user of its own."""
    user = f"user-{next(_NUMBERS)}"
    who = {**USER, "accountId": WATCHED, "userName": user, "arn": f"arn:aws:iam::{WATCHED}:user/{user}"}
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    read = record(
        name,
        request,
        userIdentity=who,
        recipientAccountId=WATCHED,
        awsRegion=REGION,
        eventTime=now,
        eventID=str(uuid.uuid4()),
    )
    return {"Records": [message(json.dumps(envelope(read, account=WATCHED, region=REGION)))]}


def scan_of(group: str) -> Json:
    detail = {"scan_type": "manual", "security_groups": [group]}
    return {"source": "custom.security.compliance", "detail-type": "Manual Compliance Scan", "detail": detail}


def second_look(group: str) -> Json:
    """What `respond` sends to itself after a change that is not dealt with yet."""
    body = json.loads(event(AUTHORIZE, asked(SSH, group=group))["Records"][0]["body"])
    now = datetime.now(UTC)
    return {"Records": [message(SecondLook(Place(WATCHED, REGION, group), now, now, 1, body).encode())]}


MARKED: Final = {"Key": "COMPLIANCE_STATUS", "Value": "NON_COMPLIANT"}
RUNS: Final[dict[str, Callable[[PlannedStage], tuple[str, Json]]]] = {
    "mend": lambda stage: ("scan", scan_of(stage.group(f"rights-{next(_NUMBERS)}"))),
    "unmark": lambda stage: ("scan", scan_of(stage.group(f"rights-{next(_NUMBERS)}", HTTPS, tags=(MARKED,)))),
    "respond": lambda stage: (
        "respond",
        event(AUTHORIZE, asked(SSH, group=stage.group(f"rights-{next(_NUMBERS)}"))),
    ),
    "list": lambda _: ("respond", event(MODIFY_LIST, {f"{MODIFY_LIST}Request": {"PrefixListId": LIST}})),
    "poison": lambda _: ("respond", {"Records": [message("{", number=next(_NUMBERS))]}),
    "look again": lambda stage: ("recheck", second_look(stage.group(f"rights-{next(_NUMBERS)}"))),
    "tell": lambda _: ("digest", {"digest": "hourly"}),
}
"""What a function is called with, on a group of its own: the function, and the event."""
OF_A_FUNCTION: Final = (
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "s3:GetObject",
    "s3:PutObject",
    "sns:Publish",
    "ssm:GetParameter",
    "sts:AssumeRole",
)
OF_CHANGES: Final = (
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateTags",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
)
TRIED: Final = (
    *(Case("mend", "scan-function", action) for action in OF_A_FUNCTION),
    *(Case("respond", "respond-function", action) for action in OF_A_FUNCTION),
    *(Case(run, "remediate", action) for run in ("mend", "respond") for action in OF_CHANGES),
    Case("unmark", "remediate", "ec2:DeleteTags"),
    Case("mend", "scan", "ec2:DescribeNetworkInterfaces"),
    Case("mend", "scan", "ec2:DescribeSecurityGroups"),
    Case("mend", "scan", "ec2:GetManagedPrefixListEntries"),
    Case("respond", "scan", "ec2:DescribeSecurityGroups"),
    Case("poison", "respond-function", "sqs:SendMessage"),
)
NOT_MISSED: Final = {
    "ec2:DescribeManagedPrefixLists": "names and sizes of lists, which no verdict needs",
    "ec2:DescribeSecurityGroupRules": "ids of rules, for people to read; where rules are changed it is missed",
    "ec2:GetManagedPrefixListAssociations": "groups of others that refer to a list: only its owner is told",
}
"""What `scan` in an account can do without, and why nobody is told."""
NOT_TRIED: Final = {
    "ec2:AuthorizeSecurityGroupEgress": "only to take a change back, which people do",
    "ec2:DescribeRegions": "asked where no regions are named",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress": "only to take a change back, which people do",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress": "only to take a change back, which people do",
    "kms:Decrypt": "MiniStack's other services do not ask KMS for who calls them",
    "kms:GenerateDataKey": "MiniStack's other services do not ask KMS for who calls them",
    "logs:CreateLogStream": "MiniStack writes the functions' logs itself",
    "logs:PutLogEvents": "MiniStack writes the functions' logs itself",
    "s3:ListBucket": "MiniStack says of an object that it is not there to who may not list, too",
    "sqs:DeleteMessage": "MiniStack's mappings take messages out of queues themselves",
    "sqs:GetQueueAttributes": "MiniStack's mappings take messages out of queues themselves",
    "sqs:ReceiveMessage": "MiniStack's mappings take messages out of queues themselves",
}
"""What is planned and not tried here, with the reason.

Nor does MiniStack ask whether EventBridge may send to a queue or call a function, nor who may send to the central bus.
"""
ROLES: Final = ("scan-function", "respond-function", "scan", "remediate")
ANYTHING: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@pytest.fixture
def actor(planned: PlannedStage, monkeypatch: pytest.MonkeyPatch) -> Actor:
    return Actor(planned, "locks", monkeypatch)


def iam_of(stage: PlannedStage, role: str) -> Any:  # noqa: ANN401  clients have no types of their own
    return (stage.home["locks"] if role.endswith("-function") else stage.member).client("iam")


def policy_of(stage: PlannedStage, role: str) -> Json:
    found: Json = iam_of(stage, role).get_role_policy(RoleName=f"{LOCKS}-{role}", PolicyName=POLICY)["PolicyDocument"]
    return found


@contextmanager
def lacking(stage: PlannedStage, role: str, *taken: str) -> Iterator[None]:
    """Take actions away from the role's policy, until the block ends."""
    planned, put = policy_of(stage, role), iam_of(stage, role).put_role_policy
    assert actions(planned) >= set(taken)
    statements = []
    for each in planned["Statement"]:
        listed = [each["Action"]] if isinstance(each["Action"], str) else each["Action"]
        left = [action for action in listed if each["Effect"] == "Deny" or action not in taken]
        statements += [{**each, "Action": left}] if left else []
    name = {"RoleName": f"{LOCKS}-{role}", "PolicyName": POLICY}
    put(**name, PolicyDocument=json.dumps({**planned, "Statement": statements}))
    try:
        yield
    finally:
        put(**name, PolicyDocument=json.dumps(planned))


@contextmanager
def allowed_anything(stage: PlannedStage, name: str) -> Iterator[None]:
    """Let a role of the functions' account do all that its own policies can let it, until the block ends."""
    iam = stage.home["locks"].client("iam")
    iam.put_role_policy(RoleName=name, PolicyName="anything", PolicyDocument=ANYTHING)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="anything")


def went_wrong(ran: Ran) -> bool:
    """Whether it failed, or says that it is not complete, or that a message has to come again."""
    if ran.answer is None:
        return True
    again, problems = ran.answer.get("batchItemFailures"), ran.answer.get("problems")
    return bool(again or problems) or not ran.answer.get("complete", True)


def denied(stage: PlannedStage, after: int) -> list[Json]:
    """What the emulator has denied, but for so many judgements that came first."""
    judged = [json.loads(line) for line in stage.checks.read_text(encoding="utf-8").splitlines()[after:]]
    return [each for each in judged if each["denied"]]


def test_every_planned_action_is_tried_or_has_a_reason_not_to_be(planned: PlannedStage) -> None:
    for role in ROLES:
        tried = {case.action for case in TRIED if case.role == role}
        left = NOT_TRIED.keys() | (NOT_MISSED.keys() if role == "scan" else set())
        assert actions(policy_of(planned, role)) - left == tried
    assert actions(policy_of(planned, "recheck-function")) == actions(policy_of(planned, "respond-function"))


@pytest.mark.parametrize("run", RUNS)
def test_under_the_planned_policies_all_goes_well(planned: PlannedStage, actor: Actor, run: str) -> None:
    before = len(planned.checks.read_text(encoding="utf-8").splitlines())
    ran = actor.run(*RUNS[run](planned))
    assert not went_wrong(ran), ran.said
    assert (ran.answer or {}).get("changed", 1) >= 1
    assert denied(planned, before) == []


@pytest.mark.parametrize("case", TRIED, ids="-".join)
def test_without_an_action_the_run_fails_and_says_which(planned: PlannedStage, actor: Actor, case: Case) -> None:
    function, sent = RUNS[case.run](planned)
    with lacking(planned, case.role, case.action):
        ran = actor.run(function, sent)
    assert went_wrong(ran), ran.answer
    assert f"is not authorized to perform: {case.action}" in ran.said


@pytest.mark.parametrize(("run", "more"), [("mend", ()), ("respond", ("ec2:DescribeNetworkInterfaces",))])
def test_what_is_for_people_to_read_is_not_missed(
    planned: PlannedStage, actor: Actor, run: str, more: tuple[str, ...]
) -> None:
    group = planned.group(f"rights-{next(_NUMBERS)}")
    sent = scan_of(group) if run == "mend" else event(AUTHORIZE, asked(SSH, group=group))
    with lacking(planned, "scan", *NOT_MISSED, *more):
        ran = actor.run("scan" if run == "mend" else "respond", sent)
    assert not went_wrong(ran), ran.said
    assert planned.is_locked(group)


def test_what_is_not_tried_is_not_enforced_here(planned: PlannedStage) -> None:
    """By the deployed functions: with queues, logs and keys as MiniStack has them. Where this fails, try the action."""
    mended, attacked = planned.group("not-tried"), planned.group("not-tried-either", HTTPS)
    planned.heard_by[attacked] = "locks"
    with ExitStack() as taken:
        for role in ROLES:
            taken.enter_context(lacking(planned, role, *(NOT_TRIED.keys() & actions(policy_of(planned, role)))))
        ran = planned.home["locks"].invoke(f"{LOCKS}-scan", scan_of(mended))
        planned.open("mallory-not-tried", attacked)
        eventually(lambda: planned.is_locked(attacked), "the group is locked", LONG)
        assert (ran.failed, ran.payload["changed"], ran.payload["problems"]) == (False, 1, 0)
        assert planned.is_locked(mended)
        logs = planned.home["locks"].logs
        eventually(lambda: any(attacked in line for line in logs(f"{LOCKS}-respond")), "the log tells of it")
        s3 = client(planned, "s3", keys_of(planned, "locks", "scan"))
        bucket = planned.planned["locks"].one("aws_s3_bucket")["bucket"]
        assert refusal(s3.get_object, Bucket=bucket, Key="state/audit/none") == "NoSuchKey"


# ---- Who may come in ----


@pytest.mark.parametrize("run", ["mend", "respond"])
def test_with_another_external_id_nobody_comes_in(planned: PlannedStage, actor: Actor, run: str) -> None:
    ran = actor.run(*RUNS[run](planned), SG_COMPLIANCE_EXTERNAL_ID=EXTERNAL_ID[::-1])
    assert went_wrong(ran)
    role = f"arn:aws:iam::{WATCHED}:role/{LOCKS}-scan"
    assert f"is not authorized to perform: sts:AssumeRole on resource: {role}" in ran.said
    assert f"check that {role} exists, that its trust policy lets " in ran.said
    assert ", and the external id" in ran.said


@pytest.mark.parametrize(("name", "function"), [("locks", "digest"), ("told", "scan")])
def test_a_role_that_is_not_trusted_does_not_come_in(
    planned: PlannedStage, actor: Actor, name: str, function: str
) -> None:
    stranger = f"sg-compliance-{name}-{function}-function"
    group = planned.group(f"rights-{next(_NUMBERS)}")
    with allowed_anything(planned, stranger):
        ran = actor.run("scan", scan_of(group), keys=keys_of(planned, name, function))
    assert went_wrong(ran)
    assert f":assumed-role/{stranger}/" in ran.said
    assert f"sts:AssumeRole on resource: arn:aws:iam::{WATCHED}:role/{LOCKS}-scan" in ran.said
    assert not planned.is_locked(group)


@pytest.mark.parametrize("run", ["mend", "respond"])
def test_dry_run_is_in_the_roles_too(planned: PlannedStage, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    group = planned.group(f"rights-{next(_NUMBERS)}")
    sent = scan_of(group) if run == "mend" else event(AUTHORIZE, asked(SSH, group=group))
    told = Actor(planned, "told", monkeypatch)
    ran = told.run("scan" if run == "mend" else "respond", sent, SG_COMPLIANCE_DRY_RUN_MODE="false")
    assert went_wrong(ran)
    assert "is not authorized to perform: sts:AssumeRole" in ran.said
    assert not planned.is_locked(group)


# ---- What nobody may ----


def client(stage: PlannedStage, service: str, keys: tuple[str, str, str]) -> Any:  # noqa: ANN401
    session: Any = boto3.Session(*keys, region_name=REGION)
    direct = Config(proxies={}, retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url=stage.home["locks"].endpoint_url, config=direct)


def refusal(call: Callable[..., object], **parameters: object) -> str:
    """The code of AWS's refusal, "" where there is none."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_group_that_is_protected_is_out_of_reach_of_the_role(planned: PlannedStage) -> None:
    sts = client(planned, "sts", keys_of(planned, "locks", "scan"))
    given = sts.assume_role(
        RoleArn=f"arn:aws:iam::{WATCHED}:role/{LOCKS}-remediate", RoleSessionName="by-hand", ExternalId=EXTERNAL_ID
    )["Credentials"]
    ec2 = client(planned, "ec2", (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]))
    protect = {"Key": PROTECT_TAG, "Value": "true"}
    protected, other = planned.group("protected", tags=(protect,)), planned.group("not-protected")
    no = "UnauthorizedOperation"
    for group, is_protected in ((protected, True), (other, False)):
        tags = {"Resources": [group], "Tags": [{"Key": "Team"}]}
        assert refusal(ec2.delete_tags, **tags) == (no if is_protected else "")
        assert refusal(ec2.delete_tags, **{**tags, "Tags": [protect]}) == no
        assert refusal(ec2.create_tags, **{**tags, "Tags": [protect]}) == no
        revoke = {"GroupId": group, "IpPermissions": [SSH]}
        assert refusal(ec2.revoke_security_group_ingress, **revoke) == (no if is_protected else "")


def test_the_functions_delete_nothing_whatever_their_policies_come_to_allow(
    planned: PlannedStage,
) -> None:
    bucket = {"Bucket": planned.planned["locks"].one("aws_s3_bucket")["bucket"]}
    with allowed_anything(planned, f"{LOCKS}-scan-function"):
        s3 = client(planned, "s3", keys_of(planned, "locks", "scan"))
        kept = {**bucket, "Key": "state/audit/of-a-test"}
        assert refusal(s3.put_object, **kept, Body=b"") == ""
        assert refusal(s3.put_object, **kept, Body=b"", ServerSideEncryption="AES256") == "AccessDenied"
        assert refusal(s3.put_object, **kept, Body=b"", ServerSideEncryption="aws:kms") == "AccessDenied"
        assert refusal(s3.delete_object, **kept) == "AccessDenied"
        versioning = {**bucket, "VersioningConfiguration": {"Status": "Suspended"}}
        assert refusal(s3.put_bucket_versioning, **versioning) == "AccessDenied"


def test_only_who_should_writes_to_the_queues(planned: PlannedStage) -> None:
    queues = {name: each["url"] for name, each in planned.planned["locks"].of("aws_sqs_queue").items()}
    with ExitStack() as given:
        for name in ("respond", "digest"):
            given.enter_context(allowed_anything(planned, f"{LOCKS}-{name}-function"))
        for function, may in (("respond", {"rechecks", "dead"}), ("digest", set[str]())):
            sqs = client(planned, "sqs", keys_of(planned, "locks", function))
            sent = {
                name: refusal(sqs.send_message, QueueUrl=url, MessageBody="{}", DelaySeconds=900)
                for name, url in queues.items()
            }
            assert {name for name, code in sent.items() if not code} == may
            assert set(sent.values()) <= {"", "AccessDenied"}
