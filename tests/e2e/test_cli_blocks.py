"""Block, unblock, and look at who is blocked and who changed how much: as their user meets it, on the demo's server."""

from __future__ import annotations

import errno
import json
import re
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest

from sg_compliance.entrypoints.cli import block
from sg_compliance.local.blocks import SqliteBlocks
from sg_compliance.local.windows import SqliteWindows
from sg_compliance.model.block import BlockState
from sg_compliance.realtime.deny_policy import POLICY_NAME, standing_of
from sg_compliance.realtime.mass_operations import Limits, Operation, take
from sg_compliance.testing.moto_server import demo_organisation_process
from sg_compliance.testing.organisation import demo_organisation
from tests.blocked_world import target
from tests.contract.store_homes import AwsHome, RealClock, aws_on_loopback
from tests.e2e.test_cli_processes import COMMAND, environment
from tests.e2e.test_cli_upkeep import Command, sg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.model.block import Target
    from sg_compliance.testing.moto_server import DemoServer

__all__ = ["sg"]  # the fixture

pytestmark = pytest.mark.e2e

MEMBER: Final = next(
    each.account_id
    for each in demo_organisation().accounts
    if each.account_id != demo_organisation().management_account_id
)
ADA: Final = f"arn:aws:iam::{MEMBER}:user/team/ada"
DEPLOY: Final = f"arn:aws:iam::{MEMBER}:role/pipelines/deploy"
SESSION: Final = f"arn:aws:sts::{MEMBER}:assumed-role/deploy/laptop"
COMMANDS: Final = [["block"], ["unblock"], ["blocks", "list"], ["mass-operations", "show"]]


@dataclass
class Demo:
    """The server, and a user and a role in one of its accounts."""

    server: DemoServer

    def client(self) -> Any:  # noqa: ANN401  SDK clients have no types
        where: Any = {"endpoint_url": self.server.endpoint_url, "region_name": "us-east-1"}
        sts: Any = boto3.client("sts", **where)
        arn = f"arn:aws:iam::{MEMBER}:role/{self.server.role_name}"
        given = sts.assume_role(RoleArn=arn, RoleSessionName="setup")["Credentials"]
        return boto3.client(
            "iam",
            **where,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def deploy(self) -> None:
        client = self.client()
        client.create_user(UserName="ada", Path="/team/")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]}
        for name, path in (("deploy", "/pipelines/"), ("quiet", "/aws-service-role/x.amazonaws.com/")):
            client.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))

    def policy(self, who: Target) -> Any:  # noqa: ANN401  JSON
        client, given = self.client(), {"PolicyName": POLICY_NAME}
        try:
            if who.kind == "user":
                return client.get_user_policy(UserName=who.name, **given)["PolicyDocument"]
            return client.get_role_policy(RoleName=who.name, **given)["PolicyDocument"]
        except client.exceptions.NoSuchEntityException:
            return None

    def clear(self) -> None:
        client = self.client()
        if self.policy(target(ADA)):
            client.delete_user_policy(UserName="ada", PolicyName=POLICY_NAME)
        if self.policy(target(DEPLOY)):
            client.delete_role_policy(RoleName="deploy", PolicyName=POLICY_NAME)


@pytest.fixture(scope="module")
def served() -> Iterator[Demo]:
    with demo_organisation_process() as server:
        made = Demo(server)
        made.deploy()
        yield made


@pytest.fixture
def demo(served: Demo) -> Demo:
    served.clear()
    return served


