"""Run a command in a fresh process and say what it cost.

CPU time (user and system, of the process and the children it waited for) is the figure; wall time is kept but means
little on a shared machine. Peak memory is the kernel's `ru_maxrss`. A child starts with the peak of the process that
started it, so whoever measures has to stay small: anything heavy runs in a child.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class CommandFailedError(Exception):
    """A measured command ended with an exit status that was not expected."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a process cost, and what it printed."""

    cpu_seconds: float
    wall_seconds: float
    peak_rss_bytes: int
    output: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of several runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarise the values of several runs."""
        runs = list(values)
        return cls(statistics.median(runs), min(runs), max(runs))


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    accepted: Sequence[int] = (0,),
) -> Cost:
    """Run `command` to its end; raises `CommandFailedError` with the end of its stderr on another exit status."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in accepted:
            message = f"{command[0]} … exited {process.returncode}: {err.read()[-2000:].decode(errors='replace')}"
            raise CommandFailedError(message)
        printed = out.read(1_000_000).decode(errors="replace")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * _RSS_UNIT, printed)


def offline_environment(**more: str) -> dict[str, str]:
    """Return the environment for a measured command: no AWS settings or proxies of ours, made-up credentials."""
    dropped = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}
    return kept | {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_COLOR": "1",
        **more,
    }


def machine() -> dict[str, str]:
    """Describe where the figures were taken; the load shows whether others were working there."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
