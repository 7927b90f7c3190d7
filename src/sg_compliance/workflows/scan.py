"""Read every shard, judge every group, keep what was found, and say what could not be read.

Shards are read by a few threads at once; results are taken in by the calling thread alone. A shard that fails is
reported and never stops the others. Ctrl-C ends the scan with what it has, said to be partial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.errors import SgComplianceError
from sg_compliance.evaluation.score import points, score
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.scan import Skipped, Summary
from sg_compliance.workflows.reading import Readers, never_met, shards_of
from sg_compliance.workflows.screening import Screening

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import FindingHistory, FindingStore, Inventory, Page, Progress, Shard
    from sg_compliance.model.columns import Head
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.workflows.reading import Result
    from sg_compliance.workflows.screening import Judged


@dataclass(frozen=True, slots=True)
class Selection:
    """Which findings are wanted. Empty sets want all. The score is counted before findings are selected."""

    accounts: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    severity: Severity = Severity.INFO
    regions: frozenset[str] = frozenset()

    def wants_group(self, group: SecurityGroup | Head) -> bool:
        """Whether the group's account and region are wanted."""
        in_account = not self.accounts or group.account_id in self.accounts
        return in_account and (not self.regions or group.region in self.regions)

    def wants(self, finding: Finding) -> bool:
        """Whether the finding's rule and severity are wanted."""
        return finding.severity.rank >= self.severity.rank and (not self.rules or finding.rule_id in self.rules)


class _Judged(NamedTuple):
    """A page's worth of results."""

    groups: int = 0
    findings: Sequence[Finding] = ()
    points: float = 0.0
    noncompliant: int = 0
    accounts: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    skipped: Skipped | None = None


def scan(  # noqa: PLR0913 - a use case names all it needs
    inventory: Inventory,
    evaluator: Evaluator,
    findings: FindingStore,
    progress: Progress,
    selection: Selection,
    *,
    workers: int,
    history: FindingHistory | None = None,
) -> Summary:
    """Scan everything that the inventory has. Raises SgComplianceError where there is nothing to read at all."""
    summary = Summary(evaluator.now)
    taking = _Taking(summary, findings, history, progress)
    shards: list[Shard] = []
    try:
        shards_of(inventory, shards, summary.skipped)
        summary.shards = len(shards)
        progress.begun(len(shards))
        judging = _Judging(inventory, evaluator, selection)
        with Readers(inventory, shards, judging.judge, workers) as readers:
            taking.all(readers)
    except KeyboardInterrupt:
        summary.interrupted = True
    if not summary.interrupted:
        summary.skipped += never_met(selection.accounts, summary.accounts, shards, summary.skipped)
    summary.skipped.sort(key=lambda each: (each.account_id, each.region, each.what, each.reason))
    calculation = evaluator.policy.document.reporting.compliance_score_calculation
    summary.score = score(taking.points, summary.groups, calculation)
    return summary


