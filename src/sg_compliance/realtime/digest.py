"""One message about many findings: an entry for each root cause, the worst and largest first, the rest as counts.

However many findings there are, the message is one that SNS takes and a person can read. Every finding is counted once:
in its entry, or among those that are not shown.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.model.visible import visible
from sg_compliance.policy.cadence import Cadence
from sg_compliance.realtime.root_causes import root_causes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sg_compliance.model.remembered import Remembered
    from sg_compliance.model.security_group import Place
    from sg_compliance.realtime.root_causes import RootCause

_SHOWN: Final = (25, 18, 12, 8, 5, 3, 2, 1, 0)
"""How many causes are shown: the first of these with which the message is small enough."""

_LARGEST: Final = 180_000
"""Bytes: SNS takes 262,144 (SNS API reference, Publish, Message), and shows what is larger cut off."""

_COPIES: Final = 4
"""SNS takes a text for each protocol: the JSON for machines stands in the message so often, the text once more."""

_MOST_RULES: Final = 4
_MOST_PLACES: Final = 5
_MOST_SCOPED: Final = 3
_MOST_COUNTED: Final = 10
_MOST_CONTACTS: Final = 10
_LONGEST_CONTACT: Final = 100
_LONGEST: Final = 300
_LONGEST_NAME: Final = 100
_TITLES: Final[Mapping[Cadence, str]] = {
    Cadence.AT_ONCE: "Overdue",
    Cadence.HOURLY: "Hourly digest",
    Cadence.DAILY: "Daily digest",
    Cadence.WEEKLY: "Weekly digest",
}
_DIRECTIONS: Final = {"ingress": "inbound", "egress": "outbound", "": "group"}


def digest(
    cadence: Cadence, waiting: Iterable[Remembered], now: datetime, contacts: Iterable[str] = ()
) -> Notice | None:
    """The message about what waits; None where nothing does. `contacts` are whom people may ask."""
    findings = list(waiting)
    if not findings:
        return None
    causes, whom = root_causes(findings), [_line(each)[:_LONGEST_CONTACT] for each in contacts][:_MOST_CONTACTS]
    for most in _SHOWN:
        notice = _notice(cadence, causes, most, now, whom)
        if _size(notice) <= _LARGEST:
            return notice
    raise AssertionError("a message of counts alone is always small enough")


def _notice(cadence: Cadence, causes: Sequence[RootCause], most: int, now: datetime, whom: Sequence[str]) -> Notice:
    shown, folded = causes[:most], causes[most:]
    places = {place for cause in causes for place in cause.groups}
    accounts = sorted({place.account_id for place in places})
    severity = causes[0].severity
    found = _count(sum(len(cause.findings) for cause in causes), "finding")
    scale = f"{found}, {_count(len(causes), 'cause')}, {_count(len(accounts), 'account')}"
    lines = [
        f"{_TITLES[cadence]}: {scale}.",
        "They are open, and nobody was told of them yet. The worst and largest come first.",
        *(line for number, cause in enumerate(shown, 1) for line in ("", *_entry(number, cause, now))),
        *_folded_lines(folded),
        "",
        *([f"Whom to ask: {', '.join(whom)}"] if whom else []),
        "All that is open: sg-compliance scan --org",
    ]
    return Notice(
        kind=NoticeKind.DIGEST,
        severity=severity,
        subject=f"{_TITLES[cadence]}: {found}, worst {severity.value}, {_count(len(causes), 'cause')}",
        text="\n".join(lines),
        account_id=accounts[0] if len(accounts) == 1 else "",
        record={
            "kind": NoticeKind.DIGEST.value,
            "cadence": cadence.value,
            "created": now.isoformat(timespec="seconds"),
            **_figures(causes),
            "severities": _severities(causes),
            "causes": [_record(cause) for cause in shown],
            "causes_in_all": len(causes),
            "not_shown": {"causes": len(folded), **_figures(folded), "rules": dict(_rules(folded)[:_MOST_COUNTED])},
            "contacts": list(whom),
        },
    )


def _entry(number: int, cause: RootCause, now: datetime) -> list[str]:
    """What, how much, where, since when, why it matters, and what to do."""
    rules = list(cause.by_rule.items())
    direction = _DIRECTIONS.get(cause.findings[0].direction, "")
    more = [f"   and {_count(len(rules) - _MOST_RULES, 'rule')} more"] if len(rules) > _MOST_RULES else []
    return [
        f"{number}. {cause.severity.value.upper()}, {direction}: {_scale(cause)}",
        *(line for rule_id, each in rules[:_MOST_RULES] for line in _rule_lines(rule_id, each)),
        *more,
        f"   Where: {_where(cause)}",
        f"   Since: {_age(cause.first, now)}" + _newest(cause, now),
        f"   Look at it: {_explain(cause)}",
        f"   Mend it: {_plan(cause)}",
    ]


def _rule_lines(rule_id: str, example: Remembered) -> list[str]:
    reason = [f"     Why it matters: {_line(example.reason)}"] if example.reason else []
    return [f"   {_line(rule_id)}: {_line(example.message)}", *reason]


def _scale(cause: RootCause) -> str:
    places = cause.groups
    named = f' named "{_name(cause.pattern)}"' if cause.pattern else ""
    figures = (
        _count(len({place.account_id for place in places}), "account"),
        _count(len({place.region for place in places}), "region"),
    )
    return f"{_count(len(cause.findings), 'finding')} in {_count(len(places), 'group')}{named}, {', '.join(figures)}"


def _where(cause: RootCause) -> str:
    some = list(cause.groups.items())[:_MOST_PLACES]
    more = len(cause.groups) - len(some)
    named = [f"{_name(place.group_id)}{f' ({_name(name)})' if name else ''} in {_area(place)}" for place, name in some]
    return "; ".join([*named, *([f"and {_count(more, 'more group')}"] if more else [])])


def _area(place: Place) -> str:
    return f"{_name(place.account_id)} {_name(place.region)}"


def _newest(cause: RootCause, now: datetime) -> str:
    return f"; the newest {_age(cause.newest, now)}" if cause.newest > cause.first else ""


def _age(time: datetime, now: datetime) -> str:
    return f"{time.isoformat(timespec='minutes')} ({_span(now - time)})"


def _span(span: timedelta) -> str:
    hours = int(span.total_seconds()) // 3600
    if hours < 1:
        return "within the hour"
    return f"{_count(hours, 'hour')} ago" if hours < 48 else f"{_count(hours // 24, 'day')} ago"  # noqa: PLR2004


def _explain(cause: RootCause) -> str:
    """The command that shows the group whose finding is the worst."""
    place = next(iter(cause.by_rule.values())).place
    words = (place.group_id, "--accounts", place.account_id, "--regions", place.region)
    return f"sg-compliance explain {_words(words)}"


def _plan(cause: RootCause) -> str:
    """The command that works out what to change, for these rules and where they are violated."""
    accounts = sorted({place.account_id for place in cause.groups})
    regions = sorted({place.region for place in cause.groups})
    words = [word for rule_id in list(cause.by_rule)[:_MOST_RULES] for word in ("--rule", rule_id)]
    few = len(accounts) <= _MOST_SCOPED
    words += [word for account in accounts for word in ("--accounts", account)] if few else ["--org"]
    if len(regions) <= _MOST_SCOPED:
        words += [word for region in regions for word in ("--regions", region)]
    return f"sg-compliance plan {_words(words)}"


def _words(words: Iterable[str]) -> str:
    """For a shell, whatever anybody has named a group."""
    return " ".join(shlex.quote(_line(word)) for word in words)


def _folded_lines(folded: Sequence[RootCause]) -> list[str]:
    if not folded:
        return []
    figures, rules = _figures(folded), _rules(folded)
    counts = ", ".join(_count(figures[f"{noun}s"], noun) for noun in ("finding", "group", "account"))
    named = [f"{_line(rule_id)} {number:,}" for rule_id, number in rules[:_MOST_COUNTED]]
    others = rules[_MOST_COUNTED:]
    if others:
        named.append(f"{_count(len(others), 'more rule')} {sum(number for _, number in others):,}")
    return ["", f"Not shown: {_count(len(folded), 'more cause')}, {counts}.", f"   By rule: {', '.join(named)}"]


def _figures(causes: Sequence[RootCause]) -> dict[str, int]:
    places = {place for cause in causes for place in cause.groups}
    return {
        "findings": sum(len(cause.findings) for cause in causes),
        "groups": len(places),
        "accounts": len({place.account_id for place in places}),
        "regions": len({place.region for place in places}),
    }


def _severities(causes: Sequence[RootCause]) -> dict[str, int]:
    counts = Counter(each.severity for cause in causes for each in cause.findings)
    return {severity.value: counts[severity] for severity in reversed(Severity) if counts[severity]}


def _rules(causes: Sequence[RootCause]) -> list[tuple[str, int]]:
    """The rules and how many findings each has, most first."""
    counts = Counter(each.rule_id for cause in causes for each in cause.findings)
    return sorted(counts.items(), key=lambda rule: (-rule[1], rule[0]))


def _record(cause: RootCause) -> dict[str, Any]:
    some = list(cause.groups.items())[:_MOST_PLACES]
    return {
        "severity": cause.severity.value,
        "direction": cause.findings[0].direction,
        "rules": [
            {"rule_id": _cut(rule_id), "message": _cut(each.message), "reason": _cut(each.reason)}
            for rule_id, each in list(cause.by_rule.items())[:_MOST_RULES]
        ],
        "rules_in_all": len(cause.by_rule),
        "group_names": _cut(cause.pattern),
        **_figures([cause]),
        "some_groups": [{**place._asdict(), "group_name": _cut(name)} for place, name in some],
        "some_findings": [each.id for each in cause.findings[:_MOST_PLACES]],
        "first_seen": cause.first.isoformat(),
        "newest_seen": cause.newest.isoformat(),
    }


def _size(notice: Notice) -> int:
    """About what the message comes to as SNS takes it: JSON in JSON."""
    machine = json.dumps({"text": notice.text, "record": notice.record})
    return len(json.dumps(notice.text)) + _COPIES * len(json.dumps(machine))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _name(text: str) -> str:
    return _cut(visible(text), _LONGEST_NAME)


def _line(text: str) -> str:
    return _cut(visible(text))


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
