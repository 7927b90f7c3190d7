"""The calls that make, delete and tag groups.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.testing.twin import texts
from sg_compliance.testing.twin.answers import group_arn, tags_shown
from sg_compliance.testing.twin.nouns import Group, Peer, Rule
from sg_compliance.testing.twin.refusal import TwinError, invalid, missing, no_such_group, no_such_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.testing.twin.nouns import Json, Tags, Vpc
    from sg_compliance.testing.twin.world import Scene, World


def create(scene: Scene, params: Json) -> Json:
    """Make a group; everything may go out of it."""
    name = texts.group_name(params.get("GroupName") or "")
    description = texts.group_description(params.get("Description") or "")
    tags = texts.tags_for("security-group", params.get("TagSpecifications") or ())
    vpc = _vpc(scene, params.get("VpcId"))
    own = scene.region.groups.values()
    if any((each.name, each.vpc_id) == (name, vpc.vpc_id) for each in own):
        message = f"The security group '{name}' already exists for VPC '{vpc.vpc_id}'"
        raise TwinError("InvalidGroup.Duplicate", message)
    if len(own) >= scene.world.group_quota:
        raise TwinError("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
    group_id = scene.world.new_id("sg")
    group = Group(group_id, scene.account_id, scene.region_name, name, description, vpc.vpc_id, tags)
    scene.world.put(replace(group, rules=tuple(_all_out(scene.world, vpc))))
    tagged = {"Tags": tags_shown(tags)} if tags else {}
    return {"GroupId": group_id, "SecurityGroupArn": group_arn(group), **tagged}


def _vpc(scene: Scene, vpc_id: str | None) -> Vpc:
    if vpc_id:
        vpc = scene.vpc(vpc_id)
        if vpc is None:
            raise TwinError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
        return vpc
    for vpc in scene.region.vpcs.values():
        if vpc.is_default:
            return vpc
    raise TwinError("VPCIdNotSpecified", "No default VPC for this user")


def _all_out(world: World, vpc: Vpc) -> Iterator[Rule]:
    yield Rule(True, "-1", None, None, Peer("IpRanges", "0.0.0.0/0"), rule_id=world.new_id("sgr"))  # noqa: FBT003
    if vpc.has_ipv6:
        yield Rule(True, "-1", None, None, Peer("Ipv6Ranges", "::/0"), rule_id=world.new_id("sgr"))  # noqa: FBT003


def default_group(world: World, account_id: str, region: str, vpc: Vpc) -> Group:
    """The group that comes with a VPC: everything from its own members, and everything out."""
    group_id = world.new_id("sg")
    itself = Peer("UserIdGroupPairs", group_id, account_id)
    from_itself = Rule(False, "-1", None, None, itself, rule_id=world.new_id("sgr"))  # noqa: FBT003
    rules = (from_itself, *_all_out(world, vpc))
    text = "default VPC security group"
    return Group(group_id, account_id, region, "default", text, vpc.vpc_id, rules=rules)


def delete(scene: Scene, params: Json) -> Json:
    """Delete a group that nothing needs: no interface has it, and no other group's rule refers to it."""
    group = scene.group(params)
    if group.name == "default":
        quoted = f'"{group.group_id}" name: "default"'
        raise TwinError("CannotDelete", f"the specified group: {quoted} cannot be deleted by a user")
    attached = any(
        group.group_id == each["GroupId"]
        for region in scene.same_region()
        for interface in region.interfaces.values()
        for each in interface.get("Groups", ())
    )
    if attached or scene.referring_to(group):
        raise TwinError("DependencyViolation", f"resource {group.group_id} has a dependent object")
    scene.world.drop(group)
    return {"Return": True, "GroupId": group.group_id}


def create_tags(scene: Scene, params: Json) -> Json:
    """Set tags on groups and rules: on all that are named, or on none."""
    if not params.get("Tags"):
        raise missing("tagSet")
    return _retag(scene, params, lambda tags: texts.with_tags(tags, params["Tags"]))


def delete_tags(scene: Scene, params: Json) -> Json:
    """Delete tags from groups and rules. One that is not there is no error."""
    return _retag(scene, params, lambda tags: texts.without_tags(tags, params.get("Tags") or ()))


def _retag(scene: Scene, params: Json, change: Callable[[Tags], Tags]) -> Json:
    changed: dict[str, Group] = {}
    for resource_id in params["Resources"]:
        group = _group_of(scene, resource_id)
        group = changed.get(group.group_id, group)
        if resource_id == group.group_id:
            group = replace(group, tags=change(group.tags))
        else:
            rule = next(each for each in group.rules if each.rule_id == resource_id)
            group = group.with_rules({resource_id: replace(rule, tags=change(rule.tags))})
        changed[group.group_id] = group
    scene.world.put(*changed.values())
    return {}


def _group_of(scene: Scene, resource_id: str) -> Group:
    """The group with this id, or with the rule that has it."""
    if resource_id.startswith("sgr-"):
        for group in scene.region.groups.values():
            if any(rule.rule_id == resource_id for rule in group.rules):
                return group
        raise no_such_rule(resource_id)
    if not resource_id.startswith("sg-"):
        raise invalid(f"the twin has no resource '{resource_id}': it keeps groups (sg-) and their rules (sgr-)")
    if resource_id not in scene.region.groups:
        raise no_such_group(resource_id)
    return scene.region.groups[resource_id]
