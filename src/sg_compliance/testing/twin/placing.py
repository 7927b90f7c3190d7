"""AWS's JSON of a group → a group of the twin, past all validation: what is written is what describes show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.testing.twin.nouns import PEER_KEYS, Group, Peer, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sg_compliance.testing.twin.nouns import Json
    from sg_compliance.testing.twin.world import World

_GIVEN = frozenset({"Description", "UserId", *PEER_KEYS.values()})


def placed(world: World, account_id: str, region: str, raw: Json, rules_tags: Mapping[str, Mapping[str, str]]) -> Group:
    """The group that is written. An element of a permission may carry its rule's id as `SecurityGroupRuleId`."""
    group_id = raw.get("GroupId") or world.new_id("sg")
    sides = ((False, raw.get("IpPermissions")), (True, raw.get("IpPermissionsEgress")))
    rules = [
        rule
        for is_egress, permissions in sides
        for rule in _rules(world, permissions or (), rules_tags, is_egress=is_egress)
    ]
    return Group(
        group_id,
        raw.get("OwnerId") or account_id,
        region,
        raw.get("GroupName") or group_id,
        raw.get("Description") or "",
        raw.get("VpcId"),
        tuple((tag["Key"], tag["Value"]) for tag in raw.get("Tags") or ()),
        tuple(rules),
    )


def _rules(
    world: World, permissions: Sequence[Json], rules_tags: Mapping[str, Mapping[str, str]], *, is_egress: bool
) -> Iterator[Rule]:
    for permission in permissions:
        for kind, key in PEER_KEYS.items():
            for element in permission.get(kind) or ():
                rule_id = element.get("SecurityGroupRuleId") or world.new_id("sgr")
                others = tuple(
                    (name, value)
                    for name, value in element.items()
                    if name not in _GIVEN and name != "SecurityGroupRuleId"
                )
                value = element.get(key) or element.get("GroupName") or ""
                tags = rules_tags.get(rule_id) or rules_tags.get(value) or {}
                yield Rule(
                    is_egress,
                    permission["IpProtocol"],
                    permission.get("FromPort"),
                    permission.get("ToPort"),
                    Peer(kind, value, element.get("UserId"), others),
                    element.get("Description"),
                    rule_id,
                    tuple(tags.items()),
                    frozenset(PEER_KEYS) - permission.keys(),
                )
