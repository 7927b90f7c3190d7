"""Less than all of an inventory: some accounts, regions, shards or groups. It can never be more than there was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sg_compliance.interfaces import Page
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.interfaces import Inventory, Shard
    from sg_compliance.model.security_group import SecurityGroup


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is wanted; empty sets want all. `shards` are pairs of account and region, `groups` are ids.

    `shards` None wants all of them, an empty set none.
    """

    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    shards: frozenset[tuple[str, str]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not (self.accounts or self.regions or self.groups) and self.shards is None

    def wants(self, account_id: str, region: str) -> bool:
        """Whether the shard is wanted; what is skipped, too, though the region may not be known."""
        in_account = not self.accounts or not account_id or account_id in self.accounts
        in_region = not self.regions or not region or region in self.regions
        listed = self.shards is None or not region or (account_id, region) in self.shards
        return in_account and in_region and listed


class Narrowed:
    """The Inventory socket on another one."""

    def __init__(self, inventory: Inventory, narrowing: Narrowing) -> None:
        self._inventory = inventory
        self._narrowing = narrowing

    def shards(self) -> Iterator[Shard | Skipped]:
        """The wanted shards."""
        wants = self._narrowing.wants
        return (each for each in self._inventory.shards() if wants(each.account_id, each.region))

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """The shard's wanted groups, page by page."""
        groups = self._narrowing.groups
        for found in self._inventory.read(shard):
            if isinstance(found, Skipped) or not groups:
                yield found
            else:
                wanted = [at for at, each in enumerate(found.heads()) if each.group_id in groups]
                yield Page([found.groups[at] for at in wanted], found.prefix_lists)

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """As the other does."""
        return self._inventory.with_rule_ids(shard, groups)
