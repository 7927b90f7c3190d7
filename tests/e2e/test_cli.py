"""The command line as its user meets it, in this process: what is said where, and with which exit status."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest

from sg_compliance.entrypoints.cli import main
from tests.builders import BASELINE, EVERYONE, HTTP, RDP, SSH, document, prohibit, raw_group, tcp

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [
    ["scan"],
    ["explain"],
    ["snapshot"],
    ["plan"],
    ["apply"],
    ["remediate"],
    ["rollback"],
    ["simulate"],
    ["respond"],
    ["demo"],
    ["policy", "check"],
    ["policy", "show"],
    ["policy", "schema"],
    ["policy", "test"],
]
ARN = "arn:aws:ec2:{}:{}:security-group/{}"


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.out)

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(each["group_id"], each["rule_id"]) for each in self.json["findings"]]


class Command(Protocol):
    """The command with these arguments."""

    def __call__(self, *arguments: object) -> Ended: ...


@pytest.fixture
def sg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in a folder with groups.json and policy.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write(tmp_path / "policy.json", BASELINE)
    write(tmp_path / "groups.json", {"SecurityGroups": [placed("sg-1", tcp(22, EVERYONE)), placed("sg-2")]})

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sg-compliance", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def placed(
    group_id: str, *permissions: dict[str, Any], account: str = "111122223333", region: str = "eu-west-1"
) -> dict[str, Any]:
    return raw_group(
        *permissions, group_id=group_id, account=account, SecurityGroupArn=ARN.format(region, account, group_id)
    )


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


SCAN = ("scan", "--from", "groups.json", "--policy", "policy.json")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_with_examples(command: list[str], flag: str, sg: Command) -> None:
    ended = sg(*command, flag)
    assert (ended.status, ended.err) == (0, "")
    assert "Examples:" in ended.out
    examples = ended.out.partition("Examples:")[2]
    assert f"sg-compliance {' '.join(command)}" in " ".join(examples.split())


def test_help_and_version_of_the_whole(sg: Command) -> None:
    ended = sg("--help")
    assert ended.status == 0
    for command in ("scan", "explain", "snapshot", "plan", "apply", "remediate", "rollback", "demo", "policy"):
        assert f"\n  {command} " in ended.out
    assert sg("--version").out.startswith("sg-compliance ")
    bare = sg()
    assert (bare.status, bare.out, bare.err) == (2, "", ended.out)


def test_a_clean_scan_ends_with_0_and_findings_with_1(sg: Command) -> None:
    assert sg(*SCAN).status == 1
    assert sg(*SCAN, "--rule", HTTP).status == 0


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [("critical", 1), ("high", 1), ("medium", 1), ("low", 1), ("info", 1), ("never", 0)],
)
def test_fail_on_decides_over_the_exit_status(fail_on: str, status: int, sg: Command) -> None:
    assert sg(*SCAN, "--fail-on", fail_on, "-q").status == status


def test_fail_on_looks_at_the_worst_finding(sg: Command, tmp_path: Path) -> None:
    write(tmp_path / "policy.json", document(prohibit(22, severity="medium")))
    assert [sg(*SCAN, "--fail-on", each).status for each in ("critical", "high", "medium", "low")] == [0, 0, 1, 1]


def test_findings_go_to_standard_output_and_progress_to_standard_error(sg: Command) -> None:
    ended = sg(*SCAN)
    assert SSH in ended.out
    assert ended.err == "[1/1] groups.json: 2 groups, 2 findings\n"
    assert "2 groups in 1 account read, 1 with open findings" in ended.out
    quiet = sg(*SCAN, "--quiet")
    assert (quiet.out, quiet.err) == (ended.out, "")


@pytest.mark.parametrize("how", [["--json"], ["--format", "json"], ["--json", "--format", "json"]])
def test_json_is_one_document(how: list[str], sg: Command) -> None:
    ended = sg(*SCAN, *how)
    assert ended.json["schema_version"] == "1.0"
    assert ended.found == [("sg-1", SSH), ("sg-1", "PROHIBIT_WIDE_SSH")]
    assert ended.status == 1


def test_every_format_says_the_same(sg: Command) -> None:
    ids = [each["id"] for each in sg(*SCAN, "--json").json["findings"]]
    lines = sg(*SCAN, "--format", "jsonl").out.splitlines()
    assert [json.loads(line).get("id") for line in lines] == [*ids, None]
    rows = csv.DictReader(io.StringIO(sg(*SCAN, "--format", "csv").out))
    assert [row["id"] for row in rows] == ids
    assert "sg-1" in sg(*SCAN, "--format", "brief").out


def test_a_scan_is_the_same_byte_for_byte_however_the_input_is_ordered(sg: Command, tmp_path: Path) -> None:
    groups = [placed(f"sg-{number}", tcp((22, 80, 3389, 443)[number % 4], EVERYONE)) for number in range(40)]
    write(tmp_path / "groups.json", {"SecurityGroups": groups})
    expected = sg(*SCAN, "--json").out
    assert sg(*SCAN, "--json").out == expected
    write(tmp_path / "groups.json", [{"SecurityGroups": groups[20:][::-1]}, {"SecurityGroups": groups[:20]}])
    assert sg(*SCAN, "--json").out == expected


def test_a_snapshot_gives_the_same_findings_byte_for_byte(sg: Command, tmp_path: Path) -> None:
    groups = [placed(f"sg-{number}", tcp(22, "pl-1", "sg-9"), tcp(3389, EVERYONE)) for number in range(9)]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListId": "pl-1", "IsEgress": False}
    estate = {
        "SecurityGroups": groups,
        "PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "x", "Entries": [{"Cidr": EVERYONE}]}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-3"}]}],
        "SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-3", **rule}],
    }
    write(tmp_path / "groups.json", estate)
    taken = sg("snapshot", "--from", "groups.json", "--rule-ids", "-o", "taken.jsonl")
    assert (taken.status, taken.out) == (0, "")
    assert "9 groups written to taken.jsonl" in taken.err
    before = sg(*SCAN, "--json")
    assert "sgr-1" in before.out
    assert "eni-1" in before.out
    after = sg("scan", "--from", "taken.jsonl", "--policy", "policy.json", "--json")
    assert after.out == before.out


def test_a_snapshot_goes_to_standard_output_and_quiet_says_nothing(sg: Command) -> None:
    ended = sg("snapshot", "--from", "groups.json", "-q")
    assert (ended.status, ended.err) == (0, "")
    assert [group["GroupId"] for group in ended.json["SecurityGroups"]] == ["sg-1", "sg-2"]


def test_a_snapshot_never_replaces_a_file_unasked(sg: Command, tmp_path: Path) -> None:
    ended = sg("snapshot", "--from", "groups.json", "-o", "policy.json")
    assert ended.status == 2
    assert "error: policy.json: there is a file already\nhelp: " in ended.err
    assert sg("snapshot", "--from", "groups.json", "-o", "policy.json", "--force").status == 0
    assert "SecurityGroups" in (tmp_path / "policy.json").read_text(encoding="utf-8")


def test_a_partial_snapshot_says_so(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"SecurityGroups": [{"GroupId": "sg-7"}, ', encoding="utf-8")
    ended = sg("snapshot", "--from", ".", "-o", "taken.out")
    assert ended.status == 2
    assert "not read: cut.json: not the JSON that was expected" in ended.err


def test_findings_are_selected_by_severity_rule_account_and_region(sg: Command, tmp_path: Path) -> None:
    groups = [
        placed("sg-1", tcp(22, EVERYONE), tcp(80, EVERYONE)),
        placed("sg-2", tcp(3389, EVERYONE), account="999988887777"),
        placed("sg-3", tcp(80, EVERYONE), region="us-east-1"),
    ]
    write(tmp_path / "groups.json", {"SecurityGroups": groups})
    assert sg(*SCAN, "--json", "--severity", "critical").found == [("sg-1", SSH), ("sg-2", RDP)]
    assert sg(*SCAN, "--json", "--rule", HTTP, "--rule", RDP).found == [("sg-1", HTTP), ("sg-3", HTTP), ("sg-2", RDP)]
    assert sg(*SCAN, "--json", "--account", "999988887777").found == [("sg-2", RDP)]
    assert sg(*SCAN, "--json", "--region", "us-east-1").found == [("sg-3", HTTP)]
    both = sg(*SCAN, "--json", "--accounts", "111122223333,999988887777")
    assert both.json["summary"]["groups"] == 3


def test_an_account_of_which_no_group_is_there_is_never_called_clean(sg: Command) -> None:
    ended = sg(*SCAN, "--account", "999988887777")
    assert ended.status == 2
    assert "account 999988887777: no security group of it was found" in ended.out


def test_accounts_and_regions_say_where_groups_are_that_do_not_say(sg: Command, tmp_path: Path) -> None:
    write(tmp_path / "groups.json", {"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [tcp(22, EVERYONE)]}]})
    (finding, _) = sg(*SCAN, "--json", "--account", "999988887777", "--region", "us-east-1").json["findings"]
    assert (finding["account_id"], finding["region"]) == ("999988887777", "us-east-1")


def test_what_could_not_be_read_makes_the_result_partial_in_every_format(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"SecurityGroups": [', encoding="utf-8")
    for how in ("text", "brief", "json", "jsonl", "csv"):
        ended = sg("scan", "--from", "groups.json", "--from", "cut.json", "--policy", "policy.json", "--format", how)
        assert ended.status == 2
        assert "PARTIAL RESULT" in (ended.out if how in {"text", "brief"} else ended.err)
        assert "not read: cut.json" in ended.out + ended.err
        assert "sg-1" in ended.out


ERRORS = {
    "a file that is not there": (["scan", "--from", "nothing.json"], "error: nothing.json: there is no such file"),
    "an empty folder": (["scan", "--from", "empty"], "error: empty: the folder holds no"),
    "no such policy": ([*SCAN[:3], "--policy", "mine.json"], "error: mine.json: there is no such policy file"),
    "a policy that is no text": ([*SCAN[:3], "--policy", "bytes.json"], "error: bytes.json: cannot be read"),
    "a policy that is a folder": ([*SCAN[:3], "--policy", "empty"], "error: empty: "),
    "a group that is not there": (["explain", "sg-9", *SCAN[1:]], "error: sg-9: no security group"),
    "a history that is none": ([*SCAN, "--history", "groups.json"], "error: groups.json: cannot be used as a history"),
    "a snapshot into nowhere": (
        ["snapshot", *SCAN[1:3], "-o", "nowhere/x.jsonl"],
        "error: nowhere/x.jsonl: cannot be written",
    ),
    "tests that are not there": (["policy", "test", "nothing.yaml"], "error: nothing.yaml: cannot be read"),
}


@pytest.mark.parametrize(("arguments", "said"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_told_on_standard_error_with_the_next_step(
    arguments: list[str], said: str, sg: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{")
    ended = sg(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert "\nhelp: " in ended.err
    assert "Traceback" not in ended.err


USAGE = {
    "an unknown command": (["scna"], "No such command 'scna'"),
    "an unknown option": ([*SCAN, "--severty", "high"], "--severity"),
    "an unknown severity": ([*SCAN, "--severity", "worst"], "critical"),
    "an unknown format": ([*SCAN, "--format", "xml"], "jsonl"),
    "an account id that is none": ([*SCAN, "--account", "12"], "'12' is not a 12-digit account id"),
    "an account id in other digits": ([*SCAN, "--account", "١١١١٢٢٢٢٣٣٣٣"], "is not a 12-digit account id"),
    "too many workers": ([*SCAN, "--workers", "65"], "64"),
    "files and AWS": ([*SCAN, "--org"], "--from reads files, --org asks AWS"),
    "files and a profile": ([*SCAN, "--profile", "x"], "--from reads files, --profile asks AWS"),
    "accounts named and asked for": (["scan", "--org", "--accounts", "111122223333"], "use one of them"),
    "two formats": ([*SCAN, "--json", "--format", "csv"], "--json and --format csv contradict each other"),
    "several regions for groups that do not say theirs": ([*SCAN, "--regions", "eu-west-1,us-east-1"], "give one"),
    "no group": (["explain"], "GROUP"),
    "a misspelt rule": ([*SCAN, "--rule", "PROHIBIT_HTPP"], "did you mean PROHIBIT_HTTP?"),
    "a rule of another policy": ([*SCAN, "--rule", "XYZ"], "'XYZ' is not a rule of policy.json"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_options_that_make_no_sense_are_refused(arguments: list[str], said: str, sg: Command) -> None:
    ended = sg(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert "Usage: " in ended.err


def test_a_hygiene_rule_can_be_selected(sg: Command) -> None:
    assert sg(*SCAN, "--rule", "GLOBAL_REQUIRED_TAGS").status == 0


def test_every_problem_of_a_policy_is_told_at_once(sg: Command, tmp_path: Path) -> None:
    broken = document(
        {**prohibit(22), "severity": "terrible"}, {**prohibit("99999"), "rule_id": "B"}, prohibited_rulse={}
    )
    write(tmp_path / "broken.json", broken)
    for arguments in (["policy", "check", "broken.json"], [*SCAN[:3], "--policy", "broken.json"]):
        ended = sg(*arguments)
        assert (ended.status, ended.out) == (2, "")
        for said in ("prohibited_rules.inbound[0].severity", "prohibited_rules.inbound[1]", "'prohibited_rules'?"):
            assert said in ended.err, said
        assert "error: broken.json: 3 problems in the policy" in ended.err
        assert "help: " in ended.err


def test_a_policy_that_is_no_json_is_told_with_the_place(sg: Command, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"version": "1",\n "metadata": {,}}', encoding="utf-8")
    ended = sg("policy", "check", "broken.json")
    assert ended.status == 2
    assert "line 2" in ended.err


@pytest.mark.parametrize("name", ["default", "strict", "minimal", "cis-aws-foundations", "fsbp"])
def test_every_policy_that_ships_is_good(name: str, sg: Command) -> None:
    ended = sg("policy", "check", name, "--strict")
    assert ended.status == 0, ended.out
    assert "a valid policy" in ended.out
    assert sg("policy", "check", name, "--json").json["valid"] is True


def test_warnings_fail_a_strict_check_only(sg: Command, tmp_path: Path) -> None:
    write(tmp_path / "twice.json", document(prohibit(22), prohibit(22, rule_id="AGAIN")))
    assert sg("policy", "check", "twice.json").status == 0
    ended = sg("policy", "check", "twice.json", "--strict")
    assert ended.status == 1
    assert "AGAIN" in ended.out


def test_the_rules_that_bind_are_shown_with_their_place(sg: Command) -> None:
    ended = sg("policy", "show", "--policy", "policy.json", "--environment", "production")
    assert ended.status == 0
    assert SSH in ended.out
    assert "from prohibited_rules.inbound[1]" in ended.out
    record = sg("policy", "show", "--policy", "policy.json", "--json").json
    assert SSH in {rule["rule_id"] for rule in record["rules"]}


def test_the_schema_is_one_json_document(sg: Command) -> None:
    assert sg("policy", "schema").json["$schema"].startswith("https://json-schema.org/")


def test_a_policy_can_be_tested(sg: Command, tmp_path: Path) -> None:
    tests = {
        "tests": [
            {
                "name": "SSH from everywhere",
                "group": raw_group(tcp(22, EVERYONE)),
                "expect": [SSH, "PROHIBIT_WIDE_SSH"],
            },
            {"name": "HTTPS is fine", "group": raw_group(tcp(443, EVERYONE)), "expect": []},
        ]
    }
    write(tmp_path / "tests.json", tests)
    good = sg("policy", "test", "tests.json", "--policy", "policy.json")
    assert good.status == 0, good.out + good.err
    tests["tests"][1]["expect"] = [HTTP]
    write(tmp_path / "tests.json", tests)
    bad = sg("policy", "test", "tests.json", "--policy", "policy.json")
    assert bad.status == 1
    assert "HTTPS is fine" in bad.out
    assert HTTP in bad.out


def test_a_group_is_explained_by_id_or_name_and_as_json(sg: Command) -> None:
    by_id = sg("explain", "sg-1", *SCAN[1:])
    assert by_id.status == 0
    assert "What is open\n  ingress tcp 22 from 0.0.0.0/0  (the whole IPv4 internet)" in by_id.out
    by_name = sg("explain", "web", *SCAN[1:]).out
    assert by_id.out in by_name
    assert "sg-2" in by_name
    (record,) = sg("explain", "sg-1", *SCAN[1:], "--json").json
    assert record["group_id"] == "sg-1"
    assert {finding["rule_id"] for finding in record["findings"]} == {SSH, "PROHIBIT_WIDE_SSH"}


def test_the_environment_of_groups_without_one_can_be_told(sg: Command, tmp_path: Path) -> None:
    only_production = document(prohibit(22, environments=["production"]))
    write(tmp_path / "policy.json", only_production)
    assert sg(*SCAN).status == 0
    assert sg(*SCAN, "--environment", "prod").status == 1


def test_a_history_tells_since_when(sg: Command) -> None:
    (first, *_) = sg(*SCAN, "--json", "--history", "seen.db").json["findings"]
    (second, *_) = sg(*SCAN, "--json", "--history", "seen.db").json["findings"]
    assert first["first_seen"] == first["last_seen"] == second["first_seen"] is not None
    assert second["last_seen"] >= first["last_seen"]


def test_hostile_names_neither_break_the_output_nor_reach_the_terminal(sg: Command, tmp_path: Path) -> None:
    for name in (
        "[bold]",
        "[/]",
        "[link=http://x]y[/link]",
        "\x1b[2J",
        "\u202eabc",
        "\ud800",
        ":boom:",
        "a\nb",
        "%s{}",
    ):
        group = {**placed("sg-1", tcp(22, EVERYONE, description=name)), "GroupName": name, "Description": name}
        write(tmp_path / "groups.json", {"SecurityGroups": [group]})
        for how in ("text", "brief", "csv", "json"):
            ended = sg(*SCAN, "--format", how)
            assert ended.status == 1
            assert (ended.out.replace("\n", "") + ended.err.replace("\n", "")).isprintable()
        explained = sg("explain", "sg-1", *SCAN[1:])
        assert explained.out.replace("\n", "").isprintable()
        shown = name if name.isprintable() else name.encode("unicode_escape", "surrogatepass").decode()
        assert shown.replace("\\n", "\\x0a") in explained.out


def test_a_bug_is_shown_and_never_ends_with_the_status_of_findings(
    sg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sg_compliance.workflows.scan.scan", broken)
    ended = sg(*SCAN)
    assert ended.status == 2
    assert "ZeroDivisionError" in ended.err


def test_a_full_disk_is_an_error_with_a_next_step(sg: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sg_compliance.entrypoints.cli.exit.discard_output", lambda: None)
    monkeypatch.setattr("sg_compliance.local.findings.SpillingFindings.add", full)
    ended = sg(*SCAN)
    assert ended.status == 2
    assert "No space left on device\nhelp: " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exclude", "111122223333"], "--org"),
        (["--accounts", ""], "empty value"),
        (["--regions", ""], "empty value"),
        (["--from", ""], "empty value"),
    ],
)
def test_what_would_be_taken_for_all_of_them_is_refused(arguments: list[str], said: str, sg: Command) -> None:
    ended = sg("scan", *arguments)
    assert ended.status == 2
    assert said in ended.err


def test_a_misspelt_environment_is_warned_about(sg: Command) -> None:
    assert "did you mean production?" in sg("policy", "show", "--environment", "productoin").err
