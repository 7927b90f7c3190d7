"""The journal in DynamoDB: what it reads, that what belongs together is written together, and what is too long."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sg_compliance.aws import dynamodb
from sg_compliance.aws.dynamodb import DynamoJournal
from sg_compliance.aws.dynamodb_table import IAM_ACTIONS, shares, spread
from sg_compliance.aws.packing import packed
from sg_compliance.errors import GroupLockedError, LockLostError, SgComplianceError, StoreError
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.model.journal import EntryState
from tests.contract.store_homes import LOST, AwsHome, RealClock, Refusal, Wire, aws_on_loopback
from tests.contract.test_store_contract import LATER, LEASE, NOW, OTHER, PLACE, at_once, done, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sg_compliance.interfaces import Journal
    from sg_compliance.model.journal import Entry, Lock
    from sg_compliance.model.security_group import Place

pytestmark = pytest.mark.e2e

FAILING = Refusal(500, "InternalError")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def home(wire: Wire) -> AwsHome:
    return AwsHome(wire)


def cancelled(*reasons: str) -> Refusal:
    return Refusal(400, "TransactionCanceledException", reasons=reasons)


def scan(home: AwsHome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.client("dynamodb").scan(TableName=home.name)["Items"]
    return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def kept(home: AwsHome, entry_: Entry) -> Entry:
    """The entry, begun and ended."""
    journal = home.journal()
    lock = journal.lock(entry_.place, "run-1", NOW, LEASE)
    journal.begin(lock, entry_)
    journal.end(lock, done(entry_))
    return done(entry_)


# What is read


@dataclass
class Read:
    """What a journal has asked for, and how many items DynamoDB has read for it: those too that it did not give."""

    journal: Journal
    tokens: list[str] = field(default_factory=list)
    items: int = 0

    def count(self, parsed: dict[str, Any], **_: object) -> None:
        self.items += parsed.get("ScannedCount", 0) + sum(map(len, parsed.get("Responses", {}).values()))

    def note(self, params: dict[str, Any], **_: object) -> None:
        self.tokens.append(params["ClientRequestToken"])

    def cost(self, act: Callable[[], object]) -> int:
        self.items = 0
        act()
        return self.items


def reading(home: AwsHome) -> Read:
    sessions = home.sessions()
    read = Read(DynamoJournal(sessions, home.name, RealClock()))
    events = sessions.client("dynamodb", IAM_ACTIONS).meta.events
    events.register("after-call.dynamodb", read.count)
    events.register("provide-client-params.dynamodb.TransactWriteItems", read.note)
    return read


def test_the_history_of_others_costs_a_group_nothing(home: AwsHome) -> None:
    kept(home, entry("e1", 1))
    journal = home.journal()
    journal.begin(journal.lock(PLACE, "run-1", NOW, LEASE), entry("e2", 2))
    read = reading(home)
    asked: tuple[Callable[[], object], ...] = (
        lambda: read.journal.entries("sg-1"),
        lambda: read.journal.entries("sg-1", since=NOW + timedelta(minutes=2)),
        lambda: read.journal.entries("sg-1", run_id="run-1"),
        read.journal.unfinished,
        lambda: read.journal.entries("sg-9"),
    )
    before = [read.cost(act) for act in asked]
    assert before == [2, 1, 2, 2, 0]
    for number in range(12):
        kept(home, entry(f"o{number}", number, place=PLACE._replace(group_id=f"sg-1{number}")))
    home.wire.calls.clear()
    assert [read.cost(act) for act in asked] == before
    assert home.wire.calls == {"Query": 5, "BatchGetItem": 1}
    assert len(home.journal().entries()) == 14


def test_what_is_damaged_elsewhere_is_no_concern_of_a_group(home: AwsHome) -> None:
    kept(home, entry("e1", 1))
    kept(home, entry("e2", 2, place=OTHER))
    for item in scan(home):
        if item["pk"]["S"] in {"entry", f"entry#{OTHER.group_id}"}:
            home.client("dynamodb").put_item(TableName=home.name, Item={**item, "record": {"S": "damaged"}})
    assert [each.id for each in home.journal().entries(PLACE.group_id)] == ["e1"]
    for group in ("", OTHER.group_id):
        with pytest.raises(StoreError, match="cannot be read"):
            home.journal().entries(group)


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_an_open_entry_that_cannot_be_read_is_never_taken_for_none(home: AwsHome, damage: str) -> None:
    journal = home.journal()
    journal.begin(journal.lock(PLACE, "run-1", NOW, LEASE), entry())
    (item,) = (each for each in scan(home) if "record" in each)
    home.client("dynamodb").delete_item(TableName=home.name, Key={"pk": item["pk"], "sk": item["sk"]})
    if damage == "damaged":
        home.client("dynamodb").put_item(TableName=home.name, Item={**item, "record": {"B": b"x"}})
    asked: tuple[Callable[[], object], ...] = (
        journal.unfinished,
        journal.entries,
        lambda: journal.locks(NOW),
        lambda: journal.lock(PLACE, "run-2", LATER, LEASE),
    )
    for act in asked:
        with pytest.raises(StoreError, match=r"entry#sg-1 .*cannot be read") as unreadable:
            act()
        assert "point-in-time" in unreadable.value.hint


def test_more_open_entries_than_are_read_at_once_are_all_told(home: AwsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "AT_ONCE", 2)
    journal, opened = home.journal(), []
    for number in range(5):
        place = PLACE._replace(group_id=f"sg-{number}")
        opened.append(entry(f"e{number}", number, place=place))
        journal.begin(journal.lock(place, "run-1", NOW, LEASE), opened[-1])
    assert journal.unfinished() == journal.entries() == [each.open for each in journal.locks(NOW)] == opened


@pytest.mark.parametrize(
    ("ask", "told"),
    [(lambda journal: journal.entries(), [done(entry())]), (lambda journal: journal.unfinished(), [])],
    ids=["entries", "unfinished"],
)
def test_what_ends_while_it_is_looked_for_is_told_as_ended(
    home: AwsHome, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Journal], list[Entry]], told: list[Entry]
) -> None:
    journal = DynamoJournal(home.sessions(), home.name, RealClock())
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    get_all = journal._table.get_all  # noqa: SLF001 - to stand between two of its calls

    def end_first(keys: Any) -> Any:  # noqa: ANN401  whatever it is asked
        home.journal().end(lock, done(entry()))
        return get_all(keys)

    monkeypatch.setattr(journal._table, "get_all", end_first)  # noqa: SLF001
    assert ask(journal) == told


def test_a_name_is_always_in_the_same_share_and_names_are_in_all_of_them() -> None:
    told = Counter(spread("lock", f"sg-{number}") for number in range(1_600))
    assert set(told) == set(shares("lock")) == {f"lock#{each:x}" for each in range(16)}
    assert max(told.values()) < 150
    assert spread("lock", "zoë") == spread("lock", "zoë") != spread("open", "zoë")


# What belongs together is written together


def consistent(home: AwsHome) -> None:
    """What stands in several items is the same in all of them."""
    items = scan(home)
    journal = home.journal()
    groups = {item["pk"]["S"].partition("#")[2] for item in items if item["pk"]["S"].startswith("entry#")}
    history = [each for group in groups for each in journal.entries(group)]
    opened = {str(each.place): each for each in history if each.state is EntryState.OPEN}
    ended = {item["sk"]["S"]: item["record"] for item in items if item["pk"]["S"] == "entry"}
    once = [item for item in items if item["pk"]["S"].startswith("entry#") and item["sk"]["S"] in ended]
    locks = {item["sk"]["S"]: item["open"]["S"] for item in items if "open" in item}
    pointers = {item["sk"]["S"]: item["entry"]["S"] for item in items if item["pk"]["S"] == "open"}
    assert pointers == locks
    assert {place: key.partition("#")[2] for place, key in locks.items()} == {p: e.id for p, e in opened.items()}
    assert [item["record"] for item in once] == [ended[item["sk"]["S"]] for item in once]
    assert len(history) == len(once) + len(opened)
    assert len(once) == len(ended)


@pytest.mark.parametrize("refusal", [FAILING, cancelled("None", "TransactionConflict"), cancelled("ThrottlingError")])
def test_what_was_not_written_whole_is_not_written(home: AwsHome, refusal: Refusal) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    steps: tuple[Callable[[], None], ...] = (
        lambda: journal.begin(lock, entry()),
        lambda: journal.end(lock, done(entry())),
    )
    for act in steps:
        before = scan(home)
        home.wire.refuse("TransactWriteItems", refusal, 99)
        with pytest.raises(StoreError):
            act()
        assert scan(home) == before
        consistent(home)
        home.wire.refusals.clear()
        act()
        consistent(home)
    assert journal.entries() == journal.entries("sg-1") == [done(entry())]


@pytest.mark.parametrize(
    "reason",
    ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "TransactionInProgressException"],
)
def test_a_write_that_others_are_in_the_way_of_is_asked_for_again_as_the_same_one(home: AwsHome, reason: str) -> None:
    read = reading(home)
    lock = read.journal.lock(PLACE, "run-1", NOW, LEASE)
    busy = Refusal(400, reason) if reason.endswith("Exception") else cancelled("None", reason, "None")
    home.wire.refuse("TransactWriteItems", busy, 2)
    read.journal.begin(lock, entry())
    assert home.wire.refusals == []
    assert len(set(read.tokens)) == 1
    read.journal.end(lock, done(entry()))
    assert len(set(read.tokens)) == 2
    assert read.journal.entries("sg-1") == [done(entry())]


def test_who_lost_the_lock_is_told_so_though_there_was_a_conflict_too(home: AwsHome) -> None:
    journal = home.journal()
    zombie = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.lock(PLACE, "run-2", LATER, LEASE)
    home.wire.calls.clear()
    home.wire.refuse("TransactWriteItems", cancelled("ConditionalCheckFailed", "TransactionConflict"))
    with pytest.raises(LockLostError):
        journal.begin(zombie, entry())
    assert home.wire.calls == {"TransactWriteItems": 1, "GetItem": 1}


def test_what_dynamodb_finds_wrong_is_not_asked_for_again(home: AwsHome) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    home.wire.calls.clear()
    home.wire.refuse("TransactWriteItems", cancelled("None", "ValidationError"))
    with pytest.raises(StoreError, match="TransactionCanceledException"):
        journal.begin(lock, entry())
    assert home.wire.calls == {"TransactWriteItems": 1}


def test_writers_at_once_leave_a_history_that_is_whole(home: AwsHome) -> None:
    journals = [home.journal() for _ in range(6)]

    def work(number: int) -> list[str]:
        made = []
        for step in range(4):
            place = (PLACE, OTHER)[(number + step) % 2]
            try:
                lock = journals[number].lock(place, f"run-{number}", NOW, LEASE)
            except GroupLockedError:
                continue
            mine = entry(f"e{number}-{step}", number, place=place)
            journals[number].begin(lock, mine)
            journals[number].end(lock, done(mine))
            made.append(mine.id)
        return made

    told = at_once(work, 6)
    made = sorted(name for each in told if isinstance(each, list) for name in each)
    assert [each for each in told if isinstance(each, Exception)] == []
    assert made
    assert sorted(each.id for each in home.journal().entries()) == made
    assert sorted(each.id for group in ("sg-1", "sg-2") for each in home.journal().entries(group)) == made
    consistent(home)


FAULTS = st.sampled_from([None, None, LOST, FAILING])
STEPS = st.lists(
    st.tuples(st.sampled_from(["lock", "begin", "end", "unlock", "wait"]), st.sampled_from([PLACE, OTHER]), FAULTS),
    max_size=14,
)


@dataclass
class Teller:
    """One run's steps on a journal, and what came of each."""

    journal: Journal
    locks: dict[Place, Lock] = field(default_factory=dict)
    begun: dict[Place, Entry] = field(default_factory=dict)
    made: int = 0

    def take(self, step: str, place: Place, now: datetime) -> str:
        try:
            self._take(step, place, now)
        except SgComplianceError as error:
            return type(error).__name__
        return "done"

    def _take(self, step: str, place: Place, now: datetime) -> None:
        if step == "lock":
            got = self.locks[place] = self.journal.lock(place, "run-1", now, LEASE)
            if got.open:
                self.begun[place] = got.open
        lock = self.locks.get(place)
        if not lock or step in {"lock", "wait"}:
            return
        if step == "unlock":
            self.journal.unlock(lock)
            return
        self.made += 1
        mine = self.begun.get(place) or entry(f"e{self.made}", self.made, place=place)
        if step == "begin":
            self.journal.begin(lock, mine)
            self.begun[place] = mine
        else:
            self.journal.end(lock, done(mine))
            self.begun.pop(place, None)

    def told(self, now: datetime) -> list[object]:
        asked = [self.journal.entries(group) for group in ("sg-1", "sg-2", "")]
        return [*asked, self.journal.unfinished(), self.journal.locks(now)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_done_and_lost_a_table_is_whole_and_tells_what_a_file_does(
    wire: Wire, steps: list[tuple[str, Place, Refusal | None]]
) -> None:
    home, now = AwsHome(wire), NOW
    with TemporaryDirectory() as folder, closing(SqliteJournal(Path(folder) / "state.sqlite")) as file:
        table, oracle = Teller(home.journal()), Teller(file)
        for step, place, fault in steps:
            now += LEASE if step == "wait" else timedelta(seconds=1)
            for action in ("UpdateItem", "TransactWriteItems") if fault else ():
                wire.refuse(action, fault or LOST)
            assert table.take(step, place, now) == oracle.take(step, place, now)
            wire.refusals.clear()
            consistent(home)
        assert table.told(now) == oracle.told(now)


# What is long


def long_rules(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """As the records of rules are: with descriptions as long as they can be, no two alike."""
    roll = random.Random(seed)  # noqa: S311 - the same each time
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*"
    return [
        {
            "direction": "ingress",
            "protocol": "tcp",
            "first": each,
            "last": each,
            "peer": {"kind": "cidr", "text": f"2001:db8:{roll.randrange(65536):x}::/48"},
            "description": "".join(roll.choices(letters, k=255)),
            "id": f"sgr-{roll.randrange(16**17):017x}",
            "tags": [],
        }
        for each in range(number)
    ]


def test_an_entry_with_a_thousand_long_rules_is_kept(home: AwsHome) -> None:
    large = entry("e1", wanted={"rules": long_rules(1_000), "tags": {}, "exact": False})
    assert len(str(large.wanted)) > 400_000
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, large)
    assert home.journal().unfinished() == home.journal().entries("sg-1") == [large]
    journal.end(lock, done(large))
    journal.end(lock, done(large))
    assert home.journal().entries(PLACE.group_id) == home.journal().entries() == [done(large)]
    assert {type(item["record"].get("B")) for item in scan(home) if "record" in item} == {bytes}
    assert max(len(str(item)) for item in scan(home) if "record" not in item) < 400


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 150), st.integers(0, 9), st.text(max_size=20))
def test_entries_of_any_length_come_back_as_they_were(wire: Wire, number: int, seed: int, text: str) -> None:
    home = AwsHome(wire)
    made = kept(home, entry("e1", wanted={"rules": long_rules(number, seed), "tags": {text: text}, "exact": True}))
    assert home.journal().entries("sg-1") == home.journal().entries() == [made]


