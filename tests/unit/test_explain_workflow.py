"""Finding the group that is to be explained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sg_compliance.errors import AwsError, InputError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.explain import explain_group
from tests.builders import BASELINE, EVERYONE, NOW, bind, group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.workflows.explain import Found

ONE = group(tcp(22, EVERYONE), group_id="sg-1", GroupName="web")
TWO = group(tcp(80, EVERYONE), group_id="sg-2", GroupName="db")
OTHER_WEB = group(group_id="sg-3", GroupName="web", account="999988887777")


class Memory:
    """Shards by name; notes which were read."""

    def __init__(self, parts: dict[str, Sequence[object]]) -> None:
        self._parts = parts
        self.read_shards: list[str] = []

    def shards(self) -> Iterator[Shard | Skipped]:
        for name in self._parts:
            yield Skipped("security groups", "closed") if name == "closed" else Shard(name, name, "r")

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        self.read_shards.append(shard.name)
        for part in self._parts[shard.name]:
            if isinstance(part, Exception):
                raise part
            assert isinstance(part, Page | Skipped)
            yield part

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        return [replace(each, rules=tuple(rule._replace(rule_id="sgr-1") for rule in each.rules)) for each in groups]


def find(inventory: Memory, wanted: str) -> Found:
    return explain_group(inventory, Evaluator(bind(BASELINE), NOW), wanted)


def page(*groups: SecurityGroup) -> Page:
    return Page(groups, {})


def ids(found: Found) -> list[str]:
    return [each.group.group_id for each in found.explanations]


def test_a_group_is_found_by_its_id_and_no_further_place_is_read() -> None:
    inventory = Memory({"1": [page(TWO), page(ONE)], "2": [page(OTHER_WEB)]})
    found = find(inventory, "sg-1")
    assert (ids(found), inventory.read_shards) == (["sg-1"], ["1"])
    assert [rule.rule_id for rule in found.explanations[0].findings[0].evidence] == ["sgr-1"]


def test_every_group_of_a_name_is_found() -> None:
    assert ids(find(Memory({"1": [page(ONE, TWO)], "2": [page(OTHER_WEB)]}), "web")) == ["sg-1", "sg-3"]


def test_a_name_must_be_whole_and_case_matters() -> None:
    for wanted in ("we", "WEB", "sg-", ""):
        with pytest.raises(InputError, match="no security group has this id or name"):
            find(Memory({"1": [page(ONE, TWO)]}), wanted)


def test_places_that_cannot_be_searched_are_told() -> None:
    parts: dict[str, Sequence[object]] = {
        "closed": [],
        "1": [AwsError("denied")],
        "2": [Skipped("x", "part"), page(ONE)],
    }
    found = find(Memory(parts), "web")
    assert ids(found) == ["sg-1"]
    assert [each.reason for each in found.skipped] == ["closed", "denied", "part"]
    with pytest.raises(InputError, match="2 places could not be searched: closed"):
        find(Memory(parts), "sg-9")


def test_a_bug_in_an_adapter_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        find(Memory({"1": [ZeroDivisionError()]}), "web")
