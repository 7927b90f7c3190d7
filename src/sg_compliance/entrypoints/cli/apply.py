"""`apply`: do what a plan lists, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

EXAMPLES: Final = """Examples:

sg-compliance apply plan.json --dry-run

sg-compliance apply plan.json

sg-compliance apply plan.json --yes --max-groups 40 --json

Exit status: 0 all is done, 1 some group was left alone (changed since, locked, gone), 2 a failure, or stopped."""


def apply(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="File that `plan --output` wrote.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done now.")] = False,
    yes: options.Yes = False,
    max_groups: planning_options.MaxGroups = planning_options.MAX_GROUPS,
    max_percent: planning_options.MaxPercent = planning_options.MAX_PERCENT,
    reason: options.Reason = "",
    policy: options.RolePolicy = None,
    json_: options.AsJson = False,
    change_role_name: options.ChangeRoleName = options.CHANGE_ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
    quiet: options.Quiet = False,
) -> None:
    """Change the groups of a plan, one after the other, each backed up first and read back after.

    A group that has changed since the plan was made is left alone. What an earlier run left unfinished is finished
    first. Ctrl-C lets the group in hand be finished, then stops.
    """
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap import plan_file
    from sg_compliance.entrypoints.cli.applying import How, carry_out, tell
    from sg_compliance.entrypoints.cli.exit import COULD_NOT, status_of_run
    from sg_compliance.entrypoints.cli.terminal import talk_lines
    from sg_compliance.reports.plan import brief_lines
    from sg_compliance.reports.plan_figures import Limits

    place = options.connection(
        profile=profile,
        endpoint_url=endpoint_url,
        external_id=external_id,
        session_name=session_name,
        change_role_name=change_role_name,
    )
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    wanted = plan_file.read_plan(plan)
    if not quiet:
        talk_lines(brief_lines(wanted, bootstrap.now()))
    limits = Limits(max_groups, max_percent)
    parsed = bootstrap.load_policy(policy) if policy else None
    ran = carry_out(wanted, place, kept, How(limits, dry_run, yes, quiet, reason, parsed))
    if ran is None:
        raise typer.Exit(COULD_NOT)
    tell(ran, json_=json_)
    raise typer.Exit(status_of_run(ran.outcomes, stopped=bool(ran.stopped or ran.problems)))