def test_an_entry_that_no_item_can_hold_is_refused_before_anything_is_written(home: AwsHome) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    before = scan(home)
    long = entry("e1", wanted={"rules": long_rules(2_000)})
    home.wire.calls.clear()
    steps: tuple[Callable[[], None], ...] = (
        lambda: journal.begin(lock, long),
        lambda: journal.end(lock, done(long)),
    )
    for act in steps:
        with pytest.raises(StoreError, match=r"sg-1: what is to be written down has [\d,]+ bytes") as refused:
            act()
        assert "fewer rules at a time" in refused.value.hint
    assert home.wire.calls == {}
    assert scan(home) == before
    journal.begin(lock, entry("e1"))


def test_the_longest_that_is_packed_fits_with_all_that_stands_beside_it(home: AwsHome) -> None:
    rules = long_rules(1_500)
    longest = next(number for number in range(1_500, 0, -10) if fits(rules[:number]))
    made = kept(home, entry("e1", wanted={"rules": rules[:longest]}, run_id="r" * 200))
    assert home.journal().entries("sg-1") == [made]
    assert longest > 1_000


def fits(rules: list[dict[str, Any]]) -> bool:
    try:
        return bool(packed({"rules": [*rules, rules[0]]}, "here"))
    except StoreError:
        return False
