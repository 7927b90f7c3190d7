"""A run that changes groups, as a person watches it: the question before it, the progress, Ctrl-C.

The first Ctrl-C, SIGTERM, or a terminal that is closed, lets the group in hand be finished; the second ends the run
where it stands.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from sg_compliance.entrypoints.cli.terminal import show_error, talk
from sg_compliance.errors import InputError, SgComplianceError
from sg_compliance.model.outcome import Status
from sg_compliance.model.visible import visible
from sg_compliance.reports.outcomes import outcome_heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType, TracebackType

    from sg_compliance.model.outcome import Outcome

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDERR: Final = 2
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


class Stopping:
    """Hears Ctrl-C while groups are changed."""

    def __init__(self) -> None:
        self.asked = False
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # nohup: a terminal that is closed is to make no difference
                self._undo.callback(signal.signal, number, signal.signal(number, self._heard))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def __call__(self) -> bool:
        """Whether the run is to stop before the next group."""
        return self.asked

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGHUP:
            return  # of a terminal that is closed both the shell and the system tell
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(OSError):  # nobody may be there to read it
            os.write(_STDERR, b"\nstopping after the group in hand; Ctrl-C again stops at once\n")  # safe in a handler


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
