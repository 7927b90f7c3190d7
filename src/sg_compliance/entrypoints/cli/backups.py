"""`backups`: list, show, compare and check what was written down before every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.enforcement.shelf import Kept

LIST_EXAMPLES: Final = """Examples:

sg-compliance backups list

sg-compliance backups list --group sg-0123456789abcdef0 --json"""
SHOW_EXAMPLES: Final = """Examples:

sg-compliance backups show sg-0123456789abcdef0-20260115T120000Z-0123456789abcdef"""
DIFF_EXAMPLES: Final = """Examples:

sg-compliance backups diff sg-0123456789abcdef0-20260115T120000Z-0123456789abcdef

sg-compliance backups diff ID ID2

Exit status: 0 the same, 1 different, 2 could not do it."""
VERIFY_EXAMPLES: Final = """Examples:

sg-compliance backups verify

sg-compliance backups verify --state s3://my-bucket/sg-compliance

Exit status: 0 all of them whole, 2 some are damaged or missing, or there is none."""

app = upkeep.commands("List, show, compare and check backups.")

BackupId = Annotated[str, typer.Argument(metavar="ID", help="Id of the backup.")]


@app.command("list", epilog=LIST_EXAMPLES)
def list_(
    group: Annotated[
        str | None, typer.Option("--group", metavar="SG", help="Only this group: its id, or its name.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="ID", help="Only this account.")] = None,
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """List the backups, oldest first: of which group, by whom, for which rules, and whether the change stands."""
    from sg_compliance.bootstrap.upkeep import existing
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.backups import kept_record, list_lines
    from sg_compliance.workflows.backups import listed

    place = options.state(state, table)
    group_name, account_id = upkeep.named(group, "--group"), upkeep.named(account, "--account")
    account_id = options.account_id(account_id) if account_id else ""
    where = Where(profile=profile, endpoint_url=endpoint_url)
    with existing(place, where) as stores:
        found = listed(stores, group_name, account_id) if stores else []
    if json_:
        upkeep.write_json([kept_record(kept) for kept in found])
    if stores is None:
        upkeep.write_nothing_kept(place, as_json=json_)
    elif not json_:
        write(list_lines(found, asked=bool(group or account), again=options.again(where, place)))
    raise typer.Exit(COULD_NOT if any(kept.backup is None for kept in found) else 0)


@app.command(epilog=SHOW_EXAMPLES)
def show(
    backup_id: BackupId,
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Show everything that one backup holds: who made it and why, every rule in words, the tags."""
    from sg_compliance.bootstrap.enforcement import stores
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.backups import whole_lines, whole_record
    from sg_compliance.workflows.backups import read

    place = upkeep.there(options.state(state, table))
    where = Where(profile=profile, endpoint_url=endpoint_url)
    with stores(place, where, reading=True) as kept:
        found = read(kept, backup_id)
    if json_:
        upkeep.write_json(whole_record(found))
    elif found.backup:
        write(whole_lines(found, found.backup, options.again(where, place)))


@app.command(epilog=DIFF_EXAMPLES)
def diff(
    backup_id: BackupId,
    other_id: Annotated[
        str | None, typer.Argument(metavar="ID2", help="Another backup of the group; else the group as it is now.")
    ] = None,
    json_: options.AsJson = False,
    policy: options.RolePolicy = None,
    change_role_name: options.ChangeRoleName = options.CHANGE_ROLE_NAME,
    external_id: options.ExternalId = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Compare a backup with the group as it is now in AWS, or with another backup of it. Changes nothing."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.enforcement import stores, writer
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.backups import difference_lines, difference_record, side
    from sg_compliance.workflows.backups import compare, compare_with_now

    place = upkeep.there(options.state(state, table))
    where = Where(
        profile=profile, endpoint_url=endpoint_url, external_id=external_id, change_role_name=change_role_name
    )
    with stores(place, where, reading=True) as kept:
        if other_id:
            found = compare(kept, backup_id, other_id)
        else:
            found = compare_with_now(kept, backup_id, writer(where, bootstrap.load_policy(policy) if policy else None))
    if json_:
        upkeep.write_json(difference_record(backup_id, other_id, found.difference))
    else:
        write(difference_lines(f"backup {backup_id}", side(found.other, other_id), found.difference))
    raise typer.Exit(1 if found.difference else 0)


@app.command(epilog=VERIFY_EXAMPLES)
def verify(
    backup_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these; else all.")] = None,
    json_: options.AsJson = False,
    quiet: options.Quiet = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Read every backup and check its schema, its checksum and its name; and that none is missing."""
    from sg_compliance.bootstrap.enforcement import stores
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.backups import verified_lines
    from sg_compliance.workflows import backups as workflow

    place = upkeep.there(options.state(state, table))
    with stores(place, Where(profile=profile, endpoint_url=endpoint_url), reading=True) as kept:
        wanted = workflow.to_verify(kept, backup_ids or ())
        found = list(_followed(workflow.verify(kept, wanted), len(wanted.ids), quiet=quiet))
    if not found:
        raise upkeep.nothing_kept(place, "no backup")
    damaged = [{"id": each.id, "problem": each.problem} for each in found if each.backup is None]
    if json_:
        upkeep.write_json({"checked": len(found), "damaged": damaged})
    else:
        write(verified_lines(found))
    raise typer.Exit(COULD_NOT if damaged else 0)


def _followed(found: Iterator[Kept], total: int, *, quiet: bool) -> Iterator[Kept]:
    """The same, with a bar for people."""
    from rich.progress import track

    from sg_compliance.entrypoints.cli.terminal import talk

    console = talk()
    hidden = quiet or not console.is_terminal
    yield from track(found, "verifying", total, console=console, transient=True, disable=hidden)
