"""Making and showing a plan, for `plan` and for `remediate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.entrypoints.cli import options, planning_options

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Judge, Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.enforcement.decide import Level
    from sg_compliance.reports.plan import Reading
    from sg_compliance.reports.plan_figures import Limits
    from sg_compliance.workflows.plan import Planned


class Asked(NamedTuple):
    """What a plan is to be about, and how it is to be decided."""

    rules: list[str] | None
    groups: list[str] | None
    severity: options.SeverityName
    strategy: planning_options.StrategyName | None
    level: planning_options.Level | None
    automatic: bool
    despite_hold: bool
    history: Path | None


def read_policy(place: Where, state: State, policy: str | None, environment: str | None) -> Judge:
    """The policy with what people granted beside it."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.entrypoints.cli.terminal import warn_of_unknown_environment

    judge = bootstrap.judge(policy, environment, enforcement.granted(state, place))
    warn_of_unknown_environment(judge.parsed.document, environment)
    return judge


def make(place: Where, state: State, judge: Judge, asked: Asked, *, quiet: bool) -> Planned:
    """Read, judge and decide."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.enforcement.decide import Circumstances
    from sg_compliance.enforcement.strategies import Strategy
    from sg_compliance.entrypoints.cli.scan import known_rules
    from sg_compliance.entrypoints.cli.terminal import ScanProgress, talk_lines
    from sg_compliance.evaluation.noting import Noting
    from sg_compliance.model.finding import Severity
    from sg_compliance.reports.plan import unmet_lines
    from sg_compliance.workflows.plan import Scope, make_plan
    from sg_compliance.workflows.scan import Selection

    severity = Severity(asked.severity.value)
    noting = Noting(judge.evaluator) if asked.groups else None
    rules = known_rules(judge, asked.rules or [])
    selection = Selection(frozenset(place.accounts), rules, severity, frozenset(place.regions))
    level: Level | None = asked.level.value if asked.level else None
    planning = enforcement.planning(
        judge,
        enforcement.past(state, place),
        Circumstances(asked.automatic, severity, level),
        Strategy(asked.strategy.value) if asked.strategy else None,
        despite_hold=asked.despite_hold,
    )
    with (
        bootstrap.inventory(place, judge.parsed) as inventory,
        bootstrap.history(asked.history) as remembered,
        ScanProgress(quiet=quiet, judging=False) as progress,
    ):
        planned = make_plan(
            inventory,
            noting or judge.evaluator,
            planning,
            Scope(selection, frozenset(asked.groups or ())),
            progress,
            parsed=judge.parsed,
            by=enforcement.user() if place.sources else enforcement.caller(place),
            workers=bootstrap.workers(place),
            history=remembered,
        )
    if noting:
        talk_lines(unmet_lines(planned.plan, asked.groups or [], noting.found))
    return planned


def report(planned: Planned, limits: Limits, file: str = "", again: str = "", *, json_: bool) -> None:
    """Show the plan; `file` is where it was written, `again` are the options for commands that are shown."""
    import json

    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.plan import plan_lines
    from sg_compliance.reports.plan_record import plan_record

    reading = reading_of(planned)
    if json_:
        write_text([json.dumps(plan_record(planned.plan, reading, limits, file, again), indent=2), "\n"])
    else:
        write(plan_lines(planned.plan, reading, limits, again))


def reading_of(planned: Planned) -> Reading:
    """What was read for the plan."""
    from sg_compliance.reports.plan import Reading

    return Reading(planned.skipped, planned.complete, planned.interrupted)
