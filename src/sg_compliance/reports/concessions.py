"""Exemptions and unprotections for people and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sg_compliance.enforcement.granted import Listed
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.approvals import Unaccepted


def grant_lines(found: Sequence[Listed], now: datetime, nothing: str) -> Iterator[Text]:
    """Each grant: for whom, from what, how long, why, by whom. `nothing` is said where there is none."""
    for grant in found:
        emergency = ("  EMERGENCY", "bold yellow") if grant.emergency else ""
        style = "dim" if grant.lapsed(now) else "bold"
        yield Text.assemble((visible(grant.subject), style), f"  {time_left(grant, now)}", emergency)
        if grant.rules:
            yield Text(f"    rules     {visible(', '.join(grant.rules))}")
        yield Text(f"    reason    {visible(grant.reason)}")
        yield Text(f"    approved  {visible(grant.approved_by)}{_granted(grant)}")
        for each in grant.unaccepted:
            yield Text.assemble("    ", (f"not accepted in {visible(str(each))}", "bold yellow"))
        yield Text(f"    kept as   {visible(grant.source)}", style="dim")
    if not found:
        yield Text(nothing)


def _granted(grant: Listed) -> str:
    return f", granted {grant.created:%Y-%m-%d %H:%M} UTC by {visible(grant.created_by)}" if grant.created else ""


def time_left(grant: Listed, now: datetime) -> str:
    """Until when it lasts, and how long that is: `until 2026-02-14 12:00 UTC, 30 days left`."""
    if grant.expires is None:
        return "permanent"
    until = f"{grant.expires:%Y-%m-%d %H:%M} UTC"
    if grant.lapsed(now):
        return f"lapsed on {until}"
    days = grant.days_left(now) or 0
    hours = int((grant.expires - now).total_seconds()) // 3600
    left = _count(days, "day") if days > 1 else _count(hours, "hour") if hours else "less than an hour"
    return f"until {until}, {left} left"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def grant_record(grant: Listed, now: datetime) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "source": grant.source,
        "subject": grant.subject,
        "rules": list(grant.rules),
        "reason": grant.reason,
        "approved_by": grant.approved_by,
        "expires": grant.expires.isoformat() if grant.expires else "permanent",
        "days_left": grant.days_left(now),
        "lapsed": grant.lapsed(now),
        "emergency": grant.emergency,
        "not_accepted": [{"environment": each.environment, "needs": list(each.needs)} for each in grant.unaccepted],
        "created": grant.created.isoformat() if grant.created else None,
        "created_by": grant.created_by or None,
    }


def unaccepted_lines(found: Iterable[Unaccepted], approved_by: str) -> Iterator[Text]:
    """Where the exemption that was just granted does not count."""
    for each in found:
        said = f"not accepted in {each}; {approved_by} approved it, and there it will not take effect"
        yield Text.assemble(("warning: ", "bold yellow"), visible(said))


def done_lines(how: str, concession: Concession, before: Concession | None, notes: Sequence[str]) -> Iterator[Text]:
    """What was granted or withdrawn, in place of what, and what went wrong on the side."""
    rules = f" from {visible(', '.join(concession.rules))}" if concession.rules else ""
    until = f"until {concession.expires:%Y-%m-%d %H:%M} UTC" if concession.expires else "for good"
    yield Text.assemble((f"{how}: ", "bold"), f"{visible(concession.id)}{rules}, {until}")
    if before:
        yield Text(f"  in place of one by {visible(before.created_by)}: {visible(before.reason)}")
    for note in notes:
        yield Text.assemble(("warning: ", "bold yellow"), visible(note))
