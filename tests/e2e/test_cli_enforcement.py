"""Plan, apply, remediate and roll back as their user meets them, in this process; the EC2 twin plays AWS."""

from __future__ import annotations

import stat
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.aws.ec2_rules import Ec2RuleWriter
from sg_compliance.errors import StoreError
from sg_compliance.model.change import Revoke
from sg_compliance.testing.twin import Twin
from sg_compliance.workflows.transaction import Transactions
from tests.builders import ACCOUNT, BASELINE, EVERYONE, REGION, SSH, all_traffic, raw_group, tcp
from tests.e2e.test_cli import Command, Ended, sg, write
from tests.world import TwinSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sg_compliance.enforcement.plan import PlannedGroup
    from sg_compliance.model.change import Call
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place
    from tests.builders import Json

__all__ = ["sg"]  # the fixture

PLAN: Final = ("plan", "--from", "groups.json", "--policy", "policy.json")
MAKE: Final = (*PLAN, "-o", "plan.json", "-q")
NO_BUDGET: Final = ("--max-percent", "100")
APPLY: Final = ("apply", "plan.json", "-q", *NO_BUDGET)
GONE: Final = "sg-00000000000000009"
FIRST: Final = "sg-00000000000000001"
SECOND: Final = "sg-00000000000000002"
CALLER: Final = "arn:aws:iam::111122223333:user/tester"


class Sessions(TwinSessions):
    """The twin's, for a caller with a name."""

    def caller(self) -> Any:  # noqa: ANN401 - what bootstrap asks of it
        return SimpleNamespace(arn=CALLER, account_id=ACCOUNT)


@dataclass(slots=True)
class Aws:
    """What there is in AWS, and the file that the AWS CLI would write of it."""

    twin: Twin
    folder: Path

    def put(self, *groups: Json) -> None:
        for each in groups:
            self.twin.put_group(ACCOUNT, REGION, each)
        self.write_down()

    def client(self) -> Any:  # noqa: ANN401 - a client of the SDK
        return Sessions(self.twin).client("ec2", frozenset(), REGION, ACCOUNT)

    def write_down(self) -> None:
        client = self.client()
        groups = client.describe_security_groups()["SecurityGroups"]
        rules = client.describe_security_group_rules()["SecurityGroupRules"]
        for each in groups:
            each.setdefault("SecurityGroupArn", f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{each['GroupId']}")
        write(self.folder / "groups.json", {"SecurityGroups": groups, "SecurityGroupRules": rules})

    def shown(self) -> Any:  # noqa: ANN401 - the twin's own form
        return self.twin.snapshot(ACCOUNT, REGION)

    def mutations(self) -> list[str]:
        return [call.operation for call in self.twin.log if call.mutating]


def open_group(group_id: str, **others: Any) -> Json:  # noqa: ANN401 - JSON
    return raw_group(
        tcp(22, EVERYONE, description="everyone"),
        tcp(443, "10.0.0.0/8"),
        egress=[all_traffic("10.0.0.0/8")],
        group_id=group_id,
        **{"GroupName": f"web-{group_id[-1]}", "tags": {"Owner": "web"}, **others},
    )


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sg: Command) -> Aws:
    del sg  # which writes files of its own first
    made = Aws(Twin(time.time), tmp_path)
    sessions = Sessions(made.twin)
    monkeypatch.setattr("sg_compliance.bootstrap.enforcement.sessions_of", lambda *_, **__: sessions)
    monkeypatch.setenv("SG_COMPLIANCE_STATE", str(tmp_path / "state"))
    made.put(open_group(FIRST), open_group(SECOND), raw_group(tcp(443, EVERYONE), group_id=GONE, GroupName="fine"))
    write(tmp_path / "policy.json", BASELINE)
    return made


class Terminal:
    """Somebody at a terminal who types this."""

    def __init__(self, typed: str) -> None:
        self._typed = typed

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._typed + "\n"


@pytest.fixture
def somebody_types(monkeypatch: pytest.MonkeyPatch, sg: Command) -> Callable[..., Ended]:
    def run(typed: str, *arguments: object) -> Ended:
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
        monkeypatch.setenv("TERM", "dumb")
        return sg(*arguments)

    return run


# ---- plan ----


