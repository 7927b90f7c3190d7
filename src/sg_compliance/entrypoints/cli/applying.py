"""Carrying a plan out as `apply` and `remediate` do: the brakes, the question, the run, what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.enforcement.plan import Plan
    from sg_compliance.entrypoints.cli.running import Stopping
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
    """Apply the plan, or say what applying it would do. None where a person did not agree. Raises StoppedError."""
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.entrypoints.cli.options import again
    from sg_compliance.entrypoints.cli.running import Stopping
    from sg_compliance.workflows.apply import Applying, Budget

    run = replace(
        enforcement.new_run(enforcement.caller(place), how.why),
        policy_version=plan.policy_version,
        policy_hash=plan.policy_hash,
    )
    with enforcement.stores(state, place) as stores:
        stopping = Stopping()
        writer, clock = enforcement.writer(place, how.policy), enforcement.SystemClock()
        budget = Budget(how.limits.max_groups, how.limits.max_percent)
        applying = Applying(writer, stores, clock, run, budget, stopping)
        if not _may_go_on(applying, plan, how):
            return None
        return _run(applying, plan, how, stopping)._replace(again=again(place, state))


def _may_go_on(applying: Applying, plan: Plan, how: How) -> bool:
    """Look at the brakes, then ask. Raises StoppedError; a dry run is only warned."""
    from rich.text import Text

    from sg_compliance.entrypoints.cli.running import agreed
    from sg_compliance.entrypoints.cli.terminal import count, talk
    from sg_compliance.workflows.apply import StoppedError

    try:
        applying.check(plan)
    except StoppedError as error:
        if not how.dry_run:
            applying.alert(error)
            raise
        talk().print(Text.assemble(("warning: ", "bold yellow"), f"a real run would be stopped: {error}"))
    unfinished = applying.stores.journal.unfinished()
    if unfinished and not how.quiet:
        talk().print(f"{count(len(unfinished), 'group')} left unfinished by an earlier run: finished first")
    if how.dry_run or not (plan.groups or unfinished):
        return True
    asked = f"Change {count(len(plan.groups), 'group')}?" if plan.groups else "Finish what was left unfinished?"
    return agreed(asked, yes=how.yes)


def _run(applying: Applying, plan: Plan, how: How, stopping: Stopping) -> Ran:
    """Go through the groups. What was done before an interruption is still told."""
    from sg_compliance.entrypoints.cli.running import STOPPED, RunProgress
    from sg_compliance.reports.outcomes import Ran

    outcomes: list[Outcome] = []
    found = applying.preview(plan) if how.dry_run else applying.apply(plan)
    stopped = RunProgress(len(plan.groups), quiet=how.quiet).watched(found, outcomes, stopping)
    left = not_done(plan, outcomes)
    if not left and stopped == STOPPED:
        stopped = ""
    return Ran(applying.run.id, applying.run.by, outcomes, plan.id, how.dry_run, left, stopped)


def not_done(plan: Plan, outcomes: list[Outcome]) -> list[tuple[Place, str]]:
    """The groups of the plan that nothing came of."""
    seen = {outcome.place for outcome in outcomes}
    return [(each.place, each.group.name) for each in plan.groups if each.place not in seen]


def tell(ran: Ran, *, json_: bool) -> None:
    """Write what came of the run."""
    import json

    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.outcomes import ran_lines, ran_record

    if json_:
        write_text([json.dumps(ran_record(ran), indent=2), "\n"])
    else:
        write(ran_lines(ran))
