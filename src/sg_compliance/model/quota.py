"""How many rules a group has as AWS counts its quota: per direction, IPv4 and IPv6 apart.

A referenced group counts in both, a prefix list with its maximum number of entries in both.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.model.security_group import CidrPeer, PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.security_group import Direction, Peer, PrefixLists, SecurityGroupRule

RULES_PER_DIRECTION: Final = 60
"""AWS's default; an account can have it raised."""


def quota_count(rules: Iterable[SecurityGroupRule], direction: Direction, prefix_lists: PrefixLists) -> dict[int, int]:
    """Rules of one direction by IP version, as AWS counts them against the quota."""
    counts = {4: 0, 6: 0}
    for rule in rules:
        if rule.direction is direction:
            for version, weight in weights(rule.peer, prefix_lists):
                counts[version] += weight
    return counts


def weights(peer: Peer, prefix_lists: PrefixLists) -> tuple[tuple[int, int], ...]:
    """What a rule with this peer counts: pairs of IP version and number."""
    if isinstance(peer, CidrPeer):
        return ((peer.block.version, 1),)
    if isinstance(peer, PrefixListPeer):
        known = prefix_lists.get(peer.prefix_list_id)
        weight = known.weight() if known else 1
        return ((4, weight), (6, weight))
    return ((4, 1), (6, 1))
