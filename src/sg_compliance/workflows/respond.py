"""Respond to messages: CloudTrail events, and second looks at groups. One message is one event, a batch is many.

The groups that the messages of a batch touch are looked at once each, however many events tell of them. A message that
can never be handled is put with the dead letters and is done with; one that failed for a reason that passes raises, and
comes again. What an event made known is kept by what it changed, so handling it twice is handling it once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sg_compliance.errors import RejectedEventError, SgComplianceError
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.cloudtrail import parse, read_json
from sg_compliance.realtime.record import Change, Skipped
from sg_compliance.realtime.response import Handled
from sg_compliance.realtime.second_look import is_second_look, second_look_of
from sg_compliance.realtime.touch import Touch
from sg_compliance.workflows.counting import Counting
from sg_compliance.workflows.reacting import Reacting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import OperationWindows
    from sg_compliance.realtime.principals import Ours
    from sg_compliance.realtime.response import Response
    from sg_compliance.realtime.second_look import SecondLook
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.case import Surroundings
    from sg_compliance.workflows.counting import Containing

_MOST_PLACES: Final = 20
_AHEAD: Final = timedelta(minutes=15)
"""An event from so far in the future was not written by AWS."""
_OLDEST: Final = timedelta(days=90)
"""What is older is history: CloudTrail itself shows no more (CloudTrail user guide, event history)."""


class Received(NamedTuple):
    """A message. `received` is when it was sent to the queue; `again`: it was handed out before."""

    id: str
    body: str
    received: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read. `place`: only this group is to be looked at, and calls are not counted again."""

    read: Change | Skipped
    touch: Touch | None
    place: Place | None = None

    @property
    def event_id(self) -> str:
        """Names what it is to handle: the event, or one look at one group after it."""
        attempt = f"#{self.touch.attempt}#{self.place.group_id}" if self.touch and self.place else ""
        return f"{self.read.account_id}/{self.read.region}/{self.read.event_id}{attempt}"


class Early(NamedTuple):
    """A second look that came before its time: it goes on waiting."""

    look: SecondLook


_Read: TypeAlias = Message | Early | RejectedEventError


class _Known(NamedTuple):
    """A message, and what was read in it."""

    received: Received
    read: _Read


def _change(read: Change | Skipped) -> Change | None:
    """What was changed, by whomever."""
    return read if isinstance(read, Change) else read.change


class Responding:
    """Responds under one policy. `ours` tells our own changes from others'."""

    def __init__(self, world: Surroundings, evaluator: Evaluator, counting: Counting, ours: Ours) -> None:
        self._world = world
        self._reacting = Reacting(world, evaluator)
        self._counting = counting
        self._ours = ours

    def batch(self, received: Iterable[Received], *, events: bool = True, looks: bool = True) -> Batch:
        """The messages, read. Nothing is done before they are handled.

        `events`, `looks`: which of the two may come here. What may not is rejected: who can write to the queue of
        second looks alone cannot make up events.
        """
        read = {each.id: _Known(each, self._read(each, events=events, looks=looks)) for each in received}
        return Batch(self._world, self._reacting, self._counting, read, self._ours)

    def _read(self, received: Received, *, events: bool, looks: bool) -> _Read:
        try:
            return self._message(received, events=events, looks=looks)
        except RejectedEventError as error:
            return error

    def _message(self, received: Received, *, events: bool, looks: bool) -> Message | Early:
        document = read_json(received.body)
        if not (looks if is_second_look(document) else events):
            kind = "an event" if looks else "a second look"
            raise RejectedEventError(f"{kind} does not belong in this queue")
        if not is_second_look(document):
            event = document if isinstance(document, dict) else {}
            return self._of_event(parse(document, self._ours), event, received)
        look = second_look_of(document)
        read = parse(dict(look.event), self._ours)
        change = _change(read)
        if change is None or not self._may_touch(change, look.place):
            raise RejectedEventError("the second look's event is no change that can have touched the group")
        if look.left(self._world.clock.now()) > timedelta():
            return Early(look)
        first = min(look.received, received.received)
        return Message(read, Touch(change, look.event, first, look.attempt, received.again), look.place)

    def _may_touch(self, change: Change, place: Place) -> bool:
        """Whether the change can have touched the group. A prefix list is referred to from other accounts too."""
        shared = bool(change.prefix_lists) and self._ours.answers_for(place.account_id)
        named = place.group_id in change.groups or bool(change.group_names)
        return place.region == change.region and (shared or (named and place.account_id == change.account_id))

    def _of_event(self, read: Change | Skipped, event: Mapping[str, Any], received: Received) -> Message:
        age = self._world.clock.now() - read.event_time
        if age < -_AHEAD:
            raise RejectedEventError(f"the event is from the future: {read.event_time.isoformat()}")
        if age > _OLDEST:
            raise RejectedEventError(f"the event is too old: {read.event_time.isoformat()}")
        change = _change(read)
        touch = Touch(change, event, received.received, again=received.again) if change else None
        return Message(read, touch)


