"""React to what events say of one group: look, judge, counter, tell, and look again where that is needed.

Events are believed for where to look, and for a rule that was just added and is not shown yet. What is changed is
what AWS shows, by the same transaction as everywhere, and within the same brakes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.plan import PlannedGroup
from sg_compliance.enforcement.prompt import prompt_of
from sg_compliance.enforcement.refusals import GONE, IN_FLUX
from sg_compliance.errors import AwsError
from sg_compliance.model.outcome import Status
from sg_compliance.policy.cadence import Cadence, cadence_of, is_told
from sg_compliance.realtime.alerts import alert
from sg_compliance.realtime.expected import LAG, is_vague
from sg_compliance.realtime.record import ChangeKind
from sg_compliance.realtime.response import Reaction, Response
from sg_compliance.realtime.touch import has_time, newest, telling
from sg_compliance.workflows.countering import Countering
from sg_compliance.workflows.judging import Judging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sg_compliance.enforcement.plan import NotPlanned
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Looked
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import Place
    from sg_compliance.policy.document import Policies
    from sg_compliance.policy.reaction import DetectionRules
    from sg_compliance.realtime.touch import Touch
    from sg_compliance.workflows.case import Case, Surroundings
    from sg_compliance.workflows.countering import Countered, Finished

_VAGUE_LOOKS: Final = 6
"""Two minutes of looks after an event that does not tell what was added."""

_ROUNDS: Final = 2
"""What others had left half done may stand in the way once."""

_WHILE_LOCKED: Final = timedelta(seconds=15)
_WHILE_REFUSED: Final = timedelta(minutes=5)
_UNFINISHED: Final = frozenset({Status.LOCKED, Status.FAILED, Status.INCOMPLETE})
_SETTLING: Final = timedelta(seconds=10)
"""How long a new group is left alone: its tags come in calls of their own."""


@dataclass(frozen=True, slots=True)
class Reacted(Response):
    """A response to what was judged, with what was to be done; None: nothing."""

    planned: PlannedGroup | NotPlanned | None = None


def _switched_off(rules: DetectionRules, *, created: bool) -> str:
    """The key by which the policy does not want to hear of such events; empty where it does."""
    name = "new_security_group_created" if created else "risky_rule_added"
    off = next((key for key in ("enabled", "immediate_scan") if not getattr(getattr(rules, name), key)), "")
    return f"real_time_scanning.detection_rules.{name}.{off} is false" if off else ""


class Reacting:
    """Reacts to group after group under one policy. Raises SgComplianceError where the message must come again."""

    def __init__(self, world: Surroundings, evaluator: Evaluator) -> None:
        self._world = world
        self._evaluator = evaluator
        self._policies: Policies = evaluator.policy.document.policies()
        self._judging = Judging(world, evaluator)
        self._countering = Countering(world, evaluator)

    def react(self, place: Place, touches: Sequence[Touch]) -> Response:
        """Do what the policy wants about the group that these changes touched."""
        watched, ignored = self._watched(touches)
        if not watched or not self._evaluator.policy.watches(place.account_id):
            return Response(place, Reaction.NOT_WATCHED, ignored or "the policy does not watch the account")
        scanning = self._policies.real_time_scanning
        prompt = prompt_of(scanning, created=all(each.is_creation for each in watched))
        finished: list[Finished] = []
        for attempt in range(_ROUNDS):
            asked = self._world.clock.now()
            try:
                looked = self._look(place, watched, finished)
                case = self._judging.case(looked, asked, watched, prompt)
            except AwsError as error:
                if error.code in GONE:
                    return self._gone(place, watched, asked)
                if error.code == IN_FLUX and self._has_time(watched):
                    return self._again(place, watched, str(error))
                raise
            countered = self._countering.counter(case)
            finished += countered.finished
            if not countered.finished or attempt == _ROUNDS - 1:
                return self._reacted(case, countered, finished)
        raise AssertionError  # pragma: no cover - the last round returns

    def _watched(self, touches: Sequence[Touch]) -> tuple[list[Touch], str]:
        """The touches that the policy wants to hear of; why it does not of the others."""
        scanning = self._policies.real_time_scanning
        if not scanning.enabled:
            return [], "real_time_scanning.enabled is false"
        off = {created: _switched_off(scanning.detection_rules, created=created) for created in (True, False)}
        watched = [each for each in touches if not off[each.is_creation]]
        return watched, next((off[each.is_creation] for each in touches if off[each.is_creation]), "")

    def _look(self, place: Place, touches: Sequence[Touch], finished: list[Finished]) -> Looked:
        """The group, once what was left half done to it is `finished`: its tags tell that there may be such."""
        looked = self._world.lookup.group(place)
        prefix = self._policies.compliance_actions.violation_handling.tag_prefix
        suspicious = looked.group.tag(f"{prefix}BACKUP_ID") or any(each.again or each.attempt for each in touches)
        left = self._countering.finish(place) if suspicious and self._countering.may_act else ()
        finished += left
        return self._world.lookup.group(place) if left else looked

    def _gone(self, place: Place, touches: Sequence[Touch], asked: datetime) -> Response:
        """A group that was only just made may not be shown yet."""
        last = newest(touches)
        recent = self._world.clock.now() - last.change.event_time < LAG
        if last.change.kind is not ChangeKind.DELETED and recent and self._has_time(touches):
            return self._again(place, touches, "AWS does not show the group yet")
        self._world.history.gone(place, as_of=asked)
        return Response(place, Reaction.GONE, "the group is not there (any more)", received=last.received)

    def _again(self, place: Place, touches: Sequence[Touch], why: str) -> Response:
        """Look at the group once more, with all that the events tell."""
        due = self._world.clock.now() + newest(touches).next_delay()
        self._look_at(place, telling(touches), due)
        return Response(place, Reaction.LOOK_AGAIN, why, look_again=due, received=newest(touches).received)

    def _has_time(self, touches: Sequence[Touch]) -> bool:
        return has_time(touches, self._world.clock.now(), self._world.terms.look_again_for)

    def _reacted(self, case: Case, countered: Countered, finished: Sequence[Finished]) -> Response:
        response = self._with_finished(self._response(case, countered), finished)
        self._tell(case, response, told=countered.told)
        done = countered.outcome and countered.outcome.status is Status.CHANGED
        if done and isinstance(countered.planned, PlannedGroup):
            closed = {each["id"] for each in countered.planned.closed}
            self._world.history.gone(case.group.place, case.known - closed, as_of=self._world.clock.now())
        response = replace(response, look_again=self._next_look(case, countered, finished))
        outcome = countered.outcome
        if outcome and outcome.status in {Status.FAILED, Status.INCOMPLETE}:
            raise AwsError(f"{case.group.place}: {outcome.reason}", hint=outcome.hint)
        return response

    def _with_finished(self, response: Response, finished: Sequence[Finished]) -> Response:
        """Where what others had begun closed the group, that is what was done, whatever was left to do after it."""
        closing = next((each for each in reversed(finished) if each.changed), None)
        if closing is None:
            return response
        emergency = response.emergency or closing.emergency
        if response.outcome and response.outcome.status is Status.CHANGED:
            return replace(response, done=f"{closing.said()}; then {response.done}", emergency=emergency)
        then = f"; then {response.done}" if response.reaction is not Reaction.COMPLIANT else ""
        return replace(
            response,
            reaction=Reaction.CHANGED,
            done=closing.said() + then,
            outcome=response.outcome or closing.outcome,
            emergency=emergency,
            closed=self._world.clock.now(),
        )

    def _response(self, case: Case, countered: Countered) -> Response:
        reaction, closed, outcome = Reaction.COMPLIANT, None, countered.outcome
        if outcome and outcome.status is Status.CHANGED:
            reaction, closed = Reaction.CHANGED, self._world.clock.now()
        elif isinstance(countered.planned, PlannedGroup) and outcome is None:
            reaction = Reaction.WOULD_CHANGE
        elif case.findings:
            reaction = Reaction.REPORTED
        return Reacted(
            place=case.group.place,
            reaction=reaction,
            done=f"{countered.done}; AWS does not show all rules yet" if case.missing else countered.done,
            name=case.group.name,
            findings=case.findings,
            outcome=outcome,
            emergency=countered.emergency,
            received=case.cause.received,
            judged=case.judged,
            closed=closed,
            planned=countered.planned,
        )

    def _tell(self, case: Case, response: Response, *, told: bool) -> None:
        """Tell people at once of what is told at once and was not yet. Raises SgComplianceError where nobody was told.

        `told`: they know of the change, and of what AWS showed by then.
        """
        world = self._world
        known = case.shown if told else ()
        wanted = [each for each in case.findings if each not in known and self._is_told_at_once(each, case)]
        ids = world.history.untold([*known, *wanted])
        untold = [each for each in wanted if each.id in ids]
        if untold:
            notice = alert(
                case.cause.change,
                case.group,
                untold,
                response.done,
                world.terms.contacts,
                guilty=case.is_brought_about,
            )
            world.stores.notifier.send(notice)
        noted = [each for each in (*known, *wanted) if each.id in ids]
        if noted:
            world.history.told(noted, world.clock.now())

    def _is_told_at_once(self, finding: Finding, case: Case) -> bool:
        rules = self._policies.real_time_scanning.detection_rules
        detection = rules.new_security_group_created if case.cause.is_creation else rules.risky_rule_added
        at_once = cadence_of(finding.severity, self._policies) is Cadence.AT_ONCE
        return at_once and detection.notify_on_violations and is_told(case.group.account_id, self._evaluator.policy)

    def _next_look(self, case: Case, countered: Countered, finished: Sequence[Finished]) -> datetime | None:
        """When the group is looked at once more; it is seen to that it is.

        Also where what others began could not be finished yet: a killed run's lock stands until its lease is over.
        """
        now = self._world.clock.now()
        waits = [*self._waits(case, countered, now)]
        if any(each.outcome.status in _UNFINISHED for each in finished):
            waits.append(now + _WHILE_LOCKED)
        if not waits:
            return None
        self._look_at(case.group.place, telling(case.touches), min(waits))
        return min(waits)

    def _waits(self, case: Case, countered: Countered, now: datetime) -> Iterator[datetime]:
        """When there is something to look at: what is not shown, tags of a new group, a brake, a grace period."""
        vague = case.doubtful or any(is_vague(each.change) for each in case.touches)
        if case.missing or (vague and case.cause.attempt < _VAGUE_LOOKS):
            yield now + case.cause.next_delay()
        if case.settling:
            yield now + _SETTLING
        if countered.outcome and countered.outcome.status in {Status.LOCKED, Status.REFUSED}:
            yield now + (_WHILE_LOCKED if self._has_time(case.touches) else _WHILE_REFUSED)
        if countered.again:
            yield countered.again
        yield from (due for due in map(case.prompt.due, case.shown) if due and due > now)

    def _look_at(self, place: Place, touches: Sequence[Touch], due: datetime) -> None:
        now = self._world.clock.now()
        for look in (touch.look(place, due) for touch in touches):
            if look:
                self._world.later.look(look, look.left(now))
