"""What is remembered of findings: one SQLite file, which several scans may use at once."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sg_compliance.enforcement.wire import sortable
from sg_compliance.errors import InputError
from sg_compliance.local.database import next_step
from sg_compliance.local.durable import make_private, store_error
from sg_compliance.model.finding import Severity
from sg_compliance.model.remembered import (
    NEVER,
    REOPENED_WITHIN,
    Kept,
    Remembered,
    in_order,
    kept_place,
    sighted,
)
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.remembered import Dated

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS finding (
    id TEXT PRIMARY KEY,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL
) WITHOUT ROWID
"""
"""As the first version made it. What came later is added, here as to files of that version."""

_ADDED: Final = {
    "account_id": "TEXT NOT NULL DEFAULT ''",
    "region": "TEXT NOT NULL DEFAULT ''",
    "group_id": "TEXT NOT NULL DEFAULT ''",
    "group_name": "TEXT NOT NULL DEFAULT ''",
    "rule_id": "TEXT NOT NULL DEFAULT ''",
    "rank": "INTEGER",
    "direction": "TEXT NOT NULL DEFAULT ''",
    "reason": "TEXT NOT NULL DEFAULT ''",
    "message": "TEXT NOT NULL DEFAULT ''",
    "exempt": "INTEGER NOT NULL DEFAULT 0",
    "told": f"INTEGER NOT NULL DEFAULT {NEVER}",
    "told_at": "TEXT",
    "gone_at": "TEXT",
}
"""`rank` is NULL in a row of the first version, until the finding is seen again: only its times are known."""

_COLUMNS: Final = ("id", "first_seen", "last_seen", *_ADDED)
_WAITS: Final = "exempt = 0 AND rank > told"
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS finding_by_group ON finding (group_id)",
    f"CREATE INDEX IF NOT EXISTS finding_that_waits ON finding (rank) WHERE {_WAITS}",
    "CREATE INDEX IF NOT EXISTS finding_that_is_gone ON finding (gone_at) WHERE gone_at IS NOT NULL",
)
_RANK: Final = _COLUMNS.index("rank")
_TIMES: Final = 3
"""The columns before are the id and the two times."""

