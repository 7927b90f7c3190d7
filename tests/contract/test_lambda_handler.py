"""The functions, as Lambda calls them, on a deployment in moto."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from sg_compliance.aws.session import Caller
from sg_compliance.entrypoints import lambda_handler, telemetry
from sg_compliance.errors import AwsError
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.containment import Refusal, target_of
from sg_compliance.realtime.principals import Standing, principal
from sg_compliance.realtime.second_look import SecondLook
from sg_compliance.workflows.respond import Batch
from tests.builders import EVERYONE, document, prohibit, tcp
from tests.deployment import BUCKET, HOME, REGION, TABLE, Deployed, Invocation, deploy
from tests.event_builders import answered, asked, envelope, record, rule, session
from tests.response_world import real_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.model.finding import Finding

pytestmark = pytest.mark.e2e

HOSTILE = 'web\n{"level": "ERROR"}\u2028\u202e'


def policy(severity: str = "critical", **sections: Any) -> str:  # noqa: ANN401 - JSON
    """SSH from everywhere is prohibited, and the account enforces."""
    written = {
        "accounts_config": [
            {"account_id": HOME, "enforcement_level": "enforce", "actions": {"remove_violating_rules": True}}
        ],
        "compliance_actions": {
            "remediation_settings": {
                "automatic_remediation": True,
                "require_manual_approval": False,
                "grace_period_hours": 0,
                "strategy": "trim",
            }
        },
        "real_time_scanning": real_time({"emergency_remediation": {"enabled": True}}),
        **sections,
    }
    return json.dumps(document(prohibit(22, severity=severity), **written))


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def deployed(aws: None, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    del aws
    return deploy(monkeypatch, policy())


def make_group(deployed: Deployed, name: str = "web", cidr: str = EVERYONE, port: int = 22) -> str:
    client = deployed.client("ec2")
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    group_id = str(client.create_security_group(GroupName=name, Description="test", VpcId=vpc)["GroupId"])
    client.authorize_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}],
    )
    return group_id


def ingress(deployed: Deployed, group_id: str) -> list[tuple[int, str]]:
    (group,) = deployed.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return [(each["FromPort"], block["CidrIp"]) for each in group["IpPermissions"] for block in each["IpRanges"]]


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SG_COMPLIANCE_{name}", value)
    lambda_handler.deployed_here.cache_clear()


ACTING = {"DRY_RUN_MODE": "false", "ENABLE_AUTOMATIC_REMEDIATION": "true", "IMMEDIATE_REMEDIATION_ENABLED": "true"}


# ---- scan ----


def manual(**detail: object) -> dict[str, Any]:
    return {
        "id": "6f87d04b-9050-4a3e-8ad2-0c3c3f4f4c2b",
        "source": "custom.security.compliance",
        "detail-type": "Manual Compliance Scan",
        "detail": {"scan_type": "manual", **detail},
    }


def scan(event: Any = None, left: int = 300_000) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return lambda_handler.scan(event or {"scan": "scheduled"}, Invocation(left))  # type: ignore[arg-type]


def test_a_scan_says_what_it_found_in_lines_and_figures(deployed: Deployed) -> None:
    group_id = make_group(deployed, HOSTILE)
    result = scan()
    (line,) = deployed.said("COMPLIANCE_VIOLATION")
    assert (line["account_id"], line["region"], line["group_id"]) == (HOME, REGION, group_id)
    assert line["group_name"] == HOSTILE
    assert line["rule_id"] == "RULE"
    assert result["open"] == {"critical": 1}
    assert result["complete"]
    assert deployed.figures("ComplianceViolations") == [1]
    assert deployed.figures("ComplianceViolations", severity="critical", account=HOME) == [1]
    assert deployed.figures("CriticalViolationsFound") == [1]
    assert deployed.figures("GroupsScanned") == [2]
    assert deployed.figures("AccountsFailed") == [0]
    assert deployed.figures("ExemptionsExpiring") == [0]
    assert len(deployed.figures("ScanDuration")) == 1
    assert deployed.figures("ComplianceScore") == [result["score"]]
    assert deployed.figures("LambdaErrors") == []


def test_a_scan_that_finds_nothing_says_so_in_figures(deployed: Deployed) -> None:
    make_group(deployed, cidr="10.0.0.0/8")
    scan()
    assert deployed.said("COMPLIANCE_VIOLATION") == []
    assert deployed.figures("ComplianceViolations") == [0]
    assert deployed.figures("CriticalViolationsFound") == [0]


def test_what_is_critical_is_told_once(deployed: Deployed) -> None:
    make_group(deployed, "one")
    make_group(deployed, "two")
    assert scan()["told"] == 2
    (notice,) = deployed.told()
    assert notice["severity"] == "critical"
    assert scan()["told"] == 0
    assert deployed.told() == []


def test_the_report_is_kept(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    report = scan()["report"]
    key = report.removeprefix(f"s3://{BUCKET}/")
    assert key.startswith("state/reports/20")
    data = deployed.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(data).decode().splitlines()]
    assert [line["kind"] for line in lines] == ["finding", "summary"]
    assert lines[0]["group_id"] == group_id


def test_a_manual_scan_narrows_and_publishes_no_figures(deployed: Deployed) -> None:
    wanted = make_group(deployed, "one")
    make_group(deployed, "two")
    result = scan(manual(security_groups=[wanted]))
    assert [line["group_id"] for line in deployed.said("COMPLIANCE_VIOLATION")] == [wanted]
    assert result["groups"] == 1
    assert deployed.figures("ComplianceViolations") == []
    assert deployed.figures("ScanDuration") == []
    assert deployed.said("scan begins")[0]["correlation_id"] == manual()["id"]


def test_a_scan_of_everything_by_hand_is_one_like_the_others(deployed: Deployed) -> None:
    make_group(deployed)
    scan(manual())
    assert deployed.figures("ComplianceViolations") == [1]


def test_nothing_is_changed_unless_it_is_switched_on(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    group_id = make_group(deployed)
    switches = ("DRY_RUN_MODE", "ENABLE_AUTOMATIC_REMEDIATION")
    for values in ({}, {switches[0]: "false"}, {switches[1]: "true"}):
        set_variables(monkeypatch, DRY_RUN_MODE="true", ENABLE_AUTOMATIC_REMEDIATION="false")
        set_variables(monkeypatch, **values)
        for event in ({"scan": "scheduled"}, manual(dry_run=False)):
            assert scan(event)["changed"] == 0
    assert ingress(deployed, group_id) == [(22, EVERYONE)]


def test_a_group_that_could_not_be_mended_is_in_the_log_and_counted(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_id = make_group(deployed)
    set_variables(monkeypatch, **ACTING)

    def denied(*_: object) -> None:
        raise AwsError("s3:PutObject: no", code="AccessDenied", hint="allow it")

    monkeypatch.setattr("sg_compliance.aws.s3.S3Backups.put", denied)
    result = scan()
    assert (result["changed"], result["problems"]) == (0, 1)
    assert len(deployed.said(f"{HOME}/{REGION}/{group_id}: s3:PutObject: no")) == 1
    assert deployed.figures("LambdaErrors", function="scan") == [1]
    assert ingress(deployed, group_id) == [(22, EVERYONE)]


def test_a_brake_stops_the_mending_and_people_are_told(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [make_group(deployed, name) for name in ("one", "two")]
    set_variables(monkeypatch, **ACTING, MAX_GROUPS_PER_HOUR="1")
    result = scan()
    assert result["stopped"].startswith("nothing was changed")
    assert result["changed"] == 0
    assert {tuple(ingress(deployed, each)) for each in groups} == {((22, EVERYONE),)}
    assert "brake" in {notice["kind"] for notice in deployed.told()}


def test_a_scan_mends_within_the_brakes(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        make_group(deployed, f"quiet-{number}", "10.0.0.0/8")
    group_id = make_group(deployed)
    set_variables(monkeypatch, **ACTING)
    assert scan(manual(dry_run=True))["changed"] == 0
    assert ingress(deployed, group_id) == [(22, EVERYONE)]
    result = scan()
    assert result["changed"] == 1, result
    assert ingress(deployed, group_id) == []
    assert deployed.figures("RemediationActions") == [1]
    assert deployed.figures("RemediationActions", account=HOME) == [1]
    deployed.log.truncate(0)
    deployed.log.seek(0)
    assert scan()["changed"] == 0
    assert deployed.figures("ComplianceViolations") == [0]
    assert deployed.figures("RemediationActions") == []


def test_a_group_is_only_tagged_where_the_account_warns_and_its_tag_goes_when_it_complies(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = policy(accounts_config=[{"account_id": HOME, "enforcement_level": "warn"}])
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=warning)
    for number in range(12):
        make_group(deployed, f"quiet-{number}", "10.0.0.0/8")
    group_id = make_group(deployed)
    set_variables(monkeypatch, **ACTING)
    assert scan()["changed"] == 1
    assert tags(deployed, group_id)["COMPLIANCE_STATUS"] == "NON_COMPLIANT"
    deployed.client("ec2").revoke_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": EVERYONE}]}],
    )
    assert scan()["changed"] == 1
    assert "COMPLIANCE_STATUS" not in tags(deployed, group_id)
    assert deployed.figures("RemediationActions") == [], "no rule was touched"


def tags(deployed: Deployed, group_id: str) -> dict[str, str]:
    (group,) = deployed.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return {each["Key"]: each["Value"] for each in group.get("Tags", ())}


def test_only_findings_as_bad_as_the_threshold_are_mended(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy("high"))
    for number in range(12):
        make_group(deployed, f"quiet-{number}", "10.0.0.0/8")
    group_id = make_group(deployed)
    set_variables(monkeypatch, **ACTING)
    assert scan()["changed"] == 0
    assert ingress(deployed, group_id) == [(22, EVERYONE)]


def test_what_is_mended_is_not_told_any_more(deployed: Deployed) -> None:
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy("high"))
    mended, deleted, open_ = (make_group(deployed, name) for name in ("mended", "deleted", "open"))
    scan()
    client = deployed.client("ec2")
    client.revoke_security_group_ingress(
        GroupId=mended,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": EVERYONE}]}],
    )
    client.delete_security_group(GroupId=deleted)
    scan()
    assert lambda_handler.digest({"digest": "hourly"}, Invocation())["told"] == 1  # type: ignore[arg-type]
    (notice,) = deployed.told()
    assert open_ in notice["text"]
    assert mended not in notice["text"]
    assert deleted not in notice["text"]


def test_what_events_find_while_a_scan_runs_is_not_wiped_by_what_it_has_read(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a group that complied when the scan read it, and of one that was not there."""
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy("high"))
    make_group(deployed, "open")
    opened = make_group(deployed, "opened meanwhile", cidr="10.0.0.0/8")
    usual = telemetry.violation
    met: list[str] = []

    def meanwhile(finding: Finding) -> None:
        usual(finding)
        if not met:
            met.append(finding.id)
            permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": EVERYONE}]}
            deployed.client("ec2").authorize_security_group_ingress(GroupId=opened, IpPermissions=[permission])
            assert respond(messages(event_of(opened), event_of(make_group(deployed, "made meanwhile")))) == []

    monkeypatch.setattr(telemetry, "violation", meanwhile)
    assert scan()["open"] == {"high": 1}
    assert lambda_handler.digest({"digest": "hourly"}, Invocation())["told"] == 3  # type: ignore[arg-type]


