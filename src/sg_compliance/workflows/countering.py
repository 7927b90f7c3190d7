"""Counter what was found at a group: decide by the ladder, look at the brakes, and change it by the transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.enforcement.decide import Action, Circumstances, decide
from sg_compliance.enforcement.guards import flapping, held
from sg_compliance.enforcement.plan import NotPlanned, PlannedGroup
from sg_compliance.enforcement.planning import Planning
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.metric import Metric, MetricName, seconds
from sg_compliance.model.outcome import Status
from sg_compliance.realtime.alerts import answers
from sg_compliance.workflows.transaction import Transactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Notifier
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place, SecurityGroup
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.case import Case, Surroundings
    from sg_compliance.workflows.transaction import Stores

_PLAN: Final = "event-"
_REMEMBERED: Final = timedelta(days=30)
"""How far back the journal is asked for holds and for what puts rules back."""

_HOUR: Final = timedelta(hours=1)
_UNTIL_A_SLOT: Final = timedelta(minutes=10)
LEASE: Final = timedelta(seconds=75)
"""Whoever comes next goes on with what a killed function has begun once this has run out. No call takes half of it."""


class Countered(NamedTuple):
    """What was to be done (None: nothing), and what came of it. `told`: people were told of the change.

    `finished`: what others had left half done stood in the way, and was gone on with. `again`: when a brake may have
    lifted.
    """

    planned: PlannedGroup | NotPlanned | None
    done: str
    outcome: Outcome | None = None
    emergency: bool = False
    told: bool = False
    finished: tuple[Finished, ...] = ()
    again: datetime | None = None


class Finished(NamedTuple):
    """What others have left open, and what came of going on with it."""

    entry: Entry
    outcome: Outcome

    @property
    def changed(self) -> bool:
        """Whether the group is remediated by it."""
        return self.outcome.status is Status.CHANGED and self.entry.kind is EntryKind.REMEDIATION

    @property
    def emergency(self) -> bool:
        """Whether it was begun as an emergency."""
        return bool(self.entry.answers.get("emergency"))

    def said(self) -> str:
        """What was done."""
        return f"finished what {self.entry.run_id} had begun: {said(self.outcome)}"


class _Heard:
    """Passes on what people are told, and knows whether they were."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self.told = False

    def send(self, notice: Notice) -> None:
        self._notifier.send(notice)
        self.told = True


