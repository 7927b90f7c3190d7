"""Work out what would be done about the findings of every group, and why: reads, judges, decides, changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.plan import NotPlanned, Plan
from sg_compliance.errors import SgComplianceError
from sg_compliance.model.finding import FindingState
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.reading import Readers, never_met, shards_of
from sg_compliance.workflows.screening import Screening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sg_compliance.enforcement.plan import PlannedGroup
    from sg_compliance.enforcement.planning import Planning
    from sg_compliance.enforcement.strategies import Evaluate
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import FindingHistory, Inventory, Page, Progress, Shard
    from sg_compliance.model.columns import Head
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Place, PrefixLists, SecurityGroup
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.workflows.scan import Selection


class Suspect(NamedTuple):
    """A group that something may have to be done about, with all of its open findings."""

    group: SecurityGroup
    findings: Sequence[Finding]
    prefix_lists: PrefixLists


class _Page(NamedTuple):
    suspects: Sequence[Suspect]
    totals: Counter[str]


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs and people left behind that a decision depends on."""

    entries: Sequence[Entry] = ()
    concessions: Sequence[Concession] = ()

    def by_place(self) -> Mapping[Place, list[Entry]]:
        """The entries of each group."""
        found: dict[Place, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            found[entry.place].append(entry)
        return found


@dataclass(slots=True)
class Planned:
    """The plan, and what could not be read for it."""

    plan: Plan
    groups: int
    skipped: list[Skipped] = field(default_factory=list)
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was wanted was read."""
        return not self.interrupted and not any(each.wanted for each in self.skipped)


class Scope(NamedTuple):
    """Which groups and findings a plan is about. Empty `groups` (ids or names) is all."""

    selection: Selection
    groups: frozenset[str] = frozenset()

    def wants(self, group: SecurityGroup | Head) -> bool:
        """Whether the group may be planned."""
        named = not self.groups or group.group_id in self.groups or group.name in self.groups
        return named and self.selection.wants_group(group)


def make_plan(  # noqa: PLR0913 - a use case names all it needs
    inventory: Inventory,
    evaluator: Evaluator,
    planning: Planning,
    scope: Scope,
    progress: Progress,
    *,
    parsed: ParsedPolicy,
    by: str,
    workers: int,
    history: FindingHistory | None = None,
) -> Planned:
    """Plan for everything that the inventory has. Raises SgComplianceError where there is nothing to read at all."""
    making = _Making(inventory, evaluator, planning, scope, history)
    shards: list[Shard] = []
    interrupted = False
    try:
        shards_of(inventory, shards, making.skipped)
        progress.begun(len(shards))
        with Readers(inventory, shards, making.judge, workers) as readers:
            making.take_all(readers, progress)
    except KeyboardInterrupt:
        interrupted = True
    if not interrupted:
        making.skipped += never_met(scope.selection.accounts, making.totals.keys(), shards, making.skipped)
    return Planned(making.plan(parsed, by), sum(making.totals.values()), making.sorted_skips(), interrupted=interrupted)


class _Making:
    """A plan on its way. `judge` is called by reading threads, everything else by the calling one."""

    def __init__(
        self,
        inventory: Inventory,
        evaluator: Evaluator,
        planning: Planning,
        scope: Scope,
        history: FindingHistory | None,
    ) -> None:
        self.skipped: list[Skipped] = []
        self.totals: Counter[str] = Counter()
        self._inventory = inventory
        self._evaluator = evaluator
        self._screening = Screening(evaluator)
        self._planning = planning
        self._scope = scope
        self._history = history
        self._planned: list[PlannedGroup] = []
        self._not_planned: list[NotPlanned] = []

    def judge(self, _shard: Shard, page: Page) -> _Page:
        """The groups of a page that something may have to be done about."""
        heads = page.heads()
        watched = [at for at, head in enumerate(heads) if self._evaluator.policy.watches(head.account_id)]
        wanted = [at for at in watched if self._scope.wants(heads[at])]
        suspects = []
        for _, group, found in self._screening.judged(page, wanted, self._planning.is_marked):
            findings = [each for each in found if each.state is FindingState.OPEN]
            if findings or self._planning.is_marked(group):
                suspects.append(Suspect(group, findings, page.prefix_lists))
        return _Page(suspects, Counter(heads[at].account_id for at in watched))

    def take_all(self, readers: Readers[_Page], progress: Progress) -> None:
        """Take every page in."""
        for result in readers.results():
            if result.skipped:
                self.skipped.append(result.skipped)
            if result.work:
                self.take(result.shard, result.work)
                progress.advanced(result.shard, sum(result.work.totals.values()), len(result.work.suspects))
            if result.over:
                progress.done(result.shard, result.skipped)

    def take(self, shard: Shard, page: _Page) -> None:
        """Decide about the groups of a page."""
        self.totals += page.totals
        groups = self._identified(shard, [suspect.group for suspect in page.suspects])
        for suspect, group in zip(page.suspects, groups, strict=True):
            self._decide(suspect._replace(group=group, findings=self._dated(suspect.findings)))

    def _decide(self, suspect: Suspect) -> None:
        wanted = [each for each in suspect.findings if self._scope.selection.wants(each)]
        evaluate = self._evaluating(suspect.prefix_lists)
        found = self._planning.decide(
            suspect.group, wanted, suspect.prefix_lists, evaluate, compliant=not suspect.findings
        )
        if isinstance(found, NotPlanned):
            self._not_planned.append(found)
        elif found is not None:
            self._planned.append(found)

    def _evaluating(self, prefix_lists: PrefixLists) -> Evaluate:
        return lambda group: self._evaluator.evaluate(group, prefix_lists)

    def _dated(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        return self._history.seen(findings, self._evaluator.now) if self._history else findings

    def _identified(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """Rule ids are for people to read: a plan is made without them too."""
        try:
            return self._inventory.with_rule_ids(shard, groups) if groups else groups
        except SgComplianceError as error:
            self.skipped.append(Skipped("rule ids", str(error), error.hint, shard.account_id, shard.region))
            return groups

    def sorted_skips(self) -> list[Skipped]:
        """What could not be read, by place."""
        return sorted(self.skipped, key=lambda each: (each.account_id, each.region, each.what, each.reason))

    def plan(self, parsed: ParsedPolicy, by: str) -> Plan:
        """The plan, in the order of places."""
        return Plan(
            created=self._evaluator.now,
            by=by,
            policy_source=parsed.source,
            policy_version=parsed.version or "",
            policy_hash=f"sha256:{parsed.sha256}",
            tag_prefix=self._planning.prefix,
            groups=tuple(sorted(self._planned, key=lambda each: each.place)),
            not_planned=tuple(sorted(self._not_planned, key=lambda each: each.place)),
            totals=dict(sorted(self.totals.items())),
            automatic=self._planning.circumstances.automatic,
        )
