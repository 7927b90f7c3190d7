"""`demo`: the main job on an embedded organisation, through the adapters that production uses."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Judge, Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.enforcement.plan import Plan

EXAMPLES: Final = """Examples:

sg-compliance demo

sg-compliance demo --policy strict --snapshot demo.jsonl

sg-compliance demo --keep"""


def demo(
    policy: options.Policy = None,
    severity: Annotated[
        options.SeverityName, typer.Option(help="Only findings of this severity or worse.")
    ] = options.SeverityName.HIGH,
    snapshot: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to leave the organisation for `--from`.")
    ] = Path("demo-organisation.jsonl"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the organisation running until Ctrl-C.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Scan a made-up organisation, change some of its groups, and take that back: on this machine only.

    6 accounts in 3 OUs × 3 regions, about 400 groups. It is an AWS emulator on loopback; every account's role is really
    assumed. Nothing leaves this machine.
    """
    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.scan import Format, run
    from sg_compliance.entrypoints.cli.terminal import talk, write
    from sg_compliance.model.finding import Severity
    from sg_compliance.reports.demo import next_steps
    from sg_compliance.workflows.scan import Selection

    judge = bootstrap.judge(policy, None)
    if not quiet:
        talk().print("starting the demo organisation …")
    with bootstrap.demo_server() as server:
        place = bootstrap.demo_where(server)
        summary = run(place, judge, Selection(severity=Severity(severity.value)), Format.BRIEF, quiet=quiet)
        leave(place, judge, snapshot)
        exact = there_and_back(place, judge, snapshot, quiet=quiet)
        write(next_steps(program(), str(snapshot), server.endpoint_url if keep else None))
        if keep:
            threading.Event().wait()
    raise typer.Exit(0 if summary.complete and exact else 2)


def there_and_back(place: Where, judge: Judge, snapshot: Path, *, quiet: bool) -> bool:
    """Plan, apply and roll back. Whether the organisation is exactly as before."""
    import tempfile

    from sg_compliance import bootstrap
    from sg_compliance.bootstrap import enforcement
    from sg_compliance.entrypoints.cli.terminal import talk, write
    from sg_compliance.reports.demo import blunt_lines, round_trip_lines
    from sg_compliance.reports.plan_figures import Limits
    from sg_compliance.workflows import round_trip
    from sg_compliance.workflows.apply import Applying
    from sg_compliance.workflows.rollback import RollingBack

    with tempfile.TemporaryDirectory() as folder:
        state = enforcement.State(folder)
        blunt, gentle = (plan_for(snapshot, state, judge, strategy) for strategy in ("lockdown", "trim"))
        write(blunt_lines(blunt, gentle, Limits().problems(blunt)))
        plan = round_trip.within_budget(gentle)
        with enforcement.stores(state, place) as stores, bootstrap.inventory(place, judge.parsed) as inventory:
            writer, clock, by = enforcement.writer(place), enforcement.SystemClock(), enforcement.user()
            applying = Applying(writer, stores, clock, enforcement.new_run(by, "demo", judge.parsed))
            rolling_back = RollingBack(writer, stores, clock, enforcement.new_run(by, "demo", judge.parsed))
            told = (lambda _: None) if quiet else talk().print
            trip = round_trip.there_and_back(inventory, applying, rolling_back, plan, told)
    write(round_trip_lines(len(plan.by_account()), trip))
    return trip.is_exact


def plan_for(snapshot: Path, state: State, judge: Judge, strategy: str) -> Plan:
    """A plan for every critical finding of the organisation, from the file that was left."""
    from sg_compliance.bootstrap import Where
    from sg_compliance.entrypoints.cli import planning

    asked = planning.Asked(
        rules=None,
        groups=None,
        severity=options.SeverityName.CRITICAL,
        strategy=planning_options.StrategyName(strategy),
        level=None,
        automatic=False,
        despite_hold=False,
        history=None,
    )
    return planning.make(Where(sources=(str(snapshot),)), state, judge, asked, quiet=True).plan


def program() -> str:
    """How this command can be called again: by its name where the shell finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "sg-compliance":
        return "python -m sg_compliance"
    found = shutil.which(called.name)
    return called.name if found and Path(found).resolve() == called.resolve() else str(called)


def leave(place: Where, judge: Judge, path: Path) -> None:
    """Write the organisation to a file, so that the next commands need no server."""
    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.terminal import ScanProgress
    from sg_compliance.workflows.snapshot import take_snapshot

    with (
        bootstrap.inventory(place, judge.parsed) as inventory,
        bootstrap.snapshot_file(path, replace=True) as sink,
        ScanProgress(quiet=True) as progress,
    ):
        take_snapshot(inventory, sink, progress, rule_ids=True, workers=bootstrap.workers(place))
