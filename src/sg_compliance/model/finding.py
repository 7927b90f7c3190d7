"""Findings: what a policy rule says about a group, with the evidence. The same state and policy give the same ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.change import RuleChange
    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroup, SecurityGroupRule


class Severity(StrEnum):
    """How bad it is. Compare by `rank`: the values are words."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info … 4 for critical."""
        return _RANKS[self.value]


_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}


class FindingState(StrEnum):
    """Open, or exempt: an exempt finding is still reported."""

    OPEN = "open"
    EXEMPT = "exempt"


class Overlap(NamedTuple):
    """The violating traffic of one protocol (-1: every protocol without an overlap of its own)."""

    protocol: int
    ports: IntervalSet
    cidrs: tuple[Cidr, ...]
    groups: tuple[str, ...]
    public_addresses: int


class Exemption(NamedTuple):
    """The exemption that covers a finding, or would: `lapsed` says why it does not. `expires` None is permanent."""

    path: str
    reason: str
    approved_by: str
    expires: datetime | None
    days_left: int | None
    lapsed: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy rule violated by one group in one direction (None: a matter of the group as a whole).

    `first_seen` and `last_seen` are None where no history is kept.
    """

    group: SecurityGroup
    rule_id: str
    severity: Severity
    direction: Direction | None
    reason: str
    message: str
    state: FindingState = FindingState.OPEN
    evidence: tuple[SecurityGroupRule, ...] = ()
    malformed: tuple[MalformedRule, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    unknown_peers: tuple[str, ...] = ()
    certain: bool = True
    change: tuple[RuleChange, ...] = ()
    advice: str = ""
    exemption: Exemption | None = None
    references: tuple[str, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @property
    def id(self) -> str:
        """A stable name: the same for the same rule, group and direction, on any machine and at any time."""
        group = self.group
        parts = (group.account_id, group.region, group.group_id, self.rule_id, self.direction or "-")
        return "sgf-" + hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()[:20]

    def sort_key(self) -> tuple[str, ...]:
        """Order of every report: by place, then the worst first."""
        group = self.group
        return (
            group.account_id,
            group.region,
            group.group_id,
            str(9 - self.severity.rank),
            self.rule_id,
            self.direction or "",
        )
