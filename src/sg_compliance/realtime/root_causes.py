"""Findings by root cause: what one person would mend in one place.

A group's findings in one direction belong together: one open rule may violate several rules of the policy. Groups that
violate the same belong together

- where their names are alike but for numbers: one module or template was rolled out in many places,
- else where they are in one account: one team opened the same in several groups.

Every finding is of one cause. Which open rules a finding comes from is not remembered: two of one group in one
direction are one cause.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sg_compliance.model.finding import Severity
    from sg_compliance.model.remembered import Remembered
    from sg_compliance.model.security_group import Place

_WORD: Final = re.compile(r"[^\W_]+")
_LETTER_AFTER_NUMBER: Final = re.compile(r"\d[^\W\d_]")
_NUMBER: Final = re.compile(r"\d+")
_LETTER: Final = re.compile(r"[^\W\d_]")
_SHORTEST_RANDOM: Final = 6
_ANYTHING: Final = "*"

_Signature: TypeAlias = "tuple[str, frozenset[tuple[str, Severity]]]"
"""What is violated, which way, and how bad it is."""


@dataclass(frozen=True, slots=True)
class RootCause:
    """Findings that have one cause, in the order of reports. `pattern` is how the groups' names look, if alike."""

    findings: tuple[Remembered, ...]
    pattern: str = ""

    @property
    def severity(self) -> Severity:
        """The worst of them."""
        return max((each.severity for each in self.findings), key=lambda severity: severity.rank)

    @property
    def by_rule(self) -> dict[str, Remembered]:
        """A finding of each rule that is violated, the worst first."""
        found: dict[str, Remembered] = {}
        for each in sorted(self.findings, key=lambda each: (-each.severity.rank, each.rule_id)):
            found.setdefault(each.rule_id, each)
        return found

    @property
    def groups(self) -> dict[Place, str]:
        """The groups and their names."""
        return {each.place: each.group_name for each in self.findings}

    @property
    def first(self) -> datetime:
        """When the oldest was first seen."""
        return min(each.first_seen for each in self.findings)

    @property
    def newest(self) -> datetime:
        """When the newest was first seen."""
        return max(each.first_seen for each in self.findings)


class _Unit(NamedTuple):
    """A group's findings in one direction."""

    findings: Sequence[Remembered]
    signature: _Signature
    pattern: str

    @property
    def account_id(self) -> str:
        return self.findings[0].place.account_id


def root_causes(findings: Iterable[Remembered]) -> list[RootCause]:
    """The causes, the worst first, of the same severity the one with most findings, then the oldest."""
    alike: defaultdict[tuple[_Signature, str], list[_Unit]] = defaultdict(list)
    alone: defaultdict[tuple[_Signature, str], list[_Unit]] = defaultdict(list)
    for unit in _units(findings):
        alike[unit.signature, unit.pattern].append(unit)
    causes = []
    for (signature, pattern), units in alike.items():
        if pattern and len(units) > 1:
            causes.append(_cause(units, pattern))
        else:
            for unit in units:
                alone[signature, unit.account_id].append(unit)
    causes += [_cause(units, "") for units in alone.values()]
    return sorted(causes, key=_worst_first)


def name_pattern(name: str) -> str:
    """The name with `*` for numbers and what looks drawn by lot; empty where no letter is left to tell it by.

    `web-01` → `web-*`, `eks-prod-3f9a1c` → `eks-prod-*`, `default` → `default`.
    """
    pattern = _WORD.sub(lambda word: _of_word(word[0]), name.strip().casefold())
    return pattern if _LETTER.search(pattern) else ""


def _of_word(word: str) -> str:
    is_random = len(word) >= _SHORTEST_RANDOM and _LETTER_AFTER_NUMBER.search(word)
    return _ANYTHING if is_random else _NUMBER.sub(_ANYTHING, word)


def _units(findings: Iterable[Remembered]) -> Iterable[_Unit]:
    by_group: defaultdict[tuple[Place, str], list[Remembered]] = defaultdict(list)
    for each in findings:
        by_group[each.place, each.direction].append(each)
    for (_, direction), found in by_group.items():
        violated = frozenset((each.rule_id, each.severity) for each in found)
        yield _Unit(found, (direction, violated), name_pattern(found[0].group_name))


def _cause(units: Sequence[_Unit], pattern: str) -> RootCause:
    found = sorted((each for unit in units for each in unit.findings), key=lambda each: each.sort_key())
    return RootCause(tuple(found), pattern)


def _worst_first(cause: RootCause) -> tuple[int, int, datetime, tuple[str, ...]]:
    return -cause.severity.rank, -len(cause.findings), cause.first, cause.findings[0].sort_key()