def test_what_could_not_be_read_is_said_and_counted(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    make_group(deployed)
    set_variables(monkeypatch, REGIONS=f"{REGION},nowhere-else-9")
    result = scan()
    assert not result["complete"]
    assert result["open"] == {"critical": 1}
    (line,) = [each for each in deployed.lines() if str(each.get("message")).startswith("not read: security groups")]
    assert (line["account_id"], line["region"], line["level"]) == (HOME, "nowhere-else-9", "WARNING")
    assert deployed.figures("AccountsFailed") == [1]


def test_a_scan_whose_time_is_over_says_what_is_missing(deployed: Deployed) -> None:
    make_group(deployed)
    result = scan(left=1_000)
    assert not result["complete"]
    assert len(deployed.said("the time was over before everything was read")) == 1
    assert deployed.figures("LambdaErrors", function="scan") == [1, 1]


def test_where_people_cannot_be_told_the_scan_goes_on_and_the_alarm_rings(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(deployed)
    set_variables(monkeypatch, TOPIC_CRITICAL=f"arn:aws:sns:{REGION}:{HOME}:nowhere")
    result = scan()
    assert result["problems"] == 1
    assert result["report"]
    assert deployed.figures("LambdaErrors") == [1]
    assert deployed.figures("LambdaErrors", function="scan") == [1]


# ---- what fails ----


def failed(handler: Callable[[Any, Any], Any], event: object, deployed: Deployed) -> str:
    """What the log says of an invocation that fails."""
    with pytest.raises(Exception, match="the line before this one in the log says why") as caught:
        handler(event, Invocation())
    assert caught.value.__cause__ is None
    errors = [line for line in deployed.lines() if line.get("level") == "ERROR"]
    assert deployed.figures("LambdaErrors") == [1.0] * len(errors)
    return str(errors[-1]["message"])


@pytest.mark.parametrize("name", ["scan", "respond", "recheck", "digest"])
@pytest.mark.parametrize("event", [{}, None, [], {"scan": "everything"}, {"Records": []}, {"digest": HOSTILE}])
def test_an_event_of_no_known_kind_is_an_error(name: str, event: object, deployed: Deployed) -> None:
    assert f"{name} failed" in failed(getattr(lambda_handler, name), event, deployed)


def test_a_manual_scan_beyond_what_is_deployed_is_an_error(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, ACCOUNTS=HOME)
    assert "can only narrow" not in failed(lambda_handler.scan, manual(accounts=["999999999999"]), deployed)
    (line,) = [each for each in deployed.lines() if each.get("level") == "ERROR"]
    assert "can only narrow" in line["hint"]


def test_wrong_settings_are_an_error_that_names_them(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, DRY_RUN_MODE="perhaps")
    said = failed(lambda_handler.scan, {"scan": "scheduled"}, deployed)
    assert "SG_COMPLIANCE_DRY_RUN_MODE: expected true or false, got 'perhaps'" in said


def test_a_policy_that_cannot_be_used_is_told_and_no_other_takes_its_place(deployed: Deployed) -> None:
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body="{")
    with pytest.raises(Exception, match="says why"):
        scan()
    (notice,) = deployed.told()
    assert notice["subject"] == f"the policy cannot be used: s3://{BUCKET}/config/policy.json"
    assert deployed.said("COMPLIANCE_VIOLATION") == []


def test_what_nobody_foresaw_is_in_the_log_and_in_the_figures(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError(HOSTILE)

    monkeypatch.setattr("sg_compliance.bootstrap.deployed.Deployment.patrol", broken)
    failed(lambda_handler.scan, {"scan": "scheduled"}, deployed)
    (line,) = deployed.said("scan failed")
    assert line["exception_name"] == "ZeroDivisionError"


def test_the_level_of_the_log_is_followed(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.client("ssm").put_parameter(Name="/log-level", Value="ERROR", Type="String")
    set_variables(monkeypatch, LOG_LEVEL_PARAMETER="/log-level")
    make_group(deployed)
    scan()
    assert deployed.said("scan begins") == []


# ---- respond, recheck ----


def event_of(group_id: str, port: int = 22, cidr: str = EVERYONE, **others: object) -> str:
    """Somebody has added a rule to a group, now."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    detail = record(
        "AuthorizeSecurityGroupIngress",
        asked(tcp(port, cidr), group=group_id),
        answered(rule(port, cidr, group=group_id)),
        **{"awsRegion": REGION, "recipientAccountId": HOME, "eventTime": now, "eventID": str(uuid.uuid4()), **others},
    )
    return json.dumps(envelope(detail, account=HOME, region=REGION, time=now))


def messages(*bodies: str, receives: int = 1) -> dict[str, Any]:
    sent = str(int(datetime.now(UTC).timestamp() * 1000))
    return {
        "Records": [
            {
                "messageId": str(uuid.uuid4()),
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"SentTimestamp": sent, "ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{HOME}:events",
                "awsRegion": REGION,
            }
            for body in bodies
        ]
    }


def respond(event: dict[str, Any], left: int = 60_000, name: str = "respond") -> list[str]:
    """Which messages come again."""
    answer = getattr(lambda_handler, name)(event, Invocation(left))
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


class Handled:
    """How often messages were handled, and which fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids: list[str] = []
        self.failing: dict[str, Exception] = {}
        usual = Batch.handle

        def handle(batch: Batch, message_id: str) -> Any:  # noqa: ANN401
            self.ids.append(message_id)
            if message_id in self.failing:
                raise self.failing[message_id]
            return usual(batch, message_id)

        monkeypatch.setattr(Batch, "handle", handle)


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Handled:
    return Handled(monkeypatch)


def test_an_event_is_answered_with_what_was_found(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    assert respond(messages(event_of(group_id))) == []
    (line,) = deployed.said("COMPLIANCE_VIOLATION")
    assert line["group_id"] == group_id
    assert ingress(deployed, group_id) == [(22, EVERYONE)]
    assert deployed.figures("LambdaErrors") == []


def test_an_event_closes_a_group_where_that_is_switched_on(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    group_id = make_group(deployed)
    set_variables(monkeypatch, **ACTING)
    assert respond(messages(event_of(group_id))) == []
    assert (22, EVERYONE) not in ingress(deployed, group_id)


@pytest.mark.parametrize(("environment", "found"), [("prod", 1), ("dev", 0)])
def test_the_environment_of_a_group_is_the_deployments_where_nobody_says_another(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, environment: str, found: int
) -> None:
    rules = [{"rule_id": "LATER", "severity": "high", "protocol": "tcp", "prohibited_port_ranges": ["22"]}]
    body = policy(prohibited_rules={}, environment_specific={"production": {"additional_restrictions": rules}})
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=body)
    set_variables(monkeypatch, ENVIRONMENT=environment)
    group_id = make_group(deployed)
    assert sum(scan()["open"].values()) == found
    assert respond(messages(event_of(group_id))) == []
    assert len(deployed.said("COMPLIANCE_VIOLATION")) == 2 * found


def test_a_finding_is_one_line_however_many_events_of_a_batch_tell_of_its_group(deployed: Deployed) -> None:
    one, other = make_group(deployed), make_group(deployed, "other")
    assert respond(messages(*(event_of(each) for each in (one, one, other, one)))) == []
    assert sorted(each["group_id"] for each in deployed.said("COMPLIANCE_VIOLATION")) == sorted([one, other])


def test_what_was_not_watched_is_handled_when_it_comes_again_once_the_policy_is_mended(
    deployed: Deployed, handled: Handled
) -> None:
    off = policy(real_time_scanning={"enabled": False})
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=off)
    body = event_of(make_group(deployed))
    assert respond(messages(body)) == []
    assert deployed.said("COMPLIANCE_VIOLATION") == []
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy())
    lambda_handler.deployed_here.cache_clear()
    assert respond(messages(body)) == []
    assert len(deployed.said("COMPLIANCE_VIOLATION")) == 1
    assert respond(messages(body)) == []
    assert len(handled.ids) == 2


def test_a_broken_policy_is_told_once_by_however_many_processes(deployed: Deployed) -> None:
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body="{")
    for _ in range(3):
        lambda_handler.deployed_here.cache_clear()
        with pytest.raises(lambda_handler._FailedError):  # noqa: SLF001
            respond(messages(event_of("sg-0a1b2c3d")))
    (notice,) = deployed.told()
    assert "config/policy.json" in notice["subject"]


def test_real_time_that_is_switched_off_looks_at_nothing(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, **ACTING, REAL_TIME_SCANNING_ENABLED="false")
    group_id = make_group(deployed)
    assert respond(messages(event_of(group_id))) == []
    assert deployed.said("COMPLIANCE_VIOLATION") == []
    assert ingress(deployed, group_id) == [(22, EVERYONE)]


def test_poison_goes_to_the_dead_letters_and_stops_nobody(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    assert respond(messages("nonsense\n", event_of(group_id), '{"detail": {}}')) == []
    assert sorted(deployed.bodies("SG_COMPLIANCE_DEAD_LETTER_QUEUE_URL")) == sorted(["nonsense\n", '{"detail": {}}'])
    assert len(deployed.said("COMPLIANCE_VIOLATION")) == 1
    assert sum(deployed.figures("EventsRejected")) == 2


def test_only_what_failed_comes_again(deployed: Deployed, handled: Handled) -> None:
    batch = messages(*(event_of(make_group(deployed, name)) for name in ("one", "two", "three")))
    ids = [each["messageId"] for each in batch["Records"]]
    handled.failing = {ids[0]: AwsError("ec2: slow", hint="wait"), ids[2]: ZeroDivisionError()}
    assert respond(batch) == [ids[0], ids[2]]
    assert deployed.figures("LambdaErrors", function="respond") == [1, 1]
    handled.failing = {}
    assert respond(batch) == []
    assert handled.ids == [*ids, ids[0], ids[2]]


def test_a_batch_that_failed_as_a_whole_comes_again_message_by_message(deployed: Deployed, handled: Handled) -> None:
    batch = messages(event_of(make_group(deployed)))
    (message_id,) = [each["messageId"] for each in batch["Records"]]
    handled.failing = {message_id: AwsError("ec2: slow")}
    assert respond(batch) == [message_id]


def test_an_event_that_comes_twice_is_handled_once(deployed: Deployed, handled: Handled) -> None:
    body = event_of(make_group(deployed))
    assert respond(messages(body)) == []
    assert respond(messages(body, receives=2)) == []
    assert respond(messages(body, body)) == []
    assert len(handled.ids) == 1
    assert len(deployed.said("handled before")) == 3


def test_two_events_about_one_group_are_both_handled(deployed: Deployed, handled: Handled) -> None:
    group_id = make_group(deployed)
    assert respond(messages(event_of(group_id), event_of(group_id))) == []
    assert len(handled.ids) == 2


class KilledError(BaseException):
    """The process ends."""


def test_who_was_killed_in_the_middle_keeps_others_away_until_its_time_is_over(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = messages(event_of(make_group(deployed)))
    (message_id,) = [each["messageId"] for each in batch["Records"]]
    usual = Batch.handle

    def killed(*_: object) -> None:
        raise KilledError

    monkeypatch.setattr(Batch, "handle", killed)
    with pytest.raises(KilledError):
        respond(batch)
    monkeypatch.setattr(Batch, "handle", usual)
    assert respond(batch) == [message_id]
    assert deployed.figures("LambdaErrors") == [], "another is at it: that is no error"
    item = in_progress(deployed)
    assert int(item["in_progress_expiration"]["N"]) - datetime.now(UTC).timestamp() * 1000 < 60_000
    deployed.client("dynamodb").put_item(TableName=TABLE, Item={**item, "in_progress_expiration": {"N": "1"}})
    assert respond(batch) == []
    assert len(deployed.said("COMPLIANCE_VIOLATION")) == 1


def in_progress(deployed: Deployed) -> dict[str, Any]:
    """The record of what is being handled."""
    (item,) = [
        each for each in deployed.client("dynamodb").scan(TableName=TABLE)["Items"] if each["pk"] == {"S": "once"}
    ]
    assert item["sk"]["S"].startswith("message#")
    assert timedelta(hours=23) < datetime.fromtimestamp(int(item["expires"]["N"]), UTC) - datetime.now(UTC)
    assert datetime.fromtimestamp(int(item["expires"]["N"]), UTC) - datetime.now(UTC) < timedelta(hours=25)
    return dict(item)


def test_what_cannot_be_done_in_time_is_not_begun(deployed: Deployed, handled: Handled) -> None:
    batch = messages(event_of(make_group(deployed)))
    assert len(respond(batch, left=5_000)) == 1
    assert handled.ids == []
    assert deployed.figures("LambdaErrors") == []


def test_a_message_without_its_times_is_handled_all_the_same(deployed: Deployed, handled: Handled) -> None:
    batch = messages(event_of(make_group(deployed)))
    batch["Records"][0]["attributes"] = {"SentTimestamp": "yesterday"}
    assert respond(batch) == []
    assert len(handled.ids) == 1


def second_look(group_id: str, wait: timedelta = timedelta(), attempt: int = 1) -> str:
    now = datetime.now(UTC)
    place = Place(HOME, REGION, group_id)
    return SecondLook(place, now, now + wait, attempt, json.loads(event_of(group_id))).encode()


def test_a_second_look_is_a_look(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    assert respond(messages(second_look(group_id)), name="recheck") == []
    assert [line["group_id"] for line in deployed.said("COMPLIANCE_VIOLATION")] == [group_id]


def test_each_queue_has_messages_of_its_own(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    event, look = event_of(group_id), second_look(group_id)
    assert respond(messages(event), name="recheck") == []
    assert respond(messages(look), name="respond") == []
    assert sorted(deployed.bodies("SG_COMPLIANCE_DEAD_LETTER_QUEUE_URL")) == sorted([event, look])
    assert deployed.said("COMPLIANCE_VIOLATION") == []


@pytest.mark.usefixtures("deployed")
def test_at_home_the_functions_know_themselves_and_block_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, OWN_ROLES="other-function")
    here = lambda_handler.deployed_here()
    caller = f"arn:aws:sts::{HOME}:assumed-role/this-function/this-function"
    monkeypatch.setattr(here.home, "caller", lambda: Caller(HOME, caller))
    ours = here._ours(())  # noqa: SLF001 - what the functions take for themselves
    limits = here.containing(here.policy.current()).bounds
    for role in ("this-function", "other-function", "sg-compliance-scan"):
        who = principal(session(role, role, HOME))
        assert ours.standing(who, HOME) is (Standing.IMPOSTOR if role == "sg-compliance-scan" else Standing.OWN)
        assert isinstance(target_of(who, limits), Refusal)
    assert not isinstance(target_of(principal(session("deploy", "x", HOME)), limits), Refusal)
    assert isinstance(target_of(principal(session("deploy", "x", "999999999999")), limits), Refusal)


def test_a_second_look_that_comes_early_is_sent_on_as_it_is(deployed: Deployed) -> None:
    group_id = make_group(deployed)
    body = second_look(group_id, timedelta(hours=1))
    for _ in range(2):
        assert respond(messages(body), name="recheck") == []
    assert deployed.said("COMPLIANCE_VIOLATION") == []
    client = deployed.client("sqs")
    counts = client.get_queue_attributes(
        QueueUrl=deployed.environ["SG_COMPLIANCE_RECHECK_QUEUE_URL"],
        AttributeNames=["ApproximateNumberOfMessagesDelayed"],
    )["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "2", "each copy waits on: another message is another look"


def test_looks_of_another_attempt_are_others(deployed: Deployed, handled: Handled) -> None:
    group_id = make_group(deployed)
    body = json.loads(second_look(group_id))
    bodies = [json.dumps({**body, "attempt": attempt}) for attempt in (1, 2, 1)]
    for each in bodies:
        assert respond(messages(each), name="recheck") == []
    assert len(handled.ids) == 2


# ---- digest ----


def test_a_digest_tells_what_waits_and_is_told_once(deployed: Deployed) -> None:
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy("high"))
    make_group(deployed)
    assert scan()["told"] == 0
    for cadence, told in (("weekly", 0), ("daily", 0), ("hourly", 1), ("hourly", 0)):
        result = lambda_handler.digest({"digest": cadence}, Invocation())  # type: ignore[arg-type]
        assert (result["told"], result["released"]) == (told, 0)
    assert len(deployed.told()) == 1
