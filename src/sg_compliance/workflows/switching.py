"""Pause all changes, and let them go on: the one thing that works while changes are paused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.guards import Pause, paused
from sg_compliance.enforcement.operations import pausing, resuming, switch_notice
from sg_compliance.errors import InputError, SgComplianceError, StoreError
from sg_compliance.workflows.telling import failure_audited, tell

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sg_compliance.enforcement.operations import Event
    from sg_compliance.interfaces import AuditLog, Clock, Notifier, Switch
    from sg_compliance.workflows.accounting import Run


class Board(NamedTuple):
    """The switch, and who is told of it. The journal is none of it: a pause must not depend on that."""

    switch: Switch
    audit: AuditLog
    notifier: Notifier


class Switched(NamedTuple):
    """Whether anything was changed, what the switch said before in words, and what a person should know.

    `unlogged`: why the audit log does not have the line.
    """

    changed: bool
    before: str
    notes: tuple[str, ...] = ()
    unlogged: SgComplianceError | None = None


@dataclass(frozen=True, slots=True)
class Switching:
    """The world of one turn of the switch."""

    board: Board
    clock: Clock
    run: Run

    def pause(self, reason: str, lasting: timedelta | None = None) -> Switched:
        """Pause, unless changes are paused for as long already. The brake first, then the log, then people."""
        if not reason.strip():
            raise InputError("no reason is given", hint="say why: --reason TEXT")
        now = self.clock.now()
        pause = Pause(" ".join(reason.split()), self.run.by, now, _end(now, lasting))
        text = self._text()
        before = paused(text, pause.since)
        if before and not _is_longer(pause, text):
            return Switched(changed=False, before=before)
        self.board.switch.write(pause.encode())
        event = pausing(pause, self.run.id)
        return self._told(event, before, self._log(event))

    def _text(self) -> str:
        """What the switch says; what cannot be read is written over."""
        try:
            return self.board.switch.read()
        except SgComplianceError:
            return ""

    def resume(self, *, despite_log: bool = False) -> Switched:
        """Let changes go on, also after a pause that cannot be read; without a line in the log only if that is asked.

        Raises SgComplianceError: then they are still paused.
        """
        text = self.board.switch.read()
        before = paused(text, self.clock.now())
        if not before:
            return Switched(changed=False, before="")
        event = resuming(before, self.clock.now(), self.run.by, self.run.id)
        unlogged = self._log(event)
        if unlogged and not despite_log:
            raise StoreError(
                f"changes are still paused: the audit log cannot take the line about it: {unlogged}",
                hint=f"{unlogged.hint}; or let changes go on without that line: sg-compliance resume --despite-log",
            )
        with failure_audited(self.board.audit, event):
            self.board.switch.write("")
        return self._told(event, before, unlogged)

    def _log(self, event: Event) -> SgComplianceError | None:
        try:
            self.board.audit.append(event)
        except SgComplianceError as error:
            return error
        return None

    def _told(self, event: Event, before: str, unlogged: SgComplianceError | None) -> Switched:
        notice = switch_notice(event, str(unlogged or ""))
        return Switched(changed=True, before=before, notes=tell(self.board.notifier, notice), unlogged=unlogged)


def _end(now: datetime, lasting: timedelta | None) -> datetime | None:
    if lasting is None:
        return None
    if not lasting:
        raise InputError("a pause for no time is none", hint="leave --for out to pause until somebody resumes")
    try:
        return now + lasting
    except OverflowError:
        raise InputError("--for is too long", hint="leave it out to pause until somebody resumes") from None


def _is_longer(pause: Pause, text: str) -> bool:
    """Whether the pause outlasts the one that is written there. One that cannot be read has no end."""
    try:
        until = Pause.parse(text).until
    except ValueError:
        return False
    return until is not None and (pause.until is None or pause.until > until)
