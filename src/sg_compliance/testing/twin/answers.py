"""The twin's nouns → AWS's answers, as boto3 gives them.

DescribeSecurityGroups puts the peers of one protocol and ports together and shows no ids; DescribeSecurityGroupRules
shows each rule with its id and tags, and ports -1 where there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.testing.twin.nouns import PEER_KEYS, Group, Json, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.testing.twin.nouns import Tags

_OF_PEER: Final = {"IpRanges": "CidrIpv4", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId"}


def group_shown(group: Group) -> Json:
    """One element of `SecurityGroups`."""
    shown: Json = {
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.owner_id,
        "VpcId": group.vpc_id,
        "Tags": tags_shown(group.tags),
        "SecurityGroupArn": group_arn(group),
        "IpPermissions": permissions_shown(rule for rule in group.rules if not rule.is_egress),
        "IpPermissionsEgress": permissions_shown(rule for rule in group.rules if rule.is_egress),
    }
    return {key: value for key, value in shown.items() if value or key not in {"VpcId", "Tags"}}


def group_arn(group: Group) -> str:
    """The group's ARN."""
    return f"arn:aws:ec2:{group.region}:{group.owner_id}:security-group/{group.group_id}"


def tags_shown(tags: Tags) -> list[Json]:
    """Tags as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def permissions_shown(rules: Iterable[Rule]) -> list[Json]:
    """The rules of one direction as IpPermissions."""
    permissions: dict[tuple[object, ...], Json] = {}
    for rule in rules:
        traffic = (rule.protocol, rule.from_port, rule.to_port)
        permission = permissions.setdefault(traffic, _empty_permission(rule))
        permission.setdefault(rule.peer.kind, []).append(_element(rule))
    return list(permissions.values())


def _empty_permission(rule: Rule) -> Json:
    ports = {"FromPort": rule.from_port, "ToPort": rule.to_port}
    return {
        "IpProtocol": rule.protocol,
        **{key: port for key, port in ports.items() if port is not None},
        **{kind: [] for kind in PEER_KEYS if kind not in rule.absent},
    }


def _element(rule: Rule) -> Json:
    peer = rule.peer
    shown: Json = {} if rule.description is None else {"Description": rule.description}
    if peer.account_id is not None:
        shown["UserId"] = peer.account_id
    return {PEER_KEYS[peer.kind]: peer.value, **shown, **dict(peer.others)}


def rule_shown(group: Group, rule: Rule) -> Json:
    """One element of `SecurityGroupRules`."""
    return {
        **_identity(group, rule),
        "GroupOwnerId": group.owner_id,
        **_peer_shown(rule),
        "Tags": tags_shown(rule.tags),
        "SecurityGroupRuleArn": f"arn:aws:ec2:{group.region}:{group.owner_id}:security-group-rule/{rule.rule_id}",
    }


def revoked_shown(group: Group, rule: Rule) -> Json:
    """One element of `RevokedSecurityGroupRules`: without tags, a referenced group by its id only."""
    if rule.peer.kind == "UserIdGroupPairs":
        return {**_identity(group, rule), "ReferencedGroupId": rule.peer.value}
    return {**_identity(group, rule), **_peer_shown(rule)}


def _identity(group: Group, rule: Rule) -> Json:
    said: Json = {} if rule.description is None else {"Description": rule.description}
    return {
        "SecurityGroupRuleId": rule.rule_id,
        "GroupId": group.group_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        **said,
    }


def _peer_shown(rule: Rule) -> Json:
    peer = rule.peer
    if peer.kind != "UserIdGroupPairs":
        return {_OF_PEER[peer.kind]: peer.value}
    owner = {} if peer.account_id is None else {"UserId": peer.account_id}
    others = {key: value for key, value in peer.others if key != "GroupName"}
    return {"ReferencedGroupInfo": {"GroupId": peer.value, **owner, **others}}
