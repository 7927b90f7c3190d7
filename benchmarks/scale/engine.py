"""Simulated time: processes are generators that yield how many seconds they wait, or that they wait to be woken."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple, TypeAlias

SLICE: Final = 0.02
"""Seconds of CPU until another thread gets its turn. CPython's are shorter; with these there are fewer events."""


class Asleep(NamedTuple):
    """Waits to be woken, for so many seconds at most, in this room."""

    seconds: float
    room: "Room"


Steps: TypeAlias = Generator[float | Asleep, None, None]


@dataclass(slots=True, eq=False)
class _Process:
    steps: Steps
    turn: int = 0


class Room:
    """Where processes sleep."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.asleep: deque[tuple[_Process, int]] = deque()

    def wake_one(self) -> None:
        """Wake who sleeps for longest, if somebody does."""
        while self.asleep:
            process, turn = self.asleep.popleft()
            if process.turn == turn:
                self._simulation.resume(process, 0.0)
                return


class Simulation:
    """The clock, and what happens when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, _Process, int]] = []
        self._count = 0

    def begin(self, steps: Steps) -> None:
        """Let a process begin now."""
        self.resume(_Process(steps), 0.0)

    def resume(self, process: _Process, seconds: float) -> None:
        """Let it go on after so many seconds; what it waited for before no longer counts."""
        process.turn += 1
        self._count += 1
        heappush(self._events, (self.now + seconds, self._count, process, process.turn))

    def run(self) -> None:
        """Let everything happen."""
        while self._events:
            at, _, process, turn = heappop(self._events)
            if process.turn != turn:
                continue
            process.turn += 1
            self.now = at
            wish = next(process.steps, None)
            if isinstance(wish, Asleep):
                self.resume(process, wish.seconds)
                wish.room.asleep.append((process, process.turn))
            elif wish is not None:
                self.resume(process, wish)


class Processor:
    """The processor of one Python process: one thread computes at a time. `speed`: 1 is a whole core."""

    def __init__(self, simulation: Simulation, speed: float = 1.0) -> None:
        self._simulation = simulation
        self._speed = speed
        self._free = 0.0
        self.busy = 0.0

    def use(self, seconds: float) -> Steps:
        """Compute for so many seconds of a whole core."""
        left = seconds / self._speed
        while left > 0:
            piece = min(left, SLICE)
            self._free = max(self._simulation.now, self._free) + piece
            self.busy += piece
            left -= piece
            yield self._free - self._simulation.now
