"""The commands that look after what changes leave behind, as their user meets them, on a state in a folder."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import pytest

from sg_compliance.enforcement.backup import Backup, Cause
from sg_compliance.entrypoints.cli import app, main
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.model.security_group import Place
from sg_compliance.workflows.rollback import What
from tests.builders import ACCOUNT, BASELINE, EVERYONE, HTTP, NOW, RDP, REGION, SSH, bind, group, raw_group, tcp
from tests.contract.store_homes import AwsHome, aws_on_loopback
from tests.world import World, folder_stores, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.workflows.transaction import Stores

COMMANDS: Final = [
    *(["backups", name] for name in ("list", "show", "diff", "verify")),
    *(["exempt", name] for name in ("add", "list", "remove")),
    *(["audit", name] for name in ("show", "verify")),
    *([name] for name in ("pause", "resume", "unprotect", "history")),
]
HOSTILE: Final = "\x1b[31m[bold]red[/bold]\nBy: ceo \u202e"
HARMLESS: Final = "\\x1b[31m[bold]red[/bold] By: ceo \\u202e"
WEB: Final = raw_group(tcp(22, EVERYONE, description="old"), group_id="sg-1", GroupName="web\x1b[31m")


class Ended(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.out)


class Command(Protocol):
    def __call__(self, *arguments: object) -> Ended: ...


@pytest.fixture
def sg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command beside policy.json, with the state in a folder `state`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SG_COMPLIANCE_STATE", "state")
    (tmp_path / "policy.json").write_text(json.dumps(BASELINE), encoding="utf-8")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sg-compliance", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """AWS as the twin plays it, with one group, whose state is the folder of the commands."""
    made = make_world(tmp_path / "state", [WEB])
    monkeypatch.setattr("sg_compliance.bootstrap.enforcement.writer", lambda *_: made.writer)
    yield made
    close(made.stores)


def close(stores: Stores) -> None:
    for each in (stores.journal, stores.concessions):
        assert isinstance(each, SqliteJournal | SqliteConcessions)
        each.close()


def remediate(world: World) -> str:
    """Lock the group down; the id of the backup."""
    (outcome,) = world.apply(world.plan(bind(BASELINE), Place(ACCOUNT, REGION, "sg-1")))
    assert outcome.status.is_complete
    return outcome.backup_id


def backup_file(tmp_path: Path, backup_id: str) -> Path:
    return tmp_path / "state" / "backups" / "sg-1" / f"{backup_id}.json"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(command: list[str], sg: Command) -> None:
    ended = sg(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    examples = ended.out.partition("Examples:")[2]
    assert f"sg-compliance {' '.join(command)}" in " ".join(examples.split())


LISTS: Final = [
    ["backups", "list"],
    ["exempt", "list"],
    ["unprotect", "--list"],
    ["history", "sg-1"],
    ["audit", "show"],
]


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
@pytest.mark.parametrize("there", [False, True], ids=["no folder", "an empty folder"])
def test_where_nothing_is_kept_that_is_said_and_nothing_is_made(
    there: bool, command: list[str], sg: Command, tmp_path: Path
) -> None:
    if there:
        (tmp_path / "state").mkdir()
    ended = sg(*command)
    assert (ended.status, ended.err) == (0, "")
    assert "nothing is kept in state yet\n" in ended.out
    as_json = sg(*command, "--json")
    assert as_json.status == 0
    assert "nothing is kept in state yet\n" in as_json.err
    assert as_json.out == "" or not as_json.json
    assert list((tmp_path / "state").iterdir() if there else [(tmp_path / "state").exists()]) == (
        [] if there else [False]
    )


@pytest.mark.parametrize(
    "command",
    [
        ["backups", "show", "x"],
        ["backups", "diff", "x"],
        ["backups", "verify", "x"],
        ["backups", "verify"],
        ["backups", "verify", "--json"],
        ["audit", "verify"],
        ["audit", "verify", "--json"],
        ["resume"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("there", [False, True], ids=["no folder", "an empty folder"])
def test_what_is_to_be_checked_must_be_there(there: bool, command: list[str], sg: Command, tmp_path: Path) -> None:
    if there:
        (tmp_path / "state").mkdir()
    ended = sg(*command)
    assert (ended.status, ended.out) == (2, "")
    assert "error: nothing is kept in state: is that the right place?\nhelp: " in ended.err
    assert there or not (tmp_path / "state").exists()


def test_a_state_without_backups_or_log_is_not_said_to_be_whole(sg: Command) -> None:
    sg("pause", "--reason", "x")
    ended = sg("backups", "verify")
    assert (ended.status, ended.out) == (2, "")
    assert "error: no backup is kept in state: is that the right place?\n" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ["history", ""],
        ["history", " "],
        ["pause", "--reason", "x", "--for", ""],
        ["backups", "list", "--group", ""],
        ["backups", "list", "--account", ""],
        ["audit", "show", "--group", ""],
        ["audit", "show", "--run", ""],
        ["audit", "show", "--since", ""],
        ["audit", "verify", "--expect-head", ""],
    ],
    ids=" ".join,
)
def test_an_empty_value_is_refused(command: list[str], sg: Command, world: World) -> None:
    remediate(world)
    ended = sg(*command)
    assert (ended.status, ended.out) == (2, "")
    assert world.stores.switch.read() == ""


@pytest.mark.parametrize("command", ["backups", "history", "exempt", "unprotect", "pause", "resume", "audit"])
def test_every_command_is_listed_once(command: str, sg: Command) -> None:
    assert len(re.findall(rf"^  {command} ", sg("--help").out, re.MULTILINE)) == 1
    assert [each.name for each in app.registered_groups].count(command) <= 1
    assert [each.callback.__name__ for each in app.registered_commands if each.callback].count(command) <= 1


@pytest.mark.parametrize("place", ["policy.json", "S3://bucket/x", "s3:bucket", "s3://", "https://bucket/x", ""])
@pytest.mark.parametrize("command", [["backups", "list"], ["backups", "verify"], ["audit", "verify"], ["resume"]])
def test_a_place_that_can_be_no_state_is_refused(place: str, command: list[str], sg: Command) -> None:
    ended = sg(*command, "--state", place, "--table", "nope")
    assert (ended.status, ended.out) == (2, "")
    assert "rror" in ended.err


# ---- a state that is only read ----

LOOKS: Final = [*LISTS, ["backups", "verify"], ["audit", "verify"]]


@pytest.mark.parametrize("log", [True, False], ids=["with a write-ahead log", "without one"])
def test_a_copy_on_a_disk_that_cannot_be_written_is_read(
    log: bool, sg: Command, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = remediate(world)
    sg(*ADD, "--rule", SSH, "--group", "sg-1", "--expires", "30d")
    wanted = [sg(*command).out for command in LOOKS]
    if not log:
        close(world.stores)
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    (tmp_path / "copy" / "journal.sqlite-shm").unlink(missing_ok=True)
    assert (tmp_path / "copy" / "journal.sqlite-wal").exists() is log
    refuse_to_write(monkeypatch)
    before = sorted((tmp_path / "copy").rglob("*"))
    for command, said in zip(LOOKS, wanted, strict=True):
        ended = sg(*command, "--state", "copy")
        assert (ended.status, ended.err) == (0, "")
        assert ended.out.replace(" --state copy", "") == said
    assert backup_id in sg("backups", "show", backup_id, "--state", "copy").out
    (tmp_path / "groups.json").write_text(json.dumps({"SecurityGroups": [WEB]}), encoding="utf-8")
    files = ["--from", "groups.json", "--policy", "policy.json", "--state", "copy", "--quiet"]
    assert sg("plan", *files).status == 0
    assert "1 exempt" in sg("scan", *files).out
    assert sorted((tmp_path / "copy").rglob("*")) == before
    refused = sg("unprotect", "sg-1", "--reason", "x", "--approved-by", "zoe", "--state", "copy")
    assert refused.status == 2
    assert "Read-only file system" in refused.err


def refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a read-only disk does: root may write wherever only permissions forbid it."""
    connect, opened = sqlite3.connect, os.open

    def connecting(database: str, **options: Any) -> sqlite3.Connection:  # noqa: ANN401
        if "copy/" in str(database) and "immutable" not in str(database):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        made: sqlite3.Connection = connect(database, **options)
        return made

    def opening(path: Any, flags: int, *mode: int, **others: Any) -> int:  # noqa: ANN401
        if "copy" in str(path) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *mode, **others)

    monkeypatch.setattr("sqlite3.connect", connecting)
    monkeypatch.setattr("os.open", opening)


