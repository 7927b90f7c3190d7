"""One security group, read whole and changed call by call: the RuleWriter socket on EC2.

A group is read with two calls and believed only where both say the same: a describe can lag behind a change, and one of
the two alone has no rule ids, or no tags of the group. Rules are revoked by id, never by their properties: in a
default VPC a mismatch would pass in silence (EC2 API reference, RevokeSecurityGroupIngress).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_region import all_pages, attached_interfaces, items, with_interfaces
from sg_compliance.aws.failures import explained, malformed
from sg_compliance.aws.render import render_permission
from sg_compliance.enforcement.refusals import IN_FLUX
from sg_compliance.errors import AwsError
from sg_compliance.model.change import Authorize, Describe, Revoke, Tag
from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroupRule, identity

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
        client, principal = self._client(place), self._principal(place.account_id)
        with explained(principal):
            answer = client.describe_security_groups(GroupIds=[place.group_id])
        raw = items(answer, "SecurityGroups", "ec2:DescribeSecurityGroups")
        if len(raw) != 1 or raw[0].get("GroupId") != place.group_id:
            raise malformed("ec2:DescribeSecurityGroups", f"is not about {place.group_id}")
        group = translate.security_group(raw[0], account_id=place.account_id, region=place.region)
        group = _joined(group, self._rules(client, principal, place))
        if not interfaces:
            return group
        wanted = [{"Name": "group-id", "Values": [place.group_id]}]
        return with_interfaces(group, attached_interfaces(client, principal, wanted))

    def _rules(self, client: Any, principal: str, place: Place) -> list[SecurityGroupRule | MalformedRule]:  # noqa: ANN401  SDK clients have no types
        wanted = [{"Name": "group-id", "Values": [place.group_id]}]
        pages = all_pages(client, principal, "DescribeSecurityGroupRules", "SecurityGroupRules", Filters=wanted)
        return [translate.security_group_rule(raw) for page in pages for raw in page]

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
    if {identity(rule) for rule in read} != {identity(rule) for rule in group.rules}:
        message = f"two answers of AWS about the rules of {group.group_id} differ: it is being changed"
        raise AwsError(message, code=IN_FLUX, hint="try again in a minute")
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
