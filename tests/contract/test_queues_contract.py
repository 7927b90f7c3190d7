"""Second looks, dead letters and an inbox: in SQS as moto plays it, and at home."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from sg_compliance.aws.session import Sessions
from sg_compliance.aws.sqs import LONGEST_DELAY, SqsDeadLetters, SqsInbox, SqsLater, letter
from sg_compliance.errors import StoreError
from sg_compliance.local.dead_letters import FileDeadLetters
from sg_compliance.local.later import MemoryLater
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.second_look import SecondLook, second_look_of
from tests.builders import NOW
from tests.contract.store_homes import Refusal, aws_on_loopback
from tests.world import MovableClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.interfaces import DeadLetters, Later

REGION = "eu-west-1"
PLACE = Place("111122223333", REGION, "sg-0a1b2c3d4e5f60718")
HOSTILE = "a\x00b\x1b[2J\nERROR\r\ud800\ufffe\u2028\U0001f600"


def look(attempt: int = 1, due: datetime = NOW) -> SecondLook:
    return SecondLook(PLACE, NOW, due, attempt, {"detail": {"userAgent": HOSTILE}})


class Queue:
    """A queue in moto."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("sqs", region_name=REGION)
        self.url = self.client.create_queue(QueueName="queue")["QueueUrl"]
        self.sessions = Sessions()

    def messages(self) -> list[dict[str, Any]]:
        names = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        found = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, **names).get("Messages", [])
        return list(found)

    def inbox(self) -> SqsInbox:
        return SqsInbox(self.sessions, self.url, wait_seconds=0)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # the queue says where it is
    with mock_aws():
        yield Queue()


class LaterHome:
    """What holds second looks, and what comes of them."""

    def __init__(self, queue: Queue | None) -> None:
        self.queue, self.clock = queue, MovableClock()
        self.memory = MemoryLater(self.clock)
        self.later: Later = SqsLater(queue.sessions, queue.url) if queue else self.memory

    def come(self) -> list[SecondLook]:
        if self.queue is None:
            return self.memory.come()
        return [second_look_of(json.loads(each["Body"])) for each in self.queue.messages()]


class LettersHome:
    """What holds dead letters: their bodies and reasons."""

    def __init__(self, queue: Queue | None, path: Path) -> None:
        self.queue, self.path = queue, path
        self.letters: DeadLetters = (
            SqsDeadLetters(queue.sessions, queue.url) if queue else FileDeadLetters(path, MovableClock())
        )

    def kept(self) -> list[tuple[str, str]]:
        if self.queue is None:
            lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
            return [(line["body"], line["reason"]) for line in lines]
        found = self.queue.messages()
        return [(each["Body"], each["MessageAttributes"]["reason"]["StringValue"]) for each in found]


@pytest.fixture(params=["local", "aws"])
def later_home(request: pytest.FixtureRequest) -> LaterHome:
    return LaterHome(request.getfixturevalue("queue") if request.param == "aws" else None)


@pytest.fixture(params=["local", "aws"])
def letters_home(request: pytest.FixtureRequest, tmp_path: Path) -> LettersHome:
    queue = request.getfixturevalue("queue") if request.param == "aws" else None
    return LettersHome(queue, tmp_path / "dead" / "letters.jsonl")


# What holds for both


def test_a_second_look_comes_back_as_it_was(later_home: LaterHome) -> None:
    later_home.later.look(look(3), timedelta())
    assert later_home.come() == [look(3)]


def test_nothing_comes_before_its_delay(later_home: LaterHome) -> None:
    later_home.later.look(look(), timedelta(seconds=30))
    assert later_home.come() == []


def test_a_delay_that_is_over_is_none(later_home: LaterHome) -> None:
    later_home.later.look(look(), timedelta(seconds=-5))
    assert later_home.come() == [look()]


def test_a_dead_letter_is_kept_with_its_reason(letters_home: LettersHome) -> None:
    letters_home.letters.put('{"a": "\\n"}', "it is no event")
    letters_home.letters.put("{}", "nor is this")
    assert sorted(letters_home.kept()) == sorted([('{"a": "\\n"}', "it is no event"), ("{}", "nor is this")])


def test_it_can_be_seen_that_letters_could_be_put_and_nothing_is_left_of_it(letters_home: LettersHome) -> None:
    letters_home.letters.check()  # type: ignore[attr-defined]  # no part of the socket
    letters_home.letters.put("{}", "x")
    letters_home.letters.check()  # type: ignore[attr-defined]
    assert letters_home.kept() == [("{}", "x")]
    assert [each.name for each in letters_home.path.parent.glob("*")] in ([], ["letters.jsonl"])


@pytest.mark.parametrize("kind", [SqsLater, SqsDeadLetters])
def test_a_queue_that_is_not_there_is_found_out_before(queue: Queue, kind: type[SqsLater | SqsDeadLetters]) -> None:
    kind(queue.sessions, queue.url).check()
    with pytest.raises(StoreError, match="sqs:GetQueueAttributes") as caught:
        kind(queue.sessions, f"{queue.url}-misspelt").check()
    assert "check the URL" in caught.value.hint