def test_a_state_of_which_only_the_folder_is_left_is_read(sg: Command, world: World, tmp_path: Path) -> None:
    backup_id = remediate(world)
    close(world.stores)
    for file in (tmp_path / "state").glob("journal.sqlite*"):
        file.unlink()
    listed = sg("backups", "list")
    assert "UTC  no entry in the journal  remediation by tester in run-1" in listed.out
    assert "help: go back to one of them: sg-compliance rollback BACKUP\n" in listed.out
    told = sg("history", "sg-1")
    assert f"  no journal entry, but 1 backup: {backup_id}\n" in told.out
    assert "help: go back to one of them: sg-compliance rollback BACKUP\n" in told.out
    (story,) = sg("history", "sg-1", "--json").json
    assert story["backups"] == [backup_id]
    assert f"sg-compliance rollback {backup_id}\n" in sg("backups", "show", backup_id).out
    assert not list((tmp_path / "state").glob("journal.sqlite*"))
    world.stores = folder_stores(tmp_path / "state")
    world.roll_back(What(backup_id=backup_id))
    place = Place(ACCOUNT, REGION, "sg-1")
    assert [rule.first for rule in world.read(place).rules] == [22]


# ---- backups ----


def test_a_list_of_backups_says_whether_the_change_stands(sg: Command, world: World) -> None:
    backup_id = remediate(world)
    ended = sg("backups", "list")
    assert ended.status == 0
    assert f"{backup_id}  web\\x1b[31m  {ACCOUNT}/eu-west-1\n" in ended.out
    assert "UTC  stands  remediation by tester in run-1 for " in ended.out
    assert SSH in ended.out
    assert f"help: take the newest change back: sg-compliance rollback {backup_id}\n" in ended.out
    world.roll_back(What(group_id="sg-1"))
    ended = sg("backups", "list")
    assert "UTC  rolled back  remediation by tester in run-1" in ended.out
    assert "UTC  finished  rollback by tester in run-2" in ended.out
    assert "help:" not in ended.out
    assert [each["state"] for each in sg("backups", "list", "--json").json] == ["rolled back", "finished"]


