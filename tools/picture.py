"""Draws the README's terminal picture: runs the demo, explains one group of it, and writes the telling lines as SVG.

`python tools/picture.py docs/demo.svg`. Every line is one that the commands printed, colours and all; `…` stands for
what is left out: lines, or the end of one. Progress goes to the terminal, not into the picture, and the picture names
no font server.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from sg_compliance.reports.demo import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS: Final = 108
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
SHOWN_GROUPS: Final = frozenset(
    {"partner-sftp", "cdn-shell", "batch-halves-out", "shell-all-but-resolver", "mesh-ipv6", GROUP, "loadtest-clients"}
)
"""Groups of the demo that fool simpler tools."""

SNAPSHOT: Final = "demo-organisation.jsonl"
FIGURES: Final = re.compile(r"not read |\d[\d,]* (open findings?|groups? in)|compliance score|PARTIAL RESULT")
SILENT_SHOWN: Final = 3


def main() -> None:
    """Run, draw, write."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in picture(Path(folder)):
            console.print(line, no_wrap=line.no_wrap, overflow=line.overflow)
    svg = re.sub(r"\s*@font-face \{.*?\}", "", console.export_svg(title="sg-compliance"), flags=re.DOTALL)
    Path(sys.argv[1]).write_text(svg.replace("Fira Code, monospace", FONTS), encoding="utf-8")
    print(f"wrote {sys.argv[1]}")


def picture(folder: Path) -> Iterator[Text]:
    """The lines of the picture."""
    yield _command("make demo")
    yield from excerpt_of_demo(run(folder, "demo", "--snapshot", SNAPSHOT))
    yield Text()
    yield _command(f"sg-compliance explain {GROUP} --from {SNAPSHOT}")
    yield from excerpt_of_explanation(run(folder, "explain", GROUP, "--from", SNAPSHOT))


def excerpt_of_demo(lines: Sequence[Text]) -> Iterator[Text]:
    """Some of the groups, the figures, and whether they are the whole truth."""
    yield from (_on_one_line(line) for line in lines if any(f"  {name}  " in line.plain for name in SHOWN_GROUPS))
    yield _left_out()
    yield from (_on_one_line(line) for line in lines if FIGURES.match(line.plain))


def excerpt_of_explanation(lines: Sequence[Text]) -> Iterator[Text]:
    """The group, what it opens, its first finding, and some of the rules that do not fire."""
    starts = [index for index, line in enumerate(lines) if re.match(r"  (critical|high|medium|low|info)  ", line.plain)]
    silent = next(index for index, line in enumerate(lines) if line.plain.startswith("Rules that bind"))
    yield from lines[: starts[1]]
    yield _left_out()
    yield from lines[silent : silent + 1 + SILENT_SHOWN]
    yield _left_out()


def run(folder: Path, *arguments: str) -> list[Text]:
    """What a command printed, with its colours; its talk on stderr is left out."""
    command = [sys.executable, "-m", "sg_compliance", *arguments]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    finished = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if not finished.stdout:
        sys.exit(f"error: {' '.join(command)} ended with {finished.returncode}")
    return [Text.from_ansi(line) for line in finished.stdout.splitlines()]


def _command(typed: str) -> Text:
    return Text.assemble(("$ ", "bold green"), (typed, "bold"))


def _on_one_line(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _left_out() -> Text:
    return Text("  …", style="dim")


if __name__ == "__main__":
    main()
