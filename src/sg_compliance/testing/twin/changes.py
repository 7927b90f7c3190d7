"""The calls that change rules: authorize, revoke, describe anew, modify. Each takes effect as a whole or not at all.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html and its neighbours
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.testing.twin import texts
from sg_compliance.testing.twin.answers import permissions_shown, revoked_shown, rule_shown
from sg_compliance.testing.twin.permissions import Reader
from sg_compliance.testing.twin.quota import check_quota
from sg_compliance.testing.twin.refusal import duplicate, missing, no_such_permission, no_such_rule, not_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.testing.twin.nouns import Group, Json, Rule
    from sg_compliance.testing.twin.world import Scene


def authorize(scene: Scene, params: Json, *, is_egress: bool) -> Json:
    """Add rules. A duplicate, in the group or in the call, adds nothing; descriptions do not distinguish."""
    group = scene.group(params)
    tags = texts.tags_for("security-group-rule", params.get("TagSpecifications") or ())
    rules = [
        replace(rule, rule_id=scene.world.new_id("sgr"), tags=tags)
        for rule in Reader(scene, group).rules(params, is_egress=is_egress)
    ]
    after = replace(group, rules=(*group.rules, *rules))
    check_duplicates(after)
    check_quota(scene, group, after)
    scene.world.put(after)
    return {"Return": True, "SecurityGroupRules": [rule_shown(group, rule) for rule in rules]}


def check_duplicates(group: Group) -> None:
    """Raise TwinError where two rules differ in nothing that AWS distinguishes."""
    seen = set()
    for rule in group.rules:
        if rule.key in seen:
            raise duplicate(str(rule))
        seen.add(rule.key)


def revoke(scene: Scene, params: Json, *, is_egress: bool) -> Json:
    """Remove rules by id or by properties.

    By properties a mismatch is an error and nothing is revoked; in a default VPC it is none, and comes back in
    `UnknownIpPermissions`.
    """
    group = scene.group(params)
    unknown: list[Rule] = []
    if params.get("SecurityGroupRuleIds"):
        if params.get("IpPermissions"):
            raise not_together("ipPermissions", "securityGroupRuleIds")
        found = _with_ids(group, params["SecurityGroupRuleIds"], is_egress=is_egress)
    else:
        found, unknown = _with_properties(scene, group, params, is_egress=is_egress)
        vpc = scene.vpc(group.vpc_id)
        if unknown and not (vpc and vpc.is_default):
            raise no_such_permission()
    scene.world.put(group.without(found))
    answer = {"Return": True, "RevokedSecurityGroupRules": [revoked_shown(group, rule) for rule in found]}
    return {**answer, "UnknownIpPermissions": permissions_shown(unknown)} if unknown else answer


def _with_ids(group: Group, rule_ids: Sequence[str], *, is_egress: bool) -> list[Rule]:
    rules = {rule.rule_id: rule for rule in group.rules if rule.is_egress is is_egress}
    for rule_id in rule_ids:
        if rule_id not in rules:
            raise no_such_rule(rule_id)
    return [rules[rule_id] for rule_id in dict.fromkeys(rule_ids)]


def _with_properties(scene: Scene, group: Group, params: Json, *, is_egress: bool) -> tuple[list[Rule], list[Rule]]:
    """The group's rules that match, and what matches none."""
    present = {rule.key: rule for rule in group.rules}
    asked = Reader(scene, group, must_exist=False).rules(params, is_egress=is_egress)
    found = {rule.key: present[rule.key] for rule in asked if rule.key in present}
    return list(found.values()), [rule for rule in asked if rule.key not in present]


def update_descriptions(scene: Scene, params: Json, *, is_egress: bool) -> Json:
    """Set or remove the descriptions of rules, named by id or by properties. Ids and tags stay."""
    group = scene.group(params)
    if params.get("SecurityGroupRuleDescriptions") and params.get("IpPermissions"):
        raise not_together("ipPermissions", "securityGroupRuleDescriptions")
    if params.get("SecurityGroupRuleDescriptions"):
        changed = _described_by_id(group, params["SecurityGroupRuleDescriptions"], is_egress=is_egress)
    else:
        changed = _described_by_properties(scene, group, params, is_egress=is_egress)
    scene.world.put(group.with_rules({rule.rule_id: rule for rule in changed}))
    return {"Return": True}


def _described_by_id(group: Group, updates: Sequence[Json], *, is_egress: bool) -> list[Rule]:
    wanted = {each.get("SecurityGroupRuleId") or "": texts.description(each.get("Description")) for each in updates}
    found = _with_ids(group, list(wanted), is_egress=is_egress)
    return [replace(rule, description=wanted[rule.rule_id]) for rule in found]


def _described_by_properties(scene: Scene, group: Group, params: Json, *, is_egress: bool) -> list[Rule]:
    if not params.get("IpPermissions"):
        raise missing("ipPermissions or securityGroupRuleDescriptions")
    present = {rule.key: rule for rule in group.rules}
    asked = Reader(scene, group, must_exist=False).rules(params, is_egress=is_egress)
    if any(rule.key not in present for rule in asked):
        raise no_such_permission()
    return [replace(present[rule.key], description=rule.description) for rule in asked]


def modify(scene: Scene, params: Json) -> Json:
    """Give rules other properties: ids, direction and tags stay. A description that is not repeated is gone."""
    group = scene.group_with_id(params["GroupId"])
    present = {rule.rule_id: rule for rule in group.rules}
    reader = Reader(scene, group)
    changed: dict[str, Rule] = {}
    for update in params["SecurityGroupRules"]:
        rule_id = update["SecurityGroupRuleId"]
        if rule_id not in present:
            raise no_such_rule(rule_id)
        changed[rule_id] = reader.requested(present[rule_id], update.get("SecurityGroupRule") or {})
    after = group.with_rules(changed)
    check_duplicates(after)
    check_quota(scene, group, after)
    scene.world.put(after)
    return {"Return": True}