def test_backups_are_listed_by_group_and_account(sg: Command, world: World) -> None:
    backup_id = remediate(world)

    def found(*selection: str) -> list[str]:
        return [each["id"] for each in sg("backups", "list", "--json", *selection).json]

    assert found("--group", "sg-1") == found("--account", ACCOUNT) == found("--group", "web\x1b[31m") == [backup_id]
    assert found("--group", "sg-2") == found("--group", "other") == found("--account", "999988887777") == []
    assert sg("backups", "list", "--group", "sg-2").out == "there is no such backup\n"


def test_a_backup_is_shown_with_its_rules_in_words(sg: Command, world: World, tmp_path: Path) -> None:
    backup_id = remediate(world)
    shown = sg("backups", "show", backup_id)
    assert shown.status == 0
    assert 'tcp 22 from 0.0.0.0/0  "old"' in shown.out
    assert "remediation by tester in run-1" in shown.out
    assert f"critical  {SSH}: tcp 22 is open" in shown.out
    assert "\x1b" not in shown.out
    whole = sg("backups", "show", backup_id, "--json").json
    kept = json.loads(backup_file(tmp_path, backup_id).read_text(encoding="utf-8"))
    assert whole == {"id": backup_id, "state": "stands", **kept}


def test_a_backup_is_compared_with_the_group_as_it_is_now(sg: Command, world: World) -> None:
    backup_id = remediate(world)
    ended = sg("backups", "diff", backup_id)
    assert ended.status == 1
    assert f"--- backup {backup_id}\n+++ sg-1 as it is in AWS now\n" in ended.out
    assert '- ingress tcp 22 from 0.0.0.0/0  "old"\n' in ended.out
    assert "+ ingress tcp 65535 from 127.0.0.1/32" in ended.out
    assert "+ tag COMPLIANCE_STATUS=NON_COMPLIANT\n" in ended.out
    world.roll_back(What(group_id="sg-1"))
    ended = sg("backups", "diff", backup_id)
    assert (ended.status, ended.out) == (0, f"backup {backup_id} and sg-1 as it is in AWS now are the same\n")
    assert sg("backups", "diff", backup_id, "--json").json["same"] is True


def test_the_way_back_is_shown_with_the_state_that_it_needs(sg: Command, world: World) -> None:
    backup_id = remediate(world)
    way = f"sg-compliance rollback {backup_id} --state state"
    for command in (["backups", "list"], ["backups", "show", backup_id], ["history", "sg-1"]):
        assert f"{way}\n" in sg(*command, "--state", "state").out


def test_two_backups_are_compared(sg: Command, world: World) -> None:
    first = remediate(world)
    world.roll_back(What(group_id="sg-1"))
    second = world.stores.journal.entries()[-1].backup_id
    ended = sg("backups", "diff", first, second, "--json")
    assert ended.status == 1
    assert [rule["FromPort"] for rule in ended.json["removed"]] == [22]
    assert [rule["FromPort"] for rule in ended.json["added"]] == [65535]
    assert sg("backups", "diff", first, first).status == 0


def test_a_group_that_is_gone_cannot_be_compared(sg: Command, world: World) -> None:
    backup_id = remediate(world)
    world.twin.call(ACCOUNT, "eu-west-1", "DeleteSecurityGroup", {"GroupId": "sg-1"})
    ended = sg("backups", "diff", backup_id)
    assert (ended.status, ended.out) == (2, "")
    assert "error: " in ended.err


def test_whole_backups_are_said_to_be_whole(sg: Command, world: World) -> None:
    backup_id = remediate(world)
    ended = sg("backups", "verify")
    assert (ended.status, ended.out, ended.err) == (0, "1 backup checked, all of them whole\n", "")
    assert sg("backups", "verify", backup_id, "--json").json == {"checked": 1, "damaged": []}


