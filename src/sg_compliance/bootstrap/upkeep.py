"""Wires what looks after the state: who does it, and the stores where there are any."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sg_compliance.bootstrap.board import board
from sg_compliance.bootstrap.enforcement import SystemClock, caller, new_run, stores, user
from sg_compliance.workflows.concessions import Granting
from sg_compliance.workflows.switching import Switching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.workflows.transaction import Stores


JOURNAL: Final = "journal.sqlite"
KEPT: Final = ("backups", JOURNAL, "audit.jsonl", "paused.json", "notices.jsonl")
"""What stands in a folder where something is kept."""


def anything_kept(state: State) -> bool:
    """Whether anything was ever kept there, as far as a look at the folder tells."""
    return state.exists() and (state.is_remote or any((Path(state.place()) / name).exists() for name in KEPT))


def journal_kept(state: State) -> bool:
    """Whether there can be records of blocks and of operations, which stand beside the journal."""
    if state.is_remote:
        return True
    journal = Path(state.place()) / JOURNAL
    return any(each.exists() and (each.is_dir() or each.stat().st_size) for each in (journal, _log_of(journal)))


def _log_of(path: Path) -> Path:
    """What SQLite has not yet moved into the file (SQLite, "Write-Ahead Logging")."""
    return path.with_name(f"{path.name}-wal")


@contextmanager
def existing(state: State, where: Where) -> Iterator[Stores | None]:
    """The stores to look at, or None where nothing was ever kept: looking makes nothing. Raises SgComplianceError."""
    if not anything_kept(state):
        yield None
        return
    with stores(state, where, reading=True) as kept:
        yield kept


def who(state: State, where: Where) -> str:
    """Who operates the tool: as AWS knows them for a state in AWS, else as this machine does. Raises AwsError."""
    return caller(where) if state.is_remote else user()


@contextmanager
def granting(state: State, where: Where) -> Iterator[Granting]:
    """What grants and withdraws. Raises SgComplianceError."""
    run = new_run(who(state, where))
    with stores(state, where) as kept:
        yield Granting(kept, SystemClock(), run)


def switching(state: State, where: Where) -> Switching:
    """What pauses and resumes, also where the journal cannot be used. Raises SgComplianceError."""
    run = new_run(who(state, where))
    return Switching(board(state, where), SystemClock(), run)
