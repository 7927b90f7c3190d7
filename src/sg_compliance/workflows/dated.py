"""Groups as another inventory reads them, with the time from which on what was read may not show what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sg_compliance.interfaces import Clock, Inventory, Page, Shard
    from sg_compliance.model.security_group import Place, SecurityGroup


class Dated:
    """The Inventory socket on another one. Times are those at which the reading of a shard began."""

    def __init__(self, inventory: Inventory, clock: Clock) -> None:
        self._inventory = inventory
        self._clock = clock
        self.of_shard: dict[tuple[str, str], datetime] = {}
        self.of_group: dict[Place, datetime] = {}

    def shards(self) -> Iterable[Shard | Skipped]:
        """As the other has them."""
        return self._inventory.shards()

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """As the other does; prefix lists are read at the beginning, so that its time holds for every page."""
        begun = self._clock.now()
        self.of_shard[shard.account_id, shard.region] = begun
        for found in self._inventory.read(shard):
            if not isinstance(found, Skipped):
                self.of_group.update((group.place, begun) for group in found.heads())
            yield found

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """As the other does."""
        return self._inventory.with_rule_ids(shard, groups)
