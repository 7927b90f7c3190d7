"""Measure several subjects in turns.

Each run of each subject is a fresh process, and subjects take turns, so that a machine that slows down slows all of
them down.
"""

import json
import sys
from collections.abc import Callable
from typing import TypeAlias

from benchmarks.measure import Cost, Spread
from benchmarks.results import Row

Key: TypeAlias = tuple[str, str]
Subjects: TypeAlias = dict[Key, Callable[[], Cost]]
"""What to run, by comparison and subject."""


def take_turns(subjects: Subjects, runs: int) -> dict[Key, list[Cost]]:
    """Run every subject once, then every subject again, `runs` times in all."""
    costs: dict[Key, list[Cost]] = {key: [] for key in subjects}
    for number in range(runs):
        for key, subject in subjects.items():
            sys.stderr.write(f"  run {number + 1} of {runs}: {', '.join(key)}\n")
            costs[key].append(subject())
    return costs


def row_of_process(section: str, key: Key, costs: list[Cost], *, groups: int = 0) -> Row:
    """Make a row of whole processes: all CPU time from start to exit counts."""
    cpu = Spread.of(cost.cpu_seconds for cost in costs)
    return Row(section, *key, cpu, Spread.of(cost.peak_rss_bytes for cost in costs), groups=groups)


def row_of_runner(section: str, key: Key, costs: list[Cost]) -> Row:
    """Make a row of what runners timed themselves and printed as JSON: the matching alone."""
    printed = [json.loads(cost.output) for cost in costs]
    return Row(
        section,
        *key,
        Spread.of(figures["cpu_seconds"] for figures in printed),
        Spread.of(figures["peak_rss_bytes"] for figures in printed),
        groups=printed[0]["groups"],
        questions=printed[0]["questions"],
        hits=printed[0]["hits"],
    )
