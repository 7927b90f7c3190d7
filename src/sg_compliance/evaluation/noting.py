"""An evaluator that remembers what it found, for a command that was asked about groups by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.evaluation.evaluate import Evaluator

if TYPE_CHECKING:
    from sg_compliance.model.columns import Head
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import PrefixLists, SecurityGroup


class Noting(Evaluator):
    """`found`: the findings of the groups that were judged, by id and by name; groups may share a name."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator.policy, evaluator.now)
        self.found: dict[str, list[Finding]] = {}

    def evaluate(self, group: SecurityGroup, prefix_lists: PrefixLists) -> list[Finding]:
        """As it is; and note it."""
        findings = super().evaluate(group, prefix_lists)
        self._note(group, findings)
        return findings

    def cleared(self, group: SecurityGroup | Head) -> None:
        """Note that it has none."""
        self._note(group, [])

    def _note(self, group: SecurityGroup | Head, findings: list[Finding]) -> None:
        for key in {group.group_id, group.name}:
            self.found.setdefault(key, []).extend(findings)
