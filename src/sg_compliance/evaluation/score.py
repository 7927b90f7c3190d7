"""The compliance score: what a group keeps of its points, averaged over all groups.

Each group starts with `total_possible_points` and loses the deduction of every open finding, down to nothing. Taking
the deductions from one pot for the whole organisation would show 0 for any large one, however good it became.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.finding import FindingState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.document import ScoreCalculation


def points(findings: Iterable[Finding], calculation: ScoreCalculation) -> float:
    """The points that one group keeps."""
    lost: float = sum(
        getattr(calculation.deductions, f"{finding.severity.value}_violation")
        for finding in findings
        if finding.state is FindingState.OPEN
    )
    return max(0.0, float(calculation.total_possible_points) - lost)


def score(total_points: float, groups: int, calculation: ScoreCalculation) -> float | None:
    """Points kept on average, in percent of `total_possible_points`, to one decimal. Without groups there is none."""
    return round(100 * total_points / groups / calculation.total_possible_points, 1) if groups else None
