"""What a change does to one group, as the lines of a diff and as JSON values: what goes, stays, comes, and its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from sg_compliance.enforcement.calls import after
from sg_compliance.evaluation.wording import rule_text
from sg_compliance.model.security_group import identity
from sg_compliance.model.visible import visible
from sg_compliance.reports.record import rule_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.change import Tags, Wanted
    from sg_compliance.model.security_group import SecurityGroup, SecurityGroupRule

GONE: Final = "red"
ADDED: Final = "green"
ALTERED: Final = "yellow"
SAME: Final = "dim"
_DESCRIPTION: Final = 72
_TAG_VALUE: Final = 32
_STAYING: Final = 4
"""So many rules that stay are shown; of more than that, the first few."""


class Diff(NamedTuple):
    """`altered` are rules that stay with another description or other tags: before and after."""

    goes: tuple[SecurityGroupRule, ...]
    stays: tuple[SecurityGroupRule, ...]
    comes: tuple[SecurityGroupRule, ...]
    altered: tuple[tuple[SecurityGroupRule, SecurityGroupRule], ...]
    tags: Tags
    untagged: tuple[str, ...]


def diff_of(before: SecurityGroup, wanted: Wanted) -> Diff:
    """The difference between the group and what it is to become."""
    end = after(before, wanted)
    then = {identity(rule): rule for rule in end.rules}
    known = set(map(identity, before.rules))
    pairs = [(rule, then[identity(rule)]) for rule in before.rules if identity(rule) in then]
    old, new = dict(before.tags), dict(end.tags)
    return Diff(
        goes=tuple(rule for rule in before.rules if identity(rule) not in then),
        stays=tuple(rule for rule, later in pairs if _same(rule, later)),
        comes=tuple(rule for rule in end.rules if identity(rule) not in known),
        altered=tuple((rule, later) for rule, later in pairs if not _same(rule, later)),
        tags=tuple((key, value) for key, value in new.items() if old.get(key) != value),
        untagged=tuple(key for key in old if key not in new),
    )


def _same(one: SecurityGroupRule, other: SecurityGroupRule) -> bool:
    return (one.description or "") == (other.description or "") and dict(one.tags) == dict(other.tags)


def diff_lines(diff: Diff) -> Iterator[Text]:
    """One line a rule; of many that stay only the first few, of what goes and comes all. Tags in one line."""
    for rule in diff.goes:
        yield Text(f"  - {rule_line(rule)}", style=GONE)
    yield from _staying(diff.stays)
    for rule, later in diff.altered:
        yield Text(f"  ~ {rule_line(rule)}  →  {_beside(later) or 'no description'}", style=ALTERED)
    for rule in diff.comes:
        yield Text(f"  + {rule_line(rule)}", style=ADDED)
    if diff.untagged:
        yield Text(f"  - tags {visible(', '.join(diff.untagged))}", style=GONE)
    if diff.tags:
        yield Text(f"  + tags {tags_text(diff.tags)}", style=ADDED)


def _staying(rules: Sequence[SecurityGroupRule]) -> Iterator[Text]:
    shown = rules if len(rules) <= _STAYING else rules[: _STAYING - 1]
    for rule in shown:
        yield Text(f"  = {rule_line(rule)}", style=SAME)
    if len(shown) < len(rules):
        yield Text(f"  = and {len(rules) - len(shown)} more rules stay", style=SAME)


def rule_line(rule: SecurityGroupRule) -> str:
    """`ingress tcp 22 from 0.0.0.0/0  sgr-…  its description`."""
    parts = [f"{rule.direction.value} {visible(rule_text(rule))}", visible(rule.rule_id or ""), _beside(rule)]
    return "  ".join(part for part in parts if part)


def _beside(rule: SecurityGroupRule) -> str:
    """What a rule carries that makes no difference to its traffic."""
    tags = f"[{tags_text(rule.tags)}]" if rule.tags else ""
    return "  ".join(part for part in (shortened(rule.description or "", _DESCRIPTION), tags) if part)


def tags_text(tags: Tags) -> str:
    """`Owner=web, Stage=test`; long values are cut."""
    return ", ".join(f"{visible(key)}={shortened(value, _TAG_VALUE)}" for key, value in tags)


def shortened(text: str, most: int) -> str:
    """The text, safe to show, cut where it is too long for a line. JSON has the whole of it."""
    shown = visible(text)
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


def diff_record(diff: Diff) -> dict[str, Any]:
    """The same as JSON values; rules as AWS writes them."""
    return {
        "revoke": [rule_record(rule) for rule in diff.goes],
        "keep": [rule_record(rule) for rule in diff.stays],
        "authorize": [rule_record(rule) for rule in diff.comes],
        "describe": [rule_record(later) for _, later in diff.altered],
        "set_tags": dict(diff.tags),
        "remove_tags": list(diff.untagged),
    }
