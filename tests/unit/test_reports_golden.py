"""The reports of one small scan, byte for byte. After a wanted change: UPDATE_GOLDEN=1 pytest, and read the diff."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from rich.console import Console

from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.explain import explain
from sg_compliance.policy.resolve import Policy
from sg_compliance.reports.explanation import explanation_lines
from sg_compliance.reports.machine import csv_report, json_report, jsonl_report
from sg_compliance.reports.text import brief_report, text_report
from tests.builders import NOW, lists, read
from tests.golden.scene import RAW, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.text import Text

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


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_as_it_did(name: str) -> None:
    path, report = GOLDEN / name, REPORTS[name](scene())
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(report.encode())
    assert report == path.read_bytes().decode()
