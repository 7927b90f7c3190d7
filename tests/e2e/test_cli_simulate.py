"""`simulate` on groups in files, as its user meets it, in this process: AWS is not asked, and nothing is kept."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
from rich.console import Console

from tests.builders import ACCOUNT, EVERYONE, document, prohibit, tcp
from tests.e2e.test_cli import Command, Ended, placed, sg, write
from tests.event_builders import (
    AUTHORIZE,
    CREATE,
    GROUP,
    OTHER_GROUP,
    REVOKE,
    answered,
    asked,
    envelope,
    record,
    rule,
    session,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders import Json

__all__ = ["sg"]  # the fixture

EMERGENCY: Final = {"emergency_remediation": {"enabled": True}}
GRACE: Final = {"immediate_remediation": {"enabled": True, "severity_threshold": "low", "grace_period_minutes": 5}}
SIMULATE: Final = ("simulate", "event.json", "--from", "groups.json", "--policy", "policy.json")


class Tell(Protocol):
    """Simulate these events on the two groups."""

    def __call__(
        self, *events: Json, settings: Json = EMERGENCY, arguments: tuple[str, ...] = (), **sections: object
    ) -> Ended: ...


@pytest.fixture
def tell(sg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Simulate these events on the two groups."""
    monkeypatch.setenv("SG_COMPLIANCE_STATE", str(tmp_path / "state"))
    for name in ("socket.socket.connect", "socket.getaddrinfo"):
        monkeypatch.setattr(name, lambda *_: pytest.fail("the network was used"))
    groups = [placed(GROUP, tcp(443, "10.0.0.0/8")), placed(OTHER_GROUP, tcp(22, EVERYONE))]
    write(tmp_path / "groups.json", {"SecurityGroups": groups})

    def run(*events: Json, settings: Json = EMERGENCY, arguments: tuple[str, ...] = (), **sections: object) -> Ended:
        written: dict[str, Any] = {
            "real_time_scanning": {"enabled": True, "remediation_settings": settings},
            "accounts_config": [{"account_id": ACCOUNT, "enforcement_level": "enforce"}],
            **sections,
        }
        severity = written.pop("severity", "critical")
        write(tmp_path / "policy.json", document(prohibit(22, severity=severity, rule_id="NO_SSH"), **written))
        write(tmp_path / "event.json", list(events))
        before = sorted(tmp_path.rglob("*"))
        ended = sg(*SIMULATE, *arguments)
        assert sorted(tmp_path.rglob("*")) == before
        return ended

    return run


def opened(**others: object) -> Json:
    return record(AUTHORIZE, asked(tcp(22, EVERYONE)), answered(rule(22, EVERYONE)), **others)


def test_a_rule_that_the_files_do_not_show_yet_is_judged_and_the_plan_shown(tell: Tell) -> None:
    ended = tell(opened())
    assert ended.status == 1
    for said in (
        f"event 1  {AUTHORIZE} by arn:aws:iam::{ACCOUNT}:user/people/alice from 198.51.100.7  2026-01-15 12:00:01 UTC",
        f"{GROUP}  web  {ACCOUNT}/eu-west-1  EMERGENCY would change: 1 critical",
        "critical  NO_SSH: tcp 22 is open from 0.0.0.0/0",
        "the rules that the event added are not shown: judged as if they were",
        "decision  dry run: would be changed (lockdown)",
        "- ingress tcp 22 from 0.0.0.0/0",
        "- ingress tcp 443 from 10.0.0.0/8",
        "+ ingress tcp 65535 from 127.0.0.1/32",
        "COMPLIANCE_EMERGENCY=true",
        f"told at once     critical: NO_SSH in {GROUP}, {ACCOUNT} eu-west-1",
        "1 event: 1 would change; nothing was changed",
    ):
        assert said in ended.out


def test_what_is_shown_already_is_not_supposed(tell: Tell) -> None:
    event = record(AUTHORIZE, asked(tcp(22, EVERYONE), group=OTHER_GROUP))
    ended = tell(envelope(event), arguments=("--json",))
    (said,) = ended.json
    (response,) = said["responses"]
    assert (response["supposed"], response["reaction"], response["emergency"]) == (False, "would_change", True)
    assert [each["CidrIpv4"] for each in response["plan"]["change"]["revoke"]] == [EVERYONE]
    assert response["plan"]["strategy"] == "lockdown"
    assert said["told_at_once"][0]["kind"] == "violation"


def test_a_change_that_leaves_no_finding_ends_with_0(tell: Tell) -> None:
    ended = tell(record(AUTHORIZE, asked(tcp(443, "10.1.0.0/16"))))
    assert ended.status == 0
    assert "compliant" in ended.out


def test_a_grace_period_says_when_it_is_looked_at_again_and_in_which_digest_it_is_told(tell: Tell) -> None:
    ended = tell(opened(), settings=GRACE, severity="medium", arguments=("--severity", "medium"))
    assert ended.status == 1
    assert "grace_period_minutes (5) has not passed" in ended.out
    assert "again     2026-01-15 12:05:01 UTC" in ended.out
    assert "told      later, in a digest: daily" in ended.out
    assert "told at once" not in ended.out


