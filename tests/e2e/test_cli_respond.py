"""`respond` and `simulate` as their user meets them: the demo organisation plays AWS, its trail and a queue."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.config import Config

from sg_compliance.testing.organisation import demo_organisation
from tests.builders import EVERYONE, document, prohibit, tcp
from tests.e2e.test_cli_processes import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.builders import Json
    from tests.e2e.emulated.member_accounts import MemberAccounts

pytestmark = pytest.mark.e2e

ACCOUNT: Final = "666677778888"
REGION: Final = "us-east-1"
SECONDS: Final = 60
ROLE: Final = demo_organisation().role_name
NUMBERS: Final = count(1)
POLICY: Final = document(
    prohibit(22, EVERYONE, rule_id="NO_SSH", severity="critical"),
    real_time_scanning={"enabled": True, "remediation_settings": {"emergency_remediation": {"enabled": True}}},
    accounts_config=[{"account_id": ACCOUNT, "enforcement_level": "enforce"}],
)
DUMMY: Final = ("127.0.0.1/32", 65535)


@dataclass
class Desk:
    """A folder to type commands in, a group to open, and the queue that its events go to."""

    accounts: MemberAccounts
    folder: Path
    queue: str
    sqs: Any
    ec2: Any
    group_id: str

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def line(self, *arguments: str) -> list[str]:
        connection = ["--role-name", ROLE, "--external-id", "sg-compliance-demo"]
        return [*COMMAND, *arguments, *connection, "--endpoint-url", self.accounts.endpoint_url]

    def responding(self, *arguments: str) -> list[str]:
        role = ("--change-role-name", ROLE)
        return self.line("respond", "--queue", self.queue, "--policy", "policy.json", *role, *arguments)

    def variables(self) -> dict[str, str]:
        return environment(
            AWS_ACCESS_KEY_ID="demo",
            AWS_SECRET_ACCESS_KEY="demo",
            AWS_DEFAULT_REGION=REGION,
            NO_PROXY="127.0.0.1",
            SG_COMPLIANCE_STATE=str(self.state),
        )

    def run(self, line: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line,
            check=False,
            capture_output=True,
            cwd=self.folder,
            env=self.variables(),
            input=stdin,
            text=True,
            timeout=SECONDS,
        )

    def respond(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.responding("--once", *arguments))

    def open_ssh(self) -> Json:
        self.ec2.authorize_security_group_ingress(GroupId=self.group_id, IpPermissions=[tcp(22, EVERYONE)])
        return next(each for each in reversed(self.accounts.events()) if self.group_id in json.dumps(each))

    def send(self, *bodies: object) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=text)

    def rules(self) -> list[tuple[str, int]]:
        (group,) = self.ec2.describe_security_groups(GroupIds=[self.group_id])["SecurityGroups"]
        return [(block["CidrIp"], rule["FromPort"]) for rule in group["IpPermissions"] for block in rule["IpRanges"]]

    def left(self) -> tuple[int, int]:
        """Messages that wait, and that somebody has in hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.responding(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.variables(),
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def desk(member_accounts: MemberAccounts, tmp_path: Path) -> Desk:
    """The desk."""
    (tmp_path / "policy.json").write_text(json.dumps(POLICY), encoding="utf-8")
    endpoint, direct = member_accounts.endpoint_url, Config(proxies={})
    sqs = boto3.Session("demo", "demo").client("sqs", region_name=REGION, endpoint_url=endpoint, config=direct)
    name = f"events-{next(NUMBERS)}"
    queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    ec2 = member_accounts.client(member_accounts.user(ACCOUNT, f"mallory-{name}"), region=REGION)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(GroupName=name, Description="for a test", VpcId=vpc)
    return Desk(member_accounts, tmp_path, queue, sqs, ec2, made["GroupId"])


def test_a_dry_run_says_what_it_would_do_deletes_the_message_and_changes_nothing(desk: Desk) -> None:
    desk.send(desk.open_ssh())
    ended = desk.respond()
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    for said in (f"{ACCOUNT}/{REGION}/{desk.group_id}", "EMERGENCY would change: 1 critical", "(lockdown)", "  after "):
        assert said in line
    assert "DRY RUN" in ended.stderr
    assert desk.rules() == [(EVERYONE, 22)]
    assert desk.left() == (0, 0)


def test_apply_locks_the_group_and_says_loudly_that_it_may(desk: Desk) -> None:
    desk.send(desk.open_ssh())
    figures = desk.folder / "figures.jsonl"
    ended = desk.respond("--apply", "--json", "--metrics", str(figures), "--contact", "#security")
    assert ended.returncode == 0, ended.stderr
    record = json.loads(ended.stdout)
    (response,) = record["responses"]
    assert (response["reaction"], response["emergency"], record["comes_again"]) == ("changed", True, False)
    assert record["event"]["event_name"] == "AuthorizeSecurityGroupIngress"
    assert desk.rules() == [DUMMY]
    assert "GROUPS WILL BE CHANGED in 123456789012, 666677778888, as arn:" in ended.stderr
    assert (
        "are rejected: your own and those in the policy's accounts_config; to name others: --accounts" in ended.stderr
    )
    assert response["backup_id"] in {path.stem for path in (desk.state / "backups").rglob("*.json")}
    (notice,) = map(json.loads, (desk.state / "notices.jsonl").read_text().splitlines())
    assert notice["subject"].startswith("EMERGENCY")
    assert "#security" in notice["text"]
    assert "mallory" in notice["text"]
    named = {json.loads(line)["name"] for line in figures.read_text().splitlines()}
    assert {"EmergencyRemediationsPerformed", "DetectionLatency"} <= named


def test_poison_goes_to_the_dead_letters_and_accounts_of_others_too(desk: Desk) -> None:
    desk.send("no json", desk.open_ssh())
    letters = desk.folder / "letters.jsonl"
    ended = desk.respond("--apply", "--accounts", "111122223333", "--dead-letters", str(letters))
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if "rejected" not in line] == []
    reasons = [json.loads(line)["reason"] for line in letters.read_text().splitlines()]
    assert len(reasons) == 2
    assert any(f"account {ACCOUNT} is none of ours" in reason for reason in reasons)
    assert "rejected: account 666677778888 is none of ours; if it is yours, name it: --accounts" in ended.stdout
    assert desk.rules() == [(EVERYONE, 22)]
    assert desk.left() == (0, 0)


