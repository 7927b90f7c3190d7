"""One security group by its id, as each of two calls tells it, and whether the two say the same.

A describe can lag behind a change, and each of the two alone tells less: DescribeSecurityGroups has no ids and tags of
rules, DescribeSecurityGroupRules has no names and tags of the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_region import all_pages, attached_interfaces, items
from sg_compliance.aws.failures import explained, malformed
from sg_compliance.enforcement.refusals import IN_FLUX
from sg_compliance.errors import AwsError
from sg_compliance.model.security_group import MalformedRule, SecurityGroupRule, identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sg_compliance.model.security_group import Place, SecurityGroup

_NOT_THERE: Final = "InvalidGroup.NotFound"


class GroupCalls:
    """The calls about one group. Each is one call of AWS but for pages, and raises AwsError."""

    def __init__(self, client: Any, principal: str, place: Place) -> None:  # noqa: ANN401  SDK clients have no types
        self._client = client
        self._principal = principal
        self._place = place
        self._own_id = [{"Name": "group-id", "Values": [place.group_id]}]

    def group(self) -> SecurityGroup:
        """The group by DescribeSecurityGroups: rules without ids.

        A group that another account owns, as the owner of a shared VPC sees it, is not there: it is that account's.
        """
        with explained(self._principal):
            answer = self._client.describe_security_groups(GroupIds=[self._place.group_id])
        raw = items(answer, "SecurityGroups", "ec2:DescribeSecurityGroups")
        if len(raw) != 1 or raw[0].get("GroupId") != self._place.group_id:
            raise malformed("ec2:DescribeSecurityGroups", f"is not about {self._place.group_id}")
        found = translate.security_group(raw[0], account_id=self._place.account_id, region=self._place.region)
        if found.account_id != self._place.account_id:
            message = f"{self._place}: the group is of account {found.account_id}, and is judged and changed there only"
            raise AwsError(message, code=_NOT_THERE, hint=f"look at it in account {found.account_id}")
        return found

    def rules(self) -> Sequence[Mapping[str, Any]]:
        """Its rules by DescribeSecurityGroupRules, as AWS gives them."""
        called = "DescribeSecurityGroupRules", "SecurityGroupRules"
        pages = all_pages(self._client, self._principal, *called, Filters=self._own_id)
        return [raw for page in pages for raw in page]

    def attached(self) -> Mapping[str, Sequence[translate.Attachment]]:
        """The interfaces that have it, by DescribeNetworkInterfaces."""
        return attached_interfaces(self._client, self._principal, self._own_id)


def check_agreement(group: SecurityGroup, rules: Sequence[SecurityGroupRule | MalformedRule]) -> None:
    """Raise AwsError with `IN_FLUX` where the rules of the two calls differ.

    What one of them has and the other cannot read may be the same rule: that is no difference, or a group with such a
    rule could never be looked at.
    """
    shown = {identity(rule) for rule in group.rules}
    told = {identity(rule) for rule in rules if isinstance(rule, SecurityGroupRule)}
    unread = sum(isinstance(rule, MalformedRule) for rule in rules)
    if len(shown - told) > unread or len(told - shown) > len(group.malformed):
        message = f"two answers of AWS about the rules of {group.group_id} differ: it is being changed"
        raise AwsError(message, code=IN_FLUX, hint="try again in a minute")
