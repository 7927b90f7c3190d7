"""Single security groups as EC2 tells them now: the Lookup socket.

A group comes out as a scan gives it, rule ids included, so that both judge it alike. It is believed once two calls say
the same of its rules; where the second may not be made, one is enough, as in a scan.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import translate
from sg_compliance.aws.concurrency import in_order
from sg_compliance.aws.ec2_group import GroupCalls, check_agreement
from sg_compliance.aws.ec2_region import (
    FILTER_VALUES,
    ReferencedPrefixLists,
    all_pages,
    peers_of,
    unnamed_groups,
    with_interfaces,
)
from sg_compliance.aws.failures import is_passing, is_refusal
from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Looked
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from botocore.client import BaseClient

    from sg_compliance.aws.session import Sessions
    from sg_compliance.aws.translate import Attachment
    from sg_compliance.model.security_group import SecurityGroup

IAM_ACTIONS: Final = frozenset(
    {
        "ec2:DescribeManagedPrefixLists",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:GetManagedPrefixListAssociations",
        "ec2:GetManagedPrefixListEntries",
    }
)

_ASSOCIATIONS_PAGE_SIZE: Final = 255
_GROUP_PREFIX: Final = "sg-"
_LIST_FILTERS: Final = ("ip-permission.prefix-list-id", "egress.ip-permission.prefix-list-id")
_WILD: Final = re.compile(r"[*?\\]")
_LETTER: Final = re.compile(r"[a-z]")


class Ec2Lookup:
    """`role_names` are the accounts whose role has another name than the usual one.

    `names_of_groups`: the policy asks for the names of referenced groups.
    """

    def __init__(
        self, sessions: Sessions, role_names: Mapping[str, str] | None = None, *, names_of_groups: bool = False
    ) -> None:
        self._sessions = sessions
        self._role_names = role_names or {}
        self._names_of_groups = names_of_groups

    def group(self, place: Place) -> Looked:
        """The group as it is now. Raises AwsError: `GONE` where it is not there or another's, `IN_FLUX` in a change.

        Calls: DescribeSecurityGroups, DescribeSecurityGroupRules and DescribeNetworkInterfaces, at once. Where a rule
        refers to a prefix list, DescribeManagedPrefixLists, and GetManagedPrefixListEntries for each list; what cannot
        be read of them stays unknown. Where referenced groups want names, DescribeSecurityGroups once more.
        """
        client, principal = self._client(place.account_id, place.region), self._principal(place.account_id)
        group = _read(GroupCalls(client, principal, place))
        if self._names_of_groups:
            group = group.with_names(_names(client, principal, group))
        return Looked(group, ReferencedPrefixLists(client, principal).of(peers_of([group])))

    def named(self, account_id: str, region: str, names: Iterable[str]) -> list[Place]:
        """The account's own groups of these names, sorted. Raises AwsError.

        Case does not count: names are case-insensitive to EC2 (CreateSecurityGroup), while filters are not.
        Calls: DescribeSecurityGroups for each two hundred names; none without a name.
        """
        client, principal = self._client(account_id, region), self._principal(account_id)
        wanted = {_comparable(name) for name in names} - {""}
        patterns = sorted(set(map(_in_any_case, wanted)))
        found = _own_groups(client, principal, account_id, "group-name", patterns)
        ids = {raw["GroupId"] for raw in found if _comparable(raw.get("GroupName", "")) in wanted}
        return sorted(Place(account_id, region, group_id) for group_id in ids)

    def referring(self, account_id: str, region: str, prefix_lists: Iterable[str]) -> list[Place]:
        """The groups whose rules refer to one of these lists, sorted. Raises AwsError.

        Calls: GetManagedPrefixListAssociations for each list, which tells its owner, and nobody else, of groups in
        other accounts too; and DescribeSecurityGroups for each direction, of the account's own.
        """
        client, principal = self._client(account_id, region), self._principal(account_id)
        wanted = sorted(set(prefix_lists))
        places = {Place(account_id, region, each) for each in _own_referring(client, principal, account_id, wanted)}
        for prefix_list_id in wanted:
            for raw in _associations(client, principal, prefix_list_id):
                resource, owner = raw.get("ResourceId", ""), raw.get("ResourceOwner") or account_id
                if resource.startswith(_GROUP_PREFIX):  # route tables refer to lists too
                    places.add(Place(owner, region, resource))
        return sorted(places)

    def _client(self, account_id: str, region: str) -> BaseClient:
        return self._sessions.client("ec2", IAM_ACTIONS, region, account_id, self._role_names.get(account_id, ""))

    def _principal(self, account_id: str) -> str:
        return self._sessions.enter(account_id, self._role_names.get(account_id, ""))


def _read(calls: GroupCalls) -> SecurityGroup:
    """The group with rule ids and interfaces, as far as they may be known."""
    asked: tuple[Callable[[], Any], ...] = (calls.group, partial(_rules, calls), partial(_attached, calls))
    group, rules, attached = in_order(_answer, asked, len(asked))
    if rules is not None:
        check_agreement(group, [translate.security_group_rule(raw) for raw in rules])
        group = translate.with_rule_ids(group, translate.rule_ids(rules))
    return group if attached is None else with_interfaces(group, attached)


def _answer(ask: Callable[[], Any]) -> Any:  # noqa: ANN401  each call has its own
    return ask()


def _rules(calls: GroupCalls) -> Sequence[Mapping[str, Any]] | None:
    """The rules by the second call; None where it may not be made."""
    try:
        return calls.rules()
    except AwsError as error:
        if error.code not in DENIED:
            raise
        return None


def _attached(calls: GroupCalls) -> Mapping[str, Sequence[Attachment]] | None:
    """The interfaces; None where they are refused: the group is judged without."""
    try:
        return calls.attached()
    except AwsError as error:
        if not is_refusal(error):
            raise
        return None


def _names(client: BaseClient, principal: str, group: SecurityGroup) -> dict[str, str]:
    """The names of the account's own groups that the group refers to."""
    names = {group.group_id: group.name}
    wanted = sorted(set(unnamed_groups(group)) - names.keys())
    found = _own_groups(client, principal, group.account_id, "group-id", wanted)
    return names | {raw["GroupId"]: raw.get("GroupName", "") for raw in found}


