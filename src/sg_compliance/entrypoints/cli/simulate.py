"""`simulate`: what would come of an event."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.reports.simulation import Event
    from sg_compliance.workflows.simulate import Simulated

EXAMPLES: Final = """Examples:

sg-compliance simulate event.json --from groups.json

sg-compliance simulate event.json --policy policy.json --role-name sg-compliance-scan

jq -c ".Records[]" trail.json | sg-compliance simulate - --json

Exit status: 0 nothing violates and nothing would be done, 1 something does, 2 it is not known of every event."""

OurRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--our-role",
        metavar="NAME",
        callback=options.roles,
        help="Another role of this tool: changes under it are its own. Can be repeated.",
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--regions",
        "--region",
        metavar="REGION",
        callback=options.regions,
        help="With --from: the region of groups that do not say theirs.",
    ),
]


def simulate(
    events: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            help="File, or -: one event, a list, or a line each; as EventBridge delivers them, or bare CloudTrail "
            "records.",
        ),
    ],
    sources: options.From = None,
    policy: options.Policy = None,
    environment: options.Environment = None,
    severity: planning_options.Severity = options.SeverityName.CRITICAL,
    our_roles: OurRoles = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON, an element an event.")] = False,
    accounts: options.Accounts = None,
    regions: Regions = None,
    role_name: options.RoleName = options.ROLE_NAME,
    change_role_name: options.ChangeRoleName = options.CHANGE_ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """Say what would be done if these events came, as of the time when each of them happened.

    What is found, decided and planned, who would be told, and whether it is too much at once. Nothing is changed,
    nobody is told, nothing is kept. With --from, AWS is not asked.
    """
    import json
    from contextlib import closing

    from rich.text import Text

    from sg_compliance.bootstrap.responding import event_texts, simulation
    from sg_compliance.entrypoints.cli.planning import read_policy
    from sg_compliance.entrypoints.cli.terminal import followed, write, write_text
    from sg_compliance.model.finding import Severity
    from sg_compliance.reports.simulation import Event, event_lines, event_record, totals_line
    from sg_compliance.workflows.case import Terms

    place = options.where(
        sources=sources,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=False,
        units=None,
        excluded=None,
        regions=regions,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
        change_role_name=change_role_name,
    )
    kept = options.state(state, table)
    if regions and not place.sources:
        message = "an event says its region itself: this is for groups in files that do not, so give it with --from"
        raise typer.BadParameter(message, param_hint="--regions")
    if events == "-" and "-" in place.sources:
        raise typer.BadParameter("events and groups cannot both come from standard input", param_hint="--from")
    texts = event_texts(events)
    parsed = read_policy(place, kept, policy, environment).parsed
    terms = Terms(dry_run=True, acting=True, severity=Severity(severity.value))
    again, found = options.again(place, kept), list[Event]()
    with (
        options.hints_completed(again),
        simulation(place, kept, parsed, environment=environment, terms=terms, our_roles=our_roles or ()) as simulating,
        closing(followed(texts, "simulating", hidden=quiet or (shown_as_it_goes() and not json_))) as followed_texts,
    ):
        for number, (text, source) in enumerate(followed_texts, 1):
            event = _event(number, simulating.simulate(text), source)
            found.append(event)
            if not json_:
                write([*event_lines(event, again), Text()])
    if json_:
        write_text([json.dumps([event_record(each, again) for each in found], indent=2), "\n"])
    else:
        write([totals_line(found)])
    raise typer.Exit(_status(found))


def shown_as_it_goes() -> bool:
    """Whether the result is read while it is written: a bar would stand in its way."""
    return sys.stdout.isatty()


def _event(number: int, simulated: Simulated, source: str) -> Event:
    """For the report."""
    from sg_compliance.reports.simulation import Event

    return Event(
        number=number,
        at=simulated.at,
        handled=simulated.handled,
        error=simulated.error,
        plans=simulated.plans,
        notices=simulated.notices,
        digests=simulated.digests,
        supposed=simulated.supposed,
        unseen=simulated.unseen,
        source=source,
    )


def _status(events: Sequence[Event]) -> int:
    """2 where it is not known what would happen, else 1 where something would, else 0."""
    from sg_compliance.entrypoints.cli.exit import CLEAN, COULD_NOT, FINDINGS

    if any(each.is_unknown for each in events):
        return COULD_NOT
    return FINDINGS if any(each.is_bad for each in events) else CLEAN
