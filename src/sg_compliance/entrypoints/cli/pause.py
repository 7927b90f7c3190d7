"""`pause` and `resume`: the one switch that stops all changes."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options

PAUSE_EXAMPLES: Final = """Examples:

sg-compliance pause --reason "release in progress" --for 2h

sg-compliance pause --reason "looking into it" --state s3://my-bucket/sg-compliance"""
RESUME_EXAMPLES: Final = """Examples:

sg-compliance resume"""


def pause(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="For how long: 90m, 2h, 1d; else until somebody resumes.")
    ] = "",
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
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.switch import pause_lines

    duration = options.duration(lasting) if lasting else None
    place = options.state(state, table, kms_key, pause_parameter, topic)
    with switching(place, Where(profile=profile, endpoint_url=endpoint_url)) as work:
        switched = work.pause(reason, duration)
    write(pause_lines(*switched))


def resume(
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

    place = options.state(state, table, kms_key, pause_parameter, topic)
    if not place.exists():
        write(resume_lines(changed=False, before="", notes=()))
        return
    with switching(place, Where(profile=profile, endpoint_url=endpoint_url)) as work:
        switched = work.resume()
    write(resume_lines(*switched))
