"""Read every shard, judge every group, keep what was found, and say what could not be read.

Shards are read by a few threads at once; results are taken in by the calling thread alone. A shard that fails is
reported and never stops the others. Ctrl-C ends the scan with what it has, said to be partial.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from sg_compliance.errors import SgComplianceError
from sg_compliance.evaluation.score import points, score
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.scan import Skipped, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import FindingHistory, FindingStore, Inventory, Page, Progress, Shard
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup

_PENDING: Final = 64
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Selection:
    """Which findings are wanted. Empty sets want all. The score is counted before findings are selected."""

    accounts: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    severity: Severity = Severity.INFO
    regions: frozenset[str] = frozenset()

    def wants_group(self, group: SecurityGroup) -> bool:
        """Whether the group's account and region are wanted."""
        in_account = not self.accounts or group.account_id in self.accounts
        return in_account and (not self.regions or group.region in self.regions)

    def wants(self, finding: Finding) -> bool:
        """Whether the finding's rule and severity are wanted."""
        return finding.severity.rank >= self.severity.rank and (not self.rules or finding.rule_id in self.rules)


class _Judged(NamedTuple):
    """A page's worth of results."""

    shard: Shard
    groups: int = 0
    findings: Sequence[Finding] = ()
    points: float = 0.0
    noncompliant: int = 0
    accounts: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    skipped: Skipped | None = None
    over: bool = False


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
        for found in inventory.shards():
            if isinstance(found, Skipped):
                summary.skipped.append(found)
            else:
                shards.append(found)
        summary.shards = len(shards)
        progress.begun(len(shards))
        taking.all(_Readers(inventory, evaluator, selection, shards, workers))
    except KeyboardInterrupt:
        summary.interrupted = True
    if not summary.interrupted:
        _say_which_accounts_are_missing(summary, selection, shards)
    summary.skipped.sort(key=lambda each: (each.account_id, each.region, each.what, each.reason))
    calculation = evaluator.policy.document.reporting.compliance_score_calculation
    summary.score = score(taking.points, summary.groups, calculation)
    return summary


def _say_which_accounts_are_missing(summary: Summary, selection: Selection, shards: Sequence[Shard]) -> None:
    """A wanted account that was never met must not look clean: its id may be wrong."""
    said = {skipped.account_id for skipped in summary.skipped} | {shard.account_id for shard in shards}
    for account_id in sorted(selection.accounts - summary.accounts - said):
        reason = f"account {account_id}: no security group of it was found"
        summary.skipped.append(Skipped("security groups", reason, "check the account id", account_id))


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

    def all(self, readers: _Readers) -> None:
        """Take in every result; after Ctrl-C those that are there, and say what is missing."""
        try:
            for judged in readers.results():
                self._one(judged)
                if judged.over:
                    readers.over(judged.shard)
        except KeyboardInterrupt:
            readers.stop()
            self._summary.interrupted = True
            for judged in readers.ready():
                self._one(judged)
                if judged.over:
                    readers.over(judged.shard)
            for shard in readers.unfinished():
                reason = f"{shard.name}: interrupted before it was read to its end"
                skipped = Skipped("security groups", reason, "scan again", shard.account_id, shard.region)
                self._summary.skipped.append(skipped)

    def _one(self, judged: _Judged) -> None:
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
            self._progress.advanced(judged.shard, judged.groups, len(judged.findings))
        if judged.over:
            self._progress.done(judged.shard, judged.skipped)


def _raised(error: BaseException) -> NoReturn:
    raise error


class _Readers:
    """Threads that read and judge. Daemons: after Ctrl-C nobody waits for an answer that may never come."""

    def __init__(
        self, inventory: Inventory, evaluator: Evaluator, selection: Selection, shards: Sequence[Shard], workers: int
    ) -> None:
        self._inventory = inventory
        self._evaluator = evaluator
        self._selection = selection
        self._waiting: Queue[Shard] = Queue()
        self._judged: Queue[_Judged | BaseException] = Queue(_PENDING)
        self._open = {shard.name: shard for shard in shards}
        self._stopped = threading.Event()
        for shard in shards:
            self._waiting.put(shard)
        for _ in range(min(workers, len(shards))):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()

    def unfinished(self) -> list[Shard]:
        """The shards that were not read to their end."""
        return list(self._open.values())

    def results(self) -> Iterator[_Judged]:
        """Results as they come, until every shard is over."""
        while self._open:
            try:
                judged = self._judged.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            yield judged if isinstance(judged, _Judged) else _raised(judged)

    def over(self, shard: Shard) -> None:
        """The shard's last result was taken in."""
        self._open.pop(shard.name, None)

    def ready(self) -> Iterator[_Judged]:
        """The results that are there, without waiting for others. Of a shard that broke down nothing more comes."""
        with suppress(Empty):
            while True:
                judged = self._judged.get_nowait()
                if isinstance(judged, _Judged):
                    yield judged

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                shard = self._waiting.get_nowait()
            except Empty:
                return
            try:
                self._read(shard)
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it
                self._judged.put(error)
                return

    def _read(self, shard: Shard) -> None:
        failed = None
        groups = 0
        try:
            for found in self._inventory.read(shard):
                if self._stopped.is_set():
                    return
                for judged in self._judge(shard, found):
                    groups += judged.groups
                    self._judged.put(judged)
        except SgComplianceError as error:
            after = f" (after {groups} group{'s' if groups != 1 else ''})" if groups else ""
            failed = Skipped("security groups", f"{error}{after}", error.hint, shard.account_id, shard.region)
        self._judged.put(_Judged(shard, skipped=failed, over=True))

    def _judge(self, shard: Shard, found: Page | Skipped) -> Iterator[_Judged]:
        if isinstance(found, Skipped):
            yield _Judged(shard, skipped=found)
            return
        asked_for = [group for group in found.groups if self._selection.wants_group(group)]
        watches = self._evaluator.policy.watches
        wanted = [group for group in asked_for if watches(group.account_id)]
        judge = _judging(self._evaluator, found)
        by_group = [(group, judge(group)) for group in wanted]
        calculation = self._evaluator.policy.document.reporting.compliance_score_calculation
        kept = [
            (group, selected)
            for group, findings in by_group
            if (selected := [finding for finding in findings if self._selection.wants(finding)])
        ]
        reported, skipped = self._with_rule_ids(shard, kept, judge)
        yield _Judged(
            shard,
            len(wanted),
            reported,
            sum(points(findings, calculation) for _, findings in by_group),
            sum(1 for _, findings in kept if any(each.state is FindingState.OPEN for each in findings)),
            frozenset(group.account_id for group in wanted),
            frozenset(group.account_id for group in asked_for if not watches(group.account_id)),
            skipped,
        )

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
