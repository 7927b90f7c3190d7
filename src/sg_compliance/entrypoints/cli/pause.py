"""`pause` and `resume`: the one switch that stops all changes."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

PAUSE_EXAMPLES: Final = """Examples:

sg-compliance pause --reason "release in progress" --for 2h

sg-compliance pause --reason "looking into it" --state s3://my-bucket/sg-compliance

Exit status: 0 changes are paused, 2 they are not, or the audit log does not have it: the message says which."""
RESUME_EXAMPLES: Final = """Examples:

sg-compliance resume

Exit status: 0 changes go on, 2 could not do it."""


def pause(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="For how long: 90m, 2h, 1d; else until somebody resumes."),
    ] = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Stop all changes, of everybody who uses the same state. Scans and other reads go on."""
    from sg_compliance.bootstrap.upkeep import switching
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.entrypoints.cli.terminal import show_error, write
    from sg_compliance.errors import StoreError
    from sg_compliance.reports.switch import pause_lines

    duration = options.duration(lasting) if lasting is not None else None
    place = options.state(state, table, kms_key, pause_parameter, topic)
    switched = switching(place, Where(profile=profile, endpoint_url=endpoint_url)).pause(reason, duration)
    write(pause_lines(switched.changed, switched.before, switched.notes))
    if switched.unlogged:
        said = f"all changes are paused, but the audit log does not have it: {switched.unlogged}"
        show_error(StoreError(said, hint=switched.unlogged.hint))
        raise typer.Exit(COULD_NOT)


def resume(
    despite_log: Annotated[
        bool, typer.Option("--despite-log", help="Also where the audit log cannot take a line about it.")
    ] = False,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Let changes go on."""
    from sg_compliance.bootstrap.upkeep import switching
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.switch import resume_lines

    place = upkeep.there(options.state(state, table, kms_key, pause_parameter, topic))
    switched = switching(place, Where(profile=profile, endpoint_url=endpoint_url)).resume(despite_log=despite_log)
    unlogged = (f"the audit log does not have it: {switched.unlogged}",) if switched.unlogged else ()
    write(resume_lines(switched.changed, switched.before, (*switched.notes, *unlogged)))
