"""What is said of a principal that changes too much: how bad it is, the evidence, and the key to tell it by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Level(StrEnum):
    """How bad it is."""

    ALERT = "alert"
    CRITICAL = "critical"


class Mark(NamedTuple):
    """What is told once: a level, in the clock hour (UTC) that starts at `hour`."""

    level: Level
    hour: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Too many operations, with the evidence. `event_id` is the operation that made it so.

    `threshold` was passed by `count` operations within `window` of time, the first at `first`, the last at `last`.
    `groups` and `regions` are counted, `some_groups` and `some_regions` name up to ten; all four speak of what is kept
    in full, and `at_least` says that there was more.
    """

    level: Level
    account_id: str
    principal: str
    event_id: str
    window: timedelta
    threshold: int
    count: int
    failed: int
    first: datetime
    last: datetime
    groups: int
    some_groups: tuple[str, ...]
    regions: int
    some_regions: tuple[str, ...]
    at_least: bool
    automation: str
    marks: tuple[Mark, ...]

    @property
    def error_rate(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failed / self.count

    @property
    def keys(self) -> tuple[str, ...]:
        """One for each mark, the worst and earliest first. No other verdict on the principal has any of them."""
        who = f"{self.account_id}/{self.principal}"
        return tuple(f"{who}/{mark.level}/{mark.hour:%Y-%m-%dT%H}" for mark in self.marks)

    @property
    def key(self) -> str:
        """Under which people are told, once."""
        return self.keys[0]
