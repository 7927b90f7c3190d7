"""Wires what blocks users and roles, and what is known of who changed how much."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sg_compliance.bootstrap import role_names_of, sessions_of
from sg_compliance.bootstrap.board import board
from sg_compliance.bootstrap.enforcement import SystemClock, new_run
from sg_compliance.errors import InputError
from sg_compliance.model.visible import visible
from sg_compliance.realtime.containment import Bounds, check_names_somebody
from sg_compliance.realtime.principals import Ours, is_role, roles_at_home
from sg_compliance.workflows.containing import Containing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.interfaces import Blocks, OperationWindows
    from sg_compliance.policy.parse import ParsedPolicy

CONTAIN_ROLE: Final = "sg-compliance-contain"
BREAK_GLASS_VARIABLE: Final = "SG_COMPLIANCE_BREAK_GLASS"
OWN_ROLES_VARIABLE: Final = "SG_COMPLIANCE_OWN_ROLES"
_FILE: Final = "journal.sqlite"


def break_glass(given: Iterable[str] = ()) -> tuple[str, ...]:
    """The patterns of who is never blocked: those of the environment, with commas between, and these.

    Raises InputError for what can be nobody's: a misspelt one would protect nobody.
    """
    of_environment = [each.strip() for each in os.environ.get(BREAK_GLASS_VARIABLE, "").split(",")]
    places = [(each, f"${BREAK_GLASS_VARIABLE}") for each in of_environment if each]
    places += [(each.strip(), "--break-glass") for each in given]
    for each, where in places:
        try:
            check_names_somebody(each)
        except ValueError as error:
            raise InputError(f"break-glass list, {visible(repr(each))}: {error}", hint=f"mend it in {where}") from error
    return tuple(dict.fromkeys(each for each, _ in places))


def function_roles(caller: str) -> frozenset[str]:
    """ARNs of the roles of a deployment's functions, as the environment names them.

    Raises InputError for what can be no role: one that is misspelt would protect nobody.
    """
    named = [each.strip() for each in os.environ.get(OWN_ROLES_VARIABLE, "").split(",")]
    for each in named:
        if each and not is_role(each):
            raise InputError(f"{each!r} is no role", hint=f"give its name or its ARN: mend it in ${OWN_ROLES_VARIABLE}")
    return roles_at_home(named, caller)


def bounds(
    where: Where,
    caller: str,
    contain_role: str = CONTAIN_ROLE,
    protected: Iterable[str] = (),
    policy: ParsedPolicy | None = None,
) -> Bounds:
    """Who is never blocked: our roles, also as the policy calls them in some accounts, the caller, break glass."""
    of_policy = role_names_of(policy).values() if policy else ()
    names = (where.role_name, where.change_role_name, contain_role, *of_policy)
    ours = Ours(
        role_names=frozenset(name.rpartition("/")[2] for name in names),
        accounts=frozenset(where.accounts) or None,
        function_roles=function_roles(caller),
    )
    return Bounds(ours, break_glass(protected), caller)


@contextmanager
def blocks(state: State, where: Where, *, reading: bool = False) -> Iterator[Blocks]:
    """Who is blocked, as the state has it. Raises SgComplianceError."""
    if state.is_remote:
        from sg_compliance.aws.blocks import DynamoBlocks

        yield DynamoBlocks(sessions_of(where, where.change_role_name), state.table, SystemClock())
        return
    from sg_compliance.local.blocks import SqliteBlocks

    found = SqliteBlocks(Path(state.place()) / _FILE, reading=reading)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def containing(  # noqa: PLR0913  all that blocking depends on
    state: State,
    where: Where,
    *,
    contain_role: str = CONTAIN_ROLE,
    protected: Iterable[str] = (),
    policy: ParsedPolicy | None = None,
    reading: bool = False,
    despite_pause: bool = False,
    automatic: bool = False,
) -> Iterator[Containing]:
    """What blocks and unblocks, as whom AWS knows to ask. `automatic`: by itself, too. Raises SgComplianceError."""
    from sg_compliance.aws.iam import IamContainment

    sessions = sessions_of(where, contain_role)
    caller = sessions.caller().arn
    limits = bounds(where, caller, contain_role, protected, policy)
    with blocks(state, where, reading=reading) as kept:
        yield Containing(
            containment=IamContainment(sessions),
            blocks=kept,
            board=board(state, where),
            clock=SystemClock(),
            run=new_run(caller),
            bounds=limits,
            automatic=automatic,
            despite_pause=despite_pause,
        )


@contextmanager
def operation_windows(state: State, where: Where, *, reading: bool = False) -> Iterator[OperationWindows]:
    """What is known of each principal's operations. Raises SgComplianceError."""
    if state.is_remote:
        from sg_compliance.aws.windows import DynamoWindows

        yield DynamoWindows(sessions_of(where, where.change_role_name), state.table, SystemClock())
        return
    from sg_compliance.local.windows import SqliteWindows

    found = SqliteWindows(Path(state.place()) / _FILE, SystemClock(), reading=reading)
    try:
        yield found
    finally:
        found.close()