def test_a_plan_shows_a_difference_and_changes_nothing(aws: Aws, sg: Command, tmp_path: Path) -> None:
    before = aws.shown()
    ended = sg(*PLAN)
    assert ended.status == 1
    assert f"{FIRST}  web-1  {ACCOUNT}/{REGION}" in ended.out
    assert "  - ingress tcp 22 from 0.0.0.0/0  sgr-" in ended.out
    assert "  + ingress tcp 65535 from 127.0.0.1/32" in ended.out
    assert f"  closes    critical  {SSH}: " in ended.out
    assert "2 groups would be changed: 2 lockdown" in ended.out
    assert "over budget: 2 of the 3 groups" in ended.out
    assert "give --output FILE to apply it" in ended.err
    assert (aws.shown(), aws.mutations()) == (before, [])
    assert not (tmp_path / "state").exists()


def test_a_strategy_can_be_asked_for(aws: Aws, sg: Command) -> None:
    del aws
    ended = sg(*PLAN, "--strategy", "revoke_violating", "--group", "web-2")
    assert "  = ingress tcp 443 from 10.0.0.0/8" in ended.out
    assert "1 group would be changed: 1 revoke_violating" in ended.out
    assert FIRST not in ended.out


def test_nothing_to_plan_is_status_0(aws: Aws, sg: Command) -> None:
    del aws
    ended = sg(*PLAN, "--group", "fine", "--group", "wbe-1")
    assert ended.status == 0
    assert "no group would be changed" in ended.out
    assert (
        "note: fine: nothing to do: it has no finding\nnote: wbe-1: no group of this id or name was read\n" in ended.err
    )
    assert sg(*PLAN, "--level", "monitor").status == 0


def test_an_unattended_plan_decides_as_the_policy_says(aws: Aws, sg: Command) -> None:
    del aws
    ended = sg(*PLAN, "--automatic")
    assert ended.status == 0
    assert f"account {ACCOUNT} is not in accounts_config: reported only" in ended.out


def test_what_could_not_be_read_makes_a_plan_partial(aws: Aws, sg: Command, tmp_path: Path) -> None:
    del aws
    (tmp_path / "cut.json").write_text('{"SecurityGroups": [', encoding="utf-8")
    ended = sg(*PLAN, "--from", "cut.json")
    assert ended.status == 2
    assert "2 groups would be changed" in ended.out
    assert "PARTIAL PLAN: something could not be read" in ended.out
    assert sg(*PLAN, "--from", "cut.json", "--json").json["complete"] is False
    assert sg(*PLAN, "--account", "999988887777").status == 2


def test_a_plan_is_written_for_its_owner_only_and_never_over_a_file(aws: Aws, sg: Command, tmp_path: Path) -> None:
    del aws
    ended = sg(*MAKE)
    assert "written to plan.json; look at it, then: sg-compliance apply plan.json" in ended.err
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    again = sg(*MAKE)
    assert (again.status, again.out) == (2, "")
    assert (
        "error: plan.json: there is a file already\nhelp: choose another name, or replace it with --force" in again.err
    )
    assert sg(*MAKE, "--force").status == 1
    assert "there is no folder nowhere" in sg(*PLAN, "-o", "nowhere/plan.json").err
    assert not (tmp_path / "nowhere").exists()


def test_a_plan_as_json(aws: Aws, sg: Command) -> None:
    del aws
    record = sg(*MAKE, "--json").json
    assert record["plan"]["file"] == "plan.json"
    assert [group["group_id"] for group in record["groups"]] == [FIRST, SECOND]
    assert record["budget"]["accounts"] == [{"account_id": ACCOUNT, "planned": 2, "groups": 3}]


def test_a_stored_exemption_is_honoured(aws: Aws, sg: Command) -> None:
    del aws
    rules = (SSH, "PROHIBIT_WIDE_SSH")
    options = ("--reason", "until the VPN", "--approved-by", "me", "--expires", "24h", "--policy", "policy.json")
    granted = sg("exempt", "add", "--group", FIRST, *(part for rule in rules for part in ("--rule", rule)), *options)
    assert granted.status == 0, granted.err
    assert [group["group_id"] for group in sg(*PLAN, "--json").json["groups"]] == [SECOND]
    found = sg("scan", *PLAN[1:], "--json").json["findings"]
    assert {each["state"] for each in found if each["group_id"] == FIRST} == {"exempt"}
    assert "exempt: until the VPN" in sg("explain", FIRST, *PLAN[1:]).out.replace("exemption ", "")
    assert len(sg(*PLAN, "--json", "--state", "elsewhere").json["groups"]) == 2


