"""What every store writes alike: times, concessions and notices as plain JSON values, and the order of backups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sg_compliance.enforcement.backup import BACKUP_ID
from sg_compliance.model.concession import Concession, ConcessionKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.notice import Notice


def sortable(time: datetime) -> str:
    """The time in UTC, as text that sorts: `2026-01-15T12:00:00.000000+00:00`."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def concession_record(concession: Concession) -> dict[str, Any]:
    """The concession as JSON values."""
    return {
        "kind": concession.kind.value,
        "subject": concession.subject,
        "rules": list(concession.rules),
        "reason": concession.reason,
        "approved_by": concession.approved_by,
        "expires": concession.expires.isoformat() if concession.expires else None,
        "created": concession.created.isoformat(),
        "created_by": concession.created_by,
        "emergency": concession.emergency,
    }


def concession_of(record: dict[str, Any]) -> Concession:
    """The concession that was written. Raises ValueError, KeyError, TypeError where it is none."""
    return Concession(
        kind=ConcessionKind(record["kind"]),
        subject=record["subject"],
        rules=tuple(record["rules"]),
        reason=record["reason"],
        approved_by=record["approved_by"],
        expires=datetime.fromisoformat(record["expires"]) if record["expires"] else None,
        created=datetime.fromisoformat(record["created"]),
        created_by=record["created_by"],
        emergency=record["emergency"],
    )


def notice_record(notice: Notice) -> dict[str, Any]:
    """The notice as JSON values, for machines."""
    return {
        "kind": notice.kind.value,
        "severity": notice.severity.value,
        "account_id": notice.account_id,
        "subject": notice.subject,
        "text": notice.text,
        "record": dict(notice.record),
    }


def backup_ids(file_names: Iterable[str]) -> list[str]:
    """The ids of the backups among the files, oldest first by the time in them: what else is there is passed over."""
    found = (BACKUP_ID.fullmatch(name.removesuffix(".json")) for name in file_names if name.endswith(".json"))
    matches = [match for match in found if match]
    return [match[0] for match in sorted(matches, key=lambda match: (match[0][len(match[1]) :], match[0]))]
