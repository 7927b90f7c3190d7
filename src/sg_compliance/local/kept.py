"""Sockets in memory, for a command that only asks what would happen: nothing of it outlives the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.errors import AwsError
from sg_compliance.realtime.mass_operations import Watched, Window
from sg_compliance.realtime.window_record import window_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from sg_compliance.model.change import Call
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.security_group import Place, SecurityGroup
    from sg_compliance.realtime.mass_operations import Operation
    from sg_compliance.realtime.verdict import Verdict


class MemoryWindows:
    """The OperationWindows socket. Every window is kept. Not for several threads."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[Operation, Window]] = {}
        self._told: set[str] = set()

    def take(self, operation: Operation, decide: Callable[[Window], tuple[Window, Verdict | None]]) -> Verdict | None:
        """Add the operation."""
        key = window_key(operation)
        _, before = self._windows.get(key, (operation, Window()))
        after, verdict = decide(before)
        self._windows[key] = (operation, after)
        return verdict

    def all(self) -> Iterator[Watched]:
        """All of them."""
        for operation, window in self._windows.values():
            yield Watched(operation.account_id, operation.principal, window)

    def was_told(self, mark: str) -> bool:
        """Whether it was noted."""
        return mark in self._told

    def note_told(self, mark: str) -> None:
        """Note it."""
        self._told.add(mark)


class KeptNotices:
    """The Notifier socket that tells nobody: what people would be told is kept."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def send(self, notice: Notice) -> None:
        """Keep it."""
        self.notices.append(notice)


class KeptLetters:
    """The DeadLetters socket that puts nothing anywhere: message and reason are kept."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []

    def put(self, body: str, reason: str) -> None:
        """Keep it."""
        self.letters.append((body, reason))


class NoWriter:
    """The RuleWriter socket that neither reads nor changes anything."""

    def read(self, place: Place, *, interfaces: bool = False) -> SecurityGroup:
        """Refuse. Raises AwsError."""
        del interfaces
        raise AwsError(f"{place}: is not read here, where nothing can be changed")

    def do(self, place: Place, call: Call) -> None:
        """Refuse. Raises AwsError."""
        del call
        raise AwsError(f"{place}: nothing can be changed here")


class NoSlots:
    """The Slots socket where nothing may be done."""

    def take(self, name: str, item: str, most: int, window: timedelta, now: datetime) -> bool:
        """Give none."""
        del name, item, most, window, now
        return False
