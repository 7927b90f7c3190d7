"""The policy where people keep it: read anew every few minutes, and never guessed at.

A policy that is wrong, or cannot be read, is told of. The last good one goes on being used if there is one in memory;
where there is none nothing is judged: no other policy ever takes its place.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import SgComplianceError
from sg_compliance.model.finding import Severity
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.policy.parse import parse_policy
from sg_compliance.workflows.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sg_compliance.interfaces import Clock, Document, Metrics, Notifier, Text
    from sg_compliance.policy.parse import ParsedPolicy

KEPT_FOR: Final = timedelta(minutes=5)
_LONGEST: Final = 4_000


class PolicySource:
    """The policy of a document. `warn` gets what people in front of a log should know.

    `kept_for`: how long it is believed before the document is read anew.
    """

    def __init__(  # noqa: PLR0913  whom to ask and whom to tell
        self,
        document: Document,
        notifier: Notifier,
        metrics: Metrics,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        kept_for: timedelta = KEPT_FOR,
    ) -> None:
        self._document = document
        self._notifier = notifier
        self._metrics = metrics
        self._clock = clock
        self._warn = warn
        self._kept_for = kept_for
        self._read: Text | None = None
        self._good: ParsedPolicy | None = None
        self._looked: datetime | None = None
        self._told = ""

    def current(self) -> ParsedPolicy:
        """The policy as of now, or of a few minutes ago. Raises SgComplianceError where there never was a good one."""
        now = self._clock.now()
        if self._good and self._looked and now - self._looked < self._kept_for:
            return self._good
        try:
            self._good = self._parsed()
            self._told = ""
        except SgComplianceError as error:
            self._fail(error)
            if self._good is None:
                raise
        self._looked = now
        return self._good

    def _parsed(self) -> ParsedPolicy:
        """What is there now, parsed unless it is what was parsed last."""
        text = self._document.read()
        if self._good is None or text != self._read:
            found = parse_policy(text.text, self._document.name)
            self._read = text
            return found
        return self._good

    def _fail(self, error: SgComplianceError) -> None:
        """Count it; tell people once of each new failure."""
        self._metrics.put(Metric(MetricName.LAMBDA_ERRORS))
        said = f"{error}"
        if said == self._told:
            return
        self._told = said
        self._warn(said)
        for problem in tell(self._notifier, _notice(self._document.name, error, self._good)):
            self._warn(problem)


def _notice(name: str, error: SgComplianceError, good: ParsedPolicy | None) -> Notice:
    said = str(error)[:_LONGEST]
    goes_on = (
        f"The policy of before goes on being used: version {good.version or 'none'}, sha256:{good.sha256}."
        if good
        else "There is no policy to go by: nothing is judged until it is mended."
    )
    return Notice(
        kind=NoticeKind.OPERATION,
        severity=Severity.HIGH if good else Severity.CRITICAL,
        subject=f"the policy cannot be used: {name}",
        text="\n".join([said, goes_on, f"help: {error.hint}"]),
        record={"kind": "policy", "source": name, "problem": said, "in_use": good.sha256 if good else None},
    )
