"""The journal and the locks in one SQLite file, which several processes may use at once."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.entry import entry_of, entry_record
from sg_compliance.enforcement.wire import sortable
from sg_compliance.errors import GroupLockedError, LockLostError, StoreError
from sg_compliance.local.database import Database
from sg_compliance.model.journal import Lock
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import timedelta
    from pathlib import Path

    from sg_compliance.model.journal import Entry

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS group_lock (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    group_id TEXT NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT,
    until TEXT,
    open TEXT,
    PRIMARY KEY (account_id, region, group_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    group_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    started TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account_id, region, group_id, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_by_group ON entry (group_id, started);
CREATE INDEX IF NOT EXISTS entry_by_run ON entry (run_id, started);
CREATE INDEX IF NOT EXISTS entry_by_time ON entry (started)
"""
_GROUP: Final = "account_id = ? AND region = ? AND group_id = ?"
_LOCK: Final = """
INSERT INTO group_lock (account_id, region, group_id, fence, owner, until) VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT DO UPDATE SET fence = fence + 1, owner = excluded.owner, until = excluded.until
RETURNING fence, open
"""
_ENDED: Final = """
SELECT record FROM entry WHERE (:group_id = '' OR group_id = :group_id) AND (:run_id = '' OR run_id = :run_id)
AND started >= :since
"""
_RUNNING: Final = """
SELECT account_id, region, group_id, owner, fence, until, open FROM group_lock
WHERE owner IS NOT NULL AND until > ? ORDER BY account_id, region, group_id
"""
_OPEN: Final = "SELECT open FROM group_lock WHERE open IS NOT NULL"


class SqliteJournal:
    """The Journal socket. Times are kept in UTC, as text that sorts. Raises StoreError wherever the file fails it."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._database = Database(path, _SCHEMA, reading=reading)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def lock(self, place: Place, owner: str, now: datetime, lease: timedelta) -> Lock:
        """Lock the group. Raises GroupLockedError, with who has it and until when."""
        with self._database.changing() as cursor:
            held = cursor.execute(f"SELECT owner, until FROM group_lock WHERE {_GROUP}", place).fetchone()  # noqa: S608
            if held and held[0] is not None and held[1] > sortable(now):
                raise _locked(place, *held)
            row = (*place, owner, sortable(now + lease))
            fence, left = cursor.execute(_LOCK, row).fetchone()
            return Lock(place, owner, fence, now + lease, self._entry(left) if left else None)

    def renew(self, lock: Lock, now: datetime, lease: timedelta) -> Lock:
        """Keep the lock for longer. Raises LockLostError."""
        until = now + lease
        with self._database.changing() as cursor:
            _held(cursor, lock)
            cursor.execute(f"UPDATE group_lock SET until = ? WHERE {_GROUP}", (sortable(until), *lock.place))  # noqa: S608
        return lock._replace(until=until)

    def unlock(self, lock: Lock) -> None:
        """Give the lock back, if it is still held."""
        with self._database.changing() as cursor:
            cursor.execute(
                f"UPDATE group_lock SET owner = NULL, until = NULL WHERE {_GROUP} AND owner = ? AND fence = ?",  # noqa: S608
                (*lock.place, lock.owner, lock.fence),
            )

    def begin(self, lock: Lock, entry: Entry) -> None:
        """Write the entry down. Raises LockLostError; StoreError where another entry is open: that is ended first."""
        with self._database.changing() as cursor:
            left = _held(cursor, lock)
            self._check_open(left, entry)
            cursor.execute(f"UPDATE group_lock SET open = ? WHERE {_GROUP}", (_text(entry), *lock.place))  # noqa: S608

    def end(self, lock: Lock, entry: Entry) -> None:
        """Move the entry to the history and give the lock back; once more is fine. Raises LockLostError."""
        text = _text(entry)
        with self._database.changing() as cursor:
            ended = cursor.execute(f"SELECT record FROM entry WHERE {_GROUP} AND id = ?", (*lock.place, entry.id))  # noqa: S608
            if ended.fetchone() == (text,):
                return
            self._check_open(_held(cursor, lock), entry)
            cursor.execute(
                f"UPDATE group_lock SET owner = NULL, until = NULL, open = NULL WHERE {_GROUP}",  # noqa: S608
                lock.place,
            )
            row = (entry.id, *lock.place, entry.run_id, sortable(entry.started), text)
            cursor.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def locks(self, now: datetime) -> list[Lock]:
        """The locks that run, by place."""
        with self._database.reading() as cursor:
            rows = cursor.execute(_RUNNING, (sortable(now),)).fetchall()
        return [
            Lock(Place(*place), owner, fence, datetime.fromisoformat(until), self._entry(left) if left else None)
            for *place, owner, fence, until, left in rows
        ]

    def unfinished(self) -> list[Entry]:
        """The entries that are open, oldest first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(_OPEN).fetchall()
        return self._sorted(rows)

    def entries(self, group_id: str = "", run_id: str = "", since: datetime | None = None) -> list[Entry]:
        """Ended and open entries, oldest first."""
        wanted = {"group_id": group_id, "run_id": run_id, "since": sortable(since) if since else ""}
        with self._database.reading() as cursor:
            ended = cursor.execute(_ENDED, wanted).fetchall()
            left = cursor.execute(_OPEN).fetchall()
        also = [entry for entry in self._sorted(left) if _is_wanted(entry, group_id, run_id, since)]
        return sorted([*self._sorted(ended), *also], key=_age)

    def _check_open(self, left: str | None, entry: Entry) -> None:
        """Nothing that is open is lost sight of. Raises StoreError."""
        opened = self._entry(left) if left else entry
        if opened.id != entry.id:
            raise StoreError(
                f"{entry.place}: entry {opened.id} was left unfinished, so that {entry.id} cannot be begun or ended",
                hint=f"finish what is open first, or take it back: sg-compliance history {entry.place.group_id}",
            )

    def _sorted(self, rows: Iterable[tuple[str]]) -> list[Entry]:
        return sorted((self._entry(text) for (text,) in rows), key=_age)

    def _entry(self, text: str) -> Entry:
        try:
            return entry_of(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise self._database.unreadable("an entry", error) from error


def _held(cursor: sqlite3.Cursor, lock: Lock) -> str | None:
    """The open entry of a group whose lock is still that one. Raises LockLostError."""
    row = cursor.execute(
        f"SELECT open FROM group_lock WHERE {_GROUP} AND owner = ? AND fence = ?",  # noqa: S608  names of columns
        (*lock.place, lock.owner, lock.fence),
    ).fetchone()
    if row is None:
        raise LockLostError(
            f"{lock.place}: the lock of {lock.owner} ran out, or was given back, and is not its own any more",
            hint=f"let the run that has it finish, then run again: sg-compliance history {lock.place.group_id}",
        )
    opened: str | None = row[0]
    return opened


def _locked(place: Place, owner: str, until: str) -> GroupLockedError:
    return GroupLockedError(
        f"{place} is being changed by {owner}, who has it locked until {datetime.fromisoformat(until):%F %T} UTC",
        hint=f"wait until then, or see what was done: sg-compliance history {place.group_id}",
    )


def _text(entry: Entry) -> str:
    return json.dumps(entry_record(entry), sort_keys=True)


def _age(entry: Entry) -> tuple[datetime, str]:
    return entry.started, entry.id


def _is_wanted(entry: Entry, group_id: str, run_id: str, since: datetime | None) -> bool:
    named = group_id in {"", entry.place.group_id} and run_id in {"", entry.run_id}
    return named and (since is None or entry.started >= since)
