"""A snapshot is what a scan would read: whole or not there, and read back as the same groups."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.aws import render, translate
from sg_compliance.errors import AwsError, InputError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.local.files import FileInventory
from sg_compliance.local.snapshot_file import open_snapshot
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.snapshot import Documents, Taken, take_snapshot
from tests.builders import EVERYONE, group, lists, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.security_group import PrefixLists, SecurityGroup

Json = dict[str, Any]

NASTY = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["\x1b[31m", "=1+1", "\u202e", "a,b\n"])
PROTOCOLS = st.sampled_from(["tcp", "TCP", "udp", "6", "icmp", "58", "-1", "47", "nonsense", "", "300"])
PORTS = st.one_of(st.integers(-2, 70000), st.none(), st.sampled_from(["22", "x", "", "-1"]))
CIDRS = st.sampled_from(
    ["0.0.0.0/0", "1.2.3.4/0", "10.0.0.0/8", "::/0", "0:0::/0", "fe80::1/64", "300.0.0.0/8", "10.0.0.0"]
)


def peers(key: str, value: st.SearchStrategy[Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    return st.lists(st.fixed_dictionaries({key: value}, optional={"Description": NASTY, **optional}), max_size=2)


permissions = st.fixed_dictionaries(
    {},
    optional={
        "IpProtocol": PROTOCOLS,
        "FromPort": PORTS,
        "ToPort": PORTS,
        "IpRanges": peers("CidrIp", CIDRS),
        "Ipv6Ranges": peers("CidrIpv6", CIDRS),
        "PrefixListIds": peers("PrefixListId", st.sampled_from(["pl-1", "pl-2"])),
        "UserIdGroupPairs": peers(
            "GroupId", st.sampled_from(["sg-1", "sg-0ff"]), UserId=st.just("999988887777"), GroupName=NASTY
        ),
    },
)
raw_groups = st.fixed_dictionaries(
    {"GroupId": st.from_regex(r"sg-[0-9a-f]{1,8}", fullmatch=True), "IpPermissions": st.lists(permissions, max_size=3)},
    optional={
        "IpPermissionsEgress": st.lists(permissions, max_size=2),
        "GroupName": NASTY,
        "Description": NASTY,
        "OwnerId": st.just("111122223333"),
        "VpcId": st.sampled_from(["vpc-1", "", None]),
        "SecurityGroupArn": st.just("arn:aws-cn:ec2:cn-north-1:111122223333:security-group/sg-1"),
        "Tags": st.lists(st.fixed_dictionaries({"Key": NASTY, "Value": NASTY}), max_size=2),
    },
)


class Memory:
    """An inventory of shards that are written down: pages, skips, and errors to raise."""

    def __init__(self, parts: dict[str, Sequence[object]], before: Sequence[Skipped] = ()) -> None:
        self._parts = parts
        self._before = before

    def shards(self) -> Iterator[Shard | Skipped]:
        yield from self._before
        for name in self._parts:
            account, _, region = name.partition("/")
            yield Shard(name, account, region)

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        for part in self._parts[shard.name]:
            if isinstance(part, Exception):
                raise part
            assert isinstance(part, Page | Skipped)
            yield part

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        return groups


class Silent:
    """Progress that is written down."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begun(self, shards: int) -> None:
        self.told.append(("begun", shards))

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        self.told.append(("advanced", shard.name, groups, findings))

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        self.told.append(("done", shard.name, skipped is not None))


def page(*groups: SecurityGroup, prefix_lists: PrefixLists | None = None) -> Page:
    return Page(groups, prefix_lists or {})


def taken(inventory: Memory, path: Path) -> Taken:
    with open_snapshot(path, replace=False) as file:
        return take_snapshot(inventory, Documents(render, file.write), Silent(), rule_ids=True)


def read_back(path: Path) -> tuple[list[SecurityGroup], dict[str, Any]]:
    inventory = FileInventory([str(path)], translate)
    groups: list[SecurityGroup] = []
    known: dict[str, Any] = {}
    for shard in inventory.shards():
        if isinstance(shard, Skipped):
            continue
        for part in inventory.read(shard):
            assert isinstance(part, Page)
            groups += inventory.with_rule_ids(shard, part.groups)
            known |= part.prefix_lists
    inventory.close()
    return groups, known


@settings(max_examples=150)
@given(raw=st.lists(raw_groups, min_size=1, max_size=4, unique_by=lambda raw: str(raw.get("GroupId"))))
def test_groups_read_written_and_read_again_are_the_same_groups(raw: list[Json]) -> None:
    groups = [translate.security_group(each, region="eu-west-1") for each in raw]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.jsonl"
        taken(Memory({"a/b": [page(*groups)]}), path)
        assert read_back(path)[0] == groups


