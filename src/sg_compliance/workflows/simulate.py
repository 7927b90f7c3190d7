"""Say what would happen if events came: as responding does, each at the time it happened, and nothing is changed.

Events are taken one after another, so that operations add up and people are told of a finding once. A group is as the
lookup shows it, with the rules that the event added even where they are not shown: files may be from before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sg_compliance.errors import AwsError, RejectedEventError, SgComplianceError
from sg_compliance.interfaces import Looked
from sg_compliance.policy.cadence import Cadence, cadence_of, is_told
from sg_compliance.realtime.cloudtrail import parse, read_json
from sg_compliance.realtime.expected import missing_rules, with_expected
from sg_compliance.realtime.record import Change
from sg_compliance.realtime.second_look import is_second_look, second_look_of
from sg_compliance.workflows.counting import Counting
from sg_compliance.workflows.reacting import Reacted
from sg_compliance.workflows.respond import Received, Responding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sg_compliance.enforcement.plan import NotPlanned, PlannedGroup
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Lookup, OperationWindows
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.security_group import Place
    from sg_compliance.realtime.principals import Ours
    from sg_compliance.realtime.response import Handled, Response
    from sg_compliance.workflows.case import Surroundings

_COMING: Final = timedelta(seconds=1)
"""So long after it happened an event is taken to come."""


class Overheard(Protocol):
    """A Notifier that tells nobody and keeps what it was to tell."""

    notices: list[Notice]

    def send(self, notice: Notice) -> None:
        """Keep it."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What would come of one event at the time `at`. `error`: it cannot be found out, and `handled` is None.

    `plans` are what would be done, or why nothing. `notices` people would be told at once; in `digests` is when they
    would be told of the rest. `supposed` are groups judged with rules that they do not show; `unseen` why a group
    could not be looked at.
    """

    at: datetime
    handled: Handled | None
    error: SgComplianceError | None = None
    plans: Mapping[Place, PlannedGroup | NotPlanned] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    digests: Mapping[Place, tuple[Cadence, ...]] = field(default_factory=dict)
    supposed: frozenset[Place] = frozenset()
    unseen: Mapping[Place, AwsError] = field(default_factory=dict)


class Simulating:
    """Simulates under one policy. `judging` makes what judges at a time, `now` is the time of who asks.

    Of `around` nothing is asked that changes anything: everything it holds is only read, or kept for a while.
    """

    def __init__(  # noqa: PLR0913  a world, and whom to ask about it
        self,
        around: Surroundings,
        windows: OperationWindows,
        overheard: Overheard,
        judging: Callable[[datetime], Evaluator],
        *,
        ours: Ours,
        now: datetime,
    ) -> None:
        stores, terms = replace(around.stores, notifier=overheard), replace(around.terms, dry_run=True)
        self._around = replace(around, stores=stores, terms=terms)
        self._windows = windows
        self._overheard = overheard
        self._judging = judging
        self._ours = ours
        self._now = now

    def simulate(self, body: str) -> Simulated:
        """What would come of the message."""
        at, change = self._read(body)
        lookup, before = _Supposing(self._around.lookup, change, at), len(self._overheard.notices)
        evaluator = self._judging(at)
        handled, error = self._handled(body, at, lookup, evaluator)
        responses = handled.responses if handled else ()
        return Simulated(
            at=at,
            handled=handled,
            error=error,
            plans={each.place: each.planned for each in responses if isinstance(each, Reacted) and each.planned},
            notices=tuple(self._overheard.notices[before:]),
            digests={each.place: self._digests(each, evaluator) for each in responses},
            supposed=frozenset(lookup.supposed),
            unseen=lookup.unseen,
        )

    def _read(self, body: str) -> tuple[datetime, Change | None]:
        """When the message would come, and the change that it tells of. What is from the future comes now."""
        try:
            document = read_json(body)
            if is_second_look(document):
                look = second_look_of(document)
                return look.due, None
            read = parse(document, self._ours)
        except RejectedEventError:
            return self._now, None
        at = min(read.event_time + _COMING, self._now)
        return at, read if isinstance(read, Change) else None

    def _handled(
        self, body: str, at: datetime, lookup: Lookup, evaluator: Evaluator
    ) -> tuple[Handled | None, SgComplianceError | None]:
        around = replace(self._around, lookup=lookup, clock=_Standing(at))
        counting = Counting(
            windows=self._windows,
            stores=around.stores,
            metrics=around.metrics,
            clock=around.clock,
            document=evaluator.policy.document,
            contacts=around.terms.contacts,
        )
        received = Received("event", body, at)
        batch = Responding(around, evaluator, counting, self._ours).batch([received])
        try:
            return batch.handle(received.id), None
        except SgComplianceError as error:
            return None, error

    def _digests(self, response: Response, evaluator: Evaluator) -> tuple[Cadence, ...]:
        """The digests that tell of what is not told at once, the soonest first."""
        if not response.findings or not is_told(response.place.account_id, evaluator.policy):
            return ()
        policies = evaluator.policy.document.policies()
        wanted = {cadence_of(each.severity, policies) for each in response.findings}
        return tuple(each for each in Cadence if each in wanted - {Cadence.AT_ONCE})


class _Standing:
    """The Clock socket, standing at one time."""

    def __init__(self, time: datetime) -> None:
        self._time = time

    def now(self) -> datetime:
        return self._time

    def sleep(self, seconds: float) -> None:
        """Nobody waits: nothing is asked of AWS twice."""


class _Supposing:
    """The Lookup socket, where groups have the rules that a change just added."""

    def __init__(self, lookup: Lookup, change: Change | None, now: datetime) -> None:
        self._lookup = lookup
        self._change = change
        self._now = now
        self.supposed: set[Place] = set()
        self.unseen: dict[Place, AwsError] = {}

    def group(self, place: Place) -> Looked:
        try:
            group, lists = self._lookup.group(place)
        except AwsError as error:
            self.unseen[place] = error
            raise
        missing = missing_rules(group, [self._change], self._now) if self._change else ()
        if missing:
            self.supposed.add(place)
        return Looked(with_expected(group, missing), lists)

    def named(self, account_id: str, region: str, names: Iterable[str]) -> list[Place]:
        return self._lookup.named(account_id, region, names)

    def referring(self, account_id: str, region: str, prefix_lists: Iterable[str]) -> list[Place]:
        return self._lookup.referring(account_id, region, prefix_lists)
