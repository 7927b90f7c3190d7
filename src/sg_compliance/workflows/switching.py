"""Pause all changes, and let them go on: the one thing that works while changes are paused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.guards import Pause, paused
from sg_compliance.enforcement.operations import pausing, resuming, switch_notice
from sg_compliance.errors import InputError, SgComplianceError
from sg_compliance.workflows.telling import audited, tell

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sg_compliance.interfaces import Clock
    from sg_compliance.workflows.transaction import Run, Stores


class Switched(NamedTuple):
    """Whether anything was changed, what the switch said before in words, and what a person should know."""

    changed: bool
    before: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switching:
    """The world of one turn of the switch."""

    stores: Stores
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
        self.stores.switch.write(pause.encode())
        event = pausing(pause, self.run.id)
        self.stores.audit.append(event)
        return Switched(changed=True, before=before, notes=tell(self.stores.notifier, switch_notice(event)))

    def _text(self) -> str:
        """What the switch says; what cannot be read is written over."""
        try:
            return self.stores.switch.read()
        except SgComplianceError:
            return ""

    def resume(self) -> Switched:
        """Let changes go on, also after a pause that cannot be read."""
        text = self.stores.switch.read()
        before = paused(text, self.clock.now())
        if not before:
            return Switched(changed=False, before="")
        event = resuming(before, self.clock.now(), self.run.by, self.run.id)
        with audited(self.stores.audit, event):
            self.stores.switch.write("")
        return Switched(changed=True, before=before, notes=tell(self.stores.notifier, switch_notice(event)))


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
