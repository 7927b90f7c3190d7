"""Security group rules by group, in a private SQLite database that spills to disk by itself."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RuleTable:
    """Elements of `SecurityGroupRules`. Falsy while there are none. For several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE rule (group_id BLOB, body TEXT)")

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, rules: Iterable[Any]) -> int:
        """Keep the rules; how many there were."""
        before = self._count
        with self._lock:
            for raw in rules:
                if isinstance(raw, dict) and isinstance(raw.get("GroupId"), str):
                    self._count += 1
                    self._database.execute("INSERT INTO rule VALUES (?, ?)", (_key(raw["GroupId"]), json.dumps(raw)))
            self._database.execute("CREATE INDEX IF NOT EXISTS rule_group ON rule (group_id)")
        return self._count - before

    def of(self, group_id: str) -> Iterator[dict[str, Any]]:
        """The rules of one group."""
        with self._lock, closing(self._database.cursor()) as cursor:
            rows = cursor.execute("SELECT body FROM rule WHERE group_id = ?", (_key(group_id),)).fetchall()
        return (json.loads(body) for (body,) in rows)

    def close(self) -> None:
        """Give the temporary database up."""
        self._database.close()


def _key(group_id: str) -> bytes:
    """The id as SQLite takes it whatever JSON had in it, half a surrogate pair too."""
    return group_id.encode("utf-8", "surrogatepass")