def test_no_role_is_assumed_in_an_account_that_nobody_named(desk: Desk) -> None:
    (desk.folder / "policy.json").write_text(json.dumps({**POLICY, "accounts_config": []}), encoding="utf-8")
    desk.send(desk.open_ssh())
    ended = desk.run([*desk.responding("--once", "--json"), "--role-name", "nobodys"])
    assert ended.returncode == 0, ended.stderr
    (record,) = map(json.loads, ended.stdout.splitlines())
    assert (record["rejected"], record["comes_again"]) == (f"account {ACCOUNT} is none of ours", False)
    assert "--accounts" in record["next_step"]
    named = desk.run([*desk.responding("--once", "--json", "--accounts", ACCOUNT), "--role-name", "nobodys"])
    assert named.returncode == 0, named.stderr


@pytest.mark.parametrize("option", ["--dead-letters", "--recheck-queue"])
def test_a_queue_that_cannot_be_sent_to_is_told_of_before_the_first_message(desk: Desk, option: str) -> None:
    desk.send("no json")
    ended = desk.respond("--json", option, f"{desk.queue}-misspelt")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"error: queue {desk.queue}-misspelt: sqs:GetQueueAttributes: " in ended.stderr
    assert "\nhelp: check the URL and region of the queue" in ended.stderr
    assert desk.left() == (1, 0)
    assert not desk.state.exists()


