"""Whatever has a finding is a suspect, and a scan of columns says what a scan of values says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.rows import Rows
from sg_compliance.evaluation.screen import Screen
from sg_compliance.evaluation.sieve import Sieve
from sg_compliance.interfaces import Page, Shard
from sg_compliance.workflows.scan import Selection, scan
from tests.builders import ACCOUNT, NOW, bind, lists, read
from tests.columns_of import columns_of, page_of
from tests.properties.cases import LISTS
from tests.properties.screen_cases import OTHER, WEIGHTS, hygiene, pages, policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Skipped, Summary
    from sg_compliance.model.security_group import SecurityGroup
    from tests.builders import Json

KNOWN = lists(LISTS)
drawing_much = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@drawing_much
@given(raw=pages(odd=False), written=policies())
def test_each_rule_that_a_group_violates_suspects_it(raw: list[Json], written: Json) -> None:
    policy, groups = bind(written), [read(each) for each in raw]
    rows = Rows(columns_of(groups), KNOWN)
    rules = {(bound.rule_id, bound.path): Sieve(bound, KNOWN) for bound in policy.rules()}
    suspects = Screen(policy).suspects(columns_of(groups), KNOWN)
    evaluator = Evaluator(policy, NOW)
    for position, group in enumerate(groups):
        found = {finding.rule_id for finding in evaluator.evaluate(group, KNOWN)}
        event(f"findings: {min(len(found), 2)}")
        assert not found or position in suspects
        for bound in policy.binding(group).rules:
            if bound.rule_id in found:
                assert rules[bound.rule_id, bound.path].caught(rows)[position], bound


@drawing_much
@given(raw=pages(), written=hygiene(), most=st.sampled_from(WEIGHTS))
def test_each_group_that_is_not_as_it_should_be_is_a_suspect(raw: list[Json], written: Json, most: int | None) -> None:
    policy, groups = bind(written), [read(each) for each in raw]
    known = {name: replace(each, max_entries=most) for name, each in KNOWN.items()}
    suspects = Screen(policy).suspects(columns_of(groups), known)
    evaluator = Evaluator(policy, NOW)
    found = [position for position, group in enumerate(groups) if evaluator.evaluate(group, known)]
    assert set(found) <= set(suspects)
    if most is None or most > 0:
        assert [each for each in suspects if not groups[each].malformed] == [
            each for each in found if not groups[each].malformed
        ]


@drawing_much
@given(
    raw=pages(),
    written=st.one_of(policies(), hygiene()),
    accounts=st.sampled_from([frozenset[str](), frozenset({ACCOUNT}), frozenset({OTHER, "999999999999"})]),
    rules=st.sampled_from([frozenset[str](), frozenset({"P0", "GLOBAL_MAX_RULES"})]),
    regions=st.sampled_from([frozenset[str](), frozenset({"eu-west-1"}), frozenset({"us-east-1"})]),
)
def test_a_scan_of_columns_says_what_a_scan_of_values_says(
    raw: list[Json], written: Json, accounts: frozenset[str], rules: frozenset[str], regions: frozenset[str]
) -> None:
    groups = [replace(read(each), region=f"{'eu-west' if at % 2 else 'us-east'}-1") for at, each in enumerate(raw)]
    evaluator = Evaluator(bind(written), NOW)
    selection = Selection(accounts=accounts, rules=rules, regions=regions)
    plain = _Scan(Page(groups, KNOWN), evaluator, selection)
    assert _Scan(page_of(groups, KNOWN), evaluator, selection).told == plain.told


class _Scan:
    """A scan of one page, and all that is told of it: the findings, the summary, the progress, whose ids were asked."""

    def __init__(self, page: Page, evaluator: Evaluator, selection: Selection) -> None:
        self._page = page
        self._findings: list[Finding] = []
        self._said: list[object] = []
        summary: Summary = scan(self, evaluator, self, self, selection, workers=1)
        self.told = (repr(self._findings), repr(summary), self._said)

    def shards(self) -> Iterator[Shard]:
        yield Shard("a")

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        del shard
        yield self._page

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        self._said.append((shard, [group.group_id for group in groups]))
        return [
            replace(each, rules=tuple(rule._replace(rule_id=f"sgr-{rule.first}") for rule in each.rules))
            for each in groups
        ]

    def add(self, findings: Iterable[Finding]) -> None:
        self._findings += findings

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._findings)

    def begun(self, shards: int) -> None:
        self._said.append(shards)

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        self._said.append((shard, groups, findings))

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        self._said.append((shard, skipped))
