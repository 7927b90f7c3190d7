"""Hold back the principal of an event that a critical verdict is about: what the response workflow asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError
from sg_compliance.model.block import BlockStatus
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.realtime.blocking import undo

if TYPE_CHECKING:
    from sg_compliance.interfaces import Metrics
    from sg_compliance.model.block import BlockOutcome
    from sg_compliance.policy.reaction import MassOperations
    from sg_compliance.realtime.record import Change, Skipped
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.containing import Containing

_STANDING: Final = frozenset({BlockStatus.BLOCKED, BlockStatus.EXTENDED, BlockStatus.UNCHANGED})

LASTING: Final = DENIED | {"LimitExceeded", "NoRole", "UnmodifiableEntity"}
"""Codes that stay until a person does something: no role to block with, or no room for its policy."""


@dataclass(frozen=True, slots=True)
class HoldingBack:
    """Blocks by itself, as far as the policy and the deployment let it. `dry_run`: says what it would do."""

    containing: Containing
    mass: MassOperations
    metrics: Metrics
    dry_run: bool = False

    def contain(self, verdict: Verdict, record: Change | Skipped) -> str:
        """Block whoever made the call. What was done in one line. Raises SgComplianceError: try once more then.

        What only a person can mend is no reason to try again: people must hear of the verdict all the same.
        """
        try:
            outcome = self.containing.contain(verdict, record.principal, self.mass, dry_run=self.dry_run)
        except AwsError as error:
            if error.code not in LASTING:
                raise
            return f"could not be blocked: {error}; {error.hint}"
        if outcome.status is BlockStatus.BLOCKED:
            self.metrics.put(Metric(MetricName.PRINCIPALS_BLOCKED, dimensions={"account": verdict.account_id}))
        return said(outcome)


def said(outcome: BlockOutcome) -> str:
    """What came of it in one line, and how to undo it."""
    block = outcome.block
    if block is None or outcome.status is BlockStatus.REFUSED:
        instead = f"; instead: {outcome.hint}" if outcome.hint else ""
        return f"{outcome.status.value}: {outcome.reason}{instead}"
    until = f"{outcome.status.value} until {block.expires:%Y-%m-%d %H:%M} UTC: {block.target.arn}"
    return f"{until}; to undo it: {undo(block)}" if outcome.status in _STANDING else until
