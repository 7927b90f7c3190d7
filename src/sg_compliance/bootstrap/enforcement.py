"""Wires what changing groups needs: the writer, the clock, and where backups, journal and audit log are kept.

That is the *state*: a folder of the user's, or an S3 bucket with a DynamoDB table beside it.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sg_compliance.bootstrap import CHANGING, Where, role_names_of, sessions_of
from sg_compliance.bootstrap.board import board, bucket_of
from sg_compliance.errors import InputError
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.plan import Past
from sg_compliance.workflows.transaction import Stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Judge
    from sg_compliance.enforcement.decide import Circumstances
    from sg_compliance.enforcement.planning import Planning
    from sg_compliance.enforcement.strategies import Strategy
    from sg_compliance.interfaces import BackupStore, Concessions, Journal, RuleWriter
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.workflows.switching import Board

STATE_VARIABLE: Final = "SG_COMPLIANCE_STATE"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
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

    def check(self) -> None:
        """Refuse what can be no state, before anything is looked for there or made. Raises InputError."""
        place = self.place()
        if self.is_remote:
            bucket_of(place)
        elif _SCHEME.match(place):
            message = f"{place!r} is neither a folder nor a place in S3"
            raise InputError(message, hint="write s3://BUCKET/PREFIX, or ./NAME for a folder with a colon in its name")
        elif Path(place).exists() and not Path(place).is_dir():
            message = f"{place}: state is kept in a folder, and this is none"
            raise InputError(message, hint="name another place with --state: a folder, or s3://BUCKET/PREFIX")

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

    names = role_names_of(policy) if policy else {}
    return Ec2RuleWriter(sessions_of(where, where.change_role_name, CHANGING), names)


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
def stores(state: State, where: Where, *, reading: bool = False) -> Iterator[Stores]:
    """All that is kept, opened; a folder is made where there is none. Raises SgComplianceError.

    `reading`: to look only. Nothing is made, and a folder that cannot be written to will do.
    """
    if state.is_remote:
        yield _in_aws(state, where)
        return
    with ExitStack() as closing:
        yield _in_folder(state, where, closing, reading=reading)


def past(state: State, where: Where) -> Past:
    """What decisions depend on that earlier runs left behind; nothing where nothing was ever kept."""
    if not state.exists():
        return Past()
    with stores(state, where, reading=True) as kept:
        return Past(kept.journal.entries(), kept.concessions.all())


def _in_folder(state: State, where: Where, closing: ExitStack, *, reading: bool) -> Stores:
    from sg_compliance.local.backups import DirectoryBackups
    from sg_compliance.local.concessions import SqliteConcessions
    from sg_compliance.local.journal import SqliteJournal

    folder = Path(state.place())
    journal = SqliteJournal(folder / "journal.sqlite", reading=reading)
    closing.callback(journal.close)
    concessions = SqliteConcessions(folder / "journal.sqlite", reading=reading)
    closing.callback(concessions.close)
    return _with_board(board(state, where), DirectoryBackups(folder), journal, concessions)


def _in_aws(state: State, where: Where) -> Stores:
    from sg_compliance.aws.dynamodb import DynamoConcessions, DynamoJournal
    from sg_compliance.aws.s3 import S3Backups

    bucket, prefix = bucket_of(state.place())
    sessions = sessions_of(where, where.change_role_name)
    clock = SystemClock()
    return _with_board(
        board(state, where),
        S3Backups(sessions, bucket, prefix, state.kms_key),
        DynamoJournal(sessions, state.table, clock),
        DynamoConcessions(sessions, state.table, clock),
    )


def _with_board(board: Board, backups: BackupStore, journal: Journal, concessions: Concessions) -> Stores:
    return Stores(backups, journal, board.audit, concessions, board.switch, board.notifier)


def granted(state: State, where: Where) -> list[Concession]:
    """What people granted outside the policy document; nothing where nothing was ever kept."""
    if not state.exists():
        return []
    with stores(state, where, reading=True) as kept:
        return kept.concessions.all()


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