# ---- apply ----


def test_the_whole_way_there_and_back(aws: Aws, sg: Command) -> None:
    before = aws.shown()
    assert sg(*MAKE).status == 1
    rehearsed = sg(*APPLY, "--dry-run")
    assert (rehearsed.status, aws.mutations()) == (0, [])
    assert "dry run, nothing was changed: 2 would change" in rehearsed.out
    applied = sg(*APPLY, "--yes")
    assert applied.status == 0, applied.out + applied.err
    assert "changed: 3 rules revoked, 1 rule added, tags changed" in applied.out
    assert "  undo: sg-compliance rollback sg-" in applied.out
    assert aws.shown() != before
    calls = aws.mutations()
    again = sg(*APPLY, "--yes")
    assert (again.status, aws.mutations()) == (0, calls)
    assert "2 nothing to do" in again.out
    for group in (FIRST, SECOND):
        assert sg("rollback", "--group", group, "--yes").status == 0
    assert aws.shown() == before


def test_a_group_that_has_changed_since_is_left_alone(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    aws.client().authorize_security_group_ingress(GroupId=FIRST, IpPermissions=[tcp(25, "10.0.0.0/8")])
    drifted = aws.shown()[FIRST]
    ended = sg(*APPLY, "--yes")
    assert ended.status == 1
    assert "refused: changed since the plan was made\n  help: look at it and plan again" in ended.out
    assert aws.shown()[FIRST] == drifted
    assert "1 changed, 1 refused" in ended.out


def test_a_group_that_is_gone_is_told(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    aws.client().delete_security_group(GroupId=FIRST)
    ended = sg(*APPLY, "--yes")
    assert ended.status == 1
    assert f"gone: {FIRST} is not there any more" in ended.out


def test_a_person_is_asked_and_may_refuse(aws: Aws, somebody_types: Callable[..., Ended], sg: Command) -> None:
    sg(*MAKE)
    for typed in ("no", "", "y"):
        ended = somebody_types(typed, "apply", "plan.json", *NO_BUDGET)
        assert ended.status == 2
        assert "Change 2 groups? Type yes: nothing was changed" in ended.err
        assert "made just now by " in ended.err
    assert aws.mutations() == []
    agreed = somebody_types("yes", *APPLY)
    assert agreed.status == 0
    assert "2 changed" in agreed.out


def test_where_nobody_can_be_asked_nothing_is_changed(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    ended = sg(*APPLY)
    assert (ended.status, ended.out, aws.mutations()) == (2, "", [])
    assert "error: there is no terminal to ask on: nothing was changed\nhelp: " in ended.err
    assert "--yes" in ended.err


def test_a_plan_over_the_budget_is_stopped_before_the_first_change(aws: Aws, sg: Command, tmp_path: Path) -> None:
    sg(*MAKE)
    for limit in (["--max-groups", "1", *NO_BUDGET], []):
        ended = sg("apply", "plan.json", "--yes", *limit)
        assert (ended.status, ended.out, aws.mutations()) == (2, "", [])
        assert "error: nothing was changed: 2 " in ended.err
        assert "help: plan less (--rule, --group, --account …), or raise --max-groups and --max-percent" in ended.err
    assert '"event": "stopped"' in (tmp_path / "state" / "audit.jsonl").read_text(encoding="utf-8").replace(
        '":"', '": "'
    )
    warned = sg("apply", "plan.json", "--dry-run")
    assert (warned.status, "2 would change" in warned.out) == (2, True)
    assert "warning: a real run would be stopped: " in warned.err


def test_a_pause_stops_every_change(aws: Aws, sg: Command) -> None:
    sg(*MAKE)
    assert sg("pause", "--reason", "incident 7").status == 0
    ended = sg(*APPLY, "--yes")
    assert (ended.status, aws.mutations()) == (2, [])
    assert "incident 7" in ended.err
    assert "sg-compliance resume" in ended.err
    assert sg("resume").status == 0
    assert sg(*APPLY, "--yes").status == 0
    sg("pause", "--reason", "incident 8")
    rollback = sg("rollback", "--group", FIRST, "--yes", "-q")
    assert rollback.status == 2
    assert "nothing was changed: paused by" in rollback.err
    assert "incident 8" in rollback.err


BROKEN: Final = {
    "not there": (None, "error: plan.json: cannot be read"),
    "no JSON": ("{", "error: plan.json cannot be used as a plan"),
    "something else": ('{"SecurityGroups": []}', "'schema' is missing"),
    "a list": ("[]", "error: plan.json cannot be used as a plan"),
    "of another version": ('{"schema": "sg-compliance/plan", "version": 9}', "this program reads version 1"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_plan_is_refused(text: str | None, said: str, aws: Aws, sg: Command, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    ended = sg(*APPLY, "--yes")
    assert (ended.status, ended.out, aws.mutations()) == (2, "", [])
    assert said in ended.err
    assert "\nhelp: " in ended.err


def test_a_plan_that_was_edited_is_refused(aws: Aws, sg: Command, tmp_path: Path) -> None:
    sg(*MAKE)
    text = (tmp_path / "plan.json").read_text(encoding="utf-8")
    (tmp_path / "plan.json").write_text(text.replace(SECOND, GONE), encoding="utf-8")
    ended = sg(*APPLY, "--yes")
    assert (ended.status, aws.mutations()) == (2, [])
    assert "it was changed after it was made" in ended.err


def test_a_command_that_is_shown_has_the_options_that_were_given(aws: Aws, sg: Command) -> None:
    del aws
    where = ("--state", "my state", "--external-id", "x y")
    made = sg(*MAKE, *where)
    assert "sg-compliance apply plan.json --state 'my state' --external-id 'x y'\n" in made.err
    applied = sg(*APPLY, "--yes", *where)
    assert "  undo all: sg-compliance rollback --run run-" in applied.out
    assert applied.out.count(" --state 'my state' --external-id 'x y'\n") == 3


def test_what_was_applied_as_json(aws: Aws, sg: Command) -> None:
    del aws
    plan_id = sg(*MAKE, "--json").json["plan"]["id"]
    record = sg(*APPLY, "--yes", "--json").json
    assert (record["plan_id"], record["by"], record["dry_run"], record["stopped"]) == (plan_id, CALLER, False, None)
    assert record["totals"]["changed"] == len(record["outcomes"]) == 2
    assert record["outcomes"][0]["backup_id"].startswith(f"{FIRST}-")
    assert {call["call"] for call in record["outcomes"][0]["calls"]} == {"tag", "revoke", "authorize"}


def test_progress_is_one_line_a_group_where_nobody_looks(aws: Aws, sg: Command) -> None:
    del aws
    sg(*MAKE)
    ended = sg("apply", "plan.json", "--yes", *NO_BUDGET)
    assert [line[:26] for line in ended.err.splitlines() if line.startswith("[")] == [
        f"[1/2] {FIRST}",
        f"[2/2] {SECOND}",
    ]
    assert sg(*APPLY, "--yes").err == ""


def test_an_error_in_the_middle_does_not_hide_what_was_done(
    aws: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Transactions.remediate

    def fails_on_the_second(self: Transactions, planned: PlannedGroup, *others: Any) -> Outcome:  # noqa: ANN401 - whatever it is given
        if planned.place.group_id == SECOND:
            raise StoreError("the disk is gone", hint="find it")
        return work(self, planned, *others)

    sg(*MAKE)
    monkeypatch.setattr(Transactions, "remediate", fails_on_the_second)
    ended = sg(*APPLY, "--yes")
    assert ended.status == 2
    assert f"{FIRST}  web-1  {ACCOUNT}/{REGION}  changed: " in ended.out
    assert "STOPPED: by an error: the disk is gone; a group that was begun is in the journal" in ended.out
    assert "error: the disk is gone\nhelp: find it\n" in ended.err
    assert f"{SECOND}  web-2  {ACCOUNT}/{REGION}  not done" in ended.out
    del aws


def test_why_and_who_are_kept_with_the_backup(aws: Aws, sg: Command, tmp_path: Path) -> None:
    del aws
    sg(*MAKE)
    sg(*APPLY, "--yes", "--reason", "ticket 42")
    kept = [path.read_text(encoding="utf-8") for path in (tmp_path / "state").rglob("sg-*.json")]
    assert len(kept) == 2
    assert all("ticket 42" in text and CALLER in text for text in kept)


# ---- remediate ----


@pytest.fixture
def live(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS that is read from the file, as if it was asked."""
    from sg_compliance import bootstrap  # noqa: PLC0415
    from sg_compliance.aws import translate  # noqa: PLC0415
    from sg_compliance.local.files import FileInventory  # noqa: PLC0415

    opened: list[FileInventory] = []

    def read(*_: object, names_needed: bool) -> FileInventory:
        aws.write_down()
        opened.append(FileInventory(("groups.json",), translate, names_needed=names_needed))
        return opened[-1]

    monkeypatch.setattr(bootstrap, "_live", read)
    yield aws
    for each in opened:
        each.close()


REMEDIATE: Final = ("remediate", "--policy", "policy.json", "-q", *NO_BUDGET)


def test_to_remediate_is_a_dry_run_unless_told(live: Aws, sg: Command) -> None:
    ended = sg(*REMEDIATE)
    assert (ended.status, live.mutations()) == (1, [])
    assert "2 groups would be changed" in ended.out
    assert "DRY RUN: nothing was changed. Give --apply to change the groups." in ended.err
    assert sg(*REMEDIATE, "--json").json["plan"]["by"] == CALLER


def test_to_remediate_with_apply_plans_and_applies(live: Aws, sg: Command) -> None:
    before = live.shown()
    assert sg(*REMEDIATE, "--apply").status == 2
    assert live.mutations() == []
    ended = sg(*REMEDIATE, "--apply", "--yes", "--json")
    assert ended.status == 0
    assert ended.json["totals"]["changed"] == 2
    assert sg(*REMEDIATE, "--apply", "--yes").out == "nothing to do\n"
    back = sg("rollback", "--run", ended.json["run_id"], "--yes", "-q")
    assert back.status == 0
    assert live.shown() == before


def test_what_was_rolled_back_is_held_for_a_day(live: Aws, sg: Command) -> None:
    sg(*REMEDIATE, "--apply", "--yes")
    assert sg("rollback", "--since", "1h", "--yes", "-q").status == 0
    held = sg(*REMEDIATE)
    assert held.status == 0
    assert "rolled back lately, and held until" in held.out
    assert sg(*REMEDIATE, "--despite-hold").status == 1
    del live


def test_a_partial_reading_never_ends_well(live: Aws, sg: Command) -> None:
    ended = sg(*REMEDIATE, "--account", "999988887777", "--apply", "--yes")
    assert (ended.status, live.mutations()) == (2, [])


def test_an_interrupted_reading_changes_nothing(live: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sg_compliance.workflows.reading.Readers.results", interrupted)
    ended = sg(*REMEDIATE, "--apply", "--yes")
    assert (ended.status, live.mutations()) == (2, [])
    assert "interrupted" in ended.err
    assert "PARTIAL PLAN: interrupted" in ended.out


def test_files_cannot_be_remediated(aws: Aws, sg: Command) -> None:
    del aws
    ended = sg(*REMEDIATE, "--from", "groups.json", "--apply")
    assert ended.status == 2
    assert "--from reads files, and files cannot be changed" in ended.err
    assert sg(*REMEDIATE, "--from", "groups.json").status == 1


def test_what_a_killed_run_has_begun_is_finished_by_the_next_one(
    live: Aws, sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Ec2RuleWriter.do

    def killed(writer: Ec2RuleWriter, place: Place, call: Call) -> None:
        if isinstance(call, Revoke):
            raise KeyboardInterrupt
        make(writer, place, call)

    before = live.shown()
    with monkeypatch.context() as patched:
        patched.setattr(Ec2RuleWriter, "do", killed)
        ended = sg(*REMEDIATE, "--apply", "--yes")
    assert ended.status == 2
    assert "STOPPED: by a second Ctrl-C, in the middle of a group; the next run finishes it first" in ended.out
    nothing_else = ("remediate", "--policy", "policy.json", "--group", "fine", "--apply")
    assert "Finish" not in sg(*nothing_else, "--json").out
    finished = sg(*nothing_else, "--yes")
    assert finished.status == 0
    assert "1 group left unfinished by an earlier run: finished first" in finished.err
    assert f"{FIRST}  web-1  {ACCOUNT}/{REGION}  changed: 3 rules revoked" in finished.out
    assert sg("rollback", "--group", FIRST, "--yes", "-q").status == 0
    assert live.shown() == before


def test_to_remediate_asks_with_the_plan_before_its_eyes(live: Aws, somebody_types: Callable[..., Ended]) -> None:
    asked = ("remediate", "--policy", "policy.json", *NO_BUDGET, "--apply", "--json")
    refused = somebody_types("no", *asked)
    assert (refused.status, refused.out, live.mutations()) == (2, "", [])
    assert refused.err.index("2 groups would be changed") < refused.err.index("Change 2 groups? Type yes: ")
    assert somebody_types("yes", *asked).json["totals"]["changed"] == 2


# ---- roll back ----


@pytest.fixture
def locked(aws: Aws, sg: Command) -> Aws:
    """Both groups are locked down."""
    sg(*MAKE)
    assert sg(*APPLY, "--yes").status == 0
    return aws


def test_the_difference_is_shown_before_anything_is_restored(locked: Aws, sg: Command) -> None:
    calls = locked.mutations()
    ended = sg("rollback", "--group", FIRST, "--dry-run")
    assert (ended.status, locked.mutations()) == (0, calls)
    assert "  - ingress tcp 65535 from 127.0.0.1/32" in ended.out
    assert "  + ingress tcp 22 from 0.0.0.0/0  everyone" in ended.out
    assert f"by {CALLER}" in ended.out
    record = sg("rollback", "--group", FIRST, "--dry-run", "--json").json
    assert record["dry_run"] is True
    assert [rule["FromPort"] for rule in record["outcomes"][0]["change"]["revoke"]] == [65535]


def test_a_rollback_asks(locked: Aws, somebody_types: Callable[..., Ended], sg: Command) -> None:
    calls = locked.mutations()
    assert sg("rollback", "--group", FIRST).status == 2
    refused = somebody_types("no", "rollback", "--group", FIRST)
    assert (refused.status, locked.mutations()) == (2, calls)
    assert "Restore 1 group? Type yes: " in refused.err
    assert somebody_types("yes", "rollback", "--group", FIRST).status == 0


def test_a_backup_is_restored_by_its_id_once(locked: Aws, sg: Command, tmp_path: Path) -> None:
    (path,) = (tmp_path / "state").rglob(f"{FIRST}-*.json")
    assert sg("rollback", path.stem, "--yes", "-q").status == 0
    again = sg("rollback", path.stem, "--yes", "-q")
    assert (again.status, "1 nothing to do" in again.out) == (0, True)
    del locked


def test_what_cannot_be_restored_is_listed_and_the_rest_is(aws: Aws, sg: Command) -> None:
    helper = raw_group(group_id="sg-00000000000000007", GroupName="helper")
    third = "sg-00000000000000003"
    aws.put(helper)
    aws.put(raw_group(tcp(22, EVERYONE), tcp(5432, "sg-00000000000000007"), group_id=third, GroupName="app"))
    sg(*MAKE, "--group", "app")
    assert sg(*APPLY, "--yes").status == 0
    aws.client().delete_security_group(GroupId="sg-00000000000000007")
    ended = sg("rollback", "--group", third, "--yes", "-q")
    assert ended.status == 1, ended.out + ended.err
    assert "  partly restored: " in ended.out
    assert "  note: not added: tcp 5432 from sg-00000000000000007" in ended.out


USAGE: Final = {
    "nothing": ([], "give one of BACKUP, --group, --run and --since"),
    "two of them": (["--group", FIRST, "--since", "1h"], "give one of"),
    "no time": (["--since", "yesterday"], "'yesterday' is no time"),
    "no duration": (["--group", FIRST, "--hold", "long"], "'long' is no time"),
    "a hold without an end": (["--group", FIRST, "--hold", "9999999d"], "'9999999d' is too long"),
    "a hold that is over": (["--group", FIRST, "--hold", "2020-01-01"], "'2020-01-01' is over already"),
    "an empty state": (["--group", FIRST, "--state", ""], "an empty value"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_a_rollback_of_nothing_in_particular_is_refused(arguments: list[str], said: str, aws: Aws, sg: Command) -> None:
    del aws
    ended = sg("rollback", *arguments)
    assert ended.status == 2
    assert said in ended.err


@pytest.mark.parametrize("arguments", [["--group", "sg-9"], ["--run", "run-9"], ["--since", "2026-01-01"]])
def test_where_there_is_nothing_to_take_back_it_is_said(arguments: list[str], aws: Aws, sg: Command) -> None:
    del aws
    ended = sg("rollback", *arguments)
    assert ended.status == 2
    assert "no remediation is known\nhelp: see what there is: sg-compliance backups list" in ended.err


def test_a_backup_that_is_not_there_is_a_failure(aws: Aws, sg: Command) -> None:
    del aws
    ended = sg("rollback", f"{FIRST}-20260115T120000Z-0123456789abcdef", "--yes", "-q")
    assert ended.status == 2
    assert "failed: " in ended.out
