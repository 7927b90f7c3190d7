"""One reading of one region: its groups page by page, joined with prefix lists, interfaces and names."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name

from sg_compliance.aws import translate
from sg_compliance.aws.failures import explained, is_refusal, malformed
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Page
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer, PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.client import BaseClient

    from sg_compliance.interfaces import Shard
    from sg_compliance.model.security_group import PrefixList, PrefixLists, SecurityGroup

_PAGE_SIZE: Final = 1000
_PREFIX_LIST_PAGE_SIZE: Final = 100
FILTER_VALUES: Final = 200
"""The most values of one filter (EC2 user guide, "List and filter using the CLI and API")."""
_GONE: Final = "InvalidPrefixListID.NotFound"
_HIDDEN_TOO: Final = "IncludeManagedResources"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Region:
    """One reading of a region."""

    def __init__(self, client: BaseClient, principal: str, shard: Shard) -> None:
        self._client = client
        self._principal = principal
        self._shard = shard
        self._attached: Mapping[str, Sequence[translate.Attachment]] | None = None
        self._prefix_lists = ReferencedPrefixLists(client, principal)

    def parts(self) -> Iterator[Page | Skipped]:
        """Pages as AWS gives them, without other owners' groups; what could not be read of the region beside them."""
        first = True
        for raw in all_pages(self._client, self._principal, "DescribeSecurityGroups", "SecurityGroups"):
            own = [each for each in raw if each.get("OwnerId") in {None, self._shard.account_id}]
            if own and first:
                first = False
                yield from self._read_interfaces()
            if own:
                groups = [self._group(each) for each in own]
                yield Page(groups, self._prefix_lists.of(groups))
        yield from self._prefix_lists.skipped(self._shard)

    def _group(self, raw: Mapping[str, Any]) -> SecurityGroup:
        group = translate.security_group(raw, account_id=self._shard.account_id, region=self._shard.region)
        if self._attached is None:
            return group
        return with_interfaces(group, self._attached)

    def _read_interfaces(self) -> Iterator[Skipped]:
        try:
            self._attached = attached_interfaces(self._client, self._principal)
        except AwsError as error:
            if not is_refusal(error):
                raise
            yield Skipped("network interfaces", str(error), error.hint, self._shard.account_id, self._shard.region)


def with_interfaces(group: SecurityGroup, attached: Mapping[str, Sequence[translate.Attachment]]) -> SecurityGroup:
    """The group with the interfaces that have it."""
    own = attached.get(group.group_id, ())
    managed = tuple(each.interface_id for each in own if each.managed)
    return replace(group, interfaces=tuple(each.interface_id for each in own), managed_interfaces=managed)


def attached_interfaces(
    client: BaseClient, principal: str, filters: Sequence[Mapping[str, Any]] = ()
) -> Mapping[str, Sequence[translate.Attachment]]:
    """Group id → the interfaces that have it: of all interfaces, or of those that the filters let through."""
    operation = "DescribeNetworkInterfaces"
    inputs = client.meta.service_model.operation_model(operation).input_shape
    # Interfaces that AWS manages for the account can be hidden (EC2 API reference); older SDKs cannot ask for them.
    hidden_too = {_HIDDEN_TOO: True} if inputs and _HIDDEN_TOO in inputs.members else {}
    attached: dict[str, list[translate.Attachment]] = {}
    for page in all_pages(client, principal, operation, "NetworkInterfaces", Filters=list(filters), **hidden_too):
        for interface in page:
            for each in translate.attached_groups(interface):
                attached.setdefault(each.group_id, []).append(each)
    return attached