class _Taking:
    """Takes results in, in the calling thread: the summary, the findings and the progress see one thread only."""

    def __init__(
        self, summary: Summary, findings: FindingStore, history: FindingHistory | None, progress: Progress
    ) -> None:
        self._summary = summary
        self._findings = findings
        self._history = history
        self._progress = progress
        self.points = 0.0
        self._disabled: set[str] = set()

    def all(self, readers: Readers[_Judged]) -> None:
        """Take in every result; after Ctrl-C those that are there, and say what is missing."""
        try:
            for result in readers.results():
                self._one(result)
        except KeyboardInterrupt:
            readers.stop()
            self._summary.interrupted = True
            for result in readers.ready():
                self._one(result)
            for shard in readers.unfinished():
                reason = f"{shard.name}: interrupted before it was read to its end"
                skipped = Skipped("security groups", reason, "scan again", shard.account_id, shard.region)
                self._summary.skipped.append(skipped)

    def _one(self, result: Result[_Judged]) -> None:
        if result.skipped:
            self._summary.skipped.append(result.skipped)
        if result.work:
            self._page(result.shard, result.work)
        if result.over:
            self._progress.done(result.shard, result.skipped)

    def _page(self, shard: Shard, judged: _Judged) -> None:
        summary = self._summary
        summary.groups += judged.groups
        summary.accounts |= judged.accounts
        summary.noncompliant_groups += judged.noncompliant
        self.points += judged.points
        for account_id in sorted(judged.disabled - self._disabled):
            reason = f"account {account_id}: disabled by the policy"
            summary.skipped.append(Skipped("security groups", reason, account_id=account_id, wanted=False))
        self._disabled |= judged.disabled
        if judged.skipped:
            summary.skipped.append(judged.skipped)
        for finding in judged.findings:
            if finding.state is FindingState.OPEN:
                summary.open[finding.severity] += 1
            else:
                summary.exempt += 1
        found = judged.findings
        self._findings.add(self._history.seen(found, summary.started) if self._history else found)
        if judged.groups:
            self._progress.advanced(shard, judged.groups, len(judged.findings))


class _Judging:
    """What the reading threads do with a page."""

    def __init__(self, inventory: Inventory, evaluator: Evaluator, selection: Selection) -> None:
        self._inventory = inventory
        self._evaluator = evaluator
        self._screening = Screening(evaluator)
        self._selection = selection

    def judge(self, shard: Shard, found: Page) -> _Judged:
        """Judge the wanted groups of a page, and name the rules of those that violate."""
        heads = found.heads()
        watches = self._evaluator.policy.watches
        asked_for = [at for at, head in enumerate(heads) if self._selection.wants_group(head)]
        wanted = [at for at in asked_for if watches(heads[at].account_id)]
        judged = [*self._screening.judged(found, wanted)]
        kept = [
            (group, selected)
            for _, group, findings in judged
            if (selected := [finding for finding in findings if self._selection.wants(finding)])
        ]
        judge = _judging(self._evaluator, found)
        reported, skipped = self._with_rule_ids(shard, kept, judge)
        return _Judged(
            len(wanted),
            reported,
            self._points(wanted, judged),
            sum(1 for _, findings in kept if any(each.state is FindingState.OPEN for each in findings)),
            frozenset(heads[at].account_id for at in wanted),
            frozenset(heads[at].account_id for at in asked_for if not watches(heads[at].account_id)),
            skipped,
        )

    def _points(self, wanted: Sequence[int], judged: Sequence[Judged]) -> float:
        """What the wanted groups keep, all where nothing was found: added in their order, which sums of floats show."""
        calculation = self._evaluator.policy.document.reporting.compliance_score_calculation
        whole = points((), calculation)
        kept = {each.position: points(each.findings, calculation) for each in judged}
        return sum(kept.get(at, whole) for at in wanted)

    def _with_rule_ids(
        self,
        shard: Shard,
        kept: Sequence[tuple[SecurityGroup, list[Finding]]],
        judge: Callable[[SecurityGroup], list[Finding]],
    ) -> tuple[list[Finding], Skipped | None]:
        """Ask for rule ids of the few groups that need them as evidence, and let these be judged with them.

        Without ids the findings stand as they are: nothing that was found is lost.
        """
        groups = [group for group, _ in kept]
        named: Sequence[SecurityGroup] = groups
        skipped = None
        try:
            named = self._inventory.with_rule_ids(shard, groups) if groups else groups
        except SgComplianceError as error:
            skipped = Skipped("security group rules", str(error), error.hint, shard.account_id, shard.region)
        findings = [
            finding
            for (group, findings), with_ids in zip(kept, named, strict=True)
            for finding in (findings if with_ids is group else judge(with_ids))
            if self._selection.wants(finding)
        ]
        return findings, skipped


def _judging(evaluator: Evaluator, page: Page) -> Callable[[SecurityGroup], list[Finding]]:
    return lambda group: evaluator.evaluate(group, page.prefix_lists)
