"""What only a machine of its own does to a store: several processes, a full disk, damaged files, file modes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.audit import TORN_END, Head, ProblemKind, verify
from sg_compliance.errors import GroupLockedError, SgComplianceError, StoreError
from sg_compliance.local import durable
from sg_compliance.local.audit import FileAuditLog
from sg_compliance.local.backups import DirectoryBackups
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.database import Database
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.notices import FileNotifier
from sg_compliance.local.switch import FileSwitch
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from tests.contract.store_homes import backup_id
from tests.contract.test_store_contract import GRANT, LATER, LEASE, NOW, PLACE, done, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

SPAWN = multiprocessing.get_context("spawn")
NOTICE = Notice(NoticeKind.BRAKE, Severity.HIGH, "stopped", "")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(tmp_path / "state.sqlite")) as made:
        yield made


@pytest.fixture
def log(tmp_path: Path) -> FileAuditLog:
    return FileAuditLog(tmp_path / "audit.jsonl")


# Several processes


def _append(path: Path, writer: int) -> None:
    for line in range(25):
        FileAuditLog(path).append({"writer": writer, "line": line})


def _lock(path: Path, owner: str) -> int:
    with closing(SqliteJournal(path)) as journal:
        try:
            return journal.lock(PLACE, owner, NOW, LEASE).fence
        except GroupLockedError:
            return 0


def test_four_processes_that_write_the_audit_log_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with SPAWN.Pool(4) as pool:
        pool.starmap(_append, [(path, number) for number in range(4)])
    report = verify(FileAuditLog(path).lines())
    assert (report.problems, report.entries) == ((), 100)


def test_of_eight_processes_that_lock_a_group_one_has_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite"
    with SPAWN.Pool(8) as pool:
        fences = pool.starmap(_lock, [(path, f"run-{number}") for number in range(8)], chunksize=1)
    assert sorted(fences) == [0] * 7 + [1]


def test_the_journal_and_the_concessions_share_a_file(journal: SqliteJournal, tmp_path: Path) -> None:
    with closing(SqliteConcessions(tmp_path / "state.sqlite")) as concessions:
        concessions.grant(GRANT)
        journal.begin(journal.lock(PLACE, "run-1", NOW, LEASE), entry())
        assert concessions.all() == [GRANT]
        assert journal.unfinished() == [entry()]


def test_a_file_that_another_run_keeps_busy_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: SqliteJournal
) -> None:
    journal.lock(PLACE, "run-1", NOW, LEASE)
    monkeypatch.setattr("sg_compliance.local.database._WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as busy:
            SqliteJournal(tmp_path / "state.sqlite")
    assert "busy" in busy.value.hint


# A full disk, and other refusals of the operating system


class Disk:
    """A disk on which `write` or `fsync` fail; one that is full takes a few bytes first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.real_write, self.room = os.write, 0

    def fill(self, room: int = 0) -> None:
        self.room = room
        self.patch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:  # noqa: ANN401  any bytes
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room, self.room = self.room, 0
        return self.real_write(descriptor, data[:room])

    def break_(self) -> None:
        def fsync(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        self.patch.setattr(os, "fsync", fsync)

    def mend(self) -> None:
        self.patch.undo()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("room", [0, 1, 40])
def test_an_audit_line_that_a_full_disk_cut_off_is_taken_back(log: FileAuditLog, disk: Disk, room: int) -> None:
    log.append({"n": 1})
    before = list(log.lines())
    disk.fill(room)
    with pytest.raises(StoreError, match="No space left") as full:
        log.append({"n": 2})
    disk.mend()
    assert "free some space" in full.value.hint
    assert list(log.lines()) == before
    log.append({"n": 3})
    assert verify(log.lines()).entries == 2


def test_an_audit_line_that_may_not_be_on_the_disk_is_taken_back(log: FileAuditLog, disk: Disk) -> None:
    log.append({"n": 1})
    disk.break_()
    with pytest.raises(StoreError, match="cannot be written") as broken:
        log.append({"n": 2})
    disk.mend()
    assert "check the disk" in broken.value.hint
    assert verify(log.lines()).entries == 1


@pytest.mark.parametrize("room", [0, 3])
def test_a_backup_that_a_full_disk_cut_off_is_not_there(tmp_path: Path, disk: Disk, room: int) -> None:
    store = DirectoryBackups(tmp_path)
    disk.fill(room)
    with pytest.raises(StoreError, match="No space left"):
        store.put(backup_id(), b"0123456789")
    disk.mend()
    assert list(store.ids()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    store.put(backup_id(), b"0123456789")


def test_a_backup_that_may_not_be_on_the_disk_is_not_there(tmp_path: Path, disk: Disk) -> None:
    DirectoryBackups(tmp_path).put(backup_id("sg-2"), b"")
    disk.break_()
    with pytest.raises(StoreError, match="Input/output error"):
        DirectoryBackups(tmp_path).put(backup_id(), b"0123456789")
    disk.mend()
    assert list(DirectoryBackups(tmp_path).ids()) == [backup_id("sg-2")]


def test_a_switch_that_could_not_be_set_is_as_it_was(tmp_path: Path, disk: Disk) -> None:
    switch = FileSwitch(tmp_path / "pause")
    switch.write("paused")
    disk.fill(2)
    with pytest.raises(StoreError):
        switch.write("another")
    with pytest.raises(StoreError):
        FileNotifier(tmp_path / "notices.jsonl").send(NOTICE)
    disk.mend()
    assert switch.read() == "paused"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def _fill(path: Path, limit: int) -> list[str]:
    """Write entries until files may not grow any more; what was said, and how many entries there were."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(SqliteJournal(path)) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for number in range(1000):
            made = entry(f"e{number:04}", wanted={"x": "y" * 5000})
            try:
                lock = journal.lock(PLACE, "run-1", NOW, LEASE)
                journal.begin(lock, made)
                journal.end(lock, done(made))
            except StoreError as error:
                return [str(error), error.hint, str(number)]
    return []


def test_a_journal_on_a_full_disk_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with SPAWN.Pool(1) as pool:
        message, hint, kept = pool.apply(_fill, (path, 400_000))
    assert str(path) in message
    assert "is full or broken" in hint
    with closing(SqliteJournal(path)) as journal:
        assert len([each for each in journal.entries() if each.ended]) == int(kept)
        journal.lock(PLACE, "run-2", LATER, LEASE)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    inside = tmp_path / "state" / "deeper"
    acts: list[Callable[[], object]] = [
        lambda: DirectoryBackups(inside).put(backup_id(), b""),
        lambda: FileAuditLog(inside / "audit.jsonl").append({}),
        lambda: FileSwitch(inside / "pause").write("x"),
        lambda: FileNotifier(inside / "notices.jsonl").send(NOTICE),
        lambda: SqliteJournal(inside / "state.sqlite"),
    ]
    for act in acts:
        with pytest.raises(StoreError, match=str(inside)) as refused:
            act()
        assert refused.value.hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EACCES, "let this user"), (errno.EROFS, "let this user"), (errno.EDQUOT, "quota"), (errno.EIO, "the disk")],
)
def test_each_refusal_of_the_system_has_its_next_step(tmp_path: Path, number: int, hint: str) -> None:
    error = durable.store_error(tmp_path / "x", "cannot be read", OSError(number, os.strerror(number)))
    assert hint in error.hint
    assert os.strerror(number) in str(error)


def test_what_is_kept_is_for_this_user_only(tmp_path: Path) -> None:
    home = tmp_path / "state"
    before = os.umask(0)
    try:
        DirectoryBackups(home).put(backup_id(), b"")
        FileAuditLog(home / "audit.jsonl").append({})
        FileSwitch(home / "pause").write("x")
        FileNotifier(home / "notices.jsonl").send(NOTICE)
        with closing(SqliteJournal(home / "state.sqlite")) as journal:
            journal.lock(PLACE, "run-1", NOW, LEASE)
            modes = {path: path.stat().st_mode & 0o777 for path in [home, *home.rglob("*")]}
    finally:
        os.umask(before)
    assert len(modes) >= 9
    assert [path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)] == []


# Damage


def test_a_temporary_file_of_a_run_that_died_is_no_backup(tmp_path: Path) -> None:
    store = DirectoryBackups(tmp_path)
    store.put(backup_id(), b"{}")
    folder = tmp_path / "backups" / "sg-1"
    (folder / f".{backup_id('sg-1', '20260116T120000Z')}.json.00.tmp").write_bytes(b'{"half')
    (folder / "notes.json").write_bytes(b"")
    (tmp_path / "backups" / "readme").write_bytes(b"")
    assert list(store.ids()) == list(store.ids("sg-1")) == [backup_id()]


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database, but quite long" * 100)
    for store in (SqliteJournal, SqliteConcessions):
        with pytest.raises(StoreError, match="not a database") as damaged:
            store(tmp_path / "state.sqlite")
        assert "move" in damaged.value.hint


def test_a_journal_with_torn_pages_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteJournal(path)) as journal:
        for number in range(30):
            made = entry(f"e{number}", wanted={"x": "y" * 3000})
            lock = journal.lock(PLACE, "run-1", NOW, LEASE)
            journal.begin(lock, made)
            journal.end(lock, done(made))
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError) as damaged, closing(SqliteJournal(path)) as journal:
        journal.entries()
    assert "move" in damaged.value.hint


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"id": 1}'])
def test_an_entry_that_cannot_be_read_is_told_and_the_lock_is_not_taken(
    journal: SqliteJournal, tmp_path: Path, text: str
) -> None:
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    with closing(sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)) as other:
        other.execute("UPDATE group_lock SET open = ?", (text or "x",))
    with pytest.raises(StoreError, match="an entry cannot be read"):
        journal.unfinished()
    with pytest.raises(StoreError, match="an entry cannot be read"):
        journal.lock(PLACE, "run-2", LATER, LEASE)
    with pytest.raises(GroupLockedError, match="run-1"):
        journal.lock(PLACE, "run-2", NOW, LEASE)


def test_a_concession_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with closing(SqliteConcessions(tmp_path / "state.sqlite")) as store:
        with closing(sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)) as other:
            other.execute("INSERT INTO concession VALUES ('x', '{}')")
        with pytest.raises(StoreError, match="a concession cannot be read"):
            store.all()


def test_a_switch_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="no text") as damaged:
        FileSwitch(tmp_path / "pause").read()
    assert "sg-compliance pause" in damaged.value.hint


def test_every_bit_of_the_audit_log_counts(log: FileAuditLog, tmp_path: Path) -> None:
    for number in range(3):
        log.append({"n": number})
    whole = (tmp_path / "audit.jsonl").read_bytes()
    head = verify(log.lines()).head
    for place in range(0, len(whole) * 8, 5):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        (tmp_path / "audit.jsonl").write_bytes(data)
        assert not verify(log.lines(), head).intact, place


def test_nothing_is_added_after_a_line_that_was_changed(log: FileAuditLog, tmp_path: Path) -> None:
    log.append({"n": 1})
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":2'))
    with pytest.raises(StoreError, match="was changed") as damaged:
        log.append({"n": 2})
    assert "audit verify" in damaged.value.hint
    assert len(list(log.lines())) == 1


@pytest.mark.parametrize("fragment", ['{"ha', '{"hash":"', "x", '{"a":1}', "\udcff", TORN_END[:3]])
def test_a_torn_line_is_closed_and_accounted_for(log: FileAuditLog, tmp_path: Path, fragment: str) -> None:
    path = tmp_path / "audit.jsonl"
    log.append({"n": 1})
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(fragment)
    (problem,) = verify(log.lines()).problems
    assert problem.kind in {ProblemKind.TORN, ProblemKind.CHANGED}
    log.append({"n": 2})
    log.append({"n": 3})
    report = verify(log.lines())
    assert (report.problems, report.entries, report.torn) == ((), 3, 1)
    assert "torn" in json.loads(list(log.lines())[2])
    path.write_bytes(path.read_bytes().replace(TORN_END.encode(), b"x" + TORN_END.encode()))
    assert not verify(log.lines()).intact


def test_a_machine_that_dies_at_the_same_line_again_and_again_keeps_one_chain(
    log: FileAuditLog, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(3):
        log.append({"n": number})
        for cut in (60, 3, len(TORN_END) + 1, 1):
            size = path.stat().st_size
            log.append({"n": "lost"})
            os.truncate(path, min(size + cut, path.stat().st_size - 1))
    log.append({"n": 9})
    report = verify(log.lines())
    assert (report.problems, report.entries) == ((), 4)
    assert report.torn > 3


def test_a_torn_first_line_is_accounted_for_too(log: FileAuditLog, tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b'{"has')
    log.append({"n": 1})
    report = verify(log.lines())
    assert (report.intact, report.entries, report.head.sequence) == (True, 1, 1)


def test_only_the_end_of_a_long_log_is_read(log: FileAuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        log.append({"n": number, "x": "y" * 100_000})
    log.append({"n": 3})
    real, read = os.pread, []

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        read.append(count)
        return real(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    log.append({"n": 4, "x": "y" * 200_000})
    assert read == [65_536]
    log.append({"n": 5})
    assert read == [65_536, 65_536, 131_072, 262_144]
    assert verify(log.lines(), Head(0, "0" * 64)).entries == 6


def test_a_transaction_that_is_broken_off_changes_nothing(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "x.sqlite", "CREATE TABLE IF NOT EXISTS t (a)")) as database:
        with pytest.raises(ZeroDivisionError), database.changing() as cursor:
            assert cursor.execute("INSERT INTO t VALUES (1)").rowcount / 0
        with database.reading() as cursor:
            assert cursor.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_file_that_was_closed_is_told(journal: SqliteJournal) -> None:
    journal.close()
    with pytest.raises(SgComplianceError):
        journal.unfinished()
