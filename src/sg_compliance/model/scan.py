"""What a scan says besides its findings: what was skipped, and the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.model.finding import Severity


class Skipped(NamedTuple):
    """Something that could not be read, why, and what to do about it.

    `what` is `security groups`, `prefix lists`, `network interfaces` …; `wanted` is False where it was left out on
    purpose (an account that the policy disables), which is no failure.
    """

    what: str
    reason: str
    hint: str = ""
    account_id: str = ""
    region: str = ""
    wanted: bool = True


@dataclass(slots=True)
class Summary:
    """The figures of one scan. The score is counted on all groups, the rest on the selected findings."""

    started: datetime
    shards: int = 0
    groups: int = 0
    noncompliant_groups: int = 0
    accounts: set[str] = field(default_factory=set)
    open: Counter[Severity] = field(default_factory=Counter)
    exempt: int = 0
    score: float | None = None
    skipped: list[Skipped] = field(default_factory=list)
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was wanted was read."""
        return not self.interrupted and not any(each.wanted for each in self.skipped)

    def worst(self) -> Severity | None:
        """The highest severity among the open findings."""
        return max(self.open, key=lambda severity: severity.rank, default=None)
