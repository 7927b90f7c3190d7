"""The policy where people keep it: read anew every few minutes, and never guessed at.

A policy that is wrong, or cannot be read, is told of. The last good one goes on being used if there is one in memory;
where there is none nothing is judged: no other policy ever takes its place.
"""

from __future__ import annotations

import hashlib
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

    from sg_compliance.interfaces import Clock, Document, Marks, Metrics, Notifier, Text
    from sg_compliance.policy.parse import ParsedPolicy

KEPT_FOR: Final = timedelta(minutes=5)
_LONGEST: Final = 4_000


class PolicySource:
    """The policy of a document. `warn` gets what people in front of a log should know.

    `kept_for`: how long it is believed before the document is read anew. `marks`: what other processes have told
    people of, once an hour as long as it lasts.
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
        marks: Marks | None = None,
    ) -> None:
        self._document = document
        self._notifier = notifier
        self._metrics = metrics
        self._clock = clock
        self._warn = warn
        self._kept_for = kept_for
        self._marks = marks
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
        """Count it; tell people once of each new failure, and not of one that another process has told them of."""
        self._metrics.put(Metric(MetricName.LAMBDA_ERRORS))
        said = f"{error}"
        if said == self._told:
            return
        self._told = said
        self._warn(said)
        mark = f"policy#{self._clock.now():%Y-%m-%dT%H}#{hashlib.sha256(said.encode()).hexdigest()}"
        if self._was_told(mark):
            return
        problems = tell(self._notifier, _notice(self._document.name, error, self._good))
        for problem in problems or self._noted(mark):
            self._warn(problem)

    def _was_told(self, mark: str) -> bool:
        """Whether another process has told people. Where that cannot be known they are told once more."""
        try:
            return self._marks is not None and self._marks.was_told(mark)
        except SgComplianceError as error:
            self._warn(str(error))
            return False

    def _noted(self, mark: str) -> list[str]:
        """Note that people were told; what went wrong with that."""
        try:
            if self._marks:
                self._marks.note_told(mark)
        except SgComplianceError as error:
            return [str(error)]
        return []


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
