"""Exit statuses, and what decides them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.finding import Severity
    from sg_compliance.model.scan import Summary

CLEAN: Final = 0
FINDINGS: Final = 1
COULD_NOT: Final = 2
INTERRUPTED_STATUS: Final = 2
CLOSED_PIPE: Final = 2
"""Not all of the result was taken: nobody may read it as complete."""


def status_of(summary: Summary, fail_on: Severity | None) -> int:
    """2 where the result is partial, else 1 where a finding is at or above `fail_on` (None: never), else 0."""
    if not summary.complete:
        return COULD_NOT
    worst = summary.worst()
    return FINDINGS if fail_on and worst and worst.rank >= fail_on.rank else CLEAN


@contextmanager
def survive_closed_pipe() -> Iterator[None]:
    """End quietly when the reader of our output has gone (`| head`), as other tools do."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        sys.exit(CLOSED_PIPE)


def discard_output() -> None:
    """Give up what could not be written, so that Python does not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_in_any_encoding() -> None:
    """Show what the terminal's or the pipe's encoding does not have as escapes, and never fail for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
