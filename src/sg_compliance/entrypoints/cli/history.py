"""`history`: everything that is known of one group."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

EXAMPLES: Final = """Examples:

sg-compliance history sg-0123456789abcdef0

sg-compliance history payments-db --json"""


def history(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Id (sg-…), or name that the group had in a backup.")],
    json_: options.AsJson = False,
    policy: options.Policy = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Tell what was done to a group, what holds for it now, and how to undo it."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import existing
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.history import story_lines, story_record, unknown_line
    from sg_compliance.workflows import history as workflow

    if not group.strip():
        raise typer.BadParameter("an empty value; give the id of a group, or its name", param_hint="GROUP")
    place, now = options.state(state, table), bootstrap.now()
    document = bootstrap.load_policy(policy).document
    where = Where(profile=profile, endpoint_url=endpoint_url)
    with existing(place, where) as stores:
        found = workflow.history(stores, group, document, now) if stores else []
    if json_:
        upkeep.write_json([story_record(story, now) for story in found])
    if stores is None:
        upkeep.write_nothing_kept(place, as_json=json_)
    elif not json_:
        for story in found:
            write(story_lines(story, now, options.again(where, place)))
        if not found:
            write([unknown_line(group)])
