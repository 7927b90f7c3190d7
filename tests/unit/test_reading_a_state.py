"""A journal that is only looked at: nothing is made, nothing is written, and what is not there is empty."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sg_compliance.errors import StoreError
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.model.security_group import Place
from tests.builders import NOW

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("111122223333", "eu-west-1", "sg-1")
LEASE = timedelta(minutes=5)


def test_a_journal_that_is_not_there_is_empty_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.sqlite"
    with closing(SqliteJournal(path, reading=True)) as journal:
        assert journal.entries() == journal.unfinished() == []
        assert journal.locks(NOW) == []
    assert not path.parent.exists()


@pytest.mark.parametrize("content", [b"", None], ids=["an empty file", "a file of another version"])
def test_tables_that_a_file_lacks_are_empty_and_are_not_made(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal.sqlite"
    if content is None:
        SqliteJournal(path).close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with closing(SqliteConcessions(path, reading=True)) as concessions:
        assert concessions.all() == []
    assert path.read_bytes() == before


def test_what_others_write_is_seen_by_who_only_looks(tmp_path: Path) -> None:
    path = tmp_path / "a place #1 ?.sqlite"
    with closing(SqliteJournal(path)) as writer, closing(SqliteJournal(path, reading=True)) as reader:
        assert reader.locks(NOW) == []
        lock = writer.lock(PLACE, "run-1", NOW, LEASE)
        assert reader.locks(NOW) == [lock]


@pytest.mark.parametrize("there", [True, False])
def test_who_only_looks_cannot_write(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "journal.sqlite"
    if there:
        SqliteJournal(path).close()
    with (
        closing(SqliteJournal(path, reading=True)) as journal,
        pytest.raises(StoreError, match="attempt to write a readonly database") as refused,
    ):
        journal.lock(PLACE, "run-1", NOW, LEASE)
    assert f"let this user read and write {tmp_path}" in refused.value.hint


def test_a_file_that_is_no_journal_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match="file is not a database"):
        SqliteJournal(path, reading=True)
