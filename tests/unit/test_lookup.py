"""Looking groups up in files: what the contract does not ask of every Lookup; and how a lookup is wired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.aws.session import Role, Sessions
from sg_compliance.bootstrap import Where, load_policy
from sg_compliance.bootstrap.lookup import lookup
from sg_compliance.errors import AwsError, InputError
from sg_compliance.local.files import FileInventory
from sg_compliance.local.lookup import FileLookup
from sg_compliance.model.security_group import Place
from sg_compliance.policy.parse import parse_policy
from sg_compliance.realtime.cloudtrail import parse, read_json
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import Change, ChangeKind
from tests.builders import ACCOUNT, EVERYONE, REGION, document, prohibit_every_peer, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GROUP_ID = "sg-0a1b2c3d"
PLACE = Place(ACCOUNT, REGION, GROUP_ID)
RULE = {
    "SecurityGroupRuleId": "sgr-1",
    "GroupId": GROUP_ID,
    "IpProtocol": "tcp",
    "FromPort": 22,
    "ToPort": 22,
    "CidrIpv4": EVERYONE,
}


@pytest.fixture
def looked(tmp_path: Path) -> Iterator[Any]:
    """Writes files, and looks groups up in them."""
    opened = []

    def look(files: dict[str, object], region: str = "") -> FileLookup:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name).write_text(text, encoding="utf-8")
        opened.append(FileInventory([str(tmp_path)], translate, region=region))
        return FileLookup(opened[-1])

    yield look
    for each in opened:
        each.close()


def groups(*raw: object) -> dict[str, object]:
    return {"SecurityGroups": list(raw)}


def refused(found: FileLookup, place: Place = PLACE) -> AwsError:
    with pytest.raises(AwsError) as caught:
        found.group(place)
    return caught.value


def test_rules_have_their_ids_where_a_file_holds_them(looked: Any) -> None:  # noqa: ANN401
    files = {"groups.json": groups(raw_group(tcp(22, EVERYONE))), "rules.json": {"SecurityGroupRules": [RULE]}}
    (rule,) = looked(files, region=REGION).group(PLACE).group.rules
    assert rule.rule_id == "sgr-1"


def test_a_group_is_found_in_whatever_file_it_is(looked: Any) -> None:  # noqa: ANN401
    many = [raw_group(group_id=f"sg-{number:08x}") for number in range(600)]
    found = looked({"a.json": groups(*many), "b.json": groups(raw_group())}, region=REGION)
    assert found.group(PLACE).group.place == PLACE
    assert found.group(PLACE._replace(group_id=many[-1]["GroupId"])).group.name == "web"
    assert len(found.named(ACCOUNT, REGION, ["web"])) == 601


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"groups.json": "{"}, "groups.json"),
        ({"groups.json": {"SecurityGroups": []}}, "there is no security group in the files"),
        ({"groups.json": groups(raw_group()), "other.json": {}}, "other.json: no SecurityGroups in it"),
        ({"groups.json": json.dumps(groups(raw_group()))[:-3]}, "groups.json"),
        ({"groups.json": groups(raw_group(), {"x": 1})}, "without a GroupId"),
    ],
)
def test_files_that_cannot_be_used_are_told_of_at_the_start(looked: Any, files: Any, said: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=said) as caught:
        looked(files).check()
    assert caught.value.hint


def test_what_a_snapshot_could_not_read_is_no_fault_of_the_file(looked: Any) -> None:  # noqa: ANN401
    skipped = {"what": "security groups", "reason": "denied", "account_id": ACCOUNT, "region": "eu-central-1"}
    looked({"groups.json": {**groups(raw_group()), "Skipped": [skipped]}}).check()


def test_a_region_that_no_group_is_of_is_refused(looked: Any) -> None:  # noqa: ANN401
    found = looked({"groups.json": groups(raw_group())}, region=REGION)
    found.check([REGION])
    with pytest.raises(InputError, match=f"no group of us-east-1 in the files, but of {REGION}"):
        found.check(["us-east-1"])


def test_no_name_is_no_groups_name(looked: Any) -> None:  # noqa: ANN401
    found = looked({"groups.json": groups(raw_group(GroupName=""))}, region=REGION)
    assert found.named(ACCOUNT, REGION, ["", " "]) == []


def test_files_that_do_not_say_where_groups_are_from_can_be_helped(looked: Any) -> None:  # noqa: ANN401
    error = refused(looked({"groups.json": groups(raw_group())}))
    assert str(error) == f"{PLACE}: there is no such group in the files, but there is {ACCOUNT}/unknown/{GROUP_ID}"
    assert "--accounts and --regions" in error.hint


def test_who_looks_for_what_is_not_there_learns_what_to_give(looked: Any) -> None:  # noqa: ANN401
    error = refused(looked({"groups.json": groups(raw_group(group_id="sg-0002"))}, region=REGION))
    assert str(error) == f"{PLACE}: there is no such group in the files"
    assert "aws ec2 describe-security-groups" in error.hint


def test_what_could_not_be_read_is_named_where_a_group_is_missing(looked: Any) -> None:  # noqa: ANN401
    files = {"groups.json": groups(raw_group(group_id="sg-0002")), "policy.json": {"version": "1"}}
    assert "policy.json: no SecurityGroups in it" in refused(looked(files, region=REGION)).hint


def test_what_nobody_wanted_is_not_the_reason(looked: Any) -> None:  # noqa: ANN401
    skipped = {"what": "security groups", "reason": "disabled by the policy", "wanted": False}
    files = {"groups.json": {**groups(raw_group(group_id="sg-0002")), "Skipped": [skipped]}}
    assert "disabled" not in refused(looked(files, region=REGION)).hint


def test_a_file_that_breaks_off_is_told_and_not_taken_for_all_there_is(looked: Any) -> None:  # noqa: ANN401
    whole = json.dumps(groups(raw_group(group_id="sg-0002"), raw_group()))
    found = looked({"groups.json": whole[:-40]}, region=REGION)
    assert found.group(PLACE._replace(group_id="sg-0002")).group.group_id == "sg-0002"
    with pytest.raises(InputError):
        found.group(PLACE)


@pytest.mark.parametrize(
    ("event", "kind", "name"),
    [
        ("ssh-opened", ChangeKind.RULES_ADDED, "reporting-db"),
        ("ssh-opened-by-name", ChangeKind.RULES_ADDED, "reporting-db"),
        ("rule-modified", ChangeKind.RULES_MODIFIED, "reporting-db"),
        ("list-opened", ChangeKind.PREFIX_LIST, "office-access"),
    ],
)
def test_an_event_leads_to_the_group_that_it_touched(event: str, kind: ChangeKind, name: str) -> None:
    change = parse(
        read_json((ROOT / "tests" / "data" / "events" / f"{event}.json").read_text(encoding="utf-8")), Ours()
    )
    assert isinstance(change, Change)
    assert change.kind is kind
    here = (change.account_id, change.region)
    with lookup(Where(sources=(str(ROOT / "docs" / "examples" / "aws"),)), load_policy(None)) as found:
        places = {Place(*here, group_id) for group_id in change.groups}
        places.update(found.named(*here, change.group_names), found.referring(*here, change.prefix_lists))
        assert [found.group(place).group.name for place in places] == [name]


class Made(Ec2Lookup):
    """Remembers how it was made."""

    made: dict[str, Any]

    def __init__(self, sessions: Sessions, role_names: Any = None, *, names_of_groups: bool = False) -> None:  # noqa: ANN401
        Made.made = {"role_names": role_names, "names_of_groups": names_of_groups}
        super().__init__(sessions, role_names, names_of_groups=names_of_groups)


@pytest.mark.parametrize("pattern", [None, "^sg-bastion"])
def test_without_sources_groups_are_looked_up_in_aws_with_the_role_for_scans(
    monkeypatch: pytest.MonkeyPatch, pattern: str | None
) -> None:
    sessions: dict[str, Any] = {}

    def made(**options: object) -> Sessions:
        sessions.update(options)
        return Sessions()

    monkeypatch.setattr("sg_compliance.aws.ec2_lookup.Ec2Lookup", Made)
    monkeypatch.setattr("sg_compliance.aws.session.Sessions", made)
    own = {"source_type": "security_group", "source_pattern": pattern} if pattern else {}
    accounts = [{"account_id": ACCOUNT, "cross_account_role_name": "legacy"}]
    written = document(prohibit_every_peer(22, **own), accounts_config=accounts)
    with lookup(Where(external_id="x"), parse_policy(json.dumps(written), "test.json")) as found:
        assert isinstance(found, Ec2Lookup)
    assert sessions["role"] == Role("sg-compliance-scan", "x", "sg-compliance")
    assert (sessions["max_attempts"], sessions["read_seconds"]) == (4, 20)
    assert Made.made == {"role_names": {ACCOUNT: "legacy"}, "names_of_groups": bool(pattern)}