DAMAGE: Final = {
    "a flipped bit": lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:],
    "a cut file": lambda data: data[: len(data) // 2],
    "an empty file": lambda _: b"",
    "an edited value": lambda data: data.replace(b"0.0.0.0/0", b"10.0.0.0/8"),
    "another version": lambda data: data.replace(b'"version": 1', b'"version": 2'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_named(damage: Any, sg: Command, world: World, tmp_path: Path) -> None:  # noqa: ANN401
    backup_id = remediate(world)
    file = backup_file(tmp_path, backup_id)
    file.write_bytes(damage(file.read_bytes()))
    for command in (["backups", "verify"], ["backups", "verify", backup_id], ["backups", "list"]):
        ended = sg(*command)
        assert ended.status == 2
        assert f"{backup_id}  DAMAGED: " in ended.out
    assert "1 backup checked, 1 damaged\n" in sg("backups", "verify").out
    assert sg("backups", "show", backup_id).status == 2


def test_a_backup_that_cannot_be_read_does_not_hide_the_others(sg: Command, world: World, tmp_path: Path) -> None:
    backup_id = remediate(world)
    broken = f"sg-1-20200101T000000Z-{'0' * 16}"
    backup_file(tmp_path, broken).mkdir()
    for command in ("list", "verify"):
        ended = sg("backups", command)
        assert ended.status == 2
        assert re.search(f"^{broken}  DAMAGED: .* cannot be read: Is a directory$", ended.out, re.MULTILINE)
        assert not re.search(f"^{backup_id}  DAMAGED", ended.out, re.MULTILINE)
    assert "2 backups checked, 1 damaged\n" in sg("backups", "verify").out
    assert "warning: 1 backup cannot be used: sg-compliance backups verify\n" in sg("history", "sg-1").out


def test_a_backup_under_another_name_or_missing_is_found(sg: Command, world: World, tmp_path: Path) -> None:
    backup_id = remediate(world)
    file, other = backup_file(tmp_path, backup_id), f"sg-1-20200101T000000Z-{'0' * 16}"
    file.rename(file.with_name(f"{other}.json"))
    ended = sg("backups", "verify", "--json")
    assert ended.status == 2
    assert ended.json["damaged"] == [
        {"id": other, "problem": "its content is that of another backup"},
        {"id": backup_id, "problem": "it is not there"},
    ]


# ---- exempt ----

ADD: Final = ("exempt", "add", "--policy", "policy.json", "--reason", "a visit", "--approved-by", "zoe")


def test_an_exemption_is_granted_listed_and_removed(sg: Command, tmp_path: Path) -> None:
    ended = sg(*ADD, "--rule", SSH, "--rule", RDP, "--group", "sg-1", "--expires", "30d")
    assert (ended.status, ended.err) == (0, "")
    assert f"granted: exemption/sg-1 from {SSH}, {RDP}, until " in ended.out
    listed = sg("exempt", "list", "--policy", "policy.json")
    assert re.search(r"^sg-1  until .* UTC, 29 days left$", listed.out, re.MULTILINE)
    assert "approved  zoe, granted " in listed.out
    (record,) = sg("exempt", "list", "--policy", "policy.json", "--json").json
    assert (record["subject"], record["rules"], record["days_left"]) == ("sg-1", [SSH, RDP], 29)
    assert sg("exempt", "remove", "exemption/sg-1").out.startswith("withdrawn: exemption/sg-1 from ")
    assert sg("exempt", "list", "--policy", "policy.json").out == "there is no exemption\n"
    told = (tmp_path / "state" / "notices.jsonl").read_text(encoding="utf-8").splitlines()
    subjects = [json.loads(line)["subject"] for line in told]
    assert subjects == ["exemption granted for sg-1", "exemption withdrawn for sg-1"]
    assert [each["event"] for each in events(sg)] == ["exemption granted", "exemption withdrawn"]


def events(sg: Command, *selection: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sg("audit", "show", "--json", *selection).out.splitlines()]


PRODUCTION: Final = {
    **BASELINE,
    "environment_specific": {"production": {"required_approvals": ["security_team", "ciso"]}},
    "accounts_config": [{"account_id": ACCOUNT, "account_name": "shop", "environment": "prod"}],
}


@pytest.fixture
def strict(sg: Command, tmp_path: Path) -> None:
    """A policy whose production asks for an approver, in the place of the other."""
    assert sg("--version").status == 0
    (tmp_path / "policy.json").write_text(json.dumps(PRODUCTION), encoding="utf-8")


@pytest.mark.usefixtures("strict")
def test_where_an_exemption_does_not_count_is_said_when_it_is_granted_and_after(sg: Command, world: World) -> None:
    remediate(world)
    ended = sg(*ADD, "--rule", SSH, "--group", "sg-1", "--permanent")
    assert (ended.status, ended.out) == (0, f"granted: exemption/sg-1 from {SSH}, for good\n")
    needs = "not accepted in production: needs security_team or ciso"
    assert ended.err == f"warning: {needs}; zoe approved it, and there it will not take effect\n"
    assert f"    {needs}\n" in sg("exempt", "list", "--policy", "policy.json").out
    assert f"    {needs}\n" in sg("history", "sg-1", "--policy", "policy.json").out
    (record,) = sg("exempt", "list", "--policy", "policy.json", "--json").json
    assert record["not_accepted"] == [{"environment": "production", "needs": ["security_team", "ciso"]}]


@pytest.mark.usefixtures("strict")
def test_what_would_never_count_is_not_granted(sg: Command, tmp_path: Path) -> None:
    ended = sg(*ADD, "--rule", SSH, "--account", ACCOUNT, "--permanent")
    assert (ended.status, ended.out) == (2, "")
    assert f"account {ACCOUNT} is in production, where only exemptions approved by security_team or ciso" in ended.err
    assert "help: have it approved by security_team or ciso: --approved-by security_team\n" in ended.err
    assert not (tmp_path / "state").exists()
    assert sg(*ADD, "--rule", SSH, "--account", "999988887777", "--permanent").err.startswith("warning: not accepted")
    accepted = sg(*ADD, "--rule", SSH, "--account", ACCOUNT, "--permanent", "--approved-by", "ciso")
    assert (accepted.status, accepted.err) == (0, "")
    assert "not accepted" in sg("exempt", "list", "--policy", "policy.json").out


def test_the_shipped_policy_says_whose_approval_production_needs(sg: Command) -> None:
    asked = ["--rule", SSH, "--group", "sg-1", "--reason", "x", "--expires", "1d"]
    ended = sg("exempt", "add", *asked, "--approved-by", "zoe")
    assert "warning: not accepted in production: needs security_team; zoe approved it" in ended.err
    assert sg("exempt", "add", *asked, "--approved-by", "security_team", "--replace").err == ""


def test_an_exemption_of_an_account_can_be_permanent_or_an_emergency(sg: Command) -> None:
    assert sg(*ADD, "--rule", SSH, "--account", ACCOUNT, "--permanent").out.endswith(", for good\n")
    ended = sg(*ADD, "--rule", SSH, "--group", "sg-1", "--emergency", "--hours", "2")
    assert ended.status == 0
    listed = sg("exempt", "list", "--policy", "policy.json").out
    assert f"{ACCOUNT}  permanent\n" in listed
    assert re.search(r"^sg-1  until .* UTC, 1 hour left  EMERGENCY$", listed, re.MULTILINE)
    assert sg("exempt", "remove", "--account", ACCOUNT).status == 0
    assert sg("exempt", "remove", "--group", "sg-1").status == 0


REFUSED: Final = {
    "a rule that is none": ([RDP[:-1], "--group", "sg-1", "--permanent"], f"did you mean {RDP}?"),
    "no end": ([SSH, "--group", "sg-1"], "no end is given"),
    "two ends": ([SSH, "--group", "sg-1", "--permanent", "--expires", "1d"], "contradict each other"),
    "an end that has passed": ([SSH, "--group", "sg-1", "--expires", "2020-01-01"], "has passed already"),
    "an end that is none": ([SSH, "--group", "sg-1", "--expires", "soon"], "'soon' is no time"),
    "an end beyond all time": ([SSH, "--group", "sg-1", "--expires", "9999999w"], "is too long"),
    "an end beyond all of us": ([SSH, "--group", "sg-1", "--expires", "999999d"], "is too far away"),
    "an end in eleven years": ([SSH, "--group", "sg-1", "--expires", "4015d"], "is too far away"),
    "no subject": ([SSH, "--permanent"], "one group or one account"),
    "a name for a group": ([SSH, "--group", "web", "--permanent"], "'web' is no id of a group"),
    "an account that is none": ([SSH, "--account", "12", "--permanent"], "not a 12-digit account id"),
    "hours without an emergency": ([SSH, "--group", "sg-1", "--permanent", "--hours", "3"], "--emergency only"),
    "too long an emergency": ([SSH, "--group", "sg-1", "--emergency", "--hours", "169"], "--hours 169"),
    "nobody approved": ([SSH, "--group", "sg-1", "--permanent", "--approved-by", " "], "no approver is given"),
    "no reason": ([SSH, "--group", "sg-1", "--permanent", "--reason", "\n"], "no reason is given"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_an_exemption_that_makes_no_sense_is_refused(
    arguments: list[str], said: str, sg: Command, tmp_path: Path
) -> None:
    ended = sg(*ADD, "--rule", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert "\nhelp: " in ended.err
    assert not (tmp_path / "state").exists()


def test_an_exemption_that_is_there_is_replaced_only_when_asked(sg: Command) -> None:
    sg(*ADD, "--rule", SSH, "--group", "sg-1", "--expires", "30d")
    again = sg(*ADD, "--rule", HTTP, "--group", "sg-1", "--permanent")
    assert again.status == 2
    assert "error: exemption/sg-1 was granted already" in again.err
    replaced = sg(*ADD, "--rule", HTTP, "--group", "sg-1", "--permanent", "--replace")
    assert "  in place of one by " in replaced.out
    (record,) = sg("exempt", "list", "--policy", "policy.json", "--json").json
    assert record["rules"] == [HTTP]
    assert events(sg)[-1]["replaces"]["rules"] == [SSH]


def test_exemptions_of_the_policy_are_listed_and_lapsed_ones_when_asked(sg: Command, tmp_path: Path) -> None:
    old = {"reason": "old", "exempted_rules": [SSH], "expiry_date": "2020-01-01T00:00:00Z", "approved_by": "zoe"}
    new = {**old, "reason": "new", "expiry_date": "permanent"}
    exemptions = {"security_group_exemptions": {"sg-7": old}, "account_exemptions": {ACCOUNT: new}}
    (tmp_path / "policy.json").write_text(json.dumps({**BASELINE, "exemptions": exemptions}), encoding="utf-8")
    shown = sg("exempt", "list", "--policy", "policy.json").out
    assert f"{ACCOUNT}  permanent\n" in shown
    assert "sg-7" not in shown
    assert "sg-7  lapsed on 2020-01-01 00:00 UTC\n" in sg("exempt", "list", "--policy", "policy.json", "--all").out
    ended = sg("exempt", "remove", "--account", ACCOUNT)
    assert ended.status == 2
    assert "those of the document are taken out of the document" in ended.err


# ---- pause, resume, unprotect ----


def test_a_pause_stops_changes_until_somebody_resumes(sg: Command, world: World) -> None:
    assert sg("pause", "--reason", "release", "--for", "2h").out.startswith("all changes are paused\n")
    again = sg("pause", "--reason", "mine", "--for", "1h")
    assert again.status == 0
    assert re.match(r"all changes are paused already: paused by .*@.* until .*: release\n", again.out)
    longer = sg("pause", "--reason", "mine")
    assert longer.out.startswith("all changes are paused\n  before: paused by ")
    assert json.loads(world.stores.switch.read())["reason"] == "mine"
    resumed = sg("resume")
    assert (resumed.status, resumed.out.splitlines()[0]) == (0, "changes go on")
    assert world.stores.switch.read() == ""
    assert (sg("resume").status, sg("resume").out) == (0, "changes were not paused\n")
    assert [each["event"] for each in events(sg)] == ["paused", "paused", "resumed"]


def test_a_switch_that_cannot_be_read_is_a_pause_that_can_be_resumed(sg: Command, world: World) -> None:
    world.stores.switch.write("garbage")
    assert "which cannot be read" in sg("pause", "--reason", "x").out
    assert sg("resume").out.startswith("changes go on\n")
    assert world.stores.switch.read() == ""


def test_a_pause_holds_though_the_log_cannot_take_it_and_that_is_said(
    sg: Command, world: World, tmp_path: Path
) -> None:
    log = tmp_path / "state" / "audit.jsonl"
    log.write_text("damaged\n", encoding="utf-8")
    ended = sg("pause", "--reason", "x")
    assert ended.status == 2
    assert ended.out.startswith("all changes are paused\n")
    assert "error: all changes are paused, but the audit log does not have it: " in ended.err
    assert "the last line of the audit log was changed" in ended.err
    assert json.loads(world.stores.switch.read())["reason"] == "x"
    ended = sg("resume")
    assert (ended.status, ended.out) == (2, "")
    assert "error: changes are still paused: the audit log cannot take the line about it: " in ended.err
    assert "sg-compliance resume --despite-log\n" in ended.err
    assert world.stores.switch.read() != ""
    ended = sg("resume", "--despite-log")
    assert (ended.status, ended.out.splitlines()[0]) == (0, "changes go on")
    assert "warning: the audit log does not have it: " in ended.out
    assert world.stores.switch.read() == ""
    assert log.read_text(encoding="utf-8") == "damaged\n"


def test_a_pause_needs_no_journal(sg: Command, world: World, tmp_path: Path) -> None:
    close(world.stores)
    (tmp_path / "state" / "journal.sqlite").write_bytes(b"garbage" * 1000)
    assert sg("pause", "--reason", "x").status == 0
    assert sg("resume").status == 0


@pytest.mark.parametrize("lasting", ["0m", "soon", "-1h", "99999999999w"])
def test_a_pause_for_a_time_that_is_none_is_refused(lasting: str, sg: Command) -> None:
    assert sg("pause", "--reason", "x", "--for", lasting).status == 2
    assert "nothing is kept in state: is that the right place?" in sg("resume").err


def test_a_group_is_unprotected_for_a_time(sg: Command) -> None:
    ended = sg("unprotect", "sg-1", "--reason", "retired", "--approved-by", "zoe", "--for", "8h")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("granted: unprotection/sg-1, until ")
    assert re.search(r"^sg-1  until .* UTC, 7 hours left$", sg("unprotect", "--list").out, re.MULTILINE)
    assert [each["subject"] for each in sg("unprotect", "--list", "--json").json] == ["sg-1"]
    assert sg("unprotect", "sg-1", "--remove").out.startswith("withdrawn: unprotection/sg-1")
    assert sg("unprotect", "--list").out == "no group is unprotected\n"
    assert "error: sg-1 is not unprotected\nhelp: " in sg("unprotect", "sg-1", "--remove").err


def test_leave_that_runs_is_replaced_only_when_asked(sg: Command) -> None:
    asked = ["unprotect", "sg-1", "--approved-by", "zoe", "--reason"]
    assert sg(*asked, "old", "--for", "8h").status == 0
    again = sg(*asked, "new", "--for", "30d")
    assert (again.status, again.out) == (2, "")
    assert "error: unprotection/sg-1 was granted already, until " in again.err
    assert "help: give --replace " in again.err
    replaced = sg(*asked, "new", "--for", "30d", "--replace")
    assert (replaced.status, "  in place of one by " in replaced.out) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sg-1", "--list"],
        ["--list", "--remove"],
        ["sg-1", "--json", "--remove"],
        ["sg-1", "--reason", "x"],
        ["sg-1", "--approved-by", "zoe"],
        ["web", "--reason", "x", "--approved-by", "zoe"],
        ["sg-1", "--reason", "x", "--approved-by", "zoe", "--for", "31d"],
        ["sg-1", "--reason", "x", "--approved-by", "zoe", "--for", "0h"],
        ["sg-1", "--reason", "x", "--approved-by", "zoe", "--for", "2027-01-01"],
    ],
    ids=" ".join,
)
def test_leave_that_makes_no_sense_is_refused(arguments: list[str], sg: Command, tmp_path: Path) -> None:
    ended = sg("unprotect", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert not (tmp_path / "state").exists()


# ---- audit, history ----


def test_the_log_is_shown_in_words_and_line_by_line(sg: Command, world: World, tmp_path: Path) -> None:
    backup_id = remediate(world)
    sg("pause", "--reason", "release")
    begun, first, second = sg("audit", "show").out.splitlines()
    assert begun == "2026-01-15 12:00:00  begun with 1 group planned in run-1  by tester"
    assert first.startswith(
        "2026-01-15 12:00:00  remediation of sg-1 (web\\x1b[31m) in 111122223333/eu-west-1 changed,"
    )
    assert f"backup {backup_id}" in first
    assert first.endswith("in run-1  by tester")
    assert " paused because release, in run-" in second
    kept = (tmp_path / "state" / "audit.jsonl").read_text(encoding="utf-8")
    assert sg("audit", "show", "--json").out == kept
    assert [each["event"] for each in events(sg, "--group", "sg-1")] == ["remediation"]
    assert [each["event"] for each in events(sg, "--run", "run-1")] == ["begun", "remediation"]
    assert [each["event"] for each in events(sg, "--since", "1h")] == ["paused"]
    assert [each["event"] for each in events(sg, "--since", "2026-01-15T12:00:00")] == [
        "begun",
        "remediation",
        "paused",
    ]
    assert events(sg, "--group", "sg-2") == []


def test_a_whole_log_is_said_to_be_whole_with_its_head(sg: Command) -> None:
    sg("pause", "--reason", "x")
    sg("resume")
    ended = sg("audit", "verify")
    assert ended.status == 0
    head = re.fullmatch(r"2 entries sound; the log is whole\nhead (2:[0-9a-f]{64})\n", ended.out)
    assert head
    sg("pause", "--reason", "y")
    for noted in (head[1], head[1].partition(":")[2]):
        assert sg("audit", "verify", "--expect-head", noted).status == 0
    assert sg("audit", "verify", "--json").json["head"]["sequence"] == 3


def test_a_log_that_was_changed_or_cut_is_found_out(sg: Command, tmp_path: Path) -> None:
    for reason in ("x", "y"):
        sg("pause", "--reason", reason)
        sg("resume")
    head = sg("audit", "verify").out.split()[-1]
    file = tmp_path / "state" / "audit.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([lines[0], lines[1].replace("resumed", "paused "), *lines[2:]]), encoding="utf-8")
    ended = sg("audit", "verify")
    assert ended.status == 2
    assert "error: line 2: changed: was changed, or is no line of this log\n" in ended.out
    assert "head" not in ended.out
    file.write_text("".join(lines[:3]), encoding="utf-8")
    assert sg("audit", "verify").status == 0
    for noted in (head, head.partition(":")[2]):
        ended = sg("audit", "verify", "--expect-head", noted)
        assert ended.status == 2
        assert "missing: " in ended.out
    assert sg("audit", "verify", "--expect-head", "12").status == 2


@pytest.mark.parametrize("left", ["an empty file", "no file"])
def test_a_log_that_is_gone_beside_what_changes_leave_is_found_out(
    left: str, sg: Command, world: World, tmp_path: Path
) -> None:
    remediate(world)
    file = tmp_path / "state" / "audit.jsonl"
    file.unlink()
    if left == "an empty file":
        file.touch()
    ended = sg("audit", "verify")
    assert ended.status == 2
    why = "the log is empty or was deleted: the journal has 1 entry and 1 backup is kept"
    assert f"error: missing: {why}\n" in ended.out
    assert "head" not in ended.out
    assert sg("audit", "verify", "--json").json["head"] is None


def test_lines_that_are_no_entries_are_passed_over_and_said(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "audit.jsonl").write_text('garbage\n[1]\n{"event": 7, "calls": 3}\n', encoding="utf-8")
    ended = sg("audit", "show")
    assert (ended.status, ended.out) == (0, "  7\n")
    assert ended.err == "warning: 2 lines passed over that are no entries: sg-compliance audit verify\n"


def test_an_event_without_a_time_is_never_left_out_for_its_time(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "audit.jsonl").write_text('{"event": "odd", "time": 7}\n', encoding="utf-8")
    assert [each["event"] for each in events(sg, "--since", "1h")] == ["odd"]
    assert sg("audit", "show", "--since", "soon").status == 2


def test_an_exemption_is_named_in_one_way(sg: Command) -> None:
    ended = sg("exempt", "remove", "sg-1", "--group", "sg-1")
    assert ended.status == 2
    assert "say the same twice" in ended.err


def test_the_history_of_a_group_is_told_in_order(sg: Command, world: World) -> None:
    first = remediate(world)
    world.roll_back(What(group_id="sg-1"))
    world.clock.time += timedelta(hours=25)
    second = remediate(world)
    sg(*ADD, "--rule", SSH, "--account", ACCOUNT, "--permanent")
    sg("unprotect", "sg-1", "--reason", "retired", "--approved-by", "zoe")
    shown = sg("history", "sg-1", "--policy", "policy.json")
    assert shown.status == 0
    order = ["remediation  done, and rolled back since, by tester in run-1", "rollback  done by tester in run-2"]
    places = [shown.out.index(text) for text in (*order, "remediation  done, and stands, by tester in run-3")]
    assert places == sorted(places)
    assert f"back to   {first}\n" in shown.out
    assert f"  exemption of {ACCOUNT} from {SSH}: permanent (a visit)\n" in shown.out
    assert "  unprotected until " in shown.out
    assert f"help: undo the newest remediation: sg-compliance rollback {second}\n" in shown.out
    (story,) = sg("history", "web\x1b[31m", "--json", "--policy", "policy.json").json
    assert [entry["stands"] for entry in story["entries"]] == [False, False, True]
    assert story["undo"] == f"sg-compliance rollback {second}"


def test_a_group_that_is_locked_now_is_told_as_that(sg: Command, world: World) -> None:
    remediate(world)
    now = datetime.now(UTC)
    place = Place(ACCOUNT, REGION, "sg-1")
    lock = world.stores.journal.lock(place, "run-7", now, timedelta(minutes=5))
    assert f"  locked by run-7 until {lock.until:%Y-%m-%d %H:%M:%S} UTC\n" in sg("history", "sg-1").out
    (story,) = sg("history", "sg-1", "--json").json
    assert story["lock"] == {"run_id": "run-7", "until": lock.until.isoformat(), "fence": lock.fence}
    other = world.stores.journal.lock(place._replace(group_id="sg-2"), "run-8", now, timedelta(minutes=5))
    assert "  locked by run-8 until " in sg("history", "sg-2").out
    for each in (lock, other):
        world.stores.journal.unlock(each)
    assert "locked by" not in sg("history", "sg-1").out


def test_of_a_group_that_nothing_was_done_to_that_is_said(sg: Command, world: World) -> None:
    remediate(world)
    ended = sg("history", "sg-\x1b9")
    assert (ended.status, ended.out.partition(":")[0]) == (0, "sg-\\x1b9")


# ---- a state in AWS ----


@pytest.mark.e2e
def test_a_state_in_aws_is_looked_after_with_the_same_commands(sg: Command) -> None:
    with aws_on_loopback() as wire:
        home = AwsHome(wire)
        made = Backup(group(tcp(22, EVERYONE), group_id="sg-1"), NOW, Cause("remediation", "run-1", "zoe", ""))
        home.backups().put(made.id, made.encode())
        reach = ["--state", f"s3://{home.name}/harbour", "--table", home.name, "--endpoint-url", wire.url]
        switch = [*reach, "--pause-parameter", f"/{home.name}/pause", "--topic", home.topic]
        assert "no entry in the journal  remediation by zoe in run-1" in sg("backups", "list", *reach).out
        assert sg("backups", "verify", *reach).out == "1 backup checked, all of them whole\n"
        assert sg("pause", "--reason", "release", *switch).status == 0
        assert "paused by arn:aws:sts::" in sg("pause", "--reason", "mine", *switch).out
        assert sg("resume", *switch).out.startswith("changes go on\n")
        assert sg(*ADD, "--rule", SSH, "--group", "sg-1", "--permanent", *reach).status == 0
        assert f"exemption of sg-1 from {SSH}: permanent" in sg("history", "sg-1", *reach).out
        assert sg("audit", "verify", *reach).out.startswith("3 entries sound; the log is whole\n")
        wrong = [*switch[:3], "nope", *switch[4:]]
        for command in (["backups", "list"], ["backups", "list", "--json"], ["backups", "verify"], ["history", "sg-1"]):
            ended = sg(*command, *wrong[: len(reach)])
            assert (ended.status, ended.out) == (2, "")
            assert re.match(r"error: table nope, (open|entry#sg-1): dynamodb:Query: ", ended.err)
        ended = sg("pause", "--reason", "release", *wrong)
        assert (ended.status, ended.out.splitlines()[0]) == (2, "all changes are paused")
        assert "error: all changes are paused, but the audit log does not have it: table nope" in ended.err
        assert sg("resume", *wrong).status == 2
        assert sg("resume", "--despite-log", *wrong).status == 0
        for command in (["backups", "verify"], ["audit", "verify"]):
            ended = sg(*command, "--state", f"s3://{home.name}/elsewhere", *reach[2:])
            assert (ended.status, ended.out) == (2, "")
            assert f"is kept in s3://{home.name}/elsewhere: is that the right place?" in ended.err
        assert [each["subject"] for each in home.told()][:2] == ["all changes are paused", "changes go on"]


# ---- hostile text ----


def test_hostile_text_reaches_no_terminal(sg: Command, tmp_path: Path) -> None:
    said = ["--reason", HOSTILE, "--approved-by", HOSTILE]
    outputs = [
        sg("exempt", "add", "--policy", "policy.json", "--rule", SSH, "--group", "sg-1", "--permanent", *said),
        sg("unprotect", "sg-1", *said),
        sg("pause", "--reason", HOSTILE),
        sg("pause", "--reason", HOSTILE),
        sg("exempt", "list", "--policy", "policy.json"),
        sg("unprotect", "--list"),
        sg("history", "sg-1", "--policy", "policy.json"),
        sg("audit", "show"),
        sg("resume"),
        sg("backups", "show", HOSTILE),
        sg("audit", "verify", "--expect-head", HOSTILE),
        sg("exempt", "remove", HOSTILE),
    ]
    for ended in outputs:
        text = ended.out + ended.err
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "Traceback" not in text
        assert not re.search("^By: ceo", text, re.MULTILINE)
    assert HARMLESS in outputs[4].out
    told = (tmp_path / "state" / "notices.jsonl").read_text(encoding="utf-8").splitlines()
    assert not any("\nBy: ceo" in json.loads(line)["text"] for line in told)
