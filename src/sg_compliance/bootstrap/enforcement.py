"""Wires what changing groups needs: the writer, the clock, and where backups, journal and audit log are kept.

That is the *state*: a folder of the user's, or an S3 bucket with a DynamoDB table beside it.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sg_compliance.bootstrap import Where, read_text, role_names_of, sessions_of
from sg_compliance.errors import InputError
from sg_compliance.workflows.plan import Past
from sg_compliance.workflows.transaction import Run, Stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Judge
    from sg_compliance.enforcement.decide import Circumstances
    from sg_compliance.enforcement.plan import Plan
    from sg_compliance.enforcement.planning import Planning
    from sg_compliance.enforcement.strategies import Strategy
    from sg_compliance.interfaces import Notifier, RuleWriter
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.parse import ParsedPolicy

STATE_VARIABLE: Final = "SG_COMPLIANCE_STATE"
_TABLE: Final = "sg-compliance"
_SWITCH: Final = "/sg-compliance/paused"


@dataclass(frozen=True, slots=True)
class State:
    """Where it is kept. `location`: a folder, or `s3://bucket/prefix`; the rest is for S3 only.

    `topic_arn`: people are told through SNS, from a folder too.
    """

    location: str | None = None
    table: str = _TABLE
    kms_key: str = ""
    switch: str = _SWITCH
    topic_arn: str = ""

    def place(self) -> str:
        """As given, else as the environment says, else the folder for a program's state (XDG base directories)."""
        given = self.location or os.environ.get(STATE_VARIABLE)
        if given:
            return given
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return str(Path(home) / "sg-compliance")

    @property
    def is_remote(self) -> bool:
        """Whether it is in S3."""
        return self.place().startswith("s3://")

    def exists(self) -> bool:
        """Whether there can be anything in it: a folder that was never made is not made by looking."""
        return self.is_remote or Path(self.place()).is_dir()


class SystemClock:
    """The machine's clock."""

    @staticmethod
    def now() -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def writer(where: Where, policy: ParsedPolicy | None = None) -> RuleWriter:
    """Who changes groups, with the role for changes. Raises SgComplianceError."""
    from sg_compliance.aws.ec2_rules import Ec2RuleWriter

    return Ec2RuleWriter(sessions_of(where, where.change_role_name), role_names_of(policy) if policy else {})


def caller(where: Where) -> str:
    """Who it is that changes things, as AWS knows them. Raises AwsError."""
    return sessions_of(where, where.change_role_name).caller().arn


