"""What goes wrong around plan, apply and rollback, as their user meets it: brakes, places, files, and what is said."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.enforcement.plan import Plan
from sg_compliance.errors import StoreError
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.workflows.transaction import Transactions
from tests.builders import ACCOUNT, EVERYONE, REGION, raw_group, tcp
from tests.e2e.test_cli import Command, sg
from tests.e2e.test_cli_enforcement import APPLY, FIRST, MAKE, PLAN, REMEDIATE, SECOND, Aws, aws, live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.enforcement.plan import PlannedGroup
    from sg_compliance.model.outcome import Outcome

__all__ = ["aws", "live", "sg"]  # the fixtures

TOPIC: Final = "arn:aws:sns:eu-west-1:111122223333:changes"


# ---- brakes ----


def test_a_run_that_a_brake_stopped_writes_its_one_document(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    for arguments in (("apply", "plan.json", "--yes", "--max-groups", "1"), ("apply", "plan.json", "--yes")):
        ended = sg(*arguments, "--json", "-q")
        assert (ended.status, aws.mutations()) == (2, [])
        assert "error: nothing was changed: 2 " in ended.err
        assert ended.json["stopped"].startswith("nothing was changed: 2 ")
        assert ended.json["problems"][0].startswith("2 ")
        assert [each["group_id"] for each in ended.json["not_done"]] == [FIRST, SECOND]
    sg("pause", "--reason", "incident 7")
    assert "incident 7" in sg(*APPLY, "--yes", "--json").json["problems"][0]


def test_a_rehearsal_ends_as_the_run_would_that_a_brake_stops(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    over = sg("apply", "plan.json", "--dry-run", "--json", "-q")
    assert (over.status, over.json["totals"]["would_change"], over.json["stopped"]) == (2, 2, None)
    assert "at most 10 % may be" in over.json["problems"][0]
    assert sg(*APPLY, "--dry-run").status == 0
    sg("pause", "--reason", "incident 7")
    paused = sg(*APPLY, "--dry-run")
    assert (paused.status, "2 would change" in paused.out) == (2, True)
    assert "warning: a real run would be stopped: nothing was changed: paused by" in paused.err
    assert aws.mutations() == []


def test_a_remediation_that_a_brake_stopped_writes_its_one_document(live: Aws, sg: Command) -> None:
    ended = sg("remediate", "--policy", "policy.json", "-q", "--apply", "--yes", "--json")
    assert (ended.status, live.mutations()) == (2, [])
    assert "may be" in ended.json["problems"][0]


def test_a_pause_in_the_middle_of_a_run_is_status_2(aws: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Transactions.remediate

    def paused_after_the_first(self: Transactions, planned: PlannedGroup, *others: Any) -> Outcome:  # noqa: ANN401 - whatever it is given
        outcome = work(self, planned, *others)
        (Path("state") / "paused.json").write_text('{"reason": "stop!", "by": "zoe", "since": "2026-01-15T12:00:00Z"}')
        return outcome

    sg(*MAKE)
    monkeypatch.setattr(Transactions, "remediate", paused_after_the_first)
    ended = sg(*APPLY, "--yes", "--json")
    assert ended.status == 2
    assert [each["status"] for each in ended.json["outcomes"]] == ["changed", "refused"]
    assert "stop!" in ended.json["stopped"]
    del aws


def test_a_rollback_under_a_pause_has_to_be_asked_for(aws: Aws, sg: Command) -> None:
    before = aws.shown()
    sg(*MAKE)
    sg(*APPLY, "--yes")
    sg("pause", "--reason", "incident 8")
    calls = aws.mutations()
    refused = sg("rollback", "--group", FIRST, "--yes", "-q", "--json")
    assert (refused.status, aws.mutations()) == (2, calls)
    assert "incident 8" in refused.json["stopped"]
    assert "--despite-pause" in refused.err
    rehearsed = sg("rollback", "--group", FIRST, "--dry-run")
    assert (rehearsed.status, "1 would change" in rehearsed.out) == (2, True)
    assert "warning: a real run would be stopped: paused by" in rehearsed.err
    assert sg("rollback", "--group", FIRST, "--dry-run", "--despite-pause").status == 0
    for group in (FIRST, SECOND):
        assert sg("rollback", "--group", group, "--yes", "-q", "--despite-pause").status == 0
    assert aws.shown() == before


# ---- errors in the middle ----


def test_an_error_before_the_first_outcome_does_not_lose_the_report(
    aws: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreError("the disk is gone", hint="find it")

    sg(*MAKE)
    monkeypatch.setattr(Transactions, "remediate", fails)
    ended = sg(*APPLY, "--yes", "--json")
    assert (ended.status, ended.json["outcomes"]) == (2, [])
    assert ended.json["stopped"] == (
        "by an error: the disk is gone; a group that was begun is in the journal, and the next run finishes it first"
    )
    assert [each["group_id"] for each in ended.json["not_done"]] == [FIRST, SECOND]
    assert "error: the disk is gone\nhelp: find it\n" in ended.err
    del aws


def test_what_was_begun_with_every_call_is_shown_with_its_way_back(
    live: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SqliteJournal, "end", fails)
        assert sg(*REMEDIATE, "--apply", "--yes").status == 2
    finished = sg("remediate", "--policy", "policy.json", "--group", "fine", "--apply", "--yes", "-q")
    assert (
        f"{FIRST}  web-1  {ACCOUNT}/{REGION}  changed: every call was made by the run that began it\n" in finished.out
    )
    assert f"  undo: sg-compliance rollback {FIRST}-" in finished.out
    del live


# ---- hints ----


def test_a_hint_has_the_options_that_were_given(aws: Aws, sg: Command) -> None:
    where = ("--state", "my state")
    sg(*MAKE, *where)
    sg("pause", "--reason", "incident 7", *where)
    assert "sg-compliance resume --state 'my state'" in sg(*APPLY, "--yes", *where).err
    assert "sg-compliance resume --state 'my state'" in sg(*APPLY, "--yes", "--json", *where).err
    assert "sg-compliance backups list --state 'my state'" in sg("rollback", "--group", FIRST, *where).err
    del aws


def test_every_protected_group_has_its_own_command(aws: Aws, sg: Command) -> None:
    protected: dict[str, Any] = {"tags": {"sg-compliance:protect": "true"}}
    numbers = (5, 6)
    aws.put(*[raw_group(tcp(22, EVERYONE), group_id=f"sg-0000000000000000{number}", **protected) for number in numbers])
    ended = sg(*PLAN, "--state", "here")
    said = "sg-compliance unprotect sg-0000000000000000{} --reason TEXT --approved-by NAME --state here"
    for number in numbers:
        assert said.format(number) in ended.out
    steps = [each["next_step"] for each in sg(*PLAN, "--state", "here", "--json").json["left_alone"]]
    assert all(" --reason TEXT --approved-by NAME --state here" in step for step in steps)


# ---- places ----

NO_STATE: Final = {
    "one slash": ("s3:/bucket/x", "'s3:/bucket/x' is neither a folder nor a place in S3"),
    "another scheme": ("ftp://x", "'ftp://x' is neither a folder nor a place in S3"),
    "capitals": ("S3://bucket", "'S3://bucket' is neither"),
    "no bucket": ("s3:///x", "'s3:///x' is no place in S3"),
    "brackets": ("s3://[x", "'s3://[x' is no place in S3"),
    "a file": ("groups.json", "groups.json: state is kept in a folder, and this is none"),
}


@pytest.mark.parametrize(("place", "said"), NO_STATE.values(), ids=NO_STATE)
def test_what_can_be_no_state_is_refused_by_every_command(
    place: str, said: str, aws: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    sg(*MAKE)
    commands: list[tuple[str, ...]] = [
        PLAN,
        APPLY,
        ("scan", *PLAN[1:]),
        ("rollback", "--group", FIRST),
        ("history", FIRST),
    ]
    commands += [("backups", "list"), ("audit", "verify"), ("resume",), ("unprotect", "--list")]
    for command in commands:
        ended = sg(*command, "--state", place)
        assert (ended.status, ended.out) == (2, ""), command
        assert f"error: {said}" in ended.err
        assert "\nhelp: " in ended.err
    monkeypatch.setenv("SG_COMPLIANCE_STATE", place)
    assert f"error: {said}" in sg(*PLAN).err
    assert aws.mutations() == []


@pytest.mark.parametrize("topic", ["changes", "arn:aws:sqs:eu-west-1:111122223333:changes", f"{TOPIC}:x", " "])
def test_what_is_no_topic_is_refused_before_anything_is_done(topic: str, aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    ended = sg(*APPLY, "--yes", "--topic", topic)
    assert (ended.status, aws.mutations()) == (2, [])
    assert "--topic" in ended.err
    assert not Path("state").exists()


def test_an_empty_topic_is_not_taken_for_none(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    assert "an empty value" in sg(*APPLY, "--yes", "--topic", "").err
    assert "an empty value" in sg(*PLAN, "--group", "").err
    assert aws.mutations() == []


# ---- files ----


@pytest.fixture
def device() -> Iterator[str]:
    """A device that a mistake cannot harm: no file can be put in the place of a terminal, not even by root."""
    ours, theirs = os.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("forced", [(), ("--force",)], ids=["", "forced"])
def test_a_plan_takes_the_place_of_nothing_but_a_file(
    forced: tuple[str, ...], device: str, aws: Aws, sg: Command, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    Path("link").symlink_to(device)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        kinds = {device: "a device", "link": "a device", ".": "a folder", "folder": "a folder", "pipe": "a pipe"}
        for path, kind in {**kinds, "socket": "a socket"}.items():
            ended = sg(*PLAN, "-o", path, *forced)
            assert (ended.status, ended.out) == (2, "")
            assert f"error: {path}: cannot be written: it is {kind}, and no file\nhelp: " in ended.err
    assert Path("link").is_symlink()
    assert "error: a plan is written to a file, not to standard output\nhelp: " in sg(*PLAN, "-o", "-", *forced).err
    assert not Path("-").exists()
    del aws


def test_a_snapshot_takes_the_place_of_nothing_but_a_file(device: str, sg: Command, tmp_path: Path) -> None:
    taken = ("snapshot", "--from", "groups.json", "-q", "--force", "-o")
    for path in (tmp_path, device):
        assert "and no file\nhelp: choose another name" in sg(*taken, path).err
    assert json.loads(sg(*taken, "-").out.splitlines()[-1])
    assert not Path("-").exists()


NO_PLAN: Final = {
    "a list": ("[]", "it is no JSON object"),
    "null": ("null", "it is no JSON object"),
    "no JSON": ("{", "it is no JSON: "),
    "too deep": ("[" * 100_000, "it is nested too deeply"),
}


@pytest.mark.parametrize(("text", "said"), NO_PLAN.values(), ids=NO_PLAN)
def test_what_is_wrong_with_a_plan_file_is_said_in_words(text: str, said: str, aws: Aws, sg: Command) -> None:
    Path("plan.json").write_text(text, encoding="utf-8")
    ended = sg(*APPLY, "--yes")
    assert ended.status == 2
    assert f"error: plan.json cannot be used as a plan: {said}" in ended.err
    del aws


def test_a_plan_that_was_built_by_others_is_refused_in_words(
    aws: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    sg(*MAKE)
    body: Any = Plan._body  # noqa: SLF001 - to forge one with a checksum that is right
    monkeypatch.setattr(Plan, "_body", lambda self: {**body(self), "groups": 7})
    sg(*MAKE, "--force")
    monkeypatch.undo()
    ended = sg("apply", str(aws.folder / "plan.json"), "--yes", "--state", str(aws.folder / "state"))
    assert ended.status == 2
    assert "cannot be used as a plan: it is not built as this program writes it" in ended.err


def test_the_output_of_plan_json_is_told_from_a_plan(aws: Aws, sg: Command) -> None:
    Path("plan.json").write_text(sg(*PLAN, "--json").out, encoding="utf-8")
    ended = sg(*APPLY, "--yes")
    assert "that is the output of plan --json, which is for other programs; use --output" in ended.err
    del aws


# ---- groups ----


def test_a_group_is_rolled_back_by_its_id(aws: Aws, sg: Command) -> None:
    ended = sg("rollback", "--group", "web-1")
    assert ended.status == 2
    assert "give the id (sg-…)" in " ".join(ended.err.split())
    del aws


def test_a_group_that_is_gone_is_told_in_words_by_a_rollback(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    sg(*APPLY, "--yes")
    aws.client().delete_security_group(GroupId=FIRST)
    ended = sg("rollback", "--group", FIRST, "--yes", "-q")
    assert ended.status == 2
    assert "help: the group was deleted, or is in another account or region" in ended.out
    assert "API reference" not in ended.out


def test_a_backup_that_is_not_there_leaves_no_hole_in_the_line(aws: Aws, sg: Command) -> None:
    ended = sg("rollback", f"{FIRST}-20260115T120000Z-0123456789abcdef", "--yes", "-q")
    assert f"\n{FIRST}  failed: " in f"\n{ended.out}"
    del aws
