"""The scan that runs by itself: everything is read and judged, told in figures, and where it is let mended.

What could not be told or kept is said in `problems`, and never stops the rest. A patrol of less than all publishes no
figures: they would look as if the rest had been mended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.decide import Circumstances
from sg_compliance.errors import SgComplianceError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.model.outcome import Status
from sg_compliance.workflows.apply import StoppedError
from sg_compliance.workflows.dated import Dated
from sg_compliance.workflows.narrowing import Narrowed, Narrowing
from sg_compliance.workflows.plan import Scope, make_plan
from sg_compliance.workflows.scan import Selection, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sg_compliance.enforcement.planning import Planning
    from sg_compliance.interfaces import (
        Clock,
        FindingHistory,
        FindingStore,
        Inventory,
        Metrics,
        ReportStore,
        Shard,
    )
    from sg_compliance.model.columns import Head
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.scan import Skipped, Summary
    from sg_compliance.model.security_group import Place, PrefixLists, SecurityGroup
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.apply import Applying

EXPIRING_DAYS: Final = 30
"""An exemption that ends within so many days is counted as expiring."""


@dataclass(frozen=True, slots=True)
class Mending:
    """What mends: who changes groups, and how it is decided about findings from a severity on."""

    applying: Applying
    planning: Callable[[Circumstances], Planning]
    severity: Severity


@dataclass(frozen=True, slots=True)
class Telling:
    """Who gets to know. `noted` gets every open finding, `report` makes the lines of the report that is kept.

    `alarm` tells people of what is critical, and returns how many findings that were.
    """

    metrics: Metrics
    reports: ReportStore
    report: Callable[[Summary, Iterable[Finding]], Iterable[str]]
    noted: Callable[[Finding], None]
    alarm: Callable[[], int]


@dataclass(slots=True)
class Patrolled:
    """What came of it. `report` is where the report is kept. `stopped`: the brake that stopped the mending."""

    summary: Summary
    run_id: str
    report: str = ""
    told: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Patrol:
    """The world of one patrol. `mending` None changes nothing. `late` says that the time is nearly over."""

    inventory: Inventory
    evaluator: Evaluator
    parsed: ParsedPolicy
    findings: FindingStore
    history: FindingHistory
    telling: Telling
    clock: Clock
    run: Run
    workers: int
    late: Callable[[], bool] = lambda: False
    mending: Mending | None = None

    def go(self, narrowing: Narrowing = Narrowing()) -> Patrolled:  # noqa: B008 - it cannot change
        """Scan, tell, and mend. Raises SgComplianceError where there is nothing to read at all."""
        begun = self.clock.now()
        judged, progress = _Judged(self.evaluator, self.mending), _UntilLate(self.late)
        read = Dated(Narrowed(self.inventory, narrowing), self.clock)
        selection = Selection(accounts=narrowing.accounts, regions=narrowing.regions)
        summary = scan(
            read,
            judged,
            self.findings,
            progress,
            selection,
            workers=self.workers,
            history=self.history,
        )
        patrolled = Patrolled(summary, self.run.id)
        if summary.interrupted:
            patrolled.problems.append("the time was over before everything was read")
        figures = _Figures()
        for finding in self.findings:
            figures.take(finding)
            if finding.state is FindingState.OPEN:
                self.telling.noted(finding)
        if narrowing.is_whole:
            figures.seconds = (self.clock.now() - begun).total_seconds()
            for metric in figures.metrics(summary):
                self.telling.metrics.put(metric)
        self._forget(patrolled, judged, read, frozenset() if narrowing.groups else progress.whole)
        self._tell(patrolled)
        if self.mending and not summary.interrupted:
            self._mend(self.mending, patrolled, narrowing, figures.shards(self.mending.severity) | judged.marked)
        return patrolled

    def _forget(self, patrolled: Patrolled, judged: _Judged, read: Dated, whole: frozenset[tuple[str, str]]) -> None:
        """Let the history know what judged groups have no longer, and which groups are gone from `whole` shards.

        As of when their reading began: what events have found since then is not in what was read.
        """
        try:
            for place, ids in judged.found.items():
                if self.late():
                    patrolled.problems.append("the time was over before all that was mended was noted")
                    return
                self.history.gone(place, ids, as_of=read.of_group[place])
            waiting = {each.place for each in self.history.waiting(Severity)}
            for place in sorted(waiting - judged.found.keys()):
                if place[:2] in whole:
                    self.history.gone(place, as_of=read.of_shard[place[:2]])
        except SgComplianceError as error:
            patrolled.problems.append(f"what is mended was not noted: {error}")

    def _tell(self, patrolled: Patrolled) -> None:
        name = f"{self.evaluator.now:%Y/%m/%d}/{self.run.id}"
        try:
            patrolled.told = self.telling.alarm()
        except SgComplianceError as error:
            patrolled.problems.append(f"not all were told of what is critical: {error}")
        try:
            lines = self.telling.report(patrolled.summary, self.findings)
            patrolled.report = self.telling.reports.put(name, lines)
        except SgComplianceError as error:
            patrolled.problems.append(f"the report was not kept: {error}")

    def _mend(
        self, mending: Mending, patrolled: Patrolled, narrowing: Narrowing, shards: frozenset[tuple[str, str]]
    ) -> None:
        """Plan for the shards where there is something to do, and apply. What was left open is finished anyway."""
        less = Narrowing(narrowing.accounts, narrowing.regions, shards=shards)
        selection = Selection(severity=mending.severity)
        planned = make_plan(
            Narrowed(self.inventory, less),
            self.evaluator,
            mending.planning(Circumstances(automatic=True, severity=mending.severity)),
            Scope(selection, narrowing.groups),
            _UntilLate(self.late),
            parsed=self.parsed,
            by=self.run.by,
            workers=self.workers,
            history=self.history,
        )
        only_tagged = {each.place for each in planned.plan.groups if not each.changes_rules}
        try:
            for outcome in mending.applying.apply(planned.plan):
                patrolled.outcomes.append(outcome)
                if outcome.status in {Status.FAILED, Status.INCOMPLETE}:
                    patrolled.problems.append(f"{outcome.place}: {outcome.reason}")
                if outcome.status is Status.CHANGED and outcome.place not in only_tagged:
                    account = {"account": outcome.place.account_id}
                    self.telling.metrics.put(Metric(MetricName.REMEDIATION_ACTIONS, 1, account))
        except StoppedError as error:
            patrolled.stopped = str(error)
        except SgComplianceError as error:
            patrolled.problems.append(f"mending ended early: {error}")


class _Judged(Evaluator):
    """Judges as the other does, and keeps which findings each group has, and where groups are tagged as violating."""

    def __init__(self, evaluator: Evaluator, mending: Mending | None) -> None:
        super().__init__(evaluator.policy, evaluator.now)
        self.found: dict[Place, tuple[str, ...]] = {}
        self._planning = mending.planning(Circumstances()) if mending else None
        self._marked: set[tuple[str, str]] = set()

    @property
    def marked(self) -> frozenset[tuple[str, str]]:
        """The shards of groups that carry our tag, and may not need it any more."""
        return frozenset(self._marked)

    def evaluate(self, group: SecurityGroup, prefix_lists: PrefixLists) -> list[Finding]:
        """As the other does; called by several threads."""
        findings = super().evaluate(group, prefix_lists)
        self._keep(group, findings)
        return findings

    def cleared(self, group: SecurityGroup | Head) -> None:
        """It has none."""
        self._keep(group, ())

    def _keep(self, group: SecurityGroup | Head, findings: Sequence[Finding]) -> None:
        if self._planning and self._planning.is_marked(group):
            self._marked.add((group.account_id, group.region))
        self.found[group.place] = tuple(each.id for each in findings)


class _UntilLate:
    """The Progress socket: interrupts a scan, once, as a person at a terminal would, where its time is nearly over."""

    def __init__(self, late: Callable[[], bool]) -> None:
        self._late = late
        self._interrupted = False
        self._whole: set[tuple[str, str]] = set()

    @property
    def whole(self) -> frozenset[tuple[str, str]]:
        """The shards that were read to their end."""
        return frozenset(self._whole)

    def begun(self, shards: int) -> None:
        """Nobody wants to know."""

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        """Look at the clock."""
        del shard, groups, findings
        if not self._interrupted and self._late():
            self._interrupted = True
            raise KeyboardInterrupt

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        """Look at the clock."""
        if skipped is None:
            self._whole.add((shard.account_id, shard.region))
        self.advanced(shard, 0, 0)


class _Figures:
    """What is counted of the findings of one scan."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._open: Counter[tuple[str, Severity]] = Counter()
        self._by_severity: dict[Severity, set[tuple[str, str]]] = {}
        self._expiring: set[str] = set()

    def take(self, finding: Finding) -> None:
        """Count it."""
        exemption, group = finding.exemption, finding.group
        if finding.state is FindingState.OPEN:
            self._open[group.account_id, finding.severity] += 1
            self._by_severity.setdefault(finding.severity, set()).add((group.account_id, group.region))
        elif exemption and exemption.days_left is not None and exemption.days_left < EXPIRING_DAYS:
            self._expiring.add(exemption.path)

    def shards(self, severity: Severity) -> frozenset[tuple[str, str]]:
        """The shards with open findings as bad as this."""
        found = (shards for each, shards in self._by_severity.items() if each.rank >= severity.rank)
        return frozenset().union(*found)

    def metrics(self, summary: Summary) -> Sequence[Metric]:
        """All figures. Where nothing is open that is one, too: else alarms would never end."""
        critical = sum(count for (_, severity), count in self._open.items() if severity is Severity.CRITICAL)
        failed = {each.account_id for each in summary.skipped if each.wanted}
        found = [
            Metric(MetricName.CRITICAL_VIOLATIONS_FOUND, critical),
            Metric(MetricName.GROUPS_SCANNED, summary.groups),
            Metric(MetricName.ACCOUNTS_FAILED, len(failed)),
            Metric(MetricName.EXEMPTIONS_EXPIRING, len(self._expiring)),
            Metric(MetricName.SCAN_DURATION, self.seconds),
        ]
        found += [
            Metric(MetricName.COMPLIANCE_VIOLATIONS, count, {"severity": severity.value, "account": account_id})
            for (account_id, severity), count in sorted(self._open.items())
        ] or [Metric(MetricName.COMPLIANCE_VIOLATIONS, 0)]
        return found if summary.score is None else [*found, Metric(MetricName.COMPLIANCE_SCORE, summary.score)]
