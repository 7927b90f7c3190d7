"""`plan`: what would be changed, group by group, and why. Reads, decides, writes at most the plan's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

EXAMPLES: Final = """Examples:

sg-compliance plan --accounts 111122223333 --regions eu-west-1 --output plan.json

sg-compliance plan --group sg-0123456789abcdef0 --strategy trim

sg-compliance plan --from groups.json --severity high

Exit status: 0 nothing is planned, 1 something is, 2 could not do it or not all of it was read."""


def plan(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the plan to this file, for apply.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    sources: options.From = None,
    policy: options.Policy = None,
    environment: options.Environment = None,
    severity: planning_options.Severity = options.SeverityName.CRITICAL,
    rules: planning_options.Rules = None,
    groups: planning_options.Groups = None,
    strategy: planning_options.Strategy = None,
    automatic: planning_options.Automatic = False,
    level: planning_options.LevelOption = None,
    despite_hold: planning_options.DespiteHold = False,
    history: planning_options.History = None,
    json_: options.AsJson = False,
    accounts: options.Accounts = None,
    organization: options.Organization = False,
    units: options.Units = None,
    excluded: options.Excluded = None,
    regions: options.Regions = None,
    role_name: options.RoleName = options.ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    workers: options.Workers = options.WORKERS,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """Show what would be changed in which group, why, and what is left alone. Never changes anything in AWS.

    With --output the plan is written to a file, and `sg-compliance apply FILE` does what it lists, and nothing else.
    """
    from sg_compliance.bootstrap import plan_file
    from sg_compliance.entrypoints.cli.exit import status_of_plan
    from sg_compliance.entrypoints.cli.planning import Asked, make, read_policy, report
    from sg_compliance.entrypoints.cli.terminal import talk_lines
    from sg_compliance.reports.plan import next_lines
    from sg_compliance.reports.plan_figures import Limits

    if output is not None:
        plan_file.check_target(output, replace=force)
    place = options.where(
        sources=sources,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=organization,
        units=units,
        excluded=excluded,
        regions=regions,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
        workers=workers,
    )
    kept = options.state(state, table)
    asked = Asked(rules, groups, severity, strategy, level, automatic, despite_hold, history)
    again = options.again(place, kept)
    with options.hints_completed(again):
        planned = make(place, kept, read_policy(place, kept, policy, environment), asked, quiet=quiet)
        if output is not None:
            plan_file.save_plan(planned.plan, output, replace=force)
    report(planned, Limits(), str(output or ""), again, json_=json_)
    if not json_:
        talk_lines(next_lines(planned.plan, str(output or ""), again))
    raise typer.Exit(status_of_plan(planned))
