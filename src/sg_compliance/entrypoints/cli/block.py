"""`block`, `unblock` and `blocks`: keep a user or a role out for a time, and let it in again."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.model.block import BlockOutcome

BLOCK_EXAMPLES: Final = """Examples:

sg-compliance block arn:aws:iam::111122223333:user/ada --for 1h --reason "opens ports in a row" --dry-run

sg-compliance block arn:aws:sts::111122223333:assumed-role/deploy/laptop --reason "stolen session" --yes

Exit status: 0 blocked, or blocked for as long already; 2 not blocked, or not certain: the message says which."""
UNBLOCK_EXAMPLES: Final = """Examples:

sg-compliance unblock block-0123456789ab

sg-compliance unblock arn:aws:iam::111122223333:user/ada --reason "it was a release"

sg-compliance unblock --expired

Exit status: 0 unblocked, or nothing to undo; 2 could not do it."""
LIST_EXAMPLES: Final = """Examples:

sg-compliance blocks list

sg-compliance blocks list --state s3://my-bucket/sg-compliance --json"""
CONTAIN_ROLE: Final = "sg-compliance-contain"
_RESCUE: Final = "./rescue"

ContainRole = Annotated[
    str, typer.Option("--contain-role-name", help="Role to assume in every other account to block users and roles.")
]

app = upkeep.commands("Who is blocked.")


