"""Histories of findings in a table, and what is asked of any history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sg_compliance.aws.history import DynamoHistory
from sg_compliance.model.finding import Severity
from tests.properties.test_history_against_an_oracle import START

if TYPE_CHECKING:
    from sg_compliance.interfaces import FindingHistory
    from sg_compliance.model.finding import Finding
    from tests.contract.store_homes import AwsHome

HOUR = timedelta(hours=1)


@dataclass
class StillClock:
    """It stands where it is put; how often somebody waited is counted."""

    time: datetime = START
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def in_table(home: AwsHome, clock: StillClock | None = None) -> DynamoHistory:
    return DynamoHistory(home.sessions(), home.name, clock or StillClock())


def times(findings: list[Finding]) -> set[tuple[datetime | None, datetime | None]]:
    return {(each.first_seen, each.last_seen) for each in findings}


def waiting(history: FindingHistory, *severities: Severity) -> list[str]:
    return [each.id for each in history.waiting(severities or Severity)]
