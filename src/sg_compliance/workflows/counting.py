"""Watch who calls: count operations in sliding windows, and tell who acts as if they were this tool."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sg_compliance.errors import SgComplianceError
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.realtime.alerts import suspicion, too_many
from sg_compliance.realtime.mass_operations import Operation, limits_of, take
from sg_compliance.realtime.record import Change, Skipped, SkipReason
from sg_compliance.workflows.vouching import Vouching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.interfaces import Clock, Metrics, OperationWindows
    from sg_compliance.policy.document import Document
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.transaction import Stores

_UNCOUNTED: Final = frozenset({"RunInstances", "CreateNetworkInterface"})
"""They use groups, and change none."""
_OF_MUCH: Final = frozenset({"ModifyInstanceAttribute", "ModifyNetworkInterfaceAttribute"})
"""Where they are refused nothing says whether they were about groups."""
_DRY_RUN: Final = "DryRunOperation"
"""The code of a call that only asked whether it would be allowed, and would be (EC2 API reference, error codes)."""

_FRESH: Final = timedelta(minutes=15)
"""Who did something longer ago may long be somebody else: a block now would stop whoever uses the name today."""


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
    _known: dict[tuple[str, str, str], bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def count(self, read: Change | Skipped) -> tuple[Verdict, ...]:
        """Count the call, and tell of what is too much. Raises SgComplianceError: count it once more then.

        People are told also where nobody could be blocked, and each verdict is told once however often it is counted.
        """
        mass = self.document.policies().real_time_scanning.detection_rules.mass_operations_detected
        if not mass.enabled or not self._counts(read):
            return ()
        verdicts = [verdict for each in _operations(read) if (verdict := self._taken(each)) is not None]
        failed: SgComplianceError | None = None
        for verdict in verdicts:
            try:
                done = self._contained(verdict, read)
            except SgComplianceError as error:
                done, failed = f"could not be blocked: {error}; it is tried again", failed or error
            if not self.windows.was_told(verdict.key):
                self._tell(verdict, read, done, loudly=mass.notify_security_team)
        if failed:
            raise failed
        return tuple(verdicts)

    def _contained(self, verdict: Verdict, read: Change | Skipped) -> str:
        """What was done about the principal, or why nothing."""
        if self.containing is None:
            return "nothing"
        if not self.document.policies().real_time_scanning.enabled:
            return "not blocked: real_time_scanning.enabled is false"
        if self.clock.now() - verdict.last > _FRESH:
            last = f"{verdict.last:%Y-%m-%d %H:%M} UTC"
            return f"not blocked: the last of these calls was at {last}, and only what is 15 minutes old or less blocks"
        return self.containing.contain(verdict, read)

    def _tell(self, verdict: Verdict, read: Change | Skipped, done: str, *, loudly: bool) -> None:
        self.metrics.put(Metric(MetricName.MASS_OPERATIONS_DETECTED, dimensions={"account": verdict.account_id}))
        if loudly:
            self.stores.notifier.send(too_many(verdict, read, done, self.contacts))
        self.windows.note_told(verdict.key)

    def _taken(self, operation: Operation) -> Verdict | None:
        mass = self.document.policies().real_time_scanning.detection_rules.mass_operations_detected
        limits = limits_of(mass, self.document.x_automation, operation.principal)
        return self.windows.take(operation, lambda window: take(window, operation, limits))

    def who(self, read: Change | Skipped) -> tuple[str, ...]:
        """Look at who called: a stranger in our role, or ourselves, by a change that is not in the journal.

        Told once for each of our roles, account and clock hour. Raises SgComplianceError: look once more then.
        """
        if read.impostor:
            return self._suspected(
                read, "somebody uses this tool's role", "a session of it that this tool did not make"
            )
        if not isinstance(read, Skipped) or read.reason is not SkipReason.OWN_CHANGE or read.change is None:
            return ()
        self.metrics.put(Metric(MetricName.OWN_CHANGES, dimensions={"account": read.account_id}))
        if self.vouches(read):
            return ()
        why = "this tool writes down every change before it makes it, and this one is not in its journal"
        return self._suspected(read, "a change in this tool's name that it did not make", why)

    def vouches(self, read: Change | Skipped) -> bool:
        """Whether what was done in our name is known to be ours. What is not is to be judged like anybody's change.

        True where nothing was changed in our name. Raises SgComplianceError where it cannot be found out now.
        """
        if not isinstance(read, Skipped) or read.change is None:
            return True
        key = (read.account_id, read.region, read.event_id)
        if key not in self._known:
            self._known[key] = Vouching(self.stores).is_ours(read.change)
        return self._known[key]

    def _suspected(self, read: Change | Skipped, what: str, why: str) -> tuple[str, ...]:
        """Tell, once: who made a thousand calls, each under another name of a session, would else bury the rest."""
        role = read.principal.session_issuer or _name(read)
        mark = f"{read.account_id}/{role}/{what}/{read.event_time:%Y-%m-%dT%H}"
        if not self.windows.was_told(mark):
            self.stores.notifier.send(suspicion(read, what, why, self.contacts))
            self.windows.note_told(mark)
        return (what,)

    def _counts(self, read: Change | Skipped) -> bool:
        """Whether the call changes groups, or tried to. Of ours only what is not known to be ours counts."""
        if read.own:
            return not self.vouches(read)
        if read.event_name in _UNCOUNTED:
            return False
        return isinstance(read, Change) or _was_refused(read)


def _was_refused(read: Skipped) -> bool:
    refused = read.reason is SkipReason.FAILED_CALL and read.event_name not in _OF_MUCH
    return refused and read.note.rpartition(".")[2] != _DRY_RUN


def _operations(read: Change | Skipped) -> Iterator[Operation]:
    """The call, once for each name that it is counted under: who takes another name for each session is still met."""
    change = read if isinstance(read, Change) else read.change
    groups: Sequence[str] = change.groups or change.group_names if change else ()
    failed = change is None
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
