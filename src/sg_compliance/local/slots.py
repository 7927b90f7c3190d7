"""Slots in a SQLite file, which may be the journal's: each taking is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.wire import sortable
from sg_compliance.local.database import Database

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS slot (name TEXT NOT NULL, item TEXT NOT NULL, taken TEXT NOT NULL, PRIMARY KEY (name, item))
WITHOUT ROWID
"""


class SqliteSlots:
    """The Slots socket. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def take(self, name: str, item: str, most: int, window: timedelta, now: datetime) -> bool:
        """Whether the item has a slot, or gets one. What is older than the window goes."""
        with self._database.changing() as cursor:
            cursor.execute("DELETE FROM slot WHERE name = ? AND taken <= ?", (name, sortable(now - window)))
            held = {row[0] for row in cursor.execute("SELECT item FROM slot WHERE name = ?", (name,))}
            has_room = len(held) < most
            if item not in held and has_room:
                cursor.execute("INSERT INTO slot VALUES (?, ?, ?)", (name, item, sortable(now)))
        return item in held or has_room