def block(
    arn: Annotated[str, typer.Argument(metavar="ARN", help="A user, a role, or a session of a role.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="For how long: 30m, 90m, 12h, 2d; 1m at least, 7d at most.")
    ] = "1h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: options.Yes = False,
    protected: Annotated[
        list[str] | None,
        typer.Option(
            "--break-glass",
            metavar="PATTERN",
            help="Never block whom this names: ARN or name, with * and ?. Can be repeated; "
            "beside $SG_COMPLIANCE_BREAK_GLASS.",
        ),
    ] = None,
    accounts: options.Accounts = None,
    despite_pause: Annotated[bool, typer.Option("--despite-pause", help="Block while changes are paused too.")] = False,
    policy: options.RolePolicy = None,
    json_: options.AsJson = False,
    contain_role_name: ContainRole = CONTAIN_ROLE,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
) -> None:
    """Deny an IAM user everything for a time; a role: all its sessions that exist now. It ends by itself.

    Root, AWS's own roles, the roles of this tool, who runs it, and the break-glass list are never blocked. A block that
    runs already is made longer, never shorter.
    """
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.containing import containing
    from sg_compliance.entrypoints.cli.running import agreed
    from sg_compliance.entrypoints.cli.terminal import talk_lines
    from sg_compliance.model.block import BlockStatus
    from sg_compliance.reports.blocks import outcome_lines

    duration = options.lasting_of_block(lasting)
    place = Where(
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=tuple(accounts or ()),
        external_id=external_id,
        session_name=session_name,
    )
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    parsed = bootstrap.load_policy(policy) if policy else None
    again = _again(place, kept, contain_role_name)
    how = {"contain_role": contain_role_name, "protected": protected or (), "policy": parsed}
    with options.hints_completed(again):
        with containing(kept, place, **how, reading=True, despite_pause=despite_pause) as work:  # type: ignore[arg-type]
            outcome = work.block(arn, reason, duration, dry_run=True)
        if dry_run or outcome.status is BlockStatus.UNCHANGED:
            _write(outcome, again, as_json=json_)
            return
        talk_lines(outcome_lines(outcome, again))
        if not agreed("Block it?", yes=yes):
            raise typer.Exit(2)
        with containing(kept, place, **how, despite_pause=despite_pause) as work:  # type: ignore[arg-type]
            outcome = work.block(arn, reason, duration)
    try:
        _write(outcome, again, as_json=json_)
        sys.stdout.flush()
    except OSError:  # it is done, and whoever cannot read the result must not think otherwise
        talk_lines(outcome_lines(outcome, again))
        raise


def unblock(
    blocked: Annotated[
        str, typer.Argument(metavar="[BLOCK]", help="Id of a block, or the ARN of who is blocked.", show_default=False)
    ] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit log.")] = "",
    expired: Annotated[
        bool, typer.Option("--expired", help="Take away the policies of all blocks that are over.")
    ] = False,
    json_: options.AsJson = False,
    contain_role_name: ContainRole = CONTAIN_ROLE,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
) -> None:
    """Let a user or a role in again: also while changes are paused, and where the record of the block is lost.

    For a day after that only a person can block it again.
    """
    from sg_compliance.bootstrap.containing import containing
    from sg_compliance.bootstrap.upkeep import journal_kept
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.model.block import BlockStatus

    if expired == bool(blocked.strip()):
        raise typer.BadParameter("give the id of a BLOCK, an ARN, or --expired")
    place = Where(profile=profile, endpoint_url=endpoint_url, external_id=external_id, session_name=session_name)
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    again = _again(place, kept, contain_role_name)
    if expired and not journal_kept(kept):
        if json_:
            upkeep.write_json([])
        upkeep.write_no_journal(kept, "of blocks", as_json=json_)
        return
    elsewhere = _again(place, replace(kept, location=_RESCUE), contain_role_name)
    with (
        _without_the_record(blocked, elsewhere),
        options.hints_completed(again),
        containing(kept, place, contain_role=contain_role_name) as work,
    ):
        outcomes = list(work.release_expired()) if expired else [work.unblock(blocked, reason)]
    if expired:
        _write_all(outcomes, again, as_json=json_)
    else:
        _write(outcomes[0], again, as_json=json_)
    if any(each.status is BlockStatus.FAILED for each in outcomes):
        raise typer.Exit(COULD_NOT)


@contextmanager
def _without_the_record(blocked: str, again: str) -> Iterator[None]:
    """Where the state cannot be read somebody can be let in all the same: IAM has the policy, an ARN says whose.

    `again` are the options for that, with another state.
    """
    from sg_compliance.errors import StoreError

    try:
        yield
    except StoreError as error:
        who = shlex.quote(blocked.strip()) if blocked.strip().startswith("arn:") else "ARN"
        error.hint += f"; to let somebody in before that: sg-compliance unblock {who}{again}"
        raise


@app.command("list", epilog=LIST_EXAMPLES)
def list_(
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """List who is blocked, until when, why, and how to undo it; and whose block was lifted of late, by whom and why."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.containing import blocks
    from sg_compliance.bootstrap.upkeep import journal_kept
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.blocks import block_lines, block_list_record

    kept, place, now = options.state(state, table), Where(profile=profile, endpoint_url=endpoint_url), bootstrap.now()
    if not journal_kept(kept):
        if json_:
            upkeep.write_json([])
        upkeep.write_no_journal(kept, "of blocks", as_json=json_)
        return
    with blocks(kept, place, reading=True) as found:
        listed = found.all()
    if json_:
        upkeep.write_json([block_list_record(each, now, options.again(place, kept)) for each in listed])
    else:
        write(block_lines(listed, now, options.again(place, kept)))


def _again(place: Where, kept: State, contain_role: str) -> str:
    """The options that `unblock` has to be given again."""
    role = f" --contain-role-name {shlex.quote(contain_role)}" if contain_role != CONTAIN_ROLE else ""
    return options.again(place, kept) + role


def _write(outcome: BlockOutcome, again: str, *, as_json: bool) -> None:
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.blocks import outcome_lines, outcome_record

    if as_json:
        upkeep.write_json(outcome_record(outcome, again))
    else:
        write(outcome_lines(outcome, again))


def _write_all(outcomes: Iterable[BlockOutcome], again: str, *, as_json: bool) -> None:
    from rich.text import Text

    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.blocks import outcome_lines, outcome_record

    found = list(outcomes)
    if as_json:
        upkeep.write_json([outcome_record(each, again) for each in found])
    else:
        write(line for each in found for line in outcome_lines(each, again))
        write([] if found else [Text("no block is over")])
