"""Judge the groups of a page: where it has columns, only those that the screen suspects are made and judged.

The others have no finding; the evaluator is told of them, so that who keeps account of groups misses none.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.evaluation.screen import Screen
    from sg_compliance.interfaces import Page
    from sg_compliance.model.columns import Head
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup


class Judged(NamedTuple):
    """A group that was judged, and where it stands in its page."""

    position: int
    group: SecurityGroup
    findings: list[Finding]


class Screening:
    """Judges under one policy. Safe to ask from several threads."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def judged(
        self, page: Page, wanted: Sequence[int], whatever: Callable[[SecurityGroup | Head], bool] = lambda _: False
    ) -> Iterator[Judged]:
        """Judge the groups at these positions. Left out are those without findings, save where `whatever` wants them.

        Left out only where it is known without making them: a page without columns is judged whole.
        """
        suspects = self._suspects(page) if wanted else ()
        heads = page.heads()
        for position in wanted:
            if position in suspects or whatever(heads[position]):
                group = page.groups[position]
                yield Judged(position, group, self._evaluator.evaluate(group, page.prefix_lists))
            else:
                self._evaluator.cleared(heads[position])

    def _suspects(self, page: Page) -> Container[int]:
        columns = page.told
        if columns is None:
            return range(len(page.groups))
        return frozenset(self._screen.suspects(columns, page.prefix_lists))

    @cached_property
    def _screen(self) -> Screen:
        from sg_compliance.evaluation.screen import Screen  # noqa: PLC0415 - NumPy is for pages with columns only

        return Screen(self._evaluator.policy)
