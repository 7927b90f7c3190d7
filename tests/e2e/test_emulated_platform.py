"""The platform that the Lambda is tested on does what AWS does, as far as the Lambda's tests rely on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.realtime.cloudtrail import parse, read_json
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import Change, ChangeKind
from sg_compliance.testing.organisation import demo_organisation
from tests.builders import EVERYONE, tcp
from tests.e2e.emulated import runtime_api
from tests.e2e.emulated.emulator import ACCOUNT, REGION, emulator
from tests.e2e.emulated.member_accounts import Crier
from tests.e2e.emulated.places import ROOT, require, runtime_packages, unpacked
from tests.e2e.emulated.waiting import NotInTimeError, eventually
from tests.event_builders import AUTHORIZE, asked, envelope, record

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.e2e.emulated.deployment import Deployment, Queue
    from tests.e2e.emulated.member_accounts import MemberAccounts

pytestmark = pytest.mark.e2e

HANDLERS: Final = Path(__file__).with_name("emulated") / "handlers"
PATTERN: Final[Json] = {
    "source": ["aws.ec2"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {"eventSource": ["ec2.amazonaws.com"], "eventName": ["AuthorizeSecurityGroupIngress"]},
}
MEMBER_GROUP: Final = next(
    each for each in demo_organisation().groups if each.account_id != ACCOUNT and each.region == REGION
)
MEMBER: Final = MEMBER_GROUP.account_id


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny function, as a zip."""
    path = tmp_path_factory.mktemp("proof") / "proof.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(HANDLERS / "proof.py", "proof.py")
    return path


def keeping(deployment: Deployment, package: Path) -> tuple[str, Queue, Queue, str]:
    """A function that keeps what comes through its queue: table, queue, dead letter queue, function."""
    table, dead = deployment.table("kept"), deployment.queue("dead")
    queue = deployment.queue("events", dead, receives=2, hidden_seconds=3)
    function = deployment.function("keep", package, "proof.keep", {"TABLE": table})
    deployment.invoke(function, {"Records": []})  # a cold start may take longer than messages are hidden
    deployment.trigger(queue, function)
    return table, queue, dead, function


