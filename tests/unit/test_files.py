"""The inventory in files: groups, and what goes with them, in any of the files and in any order."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import translate
from sg_compliance.errors import InputError
from sg_compliance.interfaces import Page
from sg_compliance.local.files import FileInventory
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer
from tests.builders import EVERYONE, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sg_compliance.model.security_group import SecurityGroup

ARN = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1"
OFFICE = {"PrefixListId": "pl-0ff1ce", "PrefixListName": "office"}
OFFICE_ENTRIES = {"Entries": [{"Cidr": "198.51.100.0/24", "Description": "desks"}, {"Cidr": "203.0.113.0/24"}]}


class Read:
    """All that an inventory gives."""

    def __init__(self, inventory: FileInventory) -> None:
        self.groups: list[SecurityGroup] = []
        self.skipped: list[Skipped] = []
        self.lists: dict[str, Any] = {}
        for shard in inventory.shards():
            if isinstance(shard, Skipped):
                self.skipped.append(shard)
                continue
            try:
                for part in inventory.read(shard):
                    if isinstance(part, Page):
                        self.groups += inventory.with_rule_ids(shard, part.groups)
                        self.lists |= part.prefix_lists
                    else:
                        self.skipped.append(part)
            except InputError as error:
                self.skipped.append(Skipped(shard.name, str(error), error.hint))

    @property
    def ids(self) -> list[str]:
        return [group.group_id for group in self.groups]

    def interfaces(self) -> dict[str, tuple[str, ...] | None]:
        return {group.group_id: group.interfaces for group in self.groups}

    def entries(self, prefix_list_id: str) -> list[str] | None:
        blocks = self.lists[prefix_list_id].blocks
        return None if blocks is None else [str(block) for block in blocks]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "estate"
    made.mkdir()
    return made


def write(folder: Path, files: Mapping[str, object]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=4), encoding="utf-8")
    return folder


def read(*sources: object, **options: Any) -> Read:  # noqa: ANN401 - options of the inventory
    inventory = FileInventory([str(source) for source in sources], translate, **options)
    try:
        return Read(inventory)
    finally:
        inventory.close()


def groups(*ids: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - keys of a group
    return {"SecurityGroups": [raw_group(tcp(22, EVERYONE), group_id=each, **others) for each in ids]}


def interface(number: int, *group_ids: str) -> dict[str, Any]:
    groups = [{"GroupId": each} for each in group_ids]
    return {"NetworkInterfaceId": f"eni-{number}", "VpcId": "vpc-1", "Groups": groups}


def test_a_folder_is_read_with_its_folders_in_order_and_other_files_are_left_alone(folder: Path) -> None:
    write(
        folder,
        {
            "b.json": groups("sg-2"),
            "a.JSON": groups("sg-1"),
            "deeper/c.jsonl": json.dumps(raw_group(group_id="sg-3")),
            "d.ndjson": json.dumps(raw_group(group_id="sg-4")),
            "notes.txt": "SecurityGroups",
        },
    )
    found = read(folder)
    assert (found.ids, found.skipped) == (["sg-1", "sg-2", "sg-4", "sg-3"], [])


def test_a_file_that_is_given_twice_is_read_once(folder: Path) -> None:
    write(folder, {"a.json": groups("sg-1")})
    assert read(folder, folder / "a.json", folder).ids == ["sg-1"]


def test_several_sources_are_one_inventory(folder: Path) -> None:
    write(folder, {"a.json": groups("sg-1"), "b/b.json": groups("sg-2")})
    assert read(folder / "a.json", folder / "b").ids == ["sg-1", "sg-2"]


@pytest.mark.parametrize("sources", [["missing.json"], ["missing/"], ["empty"]])
def test_a_source_that_is_not_there_or_holds_nothing_is_an_input_error(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        FileInventory(sources, translate)
    assert sources[0].rstrip("/") in str(caught.value)
    assert caught.value.hint


class Stdin:
    """Standard input with these bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input_is_put_aside_and_removed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    monkeypatch.setattr("sys.stdin", Stdin(json.dumps(groups("sg-1")).encode()))
    found = read("-", write(folder, {"a.json": groups("sg-2")}), "-")
    assert (found.ids, found.skipped) == (["sg-1", "sg-2"], [])
    assert not list(spool.iterdir())


