"""The quota of rules a group, counted as AWS counts it.

Per direction, IPv4 and IPv6 apart; a referenced group counts in both, a prefix list by its maximum of entries, or by
AWS's weight, in both.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.testing.twin.refusal import TwinError

if TYPE_CHECKING:
    from sg_compliance.testing.twin.nouns import Group, Rule
    from sg_compliance.testing.twin.world import Scene


def check_quota(scene: Scene, before: Group, after: Group) -> None:
    """Raise TwinError where a count is over the quota, and higher than it was."""
    for is_egress in (False, True):
        was, becomes = count(scene, before, is_egress=is_egress), count(scene, after, is_egress=is_egress)
        if any(now > max(scene.world.quota, then) for then, now in zip(was, becomes, strict=True)):
            message = "The maximum number of rules per security group has been reached."
            raise TwinError("RulesPerSecurityGroupLimitExceeded", message)


def count(scene: Scene, group: Group, *, is_egress: bool) -> tuple[int, int]:
    """How many rules of one direction there are for IPv4 and for IPv6."""
    rules = [rule for rule in group.rules if rule.is_egress is is_egress]
    ipv4 = sum(_weight(scene, rule) for rule in rules if rule.peer.kind != "Ipv6Ranges")
    ipv6 = sum(_weight(scene, rule) for rule in rules if rule.peer.kind != "IpRanges")
    return ipv4, ipv6


def _weight(scene: Scene, rule: Rule) -> int:
    if rule.peer.kind != "PrefixListIds":
        return 1
    known = scene.prefix_list(rule.peer.value)
    return known.weight if known else 1