def user() -> str:
    """Who it is, as this machine knows them."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def new_run(by: str, why: str = "", policy: ParsedPolicy | None = None) -> Run:
    """A run with a name of its own."""
    name = f"run-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    version, hashed = (policy.version or "", f"sha256:{policy.sha256}") if policy else ("", "")
    return Run(name, by, why, version, hashed)


@contextmanager
def stores(state: State, where: Where) -> Iterator[Stores]:
    """All that is kept, opened; a folder is made where there is none. Raises SgComplianceError."""
    if state.is_remote:
        yield _in_aws(state, where)
        return
    with ExitStack() as closing:
        yield _in_folder(state, where, closing)


def past(state: State, where: Where) -> Past:
    """What decisions depend on that earlier runs left behind; nothing where nothing was ever kept."""
    if not state.exists():
        return Past()
    with stores(state, where) as kept:
        return Past(kept.journal.entries(), kept.concessions.all())


def _in_folder(state: State, where: Where, closing: ExitStack) -> Stores:
    from sg_compliance.local.audit import FileAuditLog
    from sg_compliance.local.backups import DirectoryBackups
    from sg_compliance.local.concessions import SqliteConcessions
    from sg_compliance.local.journal import SqliteJournal
    from sg_compliance.local.notices import FileNotifier
    from sg_compliance.local.switch import FileSwitch

    folder = Path(state.place())
    journal = SqliteJournal(folder / "journal.sqlite")
    closing.callback(journal.close)
    concessions = SqliteConcessions(folder / "journal.sqlite")
    closing.callback(concessions.close)
    return Stores(
        backups=DirectoryBackups(folder),
        journal=journal,
        audit=FileAuditLog(folder / "audit.jsonl"),
        concessions=concessions,
        switch=FileSwitch(folder / "paused.json"),
        notifier=_topic(state, where) if state.topic_arn else FileNotifier(folder / "notices.jsonl"),
    )


def _in_aws(state: State, where: Where) -> Stores:
    from sg_compliance.aws.dynamodb import DynamoConcessions, DynamoJournal
    from sg_compliance.aws.s3 import BucketPlace, S3Backups
    from sg_compliance.aws.s3_audit import S3AuditLog
    from sg_compliance.aws.ssm import SsmSwitch

    bucket, prefix = _bucket(state.place())
    sessions = sessions_of(where, where.change_role_name)
    clock = SystemClock()
    return Stores(
        backups=S3Backups(sessions, bucket, prefix, state.kms_key),
        journal=DynamoJournal(sessions, state.table, clock),
        audit=S3AuditLog(sessions, BucketPlace(bucket, prefix, state.kms_key), state.table, clock),
        concessions=DynamoConcessions(sessions, state.table, clock),
        switch=SsmSwitch(sessions, state.switch),
        notifier=_topic(state, where) if state.topic_arn else Nobody(),
    )


def _topic(state: State, where: Where) -> Notifier:
    from sg_compliance.aws.sns import SnsNotifier

    return SnsNotifier(sessions_of(where, where.change_role_name), state.topic_arn)


class Nobody:
    """Tells nobody: no topic was named. What was done is in the audit log."""

    def send(self, notice: object) -> None:
        """Tell nobody."""


def _bucket(place: str) -> tuple[str, str]:
    """Bucket and prefix of an S3 location; the prefix ends in a slash, or is empty."""
    parts = urlsplit(place)
    if not parts.netloc or parts.query or parts.fragment:
        message = f"{place!r} is no place in S3"
        raise InputError(message, hint="write it like s3://my-bucket/sg-compliance")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def granted(state: State, where: Where) -> list[Concession]:
    """What people granted outside the policy document; nothing where nothing was ever kept."""
    if not state.exists():
        return []
    with stores(state, where) as kept:
        return kept.concessions.all()


def refuse_to_replace(path: Path) -> None:
    """Raise InputError where there is a file already: said before the work, not after it."""
    if path.exists():
        message = f"{path}: there is a file already"
        raise InputError(message, hint="choose another name, or replace it with --force")


def save_plan(plan: Plan, path: Path, *, replace: bool) -> None:
    """Write the plan to a file that only its owner may read, whole or not at all. Raises InputError."""
    from sg_compliance.local import durable

    hint = "choose a folder that can be written to and has room"
    if not path.parent.is_dir():
        message = f"{path}: cannot be written: there is no folder {path.parent}"
        raise InputError(message, hint=hint)
    try:
        (durable.replace if replace else durable.write_new)(path, plan.encode().encode())
    except FileExistsError:
        refuse_to_replace(path)
        raise
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise InputError(message, hint=hint) from error


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises InputError."""
    from sg_compliance.enforcement.plan import decode_plan

    return decode_plan(read_text(path), str(path))


def planning(
    judge: Judge, past: Past, circumstances: Circumstances, strategy: Strategy | None, *, despite_hold: bool = False
) -> Planning:
    """How findings are decided about."""
    from sg_compliance.enforcement.planning import Planning

    return Planning(
        policy=judge.evaluator.policy,
        circumstances=circumstances,
        now=judge.evaluator.now,
        strategy=strategy,
        concessions=past.concessions,
        entries=past.by_place(),
        despite_hold=despite_hold,
    )
