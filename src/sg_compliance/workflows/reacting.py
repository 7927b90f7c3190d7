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
from sg_compliance.realtime.expected import LAG, is_vague, missing_rules
from sg_compliance.realtime.record import ChangeKind
from sg_compliance.realtime.response import Reaction, Response
from sg_compliance.realtime.touch import has_time, newest
from sg_compliance.workflows.countering import Countering
from sg_compliance.workflows.judging import Judging

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sg_compliance.enforcement.plan import NotPlanned
    from sg_compliance.enforcement.prompt import Prompt
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Looked
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place
    from sg_compliance.policy.document import Policies
    from sg_compliance.realtime.touch import Touch
    from sg_compliance.workflows.case import Case, Surroundings
    from sg_compliance.workflows.countering import Countered

_WHILE_LOCKED: Final = timedelta(seconds=15)
_SETTLING: Final = timedelta(seconds=10)
"""How long a new group is left alone: its tags come in calls of their own."""


@dataclass(frozen=True, slots=True)
class Reacted(Response):
    """A response to what was judged, with what was to be done; None: nothing."""

    planned: PlannedGroup | NotPlanned | None = None


_VAGUE_LOOKS: Final = 6
"""Two minutes of looks after an event that does not tell what was added."""


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
        prompt, ignored = self._prompt(touches)
        if ignored or not self._evaluator.policy.watches(place.account_id):
            return Response(place, Reaction.NOT_WATCHED, ignored or "the policy does not watch the account")
        try:
            looked = self._look(place, touches)
        except AwsError as error:
            if error.code in GONE:
                return self._gone(place, touches)
            if error.code == IN_FLUX and self._has_time(touches):
                return self._again(place, newest(touches), str(error))
            raise
        return self._reacted(self._judging.case(looked, touches, prompt))

    def _prompt(self, touches: Sequence[Touch]) -> tuple[Prompt, str]:
        """How far the policy lets these events go, and why they are passed over where they are."""
        scanning = self._policies.real_time_scanning
        rules, created = scanning.detection_rules, all(each.is_creation for each in touches)
        prompt = prompt_of(scanning, created=created)
        detection = rules.new_security_group_created if created else rules.risky_rule_added
        if not scanning.enabled:
            return prompt, "real_time_scanning.enabled is false"
        off = next((key for key in ("enabled", "immediate_scan") if not getattr(detection, key)), "")
        return prompt, f"{prompt.detection}.{off} is false" if off else ""

    def _look(self, place: Place, touches: Sequence[Touch]) -> Looked:
        """The group, once what was left half done to it is finished: its tags tell that there may be such."""
        looked = self._world.lookup.group(place)
        prefix = self._policies.compliance_actions.violation_handling.tag_prefix
        suspicious = looked.group.tag(f"{prefix}BACKUP_ID") or any(each.again for each in touches)
        if suspicious and self._countering.may_act and self._countering.finish(place):
            return self._world.lookup.group(place)
        return looked

    def _gone(self, place: Place, touches: Sequence[Touch]) -> Response:
        """A group that was only just made may not be shown yet."""
        last = newest(touches)
        recent = self._world.clock.now() - last.change.event_time < LAG
        if last.change.kind is not ChangeKind.DELETED and recent and self._has_time(touches):
            return self._again(place, last, "AWS does not show the group yet")
        self._world.history.gone(place)
        return Response(place, Reaction.GONE, "the group is not there (any more)", received=last.received)

    def _again(self, place: Place, touch: Touch, why: str) -> Response:
        due = self._world.clock.now() + touch.next_delay()
        self._look_at(place, [touch], due)
        return Response(place, Reaction.LOOK_AGAIN, why, look_again=due, received=touch.received)

    def _has_time(self, touches: Sequence[Touch]) -> bool:
        return has_time(touches, self._world.clock.now(), self._world.terms.look_again_for)

    def _reacted(self, case: Case) -> Response:
        countered = self._countering.counter(case)
        response = self._response(case, countered)
        self._tell(case, response, told=countered.told)
        response = replace(response, look_again=self._next_look(case, response))
        outcome = countered.outcome
        if outcome and outcome.status in {Status.FAILED, Status.INCOMPLETE}:
            raise AwsError(f"{case.group.place}: {outcome.reason}", hint=outcome.hint)
        return response

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
        """Tell people at once of what is told at once and was not yet. `told`: they know of the change already.

        Raises SgComplianceError where nobody was told.
        """
        world = self._world
        wanted = [each for each in case.findings if self._is_told_at_once(each, case)]
        asked = case.findings if told else wanted
        ids = world.history.untold(asked)
        untold = [each for each in asked if each.id in ids]
        if untold and not told:
            world.stores.notifier.send(
                alert(case.cause.change, case.group, untold, response.done, world.terms.contacts)
            )
        if untold:
            world.history.told(untold, world.clock.now())

    def _is_told_at_once(self, finding: Finding, case: Case) -> bool:
        rules = self._policies.real_time_scanning.detection_rules
        detection = rules.new_security_group_created if case.cause.is_creation else rules.risky_rule_added
        at_once = cadence_of(finding.severity, self._policies) is Cadence.AT_ONCE
        return at_once and detection.notify_on_violations and is_told(case.group.account_id, self._evaluator.policy)

    def _next_look(self, case: Case, response: Response) -> datetime | None:
        """When the group is looked at once more; it is seen to that it is."""
        now = self._world.clock.now()
        waits = [*self._waits(case, response.outcome, now)]
        if not waits:
            return None
        self._look_at(case.group.place, self._lagging(case, now) if case.missing else [case.cause], min(waits))
        return min(waits)

    def _waits(self, case: Case, outcome: Outcome | None, now: datetime) -> list[datetime]:
        vague = any(is_vague(each.change) and each.attempt < _VAGUE_LOOKS for each in case.touches)
        lagging = [now + case.cause.next_delay()] if case.missing or vague else []
        settling = [now + _SETTLING] if case.settling else []
        status = outcome.status if outcome else None
        in_the_way = status is Status.LOCKED or (status is Status.REFUSED and self._has_time(case.touches))
        blocked = [now + _WHILE_LOCKED] if in_the_way else []
        dues = [due for due in map(case.prompt.due, case.shown) if due and due > now]
        return [*lagging, *settling, *blocked, *dues]

    def _lagging(self, case: Case, now: datetime) -> list[Touch]:
        """The touches whose rules are not shown: each is waited for."""
        found = [each for each in case.touches if missing_rules(case.group, [each.change], now)]
        return found or [case.cause]

    def _look_at(self, place: Place, touches: Sequence[Touch], due: datetime) -> None:
        now = self._world.clock.now()
        for look in (touch.look(place, due) for touch in touches):
            if look:
                self._world.later.look(look, look.left(now))
