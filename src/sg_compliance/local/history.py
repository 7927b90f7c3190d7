"""When each finding was first and last seen: one SQLite file, which several scans may use at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sg_compliance.model.finding import Finding

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS finding (
    id TEXT PRIMARY KEY,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL
) WITHOUT ROWID
"""
_SEEN: Final = """
INSERT INTO finding VALUES (:id, :now, :now)
ON CONFLICT (id) DO UPDATE SET first_seen = min(first_seen, :now), last_seen = max(last_seen, :now)
RETURNING first_seen, last_seen
"""
_WAIT_SECONDS: Final = 30.0


class SqliteHistory:
    """The history in a file. Times are kept in UTC, as text that sorts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(_SCHEMA)
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> InputError:
        return InputError(
            f"{self._path}: cannot be used as a history of findings: {error}",
            hint="give a file that sg-compliance made, or one that is not there",
        )

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """The same findings with the times at which they were first and last seen, now among them."""
        try:
            with closing(self._database.cursor()) as cursor, _transaction(cursor):
                return [_dated(cursor, finding, now) for finding in findings]
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Give the file back."""
        self._database.close()


@contextmanager
def _transaction(cursor: sqlite3.Cursor) -> Iterator[None]:
    """All or nothing: after Ctrl-C too, for what follows it begins one of its own."""
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


def _dated(cursor: sqlite3.Cursor, finding: Finding, now: datetime) -> Finding:
    row = {"id": finding.id, "now": now.isoformat(timespec="seconds")}
    first, last = cursor.execute(_SEEN, row).fetchone()
    return replace(finding, first_seen=datetime.fromisoformat(first), last_seen=datetime.fromisoformat(last))