def test_standard_input_is_removed_too_when_another_source_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.stdin", Stdin(b"{}"))
    with pytest.raises(InputError):
        FileInventory(["-", str(tmp_path / "missing.json")], translate)
    assert not list(tmp_path.iterdir())


def test_what_comes_from_standard_input_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b"{"))
    (skipped,) = read("-").skipped
    assert skipped.reason.startswith("standard input: ")


def test_a_pipe_is_read_once_and_in_full(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = json.dumps(groups("sg-1", "sg-2"))
    writer = threading.Thread(target=pipe.write_text, args=(content,), daemon=True)
    writer.start()
    found = read(pipe)
    writer.join(5)
    assert (found.ids, found.skipped) == (["sg-1", "sg-2"], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no SecurityGroups"),
        ("{}", "no SecurityGroups"),
        ("hello", "no SecurityGroups"),
        ({"Reservations": [{"Instances": [groups("sg-1")]}]}, "no SecurityGroups"),
        ({"SecurityGroups": None}, "no SecurityGroups"),
        ({"Entries": [{"Cidr": "10.0.0.0/8"}]}, "does not say of which"),
        ('{"SecurityGroups": [', "not the JSON that was expected"),
        ('{"NetworkInterfaces": [', "not the JSON that was expected"),
    ],
)
def test_a_file_without_groups_is_never_passed_over_in_silence(content: object, said: str, folder: Path) -> None:
    found = read(write(folder, {"x.json": content}))
    assert not found.groups
    (skipped,) = found.skipped
    assert said in skipped.reason
    assert "x.json" in skipped.reason
    assert skipped.hint
    assert skipped.wanted


@pytest.mark.parametrize(
    "content",
    [
        {"SecurityGroups": []},
        {"NetworkInterfaces": []},
        {"SecurityGroupRules": []},
        {"PrefixLists": []},
        [{"NetworkInterfaces": []}],
    ],
)
def test_an_empty_list_is_an_answer_too(content: object, folder: Path) -> None:
    found = read(write(folder, {"x.json": content, "y.json": groups("sg-1")}))
    assert (found.ids, found.skipped) == (["sg-1"], [])


def test_elements_that_are_no_groups_are_counted_and_the_others_read(folder: Path) -> None:
    broken: list[object] = [None, 7, "sg-1", [], {}, {"GroupName": "web"}, {"GroupId": ""}, {"GroupId": None}]
    content = {"SecurityGroups": [*broken, *groups("sg-1")["SecurityGroups"]]}
    found = read(write(folder, {"x.json": content}))
    assert found.ids == ["sg-1"]
    (skipped,) = found.skipped
    assert "x.json: 8 elements of SecurityGroups without a GroupId" in skipped.reason


def test_pages_are_some_hundred_groups_and_none_is_lost(folder: Path) -> None:
    ids = [f"sg-{number}" for number in range(1203)]
    write(folder, {"x.jsonl": "".join(json.dumps({"GroupId": each, "IpPermissions": []}) + "\n" for each in ids)})
    inventory = FileInventory([str(folder)], translate)
    (shard,) = inventory.shards()
    assert not isinstance(shard, Skipped)
    pages = [part for part in inventory.read(shard) if isinstance(part, Page)]
    inventory.close()
    assert [group.group_id for part in pages for group in part.groups] == ids
    assert max(len(part.groups) for part in pages) <= 500


