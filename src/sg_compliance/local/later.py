"""Second looks in memory, for as long as the command runs: what is waiting when it ends is left to the next scan."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sg_compliance.interfaces import Clock
    from sg_compliance.realtime.second_look import SecondLook


class MemoryLater:
    """The Later socket. Not for several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count()
        self._waiting: list[tuple[datetime, int, SecondLook]] = []

    def look(self, look: SecondLook, delay: timedelta) -> None:
        """Keep it until the delay has passed."""
        heapq.heappush(self._waiting, (self._clock.now() + delay, next(self._numbers), look))

    def waiting(self) -> int:
        """How many are waiting."""
        return len(self._waiting)

    def next_at(self) -> datetime | None:
        """When the next one comes; None where nothing is waiting."""
        return self._waiting[0][0] if self._waiting else None

    def come(self) -> list[SecondLook]:
        """Those whose delay has passed, in the order of their times; they are not kept any longer."""
        now, found = self._clock.now(), []
        while self._waiting and self._waiting[0][0] <= now:
            found.append(heapq.heappop(self._waiting)[2])
        return found
