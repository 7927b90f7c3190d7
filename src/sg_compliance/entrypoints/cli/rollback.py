"""`rollback`: put groups back as they were before they were changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from sg_compliance.entrypoints.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.reports.outcomes import Ran
    from sg_compliance.workflows.rollback import RollingBack, Step, What

EXAMPLES: Final = """Examples:

sg-compliance rollback --group sg-0123456789abcdef0

sg-compliance rollback sg-0123456789abcdef0-20260115T120000Z-0123456789abcdef --dry-run

sg-compliance rollback --run run-20260115T120000Z-0a1b2c --yes

sg-compliance rollback --since 24h --reason "the policy was wrong"

Exit status: 0 all is restored, 1 not all of some group could be, 2 some group could not be restored at all."""


def rollback(
    backup: Annotated[str | None, typer.Argument(metavar="[BACKUP]", help="Id of a backup.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="SG", help="This group: back to before its newest remediation.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Every group of a run: back to before it.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Every group changed since: 24h, or 2026-01-15T12:00 (UTC)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be restored.")] = False,
    yes: options.Yes = False,
    hold: Annotated[
        str, typer.Option("--hold", metavar="TIME", help="How long, or until when, no plan changes the groups again.")
    ] = "24h",
    reason: options.Reason = "",
    despite_pause: Annotated[
        bool, typer.Option("--despite-pause", help="Restore while changes are paused too: a pause stops rollbacks.")
    ] = False,
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
    """Restore rules, descriptions and tags from a backup: of one group, of a whole run, or of all changes since a time.

    The difference is shown first. What cannot be restored, such as a rule about a group that is gone, is listed.
    """
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.workflows.rollback import RollingBack, backups_for

    what = _what(backup, group, run, since)
    holding = options.lasting(hold, bootstrap.now())
    place = options.connection(
        profile=profile,
        endpoint_url=endpoint_url,
        external_id=external_id,
        session_name=session_name,
        change_role_name=change_role_name,
    )
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    parsed = bootstrap.load_policy(policy) if policy else None
    started, stopping = enforcement.new_run(enforcement.caller(place), reason), Stopping()
    again = options.again(place, kept)
    with options.hints_completed(again), enforcement.stores(kept, place, reading=dry_run) as stores:
        writer, clock = enforcement.writer(place, parsed), enforcement.SystemClock()
        rolling = RollingBack(writer, stores, clock, started, holding, despite_pause, stopping)
        steps = list(rolling.plan(backups_for(stores, what)))
        ran = go_back(rolling, steps, stopping, How(dry_run, yes, quiet, json_, again))
    raise typer.Exit(finish(ran, steps, again, json_=json_))


def _what(backup: str | None, group: str | None, run: str | None, since: str | None) -> What:
    """The one thing that is to be taken back."""
    from sg_compliance import bootstrap
    from sg_compliance.workflows.rollback import What

    given = [each for each in (backup, group, run, since) if each is not None]
    if len(given) != 1 or not given[0].strip():
        raise typer.BadParameter("give one of BACKUP, --group, --run and --since")
    if group and not group.startswith("sg-"):
        raise typer.BadParameter(f"{group!r} is no id of a group: names are not unique, give the id (sg-…)")
    return What(backup or "", group or "", run or "", options.moment(since, bootstrap.now()) if since else None)


class How(NamedTuple):
    """How groups are put back. `again`: options for commands that are shown."""

    dry_run: bool
    yes: bool
    quiet: bool
    json: bool
    again: str = ""


def go_back(rolling: RollingBack, steps: list[Step], stopping: Stopping, how: How) -> Ran | None:
    """Show the difference, ask, restore. None where a person did not agree."""
    from sg_compliance.entrypoints.cli.running import agreed
    from sg_compliance.entrypoints.cli.terminal import count
    from sg_compliance.model.outcome import Status
    from sg_compliance.reports.outcomes import Ran

    show(steps, how)
    to_do = [step for step in steps if step.outcome.status is Status.WOULD_CHANGE]
    pause = _pause(rolling, how) if to_do else ""
    if pause and not how.dry_run:
        left = [(step.outcome.place, step.outcome.name) for step in steps]
        return Ran(rolling.run.id, rolling.run.by, (), left=left, stopped=pause, problems=[pause])
    if how.dry_run or not to_do:
        outcomes = [step.outcome for step in steps]
        problems = [pause] if pause else []
        return Ran(rolling.run.id, rolling.run.by, outcomes, dry_run=how.dry_run, problems=problems)
    if not agreed(f"Restore {count(len(to_do), 'group')}?", yes=how.yes):
        return None
    return _restore(rolling, steps, stopping, how)


def _pause(rolling: RollingBack, how: How) -> str:
    """Whether changes are paused, and nobody asked to restore all the same. It is said, too."""
    from sg_compliance.enforcement.guards import paused
    from sg_compliance.entrypoints.cli.terminal import show_error, talk
    from sg_compliance.errors import SgComplianceError
    from sg_compliance.model.visible import visible
    from sg_compliance.reports.again import completed

    pause = "" if rolling.despite_pause else paused(rolling.stores.switch.read(), rolling.clock.now())
    if pause and how.dry_run:
        talk().print(f"warning: a real run would be stopped: {visible(pause)}", style="yellow")
    elif pause:
        hint = completed("let changes go on: sg-compliance resume; or restore all the same: --despite-pause", how.again)
        show_error(SgComplianceError(f"nothing was changed: {pause}", hint=hint))
    return pause


def show(steps: Sequence[Step], how: How) -> None:
    """The difference: the result of a dry run, else talk before the question."""
    from sg_compliance.entrypoints.cli.terminal import talk_lines, write
    from sg_compliance.reports.outcomes import Restoring, restoring_lines

    lines = [line for step in steps for line in restoring_lines(Restoring(*step), how.again)]
    if how.dry_run and not how.json:
        write(lines)
    elif not how.dry_run and not how.quiet:
        talk_lines(lines)


def _restore(rolling: RollingBack, steps: list[Step], stopping: Stopping, how: How) -> Ran:
    from sg_compliance.entrypoints.cli.running import STOPPED, RunProgress, pause_among
    from sg_compliance.reports.outcomes import Ran

    outcomes: list[Outcome] = []
    progress = RunProgress(len(steps), quiet=how.quiet)
    stopped = progress.watched(rolling.roll_back(steps), outcomes, stopping)
    seen = {outcome.place for outcome in outcomes}
    left = [(each.outcome.place, each.outcome.name) for each in steps if each.outcome.place not in seen]
    if not left and stopped == STOPPED:
        stopped = ""
    stopped = stopped or pause_among(outcomes)
    return Ran(rolling.run.id, rolling.run.by, outcomes, left=left, stopped=stopped)


def finish(ran: Ran | None, steps: Sequence[Step], again: str, *, json_: bool) -> int:
    """Write what came of it, and choose the exit status."""
    import json

    from sg_compliance.entrypoints.cli.exit import COULD_NOT, status_of_rollback
    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.outcomes import Restoring, ran_lines, ran_record, restoring_record, totals_lines

    if ran is None:
        return COULD_NOT
    ran = ran._replace(again=again)
    if json_:
        shown = {"outcomes": [restoring_record(Restoring(*step), again) for step in steps]} if ran.dry_run else {}
        write_text([json.dumps({**ran_record(ran), **shown}, indent=2), "\n"])
    elif ran.outcomes or not ran.problems:
        write(totals_lines(ran) if ran.dry_run else ran_lines(ran))
    return status_of_rollback(ran.outcomes, stopped=bool(ran.stopped or ran.problems))
