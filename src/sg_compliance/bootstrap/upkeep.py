"""Wires what looks after the state: who does it, and the stores where there are any."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sg_compliance.bootstrap.enforcement import SystemClock, caller, new_run, stores, user
from sg_compliance.workflows.concessions import Granting
from sg_compliance.workflows.switching import Switching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.workflows.transaction import Stores


@contextmanager
def existing(state: State, where: Where) -> Iterator[Stores | None]:
    """The stores, or None where nothing was ever kept: looking makes no folder. Raises SgComplianceError."""
    if not state.exists():
        yield None
        return
    with stores(state, where) as kept:
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


@contextmanager
def switching(state: State, where: Where) -> Iterator[Switching]:
    """What pauses and resumes. Raises SgComplianceError."""
    run = new_run(who(state, where))
    with stores(state, where) as kept:
        yield Switching(kept, SystemClock(), run)
