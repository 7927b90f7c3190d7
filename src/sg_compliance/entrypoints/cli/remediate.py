"""`remediate`: plan and apply in one. A dry run unless --apply is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.entrypoints.cli.applying import How
    from sg_compliance.workflows.plan import Planned

EXAMPLES: Final = """Examples:

sg-compliance remediate --accounts 111122223333 --regions eu-west-1

sg-compliance remediate --org --external-id ID --automatic --apply --yes --state s3://BUCKET/PREFIX

sg-compliance remediate --group sg-0123456789abcdef0 --strategy trim --apply

Exit status of a dry run: that of plan. With --apply: that of apply, and 2 where not all was read."""


def remediate(
    apply: Annotated[bool, typer.Option("--apply", help="Really change the groups. Else only show the plan.")] = False,
    yes: options.Yes = False,
    max_groups: planning_options.MaxGroups = planning_options.MAX_GROUPS,
    max_percent: planning_options.MaxPercent = planning_options.MAX_PERCENT,
    reason: options.Reason = "",
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
    change_role_name: options.ChangeRoleName = options.CHANGE_ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    workers: options.Workers = options.WORKERS,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
    quiet: options.Quiet = False,
) -> None:
    """Find what violates, plan what to change, and show it: a dry run. With --apply, ask and change it.

    It is `plan` and `apply` in one, for runs that nobody looks at in between.
    """
    from sg_compliance.entrypoints.cli.applying import How
    from sg_compliance.entrypoints.cli.planning import Asked, make, read_policy
    from sg_compliance.reports.plan_figures import Limits

    if apply and sources:
        raise typer.BadParameter(
            "--from reads files, and files cannot be changed: use plan --from, or leave --apply out"
        )
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
        change_role_name=change_role_name,
    )
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    judge = read_policy(place, kept, policy, environment)
    asked = Asked(rules, groups, severity, strategy, level, automatic, despite_hold, history)
    with options.hints_completed(options.again(place, kept)):
        planned = make(place, kept, judge, asked, quiet=quiet)
    how = How(Limits(max_groups, max_percent), not apply, yes, quiet, reason, judge.parsed)
    raise typer.Exit(_go_on(planned, place, kept, how, json_=json_))


def _go_on(planned: Planned, place: Where, state: State, how: How, *, json_: bool) -> int:
    from sg_compliance.entrypoints.cli.exit import status_of_plan
    from sg_compliance.entrypoints.cli.options import again
    from sg_compliance.entrypoints.cli.planning import report
    from sg_compliance.entrypoints.cli.terminal import talk

    if not how.dry_run and not planned.interrupted:
        return _applied(planned, place, state, how, json_=json_)
    report(planned, how.limits, again=again(place, state), json_=json_)
    said = "DRY RUN: nothing was changed. Give --apply to change the groups." if how.dry_run else "interrupted"
    talk().print(said, style="bold yellow")
    return status_of_plan(planned)


def _applied(planned: Planned, place: Where, state: State, how: How, *, json_: bool) -> int:
    """Apply the plan; the plan itself is for people, who may be asked about it."""
    from sg_compliance.entrypoints.cli.applying import carry_out, tell
    from sg_compliance.entrypoints.cli.exit import COULD_NOT, status_of_run
    from sg_compliance.entrypoints.cli.options import again
    from sg_compliance.entrypoints.cli.planning import reading_of
    from sg_compliance.entrypoints.cli.terminal import talk_lines
    from sg_compliance.reports.plan import plan_lines

    if not how.quiet:
        talk_lines(plan_lines(planned.plan, reading_of(planned), how.limits, again(place, state)))
    ran = carry_out(planned.plan, place, state, how)
    if ran is None:
        return COULD_NOT
    tell(ran, json_=json_)
    return status_of_run(ran.outcomes, stopped=bool(ran.stopped or ran.problems) or not planned.complete)
