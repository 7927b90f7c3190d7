"""What came of turning the pause switch, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def pause_lines(changed: bool, before: str, notes: Sequence[str]) -> Iterator[Text]:  # noqa: FBT001 - one of three facts
    """Whether all changes are paused now, and who paused them before."""
    if changed:
        yield Text("all changes are paused", style="bold")
        if before:
            yield Text(f"  before: {visible(before)}")
    else:
        yield Text(f"all changes are paused already: {visible(before)}")
    yield from _notes(notes)
    yield Text.assemble(("help: ", "cyan"), "let them go on with: sg-compliance resume")


def resume_lines(changed: bool, before: str, notes: Sequence[str]) -> Iterator[Text]:  # noqa: FBT001 - one of three facts
    """Whether changes go on, and what stopped them."""
    if changed:
        yield Text("changes go on", style="bold")
        yield Text(f"  before: {visible(before)}")
    else:
        yield Text("changes were not paused")
    yield from _notes(notes)


def _notes(notes: Sequence[str]) -> Iterator[Text]:
    for note in notes:
        yield Text.assemble(("warning: ", "bold yellow"), visible(note))
