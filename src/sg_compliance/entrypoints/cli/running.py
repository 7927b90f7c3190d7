"""A run that changes groups, as a person watches it: the question before it, the progress, how it was stopped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from sg_compliance.entrypoints.cli.terminal import show_error, talk
from sg_compliance.errors import InputError, SgComplianceError
from sg_compliance.model.outcome import Status
from sg_compliance.model.visible import visible
from sg_compliance.reports.outcomes import outcome_heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.model.outcome import Outcome

STOPPED: Final = "by Ctrl-C; the group in hand was finished"
KILLED: Final = "by a second Ctrl-C, in the middle of a group; the next run finishes it first"
_BEGUN: Final = "; a group that was begun is in the journal, and the next run finishes it first"


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person says yes. Raises InputError where there is nobody to ask."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = "there is no terminal to ask on: nothing was changed"
        raise InputError(message, hint="look at it with --dry-run, then give --yes")
    if _answer(question) == "yes":
        return True
    talk().print("nothing was changed")
    return False


def _answer(question: str) -> str:
    """What was typed; Ctrl-C is a no."""
    try:
        talk().print(Text.assemble((f"{question} ", "bold"), "Type yes: "), end="")
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        talk().print()
        return ""


def pause_among(outcomes: Sequence[Outcome]) -> str:
    """The pause that came in the middle of the run, as a group that it stopped tells it."""
    stopped = (each.reason for each in outcomes if each.status is Status.REFUSED and each.reason.startswith("paused"))
    return next(stopped, "")


class RunProgress:
    """Progress of a run: a bar for people, one plain line a group when piped, nothing when quiet."""

    def __init__(self, total: int, *, quiet: bool, dry_run: bool = False) -> None:
        self._console = talk()
        self._quiet = quiet
        self._begun = "" if dry_run else _BEGUN
        self._total = total
        self._done = 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("reading" if dry_run else "changing", total=total)

    def watched(self, outcomes: Iterator[Outcome], into: list[Outcome], stopping: Stopping) -> str:
        """Take the outcomes in, one by one, telling of each. Why it ended early, if it did. Raises StoppedError."""
        from sg_compliance.workflows.apply import StoppedError

        shown = not self._quiet and self._console.is_terminal
        if shown:
            self._bar.start()
        try:
            with stopping:
                for outcome in outcomes:
                    into.append(outcome)
                    self._told(outcome)
        except KeyboardInterrupt:
            return KILLED
        except StoppedError:
            raise
        except SgComplianceError as error:
            show_error(error)
            return f"by an error: {error}{self._begun}"
        finally:
            if shown:
                self._bar.stop()
        return STOPPED if stopping() else ""

    def _told(self, outcome: Outcome) -> None:
        self._done += 1
        total = max(self._total, self._done)
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, total=total, description=visible(outcome.place.group_id))
        elif not self._quiet:
            self._console.print(Text.assemble(f"[{self._done}/{total}] ", outcome_heading(outcome)))
