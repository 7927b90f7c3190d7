"""The compliance score: what groups keep of their points, on average."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.evaluation.score import points, score
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.policy.document import ScoreCalculation
from tests.builders import EVERYONE, group, judge, only, prohibit, tcp

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding

FINDING = only(judge(prohibit(22), group(tcp(22, EVERYONE))))


def findings(*severities: str, state: FindingState = FindingState.OPEN) -> list[Finding]:
    return [replace(FINDING, severity=Severity(severity), state=state) for severity in severities]


def calculation(total: float = 100, **deductions: float) -> ScoreCalculation:
    return ScoreCalculation.model_validate({"total_possible_points": total, "deductions": deductions})


def test_every_open_finding_costs_what_its_severity_costs() -> None:
    costs = calculation(critical_violation=40, high_violation=20, medium_violation=10, low_violation=5)
    assert points([], costs) == 100
    assert points(findings("critical", "high", "medium", "low"), costs) == 25
    assert points(findings("high", "high"), costs) == 60


def test_no_group_has_less_than_nothing() -> None:
    assert points(findings("critical", "critical"), calculation(critical_violation=60)) == 0


def test_an_exempt_finding_costs_nothing() -> None:
    assert points(findings("critical", state=FindingState.EXEMPT), calculation(critical_violation=60)) == 100


@pytest.mark.parametrize(
    ("total", "kept", "groups", "expected"),
    [(100, 300, 3, 100), (100, 250, 3, 83.3), (50, 25, 1, 50), (100, 0, 5, 0), (100, 199.99, 2, 100), (10, 1, 3, 3.3)],
)
def test_the_score_is_the_average_in_percent(total: float, kept: float, groups: int, expected: float) -> None:
    assert score(kept, groups, calculation(total)) == expected


def test_without_groups_there_is_no_score() -> None:
    assert score(0, 0, calculation()) is None


@given(st.lists(st.lists(st.sampled_from(list(Severity)), max_size=5), min_size=1, max_size=20))
def test_the_score_lies_between_0_and_100_and_falls_with_every_finding(groups: list[list[Severity]]) -> None:
    costs = calculation(
        critical_violation=40, high_violation=20, medium_violation=10, low_violation=5, info_violation=1
    )
    kept = [points(findings(*(each.value for each in group)), costs) for group in groups]
    worse = [points(findings("critical", *(each.value for each in group)), costs) for group in groups]
    found, less = (score(sum(each), len(groups), costs) for each in (kept, worse))
    assert found is not None
    assert less is not None
    assert 0 <= less <= found <= 100
