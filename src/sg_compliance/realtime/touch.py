"""A change that a message tells of, with what the message says beside it; and when a group is looked at once more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.model.security_group import identity
from sg_compliance.realtime.expected import added_rules, is_vague
from sg_compliance.realtime.record import ChangeKind
from sg_compliance.realtime.second_look import MOST_ATTEMPTS, SecondLook

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import Place, SecurityGroup
    from sg_compliance.realtime.record import Change
    from sg_compliance.realtime.second_look import Event

_FIRST_DELAY: Final = timedelta(seconds=2)
_LONGEST_DELAY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Touch:
    """`received` is when the event came first, `attempt` how often it was looked at before.

    `again`: the message was handed out before, and whoever had it then may have died over it.
    """

    change: Change
    event: Event
    received: datetime
    attempt: int = 0
    again: bool = False

    @property
    def is_creation(self) -> bool:
        """Whether the group was made by it."""
        return self.change.kind is ChangeKind.CREATED

    def next_delay(self) -> timedelta:
        """How long to wait before the next look: 2 s, then twice as long each time, a minute at most."""
        return min(_FIRST_DELAY * (1 << min(self.attempt, 10)), _LONGEST_DELAY)

    def look(self, place: Place, due: datetime) -> SecondLook | None:
        """The next look; None where there were too many."""
        attempt = self.attempt + 1
        return SecondLook(place, self.received, due, attempt, self.event) if attempt <= MOST_ATTEMPTS else None


def newest(touches: Iterable[Touch]) -> Touch:
    """The touch whose change was made last; of several in one second, the one that came last."""
    return max(touches, key=lambda each: (each.change.event_time, each.received, each.change.event_id))


def telling(touches: Iterable[Touch]) -> list[Touch]:
    """The touches that tell of something that may be open, each event once; where none does, the newest."""
    once = {each.change.event_id: each for each in touches}
    found = [each for each in once.values() if _opens(each.change)]
    return found or [newest(once.values())]


def _opens(change: Change) -> bool:
    added = change.rules_added or change.rules_modified or change.entries_added
    return bool(added) or is_vague(change) or change.kind is ChangeKind.CREATED


def has_time(touches: Iterable[Touch], now: datetime, look_again_for: timedelta) -> bool:
    """Whether AWS may still be lagging: no longer than so long after the last event came."""
    return now - max(each.received for each in touches) < look_again_for


def cause_of(touches: Sequence[Touch], findings: Iterable[Finding], group: SecurityGroup) -> Touch:
    """The newest touch that added a rule which is evidence; where none did, the newest that added any; or of all."""
    evidence = frozenset(identity(rule) for finding in findings for rule in finding.evidence)
    adding = [each for each in touches if added_rules([each.change], group)]
    guilty = [each for each in adding if not evidence.isdisjoint(added_rules([each.change], group))]
    return newest(guilty or adding or touches)
