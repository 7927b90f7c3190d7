"""The shape of a measured case, and the ratio between two of them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Spread

OURS = "sg-compliance"


@dataclass(frozen=True, slots=True)
class Row:
    """One subject in one section, over several runs.

    `cpu` is in seconds for the whole work, `peak` in bytes. `questions` is 0 where the figure is per group only, and
    `groups` is 0 where there are none. `comparison` names the rows of a section that ask for the same work; the first
    row of our tool among them is what the others are divided by.
    """

    section: str
    comparison: str
    subject: str
    cpu: Spread
    peak: Spread | None = None
    groups: int = 0
    questions: int = 0
    hits: int | None = None

    @property
    def unit_cost(self) -> float:
        """CPU seconds per unit of work: per group and question, per group, or per run."""
        return self.cpu.median / (max(self.groups, 1) * max(self.questions, 1))


@dataclass(frozen=True, slots=True)
class Missing:
    """A case that could not be measured, and why."""

    section: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times our CPU cost, and our peak of memory, another subject takes for the same work; below 1 is less."""

    section: str
    comparison: str
    subject: str
    times_ours: float
    memory_times_ours: float | None = None


def ratios(rows: Iterable[Row]) -> list[Ratio]:
    """Divide every row by our row of the same section and comparison, where there is one."""
    found: list[Ratio] = []
    base: dict[tuple[str, str], Row] = {}
    kept = list(rows)
    for row in kept:
        if row.subject == OURS:
            base.setdefault((row.section, row.comparison), row)
    for row in kept:
        ours = base.get((row.section, row.comparison))
        if ours is not None and row.subject != OURS and ours.unit_cost > 0:
            memory = row.peak.median / ours.peak.median if row.peak and ours.peak else None
            found.append(Ratio(row.section, row.comparison, row.subject, row.unit_cost / ours.unit_cost, memory))
    return found


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON-ready data, with the cost of one unit."""
    return [asdict(row) | {"unit_cost_seconds": row.unit_cost} for row in rows]
