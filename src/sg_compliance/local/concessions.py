"""Concessions in a SQLite file, which may be the journal's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.wire import concession_of, concession_record
from sg_compliance.local.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.concession import Concession

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS concession (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"


class SqliteConcessions:
    """The Concessions socket. Raises StoreError wherever the file fails it."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._database = Database(path, _SCHEMA, reading=reading)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def all(self) -> list[Concession]:
        """All of them, by id."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT record FROM concession ORDER BY id").fetchall()
        try:
            return [concession_of(json.loads(text)) for (text,) in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise self._database.unreadable("a concession", error) from error

    def grant(self, concession: Concession) -> None:
        """Add it, in place of one with the same id."""
        row = (concession.id, json.dumps(concession_record(concession), sort_keys=True))
        with self._database.changing() as cursor:
            cursor.execute("INSERT OR REPLACE INTO concession VALUES (?, ?)", row)

    def withdraw(self, concession_id: str) -> bool:
        """Take it away. Whether it was there."""
        with self._database.changing() as cursor:
            return cursor.execute("DELETE FROM concession WHERE id = ?", (concession_id,)).rowcount > 0
