"""The journal, the locks and the concessions in one DynamoDB table.

Items, times being UTC text that sorts:

| `pk` | `sk` | what |
|---|---|---|
| `lock#` 0 to f | place | the lock's owner, fence and end, and the start#id of the open entry |
| `entry#` id of the group | start#id | an entry, open or ended: the history of one group |
| `open` | place | the start#id of the open entry: which groups have one |
| `entry` | start#id | an ended entry once more: the history of all groups |
| `concession` | id | |

What is said of one entry in several items is written in one transaction, under the condition that the lock is held.

Real time changes 25 groups an hour unless it is told otherwise, EC2 lets one account change one or two a second (5
calls that change). At a hundred a second all the same, of the 1,000 units that a partition takes: `open` 400, its items
being small; `entry` 400 to 600 with records of 2 to 3 KB; `lock` 600, in 16 partitions, to which who asks for a locked
group adds 1 each time. `concession` is read whole, once for all messages of an invocation and once for a group that is
to be changed: a hundred times a second 3,000 units are 120 KB, or some 350 concessions.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import dynamodb_table
from sg_compliance.aws.dynamodb_table import AT_ONCE, Change, Key, Table, Write, shares, spread
from sg_compliance.aws.packing import packed, unpacked
from sg_compliance.enforcement.entry import entry_of, entry_record
from sg_compliance.enforcement.wire import concession_of, concession_record, sortable
from sg_compliance.errors import GroupLockedError, LockLostError, StoreError
from sg_compliance.model.journal import EntryState, Lock
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta
    from typing import TypeVar

    from sg_compliance.aws.dynamodb_table import Item, Value
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry

    _Noun = TypeVar("_Noun")

IAM_ACTIONS: Final = dynamodb_table.IAM_ACTIONS

_LOCK: Final = "lock"
_OPEN: Final = "open"
_ENTRY: Final = "entry"
_CONCESSION: Final = "concession"
_HELD: Final = "#owner = :owner AND #fence = :fence"
_NO_OTHER: Final = "(attribute_not_exists(#open) OR #open = :entry)"
_MEND: Final = "put the table back to a time before (point-in-time recovery); backups of groups do not depend on it"


class DynamoJournal:
    """The Journal socket. Raises StoreError wherever AWS fails it. An entry keeps the start that it was begun with.

    Calls: lock, renew, unlock, begin and end 1 each, lock 2 where an entry is open; entries of a group 1 for each
    megabyte of its history since the time asked for; unfinished 1, and 1 more for a hundred open entries; entries of
    all groups as many as unfinished, and 1 for each megabyte of all history since then; locks 16, and 1 more for a
    hundred that have an open entry.
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
                _lock_key(place),
                "SET #owner = :owner, #until = :until, #attempt = :attempt ADD #fence :one",
                "attribute_not_exists(#owner) OR #until <= :now",
                {"owner": owner, "attempt": attempt, "one": 1, **times},
            )
        )
        item = answer.item
        if not answer.held and item.get("attempt") != attempt:
            raise _locked(place, item)
        return Lock(place, owner, item["fence"], now + lease, self._opened([item]).get(place))

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
        key = _entry_key(entry)
        write = _write(lock, "SET #open = :entry", f"{_HELD} AND {_NO_OTHER}", entry=key.sk)
        changes = [Change(key, _item(entry)), Change(Key(_OPEN, str(lock.place)), {"entry": key.sk})]
        if not self._table.update_and_change(write, changes):
            raise _refused(lock, entry, self._table.get(write.key))

    def end(self, lock: Lock, entry: Entry) -> None:
        """Move the entry to the history and give the lock back; once more is fine. Raises LockLostError."""
        key, item = _entry_key(entry), _item(entry)
        change = "REMOVE #owner, #until, #attempt, #open"
        write = _write(lock, change, f"{_HELD} AND {_NO_OTHER}", entry=key.sk)
        history = (Change(key, item), Change(Key(_ENTRY, key.sk), item))
        if self._table.update_and_change(write, [*history, Change(Key(_OPEN, str(lock.place)), None)]):
            return
        kept = self._table.get(key)
        if not kept or _read(dict, kept) != unpacked(item["record"]):
            raise _refused(lock, entry, self._table.get(write.key))

    def locks(self, now: datetime) -> list[Lock]:
        """The locks that run, by place."""
        running, values = "attribute_exists(#owner) AND #until > :now", {"now": sortable(now)}
        items = [item for share in shares(_LOCK) for item in self._table.query(share, "", running, values)]
        opened = self._opened(items)
        return [_lock_of(item, opened) for item in sorted(items, key=itemgetter("sk"))]

    def unfinished(self) -> list[Entry]:
        """The entries that are open, oldest first."""
        pointers = ({"sk": item["sk"], "open": item["entry"]} for item in self._table.query(_OPEN, "", "", {}))
        return sorted(self._opened(pointers).values(), key=_age)

    def entries(self, group_id: str = "", run_id: str = "", since: datetime | None = None) -> list[Entry]:
        """Ended and open entries, oldest first. What is ended meanwhile is met as one of both."""
        pk = f"{_ENTRY}#{group_id}" if group_id else _ENTRY
        condition, values = ("#run_id = :run_id", {"run_id": run_id}) if run_id else ("", {})
        left = [] if group_id else [each for each in self.unfinished() if _is_wanted(each, run_id, since)]
        items = self._table.query(pk, sortable(since) if since else "", condition, values)
        found = {(entry.place, entry.id): entry for entry in (*left, *map(_entry, items))}
        return sorted(found.values(), key=_age)

    def _opened(self, items: Iterable[Item]) -> dict[Place, Entry]:
        """The entries that are open by what locks, or what is kept beside them, say; not what was ended meanwhile."""
        places = {_opened_key(item): Place(*item["sk"].split("/")) for item in items if "open" in item}
        found: dict[Place, Entry] = {}
        left = iter(places)
        while part := list(islice(left, AT_ONCE)):
            kept = self._table.get_all(part)
            found.update({places[key]: _entry(kept.get(key, key._asdict())) for key in part})
        return {place: entry for place, entry in found.items() if entry.state is EntryState.OPEN}


