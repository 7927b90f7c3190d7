"""Blocks in a SQLite file, which may be the journal's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.local.database import Database
from sg_compliance.realtime.block_record import block_of, block_record

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.block import Block

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS block (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"


class SqliteBlocks:
    """The Blocks socket. Raises StoreError wherever the file fails it."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._database = Database(path, _SCHEMA, reading=reading)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def all(self) -> list[Block]:
        """All of them, by id."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT record FROM block ORDER BY id").fetchall()
        try:
            return [block_of(json.loads(text)) for (text,) in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise self._database.unreadable("a block", error) from error

    def keep(self, block: Block) -> None:
        """Keep it, in place of one with the same id."""
        row = (block.id, json.dumps(block_record(block), sort_keys=True))
        with self._database.changing() as cursor:
            cursor.execute("INSERT OR REPLACE INTO block VALUES (?, ?)", row)

    def forget(self, block_id: str) -> None:
        """Take it away, if it is there."""
        with self._database.changing() as cursor:
            cursor.execute("DELETE FROM block WHERE id = ?", (block_id,))
