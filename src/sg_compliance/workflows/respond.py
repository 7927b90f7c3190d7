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
from sg_compliance.workflows.reacting import Reacting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.realtime.principals import Ours
    from sg_compliance.realtime.response import Response
    from sg_compliance.realtime.second_look import SecondLook
    from sg_compliance.workflows.case import Surroundings
    from sg_compliance.workflows.counting import Counting

_AHEAD: Final = timedelta(minutes=15)
"""An event from so far in the future was not written by AWS."""


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


class Responding:
    """Responds under one policy. `ours` tells our own changes from others'."""

    def __init__(self, world: Surroundings, evaluator: Evaluator, counting: Counting, ours: Ours) -> None:
        self._world = world
        self._reacting = Reacting(world, evaluator)
        self._counting = counting
        self._ours = ours

    def batch(self, received: Iterable[Received]) -> Batch:
        """The messages, read. Nothing is done before they are handled."""
        read = {each.id: _Known(each, self._read(each)) for each in received}
        return Batch(self._world, self._reacting, self._counting, read, self._ours)

    def _read(self, received: Received) -> _Read:
        try:
            return self._message(received)
        except RejectedEventError as error:
            return error

    def _message(self, received: Received) -> Message | Early:
        document = read_json(received.body)
        if not is_second_look(document):
            event = document if isinstance(document, dict) else {}
            return self._of_event(parse(document, self._ours), event, received)
        look = second_look_of(document)
        read = parse(dict(look.event), self._ours)
        if not isinstance(read, Change) or not self._may_touch(read, look.place):
            raise RejectedEventError("the second look's event is no change that can have touched the group")
        if look.left(self._world.clock.now()) > timedelta():
            return Early(look)
        first = min(look.received, received.received)
        touch = Touch(read, look.event, first, look.attempt, received.again)
        return Message(read, touch, look.place)

    def _may_touch(self, change: Change, place: Place) -> bool:
        """A prefix list is referred to from other accounts too."""
        own = place.account_id == change.account_id
        shared = bool(change.prefix_lists) and self._ours.answers_for(place.account_id)
        return place.region == change.region and (own or shared)

    def _of_event(self, read: Change | Skipped, event: Mapping[str, Any], received: Received) -> Message:
        if read.event_time - self._world.clock.now() > _AHEAD:
            raise RejectedEventError(f"the event is from the future: {read.event_time.isoformat()}")
        if isinstance(read, Skipped):
            return Message(read, None)
        return Message(read, Touch(read, event, received.received, again=received.again))


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
            return Handled(None, str(read))
        if isinstance(read, Early):
            self._world.later.look(read.look, read.look.left(self._world.clock.now()))
            return Handled(None, notes=("it came before its time, and waits on",))
        responses = [self._response(place) for place in self._touched(message_id)]
        if read.place is not None:
            return Handled(read.read, responses=tuple(responses))
        notes = self._counting.who(read.read)
        return Handled(read.read, responses=tuple(responses), verdicts=self._counting.count(read.read), notes=notes)

    def _touched(self, message_id: str) -> Sequence[Place]:
        """The places of the message; those of the others are found first, so that each group is looked at once."""
        if not self._places:
            self._places = {each: self._found(read) for each, (_, read) in self._messages.items()}
        found = self._places[message_id]
        if isinstance(found, SgComplianceError):
            raise found
        return found

    def _found(self, message: _Read) -> list[Place] | SgComplianceError:
        if not isinstance(message, Message) or not isinstance(message.read, Change):
            return []
        if message.place is not None:
            return [message.place]
        try:
            return self._places_of(message.read)
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
