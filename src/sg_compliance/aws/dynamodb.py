"""The journal, the locks and the concessions in one DynamoDB table.

Items: `group` / place: the lock's owner, fence and end, and the open entry; `entry` / start#id: an ended entry;
`concession` / id. Times are UTC text that sorts.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import dynamodb_table
from sg_compliance.aws.dynamodb_table import Key, Table, Write
from sg_compliance.enforcement.entry import entry_of, entry_record
from sg_compliance.enforcement.wire import concession_of, concession_record, sortable
from sg_compliance.errors import GroupLockedError, LockLostError, StoreError
from sg_compliance.model.journal import Lock
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import TypeVar

    from sg_compliance.aws.dynamodb_table import Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry

    _Noun = TypeVar("_Noun")

IAM_ACTIONS: Final = dynamodb_table.IAM_ACTIONS

_GROUP: Final = "group"
_ENTRY: Final = "entry"
_CONCESSION: Final = "concession"
_HELD: Final = "#owner = :owner AND #fence = :fence"
_NO_OTHER: Final = "(attribute_not_exists(#open_id) OR #open_id = :id)"
_MEND: Final = "put the table back to a time before (point-in-time recovery); backups of groups do not depend on it"


class DynamoJournal:
    """The Journal socket. Raises StoreError wherever AWS fails it.

    Calls: lock, renew, unlock, begin and end 1 each; locks and unfinished 1 for each megabyte of groups; entries as
    many more for each megabyte of history since the time asked for.
    """

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)

    def lock(self, place: Place, owner: str, now: datetime, lease: timedelta) -> Lock:
        """Lock the group. Raises GroupLockedError, with who has it and until when.

        The attempt has a name of its own: where an answer was lost and the SDK asked again, the lock that stands in
        the way is this one.
        """
        attempt = secrets.token_hex(8)
        times = {"until": sortable(now + lease), "now": sortable(now)}
        answer = self._table.update(
            Write(
                Key(_GROUP, str(place)),
                "SET #owner = :owner, #until = :until, #attempt = :attempt ADD #fence :one",
                "attribute_not_exists(#owner) OR #until <= :now",
                {"owner": owner, "attempt": attempt, "one": 1, **times},
            )
        )
        item = answer.item
        if not answer.held and item.get("attempt") != attempt:
            raise _locked(place, item)
        left = item.get("open")
        return Lock(place, owner, item["fence"], now + lease, _read(entry_of, left, place) if left else None)

    def renew(self, lock: Lock, now: datetime, lease: timedelta) -> Lock:
        """Keep the lock for longer. Raises LockLostError."""
        until = now + lease
        answer = self._table.update(_write(lock, "SET #until = :until", _HELD, until=sortable(until)))
        if not answer.held:
            raise _lost(lock)
        return lock._replace(until=until)

    def unlock(self, lock: Lock) -> None:
        """Give the lock back, if it is still held."""
        self._table.update(_write(lock, "REMOVE #owner, #until, #attempt", _HELD))

    def begin(self, lock: Lock, entry: Entry) -> None:
        """Write the entry down. Raises LockLostError; StoreError where another entry is open: that is ended first."""
        change = "SET #open = :open, #open_id = :id"
        condition = f"{_HELD} AND {_NO_OTHER}"
        answer = self._table.update(_write(lock, change, condition, open=_text(entry), id=entry.id))
        if not answer.held:
            raise _refused(lock, entry, answer.item)

    def end(self, lock: Lock, entry: Entry) -> None:
        """Move the entry to the history and give the lock back; once more is fine. Raises LockLostError."""
        change = "REMOVE #owner, #until, #attempt, #open, #open_id"
        ended = _ended(entry)
        if self._table.update_and_put(_write(lock, change, f"{_HELD} AND {_NO_OTHER}", id=entry.id), ended):
            return
        if self._table.get(Key(_ENTRY, ended["sk"])) != ended:
            raise _refused(lock, entry, self._table.get(Key(_GROUP, str(lock.place))))

    def locks(self, now: datetime) -> list[Lock]:
        """The locks that run, by place."""
        running = "attribute_exists(#owner) AND #until > :now"
        return [_lock_of(item) for item in self._table.query(_GROUP, "", running, {"now": sortable(now)})]

    def unfinished(self) -> list[Entry]:
        """The entries that are open, oldest first."""
        items = self._table.query(_GROUP, "", "attribute_exists(#open)", {})
        return sorted((_read(entry_of, item["open"], item["sk"]) for item in items), key=_age)

    def entries(self, group_id: str = "", run_id: str = "", since: datetime | None = None) -> list[Entry]:
        """Ended and open entries, oldest first. What is ended meanwhile is met as one of both."""
        named = {name: value for name, value in (("group_id", group_id), ("run_id", run_id)) if value}
        left = [entry for entry in self.unfinished() if _is_wanted(entry, group_id, run_id, since)]
        condition = " AND ".join(f"#{name} = :{name}" for name in named)
        items = self._table.query(_ENTRY, sortable(since) if since else "", condition, named)
        ended = [_read(entry_of, item["record"], item["sk"]) for item in items]
        known = {(entry.place, entry.id) for entry in ended}
        return sorted([*ended, *(each for each in left if (each.place, each.id) not in known)], key=_age)


class DynamoConcessions:
    """The Concessions socket. Calls: grant 1, withdraw 2 (1 where it is not there), all 1 for each megabyte."""

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)

    def all(self) -> list[Concession]:
        """All of them, by id."""
        items = self._table.query(_CONCESSION, "", "", {})
        return [_read(concession_of, item["record"], item["sk"]) for item in items]

    def grant(self, concession: Concession) -> None:
        """Add it, in place of one with the same id."""
        record = json.dumps(concession_record(concession), sort_keys=True)
        self._table.put({"pk": _CONCESSION, "sk": concession.id, "record": record})

    def withdraw(self, concession_id: str) -> bool:
        """Take it away. Whether it was there: asked first, since a lost answer makes the SDK delete again."""
        key = Key(_CONCESSION, concession_id)
        if not self._table.get(key):
            return False
        self._table.delete(key)
        return True


def _lock_of(item: Item) -> Lock:
    place = Place(*item["sk"].split("/"))
    left = item.get("open")
    opened = _read(entry_of, left, place) if left else None
    return Lock(place, item["owner"], item["fence"], datetime.fromisoformat(item["until"]), opened)


def _write(lock: Lock, change: str, condition: str, **values: str) -> Write:
    held: dict[str, str | int] = {"owner": lock.owner, "fence": lock.fence}
    return Write(Key(_GROUP, str(lock.place)), change, condition, held | values)


def _ended(entry: Entry) -> dict[str, str]:
    return {
        "pk": _ENTRY,
        "sk": f"{sortable(entry.started)}#{entry.id}",
        "group_id": entry.place.group_id,
        "run_id": entry.run_id,
        "record": _text(entry),
    }


def _refused(lock: Lock, entry: Entry, item: Item) -> LockLostError | StoreError:
    """Why an entry could not be written: the lock is lost, or another entry is open."""
    if (item.get("owner"), item.get("fence")) != (lock.owner, lock.fence):
        return _lost(lock)
    return StoreError(
        f"{lock.place}: entry {item.get('open_id')} was left unfinished, so that {entry.id} cannot be begun or ended",
        hint=f"finish what is open first, or take it back: sg-compliance history {lock.place.group_id}",
    )


def _lost(lock: Lock) -> LockLostError:
    return LockLostError(
        f"{lock.place}: the lock of {lock.owner} ran out, or was given back, and is not its own any more",
        hint=f"let the run that has it finish, then run again: sg-compliance history {lock.place.group_id}",
    )


def _locked(place: Place, item: Item) -> GroupLockedError:
    owner, until = item.get("owner", "another run"), item.get("until")
    when = f"until {datetime.fromisoformat(until):%F %T} UTC" if until else "for now"
    return GroupLockedError(
        f"{place} is being changed by {owner}, who has it locked {when}",
        hint=f"wait until then, or see what was done: sg-compliance history {place.group_id}",
    )


def _read(read: Callable[[dict[str, Any]], _Noun], text: str, where: object) -> _Noun:
    try:
        return read(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{where}: what the table holds cannot be read: {error}", hint=_MEND) from error


def _text(entry: Entry) -> str:
    return json.dumps(entry_record(entry), sort_keys=True)


def _age(entry: Entry) -> tuple[datetime, str]:
    return entry.started, entry.id


def _is_wanted(entry: Entry, group_id: str, run_id: str, since: datetime | None) -> bool:
    named = group_id in {"", entry.place.group_id} and run_id in {"", entry.run_id}
    return named and (since is None or entry.started >= since)