def _own_referring(client: BaseClient, principal: str, account_id: str, prefix_lists: Sequence[str]) -> Iterator[str]:
    for name in _LIST_FILTERS:
        for raw in _own_groups(client, principal, account_id, name, prefix_lists):
            yield raw["GroupId"]


def _own_groups(
    client: BaseClient, principal: str, account_id: str, name: str, values: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    """The account's own groups by a filter, as AWS gives them. No call without a value."""
    for start in range(0, len(values), FILTER_VALUES):
        wanted = [
            {"Name": name, "Values": list(values[start : start + FILTER_VALUES])},
            {"Name": "owner-id", "Values": [account_id]},
        ]
        for page in all_pages(client, principal, "DescribeSecurityGroups", "SecurityGroups", Filters=wanted):
            yield from page


def _associations(client: BaseClient, principal: str, prefix_list_id: str) -> list[Mapping[str, Any]]:
    """What refers to the list; nothing where AWS will not tell: only its owner is told (VPC user guide, sharing)."""
    pages = all_pages(
        client,
        principal,
        "GetManagedPrefixListAssociations",
        "PrefixListAssociations",
        page_size=_ASSOCIATIONS_PAGE_SIZE,
        PrefixListId=prefix_list_id,
    )
    try:
        return [raw for page in pages for raw in page]
    except AwsError as error:
        if is_passing(error):
            raise
        return []


def _comparable(name: str) -> str:
    """Spaces at the end do not count either: EC2 trims them (VPC user guide, security group basics)."""
    return name.rstrip(" ").lower()


def _in_any_case(name: str) -> str:
    """A filter's value that lets the name through however it is written, and others of its shape.

    `*`, which a name may hold, `?` and the backslash are literal after a backslash (EC2 user guide,
    "List and filter using the CLI and API").
    """
    return _LETTER.sub("?", _WILD.sub(r"\\\g<0>", name))