def test_figures_that_cannot_be_written_are_told_of_before_the_first_message(desk: Desk) -> None:
    desk.send("no json")
    ended = desk.respond("--metrics", "policy.json/figures.jsonl")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: policy.json/figures.jsonl: figures cannot be written: " in ended.stderr
    assert desk.left() == (1, 0)


@pytest.mark.parametrize("place", ["policy.json/letters.jsonl", "folder", "/proc/letters.jsonl"])
def test_dead_letters_that_cannot_be_written_are_told_of_before_the_first_message(desk: Desk, place: str) -> None:
    (desk.folder / "folder").mkdir()
    desk.send("no json")
    ended = desk.respond("--json", "--dead-letters", place)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"error: {place}: dead letters cannot be written: " in ended.stderr
    assert "\nhelp: " in ended.stderr
    assert desk.left() == (1, 0)
    assert not desk.state.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--queue", ""], "an empty value"),
        (["--queue", "foo"], "'foo' is the URL of no SQS queue"),
        (["--queue", "arn:aws:sqs:us-east-1:111122223333:q"], "is the URL of no SQS queue"),
        (["--recheck-queue", "foo"], "'foo' is the URL of no SQS queue"),
        (["--dead-letters", ""], "an empty value"),
        (["--dead-letters", "arn:aws:sqs:us-east-1:111122223333:q"], "is the URL of no SQS queue"),
        (["--dead-letters", "sqs.us-east-1.amazonaws.com/1/q"], "is the URL of no SQS queue"),
        (["--dead-letters", "https://x"], "is the URL of no SQS queue"),
        (["--dead-letters", "s3://bucket"], "is no file, and the URL of no SQS queue"),
        (["--dead-letters", "file:///letters"], "is no file, and the URL of no SQS queue"),
        (["--dead-letters", " "], "an empty value"),
        (["--metrics", "s3://bucket/x"], "is no file"),
        (["--metrics", "http://x"], "is no file"),
        (["--metrics", "arn:aws:sqs:us-east-1:111122223333:q"], "is no file"),
        (["--metrics", " "], "an empty value"),
        (["--metrics", ""], "an empty value"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else "",
)
def test_what_can_be_no_queue_is_refused_here(desk: Desk, arguments: list[str], said: str) -> None:
    ended = desk.respond("--json", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_what_is_kept_is_for_this_user_only(desk: Desk) -> None:
    desk.send(desk.open_ssh(), "no json")
    line = ["sh", "-c", 'umask 000; exec "$@"', "sh", *desk.responding("--once", "--apply", "--metrics", "m.jsonl")]
    ended = desk.run(line)
    assert ended.returncode == 0, ended.stderr
    kept = [each for each in desk.state.rglob("*") if each.is_file()]
    assert {"history.sqlite", "journal.sqlite", "dead-letters.jsonl"} <= {each.name for each in kept}
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in kept} == {each.name: "0o600" for each in kept}


def test_dead_letters_of_a_folder_stand_beside_its_state_or_go_to_a_queue(desk: Desk) -> None:
    desk.send("no json")
    assert desk.respond().returncode == 0
    assert json.loads((desk.state / "dead-letters.jsonl").read_text())["body"] == "no json"
    letters = desk.sqs.create_queue(QueueName=f"letters-{next(NUMBERS)}")["QueueUrl"]
    desk.send("{")
    assert desk.respond("--dead-letters", letters).returncode == 0
    (message,) = desk.sqs.receive_message(QueueUrl=letters, WaitTimeSeconds=1)["Messages"]
    assert message["Body"] == "{"


def test_max_messages_leaves_the_rest_for_whoever_comes_next(desk: Desk) -> None:
    desk.send("one", "two", "three")
    ended = desk.run(desk.responding("--max-messages", "2"))
    assert len(ended.stdout.splitlines()) == 2
    assert desk.left() == (1, 0)


