"""Carry a plan out, group by group: finish what was left open, look at the brakes, then one transaction each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sg_compliance.enforcement.calls import calls
from sg_compliance.enforcement.guards import MOST_GROUPS, MOST_PERCENT, budget, paused
from sg_compliance.enforcement.notices import stopped
from sg_compliance.enforcement.objections import Since, is_done, refusal
from sg_compliance.enforcement.refusals import GONE
from sg_compliance.errors import AwsError, SgComplianceError
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.workflows.transaction import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.enforcement.plan import Plan, PlannedGroup
    from sg_compliance.interfaces import Clock, RuleWriter
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.transaction import Stores


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
            raise StoppedError([str(pause)], "to let changes go on: sg-compliance resume")
        if problems:
            raise StoppedError(
                list(problems), "plan less (--rule, --group, --account …), or raise --max-groups and --max-percent"
            )

    def alert(self, error: StoppedError) -> None:
        """Tell people, and write down, that a run was stopped. Where that fails the error says so too."""
        try:
            self.stores.audit.append(self._event("stopped", problems=error.problems))
            self.stores.notifier.send(stopped(self.run.id, self.run.by, error.problems))
        except SgComplianceError as failed:
            error.problems.append(f"nobody was told: {failed}")

    def _event(self, name: str, **others: object) -> dict[str, object]:
        time = self.clock.now().isoformat()
        return {"time": time, "event": name, "run_id": self.run.id, "by": self.run.by, "why": self.run.why, **others}

    def apply(self, plan: Plan) -> Iterator[Outcome]:
        """Do what the plan lists, and nothing else. Raises StoppedError before the first change."""
        try:
            self.check(plan)
        except StoppedError as error:
            self.alert(error)
            raise
        plan_id = plan.id
        # A log that cannot be written is found out before the first change.
        self.stores.audit.append(self._event("begun", plan_id=plan_id, groups=len(plan.groups)))
        yield from self.finish(plan_id)
        transactions = Transactions(self.writer, self.stores, self.clock, self.run, self._since(plan))
        for planned in plan.groups:
            if self.stopping():
                return
            yield transactions.remediate(planned, plan_id, plan.tag_prefix)

    def _since(self, plan: Plan) -> Since:
        """What people did after the plan was made that speaks against it."""
        entries = self.stores.journal.entries(since=plan.created)
        granted = [each for each in self.stores.concessions.all() if each.created >= plan.created]
        return Since(frozenset(entry.place for entry in entries if entry.kind is EntryKind.ROLLBACK), tuple(granted))

    def finish(self, but_for: str = "") -> Iterator[Outcome]:
        """Finish what runs before this one have begun and left open, but for a plan that is about to be applied.

        What another run is at this very moment is none of our business.
        """
        transactions = Transactions(self.writer, self.stores, self.clock, self.run)
        for entry in self.stores.journal.unfinished():
            if self.stopping():
                return
            if not but_for or entry.plan_id != but_for:
                outcome = transactions.resume(entry)
                if outcome.status is not Status.LOCKED:
                    yield outcome

    def preview(self, plan: Plan) -> Iterator[Outcome]:
        """What `apply` would do now, read from AWS and changing nothing, not even locks."""
        since = self._since(plan)
        for planned in plan.groups:
            if self.stopping():
                return
            yield self._preview(planned, plan.tag_prefix, since)

    def _preview(self, planned: PlannedGroup, prefix: str, since: Since) -> Outcome:
        place, name = planned.place, planned.group.name
        try:
            group = self.writer.read(place, interfaces=planned.changes_rules)
        except AwsError as error:
            status = Status.GONE if error.code in GONE else Status.FAILED
            return Outcome(place, name, status, str(error), error.hint)
        if is_done(group, planned):
            return Outcome(place, name, Status.UNCHANGED, "the group is as planned already")
        reason, hint = refusal(group, planned, prefix, since, self.stores.concessions.all, self.clock.now())
        if reason:
            return Outcome(place, name, Status.REFUSED, reason, hint)
        return Outcome(place, name, Status.WOULD_CHANGE, calls=calls(group, planned.wanted))
