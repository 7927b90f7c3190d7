"""One reading of one region: its groups page by page, joined with prefix lists, interfaces and names."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_groups import Groups
from sg_compliance.aws.failures import explained, is_refusal, malformed
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Page
from sg_compliance.model.columns import Made
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer, PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.client import BaseClient

    from sg_compliance.interfaces import Shard
    from sg_compliance.model.columns import Columns
    from sg_compliance.model.security_group import Peer, PrefixList, PrefixLists, SecurityGroup

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
            columns = self._columns(raw)
            own = (
                raw
                if columns is not None
                else [each for each in raw if each.get("OwnerId") in {None, self._shard.account_id}]
            )
            if own and first:
                first = False
                yield from self._read_interfaces()
            if own:
                yield self._page(own, columns)
        yield from self._prefix_lists.skipped(self._shard)

    def _columns(self, raw: Sequence[Mapping[str, Any]]) -> Columns | None:
        """The columns of a long page, where all its groups are the account's own."""
        if not isinstance(raw, Groups):
            return None
        columns = raw.columns(self._shard.account_id, self._shard.region)
        return columns if all(each.account_id == self._shard.account_id for each in columns.owners) else None

    def _page(self, raw: Sequence[Mapping[str, Any]], columns: Columns | None) -> Page:
        if columns is None:
            groups = [self._group(each) for each in raw]
            return Page(groups, self._prefix_lists.of(peers_of(groups)))
        made = Made(len(raw), lambda at: self._group(raw[at]))
        peers = chain(columns.sure_peers(), peers_of(_doubtful(made, columns)))
        return Page(made, self._prefix_lists.of(peers), columns)

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


def _doubtful(groups: Sequence[SecurityGroup], columns: Columns) -> Iterator[SecurityGroup]:
    """The groups whose peers the columns may leave out."""
    return (groups[at] for at in columns.doubtful.nonzero()[0].tolist())


def peers_of(groups: Iterable[SecurityGroup]) -> Iterator[Peer]:
    """The peers of all rules."""
    return (rule.peer for group in groups for rule in group.rules)


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

    def of(self, peers: Iterable[Peer]) -> PrefixLists:
        """All lists that are known by now, those among these peers too."""
        referenced = {peer.prefix_list_id for peer in peers if isinstance(peer, PrefixListPeer)}
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
        told, found = part.told, part.groups
        names |= (
            zip(told.group_ids, told.names, strict=True) if told else ((each.group_id, each.name) for each in found)
        )
        missing = (missing | {*_unnamed_in(part)}) - names.keys()
        waiting.append(part)
        if not missing:
            yield from (_with_names(page, names) for page in waiting)
            waiting = []
    yield from (_with_names(page, names) for page in waiting)


def _unnamed_in(page: Page) -> Iterator[str]:
    """Ids of the account's own groups that the page refers to without a name."""
    columns, groups = page.told, iter(page.groups)
    if columns is not None:
        yield from _unnamed(columns.sure_peers(), columns.owners[0].account_id)
        groups = _doubtful(page.groups, columns)
    for group in groups:
        yield from unnamed_groups(group)


def _with_names(page: Page, names: Mapping[str, str]) -> Page:
    if page.told is not None:
        return page.with_names(names)
    return page._replace(
        groups=[group.with_names(names) if any(unnamed_groups(group)) else group for group in page.groups]
    )


def unnamed_groups(group: SecurityGroup) -> Iterator[str]:
    """Ids of the account's own groups that the group refers to without a name."""
    return _unnamed((rule.peer for rule in group.rules), group.account_id)


def _unnamed(peers: Iterable[Peer], account_id: str) -> Iterator[str]:
    for peer in peers:
        if isinstance(peer, GroupPeer) and not peer.name and peer.account_id in {None, account_id}:
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
