"""The windows of principals in a SQLite file, which may be the journal's: each operation is one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.local.database import Database
from sg_compliance.realtime.mass_operations import KEPT_FOR, Window
from sg_compliance.realtime.window_record import (
    MARKED_FOR,
    mark_key,
    watched_of,
    window_key,
    window_of,
    window_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import Clock
    from sg_compliance.realtime.mass_operations import Operation, Watched
    from sg_compliance.realtime.verdict import Verdict

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS operation_window (key TEXT PRIMARY KEY, expires INTEGER NOT NULL, state TEXT NOT NULL)
WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS operation_window_by_end ON operation_window (expires);
CREATE TABLE IF NOT EXISTS operation_told (mark TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID
"""
_UNUSED_FOR: Final = KEPT_FOR + timedelta(hours=1)


class SqliteWindows:
    """The OperationWindows socket. A window that nothing was added to for three hours goes. Raises StoreError."""

    def __init__(self, path: Path, clock: Clock, *, reading: bool = False) -> None:
        self._database = Database(path, _SCHEMA, reading=reading)
        self._clock = clock

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def take(self, operation: Operation, decide: Callable[[Window], tuple[Window, Verdict | None]]) -> Verdict | None:
        """Add the operation, in a transaction that nobody else writes in."""
        key, now = window_key(operation), self._clock.now()
        with self._database.changing() as cursor:
            found = cursor.execute("SELECT state FROM operation_window WHERE key = ?", (key,)).fetchone()
            before = self._window(found[0], operation) if found else Window()
            after, verdict = decide(before)
            if after is not before:
                row = (key, int((now + _UNUSED_FOR).timestamp()), window_text(after))
                cursor.execute("INSERT OR REPLACE INTO operation_window VALUES (?, ?, ?)", row)
                cursor.execute("DELETE FROM operation_window WHERE expires < ?", (int(now.timestamp()),))
        return verdict

    def all(self) -> Iterator[Watched]:
        """The windows that something was added to in the last three hours."""
        now = int(self._clock.now().timestamp())
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT key, state FROM operation_window WHERE expires >= ?", (now,)).fetchall()
        for key, text in rows:
            try:
                yield watched_of(text, key)
            except (ValueError, LookupError, TypeError, OverflowError) as error:
                raise self._database.unreadable("a window of operations", error) from error

    def was_told(self, mark: str) -> bool:
        """Whether people were told."""
        row = (mark_key(mark), int(self._clock.now().timestamp()))
        with self._database.reading() as cursor:
            found = cursor.execute("SELECT 1 FROM operation_told WHERE mark = ? AND expires >= ?", row).fetchone()
        return found is not None

    def note_told(self, mark: str) -> None:
        """Note it; what is too old goes."""
        now = self._clock.now()
        with self._database.changing() as cursor:
            cursor.execute("DELETE FROM operation_told WHERE expires < ?", (int(now.timestamp()),))
            row = (mark_key(mark), int((now + MARKED_FOR).timestamp()))
            cursor.execute("INSERT OR IGNORE INTO operation_told VALUES (?, ?)", row)

    def _window(self, text: str, operation: Operation) -> Window:
        try:
            return window_of(text, operation)
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            raise self._database.unreadable("a window of operations", error) from error
