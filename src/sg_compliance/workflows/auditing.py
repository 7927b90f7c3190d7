"""Read the audit log: the events that are asked for, and whether the log is whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.enforcement.audit import Head, Problem, ProblemKind, sealed_head, verify
from sg_compliance.errors import InputError
from sg_compliance.policy.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sg_compliance.enforcement.audit import AuditReport
    from sg_compliance.interfaces import AuditLog
    from sg_compliance.workflows.transaction import Stores

_SEQUENCE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Asked(NamedTuple):
    """Which events; empty is all."""

    group_id: str = ""
    run_id: str = ""
    since: datetime | None = None

    def wants(self, event: dict[str, Any]) -> bool:
        """Whether the event is one of them. One whose time cannot be read is never left out for its time."""
        named = self.group_id in {"", event.get("group_id")} and self.run_id in {"", event.get("run_id")}
        return named and (self.since is None or _is_since(event.get("time"), self.since))


class Line(NamedTuple):
    """A line of the log as it is kept, counted from 1; `event` is None where it is no entry."""

    number: int
    text: str
    event: dict[str, Any] | None


def events(audit: AuditLog, asked: Asked) -> Iterator[Line]:
    """The lines that are asked for, oldest first; those that are no entries always among them."""
    for number, text in enumerate(audit.lines(), start=1):
        event = _event(text)
        if event is None or asked.wants(event):
            yield Line(number, text, event)


def _event(text: str) -> dict[str, Any] | None:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _is_since(time: object, since: datetime) -> bool:
    try:
        return parse_time(str(time)) >= since
    except ValueError:
        return True


def check(stores: Stores, noted: str = "") -> AuditReport:
    """Check the chain. `noted` is a head that was noted elsewhere: `SEQUENCE:HASH`, or the hash. Raises InputError.

    An empty log where changes left something else behind is no good log: it was deleted.
    """
    report = _checked(stores.audit, noted)
    if report.entries or report.problems:
        return report
    left = _left_behind(stores)
    if not left:
        return report
    missing = Problem(0, ProblemKind.MISSING, f"the log is empty or was deleted: {left}")
    return replace(report, problems=(missing,))


def _left_behind(stores: Stores) -> str:
    """What only changes leave behind."""
    entries, backups = len(stores.journal.entries()), sum(1 for _ in stores.backups.ids())
    journal = f"the journal has {entries:,} entr{'ies' if entries != 1 else 'y'}"
    shelf = f"{backups:,} backup{'s are' if backups != 1 else ' is'} kept"
    return " and ".join(said for count, said in ((entries, journal), (backups, shelf)) if count)


def _checked(audit: AuditLog, noted: str) -> AuditReport:
    if not noted:
        return verify(audit.lines())
    sequence, colon, hashed = noted.strip().rpartition(":")
    if not _HASH.fullmatch(hashed) or (colon and not _SEQUENCE.fullmatch(sequence)):
        raise InputError(f"{noted!r} is no head of an audit log", hint="give what audit verify printed: SEQUENCE:HASH")
    if colon:
        return verify(audit.lines(), Head(int(sequence), hashed))
    head = _find(audit.lines(), hashed)
    report = verify(audit.lines(), head)
    return report if head else _without(report, hashed)


def _without(report: AuditReport, hashed: str) -> AuditReport:
    """The report, and that the entry with the hash is nowhere."""
    missing = Problem(report.entries + report.torn, ProblemKind.MISSING, f"no entry has the noted hash {hashed}")
    return replace(report, problems=(*report.problems, missing))


def _find(lines: Iterable[str], hashed: str) -> Head | None:
    heads = (sealed_head(line) for line in lines)
    return next((head for head in heads if head and head.hash == hashed), None)
