"""Blocks in a SQLite file, which may be the journal's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.local.database import Database
from sg_compliance.realtime.block_record import block_of, block_record

if TYPE_CHECKING:
    import sqlite3
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
        return [self._block(text) for (text,) in rows]

    def keep(self, block: Block, instead_of: Block | None) -> bool:
        """Keep it, in place of that one."""
        row = (block.id, json.dumps(block_record(block), sort_keys=True))
        with self._database.changing() as cursor:
            is_as_read = self._found(cursor, block.id) == instead_of
            if is_as_read:
                cursor.execute("INSERT OR REPLACE INTO block VALUES (?, ?)", row)
        return is_as_read

    def forget(self, block: Block) -> bool:
        """Take that one away."""
        with self._database.changing() as cursor:
            found = self._found(cursor, block.id)
            if found == block:
                cursor.execute("DELETE FROM block WHERE id = ?", (block.id,))
        return found is None or found == block

    def _found(self, cursor: sqlite3.Cursor, block_id: str) -> Block | None:
        found = cursor.execute("SELECT record FROM block WHERE id = ?", (block_id,)).fetchone()
        return self._block(found[0]) if found else None

    def _block(self, text: str) -> Block:
        try:
            return block_of(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise self._database.unreadable("a block", error) from error