def test_a_second_look_waits_here_and_comes(desk: Desk) -> None:
    event = desk.open_ssh()
    desk.ec2.revoke_security_group_ingress(GroupId=desk.group_id, IpPermissions=[tcp(22, EVERYONE)])
    desk.send(event)
    ended = desk.respond()
    assert "; to be looked at again at " in ended.stdout
    assert "which --once does not wait for" in ended.stdout
    assert "1 second look not waited for" in ended.stderr
    desk.send(event)
    looked = desk.run(desk.responding("--max-messages", "2", "--json"))
    assert looked.returncode == 0, looked.stderr
    first, second = map(json.loads, looked.stdout.splitlines())
    assert second["message_id"].startswith("look-")
    assert (first["second_look"], second["second_look"], first["second_looks_awaited"]) == (None, 1, True)
    assert first["responses"][0]["look_again"] < second["time"]


def test_second_looks_can_go_to_a_queue_the_same_one_even(desk: Desk) -> None:
    event = desk.open_ssh()
    desk.ec2.revoke_security_group_ingress(GroupId=desk.group_id, IpPermissions=[tcp(22, EVERYONE)])
    desk.send(event)
    ended = desk.respond("--recheck-queue", desk.queue)
    assert ended.returncode == 0, ended.stderr
    assert "not waited for" not in ended.stderr
    assert "; looked at again at " in ended.stdout
    time.sleep(2.5)
    (message,) = desk.sqs.receive_message(QueueUrl=desk.queue, WaitTimeSeconds=1)["Messages"]
    assert json.loads(message["Body"])["group_id"] == desk.group_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(desk: Desk, number: signal.Signals) -> None:
    with desk.started() as process:
        desk.send(desk.open_ssh())
        assert process.stdout
        assert "would change" in process.stdout.readline()
        process.send_signal(number)
        begun = time.monotonic()
        _, said = process.communicate(timeout=SECONDS)
        assert time.monotonic() - begun < 9
    assert process.returncode == 0, said
    assert "stopping after the message in hand" in said
    assert desk.left() == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0, 0.2, 0.6, 1.2])
def test_a_signal_in_its_first_moments_ends_it_as_one_later_does(
    desk: Desk, number: signal.Signals, seconds: float
) -> None:
    desk.send("no json")
    with desk.started() as process:
        heard(process.pid)
        time.sleep(seconds)
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert ("stopped before the first message" in said) or ("stopping after the message in hand" in said)
    assert desk.left() in {(1, 0), (0, 0)}


def test_a_signal_before_the_first_message_ends_it_whoever_would_take_it_for_a_failure_of_theirs() -> None:
    lines = (
        "import os, signal, sys",
        "from sg_compliance.__main__ import _end_well_before_the_first_message",
        "_end_well_before_the_first_message()",
        "sys.stdout.write('written')",
        "try:",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    sum(range(10**6))",
        "except BaseException:",
        "    sys.exit(2)",
    )
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "written", "\nstopped before the first message\n")


def test_a_signal_while_nobody_answers_ends_it_at_once(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        desk.accounts = replace(desk.accounts, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with desk.started() as process:
            connection, _ = silent.accept()
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=SECONDS)
            connection.close()
    assert (process.returncode, said) == (0, "\nstopped before the first message\n")
    assert time.monotonic() - begun < 3


def heard(pid: int) -> None:
    """Wait until the process hears SIGTERM: before, it is Python that begins, and there is nothing yet to stop."""
    for _ in range(1000):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)
    pytest.fail("it never heard")


def test_the_policy_is_read_anew_and_a_broken_one_is_told_of_once(desk: Desk) -> None:
    path = desk.folder / "policy.json"
    with desk.started() as process:
        assert process.stdout
        assert process.stderr
        event = desk.open_ssh()
        desk.send(event)
        assert "would change" in process.stdout.readline()
        path.write_text("{", encoding="utf-8")
        desk.send(event)
        assert "would change" in process.stdout.readline()
        path.write_text(json.dumps({**POLICY, "version": "2.0.0"}).replace('"enforce"', '"monitor"'), encoding="utf-8")
        desk.send(event)
        assert "enforcement_level 'monitor'" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=SECONDS)
    assert said.count("warning: ") == 1
    assert "the last good policy goes on being used" in said