def is_open(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def bodies(deployment: Deployment, table: str) -> list[str]:
    return sorted(item["body"]["S"] for item in deployment.items(table))


def test_an_event_goes_from_the_bus_through_queue_and_function_into_the_table(
    deployment: Deployment, proof: Path
) -> None:
    table, queue, dead, _ = keeping(deployment, proof)
    deployment.rule("changes", PATTERN, queue)
    call = record(AUTHORIZE, asked(tcp(22, EVERYONE)), recipientAccountId=MEMBER, awsRegion="eu-west-1")
    event = envelope(call, account=MEMBER, region="eu-west-1")
    deployment.send_event(event)
    (body,) = eventually(lambda: bodies(deployment, table), "the event is kept")
    assert {**json.loads(body), "id": event["id"], "time": event["time"]} == event
    assert isinstance(parse(read_json(body), Ours()), Change)
    eventually(lambda: deployment.waiting(queue) == 0, "the queue is empty")
    assert deployment.waiting(dead) == 0


def test_what_the_pattern_does_not_name_is_not_delivered(deployment: Deployment) -> None:
    queue = deployment.queue("events")
    deployment.rule("changes", PATTERN, queue)
    deployment.send_event(envelope(record("DescribeSecurityGroups")))
    deployment.send_event({**envelope(record()), "source": "custom.forged"})
    deployment.send_event(envelope(record()))
    (body,) = deployment.take(queue)
    assert json.loads(body)["detail"]["eventName"] == "AuthorizeSecurityGroupIngress"


def test_the_failed_messages_of_a_batch_come_again_and_end_in_the_dead_letter_queue(
    deployment: Deployment, proof: Path
) -> None:
    table, queue, dead, _ = keeping(deployment, proof)
    deployment.send(queue, "one", "two fails: fail", "three")
    assert deployment.take(dead) == ["two fails: fail"]
    came = sorted((item["body"]["S"], item["sk"]["S"]) for item in deployment.items(table))
    assert came == [("one", "1"), ("three", "1"), ("two fails: fail", "1"), ("two fails: fail", "2")]
    assert deployment.waiting(queue) == 0


def test_what_a_function_writes_is_in_its_log_and_its_records_are_read(deployment: Deployment, proof: Path) -> None:
    function = deployment.function("keep", proof, "proof.keep", {"TABLE": deployment.table("kept")})
    assert deployment.logs(function) == []
    for _ in range(2):
        deployment.invoke(function, {"Records": []})
    lines = deployment.logs(function)
    assert [word for line in lines for word in ("START", "END", "REPORT") if line.startswith(word)].count("START") == 2
    eventually(lambda: {"records": 0, "cold": True} in deployment.records(function), "the first line is in the log")


def test_a_function_starts_once_and_then_stays_warm(deployment: Deployment, proof: Path) -> None:
    function = deployment.function("say", proof, "proof.say")
    first, second = (deployment.invoke(function, {"n": n}).payload for n in (1, 2))
    assert (first["event"], second["event"]) == ({"n": 1}, {"n": 2})
    assert first["started"] == second["started"]
    assert first["key"] == ACCOUNT
    assert 0 < first["left"] <= 60_000
    assert first["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def test_a_function_that_raises_says_what_and_its_trace_is_in_the_log(deployment: Deployment, proof: Path) -> None:
    function = deployment.function("say", proof, "proof.say")
    answer = deployment.invoke(function, "break")
    assert answer.failed
    assert answer.payload["errorMessage"] == "told to break"
    assert any("LookupError: told to break" in line for line in deployment.logs(function))


def test_what_a_topic_is_told_comes_to_its_inbox(deployment: Deployment) -> None:
    arn, inbox = deployment.topic("critical")
    deployment.client("sns").publish(TopicArn=arn, Subject="Open", Message="sg-1 is open")
    (said,) = (json.loads(body) for body in deployment.take(inbox))
    assert (said["Subject"], said["Message"]) == ("Open", "sg-1 is open")


def test_a_bucket_keeps_versions_and_a_parameter_its_value(deployment: Deployment) -> None:
    bucket, parameter = deployment.bucket("backups"), deployment.parameter("switch", "on")
    s3, ssm = deployment.client("s3"), deployment.client("ssm")
    first, second = (s3.put_object(Bucket=bucket, Key="one", Body=body)["VersionId"] for body in (b"1", b"2"))
    assert first != second
    assert ssm.get_parameter(Name=parameter)["Parameter"]["Value"] == "on"


def test_our_own_adapters_find_each_service_where_the_environment_says(
    deployment: Deployment, member_accounts: MemberAccounts, lambda_package: Path, tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(lambda_package.read_bytes())
    with zipfile.ZipFile(package, "a") as archive:
        archive.write(HANDLERS / "proof.py", "proof.py")
    table = deployment.table("kept")
    role = demo_organisation().role_name
    variables = {**member_accounts.variables, "ROLE": role, "MEMBER": MEMBER, "REGION": REGION, "TABLE": table}
    answer = deployment.invoke(deployment.function("ask", package, "proof.callers", variables), {})
    assert answer.payload == {
        "caller": ACCOUNT,
        "acting": f"arn:aws:iam::{MEMBER}:role/{role}",
        "groups": MEMBER,
        "table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}",
    }


def test_what_an_attacker_does_in_a_member_account_arrives_as_an_event_that_names_him(
    deployment: Deployment, member_accounts: MemberAccounts
) -> None:
    queue = deployment.queue("events")
    deployment.rule("changes", PATTERN, queue)
    name = deployment.name("mallory")
    mallory = member_accounts.client(member_accounts.user(MEMBER, name))
    with Crier(member_accounts, deployment.send_event):
        group = mallory.create_security_group(GroupName=name, Description="x", VpcId=MEMBER_GROUP.vpc_id)["GroupId"]
        mallory.authorize_security_group_ingress(
            GroupId=group, CidrIp="0.0.0.0/0", IpProtocol="tcp", FromPort=22, ToPort=22
        )
        bodies: list[str] = []  # others who share the organisation may be changing groups as well
        while not (mine := [each for each in bodies if group in each]):
            bodies += deployment.take(queue)
    change = parse(read_json(mine[0]), Ours(accounts=frozenset({MEMBER})))
    assert isinstance(change, Change)
    assert (change.kind, change.groups) == (ChangeKind.RULES_ADDED, (group,))
    assert (change.account_id, change.region, change.principal.name) == (MEMBER, REGION, name)


def test_the_runtime_client_gives_events_answers_and_true_errors(proof: Path, tmp_path: Path) -> None:
    require()
    code, runtime = unpacked(proof, tmp_path / "code"), runtime_packages(tmp_path / "runtime")
    with runtime_api.function(runtime_api.Place(code, runtime, tmp_path / "log"), "proof.say") as function:
        first, broken, second = (function.invoke(event) for event in ({"n": 1}, "break", {"n": 2}))
    assert (first.payload["event"], second.payload["event"]) == ({"n": 1}, {"n": 2})
    assert first.payload["started"] == second.payload["started"]
    assert broken.failed
    assert (broken.payload["errorType"], broken.payload["errorMessage"]) == ("LookupError", "told to break")
    assert "[ERROR] LookupError: told to break" in function.said()


def test_a_function_whose_process_ends_is_noticed(proof: Path, tmp_path: Path) -> None:
    require()
    code, runtime = unpacked(proof, tmp_path / "code"), runtime_packages(tmp_path / "runtime")
    (code / "ending.py").write_text("import os\ndef end(event, context):\n    os._exit(3)\n", encoding="utf-8")
    place = runtime_api.Place(code, runtime, tmp_path / "log")
    with runtime_api.function(place, "ending.end") as function, pytest.raises(runtime_api.FunctionEndedError):
        function.invoke({})


def test_a_handler_that_is_not_there_is_said_at_once(proof: Path, tmp_path: Path) -> None:
    require()
    code, runtime = unpacked(proof, tmp_path / "code"), runtime_packages(tmp_path / "runtime")
    with runtime_api.function(runtime_api.Place(code, runtime, tmp_path / "log"), "missing.handler") as function:
        answer = function.invoke({})
    assert answer.failed
    assert "No module named 'missing'" in answer.payload["errorMessage"]


def test_the_emulator_listens_on_loopback_and_ends_with_who_started_it(tmp_path: Path) -> None:
    require()
    code = (
        "import sys, time\n"
        "from tests.e2e.emulated.emulator import emulator\n"
        "with emulator() as url:\n    print(url, flush=True)\n    time.sleep(600)\n"
    )
    search = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    starter = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": search, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    url = starter.stdout.readline().strip()
    port = int(url.rpartition(":")[2])
    listening = (is_open(port), is_open(port, "127.0.0.2"))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert listening == (True, False), "on the one address, not on every one"
    eventually(lambda: not is_open(port), "the emulator has ended")


def test_an_emulator_is_gone_when_its_block_ends() -> None:
    with emulator() as url:
        port = int(url.rpartition(":")[2])
        assert is_open(port)
    assert not is_open(port)


def test_waiting_says_what_there_was_instead() -> None:
    began = time.monotonic()
    with pytest.raises(NotInTimeError, match=r"not within 0\.1 s: it is seven; the last look gave 0"):
        eventually(lambda: 0, "it is seven", seconds=0.1)
    assert time.monotonic() - began < 5
