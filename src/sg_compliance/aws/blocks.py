"""Blocks in the journal's DynamoDB table. Items: `block` / id: the record.

Asked for where somebody is blocked or unblocked and by timers, never for every event: one partition is enough. Of the
3,000 units that it gives a second, a thousand blocks, about a megabyte, take 256.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.aws.dynamodb_table import Key, Table
from sg_compliance.errors import StoreError
from sg_compliance.realtime.block_record import block_of, block_record

if TYPE_CHECKING:
    from sg_compliance.aws.dynamodb_table import Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.block import Block

IAM_ACTIONS: Final = frozenset({"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"})

_BLOCK: Final = "block"


class DynamoBlocks:
    """The Blocks socket. Calls: keep 1, forget 1, all 1 for each megabyte. Raises StoreError."""

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)

    def all(self) -> list[Block]:
        """All of them, by id."""
        return [self._block(item) for item in self._table.query(_BLOCK, "", "", {})]

    def keep(self, block: Block) -> None:
        """Keep it, in place of one with the same id."""
        record = json.dumps(block_record(block), sort_keys=True)
        self._table.put({"pk": _BLOCK, "sk": block.id, "record": record})

    def forget(self, block_id: str) -> None:
        """Take it away, if it is there."""
        self._table.delete(Key(_BLOCK, block_id))

    def _block(self, item: Item) -> Block:
        try:
            return block_of(json.loads(item["record"]))
        except (ValueError, KeyError, TypeError) as error:
            place = self._table.place(Key(_BLOCK, str(item["sk"])))
            raise StoreError(
                f"{place}: what the table holds cannot be read: {error}",
                hint="see on whom the policy sg-compliance-block stands, take it off, then delete the item",
            ) from error
