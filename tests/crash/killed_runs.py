"""Runs that are killed with SIGKILL, one for each point: started as a program by the test, one thread, forks only.

Each line of its output is one killed run: what it was killed at, how it died, and how the run after it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_compliance.bootstrap import Where
from sg_compliance.bootstrap.enforcement import writer
from sg_compliance.enforcement.plan import decode_plan
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.apply import Applying, Budget
from sg_compliance.workflows.rollback import RollingBack, What, backups_for
from sg_compliance.workflows.transaction import LEASE
from tests.world import folder_stores

if TYPE_CHECKING:
    from sg_compliance.enforcement.plan import Plan


class LaterClock:
    """The machine's clock, put forward: nobody waits five minutes for a lease in a test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time, put forward."""
        return datetime.now(UTC) + self.ahead

    @staticmethod
    def sleep(seconds: float) -> None:
        """Do not wait."""
        del seconds


class Counted:
    """Anything whose calls are counted; at one of them this process is killed."""

    def __init__(self, inner: Any, points: list[str], at: int) -> None:  # noqa: ANN401 - any socket
        self._inner, self._points, self._at = inner, points, at

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self._points.append(f"{type(self._inner).__name__}.{name}")
            at = len(self._points)
            result = getattr(self._inner, name)(*arguments, **named)
            if at == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


def act(  # noqa: PLR0913, PLR0917 - all that a run depends on
    kind: str, plan: Plan, where: Where, folder: Path, clock: LaterClock, at: int
) -> list[str]:
    """Apply the plan, or take it back, killed at the point (0: not at all). The points that were passed."""
    points: list[str] = []
    stores = folder_stores(folder)
    names = ("backups", "journal", "audit", "notifier", "switch")
    counted = replace(stores, **{name: Counted(getattr(stores, name), points, at) for name in names})
    hands: Any = Counted(writer(where), points, at)
    run = Run(f"run-{os.getpid()}", "tester")
    if kind == "apply":
        fresh = replace(plan, created=clock.now())  # made after the last rollback
        list(Applying(hands, counted, clock, run, Budget(10_000, 100.0)).apply(fresh))
    else:
        rolling = RollingBack(hands, counted, clock, run)
        list(rolling.roll_back(list(rolling.plan(backups_for(stores, What(group_id=plan.groups[0].place.group_id))))))
    return points


def forked(work: Any) -> tuple[int, list[str]]:  # noqa: ANN401 - what the child does
    """Do it in a child of its own: the signal that killed it (0: none), and the points it passed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), json.loads(said or "[]")


def tell(line: str) -> None:
    """Say something, and wait until the test has looked at the group."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(endpoint: str, role_name: str, folder: str, plan_file: str) -> None:
    """Kill after every call of applying and of taking back; run again each time."""
    where = Where(
        endpoint_url=endpoint, keys=("demo", "demo"), external_id="sg-compliance-demo", change_role_name=role_name
    )
    plan = decode_plan(Path(plan_file).read_text(encoding="utf-8"), plan_file)
    clock = LaterClock()

    def run(kind: str, at: int = 0) -> tuple[int, list[str]]:
        clock.ahead += LEASE + timedelta(seconds=1)
        return forked(lambda: act(kind, plan, where, Path(folder), clock, at))

    passed = {kind: run(kind)[1] for kind in ("apply", "roll back")}
    for kind, names in passed.items():
        for number, name in enumerate(names, 1):
            if kind == "roll back":
                run("apply")
            killed, _ = run(kind, number)
            ended, _ = run(kind)
            tell(json.dumps({"kind": kind, "at": name, "killed": killed, "again": ended}))
            run("roll back")
            tell("back")


if __name__ == "__main__":
    main(*sys.argv[1:])