class ReferencedPrefixLists:
    """A region's prefix lists, each read when a group first refers to it: customers', shared ones and AWS's own."""

    def __init__(self, client: BaseClient, principal: str) -> None:
        self._client = client
        self._principal = principal
        self._described: Mapping[str, Mapping[str, Any]] | None = None
        self._known: PrefixLists = _NOTHING
        self._failures: dict[str, AwsError] = {}

    def of(self, groups: Iterable[SecurityGroup]) -> PrefixLists:
        """All lists that are known by now, those of these groups among them."""
        referenced = {
            rule.peer.prefix_list_id
            for group in groups
            for rule in group.rules
            if isinstance(rule.peer, PrefixListPeer)
        }
        missing = sorted(referenced - self._known.keys())
        if missing:
            self._known = MappingProxyType({**self._known, **{each: self._read(each) for each in missing}})
        return self._known

    def skipped(self, shard: Shard) -> Iterator[Skipped]:
        """What could not be read, if anything. A list that is gone is no failure: nobody can read it any more."""
        if self._failures:
            names, error = ", ".join(sorted(self._failures)), next(iter(self._failures.values()))
            reason = f"what {names} {'holds' if len(self._failures) == 1 else 'hold'} is unknown: {error}"
            wanted = any(each.code != _GONE for each in self._failures.values())
            yield Skipped("prefix lists", reason, error.hint, shard.account_id, shard.region, wanted=wanted)

    def _read(self, prefix_list_id: str) -> PrefixList:
        described = self._descriptions().get(prefix_list_id, {"PrefixListId": prefix_list_id})
        found = translate.prefix_list(described, self._entries(prefix_list_id))
        if found.blocks is None and prefix_list_id not in self._failures:
            failure = malformed("ec2:GetManagedPrefixListEntries", "has an entry that is no CIDR")
            self._failures[prefix_list_id] = failure
        return found

    def _descriptions(self) -> Mapping[str, Mapping[str, Any]]:
        """Names and sizes. Not needed to judge: where they are refused the entries are asked for all the same."""
        if self._described is None:
            try:
                raw = list(self._each("DescribeManagedPrefixLists", "PrefixLists"))
            except AwsError as error:
                if not is_refusal(error):
                    raise
                raw = []
            self._described = {each.get("PrefixListId", ""): each for each in raw}
        return self._described

    def _entries(self, prefix_list_id: str) -> Sequence[Mapping[str, Any]] | None:
        try:
            return list(self._each("GetManagedPrefixListEntries", "Entries", PrefixListId=prefix_list_id))
        except AwsError as error:
            if not is_refusal(error):
                raise
            self._failures[prefix_list_id] = error
            return None

    def _each(self, operation: str, key: str, **parameters: str) -> Iterator[Mapping[str, Any]]:
        for page in all_pages(
            self._client, self._principal, operation, key, page_size=_PREFIX_LIST_PAGE_SIZE, **parameters
        ):
            yield from page


def with_names(parts: Iterable[Page | Skipped]) -> Iterator[Page | Skipped]:
    """The same parts, referenced groups named. A page waits until the groups that it refers to are read, or the end."""
    names: dict[str, str] = {}
    missing: set[str] = set()
    waiting: list[Page] = []
    for part in parts:
        if isinstance(part, Skipped):
            yield part
            continue
        names |= {group.group_id: group.name for group in part.groups}
        missing = (missing | {each for group in part.groups for each in unnamed_groups(group)}) - names.keys()
        waiting.append(part)
        if not missing:
            yield from (_with_names(page, names) for page in waiting)
            waiting = []
    yield from (_with_names(page, names) for page in waiting)


def _with_names(page: Page, names: Mapping[str, str]) -> Page:
    return page._replace(
        groups=[group.with_names(names) if any(unnamed_groups(group)) else group for group in page.groups]
    )


def unnamed_groups(group: SecurityGroup) -> Iterator[str]:
    """Ids of the account's own groups that the group refers to without a name."""
    for rule in group.rules:
        peer = rule.peer
        if isinstance(peer, GroupPeer) and not peer.name and peer.account_id in {None, group.account_id}:
            yield peer.group_id


def all_pages(
    client: BaseClient,
    principal: str,
    operation: str,
    key: str,
    *,
    page_size: int = _PAGE_SIZE,
    **parameters: object,
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The lists under `key` of a paginated call, page by page. Raises AwsError."""
    with explained(principal):
        paginator = client.get_paginator(xform_name(operation))
        for page in paginator.paginate(**parameters, PaginationConfig={"PageSize": page_size}):
            yield items(page, key, f"ec2:{operation}")


def items(answer: Mapping[str, Any], key: str, action: str) -> Sequence[Mapping[str, Any]]:
    """A list of the answer. XML that is not EC2's, as a proxy may give, is not taken for an empty list."""
    found: Sequence[Mapping[str, Any]] | None = answer.get(key)
    if found is None and not answer.get("ResponseMetadata", {}).get("RequestId"):
        raise malformed(action, f"has neither {key} nor a request id")
    return found or ()