def test_the_policy_says_whether_people_are_told_and_when(tell: Tell) -> None:
    assert "told  " not in tell(opened()).out
    quiet = {"account_id": ACCOUNT, "enforcement_level": "monitor", "actions": {"send_notifications": False}}
    ended = tell(opened(), settings=GRACE, severity="medium", accounts_config=[quiet])
    assert "NO_SSH" in ended.out
    assert "told" not in ended.out


def test_the_environment_of_groups_without_one_can_be_given(tell: Tell) -> None:
    rule = prohibit(3389, rule_id="NO_RDP_IN_PRODUCTION", environments=["production"])
    prohibited: Json = {"inbound": [rule], "outbound": []}
    event = record(AUTHORIZE, asked(tcp(3389, EVERYONE)))
    assert "compliant" in tell(event, prohibited_rules=prohibited).out
    said = tell(event, arguments=("--environment", "production"), prohibited_rules=prohibited).out
    assert "NO_RDP_IN_PRODUCTION" in said


def test_people_are_told_once_of_what_several_events_show(tell: Tell) -> None:
    first, second = opened(), opened(eventTime="2026-01-15T12:00:05Z", eventID="914469fc-c658-434c-a560-0219c0ac3b56")
    said = tell(first, second, arguments=("--json",)).json
    assert [len(each["told_at_once"]) for each in said] == [1, 0]
    assert [each["at"] for each in said] == ["2026-01-15T12:00:01+00:00", "2026-01-15T12:00:06+00:00"]


def test_operations_add_up_over_the_events_of_the_file(tell: Tell) -> None:
    events = [
        record(AUTHORIZE, asked(tcp(443, "10.0.0.0/8")), eventID=f"914469fc-c658-434c-a560-0219c0ac{number:04}")
        for number in range(11)
    ]
    ended = tell(*events)
    assert ended.status == 1
    assert "mass operations  alert: 11 in 60 s, more than 10" in ended.out
    assert ended.out.count("mass operations: 11") == 1
    assert tell(*events[:10]).status == 0


def test_an_exemption_counts_as_of_the_time_of_the_event(tell: Tell) -> None:
    exemption = {
        "reason": "x",
        "exempted_rules": ["NO_SSH"],
        "expiry_date": "2026-01-31T00:00:00Z",
        "approved_by": "ada",
    }
    exemptions = {"security_group_exemptions": {GROUP: exemption}}
    assert "compliant" in tell(opened(), exemptions=exemptions).out
    late = tell(opened(eventTime="2026-03-01T00:00:00Z"), exemptions=exemptions)
    assert "would change" in late.out


def test_our_own_roles_are_known_and_those_named_too(tell: Tell) -> None:
    """A change in our name that is in no journal is told of, and judged like anybody's."""
    forged = "a change in this tool's name that it did not make"
    assert forged in tell(opened(userIdentity=session("sg-compliance-remediate", "sg-compliance"))).out
    named = opened(userIdentity=session("closer", "sg-compliance"))
    assert forged not in tell(named).out
    ended = tell(named, arguments=("--our-role", "closer"))
    assert ended.status == 1
    assert forged in ended.out
    assert "NO_SSH" in ended.out
    other = tell(named, arguments=("--our-role", "closer", "--session-name", "another"))
    assert "somebody uses this tool's role" in other.out


def test_what_is_not_known_ends_with_2(tell: Tell) -> None:
    ended = tell(opened(), {"detail": {}})
    assert ended.status == 2
    assert "event 2  event.json, line 1: rejected: the envelope is not" in ended.out
    assert "  help: it would be put with the dead letters: mend the event, and try it again\n" in ended.out
    assert "1 would change, 1 rejected; nothing was changed" in ended.out
    missing = tell(record(CREATE, {"groupName": "new"}, {"groupId": "sg-0a1b2c3d4e5f60799"}))
    assert missing.status == 2
    assert "there is no such group in the files" in missing.out
    assert "decision  not known: the group could not be looked at" in missing.out
    assert "AWS does not show" not in missing.out
    assert "help: give the output of: aws ec2 describe-security-groups" in missing.out
    others = tell(opened(), arguments=("--account", "444455556666"))
    assert f"account {ACCOUNT} is none of ours" in others.out
    assert "help: if it is yours, name it: --accounts" in others.out
    assert others.status == 2


def test_an_event_that_does_not_say_of_which_service_it_is_is_rejected(tell: Tell) -> None:
    without = {key: value for key, value in opened().items() if key != "eventSource"}
    ended = tell(without, arguments=("--json",))
    (said,) = ended.json
    assert (ended.status, said["rejected"], said["source"]) == (2, "eventSource is missing", "event.json, line 1")
    assert said["next_step"]


