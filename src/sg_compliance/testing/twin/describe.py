"""The calls that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.testing.twin.answers import group_shown, rule_shown
from sg_compliance.testing.twin.pages import matching, paged
from sg_compliance.testing.twin.refusal import TwinError, no_such_group, no_such_prefix_list, no_such_rule, not_together
from sg_compliance.testing.twin.world import Scene, checked_group_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sg_compliance.testing.twin.nouns import Group, Json, Rule

_FEW: Final = (1, 100)
"""The bounds of MaxResults for prefix lists."""
_SOME: Final = (5, 255)
"""The bounds of MaxResults for their associations."""

_OF_GROUP: Final[dict[str, Callable[[Group], Iterable[str | None]]]] = {
    "group-id": lambda group: [group.group_id],
    "group-name": lambda group: [group.name],
    "description": lambda group: [group.description],
    "vpc-id": lambda group: [group.vpc_id],
    "owner-id": lambda group: [group.owner_id],
    "ip-permission.prefix-list-id": lambda group: group.prefix_list_ids(is_egress=False),
    "egress.ip-permission.prefix-list-id": lambda group: group.prefix_list_ids(is_egress=True),
}
_OF_RULE: Final[dict[str, Callable[[tuple[Group, Rule]], Iterable[str | None]]]] = {
    "group-id": lambda pair: [pair[0].group_id],
    "security-group-rule-id": lambda pair: [pair[1].rule_id],
}
_OF_LIST: Final[dict[str, Callable[[Json], Iterable[str | None]]]] = {
    "owner-id": lambda shown: [shown.get("OwnerId")],
    "prefix-list-id": lambda shown: [shown["PrefixListId"]],
    "prefix-list-name": lambda shown: [shown.get("PrefixListName")],
}
_OF_INTERFACE: Final[dict[str, Callable[[Json], Iterable[str | None]]]] = {
    "group-id": lambda shown: [each["GroupId"] for each in shown.get("Groups", ())],
    "network-interface-id": lambda shown: [shown["NetworkInterfaceId"]],
    "vpc-id": lambda shown: [shown.get("VpcId")],
}


def security_groups(scene: Scene, params: Json) -> Json:
    """DescribeSecurityGroups. MaxResults does not go together with GroupIds."""
    ids: Sequence[str] = params.get("GroupIds") or ()
    names: Sequence[str] = params.get("GroupNames") or ()
    if ids and "MaxResults" in params:
        raise not_together("maxResults", "groupIds")
    groups = scene.visible()
    for group_id in ids:
        checked_group_id(group_id)
        if all(group.group_id != group_id for group in groups):
            raise no_such_group(group_id)
    for name in names:
        if all(group.name != name for group in groups):
            raise no_such_group(name)
    asked = [group for group in groups if (not ids or group.group_id in ids) and (not names or group.name in names)]
    found = matching(asked, params.get("Filters") or (), _OF_GROUP, lambda group: group.tags)
    return paged("SecurityGroups", found, params, lambda group: group.group_id, group_shown)


def security_group_rules(scene: Scene, params: Json) -> Json:
    """DescribeSecurityGroupRules: one element for each peer."""
    ids = frozenset(params.get("SecurityGroupRuleIds") or ())
    groups = matching(scene.visible(), _of_groups(params), _OF_GROUP)
    pairs = [(group, rule) for group in groups for rule in group.rules if not ids or rule.rule_id in ids]
    for rule_id in ids - {rule.rule_id for _, rule in pairs}:
        raise no_such_rule(rule_id)
    found = matching(pairs, params.get("Filters") or (), _OF_RULE, lambda pair: pair[1].tags)
    return paged("SecurityGroupRules", found, params, lambda pair: pair[1].rule_id, lambda pair: rule_shown(*pair))


def _of_groups(params: Json) -> list[Json]:
    """The filters that choose groups, whose ids must look like ids: unless rules are named, only these are read."""
    filters = [each for each in params.get("Filters") or () if each.get("Name") == "group-id"]
    for each in filters:
        for group_id in each.get("Values") or ():
            checked_group_id(group_id)
    return [] if params.get("SecurityGroupRuleIds") else filters


def managed_prefix_lists(scene: Scene, params: Json) -> Json:
    """DescribeManagedPrefixLists: those of the account, shared with it, and AWS's own."""
    lists = scene.region.prefix_lists
    ids: Sequence[str] = params.get("PrefixListIds") or ()
    for prefix_list_id in ids:
        if prefix_list_id not in lists:
            raise no_such_prefix_list(prefix_list_id)
    shown = [each.shown for prefix_list_id, each in lists.items() if not ids or prefix_list_id in ids]
    found = matching(shown, params.get("Filters") or (), _OF_LIST)
    return paged("PrefixLists", found, params, lambda each: each["PrefixListId"], dict, bounds=_FEW)


def managed_prefix_list_entries(scene: Scene, params: Json) -> Json:
    """GetManagedPrefixListEntries."""
    found = scene.prefix_list(params["PrefixListId"])
    if found is None:
        raise no_such_prefix_list(params["PrefixListId"])
    return paged("Entries", found.entries, params, lambda each: each["Cidr"], dict, bounds=_FEW)


def managed_prefix_list_associations(scene: Scene, params: Json) -> Json:
    """GetManagedPrefixListAssociations: groups of all accounts that refer to the list, told to its owner only.

    https://docs.aws.amazon.com/vpc/latest/userguide/sharing-perms.html. With which code AWS refuses others is not
    documented. Route tables, which can refer to a list too, are not in the twin.
    """
    found = scene.prefix_list(params["PrefixListId"])
    if found is None:
        raise no_such_prefix_list(params["PrefixListId"])
    if found.shown["OwnerId"] != scene.account_id:
        raise TwinError("UnauthorizedOperation", "Only the owner of a prefix list may see what refers to it.")
    groups = scene.referring_to_list(params["PrefixListId"])
    return paged("PrefixListAssociations", groups, params, lambda group: group.group_id, _association, bounds=_SOME)


def _association(group: Group) -> Json:
    return {"ResourceId": group.group_id, "ResourceOwner": group.owner_id}


def network_interfaces(scene: Scene, params: Json) -> Json:
    """DescribeNetworkInterfaces. Those that AWS hides are there for IncludeManagedResources."""
    ids: Sequence[str] = params.get("NetworkInterfaceIds") or ()
    interfaces = scene.region.interfaces
    for interface_id in ids:
        if interface_id not in interfaces:
            message = f"The networkInterface ID '{interface_id}' does not exist"
            raise TwinError("InvalidNetworkInterfaceID.NotFound", message)
    asked = [
        each
        for interface_id, each in interfaces.items()
        if (not ids or interface_id in ids) and (params.get("IncludeManagedResources") or not _is_hidden(each))
    ]
    found = matching(asked, params.get("Filters") or (), _OF_INTERFACE)
    return paged("NetworkInterfaces", found, params, lambda each: each["NetworkInterfaceId"], dict)


def _is_hidden(interface: Json) -> bool:
    return bool((interface.get("Operator") or {}).get("HiddenByDefault"))


def regions(scene: Scene, params: Json) -> Json:
    """DescribeRegions: those that the twin was made with, all enabled."""
    names: Sequence[str] = params.get("RegionNames") or scene.world.region_names
    return {
        "Regions": [
            {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opt-in-not-required"}
            for name in names
        ]
    }
