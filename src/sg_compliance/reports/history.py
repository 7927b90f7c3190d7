"""The story of one group for people and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.enforcement.entry import entry_record
from sg_compliance.enforcement.notices import undo
from sg_compliance.enforcement.wire import concession_record
from sg_compliance.model.journal import EntryKind, EntryState
from sg_compliance.model.visible import visible
from sg_compliance.reports.concessions import grant_record, time_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sg_compliance.enforcement.story import Story
    from sg_compliance.model.journal import Entry, Lock


def story_lines(story: Story, now: datetime, again: str = "") -> Iterator[Text]:
    """What was done, in order; what holds now; how to undo it: `again` are the options that takes."""
    place = "/".join(part for part in story.place[:2] if part)
    yield Text.assemble((visible(story.place.group_id), "bold"), f"  {visible(story.name)}  ", (visible(place), "dim"))
    for entry in story.entries:
        yield from _entry_lines(entry, story)
    if not story.entries:
        yield Text(f"  {_unwritten(story)}")
    yield from _unreadable(story)
    yield Text("now", style="bold")
    for line in _now(story, now):
        yield Text(f"  {line}")
    yield from _undo(story, again)


def _unwritten(story: Story) -> str:
    """What is known without the journal: a backup is made before every change, and stays where the journal is lost."""
    ids = [kept.id for kept in story.backups if kept.backup]
    if not ids:
        return "no change of it is known"
    count = f"{len(ids):,} backup{'s' if len(ids) != 1 else ''}"
    return f"no journal entry, but {count}: {visible(', '.join(ids))}"


def _unreadable(story: Story) -> Iterator[Text]:
    damaged = sum(1 for kept in story.backups if kept.backup is None)
    if damaged:
        said = f"{damaged:,} backup{'s' if damaged != 1 else ''} cannot be used: sg-compliance backups verify"
        yield Text.assemble(("  warning: ", "bold yellow"), said)


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
    how = "not all done" if entry.state is EntryState.GIVEN_UP else "done"
    if entry.kind is EntryKind.ROLLBACK:
        return how
    return f"{how}, and stands," if entry in story.stand else f"{how}, and rolled back since,"


def _now(story: Story, now: datetime) -> Iterator[str]:
    if story.lock:
        yield f"locked by {visible(story.lock.owner)} until {story.lock.until:%Y-%m-%d %H:%M:%S} UTC"
    if story.open:
        begun = f"{story.open.started:%Y-%m-%d %H:%M} UTC"
        yield f"not finished: the {story.open.kind.value} of {begun}, which the next run finishes"
    if story.hold:
        yield f"left alone until {story.hold:%Y-%m-%d %H:%M} UTC: it was rolled back"
    if story.flapping:
        yield visible(f"flapping: {story.flapping}")
    yield from _granted(story, now)
    if not (story.lock or story.open or story.hold or story.flapping or story.exemptions or story.unprotection):
        yield "nothing is open, no lock, no hold, no exemption"


def _granted(story: Story, now: datetime) -> Iterator[str]:
    for grant in story.exemptions:
        rules = visible(", ".join(grant.rules))
        yield f"exemption of {visible(grant.subject)} from {rules}: {time_left(grant, now)} ({visible(grant.reason)})"
        for each in grant.unaccepted:
            yield f"  not accepted in {visible(str(each))}"
    if story.unprotection:
        until = story.unprotection.expires
        ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "for good"
        yield f"unprotected {ends} ({visible(story.unprotection.reason)})"


def _undo(story: Story, again: str) -> Iterator[Text]:
    ways = {}
    if story.undo:
        ways["undo the newest remediation"] = undo(story.undo)
    if len(story.stand) > 1:
        ways["undo all of them"] = undo(story.stand[0].backup_id)
    if not story.entries and any(kept.backup for kept in story.backups):
        ways["go back to one of them"] = undo("BACKUP")
    for what, command in ways.items():
        yield Text.assemble(("help: ", "cyan"), f"{what}: {visible(command + again)}")


def story_record(story: Story, now: datetime) -> dict[str, Any]:
    """The same as JSON values."""
    stand = {entry.id for entry in story.stand}
    return {
        "account_id": story.place.account_id or None,
        "region": story.place.region or None,
        "group_id": story.place.group_id,
        "group_name": story.name or None,
        "entries": [{**entry_record(entry), "stands": entry.id in stand} for entry in story.entries],
        "backups": [kept.id for kept in story.backups],
        "lock": _lock_record(story.lock) if story.lock else None,
        "open": story.open.id if story.open else None,
        "hold_until": story.hold.isoformat() if story.hold else None,
        "flapping": story.flapping or None,
        "exemptions": [grant_record(each, now) for each in story.exemptions],
        "unprotection": concession_record(story.unprotection) if story.unprotection else None,
        "undo": undo(story.undo) if story.undo else None,
    }


def _lock_record(lock: Lock) -> dict[str, Any]:
    return {"run_id": lock.owner, "until": lock.until.isoformat(), "fence": lock.fence}
