"""Watch who calls: count operations in sliding windows, and tell who acts as if they were this tool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sg_compliance.model.journal import EntryState
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.realtime.alerts import suspicion, too_many
from sg_compliance.realtime.mass_operations import Operation, limits_of, take
from sg_compliance.realtime.record import Change, Skipped, SkipReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.interfaces import Clock, Metrics, OperationWindows
    from sg_compliance.model.journal import Entry
    from sg_compliance.policy.document import Document
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.transaction import Stores

_UNCOUNTED: Final = frozenset({"RunInstances", "CreateNetworkInterface"})
"""They use groups, and change none."""

_SKEW: Final = timedelta(minutes=2)
_WHILE: Final = timedelta(hours=1)


class Containing(Protocol):
    """Who holds a principal back, where policy and deployment want it. Says what was done, or would be."""

    def contain(self, verdict: Verdict, record: Change | Skipped) -> str:
        """Hold the principal back. Raises SgComplianceError where it has to be tried again."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts the operations of principals, each of which may come more than once."""

    windows: OperationWindows
    stores: Stores
    metrics: Metrics
    clock: Clock
    document: Document
    contacts: tuple[str, ...] = ()
    containing: Containing | None = None

    def count(self, read: Change | Skipped) -> tuple[Verdict, ...]:
        """Count the call, and tell of what is too much. Raises SgComplianceError: count it once more then."""
        mass = self.document.policies().real_time_scanning.detection_rules.mass_operations_detected
        if not mass.enabled or not _counts(read):
            return ()
        verdicts = [verdict for each in _operations(read) if (verdict := self._taken(each)) is not None]
        told: set[str] = set()
        for verdict in verdicts:
            self.metrics.put(Metric(MetricName.MASS_OPERATIONS_DETECTED, dimensions={"account": verdict.account_id}))
            done = self.containing.contain(verdict, read) if self.containing else "nothing"
            if mass.notify_security_team and verdict.key not in told:
                self.stores.notifier.send(too_many(verdict, read, done, self.contacts))
                told.add(verdict.key)
        return tuple(verdicts)

    def _taken(self, operation: Operation) -> Verdict | None:
        mass = self.document.policies().real_time_scanning.detection_rules.mass_operations_detected
        limits = limits_of(mass, self.document.x_automation, operation.principal)
        return self.windows.take(operation, lambda window: take(window, operation, limits))

    def who(self, read: Change | Skipped) -> tuple[str, ...]:
        """Look at who called: a stranger in our role, or ourselves, by a change that is not in the journal."""
        if read.impostor:
            return self._suspected(
                read, "somebody uses this tool's role", "a session of it that this tool did not make"
            )
        if not isinstance(read, Skipped) or read.reason is not SkipReason.OWN_CHANGE or read.change is None:
            return ()
        self.metrics.put(Metric(MetricName.OWN_CHANGES, dimensions={"account": read.account_id}))
        if self._is_in_journal(read.change):
            return ()
        why = "this tool writes down every change before it makes it, and this one is not in its journal"
        return self._suspected(read, "a change in this tool's name that it did not make", why)

    def _suspected(self, read: Change | Skipped, what: str, why: str) -> tuple[str, ...]:
        self.stores.notifier.send(suspicion(read, what, why, self.contacts))
        return (what,)

    def _is_in_journal(self, change: Change) -> bool:
        return all(self._made(change, group_id) for group_id in change.groups)

    def _made(self, change: Change, group_id: str) -> bool:
        since = change.event_time - _WHILE
        entries = self.stores.journal.entries(group_id=group_id, since=since)
        return any(_covers(each, change) for each in entries)


def _covers(entry: Entry, change: Change) -> bool:
    """Whether the change was made while the entry was open. Clocks may differ by a little."""
    place = entry.place
    if (place.account_id, place.region) != (change.account_id, change.region):
        return False
    begun = entry.started - _SKEW <= change.event_time
    is_open = entry.state is EntryState.OPEN or entry.ended is None
    return begun and (is_open or (entry.ended is not None and change.event_time <= entry.ended + _SKEW))


def _counts(read: Change | Skipped) -> bool:
    """Whether the call changes groups, or tried to."""
    if read.own or read.event_name in _UNCOUNTED:
        return False
    return isinstance(read, Change) or read.reason is SkipReason.FAILED_CALL


def _operations(read: Change | Skipped) -> Iterator[Operation]:
    """The call, once for each name that it is counted under: who takes another name for each session is still met."""
    groups: Sequence[str] = read.groups or read.group_names if isinstance(read, Change) else ()
    failed = not isinstance(read, Change)
    for name in dict.fromkeys((_name(read), read.principal.session_issuer)):
        if name:
            yield Operation(
                event_id=read.event_id,
                account_id=read.account_id,
                region=read.region,
                principal=name,
                group_id=groups[0] if groups else "",
                time=read.event_time,
                failed=failed,
            )


def _name(read: Change | Skipped) -> str:
    who = read.principal
    return who.arn or (f"{who.type}:{who.account}:{who.name}" if who.name else "")
