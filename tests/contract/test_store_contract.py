"""What the engine relies on in any store, held against a state directory and against AWS, sentence by sentence."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sg_compliance.enforcement.audit import verify
from sg_compliance.errors import BackupNotFoundError, GroupLockedError, LockLostError, StoreError
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.model.finding import Severity
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.model.security_group import Place
from tests.contract.store_homes import AwsHome, Home, LocalHome, Wire, aws_on_loopback, backup_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)
LATER = NOW + LEASE
PLACE = Place("111122223333", "eu-west-1", "sg-1")
OTHER = Place("111122223333", "eu-west-1", "sg-2")
STAMPS = ("20251231T235959Z", "20260101T000000Z", "20260115T120000Z")

T = TypeVar("T")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture(params=["local", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    if request.param == "aws":
        yield AwsHome(request.getfixturevalue("wire"))
        return
    with closing(LocalHome(tmp_path)) as made:
        yield made


def entry(name: str = "e1", minutes: int = 0, **changes: Any) -> Entry:  # noqa: ANN401  fields of an entry
    made = Entry(
        id=name,
        place=PLACE,
        kind=EntryKind.REMEDIATION,
        state=EntryState.OPEN,
        run_id="run-1",
        by="arn:aws:iam::111122223333:user/zoë",
        backup_id=backup_id(),
        started=NOW + timedelta(minutes=minutes),
        wanted={"rules": [], "tags": {"<b>": "\u2028 \U0001f600 \ud800"}, "exact": False},
        rules=("no-ssh",),
    )
    return replace(made, **changes)


def done(opened: Entry, **changes: Any) -> Entry:  # noqa: ANN401  fields of an entry
    return replace(opened, state=EntryState.DONE, ended=LATER, notes=("as planned",), **changes)


def at_once(work: Callable[[int], T], times: int) -> list[T | Exception]:
    def caught(number: int) -> T | Exception:
        try:
            return work(number)
        except Exception as error:  # noqa: BLE001  it is what the test looks at
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(caught, range(times)))


# Backups


def test_a_backup_comes_back_as_it_was_put(home: Home) -> None:
    data = bytes(range(256)) * 300
    home.backups().put(backup_id(), data)
    assert home.backups().get(backup_id()) == data


def test_the_same_backup_can_be_put_again(home: Home) -> None:
    store = home.backups()
    store.put(backup_id(), b"{}")
    store.put(backup_id(), b"{}")
    assert list(store.ids()) == [backup_id()]


def test_another_backup_under_the_same_id_is_refused(home: Home) -> None:
    home.backups().put(backup_id(), b"{}")
    with pytest.raises(StoreError, match="another backup is kept under this id") as refused:
        home.backups().put(backup_id(), b"{ }")
    assert backup_id() in str(refused.value)
    assert refused.value.hint
    assert home.backups().get(backup_id()) == b"{}"


def test_a_backup_that_is_not_there_is_said_to_be_missing(home: Home) -> None:
    with pytest.raises(BackupNotFoundError, match=backup_id()) as missing:
        home.backups().get(backup_id())
    assert "backups list" in missing.value.hint


@pytest.mark.parametrize(
    "wrong", ["", "..", "../../etc/passwd", "sg-1", f"{backup_id()}/x", f"{backup_id()}\n", "a\0b"]
)
def test_what_is_no_id_reaches_no_file(home: Home, wrong: str) -> None:
    with pytest.raises(BackupNotFoundError):
        home.backups().get(wrong)
    with pytest.raises(StoreError, match="no id of a backup"):
        home.backups().put(wrong, b"{}")
    assert list(home.backups().ids()) == []


def test_no_backups_are_an_empty_list(home: Home) -> None:
    assert list(home.backups().ids()) == list(home.backups().ids("sg-1")) == []


def test_ids_are_told_oldest_first_of_all_groups_or_of_one(home: Home) -> None:
    ids = [backup_id(group, stamp) for stamp in STAMPS for group in ("sg-1", "sg-0", "sg-11")]
    for each in reversed(ids):
        home.backups().put(each, each.encode())
    told = list(home.backups().ids())
    assert sorted(told) == sorted(ids)
    assert [each.split("-")[2] for each in told] == sorted(each.split("-")[2] for each in ids)
    assert list(home.backups().ids("sg-1")) == [backup_id("sg-1", stamp) for stamp in STAMPS]
    assert list(home.backups().ids("sg-")) == list(home.backups().ids("..")) == []


def test_of_two_that_put_the_same_id_at_once_one_is_kept_whole(home: Home) -> None:
    stores = [home.backups() for _ in range(4)]
    bodies = [bytes([number]) * 20_000 for number in range(4)]
    told = at_once(lambda number: stores[number].put(backup_id(), bodies[number]), 4)
    assert sorted(type(each).__name__ for each in told) == ["NoneType", "StoreError", "StoreError", "StoreError"]
    assert home.backups().get(backup_id()) == bodies[told.index(None)]


# The lock


def test_a_free_group_can_be_locked(home: Home) -> None:
    lock = home.journal().lock(PLACE, "run-1", NOW, LEASE)
    assert lock == (PLACE, "run-1", 1, LATER, None)


def test_a_locked_group_cannot_be_locked_by_another_and_it_is_said_by_whom_until_when(home: Home) -> None:
    home.journal().lock(PLACE, "run-1", NOW, LEASE)
    with pytest.raises(GroupLockedError, match=r"111122223333/eu-west-1/sg-1.*run-1.*2026-01-15 12:05:00 UTC") as held:
        home.journal().lock(PLACE, "run-2", LATER - timedelta(microseconds=1), LEASE)
    assert "wait" in held.value.hint


def test_not_even_the_owner_can_lock_a_group_twice(home: Home) -> None:
    journal = home.journal()
    journal.lock(PLACE, "run-1", NOW, LEASE)
    with pytest.raises(GroupLockedError):
        journal.lock(PLACE, "run-1", NOW, LEASE)


def test_another_group_is_another_lock(home: Home) -> None:
    for place in (PLACE, OTHER, PLACE._replace(region="eu-west-2"), PLACE._replace(account_id="444455556666")):
        assert home.journal().lock(place, "run-1", NOW, LEASE).fence == 1


def test_a_lease_that_ran_out_frees_the_group_and_the_fence_grows(home: Home) -> None:
    home.journal().lock(PLACE, "run-1", NOW, LEASE)
    assert home.journal().lock(PLACE, "run-2", LATER, LEASE).fence == 2


def test_times_in_other_zones_are_the_same_times(home: Home) -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    home.journal().lock(PLACE, "run-1", NOW.astimezone(india), LEASE)
    with pytest.raises(GroupLockedError):
        home.journal().lock(PLACE, "run-2", NOW, LEASE)
    assert home.journal().lock(PLACE, "run-2", LATER.astimezone(india), LEASE).fence == 2


def test_a_lock_that_was_given_back_is_free_and_the_fence_still_grows(home: Home) -> None:
    journal = home.journal()
    journal.unlock(journal.lock(PLACE, "run-1", NOW, LEASE))
    assert home.journal().lock(PLACE, "run-1", NOW, LEASE).fence == 2


def test_a_renewed_lock_is_held_for_longer(home: Home) -> None:
    journal = home.journal()
    lock = journal.renew(journal.lock(PLACE, "run-1", NOW, LEASE), NOW + timedelta(minutes=4), LEASE)
    assert (lock.until, lock.fence) == (NOW + timedelta(minutes=9), 1)
    with pytest.raises(GroupLockedError, match="12:09:00"):
        home.journal().lock(PLACE, "run-2", LATER, LEASE)


def test_a_lease_that_ran_out_and_was_not_taken_over_goes_on(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    lock = journal.renew(lock, LATER + LEASE, LEASE)
    journal.begin(lock, entry())
    journal.end(lock, done(entry()))
    assert home.journal().entries() == [done(entry())]


def test_whose_lock_was_taken_over_can_do_nothing_more(home: Home) -> None:
    journal = home.journal()
    zombie = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(zombie, entry())
    lock = home.journal().lock(PLACE, "run-2", LATER, LEASE)
    for act in (
        lambda: journal.renew(zombie, LATER, LEASE),
        lambda: journal.begin(zombie, entry(run_id="zombie")),
        lambda: journal.end(zombie, done(entry())),
    ):
        with pytest.raises(LockLostError, match="run-1") as lost:
            act()
        assert lost.value.hint
    journal.unlock(zombie)
    with pytest.raises(GroupLockedError, match="run-2"):
        home.journal().lock(PLACE, "run-3", LATER, LEASE)
    assert home.journal().entries() == [entry()]
    home.journal().end(lock, done(entry()))


def test_a_run_of_the_same_name_does_not_pass_for_the_one_that_lost_the_lock(home: Home) -> None:
    zombie = home.journal().lock(PLACE, "run-1", NOW, LEASE)
    home.journal().lock(PLACE, "run-1", LATER, LEASE)
    with pytest.raises(LockLostError):
        home.journal().begin(zombie, entry())


def test_whose_lock_was_given_back_can_do_nothing_more(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.unlock(lock)
    journal.unlock(lock)
    for act in (lambda: journal.renew(lock, NOW, LEASE), lambda: journal.begin(lock, entry())):
        with pytest.raises(LockLostError):
            act()


def test_of_many_that_lock_a_group_at_once_one_has_it(home: Home) -> None:
    journals = [home.journal() for _ in range(8)]
    told = at_once(lambda number: journals[number].lock(PLACE, f"run-{number}", NOW, LEASE), 8)
    assert sum(isinstance(each, GroupLockedError) for each in told) == 7
    assert sum(getattr(each, "fence", None) == 1 for each in told) == 1


def test_of_many_that_take_a_lock_over_at_once_one_has_it(home: Home) -> None:
    home.journal().lock(PLACE, "dead", NOW, LEASE)
    journals = [home.journal() for _ in range(8)]
    told = at_once(lambda number: journals[number].lock(PLACE, f"run-{number}", LATER, LEASE), 8)
    assert [getattr(each, "fence", None) for each in told].count(2) == 1


def test_locks_that_run_are_told_and_none_is_taken(home: Home) -> None:
    journal = home.journal()
    assert journal.locks(NOW) == []
    held = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(held, entry())
    other = journal.lock(OTHER, "run-2", NOW + timedelta(minutes=1), LEASE)
    given_back = journal.lock(PLACE._replace(region="eu-west-2"), "run-3", NOW, LEASE)
    journal.unlock(given_back)
    assert home.journal().locks(NOW) == [held._replace(open=entry()), other]
    assert home.journal().locks(LATER) == [other]
    assert home.journal().locks(LATER + LEASE) == []
    journal.end(held, done(entry()))
    assert home.journal().locks(NOW) == [other]
    assert home.journal().lock(PLACE, "run-4", NOW, LEASE).fence == 2


# The entries


def test_an_open_entry_is_found_by_who_locks_the_group_next(home: Home) -> None:
    home.journal().begin(home.journal().lock(PLACE, "run-1", NOW, LEASE), entry())
    assert home.journal().unfinished() == [entry()]
    assert home.journal().lock(PLACE, "run-2", LATER, LEASE).open == entry()


def test_an_open_entry_stays_open_when_the_lock_is_given_back(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    journal.unlock(lock)
    assert home.journal().unfinished() == [entry()]
    assert home.journal().lock(PLACE, "run-2", NOW, LEASE).open == entry()


def test_an_entry_can_be_written_anew_under_its_id(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    journal.begin(lock, entry(backup_id=backup_id(stamp="20260115T130000Z")))
    assert [each.backup_id for each in home.journal().unfinished()] == [backup_id(stamp="20260115T130000Z")]


def test_an_open_entry_is_not_lost_to_one_with_another_id(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    with pytest.raises(StoreError, match="e1 was left unfinished"):
        journal.begin(lock, entry("e2"))
    with pytest.raises(StoreError, match="e1 was left unfinished"):
        journal.end(lock, done(entry("e2")))
    assert home.journal().entries() == [entry()]


def test_an_ended_entry_is_history_and_gives_the_lock_back(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    journal.end(lock, done(entry()))
    assert home.journal().unfinished() == []
    assert home.journal().entries() == [done(entry())]
    again = home.journal().lock(PLACE, "run-2", NOW, LEASE)
    assert (again.fence, again.open) == (2, None)


def test_the_same_end_once_more_is_no_loss_and_another_one_is(home: Home) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    journal.end(lock, done(entry()))
    journal.end(lock, done(entry()))
    with pytest.raises(LockLostError):
        journal.end(lock, done(entry(), run_id="run-9"))
    assert home.journal().entries() == [done(entry())]


def test_an_entry_comes_back_with_every_field(home: Home) -> None:
    full = entry(
        plan_id="plan-1", kind=EntryKind.ROLLBACK, restores="e0", hold_until=LATER, started=NOW.replace(microsecond=7)
    )
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, full)
    assert home.journal().unfinished() == [full]
    journal.end(lock, done(full))
    assert home.journal().entries() == [done(full)]


@pytest.fixture
def written(home: Home) -> Home:
    journal = home.journal()
    for number, (place, run) in enumerate([(PLACE, "a"), (OTHER, "a"), (PLACE, "b"), (OTHER, "c")]):
        made = entry(f"e{number}", -number, place=place, run_id=run)
        lock = journal.lock(place, run, NOW, LEASE)
        journal.begin(lock, made)
        journal.end(lock, done(made))
    left = entry("e9", -9, run_id="c")
    journal.begin(journal.lock(PLACE, "c", NOW, LEASE), left)
    return home


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, ["e9", "e3", "e2", "e1", "e0"]),
        ({"group_id": "sg-1"}, ["e9", "e2", "e0"]),
        ({"run_id": "c"}, ["e9", "e3"]),
        ({"run_id": "c", "group_id": "sg-2"}, ["e3"]),
        ({"since": NOW - timedelta(minutes=2)}, ["e2", "e1", "e0"]),
        ({"since": NOW - timedelta(minutes=9), "group_id": "sg-1"}, ["e9", "e2", "e0"]),
        ({"since": NOW + timedelta(microseconds=1)}, []),
        ({"run_id": "nobody"}, []),
    ],
)
def test_entries_are_told_oldest_first_by_group_run_and_time(
    written: Home, asked: dict[str, Any], ids: list[str]
) -> None:
    assert [each.id for each in written.journal().entries(**asked)] == ids


def test_open_entries_are_told_oldest_first(home: Home) -> None:
    journal = home.journal()
    for number in (1, 3, 2):
        place = PLACE._replace(group_id=f"sg-{number}")
        journal.begin(journal.lock(place, "run-1", NOW, LEASE), entry(f"e{number}", number, place=place))
    assert [each.id for each in home.journal().unfinished()] == ["e1", "e2", "e3"]


def test_more_history_than_a_page_comes_back_whole(home: Home) -> None:
    journal, large = home.journal(), {"rules": ["x" * 90_000]}
    for number in range(15):
        made = entry(f"e{number:02}", number, wanted=large)
        lock = journal.lock(PLACE, "run-1", NOW, LEASE)
        journal.begin(lock, made)
        journal.end(lock, done(made))
    assert [each.id for each in home.journal().entries("sg-1")] == [f"e{number:02}" for number in range(15)]


# Concessions, the switch, and notices

GRANT = Concession(
    ConcessionKind.EXEMPTION,
    "sg-2",
    ("no-ssh",),
    "migration",
    "zoë",
    LATER,
    NOW,
    "arn:aws:iam::1:user/x",
    emergency=True,
)


def test_concessions_come_back_by_id_lapsed_ones_too(home: Home) -> None:
    permanent = replace(GRANT, kind=ConcessionKind.UNPROTECTION, subject="111122223333", expires=None)
    lapsed = replace(GRANT, subject="sg-1", expires=NOW - timedelta(days=400))
    for each in (permanent, GRANT, lapsed):
        home.concessions().grant(each)
    assert home.concessions().all() == [lapsed, GRANT, permanent]


def test_a_concession_takes_the_place_of_one_with_its_id(home: Home) -> None:
    home.concessions().grant(GRANT)
    home.concessions().grant(replace(GRANT, reason="longer"))
    assert [each.reason for each in home.concessions().all()] == ["longer"]


def test_withdrawing_tells_whether_it_was_there(home: Home) -> None:
    home.concessions().grant(GRANT)
    assert home.concessions().withdraw(GRANT.id) is True
    assert home.concessions().withdraw(GRANT.id) is False
    assert home.concessions().all() == []


def test_concessions_that_are_granted_at_once_are_all_kept(home: Home) -> None:
    stores = [home.concessions() for _ in range(6)]
    grants = [replace(GRANT, subject=f"sg-{number}") for number in range(6)]
    assert at_once(lambda number: stores[number].grant(grants[number]), 6) == [None] * 6
    assert home.concessions().all() == grants


def test_a_switch_that_was_never_set_is_empty(home: Home) -> None:
    assert home.switch().read() == ""


def test_a_switch_can_be_set_and_cleared(home: Home) -> None:
    text = json.dumps({"by": "zoë", "why": "too\nmany"}, ensure_ascii=False)
    home.switch().write("first")
    home.switch().write(text)
    assert home.switch().read() == text
    home.switch().write("")
    assert home.switch().read() == ""


def test_a_notice_reaches_programs_as_it_is(home: Home) -> None:
    subject = "sg-1 <script>\n\x1b[31m zoë"
    notice = Notice(NoticeKind.BRAKE, Severity.CRITICAL, subject, "long", "111122223333", {"groups": ["sg-1"], "n": 3})
    home.notifier().send(notice)
    home.notifier().send(Notice(NoticeKind.OPERATION, Severity.INFO, "done", ""))
    first, second = home.told()
    assert first == {
        "kind": "brake",
        "severity": "critical",
        "account_id": "111122223333",
        "subject": subject,
        "text": "long",
        "record": {"groups": ["sg-1"], "n": 3},
    }
    assert (second["subject"], second["account_id"]) == ("done", "")


# The audit log


def test_no_audit_log_has_no_lines(home: Home) -> None:
    assert list(home.audit().lines()) == []


def test_audit_lines_make_a_chain_in_the_order_of_writing(home: Home) -> None:
    for number in range(12):
        home.audit().append({"action": "revoke", "number": number, "who": "zoë\n\ud800"})
    lines = list(home.audit().lines())
    assert [json.loads(line)["number"] for line in lines] == list(range(12))
    report = verify(lines)
    assert (report.intact, report.entries, report.head.sequence) == (True, 12, 12)


def test_many_that_write_the_audit_log_at_once_make_one_chain(home: Home) -> None:
    logs = [home.audit() for _ in range(4)]

    def write(number: int) -> None:
        for line in range(5):
            logs[number].append({"writer": number, "line": line})

    assert at_once(write, 4) == [None] * 4
    lines = list(home.audit().lines())
    report = verify(lines)
    assert (report.problems, report.entries) == ((), 20)
    for number in range(4):
        written = [json.loads(line) for line in lines]
        assert [each["line"] for each in written if each["writer"] == number] == list(range(5))


@pytest.mark.parametrize("event", [{"sequence": 1}, {"hash": ""}, {"when": NOW}, {"x": float("nan")}])
def test_an_event_that_cannot_be_written_leaves_no_line(home: Home, event: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        home.audit().append(event)
    home.audit().append({"fine": True})
    assert verify(home.audit().lines()).entries == 1
