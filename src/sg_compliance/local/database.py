"""One SQLite file that several processes write at once: each change on the disk, and all of it or nothing."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import StoreError
from sg_compliance.local.durable import make_folder, make_private, storing
from sg_compliance.local.reading import connect_reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAIT_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.02


class Database:
    """A connection, for all threads of this process one after another. `schema` is a script that may run again.

    `reading`: nothing is made or written; a file that is not there is empty.
    """

    def __init__(self, path: Path, schema: str, *, reading: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        with storing(path, "cannot be opened"), self._told():
            self._connection = connect_reading(path, schema, _WAIT_SECONDS) if reading else self._connect()
        if not reading:
            self._prepare_or_close(schema)

    def _connect(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        make_private(self._path)
        return sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)

    def _prepare_or_close(self, schema: str) -> None:
        try:
            with self._told():
                self._prepare(schema)
        except StoreError:
            self.close()
            raise

    def _prepare(self, schema: str) -> None:
        self._log_ahead()
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction("IMMEDIATE") as cursor:
            for statement in filter(str.strip, schema.split(";")):
                cursor.execute(statement)

    def _log_ahead(self) -> None:
        """Turn the write-ahead log on. SQLite does not wait for others here by itself, who may be doing just that."""
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Cursor]:
        """A transaction that nobody else writes in. Raises StoreError."""
        with self._lock, self._told(), self._transaction("IMMEDIATE") as cursor:
            yield cursor

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """A transaction that sees one state of the file. Raises StoreError."""
        with self._lock, self._told(), self._transaction("DEFERRED") as cursor:
            yield cursor

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Cursor]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(f"BEGIN {kind}")
            yield cursor
            cursor.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                cursor.execute("ROLLBACK")
            cursor.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = next_step(self._path, error, self._mend())
            raise StoreError(f"{self._path}: cannot be used: {error}", hint=hint) from error

    def unreadable(self, what: str, error: Exception) -> StoreError:
        """What stands in the file is not what this program writes."""
        return StoreError(f"{self._path}: {what} cannot be read: {error}", hint=self._mend())

    def _mend(self) -> str:
        return f"move {self._path} away or put a copy from before back; the backups of groups do not depend on it"

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def next_step(path: Path, error: sqlite3.Error, mend: str) -> str:
    """What to do about it; `mend`: where the file is no database, or a broken one."""
    code = _code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "another run has kept the file busy: try again, or see what is running"
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        disk = f"see whether the disk that {path.parent} is on is full or broken"
        return f"{disk}, then do it again: what was begun is finished first"
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"let this user read and write {path.parent}, or name another place for it"
    return mend


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code: the lowest byte (SQLite, "Result and Error Codes")."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
