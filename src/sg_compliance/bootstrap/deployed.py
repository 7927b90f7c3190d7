"""Wires what the functions of a deployment need, each thing when it is first asked for, and then kept.

One process serves many invocations: sessions with their credentials, and the policy, are not read at every event.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sg_compliance.bootstrap import (
    RESPONDING,
    Where,
    any_pattern,
    inventory,
    role_names_of,
    sessions_of,
    shipped_policies,
)
from sg_compliance.bootstrap import findings as room_for_findings
from sg_compliance.bootstrap.board import bucket_of
from sg_compliance.bootstrap.enforcement import SystemClock, new_run
from sg_compliance.bootstrap.in_force import InForce
from sg_compliance.bootstrap.settings import PREFIX, settings_of
from sg_compliance.interfaces import Text
from sg_compliance.workflows.switching import Board
from sg_compliance.workflows.transaction import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from sg_compliance.aws.once import Invocation
    from sg_compliance.aws.session import Sessions
    from sg_compliance.bootstrap.settings import Settings
    from sg_compliance.enforcement.decide import Circumstances
    from sg_compliance.enforcement.planning import Planning
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Document, FindingHistory, Metrics, Notifier, Once, OperationWindows
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Summary
    from sg_compliance.policy.document import Document as PolicyDocument
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.realtime.principals import Ours
    from sg_compliance.workflows.apply import Applying
    from sg_compliance.workflows.containing import Containing
    from sg_compliance.workflows.patrol import Mending, Patrol, Telling
    from sg_compliance.workflows.policy_source import PolicySource
    from sg_compliance.workflows.respond import Responding

_WORKERS: Final = 8
_ENVIRONMENT: Final = f"{PREFIX}ENVIRONMENT"


def figures() -> Metrics:
    """Where figures go, also where the settings are wrong."""
    from sg_compliance.aws.emf import EmfMetrics

    return EmfMetrics(os.environ.get(_ENVIRONMENT) or "default")


def deployment(warn: Callable[[str], None]) -> Deployment:
    """What the environment says. `warn` gets what whoever reads the log should know. Raises InputError."""
    return Deployment(settings_of(os.environ), warn)


class Deployment:
    """Everything that was deployed. Not for several threads."""

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self._warn = warn
        self._in_force = InForce(settings)

    # ---- the stores, which are at home ----

    @cached_property
    def where(self) -> Where:
        """Where groups are read and changed."""
        said = self.settings
        return Where(
            accounts=said.accounts,
            organization=said.organization,
            regions=said.regions,
            role_name=said.scan_role_name,
            external_id=said.external_id or None,
            session_name=said.session_name,
            workers=_WORKERS,
            change_role_name=said.change_role_name,
        )

    @cached_property
    def home(self) -> Sessions:
        """Sessions at home, which change groups elsewhere. A call is given up early: the function has little time."""
        return sessions_of(self.where, self.settings.change_role_name, RESPONDING)

    @cached_property
    def metrics(self) -> Metrics:
        """Where figures go."""
        return figures()

    @cached_property
    def topics(self) -> Notifier:
        """Who tells people."""
        from sg_compliance.aws.sns import SnsNotifier, Topics

        said = self.settings
        topics = Topics(findings=said.topic_findings, critical=said.topic_critical, operations=said.topic_operations)
        return SnsNotifier(self.home, topics)

    @cached_property
    def stores(self) -> Stores:
        """What outlives an invocation."""
        from sg_compliance.aws.dynamodb import DynamoConcessions, DynamoJournal
        from sg_compliance.aws.s3 import BucketPlace, S3Backups
        from sg_compliance.aws.s3_audit import S3AuditLog
        from sg_compliance.aws.ssm import SsmSwitch

        said, home = self.settings, self.home
        bucket, prefix = bucket_of(said.state)
        return Stores(
            backups=S3Backups(home, bucket, prefix, said.kms_key),
            journal=DynamoJournal(home, said.table, self.clock),
            audit=S3AuditLog(home, BucketPlace(bucket, prefix, said.kms_key), said.table, self.clock),
            concessions=DynamoConcessions(home, said.table, self.clock),
            switch=SsmSwitch(home, said.pause_parameter),
            notifier=self.topics,
        )

    @cached_property
    def history(self) -> FindingHistory:
        """What is remembered of findings."""
        from sg_compliance.aws.history import DynamoHistory

        return DynamoHistory(self.home, self.settings.table, self.clock)

    @cached_property
    def windows(self) -> OperationWindows:
        """What is known of each principal's operations, and what people were told of."""
        from sg_compliance.aws.windows import DynamoWindows

        return DynamoWindows(self.home, self.settings.table, self.clock)

    @cached_property
    def log_level(self) -> Document | None:
        """Where people say how much is logged; None where nobody can."""
        from sg_compliance.aws.documents import SsmDocument

        name = self.settings.log_level_parameter
        return SsmDocument(self.home, name) if name else None

    def once(self, what: str, invocation: Invocation) -> Once:
        """What keeps a message that comes twice from being handled twice."""
        from sg_compliance.aws.once import DynamoOnce

        return DynamoOnce(self.home, self.settings.table, what, invocation)

    # ---- the policy ----

    @cached_property
    def policy(self) -> PolicySource:
        """The policy, where it is kept."""
        from sg_compliance.workflows.policy_source import PolicySource

        source = self._document()
        return PolicySource(source, self.topics, self.metrics, self.clock, self._warn, marks=self.windows)

    def _document(self) -> Document:
        from sg_compliance.aws.documents import S3Document, SsmDocument

        name = self.settings.policy
        if name.startswith("s3://"):
            bucket, _, key = name.removeprefix("s3://").partition("/")
            return S3Document(self.home, bucket, key)
        return SsmDocument(self.home, name) if name.startswith("/") else _Shipped(name)

    def evaluator(self, document: PolicyDocument, now: datetime) -> Evaluator:
        """What judges groups at a time, with the exemptions that people granted beside the document."""
        from sg_compliance.evaluation.evaluate import Evaluator

        return Evaluator(self._in_force.bound(document, self.stores.concessions.all()), now)

    # ---- the use cases ----

    @contextmanager
    def patrol(
        self, telling: Callable[[ParsedPolicy], Telling], late: Callable[[], bool], *, dry_run: bool
    ) -> Iterator[Patrol]:
        """The scan. `dry_run` changes nothing even where the deployment may. Raises SgComplianceError."""
        from sg_compliance.workflows.patrol import Patrol

        parsed, said = self.policy.current(), self.settings
        evaluator = self.evaluator(parsed.document, self.clock.now())
        run = replace(new_run(self.home.caller().arn, policy=parsed), id=new_run("").id.replace("run-", "scan-"))
        mends = said.enable_automatic_remediation and not (said.dry_run_mode or dry_run)
        mending = self._mending(parsed, evaluator, run.by, late) if mends else None
        with room_for_findings() as findings, inventory(self.where, parsed) as found:
            yield Patrol(
                inventory=found,
                evaluator=evaluator,
                parsed=parsed,
                findings=findings,
                history=self.history,
                telling=telling(parsed),
                clock=self.clock,
                run=run,
                workers=_WORKERS,
                late=late,
                mending=mending,
            )

    def telling(
        self,
        parsed: ParsedPolicy,
        report: Callable[[Summary, Iterable[Finding]], Iterable[str]],
        noted: Callable[[Finding], None],
    ) -> Telling:
        """Who gets to know of a scan."""
        from sg_compliance.aws.s3 import BucketPlace
        from sg_compliance.aws.s3_reports import S3Reports
        from sg_compliance.workflows.patrol import Telling

        said = self.settings
        bucket, prefix = bucket_of(said.state)
        return Telling(
            metrics=self.metrics,
            reports=S3Reports(self.home, BucketPlace(bucket, prefix, said.kms_key)),
            report=report,
            noted=noted,
            alarm=lambda: self.digest(parsed, "at once"),
        )

    def digest(self, parsed: ParsedPolicy, cadence: str) -> int:
        """Tell what is due then. How many findings that were. Raises SgComplianceError."""
        from sg_compliance.policy.cadence import Cadence
        from sg_compliance.policy.resolve import Policy
        from sg_compliance.workflows.digest import send_digest

        policy, contacts = Policy(parsed.document), self._contacts(parsed)
        return send_digest(Cadence(cadence), self.history, self.topics, policy, self.clock, contacts=contacts).told

    def _mending(self, parsed: ParsedPolicy, evaluator: Evaluator, by: str, late: Callable[[], bool]) -> Mending:
        from sg_compliance.workflows.patrol import Mending

        return Mending(
            applying=self._applying(parsed, by, late),
            planning=lambda circumstances: self._planning(evaluator, circumstances),
            severity=self.settings.violation_severity_threshold,
        )

    def _applying(self, parsed: ParsedPolicy, by: str, late: Callable[[], bool]) -> Applying:
        from sg_compliance.aws.ec2_rules import Ec2RuleWriter
        from sg_compliance.workflows.apply import Applying, Budget

        run = new_run(by, "scheduled scan", parsed)
        writer = Ec2RuleWriter(self.home, role_names_of(parsed))
        budget = Budget(max_groups=self.settings.max_groups_per_hour)
        return Applying(writer, self.stores, self.clock, run, budget, late)

    def _planning(self, evaluator: Evaluator, circumstances: Circumstances) -> Planning:
        from sg_compliance.enforcement.planning import Planning
        from sg_compliance.workflows.plan import Past

        past = Past(self.stores.journal.entries(), self.stores.concessions.all())
        return Planning(
            policy=evaluator.policy,
            circumstances=circumstances,
            now=evaluator.now,
            concessions=past.concessions,
            entries=past.by_place(),
        )

    def responding(self) -> Responding:
        """What responds to events, and to second looks, under the policy of now. Raises SgComplianceError."""
        from sg_compliance.aws.ec2_lookup import Ec2Lookup
        from sg_compliance.aws.ec2_rules import Ec2RuleWriter
        from sg_compliance.aws.slots import DynamoSlots
        from sg_compliance.aws.sqs import SqsDeadLetters, SqsLater
        from sg_compliance.workflows.case import Surroundings, Terms
        from sg_compliance.workflows.holding_back import HoldingBack
        from sg_compliance.workflows.respond import responding

        said, parsed = self.settings, self.policy.current()
        document = self._in_force.in_real_time(parsed)
        names = role_names_of(parsed)
        around = Surroundings(
            lookup=Ec2Lookup(self._reading, names, names_of_groups=any_pattern(parsed)),
            writer=Ec2RuleWriter(self.home, names),
            stores=self.stores,
            history=self.history,
            later=SqsLater(self.home, said.recheck_queue_url),
            dead_letters=SqsDeadLetters(self.home, said.dead_letter_queue_url),
            metrics=self.metrics,
            slots=DynamoSlots(self.home, said.table, self.clock),
            clock=self.clock,
            run=new_run(self.home.caller().arn, "real-time response", parsed),
            terms=Terms(
                dry_run=said.dry_run_mode,
                acting=said.immediate_remediation_enabled,
                severity=said.violation_severity_threshold,
                most_groups_per_hour=said.max_groups_per_hour,
                look_again_for=said.look_again_for,
                contacts=self._contacts(parsed),
            ),
        )
        mass = document.policies().real_time_scanning.detection_rules.mass_operations_detected
        holding = HoldingBack(self.containing(parsed), mass, self.metrics, said.dry_run_mode)
        evaluator = self.evaluator(document, self.clock.now())
        return responding(around, self.windows, evaluator, self._ours(names.values()), holding)

    def _contacts(self, parsed: ParsedPolicy) -> tuple[str, ...]:
        """Whom to ask, as the deployment says, else the policy."""
        escalation = parsed.document.policies().real_time_scanning.notification_escalation
        return self.settings.contacts or tuple(escalation.security_team_channels)

    def _ours(self, role_names: Iterable[str]) -> Ours:
        """What is ours in an event; without accounts and organisation, the account that the function is in."""
        from sg_compliance.realtime.principals import Ours, roles_at_home

        said, caller = self.settings, self.home.caller()
        named = (said.scan_role_name, said.change_role_name, said.contain_role_name, *role_names)
        accounts = frozenset(said.accounts) or frozenset({caller.account_id})
        return Ours(
            role_names=frozenset(each.rpartition("/")[2] for each in named),
            session_names=frozenset({said.session_name}),
            accounts=None if said.organization else accounts,
            function_roles=roles_at_home(said.own_roles, caller.arn),
            callers=frozenset({caller.arn}),
        )

    @cached_property
    def _reading(self) -> Sessions:
        return sessions_of(self.where, self.settings.scan_role_name, RESPONDING)

    @cached_property
    def _containing_sessions(self) -> Sessions:
        return sessions_of(self.where, self.settings.contain_role_name, RESPONDING)

    def containing(self, parsed: ParsedPolicy) -> Containing:
        """What holds principals back, and lets them go. Raises SgComplianceError."""
        from sg_compliance.aws.blocks import DynamoBlocks
        from sg_compliance.aws.iam import IamContainment
        from sg_compliance.bootstrap.containing import break_glass
        from sg_compliance.realtime.containment import Bounds
        from sg_compliance.workflows.containing import Containing

        said, caller = self.settings, self.home.caller().arn
        return Containing(
            containment=IamContainment(self._containing_sessions),
            blocks=DynamoBlocks(self.home, said.table, self.clock),
            board=Board(self.stores.switch, self.stores.audit, self.topics),
            clock=self.clock,
            run=new_run(caller, "mass operations", parsed),
            bounds=Bounds(self._ours(role_names_of(parsed).values()), break_glass(said.break_glass), caller),
            automatic=said.block_suspicious_users,
        )


class _Shipped:
    """The Document socket on a policy that comes with the package: it never changes."""

    def __init__(self, name: str) -> None:
        self._path = shipped_policies()[name]

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def read(self) -> Text:
        """The policy."""
        return Text(self._path.read_text(encoding="utf-8"), self._path.name)
