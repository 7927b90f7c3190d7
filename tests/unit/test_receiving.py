"""Messages are taken, handled and settled: deleted, had again later, or given back; none is lost, none is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.errors import PolicyError, SgComplianceError, StoreError, UnforeseenError
from sg_compliance.interfaces import Message
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.response import Reaction
from sg_compliance.workflows.receiving import HIDDEN, Receiving, Taken
from sg_compliance.workflows.respond import Batch
from tests.builders import ACCOUNT, EVERYONE, REGION, tcp
from tests.response_world import TERMS, ResponseWorld, close_response_stores, make_response_world
from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from sg_compliance.realtime.response import Handled
    from sg_compliance.workflows.respond import Received, Responding

WEB = Place(ACCOUNT, REGION, "sg-0a1b2c3d")


@dataclass
class Box:
    """The Inbox socket: one batch after another, then nothing. What is refused fails once."""

    now: datetime
    batches: list[list[Message]] = field(default_factory=list)
    settled: list[tuple[str, object]] = field(default_factory=list)
    refused: dict[str, SgComplianceError] = field(default_factory=dict)
    reads: int = 0

    def put(self, *bodies: str, receives: int = 1) -> None:
        """A batch of these messages."""
        begun = sum(map(len, self.batches)) + len(self.settled)
        self.batches.append(
            [Message(f"m{begun + number}", body, self.now, receives, "r") for number, body in enumerate(bodies)]
        )

    def receive(self) -> list[Message]:
        self.reads += 1
        self._refuse("receive")
        return self.batches.pop(0) if self.batches else []

    def done(self, message: Message) -> None:
        self._refuse("done")
        self.settled.append((message.message_id, "done"))

    def again(self, message: Message, delay: timedelta) -> None:
        self._refuse(f"again {message.message_id}")
        self.settled.append((message.message_id, delay))

    def after(self, message_id: str) -> list[object]:
        """What was done with the message after it was hidden."""
        first, *then = [what for name, what in self.settled if name == message_id]
        assert first == HIDDEN
        return then

    def _refuse(self, what: str) -> None:
        if error := self.refused.pop(what, None):
            raise error


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ResponseWorld]:
    made = make_response_world(tmp_path)
    made.terms = replace(TERMS, dry_run=True)
    yield made
    close_response_stores()
    close_stores()


@pytest.fixture
def box(world: ResponseWorld) -> Box:
    return Box(world.world.clock.now())


def receiving(world: ResponseWorld, box: Box, stops: list[bool] | None = None) -> Receiving:
    """`stops`: what is answered, one after the other, to whether to stop; then no."""
    answers = stops or []
    return Receiving(
        inbox=box,
        responding=world.responding,
        clock=world.world.clock,
        stop=lambda: answers.pop(0) if answers else False,
        looks=world.later,
    )


def taken(world: ResponseWorld, box: Box, most: int | None = None) -> list[Taken]:
    return list(receiving(world, box).taken(once=True, most=most))


def test_what_was_handled_is_deleted(world: ResponseWorld, box: Box) -> None:
    box.put(world.open_ssh(WEB), "no json")
    first, second = taken(world, box)
    assert first.handled
    assert [each.reaction for each in first.handled.responses] == [Reaction.WOULD_CHANGE]
    assert second.handled
    assert "no JSON" in second.handled.rejected
    assert (box.after("m0"), box.after("m1")) == (["done"], ["done"])
    assert len(world.rejected.letters) == 1


def test_all_of_a_batch_is_hidden_before_any_of_it_is_handled(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two", "three")
    assert len(taken(world, box)) == 3
    assert [what for _, what in box.settled] == [HIDDEN] * 3 + ["done"] * 3


@pytest.mark.parametrize(("receives", "seconds"), [(1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (5_000, 900)])
def test_what_failed_comes_again_later_each_time(world: ResponseWorld, box: Box, receives: int, seconds: int) -> None:
    box.put(world.open_ssh(WEB), receives=receives)
    world.told.failure = StoreError("the topic cannot be reached")
    (ended,) = taken(world, box)
    assert (ended.handled, str(ended.error)) == (None, "the topic cannot be reached")
    assert box.after("m0") == [timedelta(seconds=seconds)]


def test_what_could_not_be_deleted_was_handled_and_says_that_it_comes_again(world: ResponseWorld, box: Box) -> None:
    box.put("poison")
    box.refused["done"] = StoreError("no answer")
    (ended,) = taken(world, box)
    assert ended.handled
    assert str(ended.error) == "no answer"


def test_what_cannot_be_hidden_is_left_to_others(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two")
    box.refused["again m0"] = StoreError("it is somebody else's by now")
    first, second = taken(world, box)
    assert (first.handled, str(first.error)) == (None, "it is somebody else's by now")
    assert second.handled
    assert [name for name, _ in box.settled] == ["m1", "m1"]


def test_a_stop_gives_back_what_was_not_come_to(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two", "three")
    ended = list(receiving(world, box, [False, False, True, True]).taken())
    assert [each.message_id for each in ended] == ["m0"]
    assert (box.after("m0"), box.after("m1"), box.after("m2")) == (["done"], [timedelta()], [timedelta()])


def test_whoever_stops_listening_gives_back_the_rest_too(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two")
    messages = receiving(world, box).taken()
    next(messages)
    messages.close()
    assert box.after("m1") == [timedelta()]


def test_no_more_than_asked_for_are_taken_over_batches(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two")
    box.put("three", "four")
    assert [each.message_id for each in taken(world, box, most=3)] == ["m0", "m1", "m2"]
    assert box.after("m3") == [timedelta()]
    box.put("five")
    assert len(taken(world, box, most=1)) == 1
    assert box.reads == 3


def test_once_goes_on_until_nothing_comes(world: ResponseWorld, box: Box) -> None:
    box.put("one")
    box.put("two")
    assert len(taken(world, box)) == 2
    assert box.reads == 3


def test_second_looks_come_when_they_are_due(world: ResponseWorld, box: Box) -> None:
    event = world.open_ssh(WEB)
    world.call("RevokeSecurityGroupIngress", {"GroupId": WEB.group_id, "IpPermissions": [tcp(22, EVERYONE)]})
    box.put(event)
    messages = receiving(world, box).taken()
    first = next(messages)
    assert first.handled
    assert first.handled.responses[0].look_again
    world.world.clock.sleep(3)
    second = next(messages)
    assert second.message_id == "look-1"
    assert second.handled
    assert second.handled.responses[0].place == WEB
    assert second.sent == first.handled.responses[0].look_again


def test_a_second_look_that_failed_comes_again(world: ResponseWorld, box: Box) -> None:
    event = world.open_ssh(WEB)
    world.call("RevokeSecurityGroupIngress", {"GroupId": WEB.group_id, "IpPermissions": [tcp(22, EVERYONE)]})
    world.told.failure = StoreError("the topic cannot be reached")
    box.put(event)
    messages = receiving(world, box).taken()
    assert next(messages).error
    world.told.failure = None
    box.put(event)
    assert next(messages).handled
    world.world.clock.sleep(3)
    broken, working = PolicyError("policy.json", []), world.responding()
    answers: list[PolicyError | Responding] = [broken, working]

    def responding() -> Responding:
        answer = answers.pop(0)
        if isinstance(answer, PolicyError):
            raise answer
        return answer

    again = replace(receiving(world, box), responding=responding).taken()
    failed = next(again)
    assert (failed.message_id, failed.handled, failed.error) == ("look-1", None, broken)
    world.world.clock.sleep(5)
    assert next(again).handled


def test_without_a_policy_every_message_comes_again(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two")

    def responding() -> Responding:
        raise PolicyError("policy.json", [])

    ended = list(replace(receiving(world, box), responding=responding).taken(once=True))
    assert [each.handled for each in ended] == [None, None]
    assert (box.after("m0"), box.after("m1")) == ([timedelta(seconds=5)], [timedelta(seconds=5)])


def test_a_queue_that_was_never_read_is_an_error(world: ResponseWorld, box: Box) -> None:
    box.refused["receive"] = StoreError("there is no such queue")
    with pytest.raises(StoreError, match="no such queue"):
        taken(world, box)


def test_a_queue_that_fails_later_is_told_of_and_asked_again(world: ResponseWorld, box: Box) -> None:
    box.put("one")
    messages = receiving(world, box).taken()
    assert next(messages).handled
    before = world.world.clock.now()
    box.refused["receive"] = StoreError("no answer")
    failed = next(messages)
    assert (failed.message_id, str(failed.error)) == ("", "no answer")
    assert world.world.clock.now() - before < timedelta(seconds=1)
    box.put("two")
    assert next(messages).handled
    assert (world.world.clock.now() - before).seconds == 2
    before = world.world.clock.now()
    box.refused["receive"] = StoreError("no answer")
    assert next(messages).error
    box.put("three")
    assert next(messages).handled
    assert (world.world.clock.now() - before).seconds == 2


def broken_after(world: ResponseWorld, box: Box, stop: Callable[[], bool] = lambda: False) -> Generator[Taken]:
    """A queue that fails for good once the first message was handled."""
    box.put("one")

    class Broken(dict[str, SgComplianceError]):
        def pop(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
            return StoreError("it was deleted") if key == "receive" and box.reads > 1 else default

    box.refused = Broken()
    return replace(receiving(world, box), stop=stop).taken()


def test_a_stop_is_heard_while_a_queue_that_fails_is_waited_for(world: ResponseWorld, box: Box) -> None:
    clock, asked = world.world.clock, [world.world.clock.now() + timedelta(days=1)]
    messages = broken_after(world, box, stop=lambda: clock.now() > asked[0])
    for _ in range(8):
        next(messages)
    asked[0] = clock.now() + timedelta(seconds=10)
    assert list(messages) == []
    assert clock.now() - asked[0] <= timedelta(seconds=2)


def test_the_pause_before_a_queue_that_fails_grows_to_a_minute(world: ResponseWorld, box: Box) -> None:
    messages = broken_after(world, box)
    ended = [next(messages).ended for _ in range(10)]
    pauses = [round((after - before).total_seconds()) for before, after in pairwise(ended)]
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]


def test_once_ends_where_the_queue_fails_later_and_says_why(world: ResponseWorld, box: Box) -> None:
    box.put("one")
    messages = receiving(world, box).taken(once=True)
    assert next(messages).handled
    box.refused["receive"] = StoreError("it was deleted")
    (failed,) = messages
    assert (failed.message_id, str(failed.error)) == ("", "it was deleted")
    assert box.reads == 2


def test_a_second_look_that_is_not_come_to_waits_on(world: ResponseWorld, box: Box) -> None:
    event = world.open_ssh(WEB)
    world.call("RevokeSecurityGroupIngress", {"GroupId": WEB.group_id, "IpPermissions": [tcp(22, EVERYONE)]})
    box.put(event)
    assert len(taken(world, box)) == 1
    world.world.clock.sleep(3)
    assert list(receiving(world, box, [False, True, True]).taken()) == []
    assert world.later.waiting() == 1
    assert [each.message_id for each in taken(world, box)] == ["look-1"]


def test_a_message_that_was_handed_out_before_says_so(world: ResponseWorld, box: Box) -> None:
    box.put("{}", receives=2)
    seen: list[Received] = []

    class Listening:
        """Hears what is to be handled."""

        def batch(self, received: Iterable[Received]) -> Batch:
            seen.extend(received)
            return world.responding().batch(seen)

    list(replace(receiving(world, box), responding=Listening).taken(once=True))  # type: ignore[arg-type]
    assert [(each.id, each.again) for each in seen] == [("m0", True)]


def test_what_nobody_foresaw_keeps_no_other_message_from_being_handled(world: ResponseWorld, box: Box) -> None:
    box.put("one", "two")

    class Failing:
        """Fails at the first message."""

        def batch(self, received: Iterable[Received]) -> Batch:
            batch, usual = world.responding().batch(received), Batch.handle

            def handle(message_id: str) -> Handled:
                if message_id == "m0":
                    raise OverflowError("\x1b[2J" + "x" * 999)
                return usual(batch, message_id)

            batch.handle = handle  # type: ignore[method-assign]
            return batch

    failed, handled = list(replace(receiving(world, box), responding=Failing).taken(once=True))  # type: ignore[arg-type]
    assert isinstance(failed.error, UnforeseenError)
    assert "OverflowError at test_receiving.py:" in str(failed.error)
    assert "\x1b" not in str(failed.error)
    assert len(str(failed.error)) < 500
    assert handled.handled
    assert (box.after("m0"), box.after("m1")) == ([timedelta(seconds=5)], ["done"])


def test_a_batch_that_nobody_foresaw_comes_again(world: ResponseWorld, box: Box) -> None:
    box.put("one")

    def responding() -> Responding:
        raise ZeroDivisionError

    (failed,) = list(replace(receiving(world, box), responding=responding).taken(once=True))
    assert isinstance(failed.error, UnforeseenError)
    assert box.after("m0") == [timedelta(seconds=5)]
