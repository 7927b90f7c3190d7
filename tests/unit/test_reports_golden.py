"""The reports of one small scan, byte for byte. After a wanted change: UPDATE_GOLDEN=1 pytest, and read the diff."""

from __future__ import annotations

import io
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from rich.console import Console
from rich.text import Text

from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.explain import explain
from sg_compliance.policy.resolve import Policy
from sg_compliance.reports.explanation import explanation_lines
from sg_compliance.reports.machine import csv_report, json_report, jsonl_report
from sg_compliance.reports.outcomes import ran_lines, restoring_lines
from sg_compliance.reports.plan import plan_lines
from sg_compliance.reports.plan_figures import Limits
from sg_compliance.reports.responses import message_lines
from sg_compliance.reports.simulation import event_lines, totals_line
from sg_compliance.reports.text import brief_report, text_report
from tests.builders import NOW, lists, read
from tests.golden import changes, happenings
from tests.golden.scene import RAW, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.golden.scene import Scene

GOLDEN: Final = Path(__file__).parent.parent / "golden"


def shown(lines: Iterable[Text]) -> str:
    """As the command writes lines to a pipe."""
    stream = io.StringIO()
    console = Console(file=stream, soft_wrap=True, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line)
    return stream.getvalue()


def explanation(made: Scene) -> str:
    evaluator = Evaluator(Policy(made.policy.document), NOW)
    return shown(explanation_lines(explain(evaluator, read(RAW[2]), lists({"pl-1": None}))))


REPORTS: Final[dict[str, Callable[[Scene], str]]] = {
    "scan.txt": lambda made: shown(text_report(*made)),
    "scan-brief.txt": lambda made: shown(brief_report(*made)),
    "scan.json": lambda made: "".join(json_report(*made)),
    "scan.jsonl": lambda made: "".join(jsonl_report(*made)),
    "scan.csv": lambda made: "".join(csv_report(*made)),
    "explain.txt": explanation,
}


CHANGES: Final[dict[str, Callable[[], Iterable[Text]]]] = {
    "plan.txt": lambda: plan_lines(changes.plan(), changes.READING, Limits()),
    "apply.txt": lambda: chain(ran_lines(changes.previewed()), [Text()], ran_lines(changes.ran())),
    "rollback.txt": lambda: chain(
        chain.from_iterable(map(restoring_lines, changes.steps())), [Text()], ran_lines(changes.restored())
    ),
    "respond.txt": lambda: chain.from_iterable(map(message_lines, happenings.MESSAGES)),
    "simulate.txt": lambda: chain(
        chain.from_iterable(event_lines(each, changes.AGAIN) for each in happenings.EVENTS),
        [totals_line(happenings.EVENTS)],
    ),
}


def held(name: str, report: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(report.encode())
    assert report == path.read_bytes().decode()


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_planned_and_done_reads_as_it_did(name: str) -> None:
    held(name, shown(CHANGES[name]()))


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_as_it_did(name: str) -> None:
    held(name, REPORTS[name](scene()))
