"""What people are told about: one message on one matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.model.finding import Severity


class NoticeKind(StrEnum):
    """What it is about: message filters of subscribers go by this."""

    REMEDIATION = "remediation"
    TAGGING = "tagging"
    ROLLBACK = "rollback"
    BRAKE = "brake"
    OPERATION = "operation"
    BLOCK = "block"
    VIOLATION = "violation"
    DIGEST = "digest"
    SUSPICION = "suspicion"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message: one line for a subject, text for people, `record` (JSON values) for machines."""

    kind: NoticeKind
    severity: Severity
    subject: str
    text: str
    account_id: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
