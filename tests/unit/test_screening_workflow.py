"""Pages with columns: only suspects are made, the rest is accounted for all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.decide import Circumstances
from sg_compliance.enforcement.planning import Planning
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.noting import Noting
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.columns import Made
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from sg_compliance.workflows.dated import Dated
from sg_compliance.workflows.explain import explain_group
from sg_compliance.workflows.narrowing import Narrowed, Narrowing
from sg_compliance.workflows.patrol import _Judged
from sg_compliance.workflows.plan import Scope, make_plan
from sg_compliance.workflows.scan import Selection
from sg_compliance.workflows.screening import Screening
from sg_compliance.workflows.snapshot import take_snapshot
from tests.builders import (
    ACCOUNT,
    EVERYONE,
    NOW,
    REGION,
    bind,
    document,
    prohibit,
    prohibit_every_peer,
    raw_group,
    read,
    tcp,
)
from tests.columns_of import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import SecurityGroup
    from tests.builders import Json

SHARD = Shard("a", ACCOUNT, REGION)
MARKED = {"COMPLIANCE_STATUS": "NON_COMPLIANT"}


class Counted:
    """An inventory of one page with columns that knows which of its groups were made."""

    def __init__(self, *raw: Json) -> None:
        self.values = [read(each) for each in raw]
        self.made: list[str] = []

    def _make(self, at: int) -> SecurityGroup:
        self.made.append(self.values[at].group_id)
        return self.values[at]

    def page(self) -> Page:
        return Page(Made(len(self.values), self._make), {}, columns_of(self.values))

    def shards(self) -> list[Shard]:
        return [SHARD]

    def read(self, shard: Shard) -> Iterator[Page]:
        del shard
        yield self.page()

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        return groups

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a progress that nobody looks at
        if name in {"begun", "advanced", "done"}:
            return lambda *_: None
        raise AttributeError(name)


def some(*numbers: int, **keys: Any) -> list[Json]:  # noqa: ANN401 - JSON
    """Groups that are open to all at port 22 where their number is odd."""
    peers = {0: "10.0.0.0/8", 1: EVERYONE}
    return [
        raw_group(tcp(22, peers[each % 2]), group_id=f"sg-{each}", GroupName=f"n{each}", **keys) for each in numbers
    ]


def evaluator() -> Evaluator:
    return Evaluator(bind(document(prohibit(22))), NOW)


def test_only_suspects_are_made() -> None:
    counted = Counted(*some(0, 1, 2, 3))
    judged = list(Screening(evaluator()).judged(counted.page(), range(4)))
    assert [(each.position, each.group.group_id, len(each.findings)) for each in judged] == [
        (1, "sg-1", 1),
        (3, "sg-3", 1),
    ]
    assert counted.made == ["sg-1", "sg-3"]
    assert [each.position for each in Screening(evaluator()).judged(counted.page(), [0, 1, 2])] == [1]


def test_columns_that_are_not_those_of_the_groups_count_for_nothing() -> None:
    counted, other = Counted(*some(0, 1)), Counted(*some(1, 1))
    page = counted.page()
    assert page.told is page.columns
    for wrong in (page._replace(groups=other.values), page._replace(groups=Made(1, other.values.__getitem__))):
        assert wrong.told is None
        assert len(list(Screening(evaluator()).judged(wrong, range(len(wrong.groups))))) == len(wrong.groups)
    assert Page(counted.values, {}).told is None


def test_who_notes_what_was_judged_notes_the_others_too() -> None:
    noting = Noting(evaluator())
    list(Screening(noting).judged(Counted(*some(0, 1)).page(), range(2)))
    assert {key: len(found) for key, found in noting.found.items()} == {"sg-0": 0, "n0": 0, "sg-1": 1, "n1": 1}


def test_a_patrol_knows_what_every_group_has_and_which_carry_its_tag() -> None:
    class Mending:
        @staticmethod
        def planning(circumstances: Circumstances) -> Planning:
            return Planning(evaluator().policy, circumstances, NOW)

    judged = _Judged(evaluator(), Mending())  # type: ignore[arg-type]
    counted = Counted(*some(1), *some(2, tags=MARKED), *some(4))
    list(Screening(judged).judged(counted.page(), range(3)))
    assert {place.group_id: len(ids) for place, ids in judged.found.items()} == {"sg-1": 1, "sg-2": 0, "sg-4": 0}
    assert {(place.account_id, place.region) for place in judged.found} == {(ACCOUNT, REGION)} == set(judged.marked)
    assert counted.made == ["sg-1"]


def test_a_plan_is_made_of_suspects_and_of_what_still_carries_the_tag() -> None:
    parsed = parse_policy(json.dumps(document(prohibit(22, rule_id="SSH"))), "test.json")
    judge = Evaluator(Policy(parsed.document), NOW)
    planning = Planning(judge.policy, Circumstances(), NOW)

    def planned(groups: frozenset[str], *raw: Json) -> tuple[list[str], list[str], dict[str, int]]:
        counted = Counted(*raw)
        scope = Scope(Selection(), groups)
        found = make_plan(counted, judge, planning, scope, counted, parsed=parsed, by="me", workers=1)
        assert found.groups == len(raw)
        return [each.place.group_id for each in found.plan.groups], counted.made, dict(found.plan.totals)

    raw = [*some(0, 1), *some(2, tags=MARKED), *some(3, 4)]
    assert planned(frozenset(), *raw) == (["sg-1", "sg-2", "sg-3"], ["sg-1", "sg-2", "sg-3"], {ACCOUNT: 5})
    assert planned(frozenset({"sg-3", "n2"}), *raw) == (["sg-2", "sg-3"], ["sg-2", "sg-3"], {ACCOUNT: 5})


def test_what_is_narrowed_to_groups_makes_these_and_has_no_columns() -> None:
    counted = Counted(*some(0, 1, 2))
    (page,) = Narrowed(counted, Narrowing(groups=frozenset({"sg-1"}))).read(SHARD)
    assert isinstance(page, Page)
    assert page == Page([counted.values[1]], {})
    assert counted.made == ["sg-1"]


def test_what_is_narrowed_to_a_region_keeps_its_columns() -> None:
    (page,) = Narrowed(Counted(*some(0)), Narrowing(regions=frozenset({REGION}))).read(SHARD)
    assert isinstance(page, Page)
    assert page.told is not None


def test_when_groups_were_read_is_noted_without_making_them() -> None:
    class Clock:
        now = staticmethod(lambda: NOW)
        sleep = staticmethod(lambda _: None)

    counted = Counted(*some(0, 1))
    dated = Dated(counted, Clock())
    list(dated.read(SHARD))
    assert dated.of_group == {each.place: NOW for each in counted.values}
    assert counted.made == []


@pytest.mark.parametrize("wanted", ["sg-1", "n1"])
def test_one_group_is_explained_and_no_other_is_made(wanted: str) -> None:
    counted = Counted(*some(0, 1, 2))
    (explained,) = explain_group(counted, evaluator(), wanted).explanations
    assert explained.group.group_id == "sg-1"
    assert counted.made == ["sg-1"]


@pytest.mark.parametrize("rule_ids", [True, False])
def test_a_snapshot_holds_every_group(rule_ids: bool) -> None:
    class Ids:
        def __init__(self) -> None:
            self.found: list[tuple[str, bool]] = []

        def add(self, page: Page) -> None:
            self.found += [(group.group_id, page.told is None) for group in page.groups]

        def lacks(self, skipped: Sequence[Skipped]) -> None:
            del skipped

    counted, sink = Counted(*some(0, 1)), Ids()
    take_snapshot(counted, sink, counted, rule_ids=rule_ids)
    assert sink.found == [("sg-0", rule_ids), ("sg-1", rule_ids)]


def test_names_are_given_to_groups_and_columns_alike() -> None:
    by_name = prohibit_every_peer(22, source_pattern="web", source_type="security_group")
    raw = [raw_group(tcp(22, "sg-7"), group_id="sg-1"), raw_group(tcp(22, "sg-8"), group_id="sg-2")]
    judge = Evaluator(bind(document(by_name)), NOW)
    page = Counted(*raw).page().with_names({"sg-8": "web"})
    plain = Page(Counted(*raw).values, {}).with_names({"sg-8": "web"})
    assert [each.position for each in Screening(judge).judged(page, range(2))] == [1]
    assert list(page.groups) == list(plain.groups)
    assert [head.group_id for head in page.heads()] == [head.group_id for head in plain.heads()]


def test_a_head_is_a_group_without_its_rules() -> None:
    counted = Counted(*some(0, tags={"a": "1", "b": "2"}))
    (head,), (value,) = counted.page().heads(), counted.values
    assert (head.place, head.name, head.tags, head.tag("b"), head.tag("c")) == (
        *(value.place, value.name, value.tags, value.tag("b"), value.tag("c")),
    )
