"""The story of one group for people and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.enforcement.entry import entry_record
from sg_compliance.enforcement.notices import undo
from sg_compliance.enforcement.wire import concession_record
from sg_compliance.model.journal import EntryKind, EntryState
from sg_compliance.reports.concessions import grant_record, time_left
from sg_compliance.reports.untrusted import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sg_compliance.enforcement.story import Story
    from sg_compliance.model.journal import Entry


def story_lines(story: Story, now: datetime, again: str = "") -> Iterator[Text]:
    """What was done, in order; what holds now; how to undo it: `again` are the options that takes."""
    place = "/".join(part for part in story.place[:2] if part)
    yield Text.assemble((visible(story.place.group_id), "bold"), f"  {visible(story.name)}  ", (visible(place), "dim"))
    for entry in story.entries:
        yield from _entry_lines(entry, story)
    if not story.entries:
        yield Text("  it was never changed")
    yield Text("now", style="bold")
    for line in _now(story, now):
        yield Text(f"  {line}")
    yield from _undo(story, again)


def unknown_line(group: str) -> Text:
    """That nothing is known of the group."""
    return Text(f"{visible(group)}: nothing was ever done to it, nor granted for it, as far as this state knows")


def _entry_lines(entry: Entry, story: Story) -> Iterator[Text]:
    state = _state(entry, story)
    yield Text.assemble(
        f"  {entry.started:%Y-%m-%d %H:%M} UTC  ",
        (entry.kind.value, "bold"),
        f"  {state} by {visible(entry.by)} in {visible(entry.run_id)}",
    )
    if entry.rules:
        yield Text(f"      for       {visible(', '.join(entry.rules))}")
    if entry.restores:
        yield Text(f"      back to   {visible(entry.restores)}")
    yield Text(f"      backup    {visible(entry.backup_id)}")
    if entry.ended:
        yield Text(f"      ended     {entry.ended:%Y-%m-%d %H:%M} UTC")
    for note in entry.notes:
        yield Text(f"      note      {visible(note)}")


def _state(entry: Entry, story: Story) -> str:
    if entry.state is EntryState.OPEN:
        return "not finished, begun"
    if entry.state is EntryState.SUPERSEDED:
        return "given up for a rollback, begun"
    if entry.kind is EntryKind.ROLLBACK:
        return "done"
    return "done, and stands," if entry in story.stand else "done, and rolled back since,"


def _now(story: Story, now: datetime) -> Iterator[str]:
    if story.open:
        begun = f"{story.open.started:%Y-%m-%d %H:%M} UTC"
        yield f"not finished: the {story.open.kind.value} of {begun}, which the next run finishes"
    if story.hold:
        yield f"left alone until {story.hold:%Y-%m-%d %H:%M} UTC: it was rolled back"
    if story.flapping:
        yield visible(f"flapping: {story.flapping}")
    for grant in story.exemptions:
        rules = visible(", ".join(grant.rules))
        yield f"exemption of {visible(grant.subject)} from {rules}: {time_left(grant, now)} ({visible(grant.reason)})"
    if story.unprotection:
        until = story.unprotection.expires
        ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "for good"
        yield f"unprotected {ends} ({visible(story.unprotection.reason)})"
    if not (story.open or story.hold or story.flapping or story.exemptions or story.unprotection):
        yield "nothing is open, no hold, no exemption"


def _undo(story: Story, again: str) -> Iterator[Text]:
    ways = {"undo the newest remediation": story.stand[-1:], "undo all of them": story.stand[:1]}
    for what, (entry, *_) in list(ways.items())[: len(story.stand)]:
        yield Text.assemble(("help: ", "cyan"), f"{what}: {visible(undo(entry.backup_id) + again)}")


def story_record(story: Story, now: datetime) -> dict[str, Any]:
    """The same as JSON values."""
    stand = {entry.id for entry in story.stand}
    return {
        "account_id": story.place.account_id or None,
        "region": story.place.region or None,
        "group_id": story.place.group_id,
        "group_name": story.name or None,
        "entries": [{**entry_record(entry), "stands": entry.id in stand} for entry in story.entries],
        "open": story.open.id if story.open else None,
        "hold_until": story.hold.isoformat() if story.hold else None,
        "flapping": story.flapping or None,
        "exemptions": [grant_record(each, now) for each in story.exemptions],
        "unprotection": concession_record(story.unprotection) if story.unprotection else None,
        "undo": undo(story.stand[-1].backup_id) if story.stand else None,
    }
