"""What the functions write into their log: lines of JSON, one for each thing that is said.

JSON is all ASCII, so no text that somebody chose can begin a line of its own or change what a terminal shows. Figures
go the same way, in the embedded metric format: that is `aws/emf.py`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from sg_compliance.errors import SgComplianceError

if TYPE_CHECKING:
    from sg_compliance.interfaces import Document
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import Place
    from sg_compliance.realtime.response import Handled

SERVICE: Final = "sg-compliance"
VIOLATION: Final = "COMPLIANCE_VIOLATION"
"""The message of every line about an open finding: log filters go by this."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LOOKED_EVERY: Final = timedelta(minutes=1)
_LONGEST: Final = 8_000


def serialized(record: dict[str, Any]) -> str:
    """The line: all ASCII, no text in it longer than 8,000 characters."""
    return json.dumps(_cut(record), default=str)


def _cut(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {str(key): _cut(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(each) for each in value]
    return f"{value[:_LONGEST]}…" if isinstance(value, str) and len(value) > _LONGEST else value


logger: Final = Logger(service=SERVICE, level="INFO", json_serializer=serialized, utc=True, use_rfc3339=True)


class Levels:
    """How much is logged, as people say in a parameter, which is looked at once a minute at most."""

    def __init__(self) -> None:
        self._looked: datetime | None = None
        self._refused = ""

    def follow(self, document: Document | None, now: datetime) -> None:
        """Set the level. Another word than a level is told once, and changes nothing; so is what cannot be read."""
        if document is None or (self._looked and now - self._looked < _LOOKED_EVERY):
            return
        self._looked = now
        try:
            said = document.read().text.strip().upper()
        except SgComplianceError as error:
            self._refuse(str(error))
            return
        if said in LEVELS:
            self._refused = ""
            logger.setLevel(said)
        else:
            self._refuse(f"{document.name}: {said[:20]!r} is no level: expected one of {', '.join(LEVELS)}")

    def _refuse(self, problem: str) -> None:
        if problem != self._refused:
            self._refused = problem
            logger.warning("the level of the log stays as it is: %s", problem)


def violation(finding: Finding) -> None:
    """One open finding."""
    logger.warning(
        VIOLATION,
        extra={
            **place_keys(finding.group.place),
            "group_name": finding.group.name,
            "finding_id": finding.id,
            "rule_id": finding.rule_id,
            "severity": finding.severity.value,
            "direction": finding.direction.value if finding.direction else None,
            "violation": finding.message,
            "reason": finding.reason,
            "certain": finding.certain,
            "first_seen": finding.first_seen.isoformat() if finding.first_seen else None,
        },
    )


def skipped(what: Skipped) -> None:
    """What a scan did not read, and why."""
    say = logger.warning if what.wanted else logger.info
    keys = {"account_id": what.account_id, "region": what.region, "hint": what.hint}
    say("not read: %s: %s", what.what, what.reason, extra=keys)


def handled(what: Handled, said: set[tuple[str, str]]) -> None:
    """What came of one message: a line for each group, and the open findings of each.

    `said` are the findings, at their severities, that the batch has told of: many messages are about one group.
    """
    if what.rejected:
        logger.error("rejected: %s", what.rejected)
    for note in what.notes:
        logger.warning("%s", note)
    for verdict in what.verdicts:
        logger.warning(
            "mass operations", account_id=verdict.account_id, principal=verdict.principal, operations=verdict.count
        )
    event_id = what.read.event_id if what.read else None
    for each in what.responses:
        keys = {**place_keys(each.place), "group_name": each.name, "event_id": event_id}
        logger.info("%s: %s", each.reaction.value, each.done, extra=keys)
        for finding in each.findings:
            if (finding.id, finding.severity.value) not in said:
                said.add((finding.id, finding.severity.value))
                violation(finding)


def failure(error: SgComplianceError, what: str) -> None:
    """Something that failed for a reason that is known."""
    logger.error("%s: %s", what, error, error=type(error).__name__, hint=error.hint)


def place_keys(place: Place) -> dict[str, str]:
    """Where it is, under the keys that every line has."""
    return {"account_id": place.account_id, "region": place.region, "group_id": place.group_id}
