"""How many rules a group has as AWS counts its quota: per direction, IPv4 and IPv6 apart.

A referenced group counts in both, a prefix list with its maximum number of entries in both.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.model.security_group import CidrPeer, PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.security_group import Direction, PrefixLists, SecurityGroupRule

RULES_PER_DIRECTION: Final = 60
"""AWS's default; an account can have it raised."""


def quota_count(rules: Iterable[SecurityGroupRule], direction: Direction, prefix_lists: PrefixLists) -> dict[int, int]:
    """Rules of one direction by IP version, as AWS counts them against the quota."""
    counts = {4: 0, 6: 0}
    for rule in rules:
        if rule.direction is direction:
            for version, weight in _weights(rule, prefix_lists):
                counts[version] += weight
    return counts


def _weights(rule: SecurityGroupRule, prefix_lists: PrefixLists) -> tuple[tuple[int, int], ...]:
    if isinstance(rule.peer, CidrPeer):
        return ((rule.peer.block.version, 1),)
    if isinstance(rule.peer, PrefixListPeer):
        known = prefix_lists.get(rule.peer.prefix_list_id)
        weight = known.weight() if known else 1
        return ((4, weight), (6, weight))
    return ((4, 1), (6, 1))
