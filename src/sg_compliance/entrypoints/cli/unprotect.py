"""`unprotect`: leave to change a protected group for a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

if TYPE_CHECKING:
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.enforcement.grants import Asked

EXAMPLES: Final = """Examples:

sg-compliance unprotect sg-0123456789abcdef0 --reason "controller is retired" --approved-by zoe --for 8h

sg-compliance unprotect sg-0123456789abcdef0 --remove

sg-compliance unprotect --list"""


def unprotect(
    group: Annotated[str, typer.Argument(metavar="[GROUP]", help="Id of the group (sg-…).", show_default=False)] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    approved_by: Annotated[str, typer.Option(metavar="NAME", help="Who agreed to it.")] = "",
    lasting: Annotated[str, typer.Option("--for", metavar="TIME", help="For how long: 24h, 7d; 30d at most.")] = "24h",
    remove: Annotated[bool, typer.Option("--remove", help="Protect the group again before that.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="In place of leave that is running.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the groups that are unprotected now.")] = False,
    json_: options.AsJson = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    topic: options.Topic = "",
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Let changes be made to a group that is protected: by its tag, or because a service looks after it."""
    from sg_compliance.enforcement.grants import Asked

    place = options.state(state, table, kms_key=kms_key, topic=topic)
    where = Where(profile=profile, endpoint_url=endpoint_url)
    if list_ == bool(group) or (list_ and remove):
        raise typer.BadParameter("give a GROUP, or --list")
    if json_ and not list_:
        raise typer.BadParameter("--json goes with --list")
    if list_:
        _list(place, where, as_json=json_)
    elif remove:
        _remove(place, where, group)
    else:
        asked = Asked((), group_id=group, reason=reason, approved_by=approved_by, expires=lasting)
        _grant(place, where, asked, replace=replace)


def _list(place: State, where: Where, *, as_json: bool) -> None:
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import existing
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.concessions import grant_lines, grant_record
    from sg_compliance.workflows.concessions import unprotections

    now = bootstrap.now()
    with existing(place, where) as stores:
        found = unprotections(stores, now) if stores else []
    if as_json:
        upkeep.write_json([grant_record(grant, now) for grant in found])
    if stores is None:
        upkeep.write_nothing_kept(place, as_json=as_json)
    elif not as_json:
        write(grant_lines(found, now, "no group is unprotected"))


def _grant(place: State, where: Where, asked: Asked, *, replace: bool) -> None:
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import granting
    from sg_compliance.enforcement.grants import unprotection
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.concessions import done_lines

    unprotection(asked, bootstrap.now(), "")
    with granting(place, where) as work:
        done = work.grant(unprotection(asked, work.clock.now(), work.run.by), replace=replace)
    write(done_lines("granted", *done))


def _remove(place: State, where: Where, group: str) -> None:
    from sg_compliance.bootstrap.upkeep import granting
    from sg_compliance.enforcement.grants import unprotection_id_of
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.concessions import done_lines
    from sg_compliance.workflows.concessions import not_granted

    wanted = unprotection_id_of(group)
    if not place.exists():
        raise not_granted(wanted)
    with granting(place, where) as work:
        done = work.withdraw(wanted)
    write(done_lines("withdrawn", *done))
