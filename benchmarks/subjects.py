"""What a measured subject is made of: a module of ours, a runner of another tool, a file that all of them read."""

import json
import sys
from pathlib import Path

from benchmarks.competitors.environments import cache, python_of
from benchmarks.measure import Cost, offline_environment, run

HERE = Path(__file__).parent


def competitor(tool: str, *arguments: str | Path) -> Cost:
    """Run the runner of another tool by that tool's own Python."""
    return run((python_of(tool), HERE / "competitors" / f"{tool}_runner.py", *arguments), env=offline_environment())


def module(name: str, *arguments: object, env: dict[str, str] | None = None) -> Cost:
    """Run a module of the benchmarks in a process of its own."""
    return run((sys.executable, "-m", name, *map(str, arguments)), env=env, cwd=HERE.parent)


def written(name: str, data: object) -> Path:
    """Write data as JSON where every subject can read it."""
    path = cache() / name
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return path