class Countering:
    """Counters under one policy."""

    def __init__(self, world: Surroundings, evaluator: Evaluator) -> None:
        self._world = world
        self._evaluator = evaluator
        self._policies = evaluator.policy.document.policies()

    @property
    def may_act(self) -> bool:
        """Whether this deployment lets real time remediate."""
        return self._world.terms.acting and not self._world.terms.dry_run

    def finish(self, place: Place) -> tuple[Finished, ...]:
        """Finish a remediation that others have left open, where there is one; a rollback is left to people."""
        left = [each for each in self._world.stores.journal.unfinished() if each.place == place]
        open_ = [each for each in left if each.kind is not EntryKind.ROLLBACK]
        finished = tuple(Finished(each, self._transactions(self._world.stores).resume(each)) for each in open_)
        for each in finished:
            if each.changed:
                self._count(place, each.entry.answers)
        return finished

    def counter(self, case: Case) -> Countered:
        """Do what is to be done about the case."""
        planned, emergency = self._planned(case)
        if not isinstance(planned, PlannedGroup):
            nothing = "what violates is not shown yet" if case.findings else "nothing has to be done"
            return Countered(planned, planned.reason if planned else nothing, again=self._when(case))
        hindered, again = self._hindered(case, planned)
        if hindered:
            return Countered(planned, hindered, emergency=emergency, again=again)
        outcome, told = self._change(case, planned, emergency=emergency)
        finished = self.finish(case.group.place) if outcome.status is Status.REFUSED else ()
        return Countered(planned, said(outcome), outcome, emergency, told, finished)

    def _planned(self, case: Case) -> tuple[PlannedGroup | NotPlanned | None, bool]:
        """What to do, and whether it is an emergency. The journal is asked only where something is to be changed."""
        circumstances = Circumstances(automatic=True, severity=self._world.terms.severity, prompt=case.prompt)
        now, policy = self._world.clock.now(), self._evaluator.policy
        emergency = any(
            case.prompt.is_emergency(each) and decide(each, policy, circumstances, now).action is Action.REMEDIATE
            for each in case.shown
        )
        mode = self._policies.real_time_scanning.remediation_settings.emergency_remediation.lockdown_mode
        planning = Planning(
            policy=policy,
            circumstances=circumstances,
            now=now,
            strategy=Strategy.LOCKDOWN if emergency and mode.remove_all_rules else None,
            concessions=self._world.stores.concessions.all() if case.shown else (),
            emergency=emergency and mode.tag_as_emergency,
            explained=mode.add_dummy_rule or not emergency,
        )
        planned = self._decided(planning, case)
        if isinstance(planned, PlannedGroup) and planned.changes_rules:
            case.past.extend(self._past(case.group.place))
            planned = self._decided(replace(planning, entries={case.group.place: case.past}), case)
        return planned, emergency

    def _decided(self, planning: Planning, case: Case) -> PlannedGroup | NotPlanned | None:
        lists = case.looked.prefix_lists
        return planning.decide(
            case.group,
            case.shown,
            lists,
            lambda group: self._evaluator.evaluate(group, lists),
            compliant=not case.findings,
        )

    def _past(self, place: Place) -> list[Entry]:
        since = self._world.clock.now() - _REMEMBERED
        return [each for each in self._world.stores.journal.entries(place.group_id, since=since) if each.place == place]

    def _when(self, case: Case) -> datetime | None:
        """When a brake that kept the group from being changed will have lifted; None where none did."""
        now = self._world.clock.now()
        hold = held(case.past, now)
        return hold or (now + _HOUR if case.past and flapping(case.past, now) else None)

    def _hindered(self, case: Case, planned: PlannedGroup) -> tuple[str, datetime | None]:
        """Why this deployment does not do it, or not now, and when it may."""
        terms, now = self._world.terms, self._world.clock.now()
        would = f"would be changed ({planned.strategy})"
        if terms.dry_run:
            return f"dry run: {would}", None
        if not terms.acting:
            return f"changes in real time are not switched on: {would}", None
        if planned.is_remediation and case.settling:
            return "the group is new: it is changed at the second look, once its tags can be there", None
        place = case.group.place
        if planned.changes_rules and not self._has_slot(place, now):
            reason = f"at most {terms.most_groups_per_hour} groups may be changed in real time within an hour"
            return f"left alone for now: {reason}", now + _UNTIL_A_SLOT
        return "", None

    def _has_slot(self, place: Place, now: datetime) -> bool:
        """The brake that keeps a bad policy from locking the organisation, event by event."""
        most = self._world.terms.most_groups_per_hour
        return self._world.slots.take("real-time", str(place), most, _HOUR, now)

    def _transactions(self, stores: Stores, run: Run | None = None) -> Transactions:
        world = self._world
        run = replace(run or world.run, contacts=world.terms.contacts)
        return Transactions(world.writer, stores, world.clock, run, lease=LEASE)

    def _change(self, case: Case, planned: PlannedGroup, *, emergency: bool) -> tuple[Outcome, bool]:
        """Change the group, as it is decided about under the lock; and whether people were told of it."""
        world, change = self._world, case.cause.change
        heard = _Heard(world.stores.notifier)
        why = f"event {change.event_id}: {change.event_name} by {change.principal.arn or change.principal.name}"
        transactions = self._transactions(replace(world.stores, notifier=heard), replace(world.run, why=why))
        handling = self._policies.compliance_actions.violation_handling
        answered = answers(
            change, case.shown, emergency=emergency, strategy=planned.strategy, received=case.cause.received
        )
        outcome = transactions.remediate(
            planned,
            f"{_PLAN}{change.event_id}",
            handling.tag_prefix,
            lambda group: self._replanned(case, group),
            answered,
        )
        if outcome.status is Status.CHANGED and planned.is_remediation:
            self._count(case.group.place, answered)
        return outcome, heard.told

    def _replanned(self, case: Case, group: SecurityGroup) -> PlannedGroup | None:
        """What is planned for the group as it is by now, about the same findings; None where they are gone."""
        found = {each.id for each in self._evaluator.evaluate(group, case.looked.prefix_lists)}
        shown = tuple(each for each in case.shown if each.id in found)
        planned, _ = self._planned(replace(case, looked=case.looked._replace(group=group), shown=shown, past=[]))
        return planned if isinstance(planned, PlannedGroup) and planned.is_remediation else None

    def _count(self, place: Place, answered: Mapping[str, Any]) -> None:
        """Publish figures of a change, by what it is in answer to; there are none where it answers no event."""
        if not answered:
            return
        put, account = self._world.metrics.put, {"account": place.account_id}
        put(Metric(MetricName.REMEDIATION_ACTIONS, dimensions={**account, "strategy": answered["strategy"]}))
        latency = self._world.clock.now() - datetime.fromisoformat(answered["received"])
        put(Metric(MetricName.CONTAINMENT_LATENCY, seconds(latency)))
        if answered["emergency"]:
            put(Metric(MetricName.EMERGENCY_REMEDIATIONS_PERFORMED, dimensions=account))


def said(outcome: Outcome) -> str:
    """What came of a change, and how to undo it, in a line."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    undo = f"; to undo it: sg-compliance rollback {outcome.backup_id}" if outcome.backup_id else ""
    return f"{outcome.status.value}{reason}{undo}"
