"""The terminal: results on stdout, talk on stderr, no colour when piped, progress where somebody looks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from sg_compliance.entrypoints.cli.exit import CLOSED_PIPE, discard_output, survive_closed_pipe
from sg_compliance.entrypoints.cli.streams import dropping
from sg_compliance.errors import SgComplianceError
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import TracebackType

    from rich.progress import TaskID

    from sg_compliance.interfaces import Shard
    from sg_compliance.model.scan import Skipped
    from sg_compliance.policy.document import Document


_Item = TypeVar("_Item")


class _Output(Console):
    """Standard output. Ends like other output when its reader has gone: click and rich would say 1, "findings"."""

    def on_broken_pipe(self) -> None:
        discard_output()
        sys.exit(CLOSED_PIPE)


def out() -> Console:
    """Where results go."""
    return _Output(soft_wrap=True, highlight=False, markup=False, emoji=False)


def talk() -> Console:
    """Where everything else goes: nobody has to hear it for the work to go on."""
    return Console(file=dropping(sys.stderr), stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def write(lines: Iterable[Text]) -> None:
    """Write result lines."""
    console = out()
    for line in lines:
        console.print(line)


def talk_lines(lines: Iterable[Text]) -> None:
    """Say lines beside the result."""
    console = talk()
    for line in lines:
        console.print(line)


def show_error(error: SgComplianceError) -> None:
    """The thing, the place, the reason; then the next step."""
    console = talk()
    message = "\n  ".join(visible(line) for line in str(error).split("\n  "))
    console.print(Text.assemble(("error: ", "bold red"), message))
    if error.hint:
        console.print(Text.assemble(("help: ", "cyan"), visible(error.hint)))


def warn_of_unknown_environment(document: Document, environment: str | None) -> None:
    """Say so when no part of the policy is about the environment: misspelt, it would drop rules in silence."""
    from difflib import get_close_matches

    from sg_compliance.policy.notation import environment_name
    from sg_compliance.policy.resolve import environments_of

    known = environments_of(document)
    if environment is None or environment_name(environment) in known:
        return
    nearest = get_close_matches(environment_name(environment), known, n=1, cutoff=0.5)
    also = f"; did you mean {nearest[0]}?" if nearest else ""
    said = f"no rule of the policy is about the environment {visible(environment)}{also}"
    talk().print(Text.assemble(("warning: ", "bold yellow"), said))


class ScanProgress:
    """Progress of a scan: a bar for people, one plain line a shard when piped, nothing when quiet."""

    def __init__(self, *, quiet: bool, judging: bool = True) -> None:
        self._console = talk()
        self._quiet = quiet
        self._judging = judging
        self._what = "scanning" if judging else "reading"
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._of_shard: dict[str, tuple[int, int]] = {}
        self._groups = self._findings = self._shards = self._over = 0

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[found]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(f"{self._what}: looking for what there is", total=None, found="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begun(self, shards: int) -> None:
        """So many shards are to be read."""
        self._shards = shards
        if self._bar and self._task is not None:
            self._bar.update(self._task, total=shards, description=self._what)

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        """So many more groups of the shard were judged."""
        before = self._of_shard.get(shard.name, (0, 0))
        self._of_shard[shard.name] = (before[0] + groups, before[1] + findings)
        self._groups += groups
        self._findings += findings
        self._update(f"{self._what} {shard.name}")

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        """The shard is over."""
        self._over += 1
        groups, findings = self._of_shard.pop(shard.name, (0, 0))
        if self._bar and self._task is not None:
            self._bar.advance(self._task)
        elif not self._quiet:
            said = f"not read: {skipped.reason}" if skipped else self._figures(groups, findings)
            self._console.print(Text(f"[{self._over}/{self._shards}] {visible(shard.name)}: {visible(said)}"))

    def _update(self, description: str) -> None:
        if self._bar and self._task is not None:
            found = self._figures(self._groups, self._findings)
            self._bar.update(self._task, description=visible(description), found=found)

    def _figures(self, groups: int, findings: int) -> str:
        found = f", {count(findings, 'finding')}" if self._judging else ""
        return f"{count(groups, 'group')}{found}"


def followed(items: Sequence[_Item], what: str, *, hidden: bool) -> Generator[_Item]:
    """The same, with a bar for people on standard error, where somebody looks; close it when it is given up."""
    from rich.progress import track

    console = talk()
    nobody = hidden or not console.is_terminal
    yield from track(items, what, len(items), console=console, transient=True, disable=nobody)


def count(number: int, noun: str) -> str:
    """`1 group`, `1,200 groups`."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def write_text(chunks: Iterable[str]) -> None:
    """Write machine-readable output, unchanged."""
    with survive_closed_pipe():
        for chunk in chunks:
            sys.stdout.write(chunk)