@pytest.mark.parametrize(("code", "believed"), [("AccessDenied", True), ("InternalError", False)])
def test_who_may_not_ask_for_a_queue_is_believed(code: str, believed: bool) -> None:
    with aws_on_loopback() as wire:
        wire.refuse("GetQueueAttributes", Refusal(400, code), 9)
        letters = SqsDeadLetters(wire.sessions(), f"{wire.url}/123456789012/queue")
        with nullcontext() if believed else pytest.raises(StoreError, match=code):
            letters.check()
        assert wire.calls["GetQueueAttributes"]


@pytest.mark.parametrize("place", ["file/letters.jsonl", "folder"])
def test_a_place_where_no_file_can_be_is_found_out_before(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="dead letters cannot be written"):
        FileDeadLetters(tmp_path / place, MovableClock()).check()


def test_a_reason_is_one_line_and_not_endless(letters_home: LettersHome) -> None:
    letters_home.letters.put("{}", HOSTILE + "x" * 5_000)
    ((_, reason),) = letters_home.kept()
    assert len(reason) <= 1_000
    assert len(reason.splitlines()) == 1
    assert "\x1b" not in reason


def test_without_a_reason_it_is_kept_all_the_same(letters_home: LettersHome) -> None:
    letters_home.letters.put("{}", "")
    assert letters_home.kept() == [("{}", "no reason was given")]


def test_any_text_can_be_a_dead_letter(letters_home: LettersHome) -> None:
    for body in ("", HOSTILE, "\x00" * 10, "ä" * 1_000):
        letters_home.letters.put(body, HOSTILE)
    assert len(letters_home.kept()) == 4


# In memory


def test_looks_come_in_the_order_of_their_times_and_once() -> None:
    clock = MovableClock()
    later = MemoryLater(clock)
    for attempt, seconds in ((1, 30), (2, 10), (3, 10)):
        later.look(look(attempt), timedelta(seconds=seconds))
    assert later.next_at() is not None
    clock.sleep(15)
    assert [each.attempt for each in later.come()] == [2, 3]
    assert later.come() == []
    clock.sleep(15)
    assert [each.attempt for each in later.come()] == [1]
    assert later.next_at() is None


class StoppedClock(MovableClock):
    """It stands still."""

    def now(self) -> datetime:
        return self.time


def test_a_look_comes_at_its_time_and_not_a_moment_later() -> None:
    clock = StoppedClock()
    later = MemoryLater(clock)
    later.look(look(), timedelta(seconds=30))
    clock.sleep(29.999)
    assert later.come() == []
    clock.sleep(0.001)
    assert later.come() == [look()]


# In SQS


def test_a_long_wait_is_the_longest_that_sqs_has_and_a_part_of_a_second_is_a_whole_one(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[int] = []
    later = SqsLater(queue.sessions, queue.url)
    monkeypatch.setattr(later._queue, "send", lambda _, **others: delays.append(others["DelaySeconds"]))  # noqa: SLF001
    for delay in (timedelta(hours=2), LONGEST_DELAY, timedelta(milliseconds=1), timedelta(seconds=2), timedelta(0)):
        later.look(look(), delay)
    assert delays == [900, 900, 1, 2, 0]


def test_a_letter_that_is_too_long_is_cut_and_says_so(queue: Queue) -> None:
    SqsDeadLetters(queue.sessions, queue.url).put("ä" * 1_000_000, "too long")
    (message,) = queue.messages()
    assert len(message["Body"].encode()) <= 262_144 - 2_048
    assert message["Body"].endswith("[cut off: it was longer than a dead letter can be]")


def test_a_letter_that_just_fits_is_whole() -> None:
    most = 262_144 - 2_048
    assert letter("x" * most) == "x" * most
    assert len(letter("x" * (most + 1)).encode()) <= most
    assert letter("a\x00b") == "a\ufffdb"


def test_what_is_done_never_comes_again_and_what_failed_does(queue: Queue) -> None:
    inbox = queue.inbox()
    before = datetime.now(UTC) - timedelta(seconds=5)
    for body in ("one", "two"):
        queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    messages = {each.body: each for each in inbox.receive()}
    assert {each.receives for each in messages.values()} == {1}
    assert all(before < each.sent < datetime.now(UTC) + timedelta(seconds=5) for each in messages.values())
    inbox.done(messages["one"])
    assert inbox.receive() == []
    inbox.again(messages["two"], timedelta())
    (again,) = inbox.receive()
    assert (again.body, again.receives, again.message_id) == ("two", 2, messages["two"].message_id)
    inbox.again(again, timedelta(hours=1))
    assert inbox.receive() == []


def test_no_more_than_ten_come_at_once(queue: Queue) -> None:
    for number in range(12):
        queue.client.send_message(QueueUrl=queue.url, MessageBody=str(number))
    inbox = queue.inbox()
    assert [len(inbox.receive()), len(inbox.receive()), len(inbox.receive())] == [10, 2, 0]


def test_a_queue_that_is_not_there_is_named_with_a_next_step(queue: Queue) -> None:
    url = queue.url.replace("queue", "nowhere")
    with pytest.raises(StoreError, match=r"nowhere.*sqs:SendMessage") as caught:
        SqsLater(queue.sessions, url).look(look(), timedelta())
    assert "URL" in caught.value.hint
    with pytest.raises(StoreError, match="sqs:ReceiveMessage"):
        SqsInbox(queue.sessions, url, 0).receive()