_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM finding"  # noqa: S608  names of columns, all ours
_PUT: Final = (
    f"INSERT OR REPLACE INTO finding ({', '.join(_COLUMNS)}) "  # noqa: S608  the same
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_DATE: Final = "UPDATE finding SET first_seen = ?, last_seen = ? WHERE id = ?"
_OF_PLACE: Final = f"{_SELECT} WHERE group_id = ? AND account_id = ? AND region = ? AND rank IS NOT NULL"
_FORGET: Final = "DELETE FROM finding WHERE gone_at < ? AND last_seen <= gone_at"
_AT_ONCE: Final = 500
_IN_MEMORY: Final = ":memory:"
_WAIT_SECONDS: Final = 30.0
_SEVERITIES: Final = {severity.rank: severity for severity in Severity}

_Row: TypeAlias = "tuple[Any, ...]"
"""In the order of the columns."""


class SqliteHistory:
    """The FindingHistory socket. Times are kept in UTC, as text that sorts; the first ones to the second.

    What was gone for two days is forgotten. A file that is made is for this user only, and so is what SQLite keeps
    beside it. Raises InputError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            if str(path) != _IN_MEMORY:
                make_private(path)
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            with closing(self._database.cursor()) as cursor, _transaction(cursor):
                _prepare(cursor)
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> InputError:
        what = "cannot be used as a history of findings"
        if isinstance(error, OSError):
            failed = store_error(self._path, what, error)
            there = not isinstance(error, FileNotFoundError | NotADirectoryError)
            return InputError(str(failed), hint=failed.hint if there else "name a file in a folder that is there")
        mend = (
            f"give a file that sg-compliance made; if it was one, put a copy from before back, or move {self._path} "
            "away: then every finding is new, and told once more"
        )
        hint = next_step(self._path, error, mend) if isinstance(error, sqlite3.Error) else mend
        return InputError(f"{self._path}: {what}: {error}", hint=hint)

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """The same findings with the times at which they were first and last seen, now among them."""
        found = list(findings)
        with self._changing() as cursor:
            rows = _rows(cursor, (finding.id for finding in found))
            kept = _known(rows)
            dated = []
            for finding in found:
                after = _sighted(rows.get(finding.id), kept.get(finding.id), finding, now)
                kept[finding.id] = after
                times = after.finding
                dated.append(replace(finding, first_seen=times.first_seen, last_seen=times.last_seen))
            _write(cursor, rows, kept.values())
            _forget(cursor, now)
        return dated

    def gone(self, place: Place, but_for: Iterable[str] = (), *, as_of: datetime) -> None:
        """The findings of the group are gone, save those with these ids and those that were seen after that time."""
        account_id, region, group_id = kept_place(place)
        but = frozenset(but_for)
        with self._changing() as cursor:
            found = cursor.execute(_OF_PLACE, (group_id, account_id, region)).fetchall()
            rows = {row[0]: row for row in found if row[0] not in but}
            _write(cursor, rows, [kept.once_gone(as_of) for kept in _known(rows).values()])
            _forget(cursor, as_of)

    def untold(self, findings: Iterable[Dated]) -> frozenset[str]:
        """The ids of those that are remembered and wait for people to be told."""
        with self._changing() as cursor:
            known = _known(_rows(cursor, (finding.id for finding in findings)))
        return frozenset(name for name, kept in known.items() if kept.waits)

    def told(self, findings: Iterable[Dated], now: datetime) -> None:
        """People were told of these, as they are given."""
        telling = list(findings)
        with self._changing() as cursor:
            rows = _rows(cursor, (finding.id for finding in telling))
            kept = _known(rows)
            for finding in telling:
                if finding.id in kept:
                    kept[finding.id] = kept[finding.id].once_told(finding, now)
            _write(cursor, rows, kept.values())

    def waiting(self, severities: Iterable[Severity]) -> Iterator[Remembered]:
        """Open findings of these severities that people are to be told of, in the order of reports."""
        found: list[Remembered] = []
        with self._changing() as cursor:
            for severity in frozenset(severities):
                rows = cursor.execute(f"{_SELECT} WHERE {_WAITS} AND rank = ?", (severity.rank,))
                found += [kept.finding for kept in map(_kept_of, rows) if kept.waits]
        yield from in_order(found)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Cursor]:
        """A transaction that nobody else writes in."""
        try:
            with self._lock, closing(self._database.cursor()) as cursor, _transaction(cursor):
                yield cursor
        except (sqlite3.Error, _DamagedError) as error:
            raise self._unusable(error) from error


class _DamagedError(Exception):
    """A row holds what this program does not write."""


@contextmanager
def _transaction(cursor: sqlite3.Cursor) -> Iterator[None]:
    """All or nothing: after Ctrl-C too, for what follows it begins one of its own."""
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if cursor.connection.in_transaction:  # a full disk ends it already
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


def _prepare(cursor: sqlite3.Cursor) -> None:
    """Make the table, or add what the table of an older version lacks."""
    cursor.execute(_SCHEMA)
    there = {row[1] for row in cursor.execute("PRAGMA table_info(finding)")}
    for name, kind in _ADDED.items():
        if name not in there:
            cursor.execute(f"ALTER TABLE finding ADD COLUMN {name} {kind}")
    for statement in _INDEXES:
        cursor.execute(statement)


def _rows(cursor: sqlite3.Cursor, ids: Iterable[str]) -> dict[str, _Row]:
    """The rows with these ids, as they stand."""
    found: dict[str, _Row] = {}
    left = iter(dict.fromkeys(ids))
    while part := tuple(islice(left, _AT_ONCE)):
        question = f"{_SELECT} WHERE id IN ({', '.join('?' * len(part))})"
        found.update((row[0], row) for row in cursor.execute(question, part))
    return found


def _known(rows: Mapping[str, _Row]) -> dict[str, Kept]:
    """What is kept in the rows; of what an older version left nothing is known but its times."""
    return {name: _kept_of(row) for name, row in rows.items() if row[_RANK] is not None}


def _sighted(row: _Row | None, before: Kept | None, finding: Finding, now: datetime) -> Kept:
    """What is kept once the finding is seen; the row of an older version gives its times."""
    after = sighted(before, finding, now)
    first, last = after.finding.first_seen, after.finding.last_seen
    if row and not before:
        first, last = min(_time(row[1]), now), max(_time(row[2]), now)
    return replace(after, finding=replace(after.finding, first_seen=_second(first), last_seen=last))


def _forget(cursor: sqlite3.Cursor, now: datetime) -> None:
    """Let go of what was gone for so long that it is new when it is seen again, by who comes a day late, too."""
    cursor.execute(_FORGET, (sortable(now - 2 * REOPENED_WITHIN),))


def _write(cursor: sqlite3.Cursor, rows: Mapping[str, _Row], after: Iterable[Kept]) -> None:
    """Write what has changed: mostly nothing but the times, which stand in no index."""
    wanted = [_row(kept) for kept in after]
    whole = [row for row in wanted if row[_TIMES:] != rows.get(row[0], ())[_TIMES:]]
    put = {row[0] for row in whole}
    cursor.executemany(_PUT, whole)
    dated = [(*row[1:_TIMES], row[0]) for row in wanted if row[0] not in put and row != rows[row[0]]]
    cursor.executemany(_DATE, dated)


def _row(kept: Kept) -> _Row:
    finding = kept.finding
    return (
        finding.id,
        _text(finding.first_seen),
        sortable(finding.last_seen),
        *finding.place,
        finding.group_name,
        finding.rule_id,
        finding.severity.rank,
        finding.direction,
        finding.reason,
        finding.message,
        int(kept.exempt),
        kept.told,
        _text(kept.told_at) if kept.told_at else None,
        sortable(kept.gone) if kept.gone else None,
    )


def _kept_of(row: _Row) -> Kept:
    finding_id, first, last, account, region, group, name, rule, rank, direction, reason, message, *rest = row
    exempt, told, told_at, gone_at = rest
    try:
        finding = Remembered(
            id=finding_id,
            place=Place(account, region, group),
            group_name=name,
            rule_id=rule,
            severity=_SEVERITIES[rank],
            direction=direction,
            reason=reason,
            message=message,
            first_seen=_time(first),
            last_seen=_time(last),
        )
        times = (_time(text) if text else None for text in (told_at, gone_at))
        return Kept(finding, bool(exempt), int(told), *times)
    except (ValueError, LookupError, TypeError) as error:
        raise _DamagedError(f"what is kept of {finding_id} cannot be read: {error}") from error


def _second(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
