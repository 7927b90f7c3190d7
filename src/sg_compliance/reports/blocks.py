"""Blocks for people and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from sg_compliance.model.block import BlockState, BlockStatus
from sg_compliance.model.visible import visible
from sg_compliance.realtime.block_record import block_record
from sg_compliance.realtime.blocking import NOT_UNDONE, effect, undo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sg_compliance.model.block import Block, BlockOutcome

_RUNNING: Final = frozenset({BlockStatus.BLOCKED, BlockStatus.EXTENDED, BlockStatus.UNCHANGED})
_REHEARSED: Final = frozenset({BlockStatus.WOULD_BLOCK, BlockStatus.WOULD_EXTEND})


def outcome_lines(outcome: BlockOutcome, again: str = "") -> Iterator[Text]:
    """What was done, or would be, and how to undo it: `again` are the options that takes."""
    block, status = outcome.block, outcome.status
    who = f"  {visible(block.target.arn)}" if block else ""
    yield Text.assemble((status.value, "bold"), who)
    if outcome.reason:
        yield Text(f"  {visible(outcome.reason)}")
    if block and status in _RUNNING | _REHEARSED:
        yield Text(f"  until     {_minute(block.expires)}, then it is over by itself")
        yield from _reasons(block, "  ")
        yield Text(f"  effect    {effect(block.target)}")
        yield Text(f"            {NOT_UNDONE}")
    if block and status is BlockStatus.LIFTED:
        yield Text(f"  until {_minute(block.expires)} it is not blocked again by itself")
    for note in outcome.notes:
        yield Text.assemble(("warning: ", "bold yellow"), visible(note))
    if block and status in _RUNNING:
        yield Text.assemble(("help: ", "cyan"), f"to undo it: {visible(undo(block) + again)}")
    if outcome.hint:
        yield Text.assemble(("help: ", "cyan"), visible(outcome.hint))


def _reasons(block: Block, margin: str) -> Iterator[Text]:
    """Why it stands, and why it was put before."""
    yield Text(f"{margin}because   {visible(block.reason)}")
    for each in reversed(block.earlier):
        yield Text(f"{margin}before    {visible(each.reason)}, by {visible(each.by)}")


def outcome_record(outcome: BlockOutcome, again: str = "") -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "status": outcome.status.value,
        "reason": outcome.reason or None,
        "block": block_record(outcome.block) if outcome.block else None,
        "undo": undo(outcome.block) + again if outcome.block and outcome.status in _RUNNING else None,
        "notes": list(outcome.notes),
    }


def block_lines(blocks: Sequence[Block], now: datetime, again: str = "") -> Iterator[Text]:
    """Each block: of whom, until when, why, by whom, and how to undo it."""
    for each in blocks:
        yield Text.assemble((visible(each.target.arn), "bold" if each.runs(now) else "dim"), f"  {_how(each, now)}")
        yield from _reasons(each, "    ")
        yield Text(f"    by        {visible(each.by)}, {_minute(each.created)}")
        if each.lifted:
            why = visible(each.lifted.reason) or "no reason was given"
            yield Text(f"    lifted    {why}, by {visible(each.lifted.by)}")
        if each.runs(now):
            yield Text(f"    undo      {visible(undo(each) + again)}")
    if not blocks:
        yield Text("nobody is blocked")


def _how(block: Block, now: datetime) -> str:
    if block.state is BlockState.LIFTED:
        return f"lifted; not blocked again by itself until {_minute(block.expires)}"
    if block.expires <= now:
        return f"over since {_minute(block.expires)}; its policy may still stand, and denies nothing"
    begun = ", perhaps: it was begun, and not ended" if block.state is BlockState.BEGUN else ""
    return f"blocked until {_minute(block.expires)}{begun}"


def block_list_record(block: Block, now: datetime, again: str = "") -> dict[str, Any]:
    """The same as JSON values."""
    runs = block.runs(now)
    command = undo(block) + again if runs else None
    return {**block_record(block), "arn": block.target.arn, "runs": runs, "undo": command}


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
