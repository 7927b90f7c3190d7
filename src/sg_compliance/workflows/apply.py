"""Carry a plan out, group by group: finish what was left open, look at the brakes, then one transaction each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sg_compliance.enforcement.calls import calls, settled
from sg_compliance.enforcement.guards import MOST_GROUPS, MOST_PERCENT, budget, fingerprint, paused
from sg_compliance.enforcement.notices import stopped
from sg_compliance.enforcement.refusals import GONE
from sg_compliance.errors import AwsError, SgComplianceError
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.workflows.transaction import Run, Stores, Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sg_compliance.enforcement.plan import Plan, PlannedGroup
    from sg_compliance.interfaces import Clock, RuleWriter
    from sg_compliance.model.security_group import Place


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one run may change: groups in all, and percent of an account's groups."""

    max_groups: int = MOST_GROUPS
    max_percent: float = MOST_PERCENT


class StoppedError(SgComplianceError):
    """A brake stopped the run before its first change. `problems` say which, in words."""

    def __init__(self, problems: list[str], hint: str) -> None:
        super().__init__("nothing was changed: " + "; ".join(problems), hint=hint)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Applying:
    """The world of one run. `stopping` is asked between two groups."""

    writer: RuleWriter
    stores: Stores
    clock: Clock
    run: Run
    budget: Budget = field(default_factory=Budget)
    stopping: Callable[[], bool] = lambda: False

    def check(self, plan: Plan) -> None:
        """Look at the brakes that stop a whole run. Raises StoppedError before anything is changed."""
        pause = paused(self.stores.switch.read(), self.clock.now())
        problems = budget(
            plan.by_account(),
            plan.totals,
            max_groups=self.budget.max_groups,
            max_percent=self.budget.max_percent,
        )
        if pause:
            raise StoppedError([str(pause)], "sg-compliance resume lets changes go on")
        if problems:
            raise StoppedError(
                list(problems), "plan less (--rule, --group, --account …), or raise --max-groups and --max-percent"
            )

    def alert(self, error: StoppedError) -> None:
        """Tell people, and write down, that a run was stopped."""
        self.stores.audit.append(
            {
                "time": self.clock.now().isoformat(),
                "event": "stopped",
                "run_id": self.run.id,
                "by": self.run.by,
                "problems": error.problems,
            }
        )
        self.stores.notifier.send(stopped(self.run.id, self.run.by, error.problems))

    def apply(self, plan: Plan) -> Iterator[Outcome]:
        """Do what the plan lists, and nothing else. Raises StoppedError before the first change."""
        try:
            self.check(plan)
        except StoppedError as error:
            self.alert(error)
            raise
        transactions = Transactions(self.writer, self.stores, self.clock, self.run)
        own, plan_id = {each.place for each in plan.groups}, plan.id
        yield from self.finish(leave=own)
        for planned in plan.groups:
            if self.stopping():
                return
            yield transactions.remediate(planned, plan_id, plan.tag_prefix)

    def finish(self, leave: Collection[Place] = ()) -> Iterator[Outcome]:
        """Finish what runs before this one have begun and left open, but for places that are looked at anyway."""
        transactions = Transactions(self.writer, self.stores, self.clock, self.run)
        for entry in self.stores.journal.unfinished():
            if self.stopping():
                return
            if entry.place not in leave:
                yield transactions.resume(entry)

    def preview(self, plan: Plan) -> Iterator[Outcome]:
        """What `apply` would do now, read from AWS and changing nothing, not even locks."""
        for planned in plan.groups:
            if self.stopping():
                return
            yield self._preview(planned, plan.tag_prefix)

    def _preview(self, planned: PlannedGroup, prefix: str) -> Outcome:
        place, name = planned.place, planned.group.name
        try:
            group = self.writer.read(place)
        except AwsError as error:
            status = Status.GONE if error.code in GONE else Status.FAILED
            return Outcome(place, name, status, str(error), error.hint)
        if settled(group, planned.wanted):
            return Outcome(place, name, Status.UNCHANGED, "the group is as planned already")
        if fingerprint(group, prefix) != planned.fingerprint:
            return Outcome(place, name, Status.REFUSED, "changed since the plan was made", "plan again")
        return Outcome(place, name, Status.WOULD_CHANGE, calls=calls(group, planned.wanted))