@pytest.fixture
def reach(demo: Demo) -> list[str]:
    return ["--endpoint-url", demo.server.endpoint_url, "--contain-role-name", demo.server.role_name]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(command: list[str], sg: Command) -> None:
    ended = sg(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"sg-compliance {' '.join(command)}" in " ".join(ended.out.partition("Examples:")[2].split())


def test_a_user_is_blocked_listed_and_unblocked(sg: Command, demo: Demo, reach: list[str], tmp_path: Path) -> None:
    ended = sg("block", ADA, "--for", "2h", "--reason", "opens\nports \x1b[31m", "--yes", *reach)
    assert ended.status == 0
    assert ended.out.startswith(f"blocked  {ADA}\n  until     ")
    assert f"would be blocked  {ADA}" in ended.err
    assert "because   opens ports \\x1b[31m" in ended.out
    undo = re.search(r"help: to undo it: (sg-compliance unblock .*)\n", ended.out)
    assert undo
    assert f"--contain-role-name {demo.server.role_name}" in undo[1]
    found = standing_of(demo.policy(target(ADA)), target(ADA))
    assert found
    assert timedelta(minutes=119) < found.expires - datetime.now(UTC) < timedelta(minutes=121)

    shown = sg("blocks", "list")
    assert shown.out.startswith(f"{ADA}  blocked until ")
    (kept,) = sg("blocks", "list", "--json").json
    assert (kept["arn"], kept["runs"], kept["state"]) == (ADA, True, "stands")
    assert kept["by"].startswith("arn:aws:")
    assert kept["undo"] == f"sg-compliance unblock {target(ADA).block_id}"
    assert f" blocked of {ADA} in {MEMBER}" in sg("audit", "show").out

    over = sg(*undo[1].split()[1:])
    assert (over.status, over.out.splitlines()[0]) == (0, f"unblocked  {ADA}")
    assert demo.policy(target(ADA)) is None
    again = sg(*undo[1].split()[1:])
    assert (again.status, again.out.splitlines()[0]) == (0, f"not blocked, nothing to undo  {ADA}")
    assert "lifted; not blocked again by itself until " in sg("blocks", "list").out
    notices = (tmp_path / "state" / "notices.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["subject"].rpartition(": ")[2] for line in notices] == ["blocked", "unblocked"]
    assert "whole" in sg("audit", "verify").out


def test_a_session_is_blocked_by_its_role_and_let_go_by_arn(sg: Command, demo: Demo, reach: list[str]) -> None:
    ended = sg("block", SESSION, "--reason", "stolen", "--yes", "--json", *reach)
    assert (ended.status, ended.json["status"], ended.json["block"]["path"]) == (0, "blocked", "/pipelines/")
    assert standing_of(demo.policy(target(DEPLOY)), target(DEPLOY))
    assert sg("unblock", SESSION, "--reason", "found", *reach).status == 0
    assert demo.policy(target(DEPLOY)) is None


def test_a_result_that_cannot_be_written_is_told_beside_it(
    sg: Command,
    demo: Demo,
    reach: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(block, "_write", full)
    monkeypatch.setattr("sg_compliance.entrypoints.cli.exit.discard_output", lambda: None)  # pytest's is no file
    ended = sg("block", ADA, "--reason", "x", "--yes", *reach)
    assert ended.status == 2
    assert standing_of(demo.policy(target(ADA)), target(ADA))
    told = ended.err.partition(f"\nblocked  {ADA}\n")[2]
    assert f"to undo it: sg-compliance unblock {target(ADA).block_id}" in told


def test_the_command_that_undoes_a_block_is_whole_in_json_too(sg: Command, demo: Demo, reach: list[str]) -> None:
    undo = sg("block", ADA, "--reason", "x", "--yes", "--json", *reach).json["undo"]
    assert sg(*undo.split()[1:]).status == 0
    assert demo.policy(target(ADA)) is None


def test_a_dry_run_changes_nothing_and_makes_nothing(sg: Command, demo: Demo, reach: list[str], tmp_path: Path) -> None:
    ended = sg("block", ADA, "--reason", "x", "--dry-run", *reach)
    assert (ended.status, ended.out.splitlines()[0]) == (0, f"would be blocked  {ADA}")
    assert "Every call of the user is denied" in ended.out
    assert "help: to undo" not in ended.out
    assert demo.policy(target(ADA)) is None
    assert not (tmp_path / "state").exists()


def test_without_somebody_to_ask_nothing_is_done(sg: Command, demo: Demo, reach: list[str], tmp_path: Path) -> None:
    ended = sg("block", ADA, "--reason", "x", *reach)
    assert (ended.status, ended.out) == (2, "")
    assert "there is no terminal to ask on" in ended.err
    assert demo.policy(target(ADA)) is None
    assert not (tmp_path / "state").exists()


def test_for_as_long_already_is_said(sg: Command, reach: list[str]) -> None:
    sg("block", ADA, "--for", "2h", "--reason", "x", "--yes", *reach)
    ended = sg("block", ADA, "--for", "1h", "--reason", "x", *reach)
    assert (ended.status, ended.out.splitlines()[0]) == (0, f"blocked already  {ADA}")
    longer = sg("block", ADA, "--for", "3h", "--reason", "x", "--yes", *reach)
    assert longer.out.splitlines()[0] == f"blocked for longer  {ADA}"


REFUSED: Final = {
    f"arn:aws:iam::{MEMBER}:root": "root of its account",
    f"arn:aws:iam::{MEMBER}:role/sg-compliance-scan": "role of this tool",
    f"arn:aws:iam::{MEMBER}:role/sg-compliance-remediate": "role of this tool",
    f"arn:aws:sts::{MEMBER}:assumed-role/quiet/x": "service-linked",
    f"arn:aws:iam::{MEMBER}:user/hands": "break-glass list (hands)",
    f"arn:aws:iam::{MEMBER}:role/glass": "break-glass list (arn:aws:iam::*:role/glass)",
    "\x1b[31mada": "\\x1b[31mada' is the ARN of no user, role or session",
    f"arn:aws:iam::{MEMBER}:user/nobody": "iam:GetUser",
}


@pytest.mark.parametrize("arn", REFUSED, ids=lambda arn: arn.rpartition("/")[2].replace("\x1b", ""))
def test_who_is_never_blocked_is_refused(
    arn: str, sg: Command, reach: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SG_COMPLIANCE_BREAK_GLASS", "hands, other")
    ended = sg("block", arn, "--reason", "x", "--yes", "--break-glass", "arn:aws:iam::*:role/glass", *reach)
    assert (ended.status, ended.out) == (2, "")
    assert REFUSED[arn] in ended.err
    assert "\nhelp: " in ended.err
    assert "\x1b" not in ended.err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["block", ADA],
        ["block", ADA, "--reason", " "],
        ["block", ADA, "--reason", "x", "--for", "8d"],
        ["block", ADA, "--reason", "x", "--for", "0h"],
        ["block", ADA, "--reason", "x", "--for", "soon"],
        ["block", ADA, "--reason", "x", "--break-glass", "*"],
        ["block", ADA, "--reason", "x", "--account", "444455556666"],
        ["unblock"],
        ["unblock", " "],
        ["unblock", ADA, "--expired"],
        ["unblock", "block-000000000000"],
        ["mass-operations", "show", "--principal", ""],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(arguments: list[str], sg: Command, reach: list[str]) -> None:
    ended = sg(*arguments, *(["--yes"] if arguments[0] == "block" else []), *(reach if "show" not in arguments else []))
    assert (ended.status, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_a_pause_stops_a_block_and_not_its_undoing(sg: Command, demo: Demo, reach: list[str]) -> None:
    sg("block", ADA, "--reason", "x", "--yes", *reach)
    sg("pause", "--reason", "release")
    ended = sg("block", DEPLOY, "--reason", "x", "--yes", *reach)
    assert ended.status == 2
    assert "nobody was blocked: " in ended.err
    assert "--despite-pause" in ended.err
    assert sg("block", DEPLOY, "--reason", "x", "--yes", "--despite-pause", *reach).status == 0
    assert sg("unblock", ADA, *reach).status == 0
    assert demo.policy(target(ADA)) is None


def test_a_role_that_cannot_be_assumed_is_a_failure_and_says_so(sg: Command, reach: list[str]) -> None:
    ended = sg("block", ADA, "--reason", "x", "--yes", *reach[:2], "--contain-role-name", "none")
    assert ended.status == 2
    assert f"arn:aws:iam::{MEMBER}:role/none" in ended.err


def test_every_reason_is_kept_and_who_lifted_a_block_and_why(sg: Command, reach: list[str]) -> None:
    sg("block", ADA, "--for", "1h", "--reason", "opens ports", "--yes", *reach)
    longer = sg("block", ADA, "--for", "2h", "--reason", "and keys\x1b", "--yes", *reach)
    assert "  because   and keys\\x1b\n  before    opens ports, by arn:aws:" in longer.out
    assert "    because   and keys\\x1b\n    before    opens ports, by arn:aws:" in sg("blocks", "list").out
    sg("unblock", ADA, "--reason", "it was a release\x1b", *reach)
    shown = sg("blocks", "list")
    assert "    lifted    it was a release\\x1b, by arn:aws:" in shown.out
    assert "before    opens ports" in shown.out
    (kept,) = sg("blocks", "list", "--json").json
    assert [each["reason"] for each in kept["earlier"]] == ["opens ports"]
    assert (kept["reason"], kept["lifted"]["reason"]) == ("and keys\\x1b", "it was a release\\x1b")
    assert kept["lifted"]["by"].startswith("arn:aws:")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "1s"], "'1s' is too short: IAM takes up to half a minute; a block lasts from 1m to 7d"),
        (["--for", "8d"], "'8d' is too long"),
        (["--for", "-1h"], "'-1h' cannot be read; a block lasts from 1m to 7d: write one whole number and one unit"),
        (["--for", "1h30m"], "'1h30m' cannot be read; a block lasts from 1m to 7d"),
        (["--break-glass", ""], "break-glass list, '': "),
        (["--break-glass", "usr/ada"], "names neither a user nor a role"),
        (["--break-glass", "arn:aws:iam:1:user/ada"], "an ARN is written like"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_be_no_duration_and_nobodys_name_is_refused_with_the_reason(
    arguments: list[str], said: str, sg: Command, reach: list[str], tmp_path: Path
) -> None:
    ended = sg("block", ADA, "--reason", "x", "--yes", "--json", *arguments, *reach)
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", [["block", "--reason", "x", "--yes"], ["unblock"]], ids=" ".join)
def test_who_is_of_another_partition_is_refused(command: list[str], sg: Command, reach: list[str]) -> None:
    ended = sg(command[0], ADA.replace("arn:aws:", "arn:aws-cn:"), *command[1:], *reach)
    assert (ended.status, ended.out) == (2, "")
    assert "is of the partition aws-cn, and who runs this is of aws" in ended.err
    assert "\nhelp: use credentials of aws-cn" in ended.err


def test_there_is_nothing_to_undo_for_who_is_never_blocked(sg: Command, reach: list[str]) -> None:
    ended = sg("unblock", f"arn:aws:iam::{MEMBER}:root", *reach)
    assert ended.status == 2
    assert "nothing is to be undone: " in ended.err
    assert "is the root of its account" in ended.err
    assert "help: this tool never blocks it" in ended.err


@pytest.mark.parametrize("named", [ADA, "block-000000000000"])
def test_a_broken_journal_is_named_and_the_way_around_it_works(
    named: str, sg: Command, demo: Demo, reach: list[str], tmp_path: Path
) -> None:
    sg("block", ADA, "--reason", "x", "--yes", *reach)
    journal = tmp_path / "state" / "journal.sqlite"
    for each in journal.parent.glob("journal.sqlite*"):
        each.unlink()
    journal.write_bytes(b"no database" * 999)
    ended = sg("unblock", named, "--json", *reach)
    assert (ended.status, ended.out) == (2, "")
    assert "error: state/journal.sqlite: cannot be used" in ended.err
    way = re.search(r"; to let somebody in before that: (sg-compliance unblock .* --state ./rescue .*)\n", ended.err)
    assert way
    assert "move state/journal.sqlite away or put a copy from before back" in ended.err
    command = way[1].split()[1:]
    assert command[1] == (ADA if named == ADA else "ARN")
    assert sg(command[0], ADA, *command[2:]).status == 0
    assert demo.policy(target(ADA)) is None


def test_what_is_over_is_taken_away(
    sg: Command, demo: Demo, reach: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing = sg("unblock", "--expired", *reach)
    assert (nothing.status, nothing.out) == (0, "nothing is kept in state yet: there is no such folder\n")
    assert sg("unblock", "--expired", "--json", *reach).json == []
    assert not (tmp_path / "state").exists()
    sg("block", ADA, "--for", "1h", "--reason", "x", "--yes", *reach)
    assert sg("unblock", "--expired", *reach).out == "no block is over\n"
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr("sg_compliance.bootstrap.containing.SystemClock.now", staticmethod(lambda: later))
    ended = sg("unblock", "--expired", "--json", *reach)
    assert [each["status"] for each in ended.json] == ["over"]
    assert demo.policy(target(ADA)) is None
    assert sg("blocks", "list").out == "nobody is blocked\n"


def test_where_nothing_is_kept_that_is_said_and_nothing_is_made(sg: Command, tmp_path: Path) -> None:
    for command in (["blocks", "list"], ["mass-operations", "show"]):
        ended = sg(*command)
        assert (ended.status, ended.out) == (0, "nothing is kept in state yet: there is no such folder\n")
        assert ended.err == "help: if it is kept somewhere else, say where: --state PLACE\n"
        as_json = sg(*command, "--json")
        assert (as_json.status, as_json.json) == (0, [])
        assert "there is no such folder" in as_json.err
    assert not (tmp_path / "state").exists()
    (tmp_path / "state" / "backups").mkdir(parents=True)
    assert "no record of blocks is kept in state yet: there is no journal.sqlite in it\n" in sg("blocks", "list").out
    assert "no record of operations is kept in state yet" in sg("mass-operations", "show").out
    assert [each.name for each in (tmp_path / "state").iterdir()] == ["backups"]


def test_a_journal_without_a_byte_is_no_record(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").touch()
    assert sg("blocks", "list").out == "no record of blocks is kept in state yet: its journal.sqlite is empty\n"
    assert "no record of operations is kept in state yet: its journal" in sg("mass-operations", "show").out
    listed = sg("blocks", "list", "--json")
    assert listed.json == []
    assert "no record of blocks" in listed.err


def test_of_two_blocks_at_once_the_longer_stands_and_both_reasons_are_kept(
    demo: Demo, reach: list[str], tmp_path: Path
) -> None:
    for number in range(3):
        demo.clear()
        state = tmp_path / f"state-{number}"
        blocking = [*COMMAND, "block", ADA, "--yes", "--json", *reach, "--state", str(state)]
        running = [
            subprocess.Popen(
                [*blocking, "--for", lasting, "--reason", lasting],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for lasting in ("7d", "10m")
        ]
        ended = [(*each.communicate(timeout=120), each.returncode) for each in running]
        assert [status for _, _, status in ended] == [0, 0], ended
        found = standing_of(demo.policy(target(ADA)), target(ADA))
        assert found
        assert found.expires - datetime.now(UTC) > timedelta(days=6), ended
        with closing(SqliteBlocks(state / "journal.sqlite", reading=True)) as store:
            (kept,) = store.all()
        assert (kept.expires, kept.state) == (found.expires, BlockState.STANDS)
        said = {json.loads(out)["status"] for out, _, _ in ended}
        if "blocked already" not in said:
            assert {kept.reason, *(each.reason for each in kept.earlier)} == {"7d", "10m"}


# ---- mass operations ----


def burst(store: Any, number: int, principal: str, account_id: str = MEMBER) -> None:  # noqa: ANN401
    start = datetime.now(UTC) - timedelta(seconds=30)
    for index in range(number):
        new = Operation(
            f"{principal}-{index}",
            account_id,
            "eu-west-1",
            principal,
            f"sg-{index % 3}",
            start + timedelta(seconds=index % 20),
            index % 5 == 0,
        )
        store.take(new, partial(take, operation=new, limits=Limits(10, 50, 20)))


def test_who_changed_how_much_is_shown_the_worst_first(sg: Command, tmp_path: Path) -> None:
    with closing(SqliteWindows(tmp_path / "state" / "journal.sqlite", RealClock())) as store:
        burst(store, 3, "arn:aws:iam::1:user/bob\x1b[31m")
        burst(store, 25, ADA)
        burst(store, 5, ADA, "999999999999")
    ended = sg("mass-operations", "show")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"{ADA}  in {MEMBER}\n    minute    25 up to now; at most 25, from ")
    assert "10 are allowed: too many\n" in ended.out
    assert "    changed   3 groups in eu-west-1\n" in ended.out
    assert "    failed    5 of 25 (20%)\n" in ended.out
    assert "    told      critical: 23 in 60 s" in ended.out
    assert "bob\\x1b[31m" in ended.out
    first, *others = sg("mass-operations", "show", "--json").json
    assert (first["principal"], first["operations"], first["groups"], len(others)) == (ADA, 25, 3, 2)
    assert len(sg("mass-operations", "show", "--account", "999999999999", "--json").json) == 1
    assert len(sg("mass-operations", "show", "--principal", "user/*bob", "--json").json) == 1
    assert "nobody has changed a group" in sg("mass-operations", "show", "--principal", "eve").out
    policy = {"x_automation": {"arn:aws:iam::*:user/team/ada": {"threshold_per_minute": 90}}}
    (tmp_path / "own.json").write_text(json.dumps(policy), encoding="utf-8")
    shown = sg("mass-operations", "show", "--policy", "own.json", "--principal", "ada")
    assert "90 are allowed\n" in shown.out
    assert "known as  automation arn:aws:iam::*:user/team/ada\n" in shown.out


# ---- a state in AWS ----


def test_a_state_in_aws_is_looked_at_with_the_same_commands(sg: Command) -> None:
    with aws_on_loopback() as wire:
        home = AwsHome(wire)
        boto3.client("iam", endpoint_url=wire.url).create_user(UserName="ada")
        ada = "arn:aws:iam::123456789012:user/ada"
        kept = ["--state", f"s3://{home.name}/harbour", "--table", home.name, "--endpoint-url", wire.url]
        switch = ["--pause-parameter", f"/{home.name}/pause", "--topic", home.topic]
        ended = sg("block", ada, "--reason", "x", "--yes", *kept, *switch)
        assert ended.status == 0, ended.err
        (found,) = sg("blocks", "list", "--json", *kept).json
        assert (found["arn"], found["state"]) == (ada, BlockState.STANDS.value)
        assert "nobody has changed a group" in sg("mass-operations", "show", *kept).out
        assert sg("unblock", found["id"], *kept, *switch).status == 0
        assert [each["kind"] for each in home.told()] == ["block", "block"]
        assert "2 entries sound" in sg("audit", "verify", *kept).out
