"""A world to change groups in: the EC2 twin behind real boto3 clients, stores in a folder, a clock that tests move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3

from sg_compliance.aws.ec2_rules import Ec2RuleWriter
from sg_compliance.enforcement.decide import Circumstances
from sg_compliance.enforcement.plan import NotPlanned, Plan, PlannedGroup
from sg_compliance.enforcement.planning import Planning
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.local.audit import FileAuditLog
from sg_compliance.local.backups import DirectoryBackups
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.notices import FileNotifier
from sg_compliance.local.switch import FileSwitch
from sg_compliance.model.finding import FindingState
from sg_compliance.model.security_group import Place
from sg_compliance.testing.twin import Twin, attach
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.apply import Applying, Budget
from sg_compliance.workflows.rollback import RollingBack, What, backups_for
from sg_compliance.workflows.transaction import Stores
from tests.builders import ACCOUNT, REGION, Json, lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sg_compliance.enforcement.strategies import Strategy
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.policy.resolve import Policy

START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
NO_BUDGET = Budget(max_groups=10_000, max_percent=100.0)


@dataclass(slots=True)
class MovableClock:
    """A clock that stands still until somebody waits."""

    time: datetime = START

    def now(self) -> datetime:
        """The time; a moment later each time, so that nothing happens at once."""
        self.time += timedelta(microseconds=1)
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.time += timedelta(seconds=seconds)

    def seconds(self) -> float:
        """For the twin."""
        return self.time.timestamp()


class _Switchboard:
    """Where the clients of all twins are connected: making a client takes longer than all that a test does with it."""

    def __init__(self) -> None:
        self.twin: Twin | None = None
        self.clients: dict[tuple[str, str], Any] = {}

    def call(self, account_id: str, region: str, operation: str, params: Json) -> Json:
        """Put the call through to the twin whose turn it is."""
        assert self.twin is not None
        return self.twin.call(account_id, region, operation, params)

    def client(self, account_id: str, region: str) -> Any:  # noqa: ANN401 - a client of the SDK
        """A client of the account in the region, made once."""
        key = (account_id, region)
        if key not in self.clients:
            client = boto3.client("ec2", region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
            attach(client, self, account_id)  # type: ignore[arg-type] # it answers like a twin
            self.clients[key] = client
        return self.clients[key]


_SWITCHBOARD = _Switchboard()


class TwinSessions:
    """Sessions whose clients are answered by a twin."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def client(
        self, service: str, actions: frozenset[str], region: str = "", account_id: str = "", role_name: str = ""
    ) -> Any:  # noqa: ANN401 - a client of the SDK
        """The client of the account in the region, connected to this twin."""
        del service, actions, role_name
        _SWITCHBOARD.twin = self._twin
        return _SWITCHBOARD.client(account_id, region)

    @staticmethod
    def enter(account_id: str, role_name: str = "") -> str:
        """The ARN of who acts there."""
        return f"arn:aws:iam::{account_id}:role/{role_name or 'sg-compliance-remediate'}"


_OPEN: list[SqliteJournal | SqliteConcessions] = []


def close_stores() -> None:
    """Close what tests have opened: the garbage collector would complain of each."""
    while _OPEN:
        _OPEN.pop().close()


def folder_stores(folder: Path) -> Stores:
    """Stores in a folder, open until `close_stores`."""
    folder.mkdir(exist_ok=True)
    journal, concessions = SqliteJournal(folder / "journal.sqlite"), SqliteConcessions(folder / "journal.sqlite")
    _OPEN.extend((journal, concessions))
    return Stores(
        backups=DirectoryBackups(folder),
        journal=journal,
        audit=FileAuditLog(folder / "audit.jsonl"),
        concessions=concessions,
        switch=FileSwitch(folder / "paused.json"),
        notifier=FileNotifier(folder / "notices.jsonl"),
    )


