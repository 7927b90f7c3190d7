"""The audit log for people: one line an event, and what a check of the log found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from sg_compliance.evaluation.wording import listed
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sg_compliance.enforcement.audit import AuditReport

_SECONDS: Final = len("2026-01-15T12:00:00")
_MINUTES: Final = len("2026-01-15T12:00")
_LISTED: Final = 4


def event_line(event: Mapping[str, Any]) -> Text:
    """One event in words. What an event lacks is left out: lines of other versions are shown too."""
    kind, time = _said(event.get("event")), _second(event.get("time"))
    about = " ".join(part for part in (_subject(event), _result(event), _because(event)) if part)
    by = _said(event.get("by"))
    return Text.assemble(
        (time, "dim"), "  ", (kind, "bold"), f" {about}" if about else "", (f"  by {by}" if by else "", "dim")
    )


def unreadable_line(count: int) -> Text:
    """That some lines of the log were passed over."""
    lines = f"{count:,} line{'s' if count != 1 else ''}"
    return Text.assemble(
        ("warning: ", "bold yellow"), f"{lines} passed over that are no entries: sg-compliance audit verify"
    )


def _subject(event: Mapping[str, Any]) -> str:
    name = f" ({_said(event.get('group_name'))})" if event.get("group_name") else ""
    place = "/".join(_said(event.get(key)) for key in ("account_id", "region") if event.get(key))
    group = f"of {_said(event['group_id'])}{name}" if event.get("group_id") else _principal(event)
    return " ".join(part for part in (group, f"in {place}" if place else "") if part)


def _principal(event: Mapping[str, Any]) -> str:
    return f"of {_said(event['principal'])}" if event.get("principal") else ""


def _result(event: Mapping[str, Any]) -> str:
    status, reason, calls = event.get("status"), event.get("reason"), event.get("calls")
    made = f", {len(calls)} call{'s' if len(calls) != 1 else ''}" if isinstance(calls, list) and calls else ""
    why = f" ({_said(reason)})" if reason else ""
    groups = event.get("groups")
    planned = f"with {groups:,} group{'s' if groups != 1 else ''} planned" if isinstance(groups, int) else ""
    backup = f", backup {_said(event['backup_id'])}" if event.get("backup_id") else ""
    return f"{_said(status)}{why}{made}{backup}" if status else planned


def _because(event: Mapping[str, Any]) -> str:
    grant = event.get("concession")
    granted = grant if isinstance(grant, dict) else {}
    said = {
        "for": _texts(event.get("rules") or granted.get("rules")),
        "until": _minute(event.get("until") or granted.get("expires")),
        "approved by": _said(granted.get("approved_by")),
        "because": _texts(event.get("problems")) or _said(event.get("why")),
        "before": _said(event.get("paused")),
        "in": _said(event.get("run_id")),
    }
    return ", ".join(f"{word} {text}" for word, text in said.items() if text)


def _texts(value: object) -> str:
    return visible(listed([str(each) for each in value], _LISTED)) if isinstance(value, list) else ""


def _second(time: object) -> str:
    """A time as it is written, without what follows the seconds."""
    return _said(time)[:_SECONDS].replace("T", " ")


def _minute(time: object) -> str:
    return _said(time)[:_MINUTES].replace("T", " ")


def _said(value: object) -> str:
    return "" if value is None else visible(str(value))


def check_lines(report: AuditReport) -> Iterator[Text]:
    """Each problem with its line, the figures, and the head to be noted elsewhere: that of a log that is whole only."""
    for problem in report.problems:
        place = f"line {problem.line}: " if problem.line else ""
        yield Text.assemble(("error: ", "bold red"), visible(f"{place}{problem.kind.value}: {problem.text}"))
    entries = f"{report.entries:,} entr{'ies' if report.entries != 1 else 'y'}"
    torn = f", {report.torn:,} cut off by a crash and accounted for" if report.torn else ""
    wrong = f"{len(report.problems):,} problem{'s' if len(report.problems) != 1 else ''}"
    yield Text(f"{entries} sound{torn}; {wrong if report.problems else 'the log is whole'}")
    if report.intact:
        yield Text(f"head {report.head.sequence}:{report.head.hash}")


def check_record(report: AuditReport) -> dict[str, Any]:
    """The same as JSON values; the head of a log that is not whole is none to be noted."""
    return {
        "intact": report.intact,
        "entries": report.entries,
        "torn": report.torn,
        "head": {"sequence": report.head.sequence, "hash": report.head.hash} if report.intact else None,
        "problems": [{"line": each.line, "kind": each.kind.value, "text": each.text} for each in report.problems],
    }
