"""Some groups, as they are read together: values, or columns and values that are made when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.columns import Made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sg_compliance.model.columns import Columns, Head
    from sg_compliance.model.security_group import PrefixLists, SecurityGroup


class Page(NamedTuple):
    """Some of a shard's groups, with the prefix lists that they may refer to.

    With `columns` the groups are made when they are asked for, which costs more than to look at the columns first.
    Columns count only beside groups that are still to be made: ask for `told`.
    """

    groups: Sequence[SecurityGroup]
    prefix_lists: PrefixLists
    columns: Columns | None = None

    @property
    def told(self) -> Columns | None:
        """The columns, if they are those of the groups: where other groups were put in their place they say nothing."""
        if self.columns is None or not isinstance(self.groups, Made):
            return None
        return self.columns if len(self.columns.group_ids) == len(self.groups) else None

    def heads(self) -> Sequence[SecurityGroup | Head]:
        """Who each group is, and whose; no group is made for that."""
        columns = self.told
        return self.groups if columns is None else columns.heads()

    def with_names(self, names: Mapping[str, str]) -> Page:
        """The same page, referenced groups named where the name is known."""
        columns = self.told
        if columns is None or not isinstance(self.groups, Made):
            return Page([group.with_names(names) for group in self.groups], self.prefix_lists)
        return Page(self.groups.with_names(names), self.prefix_lists, columns.with_names(names))
