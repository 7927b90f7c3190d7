"""What people are told about changes: what, where, why, what was done, and how to undo it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.model.finding import Severity
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.notice import Notice, NoticeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.model.journal import Entry
    from sg_compliance.model.outcome import Outcome

CONNECTIONS: Final = "Connections that were open go on: revoking a rule does not cut what AWS tracks already."
"""EC2 user guide, security group connection tracking."""


def notice_of(entry: Entry, outcome: Outcome) -> Notice:
    """The message about one group that was changed, or was to be."""
    kind = NoticeKind(entry.kind.value)
    place = outcome.place
    lines = [
        f"Group: {place.group_id} ({outcome.name})" if outcome.name else f"Group: {place.group_id}",
        f"Account and region: {place.account_id} {place.region}",
        f"Result: {outcome.status.value}" + (f": {outcome.reason}" if outcome.reason else ""),
        *([f"Because of: {', '.join(entry.rules)}"] if entry.rules else []),
        f"By: {entry.by}, run {entry.run_id}",
        *[f"Note: {note}" for note in outcome.notes],
    ]
    if entry.kind is not EntryKind.ROLLBACK:
        lines += [CONNECTIONS] if entry.kind is EntryKind.REMEDIATION else []
        lines.append(f"To undo it: {undo(outcome.backup_id)}")
    elif entry.hold_until:
        lines.append(f"Left alone by real-time response until {entry.hold_until.isoformat(timespec='minutes')}")
    return Notice(
        kind=kind,
        severity=Severity.HIGH if outcome.status.is_complete else Severity.CRITICAL,
        subject=f"{entry.kind.value} of {place.group_id} in {place.account_id} {place.region}: {outcome.status.value}",
        text="\n".join(lines),
        account_id=place.account_id,
        record={
            "kind": entry.kind.value,
            "status": outcome.status.value,
            "reason": outcome.reason,
            "account_id": place.account_id,
            "region": place.region,
            "group_id": place.group_id,
            "group_name": outcome.name,
            "rules": list(entry.rules),
            "backup_id": outcome.backup_id,
            "restores": entry.restores,
            "run_id": entry.run_id,
            "by": entry.by,
            "notes": list(outcome.notes),
        },
    )


def undo(backup_id: str) -> str:
    """The command that takes a change back."""
    return f"sg-compliance rollback {backup_id}"


def stopped(run_id: str, by: str, problems: Sequence[str]) -> Notice:
    """The message about a run that a brake stopped before its first change."""
    return Notice(
        kind=NoticeKind.BRAKE,
        severity=Severity.CRITICAL,
        subject=f"run {run_id} was stopped before its first change",
        text="\n".join([*problems, f"By: {by}", "Nothing was changed."]),
        record={"kind": "brake", "run_id": run_id, "by": by, "problems": list(problems)},
    )