@pytest.mark.parametrize("names_needed", [False, True])
@pytest.mark.parametrize("aside", [{}, {"PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}]}, {"NetworkInterfaces": []}])
def test_groups_before_a_break_are_given_and_the_break_is_told_once(
    aside: dict[str, Any], names_needed: bool, folder: Path
) -> None:
    content = json.dumps({**aside, **groups("sg-1", "sg-2", "sg-3")}, indent=4)
    write(folder, {"x.json": content[: content.index("sg-3")]})
    found = read(folder, names_needed=names_needed)
    assert found.ids == ["sg-1", "sg-2"]
    assert ["x.json: not the JSON" in each.reason for each in found.skipped] == [True]


def test_a_broken_file_never_hides_another(folder: Path) -> None:
    write(folder, {"a.json": '{"SecurityGroups": [', "b.json": groups("sg-1"), "c.json": '{"PrefixLists": [{"PrefixL'})
    found = read(folder)
    assert found.ids == ["sg-1"]
    assert len(found.skipped) == 2


SIDE_BY_SIDE: dict[str, dict[str, object]] = {
    "in the same document, before": {"x.json": {"PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}], **groups("sg-1")}},
    "in the same document, after": {"x.json": {**groups("sg-1"), "PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}]}},
    "in a file read before": {"a.json": {"PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}]}, "x.json": groups("sg-1")},
    "in a file read after": {"x.json": groups("sg-1"), "z.json": {"PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}]}},
    "entries in a file of their own": {"x.json": groups("sg-1"), "pl-0ff1ce.json": OFFICE_ENTRIES},
    "entries in a file of their own beside the list": {
        "lists.json": {"PrefixLists": [OFFICE]},
        "entries of pl-0ff1ce (office).json": OFFICE_ENTRIES,
        "x.json": groups("sg-1"),
    },
    "entries spread over two files": {
        "pl-0ff1ce-1.json": {"Entries": OFFICE_ENTRIES["Entries"][:1]},
        "pl-0ff1ce-2.json": {"Entries": OFFICE_ENTRIES["Entries"][1:]},
        "x.json": groups("sg-1"),
    },
    "in JSON Lines": {
        "x.jsonl": json.dumps({"PrefixLists": [{**OFFICE, **OFFICE_ENTRIES}]}) + "\n" + json.dumps(groups("sg-1"))
    },
}


@pytest.mark.parametrize("files", SIDE_BY_SIDE.values(), ids=SIDE_BY_SIDE)
def test_the_entries_of_a_prefix_list_may_stand_anywhere(files: dict[str, object], folder: Path) -> None:
    found = read(write(folder, files))
    assert (found.ids, found.skipped) == (["sg-1"], [])
    assert found.entries("pl-0ff1ce") == ["198.51.100.0/24", "203.0.113.0/24"]


@pytest.mark.parametrize(
    "entries",
    [None, "10.0.0.0/8", [None], ["10.0.0.0/8"], [{}], [{"Cidr": None}], [{"Cidr": "10.0.0.0/8"}, {"Cidr": "x"}], {}],
)
def test_entries_that_cannot_be_read_make_the_list_unknown_and_never_empty(entries: object, folder: Path) -> None:
    found = read(write(folder, {"x.json": {"PrefixLists": [{**OFFICE, "Entries": entries}], **groups("sg-1")}}))
    assert found.entries("pl-0ff1ce") is None


def test_a_list_without_its_entries_is_unknown(folder: Path) -> None:
    found = read(write(folder, {"lists.json": {"PrefixLists": [OFFICE]}, "x.json": groups("sg-1")}))
    assert found.entries("pl-0ff1ce") is None
    assert found.lists["pl-0ff1ce"].name == "office"


def test_entries_that_break_off_are_unknown(folder: Path) -> None:
    cut = json.dumps(OFFICE_ENTRIES)[:-10]
    found = read(
        write(folder, {"pl-0ff1ce.json": cut, "lists.json": {"PrefixLists": [OFFICE]}, "x.json": groups("sg-1")})
    )
    assert found.entries("pl-0ff1ce") is None
    assert len(found.skipped) == 1


def test_a_file_without_a_list_of_entries_says_nothing_of_the_list_that_it_is_named_after(folder: Path) -> None:
    tagged = groups("sg-1", Tags=[{"Key": "Entries", "Value": "x"}])
    assert "pl-0ff1ce" not in read(write(folder, {"pl-0ff1ce.json": tagged})).lists


def test_an_empty_list_of_entries_is_known_to_be_empty(folder: Path) -> None:
    assert read(write(folder, {"pl-1.json": {"Entries": []}, "x.json": groups("sg-1")})).entries("pl-1") == []


def test_interfaces_are_gathered_over_files_sorted_and_each_once(folder: Path) -> None:
    write(
        folder,
        {
            "a.json": {"NetworkInterfaces": [interface(2, "sg-1"), interface(1, "sg-1", "sg-2")]},
            "b.json": {"NetworkInterfaces": [interface(3, "sg-2"), interface(2, "sg-1")]},
            "x.json": groups("sg-1", "sg-2", "sg-3"),
        },
    )
    found = read(folder)
    assert found.skipped == []
    assert found.interfaces() == {"sg-1": ("eni-1", "eni-2"), "sg-2": ("eni-1", "eni-3"), "sg-3": ()}


def test_where_no_interface_was_read_nobody_knows_that_nothing_is_attached(folder: Path) -> None:
    write(folder, {"a.json": {"NetworkInterfaces": [interface(1, "sg-1")]}, "x.json": groups("sg-9", VpcId="vpc-9")})
    assert read(folder).interfaces() == {"sg-9": None}


def test_a_group_that_stands_twice_is_judged_once(folder: Path) -> None:
    found = read(write(folder, {"a.json": groups("sg-1", "sg-1"), "b.json": groups("sg-1", "sg-2")}))
    assert sorted(group.group_id for group in found.groups) == ["sg-1", "sg-2"]
    assert [each.wanted for each in found.skipped] == [False, False]


@pytest.mark.parametrize(
    ("content", "said"),
    [(json.dumps(groups("sg-1")).encode("utf-16"), "UTF-16"), (gzip.compress(b"{}", mtime=0), "compressed")],
)
def test_a_file_in_another_encoding_is_told_what_it_is(content: bytes, said: str, folder: Path) -> None:
    (folder / "x.json").write_bytes(content)
    (skipped,) = read(folder).skipped
    assert said in skipped.reason
    assert skipped.wanted


@pytest.mark.parametrize(("token", "complete"), [("more", False), (None, True), ("", True)])
def test_groups_that_go_on_in_a_page_that_is_not_there_are_not_all(
    token: str | None, complete: bool, folder: Path
) -> None:
    found = read(write(folder, {"a.json": {**groups("sg-1"), "NextToken": token}}))
    assert (found.skipped == []) is complete


def test_pages_of_groups_are_all_there_when_one_of_them_ends(folder: Path) -> None:
    write(folder, {"a.json": {**groups("sg-1"), "NextToken": "more"}, "b.json": groups("sg-2")})
    assert read(folder).skipped == []


def test_a_prefix_list_that_goes_on_in_a_page_that_is_not_there_is_unknown(folder: Path) -> None:
    entries = {"Entries": [{"Cidr": "10.0.0.0/8"}], "NextToken": "more"}
    found = read(write(folder, {"pl-0a1.json": entries, "x.json": groups("sg-1")}))
    assert found.lists["pl-0a1"].blocks is None
    assert [each.what for each in found.skipped] == ["prefix lists"]


def test_a_copy_that_cannot_be_read_leaves_a_prefix_list_unknown(folder: Path) -> None:
    lists = [
        {"PrefixListId": "pl-0a1", "PrefixListName": "x", "Entries": [{"Cidr": cidr}]} for cidr in ("10.0.0.0/8", "bad")
    ]
    found = read(write(folder, {"a.json": {"PrefixLists": lists, **groups("sg-1")}}))
    assert found.lists["pl-0a1"].blocks is None


def test_without_interfaces_nothing_is_said_about_them(folder: Path) -> None:
    assert read(write(folder, {"x.json": groups("sg-1")})).interfaces() == {"sg-1": None}


def test_after_interfaces_that_break_off_nothing_is_said_about_them(folder: Path) -> None:
    cut = json.dumps({"NetworkInterfaces": [interface(1, "sg-1"), interface(2, "sg-2")]})[:-20]
    found = read(write(folder, {"a.json": cut, "x.json": groups("sg-1", "sg-2")}))
    assert found.interfaces() == {"sg-1": None, "sg-2": None}
    assert len(found.skipped) == 1


def rule(number: int, group_id: str, **others: object) -> dict[str, Any]:
    written = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": EVERYONE}
    return {"SecurityGroupRuleId": f"sgr-{number}", "GroupId": group_id, **written, **others}


@pytest.mark.parametrize("name", ["a.json", "z.json"])
@pytest.mark.parametrize("as_lines", [False, True])
def test_rules_are_named_by_the_output_of_describe_security_group_rules(
    name: str, as_lines: bool, folder: Path
) -> None:
    rules = [rule(1, "sg-1"), rule(2, "sg-1", FromPort=23), rule(3, "sg-2", IsEgress=True), None, {"GroupId": "sg-1"}]
    content = "".join(json.dumps(each) + "\n" for each in rules[:3]) if as_lines else {"SecurityGroupRules": rules}
    found = read(write(folder, {name: content, "x.json": groups("sg-1", "sg-2")}))
    assert found.skipped == []
    assert {group.group_id: [each.rule_id for each in group.rules] for group in found.groups} == {
        "sg-1": ["sgr-1"],
        "sg-2": [None],
    }


def peers_of(found: Read) -> Iterator[GroupPeer]:
    return (each.peer for group in found.groups for each in group.rules if isinstance(each.peer, GroupPeer))


def test_referenced_groups_are_named_across_files_where_names_are_needed(folder: Path) -> None:
    referring = {"SecurityGroups": [raw_group(tcp(22, "sg-2", "sg-9"), group_id="sg-1")]}
    write(folder, {"a.json": referring, "z.json": groups("sg-2", GroupName="bastion")})
    assert [peer.name for peer in peers_of(read(folder, names_needed=True))] == ["bastion", None]
    assert [peer.name for peer in peers_of(read(folder))] == [None, None]


def test_place_comes_from_the_group_and_only_else_from_the_caller(folder: Path) -> None:
    nowhere = {"GroupId": "sg-2", "IpPermissions": []}
    write(folder, {"x.json": {"SecurityGroups": [raw_group(group_id="sg-1", SecurityGroupArn=ARN), nowhere]}})
    found = {each.group_id: (each.account_id, each.region) for each in read(folder).groups}
    assert found == {"sg-1": ("111122223333", "eu-central-1"), "sg-2": ("unknown", "unknown")}
    told = read(folder, account_id="999988887777", region="us-west-2")
    found = {each.group_id: (each.account_id, each.region) for each in told.groups}
    assert found == {"sg-1": ("111122223333", "eu-central-1"), "sg-2": ("999988887777", "us-west-2")}


def test_half_a_surrogate_pair_anywhere_is_read(folder: Path) -> None:
    odd = "sg-\ud800"
    line = json.dumps({"SecurityGroups": [{"GroupId": odd, "GroupName": odd, "IpPermissions": [tcp(22, EVERYONE)]}]})
    rules = json.dumps({"SecurityGroupRules": [rule(1, odd)]})
    found = read(write(folder, {"x.jsonl": f"{line}\n{rules}\n"}), names_needed=True)
    assert (found.ids, found.skipped) == ([odd], [])
    assert [each.rule_id for each in found.groups[0].rules] == ["sgr-1"]


def test_a_file_that_vanishes_between_the_passes_is_an_input_error(folder: Path) -> None:
    write(folder, {"x.json": groups("sg-1")})
    inventory = FileInventory([str(folder)], translate)
    (shard,) = inventory.shards()
    (folder / "x.json").unlink()
    assert not isinstance(shard, Skipped)
    with pytest.raises(InputError, match="cannot be read"):
        list(inventory.read(shard))
    inventory.close()
