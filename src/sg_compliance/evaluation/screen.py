"""Which groups of a page can have a finding at all? The others need not even be made.

The answer is never too few: a group with a finding is always among the suspects. It may be too many, so suspects are
judged by the one evaluator, and by nothing else. NumPy is needed here and by who makes columns; nothing else needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sg_compliance.evaluation.hygiene import lacking
from sg_compliance.evaluation.rows import Rows
from sg_compliance.evaluation.sieve import Sieve
from sg_compliance.model.security_group import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sg_compliance.model.columns import Columns
    from sg_compliance.model.security_group import PrefixLists
    from sg_compliance.policy.bound import BoundRule, Hygiene, RuleSet
    from sg_compliance.policy.resolve import Policy


class Screen:
    """The screen of one policy. Keep it for many pages, and ask it from several threads: it remembers its sieves."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._sieves: dict[int, Sieve] = {}

    def suspects(self, columns: Columns, prefix_lists: PrefixLists) -> list[int]:
        """The positions of the groups that can have a finding, ascending."""
        rows = Rows(columns, prefix_lists)
        bindings = _Bindings(self._policy, columns)
        found = columns.doubtful.copy()
        for bound, binds in bindings.rules():
            found |= binds & self._sieve(bound, prefix_lists).caught(rows)
        for hygiene, binds in bindings.hygiene():
            found |= binds & _untidy(hygiene, columns, rows)
        found_at: list[int] = np.flatnonzero(found).tolist()
        return found_at

    def _sieve(self, bound: BoundRule, prefix_lists: PrefixLists) -> Sieve:
        """A rule is the same object in every rule set; what a list holds that it names can differ from page to page."""
        if bound.sources and bound.sources.prefix_lists:
            return Sieve(bound, prefix_lists)
        sieve = self._sieves.get(id(bound))
        if sieve is None:
            sieve = self._sieves[id(bound)] = Sieve(bound, prefix_lists)
        return sieve


class _Bindings:
    """What binds which groups of a page."""

    def __init__(self, policy: Policy, columns: Columns) -> None:
        self._sets: list[RuleSet] = []
        known: dict[int, int] = {}
        of_owner = []
        for rule_set in map(policy.binding, columns.owners):
            number = known.setdefault(id(rule_set), len(known))
            if number == len(self._sets):
                self._sets.append(rule_set)
            of_owner.append(number)
        self._of_group = np.array(of_owner, np.intp)[columns.whose]

    def rules(self) -> Iterator[tuple[BoundRule, NDArray[np.bool_]]]:
        """Each rule that binds some of the groups, and by group whether it does."""
        holders: dict[int, tuple[BoundRule, list[int]]] = {}
        for number, rule_set in enumerate(self._sets):
            for bound in rule_set.rules:
                holders.setdefault(id(bound), (bound, []))[1].append(number)
        for bound, numbers in holders.values():
            yield bound, self._bound_by(numbers)

    def hygiene(self) -> Iterator[tuple[Hygiene, NDArray[np.bool_]]]:
        """Each set of hygiene rules that binds some of the groups, and by group whether it does."""
        holders: dict[Hygiene, list[int]] = {}
        for number, rule_set in enumerate(self._sets):
            holders.setdefault(rule_set.hygiene, []).append(number)
        for hygiene, numbers in holders.items():
            yield hygiene, self._bound_by(numbers)

    def _bound_by(self, numbers: list[int]) -> NDArray[np.bool_]:
        binding = np.zeros(len(self._sets), bool)
        binding[numbers] = True
        return binding[self._of_group]


def _untidy(hygiene: Hygiene, columns: Columns, rows: Rows) -> NDArray[np.bool_]:
    """By group: whether it can have a finding under these hygiene rules."""
    found = np.zeros(rows.groups, bool)
    if hygiene.required_tags:
        lacks = [bool(lacking(owner, hygiene.required_tags)) for owner in columns.owners]
        found |= np.array(lacks, bool)[columns.whose]
    if hygiene.min_description is not None:
        found |= columns.own_described < hygiene.min_description
        found |= rows.any(rows.described < hygiene.min_description)
    if hygiene.max_rules is not None:
        for direction in Direction:
            for weights in rows.weights(direction):
                found |= weights > hygiene.max_rules
    return found
