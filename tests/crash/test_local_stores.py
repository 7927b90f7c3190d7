"""Processes that are killed while they write: whatever was left behind, every store opens, whole and in order."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from sg_compliance.enforcement.audit import verify
from sg_compliance.local.audit import FileAuditLog
from sg_compliance.local.backups import DirectoryBackups
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.switch import FileSwitch
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

pytestmark = pytest.mark.e2e

PROCESSES = multiprocessing.get_context("forkserver")
KILLS = 20
SIZE = 30_000
START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)
PLACE = Place("111122223333", "eu-west-1", "sg-1")


def _write(folder: Path, life: int, done: Connection) -> None:
    """What a run writes, over and over, until it is killed. Each round is told when it is over."""
    now = START + timedelta(hours=life)
    for number in count():
        backup = f"sg-1-{now + timedelta(seconds=number):%Y%m%dT%H%M%SZ}-{number:016x}"
        DirectoryBackups(folder).put(backup, backup.encode() * (SIZE // len(backup)))
        FileAuditLog(folder / "audit.jsonl").append({"life": life, "number": number, "x": "y" * 5_000})
        FileSwitch(folder / "pause").write(backup * 50)
        with closing(SqliteJournal(folder / "state.sqlite")) as journal:
            lock = journal.lock(PLACE, f"run-{life}", now, LEASE)
            made = lock.open or _entry(f"{life}-{number}", backup, now)
            journal.begin(lock, made)
            journal.end(lock, replace(made, state=EntryState.DONE, ended=now))
        done.send_bytes(b".")


def _entry(name: str, backup: str, now: datetime) -> Entry:
    kind, state = EntryKind.REMEDIATION, EntryState.OPEN
    return Entry(name, PLACE, kind, state, "run", "by", backup, now, {"x": "y" * 2_000})


def _life(folder: Path, life: int, chance: random.Random) -> int:
    """Let a process write, and kill it somewhere in its first round or in a later one. How many it told of."""
    reader, writer = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_write, args=(folder, life, writer), daemon=True)
    process.start()
    writer.close()
    if life % 2:
        reader.poll(60)
    time.sleep(chance.random() * 0.1)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return sum(1 for _ in iter(lambda: _next(reader), b""))


def _next(reader: Connection) -> bytes:
    try:
        return reader.recv_bytes()
    except EOFError:
        return b""


def test_after_every_kill_each_store_is_whole(tmp_path: Path) -> None:
    chance, told = random.Random(7), 0  # noqa: S311  no secret
    for life in range(KILLS):
        told += _life(tmp_path, life, chance)
        _check(tmp_path, told)
    assert told >= KILLS // 2


def _check(folder: Path, told: int) -> None:
    store = DirectoryBackups(folder)
    ids = list(store.ids())
    assert len(ids) >= told
    for each in ids:
        assert store.get(each) == each.encode() * (SIZE // len(each))
    report = verify(FileAuditLog(folder / "audit.jsonl").lines())
    assert [problem for problem in report.problems if problem.line <= report.entries + report.torn] == []
    assert report.entries >= told
    text = FileSwitch(folder / "pause").read()
    assert text == text[: len(text) // 50] * 50
    with closing(SqliteJournal(folder / "state.sqlite")) as journal:
        ended = [entry for entry in journal.entries() if entry.ended]
        assert len(ended) >= told
        assert len(journal.unfinished()) <= 1
        assert {entry.backup_id for entry in journal.entries()} <= set(ids)
