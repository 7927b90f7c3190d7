"""Everything that AWS would show of a region's groups, as a value: equal before and after means that nothing changed.

Rule ids are left out, because a rule that is restored has a new one. Order of rules and tags is, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from sg_compliance.testing.twin.nouns import Group, Region, Rule, Tags

Snapshot: TypeAlias = "dict[str, dict[str, Any]]"


def snapshot(region: Region) -> Snapshot:
    """Group id → what the group is: names, tags, rules with their descriptions and tags."""
    return {group_id: _shown(group) for group_id, group in sorted(region.groups.items())}


def _shown(group: Group) -> dict[str, Any]:
    return {
        "owner": group.owner_id,
        "name": group.name,
        "description": group.description,
        "vpc": group.vpc_id,
        "tags": _tags(group.tags),
        "rules": sorted((_rule(rule) for rule in group.rules), key=repr),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    peer = rule.peer
    return {
        "direction": "egress" if rule.is_egress else "ingress",
        "traffic": (rule.protocol, rule.from_port, rule.to_port),
        "peer": (peer.value, peer.account_id, *sorted(peer.others)),
        "description": rule.description,
        "tags": _tags(rule.tags),
    }


def _tags(tags: Tags) -> dict[str, str]:
    return dict(sorted(tags))