@dataclass(slots=True)
class World:
    """Everything that a run needs."""

    twin: Twin
    clock: MovableClock
    stores: Stores
    writer: Any
    runs: int = 0
    prefix_lists: Mapping[str, Sequence[str] | None] = field(default_factory=dict)

    def put(self, raw: Json, **rule_tags: Mapping[str, str]) -> Place:
        """Put a group into the twin, as AWS's JSON."""
        self.twin.put_group(ACCOUNT, REGION, raw, rules_tags=rule_tags)
        return Place(ACCOUNT, REGION, raw["GroupId"])

    def run(self) -> Run:
        """A run with a name of its own."""
        self.runs += 1
        return Run(f"run-{self.runs}", "tester", policy_hash="sha256:0")

    def read(self, place: Place) -> SecurityGroup:
        """The group as it is."""
        group: SecurityGroup = self.writer.read(place)
        return group

    def planning(self, policy: Policy, strategy: Strategy | None = None, **others: Any) -> Planning:  # noqa: ANN401
        """How to decide, by hand."""
        entries: dict[Place, list[Any]] = {}
        for entry in self.stores.journal.entries():
            entries.setdefault(entry.place, []).append(entry)
        settings = {"strategy": strategy, "entries": entries, "concessions": self.stores.concessions.all(), **others}
        return Planning(policy, Circumstances(), self.clock.now(), **settings)

    def decide(
        self,
        place: Place,
        policy: Policy,
        strategy: Strategy | None = None,
        **others: Any,  # noqa: ANN401
    ) -> PlannedGroup | NotPlanned | None:
        """What is planned for a group as it is."""
        evaluator, known = Evaluator(policy, self.clock.now()), lists(self.prefix_lists)
        group = self.read(place)
        findings = [each for each in evaluator.evaluate(group, known) if each.state is FindingState.OPEN]
        return self.planning(policy, strategy, **others).decide(
            group, findings, known, lambda judged: evaluator.evaluate(judged, known), compliant=not findings
        )

    def plan(self, policy: Policy, *places: Place, strategy: Strategy | None = None) -> Plan:
        """A plan for these groups."""
        found = [self.decide(place, policy, strategy) for place in places]
        return Plan(
            created=self.clock.now(),
            by="tester",
            policy_source="test.json",
            policy_version="1",
            policy_hash="sha256:0",
            tag_prefix="COMPLIANCE_",
            groups=tuple(each for each in found if isinstance(each, PlannedGroup)),
            not_planned=tuple(each for each in found if isinstance(each, NotPlanned)),
            totals={ACCOUNT: 1000},
        )

    def applying(self, **others: Any) -> Applying:  # noqa: ANN401 - any field
        """A run that applies plans."""
        return replace(Applying(self.writer, self.stores, self.clock, self.run(), NO_BUDGET), **others)

    def apply(self, plan: Plan) -> list[Outcome]:
        """Apply the plan."""
        return list(self.applying().apply(plan))

    def rolling_back(self) -> RollingBack:
        """A run that takes changes back."""
        return RollingBack(self.writer, self.stores, self.clock, self.run())

    def roll_back(self, what: What) -> list[Outcome]:
        """Take changes back."""
        rolling = self.rolling_back()
        return list(rolling.roll_back(list(rolling.plan(backups_for(self.stores, what)))))

    def shown(self) -> Any:  # noqa: ANN401 - the twin's own form
        """All that AWS would show of the account's groups, but for ids of rules."""
        return self.twin.snapshot(ACCOUNT, REGION)

    def mutations(self, since: int = 0) -> list[str]:
        """The changing calls that were made, from a number of calls on."""
        return [call.operation for call in self.twin.log[since:] if call.mutating]


def make_world(folder: Path, groups: Iterable[Json] = (), *, quota: int = 60) -> World:
    """A world with these groups."""
    clock = MovableClock()
    twin = Twin(clock.seconds, quota=quota)
    world = World(twin, clock, folder_stores(folder), Ec2RuleWriter(TwinSessions(twin)))  # type: ignore[arg-type]
    for raw in groups:
        world.put(raw)
    return world
