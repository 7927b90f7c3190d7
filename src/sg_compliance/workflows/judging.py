"""Judge a group that an event tells of: what AWS shows joined with what was just added, as a scan judges, and dated."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.metric import Metric, MetricName, seconds
from sg_compliance.realtime.critical import made_critical
from sg_compliance.realtime.expected import (
    LAG,
    added_rules,
    brought_about,
    missing_rules,
    with_entries,
    with_expected,
)
from sg_compliance.realtime.touch import cause_of
from sg_compliance.workflows.case import Case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sg_compliance.enforcement.prompt import Prompt
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Looked
    from sg_compliance.model.security_group import Place
    from sg_compliance.realtime.touch import Touch
    from sg_compliance.workflows.case import Surroundings

_LONGEST_CHANGE: Final = timedelta(hours=1)


class Judging:
    """Judges groups under one policy."""

    def __init__(self, world: Surroundings, evaluator: Evaluator) -> None:
        self._world = world
        self._evaluator = evaluator

    def case(self, looked: Looked, asked: datetime, touches: Sequence[Touch], prompt: Prompt) -> Case:
        """The case as it stands. Remembers what was found, and that the rest is gone where AWS shows all.

        `asked` is when AWS was asked: what others have seen since is not gone.
        """
        group, lists = looked
        changes, now = [each.change for each in touches], self._world.clock.now()
        has_time = now - max(each.received for each in touches) < self._world.terms.look_again_for
        unseen = missing_rules(group, changes, now) if has_time else ()
        missing = missing_rules(group, changes, now, self._changed_by_us(group.place, now)) if unseen else ()
        known = with_entries(lists, changes, now) if has_time else lists
        lagging = bool(missing) or known is not lists
        found = self._evaluator.evaluate(with_expected(group, missing), known)
        scanning = self._evaluator.policy.document.policies().real_time_scanning
        patterns = scanning.detection_rules.risky_rule_added.critical_patterns
        raised = made_critical(found, added_rules(changes, group), patterns, known)
        dated = self._world.history.seen(raised, now)
        if not lagging:
            self._world.history.gone(group.place, [each.id for each in dated], as_of=asked)
        open_ = tuple(each for each in dated if each.state is FindingState.OPEN)
        shown = open_
        if lagging:
            ids = {each.id for each in self._evaluator.evaluate(group, lists)}
            shown = tuple(each for each in open_ if each.id in ids)
        case = Case(
            looked=looked,
            touches=touches,
            cause=cause_of(touches, open_, group),
            prompt=prompt._replace(fresh=brought_about(open_, changes, group)),
            findings=open_,
            shown=shown,
            missing=lagging,
            doubtful=len(missing) < len(unseen),
            judged=self._world.clock.now(),
            known=frozenset(each.id for each in dated),
        )
        if case.is_first_look:
            self._measured(case)
        return case

    def _changed_by_us(self, place: Place, now: datetime) -> datetime | None:
        entries = self._world.stores.journal.entries(group_id=place.group_id, since=now - LAG - _LONGEST_CHANGE)
        own = [
            each.ended or each.started for each in entries if each.place == place and each.kind is not EntryKind.TAGGING
        ]
        return max(own, default=None)

    def _measured(self, case: Case) -> None:
        put, change = self._world.metrics.put, case.cause.change
        put(Metric(MetricName.DETECTION_LATENCY, seconds(case.judged - change.event_time)))
        put(Metric(MetricName.REAL_TIME_SCAN_DURATION, seconds(case.judged - case.cause.received)))
        critical = sum(each.severity is Severity.CRITICAL for each in case.findings)
        if critical:
            put(Metric(MetricName.CRITICAL_VIOLATIONS_FOUND, critical, {"account": case.group.account_id}))