def test_an_exemption_granted_beside_the_policy_counts(desk: Desk) -> None:
    of = ("--rule", "NO_SSH", "--group", desk.group_id, "--reason", "a test", "--approved-by", "ada", "--expires", "1d")
    granted = desk.run([*COMMAND, "exempt", "add", *of, "--policy", "policy.json"])
    assert granted.returncode == 0, granted.stderr
    desk.send(desk.open_ssh())
    ended = desk.respond("--apply")
    assert "compliant" in ended.stdout
    assert desk.rules() == [(EVERYONE, 22)]


def test_what_has_to_come_again_ends_with_2_and_says_why(desk: Desk) -> None:
    desk.send(desk.open_ssh())
    ended = desk.run([*desk.responding("--once", "--json"), "--role-name", "nobodys"])
    assert ended.returncode == 2
    (record,) = map(json.loads, ended.stdout.splitlines())
    assert (record["comes_again"], record["responses"]) == (True, [])
    assert "sts:AssumeRole" in record["error"]["message"]
    assert record["error"]["next_step"]
    assert sum(desk.left()) == 1


def test_a_policy_that_is_broken_from_the_first_is_an_error_and_nothing_is_made(desk: Desk) -> None:
    (desk.folder / "policy.json").write_text("{", encoding="utf-8")
    desk.send("one")
    ended = desk.respond()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: policy.json")
    assert not desk.state.exists()
    assert desk.left() == (1, 0)


def test_an_environment_that_no_rule_is_about_is_warned_of(desk: Desk) -> None:
    ended = desk.respond("--environment", "prodd")
    assert "warning: no rule of the policy is about the environment prodd" in ended.stderr


def test_a_queue_that_is_not_there_ends_with_2(desk: Desk) -> None:
    desk.queue += "-misspelt"
    ended = desk.respond()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: queue " in ended.stderr
    assert "help: " in ended.stderr


def test_a_state_in_s3_asks_whom_to_tell_and_where_poison_goes(desk: Desk) -> None:
    ended = desk.respond("--state", "s3://bucket/prefix")
    assert ended.returncode == 2
    assert "help: name the SNS topic where people are told: --topic ARN" in ended.stderr
    topic = ("--topic", "arn:aws:sns:us-east-1:111122223333:told")
    ended = desk.respond("--state", "s3://bucket/prefix", *topic)
    assert ended.returncode == 2
    assert "--dead-letters PLACE" in ended.stderr


def test_simulate_assumes_no_role_in_an_account_that_nobody_named(desk: Desk) -> None:
    (desk.folder / "policy.json").write_text(json.dumps({**POLICY, "accounts_config": []}), encoding="utf-8")
    (desk.folder / "event.json").write_text(json.dumps(desk.open_ssh()), encoding="utf-8")
    ended = desk.run(desk.line("simulate", "event.json", "--policy", "policy.json"))
    assert ended.returncode == 2
    assert f"rejected: account {ACCOUNT} is none of ours\n  help: if it is yours, name it: --accounts" in ended.stdout
    named = desk.run(desk.line("simulate", "event.json", "--policy", "policy.json", "--accounts", ACCOUNT))
    assert named.returncode == 1


def test_simulate_asks_aws_and_changes_and_keeps_nothing(desk: Desk) -> None:
    event = desk.open_ssh()
    calls = len(desk.accounts.events())
    (desk.folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    ended = desk.run(desk.line("simulate", "event.json", "--policy", "policy.json"))
    assert ended.returncode == 1, ended.stderr
    assert "EMERGENCY would change: 1 critical" in ended.stdout
    assert "- ingress tcp 22 from 0.0.0.0/0" in ended.stdout
    assert "judged as if they were" not in ended.stdout
    assert not desk.state.exists()
    assert len(desk.accounts.events()) == calls
    assert desk.rules() == [(EVERYONE, 22)]
