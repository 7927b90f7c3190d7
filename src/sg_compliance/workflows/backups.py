"""Look at backups: list them, read one, compare one with the group or another, and check that all are whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.enforcement.backup import decode_backup
from sg_compliance.enforcement.difference import difference
from sg_compliance.enforcement.shelf import Fates, Kept
from sg_compliance.errors import BackupDamagedError, BackupNotFoundError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from sg_compliance.enforcement.backup import Backup
    from sg_compliance.enforcement.difference import Difference
    from sg_compliance.interfaces import BackupStore, RuleWriter
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.workflows.transaction import Stores

    T = TypeVar("T")
    U = TypeVar("U")

_AT_ONCE: Final = 8
_BATCH: Final = 256
_PREFIX: Final = "sg-"


class Compared(NamedTuple):
    """A backup, what it was compared with, and what is different."""

    backup: Backup
    other: Backup | SecurityGroup
    difference: Difference


def listed(stores: Stores, group: str = "", account_id: str = "") -> list[Kept]:
    """The backups, oldest first: all, or of one group (id or name), or of one account. Damaged ones are among them."""
    group_id = group if group.startswith(_PREFIX) else ""
    found = list(_looked_at(stores.backups, Ids(stores.backups, group_id)))
    backups = [each.backup for each in found if each.backup]
    fates = Fates(stores.journal.entries(group_id=group_id), backups)
    wanted = [each for each in found if each.backup is None or _is_wanted(each.backup.group, group, account_id)]
    return [each._replace(fate=fates.of(each.id)) for each in sorted(wanted, key=_age)]


def _age(kept: Kept) -> tuple[bool, float, str]:
    """Oldest first, to the moment: an id has only the second. Damaged ones come last."""
    return kept.backup is None, kept.backup.created.timestamp() if kept.backup else 0, kept.id


def _is_wanted(group: SecurityGroup, wanted: str, account_id: str) -> bool:
    return wanted in {"", group.group_id, group.name} and account_id in {"", group.account_id}


def read(stores: Stores, backup_id: str) -> Kept:
    """One backup. Raises BackupNotFoundError, BackupDamagedError."""
    backup = load(stores.backups, backup_id)
    group_id = backup.group.group_id
    later = [each.backup for each in _looked_at(stores.backups, Ids(stores.backups, group_id)) if each.backup]
    fates = Fates(stores.journal.entries(group_id=group_id), later)
    return Kept(backup_id, backup, fates.of(backup_id))


def load(backups: BackupStore, backup_id: str) -> Backup:
    """The backup, checked. Raises BackupNotFoundError, BackupDamagedError."""
    return decode_backup(backups.get(backup_id), backup_id)


def compare_with_now(stores: Stores, backup_id: str, writer: RuleWriter) -> Compared:
    """The backup against the group as it is in AWS. Raises AwsError where that cannot be read."""
    backup = load(stores.backups, backup_id)
    now = writer.read(backup.group.place)
    return Compared(backup, now, difference(backup.group, now))


def compare(stores: Stores, backup_id: str, other_id: str) -> Compared:
    """Two backups of one group. Raises InputError where they are of different ones."""
    backup, other = load(stores.backups, backup_id), load(stores.backups, other_id)
    if backup.group.place != other.group.place:
        message = f"{backup_id} and {other_id} are backups of different groups"
        raise InputError(message, hint="see which there are: sg-compliance backups list")
    return Compared(backup, other, difference(backup.group, other.group))


class Ids:
    """The ids of what is kept, of all or of one group. `problem`, once they were gone through: why some are not there.

    What cannot be listed must not hide the rest. Raises StoreError where nothing can be.
    """

    def __init__(self, backups: BackupStore, group_id: str = "") -> None:
        self.problem = ""
        self._backups = backups
        self._group_id = group_id

    def __iter__(self) -> Iterator[str]:
        found = False
        try:
            for backup_id in self._backups.ids(self._group_id):
                found = True
                yield backup_id
        except StoreError as error:
            if not found:
                raise
            self.problem = str(error)


class ToVerify(NamedTuple):
    """What is to be checked: the ids, and what is wrong already: backups that cannot even be listed."""

    ids: list[str]
    wrong: tuple[Kept, ...] = ()


def to_verify(stores: Stores, backup_ids: Iterable[str] = ()) -> ToVerify:
    """Those that are named, or all there are, and all that the journal counts on."""
    named = list(dict.fromkeys(backup_ids))
    if named:
        return ToVerify(named)
    kept = Ids(stores.backups)
    ids = list(kept)
    counted_on = (entry.backup_id for entry in stores.journal.entries())
    return ToVerify(list(dict.fromkeys((*ids, *counted_on))), tuple(_unlisted(kept)))


def verify(stores: Stores, wanted: ToVerify) -> Iterator[Kept]:
    """Read each and check schema, checksum and name; what is missing is damage too."""
    yield from _at_once(lambda backup_id: _kept(stores.backups, backup_id), wanted.ids)
    yield from wanted.wrong


def _looked_at(backups: BackupStore, ids: Ids) -> Iterator[Kept]:
    yield from _at_once(lambda backup_id: _kept(backups, backup_id), ids)
    yield from _unlisted(ids)


def _unlisted(ids: Ids) -> Iterator[Kept]:
    if ids.problem:
        yield Kept("some backups", None, problem=ids.problem)


def _kept(backups: BackupStore, backup_id: str) -> Kept:
    try:
        return Kept(backup_id, load(backups, backup_id))
    except BackupDamagedError as error:
        return Kept(backup_id, None, problem=str(error).removeprefix(f"backup {backup_id} cannot be used: "))
    except BackupNotFoundError:
        return Kept(backup_id, None, problem="it is not there")
    except StoreError as error:
        return Kept(backup_id, None, problem=str(error))


def _at_once(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """The results in order, some worked out at once: a store may be far away."""
    left = iter(items)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while batch := list(islice(left, _BATCH)):
            yield from pool.map(work, batch)