def test_prefix_lists_interfaces_and_rule_ids_come_back_too(tmp_path: Path) -> None:
    raw = raw_group(tcp(22, EVERYONE, "pl-1", "sg-2"), group_id="sg-1")
    ids = translate.rule_ids(
        [{"SecurityGroupRuleId": "sgr-1", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": EVERYONE}]
    )
    named = translate.with_rule_ids(translate.security_group(raw, region="r"), ids)
    attached = [translate.security_group(raw_group(group_id=f"sg-{number}"), region="r") for number in (2, 3)]
    groups = [
        _with_interfaces(named, "eni-1", "eni-2"),
        _with_interfaces(attached[0], "eni-2"),
        _with_interfaces(attached[1]),
    ]
    known = lists({"pl-1": ["10.0.0.0/8", "2001:db8::/32"], "pl-2": None, "pl-3": []})
    path = tmp_path / "snapshot.jsonl"
    taken(Memory({"a/r": [page(*groups, prefix_lists=known)]}), path)
    assert read_back(path) == (groups, known)


def _with_interfaces(given: SecurityGroup, *ids: str) -> SecurityGroup:
    return replace(given, interfaces=ids)


def test_a_snapshot_is_ascii_with_one_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.jsonl"
    taken(
        Memory({"a/b": [page(group(GroupName="é\u202e\n\x1b[0m\ud800"))], "a/c": [page(group(group_id="sg-2"))]}), path
    )
    content = path.read_bytes()
    assert content.isascii()
    assert all(isinstance(json.loads(line), dict) for line in content.splitlines())
    assert read_back(path)[0][0].name == "é\u202e\n\x1b[0m\ud800"


def lacking(path: Path) -> list[Skipped]:
    """What a scan of the snapshot says that it lacks."""
    inventory = FileInventory([str(path)], translate)
    found = [each for each in inventory.shards() if isinstance(each, Skipped)]
    inventory.close()
    return found


def test_a_shard_that_fails_is_told_and_the_others_are_written(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.jsonl"
    inventory = Memory(
        {
            "1/r": [page(group(group_id="sg-1")), AwsError("no more", hint="try again")],
            "2/r": [AwsError("denied", hint="allow it")],
            "3/r": [Skipped("prefix lists", "not allowed"), page(group(group_id="sg-3"))],
        },
        [Skipped("security groups", "account 4: cannot be entered")],
    )
    found = taken(inventory, path)
    assert [each.group_id for each in read_back(path)[0]] == ["sg-1", "sg-3"]
    assert (found.groups, found.shards) == (2, 3)
    assert [each.reason for each in found.skipped] == [
        "account 4: cannot be entered",
        "no more (after 1 group)",
        "denied",
        "not allowed",
    ]
    assert lacking(path) == list(found.skipped)
    assert (found.skipped[2].account_id, found.skipped[2].region, found.skipped[2].hint) == ("2", "r", "allow it")


def test_progress_tells_of_every_shard(tmp_path: Path) -> None:
    progress = Silent()
    inventory = Memory({"1/r": [page(group()), page(group(), group())], "2/r": [AwsError("denied")]})
    with open_snapshot(tmp_path / "x", replace=False) as file:
        take_snapshot(inventory, Documents(render, file.write), progress)
    assert progress.told == [
        ("begun", 2),
        ("advanced", "1/r", 1, 0),
        ("advanced", "1/r", 2, 0),
        ("done", "1/r", False),
        ("done", "2/r", True),
    ]


def fail_in_the_middle(path: Path, error: BaseException) -> None:
    with open_snapshot(path, replace=True) as file:
        file.write({"SecurityGroups": []})
        raise error


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), InputError("x")])
def test_after_a_failure_in_the_middle_nothing_is_there(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        fail_in_the_middle(tmp_path / "x.jsonl", error)
    assert not list(tmp_path.iterdir())


def test_after_a_failure_in_the_middle_the_old_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError):
        fail_in_the_middle(path, RuntimeError())
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(InputError, match="there is a file already") as caught, open_snapshot(path, replace=False):
        pytest.fail("must not begin")
    assert "--force" in caught.value.hint
    assert path.read_text(encoding="utf-8") == "old"
    with open_snapshot(path, replace=True) as file:
        file.write({"a": 1})
    assert path.read_text(encoding="utf-8") == '{"a":1}\n'


@pytest.mark.parametrize("place", ["missing/x.jsonl", "file/x.jsonl", ""])
def test_a_place_that_cannot_be_written_to_is_an_input_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"), open_snapshot(tmp_path / place, replace=True):
        pass
    assert [each.name for each in tmp_path.parent.iterdir() if "unfinished" in each.name] == []


def test_without_a_path_it_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with open_snapshot(None, replace=False) as file:
        file.write({"a": 1})
    assert capsys.readouterr().out == '{"a":1}\n'


def test_a_bug_in_an_adapter_is_not_swallowed_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        taken(Memory({"1/r": [page(group()), ZeroDivisionError()]}), tmp_path / "x.jsonl")
    assert not list(tmp_path.iterdir())


def test_many_shards_are_read_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    parts: dict[str, Sequence[object]] = {f"{number}/r": [page(group(group_id=f"sg-{number}"))] for number in range(20)}
    path = tmp_path / "snapshot.jsonl"
    with open_snapshot(path, replace=False) as file:
        found = take_snapshot(Memory(parts), Documents(render, file.write), Silent(), workers=5)
    assert (found.groups, found.shards) == (20, 20)
    assert {each.group_id for each in read_back(path)[0]} == {f"sg-{number}" for number in range(20)}