def responding(
    around: Surroundings,
    windows: OperationWindows,
    evaluator: Evaluator,
    ours: Ours,
    containing: Containing | None = None,
) -> Responding:
    """What responds in this world, under the evaluator's policy."""
    counting = Counting(
        windows=windows,
        stores=around.stores,
        metrics=around.metrics,
        clock=around.clock,
        document=evaluator.policy.document,
        contacts=around.terms.contacts,
        containing=containing,
    )
    return Responding(around, evaluator, counting, ours)


class Batch:
    """Some messages, by id. Handle each once, in any order. Not for several threads."""

    def __init__(
        self,
        world: Surroundings,
        reacting: Reacting,
        counting: Counting,
        messages: Mapping[str, _Known],
        ours: Ours,
    ) -> None:
        self._ours = ours
        self._world = world
        self._reacting = reacting
        self._counting = counting
        self._messages = messages
        self._places: dict[str, list[Place] | SgComplianceError] = {}
        self._responses: dict[Place, Response | SgComplianceError] = {}

    def key(self, message_id: str) -> str:
        """What the message is about, the same for every copy of it; the id of the message where it cannot be read."""
        read = self._messages[message_id][1]
        return read.event_id if isinstance(read, Message) else message_id

    def handle(self, message_id: str) -> Handled:
        """Do what the message asks for. Raises SgComplianceError where it must come again."""
        received, read = self._messages[message_id]
        if isinstance(read, RejectedEventError):
            self._world.dead_letters.put(received.body, str(read))
            self._world.metrics.put(Metric(MetricName.EVENTS_REJECTED))
            return Handled(None, str(read), next_step=read.hint)
        if isinstance(read, Early):
            self._world.later.look(read.look, read.look.left(self._world.clock.now()))
            return Handled(None, notes=("it came before its time, and waits on",), attempt=read.look.attempt)
        responses, failed = self._responded(message_id, read)
        verdicts: tuple[Verdict, ...] = ()
        notes: tuple[str, ...] = ()
        if read.place is None:
            try:
                verdicts = self._counting.count(read.read)
            except SgComplianceError as error:
                failed = failed or error
            notes = self._counting.who(read.read)
        if failed:
            raise failed
        attempt = read.touch.attempt if read.touch else 0
        return Handled(read.read, responses=tuple(responses), verdicts=verdicts, notes=notes, attempt=attempt)

    def _responded(self, message_id: str, message: Message) -> tuple[list[Response], SgComplianceError | None]:
        """What was done at each place, and the first that failed: one that fails keeps nobody from the others.

        Where not even the places can be found, that is what failed. Of very many places most get a look of their own,
        so that each is met in time.
        """
        try:
            places = self._touched(message_id)
        except SgComplianceError as error:
            return [], error
        now, touch = self._world.clock.now(), message.touch
        responses: list[Response] = []
        failed: SgComplianceError | None = None
        for place in places[:_MOST_PLACES]:
            try:
                responses.append(self._response(place))
            except SgComplianceError as error:
                failed = failed or error
        for place in places[_MOST_PLACES:]:
            look = touch.look(place, now) if touch else None
            if look:
                self._world.later.look(look, timedelta())
        return responses, failed

    def _touched(self, message_id: str) -> Sequence[Place]:
        """The places of the message; those of the others are found first, so that each group is looked at once."""
        if not self._places:
            self._places = {each: self._found(read) for each, (_, read) in self._messages.items()}
        found = self._places[message_id]
        if isinstance(found, SgComplianceError):
            raise found
        return found

    def _found(self, message: _Read) -> list[Place] | SgComplianceError:
        """Where to look because of a message. What was done in our name, and not by us, is looked at too."""
        if not isinstance(message, Message) or message.touch is None:
            return []
        if message.place is not None:
            return [message.place]
        try:
            ours = isinstance(message.read, Skipped) and self._counting.vouches(message.read)
            return [] if ours else self._places_of(message.touch.change)
        except SgComplianceError as error:
            return error

    def _places_of(self, change: Change) -> list[Place]:
        """Where to look. A name may stand for groups in several VPCs: all of them are looked at."""
        where, lookup = (change.account_id, change.region), self._world.lookup
        places = [Place(*where, group_id) for group_id in change.groups]
        if change.group_names:
            places += lookup.named(*where, change.group_names)
        if change.prefix_lists:
            places += lookup.referring(*where, change.prefix_lists)
        return [each for each in dict.fromkeys(places) if self._ours.answers_for(each.account_id)]

    def _response(self, place: Place) -> Response:
        if place not in self._responses:
            try:
                self._responses[place] = self._reacting.react(place, self._touches(place))
            except SgComplianceError as error:
                self._responses[place] = error
        found = self._responses[place]
        if isinstance(found, SgComplianceError):
            raise found
        return found

    def _touches(self, place: Place) -> list[Touch]:
        """Everything in the batch that touched the group."""
        by_place: dict[Place, list[Touch]] = defaultdict(list)
        for message_id, (_, message) in self._messages.items():
            found = self._places.get(message_id, [])
            if isinstance(message, Message) and message.touch and not isinstance(found, SgComplianceError):
                for each in found:
                    by_place[each].append(message.touch)
        return by_place[place]
