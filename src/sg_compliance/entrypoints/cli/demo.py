"""`demo`: the main job on an embedded organisation, through the adapters that production uses."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Judge, Where

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
    """Scan a made-up organisation: 6 accounts in 3 OUs × 3 regions, about 400 groups, on this machine only.

    It is an AWS emulator on loopback; every account's role is really assumed. Nothing leaves this machine.
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
        write(next_steps(program(), str(snapshot), server.endpoint_url if keep else None))
        if keep:
            threading.Event().wait()
    raise typer.Exit(0 if summary.complete else 2)


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
        bootstrap.snapshot_file(path, replace=True) as file,
        ScanProgress(quiet=True) as progress,
    ):
        take_snapshot(
            inventory, bootstrap.rendering(), file.write, progress, rule_ids=True, workers=bootstrap.workers(place)
        )
