"""What people do to the tool itself, as lines of the audit log and messages: grants, and the pause switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sg_compliance.enforcement.wire import concession_record
from sg_compliance.model.concession import ConcessionKind
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.enforcement.guards import Pause
    from sg_compliance.model.concession import Concession

Event = dict[str, Any]


def granted(concession: Concession, before: Concession | None, run_id: str) -> Event:
    """The line about a grant; `before` is the one that it takes the place of."""
    return {
        "time": concession.created.isoformat(),
        "event": f"{concession.kind} granted",
        "run_id": run_id,
        "by": concession.created_by,
        "why": concession.reason,
        **_subject(concession),
        "concession": concession_record(concession),
        "replaces": concession_record(before) if before else None,
    }


def withdrawn(concession: Concession, now: datetime, by: str, run_id: str) -> Event:
    """The line about a grant that was taken away."""
    return {
        "time": now.isoformat(),
        "event": f"{concession.kind} withdrawn",
        "run_id": run_id,
        "by": by,
        **_subject(concession),
        "concession": concession_record(concession),
    }


def pausing(pause: Pause, run_id: str) -> Event:
    """The line about a pause."""
    until = pause.until.isoformat() if pause.until else None
    event = {"event": "paused", "run_id": run_id, "by": pause.by, "why": pause.reason, "until": until}
    return {"time": pause.since.isoformat(), **event}


def resuming(paused: str, now: datetime, by: str, run_id: str) -> Event:
    """The line about the end of a pause; `paused` says what it was."""
    return {"time": now.isoformat(), "event": "resumed", "run_id": run_id, "by": by, "paused": paused}


def grant_notice(event: Event, concession: Concession, by: str) -> Notice:
    """The message about a grant that was given or taken away."""
    subject, account = concession.subject, event.get("account_id", "")
    what = "emergency exemption" if concession.emergency else concession.kind.value
    until = concession.expires.isoformat(timespec="minutes") if concession.expires else "for good"
    lines = [
        f"{'Account' if account else 'Group'}: {subject}",
        *([f"Rules: {', '.join(concession.rules)}"] if concession.rules else []),
        f"Until: {until}",
        f"Reason: {concession.reason}",
        f"Approved by: {concession.approved_by}",
        f"By: {by}",
    ]
    urgent = concession.emergency or concession.kind is ConcessionKind.UNPROTECTION
    return Notice(
        kind=NoticeKind.OPERATION,
        severity=Severity.HIGH if urgent else Severity.MEDIUM,
        subject=f"{what} {event['event'].rpartition(' ')[2]} for {subject}",
        text="\n".join(lines),
        account_id=account,
        record=event,
    )


def switch_notice(event: Event, unlogged: str = "") -> Notice:
    """The message about a pause, or its end; `unlogged` says why it is not in the audit log."""
    is_pause = event["event"] == "paused"
    what = "all changes are paused" if is_pause else "changes go on"
    lines = (
        [f"Reason: {event['why']}", f"Until: {event['until'] or 'somebody resumes: sg-compliance resume'}"]
        if is_pause
        else [f"Before: {event['paused']}"]
    )
    return Notice(
        kind=NoticeKind.OPERATION,
        severity=Severity.HIGH,
        subject=what,
        text="\n".join([*lines, f"By: {event['by']}", *([f"Not in the audit log: {unlogged}"] if unlogged else [])]),
        record=event,
    )


def _subject(concession: Concession) -> Event:
    key = "group_id" if concession.subject.startswith("sg-") else "account_id"
    return {key: concession.subject}
