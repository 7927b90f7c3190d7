"""Journal entries as plain JSON values, and back: what every journal keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.security_group import Place


def entry_record(entry: Entry) -> dict[str, Any]:
    """The entry as JSON values."""
    return {
        "id": entry.id,
        "place": list(entry.place),
        "kind": entry.kind.value,
        "state": entry.state.value,
        "run_id": entry.run_id,
        "by": entry.by,
        "backup_id": entry.backup_id,
        "started": entry.started.isoformat(),
        "wanted": dict(entry.wanted),
        "rules": list(entry.rules),
        "plan_id": entry.plan_id,
        "ended": _text(entry.ended),
        "notes": list(entry.notes),
        "hold_until": _text(entry.hold_until),
        "restores": entry.restores,
        "fence": entry.fence,
        "replaced": list(entry.replaced),
        "answers": dict(entry.answers),
    }


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def entry_of(record: dict[str, Any]) -> Entry:
    """The entry that was written. Raises ValueError, KeyError, TypeError where it is none."""
    return Entry(
        id=record["id"],
        place=Place(*record["place"]),
        kind=EntryKind(record["kind"]),
        state=EntryState(record["state"]),
        run_id=record["run_id"],
        by=record["by"],
        backup_id=record["backup_id"],
        started=datetime.fromisoformat(record["started"]),
        wanted=record["wanted"],
        rules=tuple(record["rules"]),
        plan_id=record["plan_id"],
        ended=_time(record["ended"]),
        notes=tuple(record["notes"]),
        hold_until=_time(record["hold_until"]),
        restores=record["restores"],
        fence=record["fence"],
        replaced=tuple(record["replaced"]),
        answers=record["answers"],
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
