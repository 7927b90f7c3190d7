"""Carrying a plan out as `apply` and `remediate` do: the brakes, the question, the run, what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.enforcement.plan import Plan
    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.reports.outcomes import Ran
    from sg_compliance.reports.plan_figures import Limits
    from sg_compliance.workflows.apply import Applying


class How(NamedTuple):
    """How a plan is carried out. `policy` names the accounts whose role has another name."""

    limits: Limits
    dry_run: bool = False
    yes: bool = False
    quiet: bool = False
    why: str = ""
    policy: ParsedPolicy | None = None


def carry_out(plan: Plan, place: Where, state: State, how: How) -> Ran | None:
    """Apply the plan, or say what applying it would do. None where a person did not agree."""
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.entrypoints.cli.options import again, hints_completed
    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.workflows.apply import Applying, Budget

    run = replace(
        enforcement.new_run(enforcement.caller(place), how.why),
        policy_version=plan.policy_version,
        policy_hash=plan.policy_hash,
    )
    with hints_completed(again(place, state)), enforcement.stores(state, place, reading=how.dry_run) as stores:
        stopping = Stopping()
        writer, clock = enforcement.writer(place, how.policy), enforcement.SystemClock()
        budget = Budget(how.limits.max_groups, how.limits.max_percent)
        applying = Applying(writer, stores, clock, run, budget, stopping)
        ran = _braked_or_run(applying, plan, how, stopping, again(place, state))
        return ran._replace(again=again(place, state)) if ran else None


def _braked_or_run(applying: Applying, plan: Plan, how: How, stopping: Stopping, again: str) -> Ran | None:
    """The run, or that a brake stopped it: that is a result too, for programs. None where a person did not agree."""
    from sg_compliance.entrypoints.cli.terminal import show_error
    from sg_compliance.reports.again import completed
    from sg_compliance.reports.outcomes import Ran
    from sg_compliance.workflows.apply import StoppedError

    try:
        problems = _brakes(applying, plan, how)
        if not _may_go_on(applying, plan, how):
            return None
        return _run(applying, plan, how, stopping)._replace(problems=problems)
    except StoppedError as error:
        error.hint = completed(error.hint, again)
        show_error(error)
        left, stopped = not_done(plan, []), str(error)
        return Ran(applying.run.id, applying.run.by, (), plan.id, left=left, stopped=stopped, problems=error.problems)


def _brakes(applying: Applying, plan: Plan, how: How) -> Sequence[str]:
    """What would stop a real run: a rehearsal goes on. Raises StoppedError in a real run."""
    from rich.text import Text

    from sg_compliance.entrypoints.cli.terminal import talk
    from sg_compliance.workflows.apply import StoppedError

    try:
        applying.check(plan)
    except StoppedError as error:
        if not how.dry_run:
            applying.alert(error)
            raise
        talk().print(Text.assemble(("warning: ", "bold yellow"), f"a real run would be stopped: {error}"))
        return error.problems
    return ()


def _may_go_on(applying: Applying, plan: Plan, how: How) -> bool:
    """Say what was left unfinished, and ask."""
    from sg_compliance.entrypoints.cli.running import agreed
    from sg_compliance.entrypoints.cli.terminal import count, talk

    unfinished = applying.stores.journal.unfinished()
    if unfinished and not how.quiet:
        talk().print(f"{count(len(unfinished), 'group')} left unfinished by an earlier run: finished first")
    if how.dry_run or not (plan.groups or unfinished):
        return True
    asked = f"Change {count(len(plan.groups), 'group')}?" if plan.groups else "Finish what was left unfinished?"
    return agreed(asked, yes=how.yes)


def _run(applying: Applying, plan: Plan, how: How, stopping: Stopping) -> Ran:
    """Go through the groups. What was done before an interruption is still told."""
    from sg_compliance.entrypoints.cli.running import STOPPED, RunProgress, pause_among
    from sg_compliance.reports.outcomes import Ran

    outcomes: list[Outcome] = []
    found = applying.preview(plan) if how.dry_run else applying.apply(plan)
    progress = RunProgress(len(plan.groups), quiet=how.quiet, dry_run=how.dry_run)
    stopped = progress.watched(found, outcomes, stopping)
    left = not_done(plan, outcomes)
    if not left and stopped == STOPPED:
        stopped = ""
    stopped = stopped or pause_among(outcomes)
    return Ran(applying.run.id, applying.run.by, outcomes, plan.id, how.dry_run, left, stopped)


def not_done(plan: Plan, outcomes: list[Outcome]) -> list[tuple[Place, str]]:
    """The groups of the plan that nothing came of."""
    seen = {outcome.place for outcome in outcomes}
    return [(each.place, each.group.name) for each in plan.groups if each.place not in seen]


def tell(ran: Ran, *, json_: bool) -> None:
    """Write what came of the run. For people, what a brake says instead is said already."""
    import json

    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.outcomes import ran_lines, ran_record

    if json_:
        write_text([json.dumps(ran_record(ran), indent=2), "\n"])
    elif ran.outcomes or not ran.problems:
        write(ran_lines(ran))
