"""One security group, read whole and changed call by call: the RuleWriter socket on EC2.

A group is read with two calls and believed only where both say the same: a describe can lag behind a change, and one of
the two alone has no rule ids, or no tags of the group. Rules are revoked by id, never by their properties: in a
default VPC a mismatch would pass in silence (EC2 API reference, RevokeSecurityGroupIngress).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_group import GroupCalls, check_agreement
from sg_compliance.aws.ec2_region import with_interfaces
from sg_compliance.aws.failures import explained, malformed
from sg_compliance.aws.render import render_permission
from sg_compliance.model.change import Authorize, Describe, Revoke, Tag
from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroupRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.aws.session import Sessions
    from sg_compliance.model.change import Call, Tags
    from sg_compliance.model.security_group import Place, SecurityGroup

IAM_ACTIONS: Final = frozenset(
    {
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateTags",
        "ec2:DeleteTags",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    }
)


class Ec2RuleWriter:
    """`role_names` are the accounts whose role has another name than the usual one."""

    def __init__(self, sessions: Sessions, role_names: Mapping[str, str] | None = None) -> None:
        self._sessions = sessions
        self._role_names = role_names or {}

    def read(self, place: Place, *, interfaces: bool = False) -> SecurityGroup:
        """The group as both describe calls show it. Raises AwsError; `IN_FLUX` where they differ."""
        calls = GroupCalls(self._client(place), self._principal(place.account_id), place)
        group = calls.group()
        group = _joined(group, [translate.security_group_rule(raw) for raw in calls.rules()])
        return with_interfaces(group, calls.attached()) if interfaces else group

    def do(self, place: Place, call: Call) -> None:
        """Make the call. Raises AwsError; where AWS did not answer the call may have taken effect all the same."""
        client = self._client(place)
        with explained(self._principal(place.account_id)):
            _make(client, place.group_id, call)

    def _client(self, place: Place) -> Any:  # noqa: ANN401  SDK clients have no types
        role_name = self._role_names.get(place.account_id, "")
        return self._sessions.client("ec2", IAM_ACTIONS, place.region, place.account_id, role_name)

    def _principal(self, account_id: str) -> str:
        return self._sessions.enter(account_id, self._role_names.get(account_id, ""))


def _joined(group: SecurityGroup, rules: list[SecurityGroupRule | MalformedRule]) -> SecurityGroup:
    """The group with the rules that have ids and tags."""
    read = [rule for rule in rules if isinstance(rule, SecurityGroupRule)]
    unread = [rule for rule in rules if isinstance(rule, MalformedRule)]
    unnamed = [rule for rule in read if not rule.rule_id]
    if group.malformed or unread or unnamed:
        problem = (unread or list(group.malformed) or unnamed)[0]
        raise malformed(
            "ec2:DescribeSecurityGroupRules", f"has a rule of {group.group_id} that cannot be read: {problem}"
        )
    check_agreement(group, rules)
    return replace(group, rules=tuple(read))


def _make(client: Any, group_id: str, call: Call) -> None:  # noqa: ANN401  SDK clients have no types
    if isinstance(call, Tag):
        client.create_tags(Resources=list(call.resources), Tags=_tags(call.tags))
    elif isinstance(call, Revoke | Authorize | Describe):
        _change_rules(client, group_id, call)
    else:
        client.delete_tags(Resources=list(call.resources), Tags=[{"Key": key} for key in call.keys])


def _change_rules(client: Any, group_id: str, call: Revoke | Authorize | Describe) -> None:  # noqa: ANN401  SDK clients have no types
    side = "egress" if call.direction is Direction.EGRESS else "ingress"
    if isinstance(call, Revoke):
        revoke = getattr(client, f"revoke_security_group_{side}")
        revoke(GroupId=group_id, SecurityGroupRuleIds=[rule.rule_id for rule in call.rules])
    elif isinstance(call, Authorize):
        authorize = getattr(client, f"authorize_security_group_{side}")
        authorize(GroupId=group_id, IpPermissions=[render_permission(rule) for rule in call.rules])
    else:
        describe = getattr(client, f"update_security_group_rule_descriptions_{side}")
        described = [
            {"SecurityGroupRuleId": rule.rule_id, "Description": rule.description or ""} for rule in call.rules
        ]
        describe(GroupId=group_id, SecurityGroupRuleDescriptions=described)


def _tags(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags]
