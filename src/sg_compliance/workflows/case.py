"""What a group is met with when an event tells of it: the world, the terms, and the case as it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sg_compliance.enforcement.guards import MOST_GROUPS
from sg_compliance.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sg_compliance.enforcement.prompt import Prompt
    from sg_compliance.interfaces import (
        Clock,
        DeadLetters,
        FindingHistory,
        Later,
        Looked,
        Lookup,
        Metrics,
        RuleWriter,
        Slots,
    )
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.realtime.touch import Touch
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.transaction import Stores


@dataclass(frozen=True, slots=True)
class Terms:
    """How far this deployment goes. `acting`: groups may be remediated at all; `dry_run`: nothing is changed.

    `severity` is the least that is acted on. `look_again_for` is how long AWS is given to show what an event told.
    """

    dry_run: bool = True
    acting: bool = False
    severity: Severity = Severity.INFO
    most_groups_per_hour: int = MOST_GROUPS
    look_again_for: timedelta = timedelta(minutes=5)
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world that an event is met in."""

    lookup: Lookup
    writer: RuleWriter
    stores: Stores
    history: FindingHistory
    later: Later
    dead_letters: DeadLetters
    metrics: Metrics
    slots: Slots
    clock: Clock
    run: Run
    terms: Terms


@dataclass(frozen=True, slots=True)
class Case:
    """One group as it was found. `findings` are open and dated; `shown` are those that AWS shows the rules of.

    `known` are the ids of all that was found, exempt or not.
    """

    looked: Looked
    touches: Sequence[Touch]
    cause: Touch
    prompt: Prompt
    findings: tuple[Finding, ...]
    shown: tuple[Finding, ...]
    missing: bool
    doubtful: bool
    judged: datetime
    known: frozenset[str]
    past: list[Entry] = field(default_factory=list)

    @property
    def group(self) -> SecurityGroup:
        """The group as AWS shows it."""
        return self.looked.group

    @property
    def settling(self) -> bool:
        """Whether the group was only just made."""
        return any(each.is_creation and not each.attempt for each in self.touches)

    @property
    def is_first_look(self) -> bool:
        """Whether nobody looked before."""
        return not self.cause.attempt and not self.cause.again

    @property
    def is_brought_about(self) -> bool:
        """Whether the event that is named as the cause brought any of the findings about."""
        return any(each.id in self.prompt.fresh for each in self.findings)