class DynamoConcessions:
    """The Concessions socket. Calls: grant 1, withdraw 2 (1 where it is not there), all 1 for each megabyte."""

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region)

    def all(self) -> list[Concession]:
        """All of them, by id."""
        items = self._table.query(_CONCESSION, "", "", {})
        return [_read(concession_of, item) for item in items]

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


def _lock_key(place: Place) -> Key:
    return Key(spread(_LOCK, str(place)), str(place))


def _lock_of(item: Item, opened: Mapping[Place, Entry]) -> Lock:
    place = Place(*item["sk"].split("/"))
    return Lock(place, item["owner"], item["fence"], datetime.fromisoformat(item["until"]), opened.get(place))


def _write(lock: Lock, change: str, condition: str, **values: str) -> Write:
    held: dict[str, Value] = {"owner": lock.owner, "fence": lock.fence}
    return Write(_lock_key(lock.place), change, condition, held | values)


def _entry_key(entry: Entry) -> Key:
    return Key(f"{_ENTRY}#{entry.place.group_id}", f"{sortable(entry.started)}#{entry.id}")


def _opened_key(item: Item) -> Key:
    return Key(f"{_ENTRY}#{item['sk'].rpartition('/')[2]}", item["open"])


def _item(entry: Entry) -> dict[str, str | bytes]:
    return {"run_id": entry.run_id, "record": packed(entry_record(entry), str(entry.place))}


def _refused(lock: Lock, entry: Entry, item: Item) -> LockLostError | StoreError:
    """Why an entry could not be written: the lock is lost, or another entry is open."""
    if (item.get("owner"), item.get("fence")) != (lock.owner, lock.fence):
        return _lost(lock)
    opened = item.get("open", "").partition("#")[2]
    return StoreError(
        f"{lock.place}: entry {opened} was left unfinished, so that {entry.id} cannot be begun or ended",
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


def _entry(item: Item) -> Entry:
    return _read(entry_of, item)


def _read(read: Callable[[dict[str, Any]], _Noun], item: Item) -> _Noun:
    try:
        return read(unpacked(item["record"]))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{item['pk']} {item['sk']}: what the table holds cannot be read: {error}", hint=_MEND
        ) from error


def _age(entry: Entry) -> tuple[datetime, str]:
    return entry.started, entry.id


def _is_wanted(entry: Entry, run_id: str, since: datetime | None) -> bool:
    return run_id in {"", entry.run_id} and (since is None or entry.started >= since)
