"""Blocks in the journal's DynamoDB table. Items: `block` / id: the record, and nothing written over another's.

Asked for where somebody is blocked or unblocked and by timers, never for every event: one partition is enough. Of the
3,000 units that it gives a second, a thousand blocks, about a megabyte, take 256.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.aws.dynamodb_table import Key, Table, Write
from sg_compliance.errors import StoreError
from sg_compliance.realtime.block_record import block_of, block_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.aws.dynamodb_table import Answer, Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.block import Block

IAM_ACTIONS: Final = frozenset({"dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem"})

_BLOCK: Final = "block"
_CHANGE: Final = "SET #record = :record"
_IS_FREE: Final = "attribute_not_exists(#record)"
_IS_AS_READ: Final = "#record = :before"


class DynamoBlocks:
    """The Blocks socket. Calls: keep 1, forget 1, all 1 for each megabyte. Raises StoreError.

    A record that another version wrote in other words takes a second call.
    """

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)

    def all(self) -> list[Block]:
        """All of them, by id."""
        return [self._block(item) for item in self._table.query(_BLOCK, "", "", {})]

    def keep(self, block: Block, instead_of: Block | None) -> bool:
        """Keep it, in place of that one. A lost answer is not taken for another's writing: it is kept then."""
        key, values = Key(_BLOCK, block.id), {"record": _text(block)}
        if instead_of is None:
            answer = self._table.update(Write(key, _CHANGE, _IS_FREE, values))
        else:
            answer = self._of(
                instead_of,
                lambda before: self._table.update(Write(key, _CHANGE, _IS_AS_READ, {**values, "before": before})),
            )
        return answer.held or self._is(answer.item, block)

    def forget(self, block: Block) -> bool:
        """Take that one away."""
        key = Key(_BLOCK, block.id)
        answer = self._of(block, lambda before: self._table.delete_if(key, _IS_AS_READ, {"before": before}))
        return answer.held or not answer.item

    def _of(self, block: Block, act: Callable[[str], Answer]) -> Answer:
        """Act on the block as this version writes it, else in the words in which it stands there."""
        answer = act(_text(block))
        if answer.held or not self._is(answer.item, block):
            return answer
        return act(answer.item["record"])

    def _is(self, item: Item, block: Block) -> bool:
        return bool(item) and self._block(item) == block

    def _block(self, item: Item) -> Block:
        try:
            return block_of(json.loads(item["record"]))
        except (ValueError, KeyError, TypeError) as error:
            place = self._table.place(Key(_BLOCK, str(item["sk"])))
            raise StoreError(
                f"{place}: what the table holds cannot be read: {error}",
                hint="see on whom the policy sg-compliance-block stands, take it off, then delete the item",
            ) from error


def _text(block: Block) -> str:
    return json.dumps(block_record(block), sort_keys=True)
