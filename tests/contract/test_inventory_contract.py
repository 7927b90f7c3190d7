"""What a scan relies on in any inventory, held against the one in files: JSON, and snapshots in Parquet."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.aws import translate
from sg_compliance.errors import InputError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.local.files import FileInventory
from sg_compliance.model.scan import Skipped
from tests.builders import EVERYONE, raw_group, tcp
from tests.columns_of import columns_of
from tests.parquet_files import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.interfaces import Inventory
    from sg_compliance.model.security_group import SecurityGroup

COUNT = 1100


@pytest.fixture(params=["json", "parquet"])
def inventory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Inventory]:
    for number in range(3):
        groups = [raw_group(tcp(22, EVERYONE, "pl-1"), group_id=f"sg-{number}{index:04}") for index in range(COUNT)]
        (tmp_path / f"{number}.json").write_text(json.dumps({"SecurityGroups": groups}), encoding="utf-8")
    rules = [
        {
            "SecurityGroupRuleId": "sgr-1",
            "GroupId": "sg-00000",
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "CidrIpv4": EVERYONE,
        }
    ]
    side: dict[str, Any] = {"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": "x", "Entries": []}]}
    (tmp_path / "side.json").write_text(json.dumps({**side, "SecurityGroupRules": rules}), encoding="utf-8")
    made = FileInventory([str(tmp_path)], translate)
    if request.param == "parquet":
        made = as_parquet(made, tmp_path / "parquet")
    yield made
    made.close()


def as_parquet(inventory: FileInventory, folder: Path) -> FileInventory:
    """The same inventory, each shard a snapshot of its own."""
    folder.mkdir()
    for number, shard in enumerate(shards_of(inventory)):
        pages = [part for part in inventory.read(shard) if isinstance(part, Page)]
        write(
            folder / f"{number}.parquet",
            *(inventory.with_rule_ids(shard, page.groups) for page in pages),
            prefix_lists=pages[0].prefix_lists,
        )
    inventory.close()
    return FileInventory([str(folder)], translate)


def shards_of(inventory: Inventory) -> list[Shard]:
    return [each for each in inventory.shards() if isinstance(each, Shard)]


def ids(inventory: Inventory, shard: Shard) -> list[str]:
    return [group.group_id for part in inventory.read(shard) if isinstance(part, Page) for group in part.groups]


def test_shards_have_names_of_their_own(inventory: Inventory) -> None:
    names = [shard.name for shard in shards_of(inventory)]
    assert len(names) == len(set(names)) == 3


def test_every_group_comes_once_in_some_page(inventory: Inventory) -> None:
    found = [each for shard in shards_of(inventory) for each in ids(inventory, shard)]
    assert len(found) == len(set(found)) == 3 * COUNT


def test_a_shard_can_be_read_again(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    assert ids(inventory, first) == ids(inventory, first)


def test_a_shard_that_is_read_only_in_part_can_be_read_again(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    next(iter(inventory.read(first)))
    assert len(ids(inventory, first)) == COUNT


def test_several_threads_may_read_several_shards(inventory: Inventory) -> None:
    shards = shards_of(inventory) * 3
    with ThreadPoolExecutor(len(shards)) as threads:
        found = list(threads.map(lambda shard: ids(inventory, shard), shards))
    assert found[:3] == found[3:6] == found[6:]
    assert all(len(each) == COUNT for each in found)


def test_several_threads_may_ask_for_rule_ids(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    groups = [group for part in inventory.read(first) if isinstance(part, Page) for group in part.groups]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: inventory.with_rule_ids(first, groups), range(8)))
    assert all(answer == answers[0] for answer in answers)


def test_rule_ids_come_in_the_order_of_the_groups_and_change_nothing_else(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    groups = [group for part in inventory.read(first) if isinstance(part, Page) for group in part.groups][:3]
    named = inventory.with_rule_ids(first, groups)
    assert [each.rules[0].rule_id for each in named] == ["sgr-1", None, None]
    assert [unnamed(each) for each in named] == [unnamed(each) for each in groups]


def unnamed(group: SecurityGroup) -> SecurityGroup:
    return replace(group, rules=tuple(rule._replace(rule_id=None) for rule in group.rules))


def test_every_page_has_the_prefix_lists_that_its_groups_refer_to(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    assert all("pl-1" in part.prefix_lists for part in inventory.read(first) if isinstance(part, Page))


def test_columns_are_those_of_the_groups_of_the_page(inventory: Inventory) -> None:
    (first, *_) = shards_of(inventory)
    for part in inventory.read(first):
        if isinstance(part, Page) and part.columns:
            expected = columns_of(part.groups)
            assert part.columns.group_ids == expected.group_ids
            assert part.columns.group.tolist() == expected.group.tolist()
            assert part.columns.high.tolist() == expected.high.tolist()


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=6))
KEYS = (
    *("SecurityGroups", "SecurityGroupRules", "PrefixLists", "Entries", "NetworkInterfaces", "Groups", "Cidr"),
    *("GroupId", "GroupName", "IpPermissions", "PrefixListId", "PrefixListName", "NetworkInterfaceId"),
    *("SecurityGroupRuleId", "ReferencedGroupInfo", "CidrIpv4", "IpProtocol", "MaxEntries", "Tags", "OwnerId"),
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)
lists_of = st.fixed_dictionaries({}, optional={key: st.lists(documents, max_size=2) | documents for key in KEYS[:5]})


@settings(max_examples=200)
@given(
    written=st.lists(lists_of | documents, min_size=1, max_size=3),
    indent=st.sampled_from([None, 1]),
    name=st.sampled_from(["x.json", "pl-1.json"]),
)
def test_any_json_at_all_gives_groups_skips_or_an_input_error(
    written: list[object], indent: int | None, name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text("\n".join(json.dumps(each, indent=indent) for each in written), encoding="utf-8")
        inventory = FileInventory([folder], translate, names_needed=True)
        for shard in inventory.shards():
            if isinstance(shard, Skipped):
                continue
            try:
                for part in inventory.read(shard):
                    if isinstance(part, Page):
                        inventory.with_rule_ids(shard, part.groups)
            except InputError as error:
                assert name in str(error)  # noqa: PT017 - one of the right outcomes
        inventory.close()
