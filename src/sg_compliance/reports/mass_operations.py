"""Who changed how much of late, for people and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from sg_compliance.evaluation.wording import listed
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sg_compliance.realtime.activity import Activity, Span
    from sg_compliance.realtime.verdict import Verdict

_MOST_REGIONS: Final = 6


def activity_lines(found: Sequence[Activity]) -> Iterator[Text]:
    """Each principal with its figures, its limits, and what was told of it."""
    for each in found:
        style = "bold red" if each.minute.is_over or each.hour.is_over else "bold"
        yield Text.assemble((visible(each.principal), style), f"  in {visible(each.account_id)}")
        yield Text(f"    minute    {_span(each.minute)}")
        yield Text(f"    hour      {_span(each.hour)}")
        yield Text(f"    changed   {_reach(each)}")
        yield Text(f"    failed    {each.failed:,} of {each.operations:,} ({each.error_rate:.0%})")
        yield Text(f"    when      from {_second(each.first)} to {_second(each.last)} UTC")
        if each.limits.automation:
            yield Text(f"    known as  automation {visible(each.limits.automation)}")
        for verdict in each.told:
            yield Text.assemble("    told      ", (verdict.level.value, "bold"), f": {_told(verdict)}")
    if not found:
        yield Text("nobody has changed a group in the last three hours, as far as this state knows")


def _span(span: Span) -> str:
    over = ": too many" if span.is_over else ""
    most = f"at most {span.densest:,}, from {_second(span.since)} UTC on"
    return f"{span.now:,} up to now; {most}; {span.limit:,} are allowed{over}"


def _reach(each: Activity) -> str:
    at_least = "at least " if each.at_least else ""
    where = f" in {visible(listed(list(each.regions), _MOST_REGIONS))}" if each.regions else ""
    return f"{at_least}{each.groups:,} group{'s' if each.groups != 1 else ''}{where}"


def _told(verdict: Verdict) -> str:
    seconds = int(verdict.window.total_seconds())
    return f"{verdict.count:,} in {seconds} s from {_second(verdict.first)} UTC on, more than {verdict.threshold:,}"


def _second(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def activity_record(each: Activity) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "account_id": each.account_id,
        "principal": each.principal,
        "operations": each.operations,
        "failed": each.failed,
        "error_rate": round(each.error_rate, 4),
        "first": each.first.isoformat(),
        "last": each.last.isoformat(),
        "minute": _span_record(each.minute),
        "hour": _span_record(each.hour),
        "escalate_from": each.limits.escalate_from,
        "automation": each.limits.automation or None,
        "groups": each.groups,
        "regions": list(each.regions),
        "at_least": each.at_least,
        "told": [
            {
                "level": verdict.level.value,
                "count": verdict.count,
                "failed": verdict.failed,
                "seconds": int(verdict.window.total_seconds()),
                "threshold": verdict.threshold,
                "first": verdict.first.isoformat(),
                "last": verdict.last.isoformat(),
                "groups": list(verdict.some_groups),
                "regions": list(verdict.some_regions),
                "event_id": verdict.event_id,
                "keys": list(verdict.keys),
            }
            for verdict in each.told
        ],
    }


def _span_record(span: Span) -> dict[str, Any]:
    return {"now": span.now, "densest": span.densest, "since": span.since.isoformat(), "threshold": span.limit}
