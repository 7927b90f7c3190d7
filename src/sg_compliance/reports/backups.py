"""Backups for people and as JSON values: a list, one whole, a comparison, and whether they are sound."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.enforcement.notices import undo
from sg_compliance.enforcement.shelf import Fate
from sg_compliance.evaluation.wording import listed, rule_text
from sg_compliance.model.security_group import Direction
from sg_compliance.model.visible import visible
from sg_compliance.reports.record import rule_record
from sg_compliance.reports.text import group_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.enforcement.backup import Backup
    from sg_compliance.enforcement.difference import Altered, Difference, TagChange
    from sg_compliance.enforcement.shelf import Kept
    from sg_compliance.model.security_group import SecurityGroup, SecurityGroupRule

_STYLES = {Fate.STANDS: "bold", Fate.UNFINISHED: "bold yellow"}
_RULES_SHOWN = 3


def list_lines(found: Sequence[Kept], *, asked: bool, again: str = "") -> Iterator[Text]:
    """Two lines for each: which and of whom; what it was made for and what came of that.

    `asked`: not all were. `again`: the options that a command has to be given that is shown.
    """
    for kept in found:
        yield from _damaged(kept) if kept.backup is None else _list_lines(kept, kept.backup)
    yield from _way_back(found, again)
    if not found:
        yield Text("there is no such backup" if asked else "there is no backup yet")


def _way_back(found: Sequence[Kept], again: str) -> Iterator[Text]:
    """How to take the newest change back; where the journal knows of none, how to go back to a backup all the same."""
    stand = [kept for kept in found if kept.fate is Fate.STANDS]
    if stand:
        yield Text.assemble(("help: ", "cyan"), f"take the newest change back: {visible(undo(stand[-1].id) + again)}")
    elif any(kept.backup and kept.fate is Fate.UNKNOWN for kept in found):
        yield Text.assemble(("help: ", "cyan"), f"go back to one of them: {visible(undo('BACKUP') + again)}")


def _list_lines(kept: Kept, backup: Backup) -> Iterator[Text]:
    group, cause = backup.group, backup.cause
    yield Text.assemble(
        (visible(kept.id), "bold"), f"  {visible(group.name)}  ", (visible(f"{group.account_id}/{group.region}"), "dim")
    )
    rules = _rules(backup)
    because = f" for {visible(listed(rules, _RULES_SHOWN))}" if rules else ""
    said = f"{visible(cause.kind)} by {visible(cause.by)} in {visible(cause.run_id)}{because}"
    yield Text.assemble(
        f"    {backup.created:%Y-%m-%d %H:%M} UTC  ", (kept.fate.value, _STYLES.get(kept.fate, "")), f"  {said}"
    )


def _rules(backup: Backup) -> list[str]:
    return list(dict.fromkeys(str(note.get("rule_id", "")) for note in backup.cause.findings))


def _damaged(kept: Kept) -> Iterator[Text]:
    yield Text.assemble((visible(kept.id), "bold"), "  ", ("DAMAGED", "bold red"), f": {visible(kept.problem)}")


def kept_record(kept: Kept) -> dict[str, Any]:
    """One element of the list as JSON values."""
    backup = kept.backup
    if backup is None:
        return {"id": kept.id, "damaged": kept.problem}
    group, cause = backup.group, backup.cause
    return {
        "id": kept.id,
        "damaged": None,
        "created": backup.created.isoformat(),
        "account_id": group.account_id,
        "region": group.region,
        "group_id": group.group_id,
        "group_name": group.name,
        "kind": cause.kind,
        "by": cause.by,
        "run_id": cause.run_id,
        "why": cause.why,
        "rules": _rules(backup),
        "state": kept.fate.value,
        "amends": backup.amends or None,
    }


def whole_record(kept: Kept) -> dict[str, Any]:
    """Everything in one backup, as it is kept, with its id and what came of it."""
    document = json.loads(kept.backup.encode()) if kept.backup else {}
    return {"id": kept.id, "state": kept.fate.value, **document}


def whole_lines(kept: Kept, backup: Backup, again: str = "") -> Iterator[Text]:
    """Everything in one backup, its rules in words."""
    group, cause = backup.group, backup.cause
    policy = " ".join(part for part in (cause.policy_version, cause.policy_hash) if part)
    yield group_line(group)
    yield from _fields(
        ("backup", kept.id),
        ("made", f"{backup.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("before", f"{cause.kind} by {cause.by} in {cause.run_id}"),
        ("why", cause.why),
        ("policy", policy),
        ("replaces", backup.amends),
        ("now", kept.fate.value),
        ("description", group.description),
    )
    if cause.findings:
        yield Text("findings that were to be closed", style="bold")
    for note in cause.findings:
        said = f"{note.get('severity', '')}  {note.get('rule_id', '')}: {note.get('message', '')}"
        yield Text(f"  {visible(said)}")
    for direction in Direction:
        yield from _rule_lines(direction, [rule for rule in group.rules if rule.direction is direction])
    yield Text("tags", style="bold")
    for key, value in group.tags:
        yield Text(f"  {visible(key)} = {visible(value)}")
    if not group.tags:
        yield Text("  none")
    if kept.fate in {Fate.STANDS, Fate.UNKNOWN}:
        yield Text.assemble(("help: ", "cyan"), f"go back to this: {visible(undo(kept.id) + again)}")


def _fields(*fields: tuple[str, str]) -> Iterator[Text]:
    for name, value in fields:
        if value:
            yield Text(f"  {name:<11} {visible(value)}")


def _rule_lines(direction: Direction, rules: Sequence[SecurityGroupRule]) -> Iterator[Text]:
    yield Text(f"{direction.value} rules", style="bold")
    for rule in rules:
        yield Text(f"  {visible(rule.rule_id or 'rule')}: {_said(rule)}")
    if not rules:
        yield Text("  none")


def _said(rule: SecurityGroupRule) -> str:
    description = f"  {quoted(rule.description)}" if rule.description else ""
    tags = "".join(f"  {visible(key)}={visible(value)}" for key, value in rule.tags)
    return f"{visible(rule_text(rule))}{description}{tags}"


def quoted(text: str | None) -> str:
    """Text of other people between quotes: where it begins and ends is to be seen."""
    return "none" if text is None else '"' + visible(text).replace('"', '\\"') + '"'


def difference_lines(before: str, after: str, found: Difference) -> Iterator[Text]:
    """In the manner of diff: what is only before, what is only after, what is said otherwise."""
    if not found:
        yield Text(f"{visible(before)} and {visible(after)} are the same")
        return
    yield Text(f"--- {visible(before)}", style="bold")
    yield Text(f"+++ {visible(after)}", style="bold")
    for rule in found.removed:
        yield Text(f"- {rule.direction.value} {_said(rule)}", style="red")
    for rule in found.added:
        yield Text(f"+ {rule.direction.value} {_said(rule)}", style="green")
    for malformed in found.malformed:
        said = f"{malformed.ip_protocol} {malformed.peer}: {malformed.problem}"
        yield Text(f"+ {malformed.direction.value} {visible(said)}", style="green")
    for change in found.changed:
        yield from _changed(change)
    yield from _tag_lines("tag", found.tags)


def _changed(change: Altered) -> Iterator[Text]:
    name = f"{change.rule.direction.value} {visible(rule_text(change.rule))}"
    if change.described_anew:
        yield Text(f"~ {name}: description {quoted(change.before)} -> {quoted(change.after)}", style="yellow")
    yield from _tag_lines(f"{name}: tag", change.tags)


def _tag_lines(name: str, changes: Iterable[TagChange]) -> Iterator[Text]:
    for key, before, after in changes:
        if before is None:
            yield Text(f"+ {name} {visible(key)}={visible(after or '')}", style="green")
        elif after is None:
            yield Text(f"- {name} {visible(key)}={visible(before)}", style="red")
        else:
            yield Text(f"~ {name} {visible(key)}: {quoted(before)} -> {quoted(after)}", style="yellow")


def difference_record(backup_id: str, other: str | None, found: Difference) -> dict[str, Any]:
    """The same as JSON values; `other` None is the group as it is now."""
    return {
        "backup_id": backup_id,
        "other_id": other,
        "same": not found,
        "removed": [rule_record(rule) for rule in found.removed],
        "added": [rule_record(rule) for rule in found.added],
        "changed": [
            {
                "rule": rule_record(change.rule),
                "description": [change.before, change.after] if change.described_anew else None,
                "tags": [each._asdict() for each in change.tags],
            }
            for change in found.changed
        ],
        "tags": [each._asdict() for each in found.tags],
        "malformed": [each.problem for each in found.malformed],
    }


def side(other: Backup | SecurityGroup, backup_id: str | None) -> str:
    """What a backup is compared with, by name."""
    return f"backup {backup_id}" if backup_id else f"{getattr(other, 'group_id', '')} as it is in AWS now"


def verified_lines(found: Sequence[Kept]) -> Iterator[Text]:
    """Each that is damaged, then the figures."""
    damaged = [kept for kept in found if kept.backup is None]
    for kept in damaged:
        yield from _damaged(kept)
    total = f"{len(found):,} backup{'s' if len(found) != 1 else ''}"
    if damaged:
        yield Text(f"{total} checked, {len(damaged):,} damaged", style="bold red")
        hint = "find out what changed them; a state in S3 keeps older versions of every object"
        yield Text.assemble(("help: ", "cyan"), hint)
    else:
        yield Text(f"{total} checked, all of them whole")
