"""What people are told at once: what, where, who did it, why it matters, what was done, how to undo it, whom to ask.

Who did it is as CloudTrail tells it; a user agent and the name of a session are the caller's own words.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.realtime.record import Record
    from sg_compliance.realtime.verdict import Verdict

_MOST_FINDINGS: Final = 20
_LONGEST: Final = 500


def alert(  # noqa: PLR0913 - all that a message says
    record: Record,
    group: SecurityGroup,
    findings: Sequence[Finding],
    done: str,
    contacts: Iterable[str] = (),
    *,
    guilty: bool = True,
) -> Notice:
    """The message about one group that violates. `done`: what was done about it, or why nothing.

    `guilty`: the change brought it about; else it only had the group looked at.
    """
    worst = _worst(findings)
    severity = worst[0].severity if worst else Severity.INFO
    rules = ", ".join(dict.fromkeys(each.rule_id for each in worst))
    lines = [
        *_what(group, worst),
        *_who(cause_record(record), "Who did it" if guilty else "It stood before. Looked at because of"),
        f"Done: {_line(done)}",
        f"Look at it: sg-compliance explain {group.group_id} --accounts {group.account_id} --regions {group.region}",
        *_asked(contacts),
    ]
    return Notice(
        kind=NoticeKind.VIOLATION,
        severity=severity,
        subject=f"{severity.value}: {rules or 'violation'} in {group.group_id}, {group.account_id} {group.region}",
        text="\n".join(lines),
        account_id=group.account_id,
        record={
            "kind": "violation",
            "severity": severity.value,
            "account_id": group.account_id,
            "region": group.region,
            "group_id": group.group_id,
            "group_name": group.name,
            "findings": [_finding_record(each) for each in worst[:_MOST_FINDINGS]],
            "findings_in_all": len(worst),
            "cause": cause_record(record),
            "done": done,
        },
    )


def answers(
    record: Record, findings: Sequence[Finding], *, emergency: bool, strategy: str, received: datetime
) -> dict[str, Any]:
    """What a change of ours is in answer to, as JSON values: it is kept with the change until people are told."""
    worst = _worst(findings)
    return {
        "emergency": emergency,
        "findings": [_finding_record(each) for each in worst[:_MOST_FINDINGS]],
        "findings_in_all": len(worst),
        "cause": cause_record(record),
        "strategy": strategy,
        "received": received.isoformat(),
    }


def attributed(notice: Notice, answered: Mapping[str, Any], contacts: Iterable[str] = ()) -> Notice:
    """The message about a change of ours, with what it is in answer to, as `answers` has it.

    An emergency is critical whatever came of it.
    """
    emergency, cause = answered["emergency"], answered["cause"]
    lines = [
        notice.text,
        *_violations(answered["findings"], answered["findings_in_all"]),
        *_who(cause),
        *_asked(contacts),
    ]
    return replace(
        notice,
        severity=Severity.CRITICAL if emergency else notice.severity,
        subject=f"EMERGENCY {notice.subject}" if emergency else notice.subject,
        text="\n".join(lines),
        record={**notice.record, "emergency": emergency, "findings": answered["findings"], "cause": cause},
    )


def suspicion(record: Record, what: str, why: str, contacts: Iterable[str] = ()) -> Notice:
    """The message about somebody who acts as if they were this tool."""
    lines = [what, *_who(cause_record(record)), f"Why it matters: {why}", "Done: nothing", *_asked(contacts)]
    return Notice(
        kind=NoticeKind.SUSPICION,
        severity=Severity.CRITICAL,
        subject=f"{what} in {record.account_id} {record.region}",
        text="\n".join(lines),
        account_id=record.account_id,
        record={"kind": "suspicion", "what": what, "account_id": record.account_id, "cause": cause_record(record)},
    )


def too_many(verdict: Verdict, record: Record, done: str, contacts: Iterable[str] = ()) -> Notice:
    """The message about a principal that changes more than it should."""
    least = "at least " if verdict.at_least else ""
    span = "an hour" if verdict.window.total_seconds() > 60 else "a minute"  # noqa: PLR2004 - seconds of a minute
    known = [f"Known automation: {verdict.automation}"] if verdict.automation else []
    lines = [
        f"{least}{verdict.count} operations within {span}, more than {verdict.threshold}",
        f"Principal: {_line(verdict.principal)}",
        f"Account: {verdict.account_id}",
        f"From {verdict.first.isoformat(timespec='seconds')} to {verdict.last.isoformat(timespec='seconds')}",
        f"Groups: {_some(verdict.groups, verdict.some_groups)}",
        f"Regions: {_some(verdict.regions, verdict.some_regions)}",
        f"Failed: {verdict.failed} ({verdict.error_rate:.0%})",
        *known,
        *_who(cause_record(record)),
        f"Done: {_line(done)}",
        *_asked(contacts),
    ]
    critical = verdict.level.value == "critical"
    return Notice(
        kind=NoticeKind.SUSPICION,
        severity=Severity.CRITICAL if critical else Severity.HIGH,
        subject=f"mass operations: {verdict.count} in {span} by {verdict.principal} in {verdict.account_id}",
        text="\n".join(lines),
        account_id=verdict.account_id,
        record={
            "kind": "mass_operations",
            "key": verdict.key,
            "level": verdict.level.value,
            "account_id": verdict.account_id,
            "principal": verdict.principal,
            "count": verdict.count,
            "threshold": verdict.threshold,
            "window_seconds": verdict.window.total_seconds(),
            "failed": verdict.failed,
            "groups": verdict.groups,
            "some_groups": list(verdict.some_groups),
            "regions": verdict.regions,
            "some_regions": list(verdict.some_regions),
            "cause": cause_record(record),
            "done": done,
        },
    )


def cause_record(record: Record) -> dict[str, Any]:
    """The call that gave rise to something, as JSON values."""
    return {
        "event_id": record.event_id,
        "event_name": record.event_name,
        "event_time": record.event_time.isoformat(),
        "principal": record.principal.arn or record.principal.name,
        "principal_type": record.principal.type,
        "source_ip": record.source_ip,
        "user_agent": record.user_agent,
    }


def _what(group: SecurityGroup, findings: Sequence[Finding]) -> list[str]:
    attached = group.interfaces
    known = [] if attached is None else [f"Attached to: {len(attached)} network interfaces"]
    return [
        f"Group: {group.group_id} ({_line(group.name)})",
        f"Account and region: {group.account_id} {group.region}",
        *known,
        *_violations([_finding_record(each) for each in findings[:_MOST_FINDINGS]], len(findings)),
    ]


def _violations(findings: Sequence[Mapping[str, Any]], in_all: int) -> list[str]:
    shown = [
        f"{each['severity'].capitalize()}: {each['rule_id']}: {_line(each['message'])}"
        + (f" Why it matters: {_line(each['reason'])}" if each["reason"] else "")
        for each in findings
    ]
    more = in_all - len(shown)
    return [*shown, *([f"and {more} more findings"] if more > 0 else [])]


def _who(cause: Mapping[str, Any], title: str = "Who did it") -> list[str]:
    """Who made the call, as `cause_record` has it."""
    shown = _line(cause["principal"] or cause["principal_type"])
    address = _line(cause["source_ip"]) or "an address that is not told"
    agent = f", with {_line(cause['user_agent'])}" if cause["user_agent"] else ""
    time = datetime.fromisoformat(cause["event_time"]).isoformat(timespec="seconds")
    return [
        f"{title}: {shown} ({_line(cause['principal_type'])}) from {address}{agent}",
        f"By: {cause['event_name']} at {time}, event {cause['event_id']}",
    ]


def _asked(contacts: Iterable[str]) -> list[str]:
    whom = ", ".join(_line(each) for each in contacts)
    return [f"Whom to ask: {whom}"] if whom else []


def _some(count: int, some: Sequence[str]) -> str:
    more = f" and {count - len(some)} more" if count > len(some) else ""
    return f"{count} ({', '.join(map(_line, some))}{more})" if some else str(count)


def _worst(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: (-each.severity.rank, each.sort_key()))


def _line(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _finding_record(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "direction": finding.direction.value if finding.direction else "",
        "reason": finding.reason,
        "message": finding.message,
        "first_seen": finding.first_seen.isoformat() if finding.first_seen else None,
    }
