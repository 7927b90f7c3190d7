from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.narrowing import Narrowed, Narrowing
from tests.builders import group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.security_group import SecurityGroup

ONE, TWO = Shard("1/eu-west-1", "1", "eu-west-1"), Shard("1/us-east-1", "1", "us-east-1")
OTHER = Shard("2/eu-west-1", "2", "eu-west-1")
DENIED = Skipped("security groups", "denied", account_id="3")
LISTS = Skipped("prefix lists", "denied", account_id="1", region="eu-west-1")
GROUPS = [group(group_id="sg-0a1b2c3d"), group(group_id="sg-0a1b2c3e")]


class Everything:
    """An inventory of three shards and an account that is denied."""

    def shards(self) -> list[Shard | Skipped]:
        return [ONE, TWO, OTHER, DENIED]

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        del shard
        yield LISTS
        yield Page(GROUPS, {})

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        return list(groups)


def shards(narrowing: Narrowing) -> list[Shard | Skipped]:
    return list(Narrowed(Everything(), narrowing).shards())


def test_nothing_narrows_nothing() -> None:
    assert Narrowing().is_whole
    assert shards(Narrowing()) == Everything().shards()
    assert list(Narrowed(Everything(), Narrowing()).read(ONE)) == [LISTS, Page(GROUPS, {})]


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        (Narrowing(accounts=frozenset({"1"})), [ONE, TWO]),
        (Narrowing(accounts=frozenset({"3"})), [DENIED]),
        (Narrowing(regions=frozenset({"us-east-1"})), [TWO, DENIED]),
        (Narrowing(frozenset({"2"}), frozenset({"eu-west-1"})), [OTHER]),
        (Narrowing(shards=frozenset({("1", "us-east-1")})), [TWO, DENIED]),
        (Narrowing(shards=frozenset()), [DENIED]),
        (Narrowing(accounts=frozenset({"9"})), []),
    ],
)
def test_only_what_is_wanted_is_left(narrowing: Narrowing, expected: list[Shard | Skipped]) -> None:
    assert not narrowing.is_whole
    assert shards(narrowing) == expected


def test_of_a_shard_only_the_wanted_groups_are_left() -> None:
    narrowed = Narrowed(Everything(), Narrowing(groups=frozenset({"sg-0a1b2c3e"})))
    assert list(narrowed.read(ONE)) == [LISTS, Page([GROUPS[1]], {})]
    assert narrowed.with_rule_ids(ONE, GROUPS) == GROUPS


SETS = st.frozensets(st.sampled_from(["1", "2", "3", "eu-west-1", "us-east-1"]))


@given(SETS, SETS, st.none() | st.frozensets(st.sampled_from([("1", "eu-west-1"), ("2", "eu-west-1"), ("5", "x")])))
def test_it_is_never_more_than_there_was(
    accounts: frozenset[str], regions: frozenset[str], some: frozenset[tuple[str, str]] | None
) -> None:
    left = shards(Narrowing(accounts, regions, shards=some))
    assert [each for each in Everything().shards() if each in left] == left
