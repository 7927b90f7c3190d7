"""The figures of a plan: how many groups of each account, and whether the budget of a run would stop it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from sg_compliance.enforcement.guards import MOST_GROUPS, MOST_PERCENT, budget
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.enforcement.plan import Plan


class Limits(NamedTuple):
    """How much one run may change."""

    max_groups: int = MOST_GROUPS
    max_percent: float = MOST_PERCENT

    def problems(self, plan: Plan) -> tuple[str, ...]:
        """Why the plan would not be applied as a whole."""
        return budget(plan.by_account(), plan.totals, self.max_groups, self.max_percent)


def totals_text(plan: Plan) -> str:
    """`2 groups would be changed: 1 lockdown, 1 trim; 3 only tagged; 4 left alone`."""
    changing = [planned for planned in plan.groups if planned.changes_rules]
    counts = Counter(planned.strategy for planned in changing)
    how = f": {', '.join(f'{number} {strategy}' for strategy, number in sorted(counts.items()))}" if counts else ""
    tagged, left = len(plan.groups) - len(changing), len(plan.not_planned)
    return (
        f"{counted(len(changing), 'group') if changing else 'no group'} would be changed{how}"
        f"{f'; {tagged} only tagged' if tagged else ''}{f'; {left} left alone' if left else ''}"
    )


def account_lines(plan: Plan) -> Iterator[Text]:
    """How much of each account."""
    for account, number in sorted(plan.by_account().items()):
        total = plan.totals.get(account, 0)
        share = f" ({number * 100 / total:.1f} %)" if total and number < total else ""
        yield Text(f"  {visible(account)}  {number} of {counted(total, 'group')}{share}")


def budget_lines(plan: Plan, limits: Limits) -> Iterator[Text]:
    """Whether the budget of a run would stop it, and what would let it through."""
    problems = limits.problems(plan)
    for problem in problems:
        yield Text.assemble(("over budget: ", "bold yellow"), visible(problem))
    if problems:
        said = f"plan less (--rule, --group, --account …), or apply with{_flags(_enough(plan, limits), limits)}"
        yield Text.assemble(("  help: ", "cyan"), said)


def _flags(enough: Limits, limits: Limits) -> str:
    groups = f" --max-groups {enough.max_groups}" if enough.max_groups > limits.max_groups else ""
    return groups + (f" --max-percent {enough.max_percent:g}" if enough.max_percent > limits.max_percent else "")


def _enough(plan: Plan, limits: Limits) -> Limits:
    """The least that lets the plan through, no less than now."""
    shares = [
        math.ceil(number * 100 / max(plan.totals.get(account, 0), 1))
        for account, number in plan.by_account().items()
        if number > 1
    ]
    return Limits(max(limits.max_groups, plan.by_account().total()), max([limits.max_percent, *map(float, shares)]))


def policy_text(plan: Plan) -> str:
    """By which policy it was decided."""
    version = f" version {plan.policy_version}" if plan.policy_version else ""
    return visible(f"policy {plan.policy_source}{version} {plan.policy_hash[:19]}")


def counted(number: int, noun: str) -> str:
    """`1 group`, `1,200 groups`."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
