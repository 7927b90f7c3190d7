"""Take messages from a queue, batch by batch, have them responded to, and settle them, until there is reason to stop.

A message that was handled is deleted. One that failed, however unforeseen, comes again after a while that grows each
time; how often, and where it goes then, is the queue's own affair. Whatever was taken and not come to is given back at
once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import PurePath
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from sg_compliance.errors import SgComplianceError, UnforeseenError
from sg_compliance.interfaces import Message
from sg_compliance.model.visible import visible
from sg_compliance.workflows.respond import Received

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from datetime import datetime

    from sg_compliance.interfaces import Clock, Inbox
    from sg_compliance.realtime.response import Handled
    from sg_compliance.realtime.second_look import SecondLook
    from sg_compliance.workflows.respond import Batch, Responding

HIDDEN: Final = timedelta(minutes=5)
"""How long the messages of a batch are kept from others. A process that is killed holds them up for so long."""

_FIRST_DELAY: Final = timedelta(seconds=5)
_LONGEST_DELAY: Final = timedelta(minutes=15)
_LONGEST_PAUSE: Final = 60.0
_HEARD_WITHIN: Final = 1.0
"""Seconds until a stop is heard while nothing is done."""
_LONGEST_ERROR: Final = 300


class Looks(Protocol):
    """Second looks that are kept here until they are due."""

    def look(self, look: SecondLook, delay: timedelta) -> None:
        """Keep it until the delay has passed."""

    def come(self) -> list[SecondLook]:
        """Those that are due; they are not kept any longer."""


class Taken(NamedTuple):
    """What came of a message. `error` says why it comes again; `handled` is None where nothing came of it.

    `message_id` is empty where no message but the queue itself failed. `sent` is when it was sent, or was due.
    """

    message_id: str
    sent: datetime
    ended: datetime
    handled: Handled | None = None
    error: SgComplianceError | None = None


class _Waiting(NamedTuple):
    """A message of the batch: it came from the queue, or is a second look."""

    received: Received
    source: Message | SecondLook


@dataclass(slots=True)
class Receiving:
    """`responding` makes what responds, anew for each batch. `looks`: second looks that are kept in this process."""

    inbox: Inbox
    responding: Callable[[], Responding]
    clock: Clock
    stop: Callable[[], bool]
    looks: Looks | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _failures: int = 0
    _reached: bool = False

    def taken(self, *, once: bool = False, most: int | None = None) -> Generator[Taken]:
        """Every message as it is done with. `once`: until the queue is empty; `most`: so many messages, then no more.

        A queue that fails later on is told of and asked again; with `once` that is the end. Raises SgComplianceError
        where the queue cannot be read at all.
        """
        left = most
        while not self.stop() and left != 0:
            waiting, failure = self._next()
            if failure:
                yield Taken("", self.clock.now(), self.clock.now(), error=failure)
            elif once and not waiting:
                return
            for each in self._settled(waiting, left):
                left = left - 1 if left is not None else None
                yield each
            if failure and once:
                return
            self._pause()

    def _next(self) -> tuple[list[_Waiting], SgComplianceError | None]:
        """What is due and what has come; or why the queue cannot be read any more."""
        waiting = [self._due(look) for look in self.looks.come()] if self.looks else []
        try:
            waiting += [_come(message) for message in self.inbox.receive()]
        except SgComplianceError as error:
            if not self._reached:
                raise
            self._failures += 1
            return waiting, error
        self._reached, self._failures = True, 0
        return waiting, None

    def _pause(self) -> None:
        """Wait before a queue that failed is asked again: longer each time. A stop is heard meanwhile."""
        left = min(2.0**self._failures, _LONGEST_PAUSE) if self._failures else 0.0
        while left > 0 and not self.stop():
            self.clock.sleep(min(left, _HEARD_WITHIN))
            left -= _HEARD_WITHIN

    def _due(self, look: SecondLook) -> _Waiting:
        return _Waiting(Received(f"look-{next(self._numbers)}", look.encode(), look.due), look)

    def _settled(self, waiting: Sequence[_Waiting], most: int | None) -> Iterator[Taken]:
        """Handle and settle the messages, as far as that goes; the others are given back."""
        kept = []
        for each in waiting:
            failure = self._kept_from_others(each)
            if failure:
                yield self._ended(each, error=failure)
            else:
                kept.append(each)
        if not kept:
            return
        try:
            batch = self.responding().batch([each.received for each in kept])
        except Exception as error:  # noqa: BLE001 - told of, and the messages come again
            for each in kept:
                yield self._failed(each, _known(error))
            return
        yield from self._in_batch(batch, kept, most)

    def _in_batch(self, batch: Batch, kept: Sequence[_Waiting], most: int | None) -> Iterator[Taken]:
        left = list(kept)
        try:
            while left and not self.stop() and (most is None or len(kept) - len(left) < most):
                yield self._one(batch, left.pop(0))
        finally:
            for each in left:
                self._given_back(each)

    def _one(self, batch: Batch, each: _Waiting) -> Taken:
        try:
            handled = batch.handle(each.received.id)
        except Exception as error:  # noqa: BLE001 - told of, and the message comes again; the others must not wait
            return self._failed(each, _known(error))
        try:
            if isinstance(each.source, Message):
                self.inbox.done(each.source)
        except SgComplianceError as error:
            return self._ended(each, handled, error)
        return self._ended(each, handled)

    def _failed(self, each: _Waiting, error: SgComplianceError) -> Taken:
        """Have it come again later. Where that fails it comes once its time is over."""
        with suppress(SgComplianceError):
            if isinstance(each.source, Message):
                self.inbox.again(each.source, _delay(each.source.receives))
            elif self.looks:
                self.looks.look(each.source, _FIRST_DELAY)
        return self._ended(each, error=error)

    def _given_back(self, each: _Waiting) -> None:
        """Whoever comes next may have it at once. Where that fails it comes once its time is over."""
        with suppress(SgComplianceError):
            if isinstance(each.source, Message):
                self.inbox.again(each.source, timedelta())
            elif self.looks:
                self.looks.look(each.source, timedelta())

    def _kept_from_others(self, each: _Waiting) -> SgComplianceError | None:
        """See to it that nobody else takes it meanwhile. Why not, where that fails: it is left to whoever does."""
        try:
            if isinstance(each.source, Message):
                self.inbox.again(each.source, HIDDEN)
        except SgComplianceError as error:
            return error
        return None

    def _ended(self, each: _Waiting, handled: Handled | None = None, error: SgComplianceError | None = None) -> Taken:
        return Taken(each.received.id, each.received.received, self.clock.now(), handled, error)


def _known(error: Exception) -> SgComplianceError:
    """The error in the words of this tool; one that nobody foresaw with the place that it came from."""
    if isinstance(error, SgComplianceError):
        return error
    *_, last = walk_tb(error.__traceback__)
    place = f"{PurePath(last[0].f_code.co_filename).name}:{last[1]}"
    said = visible(f"{type(error).__name__} at {place}: {error}"[:_LONGEST_ERROR])
    return UnforeseenError(
        f"the message could not be handled, which nobody foresaw: {said}",
        hint="it comes again; keep the message, and report this",
    )


def _come(message: Message) -> _Waiting:
    return _Waiting(Received(message.message_id, message.body, message.sent, again=message.receives > 1), message)


def _delay(receives: int) -> timedelta:
    """5 s after the first time, then twice as long each time, 15 minutes at most."""
    return min(_FIRST_DELAY * (1 << min(max(receives - 1, 0), 10)), _LONGEST_DELAY)
