"""Exit statuses, and what decides them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

from sg_compliance.entrypoints.cli.streams import discard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.finding import Severity
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.scan import Summary
    from sg_compliance.workflows.plan import Planned

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


def status_of_plan(planned: Planned) -> int:
    """2 where the plan is partial, else 1 where something is planned, else 0."""
    if not planned.complete:
        return COULD_NOT
    return FINDINGS if planned.plan.groups else CLEAN


def status_of_run(outcomes: Sequence[Outcome], *, stopped: bool) -> int:
    """2 where something failed, is incomplete, or was not come to; else 1 where a group was left; else 0."""
    from sg_compliance.model.outcome import Status

    if stopped or any(each.status in {Status.FAILED, Status.INCOMPLETE} for each in outcomes):
        return COULD_NOT
    return CLEAN if all(each.status.is_complete for each in outcomes) else FINDINGS


def status_of_rollback(outcomes: Sequence[Outcome], *, stopped: bool) -> int:
    """2 where a group was not restored at all, else 1 where not all of one could be, else 0."""
    from sg_compliance.model.outcome import Status

    not_restored = [each for each in outcomes if not each.status.is_complete and each.status is not Status.PARTIAL]
    if stopped or not_restored:
        return COULD_NOT
    return CLEAN if all(each.status.is_complete for each in outcomes) else FINDINGS


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
    """Give up the result, which could not be written."""
    discard(sys.stdout)


def write_in_any_encoding() -> None:
    """Show what the terminal's or the pipe's encoding does not have as escapes, and never fail for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
