"""What came of events that a queue brought, for a person and as JSON values: a line a message, as they come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from sg_compliance.enforcement.record import call_record
from sg_compliance.evaluation.wording import listed
from sg_compliance.model.finding import Severity
from sg_compliance.model.visible import visible
from sg_compliance.realtime.record import Skipped
from sg_compliance.realtime.response import Reaction
from sg_compliance.reports.record import SCHEMA_VERSION
from sg_compliance.reports.text import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from sg_compliance.errors import SgComplianceError
    from sg_compliance.model.finding import Finding
    from sg_compliance.realtime.record import Change
    from sg_compliance.realtime.response import Handled, Response
    from sg_compliance.realtime.verdict import Verdict

REACTIONS: Final = {
    Reaction.NOT_WATCHED: "dim",
    Reaction.GONE: "dim",
    Reaction.COMPLIANT: "green",
    Reaction.REPORTED: "bold yellow",
    Reaction.WOULD_CHANGE: "bold yellow",
    Reaction.CHANGED: "bold green",
    Reaction.LOOK_AGAIN: "yellow",
}
BAD: Final = "bold red"
_MOST_ACCOUNTS: Final = 10
_HOW_TO_NAME: Final = ": your own and those in the policy's accounts_config; to name others: --accounts"
LONGEST: Final = 300
"""Characters of what others wrote, or of a reason, in a line."""


def beginning_lines(  # noqa: PLR0913  all that it may do
    *,
    applying: bool,
    accounts: Sequence[str],
    severity: Severity,
    most_groups: int,
    state: str,
    by: str,
    named: bool = True,
) -> Iterator[Text]:
    """What is said before the first message: whether groups are changed, how far that goes, and how to stop it.

    `named`: the accounts were asked for; else they are those of who runs this and of the policy.
    """
    known = listed(list(accounts), _MOST_ACCOUNTS)
    if not applying:
        yield Text.assemble(("DRY RUN", "bold"), f": no group is changed; as {visible(by)}")
    else:
        limits = f"findings of severity {severity.value} or worse, at most {most_groups} groups an hour"
        yield Text.assemble(("GROUPS WILL BE CHANGED", BAD), f" in {known}, as {visible(by)}")
        yield Text(f"  as far as the policy lets events go: {limits}")
        yield Text("  each is backed up first; to stop all changes: sg-compliance pause, with the same --state")
    yield Text(f"  events of other accounts than {known} are rejected{'' if named else _HOW_TO_NAME}")
    yield Text(f"  messages that are handled are deleted; what is learned is kept in {visible(state)}", style="dim")


class Message(NamedTuple):
    """A message and what came of it, at `ended`, so long after it was sent. `error`: why it comes again.

    `awaited`: whether second looks are waited for.
    """

    id: str
    ended: datetime
    latency: timedelta
    handled: Handled | None
    error: SgComplianceError | None = None
    awaited: bool = True


def message_lines(message: Message) -> Iterator[Text]:
    """One line a group that it touched, or one line."""
    begins, ends = f"{message.ended:%H:%M:%S}  ", f"  after {message.latency.total_seconds():.1f} s"
    for line in _lines(message):
        yield Text.assemble((begins, "dim"), line, (ends if message.id else "", "dim"))


def _lines(message: Message) -> Iterator[Text]:
    handled = message.handled
    if handled is None:
        what = f"message {shown(message.id)}" if message.id else "the queue"
        yield Text.assemble(f"{what}  ", ("comes again" if message.id else "cannot be read", BAD), _reason(message))
        return
    read, also = handled.read, _also(handled, message)
    if handled.rejected:
        step = f"; {shown(handled.next_step)}" if handled.next_step else ""
        said = f": {shown(handled.rejected)}{step}"
        yield Text.assemble(f"message {shown(message.id)}  ", ("rejected", BAD), said, also)
    elif handled.responses:
        for response in handled.responses:
            yield Text.assemble(_response_line(response, handled, awaited=message.awaited), also)
    elif read is None:
        what = f"second look {handled.attempt}  " if handled.attempt else ""
        yield Text.assemble(f"message {shown(message.id)}  {what}nothing to do", also)
    else:
        who = f"{_look_text(handled)}{called(read)}"
        yield Text.assemble(f"{read.account_id}/{read.region}  {who}  ", (passed_over(read), "dim"), also)


def _look_text(handled: Handled) -> str:
    """That it is no new event."""
    return f"second look {handled.attempt} after " if handled.attempt else ""


def _reason(message: Message) -> str:
    error = message.error
    if error is None:
        return ""
    hint = f"; {shown(error.hint)}" if error.hint else ""
    return f": {shown(str(error))}{hint}"


def _also(handled: Handled, message: Message) -> Text:
    """What else is to be said of the message."""
    verdicts = [(f"  mass operations: {verdict_text(each)}", BAD) for each in handled.verdicts]
    notes = [(f"  {shown(each)}", BAD if handled.read else "dim") for each in handled.notes]
    again = [(f"  comes again{_reason(message)}", BAD)] if message.error else []
    return Text.assemble(*verdicts, *notes, *again)


def _response_line(response: Response, handled: Handled, *, awaited: bool) -> Text:
    place = "/".join(response.place)
    name = f"  {shown(response.name)}" if response.name else ""
    by = f"  {_look_text(handled)}{called(handled.read)}" if handled.read else ""
    return Text.assemble(
        f"{visible(place)}{name}{by}  ",
        reaction_text(response),
        f"  {shown(response.done)}{again_text(response, awaited=awaited)}",
    )


def reaction_text(response: Response) -> Text:
    """`reported: 2 critical, 1 high`."""
    counts = Counter(finding.severity for finding in response.findings)
    said = [f"{counts[each]} {each.value}" for each in sorted(counts, key=lambda each: -each.rank)]
    emergency = "EMERGENCY " if response.emergency else ""
    found = f": {', '.join(said)}" if said else ""
    return Text(f"{emergency}{response.reaction.value}{found}", style=REACTIONS[response.reaction])


def again_text(response: Response, *, awaited: bool = True) -> str:
    """When the group is looked at once more, or is due to be, where nobody may be there to do it."""
    if not response.look_again:
        return ""
    when = f"{response.look_again:%H:%M:%S} UTC"
    if awaited:
        return f"; looked at again at {when}"
    return f"; to be looked at again at {when}, which --once does not wait for: the next scan judges it"


def called(read: Change | Skipped) -> str:
    """`AuthorizeSecurityGroupIngress by arn:… from 198.51.100.7`."""
    who = read.principal
    address = f" from {shown(read.source_ip)}" if read.source_ip else ""
    return f"{visible(read.event_name)} by {shown(who.arn or who.name or who.type)}{address}"


def passed_over(read: Change | Skipped) -> str:
    """Why nothing was looked at."""
    if not isinstance(read, Skipped):
        return "it touches no group"
    note = f" ({shown(read.note)})" if read.note else ""
    return f"passed over: {read.reason.value}{note}"


def verdict_text(verdict: Verdict) -> str:
    """`critical: 21 in 60 s, more than 10`."""
    seconds = int(verdict.window.total_seconds())
    least = "at least " if verdict.at_least else ""
    return f"{verdict.level.value}: {least}{verdict.count:,} in {seconds} s, more than {verdict.threshold:,}"


def shown(text: str) -> str:
    """The text, safe to show, and cut where it is too long for a line."""
    safe = visible(text)
    return safe if len(safe) <= LONGEST else f"{safe[:LONGEST]}…"


def message_record(message: Message) -> dict[str, Any]:
    """The message as JSON values, for a line."""
    return {
        "schema_version": SCHEMA_VERSION,
        "message_id": message.id or None,
        "time": message.ended.isoformat(),
        "latency_seconds": round(message.latency.total_seconds(), 3),
        "comes_again": message.error is not None,
        "error": error_record(message.error),
        "second_looks_awaited": message.awaited,
        **handled_record(message.handled),
    }


def error_record(error: SgComplianceError | None) -> dict[str, str] | None:
    """What went wrong, and the next step."""
    return {"message": str(error), "next_step": error.hint} if error else None


def handled_record(handled: Handled | None) -> dict[str, Any]:
    """What came of a message; every value is null or empty where nothing did."""
    read = handled.read if handled else None
    return {
        "rejected": (handled.rejected or None) if handled else None,
        "next_step": (handled.next_step or None) if handled else None,
        "second_look": (handled.attempt or None) if handled else None,
        "event": event_record(read) if read else None,
        "skipped": {"reason": read.reason.value, "note": read.note} if isinstance(read, Skipped) else None,
        "responses": [response_record(each) for each in handled.responses] if handled else [],
        "mass_operations": [verdict_record(each) for each in handled.verdicts] if handled else [],
        "notes": list(handled.notes) if handled else [],
    }


def event_record(read: Change | Skipped) -> dict[str, Any]:
    """The call, as CloudTrail told it."""
    return {
        "account_id": read.account_id,
        "region": read.region,
        "event_id": read.event_id,
        "event_name": read.event_name,
        "event_time": read.event_time.isoformat(),
        "principal": read.principal.arn or read.principal.name,
        "principal_type": read.principal.type,
        "source_ip": read.source_ip,
        "user_agent": read.user_agent,
        "own": read.own,
    }


def response_record(response: Response) -> dict[str, Any]:
    """One group."""
    outcome = response.outcome
    return {
        **response.place._asdict(),
        "group_name": response.name,
        "reaction": response.reaction.value.replace(" ", "_"),
        "emergency": response.emergency,
        "done": response.done,
        "findings": [_finding(each) for each in response.findings],
        "backup_id": (outcome.backup_id or None) if outcome else None,
        "calls": [call_record(call) for call in outcome.calls] if outcome else [],
        "look_again": _time(response.look_again),
        "received": _time(response.received),
        "judged": _time(response.judged),
        "closed": _time(response.closed),
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """Too many operations."""
    return {
        "level": verdict.level.value,
        "account_id": verdict.account_id,
        "principal": verdict.principal,
        "count": verdict.count,
        "failed": verdict.failed,
        "seconds": int(verdict.window.total_seconds()),
        "threshold": verdict.threshold,
        "first": verdict.first.isoformat(),
        "last": verdict.last.isoformat(),
        "groups": list(verdict.some_groups),
        "regions": list(verdict.some_regions),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "direction": finding.direction.value if finding.direction else None,
        "reason": finding.reason,
        "message": finding.message,
        "first_seen": _time(finding.first_seen),
    }


def _time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def finding_lines(findings: Sequence[Finding]) -> Iterator[Text]:
    """One line a finding, the worst first."""
    widest = max(len(severity.value) for severity in Severity)
    for each in sorted(findings, key=lambda finding: (-finding.severity.rank, finding.sort_key())):
        label = (f"{each.severity.value:<{widest}}", STYLES[each.severity])
        yield Text.assemble("  ", label, f"  {visible(each.rule_id)}: {visible(each.message)}")
