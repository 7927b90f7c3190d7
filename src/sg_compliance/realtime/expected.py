"""What events say that a group must have by now, against what AWS shows: a describe can lag behind a change.

Events tell seconds, not moments: a rule that was added and removed within one second is not expected.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.model.security_group import PrefixListPeer, identity
from sg_compliance.realtime.record import ChangeKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import Identity, PrefixLists, SecurityGroup, SecurityGroupRule
    from sg_compliance.realtime.record import Change

LAG: Final = timedelta(minutes=5)
"""After so long what AWS shows is believed (it was seen to lag for over two minutes)."""


def missing_rules(
    group: SecurityGroup, changes: Iterable[Change], now: datetime, settled: datetime | None = None
) -> tuple[SecurityGroupRule, ...]:
    """The rules that these changes of the group added lately, and that AWS does not show.

    `settled`: when this tool changed the group last. What was added before then it has seen.
    """
    since = max(now - LAG, settled or now - LAG)
    recent = (each for each in changes if each.event_time > since and _is_about(each, group))
    directions = {rule.rule_id: rule.direction for rule in group.rules if rule.rule_id}
    expected: dict[Identity, SecurityGroupRule] = {}
    for change in sorted(recent, key=lambda each: (each.event_time, each.kind is ChangeKind.RULES_REMOVED)):
        gone = {identity(rule) for rule in change.rules_removed}
        ids = {*change.rule_ids, *(rule.rule_id for rule in change.rules_removed if rule.rule_id)}
        if change.kind is ChangeKind.RULES_REMOVED:
            expected = {key: rule for key, rule in expected.items() if key not in gone and rule.rule_id not in ids}
        expected |= {identity(rule): rule for rule in change.expected_rules(directions)}
    shown = {identity(rule) for rule in group.rules}
    return tuple(rule for key, rule in expected.items() if key not in shown)


def _is_about(change: Change, group: SecurityGroup) -> bool:
    """Case does not count in names (EC2 API reference, CreateSecurityGroup)."""
    named = group.name.lower() in (name.lower() for name in change.group_names)
    return group.group_id in change.groups or named


def with_expected(group: SecurityGroup, missing: Iterable[SecurityGroupRule]) -> SecurityGroup:
    """The group as it is shown, and what was added: the union of both is judged."""
    return replace(group, rules=(*group.rules, *missing))


def with_entries(prefix_lists: PrefixLists, changes: Iterable[Change], now: datetime) -> PrefixLists:
    """The lists as they are shown, and the entries that were added lately: the same object where none is missing.

    A list that cannot be read stays so.
    """
    expected: dict[str, dict[Cidr, None]] = defaultdict(dict)
    recent = (each for each in changes if each.event_time > now - LAG)
    for change in sorted(recent, key=lambda each: each.event_time):
        for prefix_list_id in change.prefix_lists:
            expected[prefix_list_id] |= dict.fromkeys(change.entries_added)
            for block in change.entries_removed:
                expected[prefix_list_id].pop(block, None)
    found = {}
    for prefix_list_id, blocks in expected.items():
        known = prefix_lists.get(prefix_list_id)
        if known and known.blocks is not None and not set(blocks) <= set(known.blocks):
            found[prefix_list_id] = replace(known, blocks=tuple(dict.fromkeys((*known.blocks, *blocks))))
    return {**prefix_lists, **found} if found else prefix_lists


def is_vague(change: Change) -> bool:
    """Whether the event does not tell all that was changed, so that what AWS shows cannot be held against it.

    It was cut off, tells of a rule that means no traffic, or of an older version of a list.
    """
    restored = change.kind is ChangeKind.PREFIX_LIST and not (change.entries_added or change.entries_removed)
    return restored or not change.complete or bool(change.malformed)


def added_rules(changes: Iterable[Change], group: SecurityGroup) -> frozenset[Identity]:
    """The rules that the changes added to the group or made of others, shown or not; those too whose list grew."""
    directions = {rule.rule_id: rule.direction for rule in group.rules if rule.rule_id}
    found: set[Identity] = set()
    for change in changes:
        if _is_about(change, group):
            found.update(identity(rule) for rule in change.expected_rules(directions))
        if change.entries_added or (change.prefix_lists and is_vague(change)):
            found.update(identity(rule) for rule in group.rules if _refers(rule, change))
    return frozenset(found)


def _refers(rule: SecurityGroupRule, change: Change) -> bool:
    return isinstance(rule.peer, PrefixListPeer) and rule.peer.prefix_list_id in change.prefix_lists


def brought_about(findings: Iterable[Finding], changes: Iterable[Change], group: SecurityGroup) -> frozenset[str]:
    """The ids of the findings that the changes brought about: a rule that they added is evidence.

    Of a group that was only just made all are; so are those of an event that does not say what it added.
    """
    changes = tuple(changes)
    about = [each for each in changes if _is_about(each, group)]
    whole = any(each.kind is ChangeKind.CREATED or (not each.complete and _adds(each)) for each in about)
    added = added_rules(changes, group)
    return frozenset(each.id for each in findings if whole or any(identity(rule) in added for rule in each.evidence))


def _adds(change: Change) -> bool:
    return change.kind in {ChangeKind.RULES_ADDED, ChangeKind.RULES_MODIFIED}
