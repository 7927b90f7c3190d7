"""What every operation on the tool itself owes: a line in the audit log before it is done, and people told after."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sg_compliance.errors import SgComplianceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sg_compliance.interfaces import AuditLog, Notifier
    from sg_compliance.model.notice import Notice


@contextmanager
def audited(audit: AuditLog, event: Mapping[str, Any]) -> Iterator[None]:
    """Write the line, then let it be done; where that fails, a second line says so. Raises SgComplianceError."""
    audit.append(event)
    with failure_audited(audit, event):
        yield


@contextmanager
def failure_audited(audit: AuditLog, event: Mapping[str, Any]) -> Iterator[None]:
    """Let it be done; where that fails, a line says so. Raises SgComplianceError."""
    try:
        yield
    except SgComplianceError as error:
        with suppress(SgComplianceError):
            audit.append({**event, "status": "failed", "reason": str(error)})
        raise


def tell(notifier: Notifier, notice: Notice) -> tuple[str, ...]:
    """Tell people. What was done stays done where nobody could be told: that is said."""
    try:
        notifier.send(notice)
    except SgComplianceError as error:
        return (f"nobody was told: {error}",)
    return ()
