"""Backups on the shelf: damage anywhere is found, and what is different between two states of a group."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.enforcement.backup import Backup, Cause, decode_backup
from sg_compliance.enforcement.difference import TagChange, difference
from sg_compliance.enforcement.shelf import Fate, Fates
from sg_compliance.errors import BackupDamagedError, BackupNotFoundError, InputError, StoreError
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.workflows.backups import ToVerify, compare, listed, load, to_verify, verify
from tests.builders import EVERYONE, NOW, group, tcp, udp

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = group(
    tcp(22, EVERYONE, "10.0.0.0/8", "sg-9", "pl-1", description='Zoë\'s "door" \u2028 \U0001f600'),
    udp(53, "::/0"),
    tags={"Name": "web", "x": "\x1b[31m"},
    group_id="sg-1",
)
NOTE = {"id": "1", "rule_id": "NO_SSH", "severity": "high", "direction": "ingress", "reason": "r", "message": "m"}
BACKUP = Backup(GROUP, NOW, Cause("remediation", "run-1", "zoë", "because", "1", "sha256:0", (NOTE,)))
DATA = BACKUP.encode()


class Shelf:
    """A BackupStore in memory."""

    def __init__(self, **kept: bytes) -> None:
        self.kept = kept

    def put(self, backup_id: str, data: bytes) -> None:
        self.kept[backup_id] = data

    def get(self, backup_id: str) -> bytes:
        try:
            return self.kept[backup_id]
        except KeyError:
            raise BackupNotFoundError(backup_id) from None

    def ids(self, group_id: str = "") -> Iterator[str]:
        return iter([each for each in self.kept if each.startswith(group_id)])


def is_damaged_or_means_the_same(data: bytes) -> bool:
    try:
        return decode_backup(data, BACKUP.id) == BACKUP and json.loads(data) == json.loads(DATA)
    except BackupDamagedError as error:
        return BACKUP.id in str(error)


def test_every_flipped_bit_is_damage_or_changes_no_meaning() -> None:
    assert decode_backup(DATA, BACKUP.id) == BACKUP
    for place in range(len(DATA)):
        for bit in range(8):
            flipped = DATA[:place] + bytes([DATA[place] ^ 1 << bit]) + DATA[place + 1 :]
            assert is_damaged_or_means_the_same(flipped), (place, bit)


@given(st.integers(0, len(DATA) - 1), st.binary(min_size=1, max_size=8))
def test_bytes_that_are_written_over_are_damage_or_change_no_meaning(place: int, written: bytes) -> None:
    assert is_damaged_or_means_the_same(DATA[:place] + written + DATA[place + len(written) :])


@given(st.integers(0, len(DATA) - 2))
def test_a_backup_that_is_cut_anywhere_is_damaged(length: int) -> None:
    (kept,) = verify(stores(Shelf(**{BACKUP.id: DATA[:length]})), ToVerify([BACKUP.id]))
    assert kept.backup is None
    assert kept.problem


def stores(shelf: Shelf) -> Any:  # noqa: ANN401 - as much of the stores as is asked for
    class Only:
        backups = shelf
        journal: Any = None

    return Only()


def test_many_are_verified_in_their_order() -> None:
    backups = [replace(BACKUP, cause=replace(BACKUP.cause, why=str(number))) for number in range(600)]
    shelf = Shelf(**{each.id: each.encode() for each in backups})
    shelf.kept[backups[7].id] = DATA
    found = list(verify(stores(shelf), ToVerify([*(each.id for each in backups), "sg-1"])))
    assert [kept.id for kept in found] == [*(each.id for each in backups), "sg-1"]
    assert {kept.id: kept.problem for kept in found if not kept.backup} == {
        backups[7].id: "its content is that of another backup",
        "sg-1": "it is not there",
    }
    assert load(shelf, backups[8].id) == backups[8]


def test_backups_of_different_groups_are_not_compared() -> None:
    other = replace(BACKUP, group=replace(GROUP, group_id="sg-2"))
    shelf = Shelf(**{each.id: each.encode() for each in (BACKUP, other)})
    with pytest.raises(InputError, match="are backups of different groups"):
        compare(stores(shelf), BACKUP.id, other.id)


def entry(backup_id: str, minute: int, kind: EntryKind = EntryKind.REMEDIATION, **others: Any) -> Entry:  # noqa: ANN401
    made = Entry(
        id=f"e{minute}",
        place=GROUP.place,
        kind=kind,
        state=EntryState.DONE,
        run_id="run-1",
        by="zoë",
        backup_id=backup_id,
        started=NOW.replace(minute=minute),
        wanted={},
    )
    return replace(made, **others)


def test_the_fate_of_a_change_is_known_by_its_backup() -> None:
    added = BACKUP.with_rules(group(tcp(80, EVERYONE)).rules, NOW)
    entries = [
        entry("b1", 1),
        entry("b2", 2, EntryKind.ROLLBACK, restores="b1"),
        entry("b3", 3),
        entry("b4", 4, state=EntryState.OPEN, replaced=("b0",)),
    ]
    fates = Fates(entries, [BACKUP, added])
    assert fates.of("b0") is Fate.REPLACED
    assert [fates.of(f"b{number}") for number in range(1, 5)] == [
        Fate.ROLLED_BACK,
        Fate.FINISHED,
        Fate.STANDS,
        Fate.UNFINISHED,
    ]
    assert (fates.of(BACKUP.id), fates.of(added.id)) == (Fate.REPLACED, Fate.UNKNOWN)


def test_a_rollback_that_is_rolled_back_lets_the_change_stand_again() -> None:
    entries = [
        entry("b1", 1),
        entry("b2", 2, EntryKind.ROLLBACK, restores="b1"),
        entry("b3", 3, EntryKind.ROLLBACK, restores="b2"),
    ]
    assert Fates(entries, []).of("b1") is Fate.STANDS


def test_a_rollback_that_was_not_all_done_is_not_told_as_finished() -> None:
    entries = [entry("b1", 1), entry("b2", 2, EntryKind.ROLLBACK, restores="b1", state=EntryState.GIVEN_UP)]
    fates = Fates(entries, [])
    assert (fates.of("b1"), fates.of("b2")) == (Fate.STANDS, Fate.GIVEN_UP)


class Broken(Shelf):
    """One backup cannot be read, and one folder not be listed."""

    def get(self, backup_id: str) -> bytes:
        if backup_id == BACKUP.id:
            raise StoreError("sg-1: the backup cannot be read: Is a directory")
        return super().get(backup_id)

    def ids(self, group_id: str = "") -> Iterator[str]:
        yield from super().ids(group_id)
        raise StoreError("sg-9: the backups cannot be listed: Permission denied")


class Journal:
    """A journal in which nothing stands."""

    @staticmethod
    def entries(**_: str) -> list[Entry]:
        return []


def test_what_cannot_be_read_or_listed_does_not_hide_the_rest() -> None:
    other = replace(BACKUP, cause=replace(BACKUP.cause, why="other"))
    kept = stores(Broken(**{BACKUP.id: DATA, other.id: other.encode()}))
    kept.journal = Journal()
    for found in (verify(kept, to_verify(kept)), listed(kept)):
        assert {each.id: each.problem for each in found} == {
            other.id: "",
            BACKUP.id: "sg-1: the backup cannot be read: Is a directory",
            "some backups": "sg-9: the backups cannot be listed: Permission denied",
        }


def test_where_nothing_can_be_listed_that_is_an_error() -> None:
    with pytest.raises(StoreError):
        listed(stores(Broken()))


def test_a_group_is_not_different_from_itself_with_other_rule_ids_and_order() -> None:
    other = replace(GROUP, rules=tuple(rule._replace(rule_id="sgr-9") for rule in reversed(GROUP.rules)))
    assert not difference(GROUP, other)


def test_every_kind_of_difference_is_found() -> None:
    before = group(tcp(22, EVERYONE, description="a"), tcp(80, EVERYONE), tags={"x": "1", "y": "2"})
    after = group(tcp(22, EVERYONE, description="b"), tcp(443, EVERYONE), tags={"x": "3", "z": ""})
    found = difference(before, after)
    assert [rule.first for rule in found.removed] == [80]
    assert [rule.first for rule in found.added] == [443]
    assert [(change.before, change.after) for change in found.changed] == [("a", "b")]
    assert set(found.tags) == {TagChange("x", "1", "3"), TagChange("y", "2", None), TagChange("z", None, "")}


def test_an_empty_description_is_none() -> None:
    before = group(tcp(22, EVERYONE))
    after = replace(before, rules=tuple(rule._replace(description="") for rule in before.rules))
    assert not difference(before, after)


def test_tags_of_rules_count() -> None:
    before = group(tcp(22, EVERYONE))
    after = replace(before, rules=tuple(rule._replace(tags=(("k", "v"),)) for rule in before.rules))
    (changed,) = difference(before, after).changed
    assert changed.tags == (TagChange("k", None, "v"),)
    assert not changed.described_anew


def test_a_rule_that_means_nothing_is_a_difference() -> None:
    assert difference(group(), group(tcp("23-21", EVERYONE))).malformed
