"""A SQLite file that is only looked at: nothing is made or written, also where nothing could be.

A copy on a read-only disk may lack what SQLite keeps beside a file with a write-ahead log. Then the file is taken as it
is; where the log holds something, both are read from a copy.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_LOG: Final = "-wal"


def connect_reading(path: Path, schema: str, wait_seconds: float) -> sqlite3.Connection:
    """A connection that cannot write. Tables that are not there are empty. Raises sqlite3.Error, OSError."""
    connection = _opened(path, wait_seconds) if path.exists() else None
    if connection is None or not _has_tables(connection, schema):
        connection = _completed(connection, schema)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _opened(path: Path, wait_seconds: float) -> sqlite3.Connection:
    try:
        return _connected(path, "mode=ro", wait_seconds)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
    log = path.with_name(path.name + _LOG)
    if log.exists() and log.stat().st_size:
        return _copied(path, log, wait_seconds)
    return _connected(path, "mode=ro&immutable=1", wait_seconds)


def _connected(path: Path, how: str, wait_seconds: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _copied(path: Path, log: Path, wait_seconds: float) -> sqlite3.Connection:
    """What the file and its log hold together, in memory."""
    with tempfile.TemporaryDirectory(prefix="sg-compliance-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        return _in_memory(_connected(copy, "mode=rw", wait_seconds))


def _has_tables(connection: sqlite3.Connection, schema: str) -> bool:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return there.issuperset(_TABLE.findall(schema))


def _completed(connection: sqlite3.Connection | None, schema: str) -> sqlite3.Connection:
    """A copy in memory, with the tables that the file lacks."""
    made = _in_memory(connection)
    for statement in filter(str.strip, schema.split(";")):
        made.execute(statement)
    return made


def _in_memory(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if connection:
        connection.backup(made)
        connection.close()
    return made
