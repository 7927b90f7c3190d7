"""What goes with the groups in files: prefix lists, network interfaces, security group rules, names of groups.

It may stand in any file, before or after the groups, and is gathered before the first group is read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sg_compliance.local.documents import ENTRIES, GROUPS, INTERFACES, NEXT_PAGE, PREFIX_LISTS, RULES, JsonFile, Pages
from sg_compliance.local.rule_table import RuleTable
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sg_compliance.local.parquet_file import ParquetFile
    from sg_compliance.model.columns import Columns
    from sg_compliance.model.security_group import PrefixList, PrefixLists, SecurityGroup

ALL_PAGES: Final = "give all pages: leave out --no-paginate and --max-items"
_PREFIX_LIST_ID: Final = re.compile(r"pl-[0-9a-f]+")


class Translation(Protocol):
    """AWS's JSON → the model. `aws/translate.py` is one."""

    def security_group(self, raw: Mapping[str, Any], *, account_id: str = "", region: str = "") -> SecurityGroup:
        """Read one element of `SecurityGroups`."""

    def prefix_list(self, raw: Mapping[str, Any], entries: Iterable[Mapping[str, Any]] | None) -> PrefixList:
        """Read one element of `PrefixLists`."""

    def attached_groups(self, interface: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
        """Read one element of `NetworkInterfaces`."""

    def rule_ids(self, rules: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], str]:
        """Read elements of `SecurityGroupRules`."""

    def with_rule_ids(self, group: SecurityGroup, ids: Mapping[tuple[Any, ...], str]) -> SecurityGroup:
        """Name the group's rules."""


class Companions:
    """Gathers, then joins to the groups. `broken`: a file broke off, so what is missing may have stood there."""

    def __init__(self, translation: Translation, *, names_needed: bool) -> None:
        self.broken = False
        self._translate = translation
        self._names_needed = names_needed
        self._prefix_lists: dict[str, PrefixList] = {}
        self._unreadable: set[str] = set()
        self._pages_of_entries: dict[str, Pages] = {}
        self._names: dict[str, str] = {}
        self._interfaces: dict[str, dict[str, bool]] = {}
        self._vpcs: set[str] = set()  # where interfaces were read: elsewhere nobody knows that nothing is attached
        self._rules = RuleTable()

    @property
    def prefix_lists(self) -> PrefixLists:
        """The prefix lists by id."""
        return self._prefix_lists

    def close(self) -> None:
        """Give up what was put aside."""
        self._rules.close()

    def gather(self, file: JsonFile) -> bool:
        """Read what goes with the groups. Whether there was something."""
        found = False
        if file.mentions("PrefixListId") or file.mentions(ENTRIES):
            found = self._gather_prefix_lists(file)
        if file.mentions(INTERFACES) or file.mentions("NetworkInterfaceId"):
            found = self._gather_interfaces(file) or found
        if file.mentions("SecurityGroupRuleId"):
            found = self._rules.add(file.elements(RULES)) > 0 or found
        if self._names_needed and file.mentions("GroupName"):
            self._names.update((raw["GroupId"], raw["GroupName"]) for raw in file.elements(GROUPS) if _is_named(raw))
        return found

    def _gather_prefix_lists(self, file: JsonFile) -> bool:
        named = file.mentions("PrefixListName") or file.mentions(ENTRIES)
        found = self.add_prefix_lists(file.elements(PREFIX_LISTS)) if named else False
        if file.mentions(ENTRIES) and not file.mentions(PREFIX_LISTS):
            name = _PREFIX_LIST_ID.search(Path(file.name).name)
            if name and file.has_list(ENTRIES):
                self._keep({"PrefixListId": name[0]}, _entries(list(file.elements(ENTRIES))))
                if file.mentions(NEXT_PAGE):
                    self._pages_of_entries[name[0]] = self._pages_of_entries.get(name[0], Pages()) + file.pages(ENTRIES)
                found = True
        return found

    def add_prefix_lists(self, raws: Iterable[Any]) -> bool:
        """Keep elements of `PrefixLists`, with their entries where they hold them. Whether there was something."""
        found = False
        for raw in raws:
            if isinstance(raw, dict) and "PrefixListId" in raw:
                self._keep(raw, _entries(raw.get(ENTRIES)))
                found = True
        return found

    def _keep(self, raw: dict[str, Any], entries: list[dict[str, Any]] | None) -> None:
        """Join what different files say about one list; its entries may be spread over several.

        Entries that cannot be read, or that go on elsewhere, leave the whole list unknown.
        """
        read = self._translate.prefix_list(raw, entries)
        if entries is not None and read.blocks is None:
            self._unreadable.add(read.prefix_list_id)
        known = self._prefix_lists.get(read.prefix_list_id)
        if known:
            parts = [part for part in (known.blocks, read.blocks) if part is not None]
            read = replace(
                read,
                name=read.name or known.name,
                blocks=tuple(dict.fromkeys(block for part in parts for block in part)) if parts else None,
                max_entries=read.max_entries or known.max_entries,
            )
        if read.prefix_list_id in self._unreadable:
            read = replace(read, blocks=None)
        self._prefix_lists[read.prefix_list_id] = read

    def _gather_interfaces(self, file: JsonFile) -> bool:
        found = False
        for raw in file.elements(INTERFACES):
            attached = self._translate.attached_groups(raw) if isinstance(raw, dict) else ()
            for group_id, interface_id, vpc_id, managed in attached:
                self._interfaces.setdefault(group_id, {})[interface_id] = managed
                self._vpcs.add(vpc_id)
                found = True
        return found

    def cut_off(self) -> Iterator[Skipped]:
        """Prefix lists whose entries go on in a page that is not there: what they hold is unknown."""
        for prefix_list_id, pages in self._pages_of_entries.items():
            if pages.lacks_the_last():
                self._prefix_lists[prefix_list_id] = replace(self._prefix_lists[prefix_list_id], blocks=None)
                reason = f"{prefix_list_id}: its entries end with a NextToken, and the page that follows is not there"
                yield Skipped("prefix lists", reason, ALL_PAGES)

    def gather_columnar(self, file: ParquetFile) -> None:
        """Read what goes with the groups of a snapshot in Parquet: its rules stand there with their ids."""
        self.add_prefix_lists(file.prefix_lists())
        if self._names_needed:
            self._names.update(file.names())

    def named(self, columns: Columns) -> Columns:
        """The columns with the names of the groups they refer to."""
        return columns.with_names(self._names) if self._names else columns

    def joined(self, group: SecurityGroup) -> SecurityGroup:
        """The group with the names of the groups it refers to, and the interfaces that have it where that is known."""
        if self._names:
            group = group.with_names(self._names)
        if self.broken:  # nobody knows what else would be attached
            return group
        attached = self._interfaces.get(group.group_id)
        if attached or (group.interfaces is None and group.vpc_id in self._vpcs):
            managed = tuple(sorted(name for name, is_managed in (attached or {}).items() if is_managed))
            group = replace(group, interfaces=tuple(sorted(attached or ())), managed_interfaces=managed)
        return group

    def with_rule_ids(self, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """Rule ids where a file holds the output of `describe-security-group-rules`."""
        if not self._rules:
            return groups
        found = []
        for group in groups:
            ids = self._translate.rule_ids(self._rules.of(group.group_id))
            found.append(self._translate.with_rule_ids(group, ids))
        return found


def _entries(value: object) -> list[dict[str, Any]] | None:
    """The entries of a prefix list; what cannot be one makes the list unreadable, as an entry without a CIDR does."""
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else None


def _is_named(raw: object) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("GroupId"), str) and isinstance(raw.get("GroupName"), str)