def test_a_broken_line_is_named_by_its_number_and_stops_no_other(tell: Tell, sg: Command, tmp_path: Path) -> None:
    tell(opened())
    lines = [json.dumps(opened()), '{"eventName": "x"', json.dumps({**opened(), "awsRegion": None})]
    (tmp_path / "events.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    ended = sg("simulate", "events.jsonl", *SIMULATE[2:])
    assert ended.status == 2
    assert "event 1  AuthorizeSecurityGroupIngress by" in ended.out
    reason = "the message is no JSON that can be read: it ends too early, at column 18"
    assert f"event 2  events.jsonl, line 3: rejected: {reason}\n  help: " in ended.out
    assert "event 3  events.jsonl, line 5: rejected: awsRegion is missing\n  help: " in ended.out


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("{", "groups.json: no SecurityGroups in it"),
        ('{"SecurityGroups": [{"GroupId": "sg-1"}', "groups.json"),
        ('{"SecurityGroups": []}', "there is no security group in the files"),
        (None, "groups.json: there is no such file"),
    ],
)
def test_files_that_cannot_be_used_are_an_error_at_the_start(
    groups: str | None, said: str, tell: Tell, sg: Command, tmp_path: Path
) -> None:
    tell(opened())
    (tmp_path / "groups.json").unlink()
    if groups is not None:
        (tmp_path / "groups.json").write_text(groups, encoding="utf-8")
    ended = sg(*SIMULATE, "--json")
    assert (ended.status, ended.out) == (2, "")
    assert f"error: {said}" in ended.err
    assert "\nhelp: " in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--regions", "xx"], "'xx' is the name of no region"),
        (["--regions", "us-east-1"], "there is no group of us-east-1 in the files, but of eu-west-1"),
        (["--our-role", "*"], "'*' is no role"),
        (["--our-role", ""], "'' is no role"),
    ],
    ids=" ".join,
)
def test_options_that_would_make_no_difference_are_refused(
    arguments: list[str], said: str, tell: Tell, sg: Command
) -> None:
    tell(opened())
    ended = sg(*SIMULATE, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())


def test_a_region_without_files_is_refused(tell: Tell, sg: Command) -> None:
    tell(opened())
    ended = sg("simulate", "event.json", "--regions", "eu-west-1")
    assert (ended.status, ended.out) == (2, "")
    assert "give it with --from" in " ".join(ended.err.split())


@pytest.mark.parametrize("role", ["closer", "CLOSER"])
def test_our_roles_are_known_in_any_case(role: str, tell: Tell) -> None:
    named = opened(userIdentity=session("closer", "sg-compliance"))
    assert "a change in this tool's name that it did not make" in tell(named, arguments=("--our-role", role)).out


def test_progress_is_shown_where_somebody_looks_and_the_result_goes_elsewhere(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminal() -> Console:
        return Console(file=sys.stderr, force_terminal=True, width=80)

    assert tell(*[opened()] * 3).err == ""
    monkeypatch.setattr("sg_compliance.entrypoints.cli.terminal.talk", terminal)
    shown = tell(*[opened()] * 3)
    assert "simulating" in shown.err
    assert "simulating" not in shown.out
    assert "simulating" in tell(opened(), arguments=("--json",)).err
    assert "simulating" not in tell(opened(), arguments=("--quiet",)).err
    monkeypatch.setattr("sg_compliance.entrypoints.cli.simulate.shown_as_it_goes", lambda: True)
    assert "simulating" not in tell(opened()).err
    assert "simulating" in tell(opened(), arguments=("--json",)).err


def test_an_event_from_the_future_is_rejected(tell: Tell) -> None:
    assert "the event is from the future" in tell(opened(eventTime="2999-01-01T00:00:00Z")).out


def test_a_removal_is_judged_by_what_is_left_and_brings_about_no_emergency(tell: Tell) -> None:
    event = record(REVOKE, asked(tcp(443, "10.0.0.0/8"), group=OTHER_GROUP))
    ended = tell(event)
    assert "NO_SSH" in ended.out
    assert "EMERGENCY" not in ended.out


def test_events_come_from_standard_input_but_not_groups_too(
    tell: Tell,
    sg: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(opened())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(opened()).encode())))
    assert sg("simulate", "-", *SIMULATE[2:]).status == 1
    ended = sg("simulate", "-", "--from", "-")
    assert ended.status == 2
    assert "cannot both come from standard input" in " ".join(ended.err.split())


def test_without_a_file_it_says_so(sg: Command) -> None:
    ended = sg("simulate", "nothing.json", "--from", "groups.json")
    assert (ended.status, ended.out) == (2, "")
    assert "error: nothing.json: cannot be read: No such file" in ended.err


def test_holds_of_the_state_count(tell: Tell, sg: Command, tmp_path: Path) -> None:
    """What people granted and did before is asked of the state, which is only read."""
    tell(opened())
    of = ("--rule", "NO_SSH", "--group", GROUP, "--reason", "r", "--approved-by", "ada", "--permanent")
    assert sg("exempt", "add", *of, "--policy", "policy.json").status == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    ended = sg(*SIMULATE)
    assert (ended.status, "compliant" in ended.out) == (0, True)
    assert {path: path.read_bytes() for path in kept if path.exists()} == kept
