"""The SDK's adaptive limiter of one client: its own classes on a simulated clock, which waits in their place."""

from typing import Final

from botocore.exceptions import CapacityNotAvailableError
from botocore.retries.adaptive import RateClocker
from botocore.retries.bucket import Clock, TokenBucket
from botocore.retries.throttling import CubicCalculator

from benchmarks.scale.engine import Simulation, Steps

_FASTER_AT_MOST: Final = 2.0


class _Clock(Clock):
    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def current_time(self) -> float:
        return self._simulation.now


class Limiter:
    """Slows a client down once it was throttled, as `botocore.retries.adaptive.ClientRateLimiter` does."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        clock = _Clock(simulation)
        self._adjustor = CubicCalculator(starting_max_rate=0, start_time=simulation.now)
        self._bucket = TokenBucket(max_rate=1, clock=clock)
        self._clocker = RateClocker(clock)
        self._enabled = False

    def acquire(self) -> Steps:
        """Wait until a request may be sent."""
        while self._enabled:
            try:
                self._bucket.acquire(block=False)
            except CapacityNotAvailableError:
                yield max(1e-3, (1 - self._bucket.available_capacity) / self._bucket.max_rate)
            else:
                return

    def answered(self, *, throttled: bool) -> None:
        """Learn from an answer."""
        measured = self._clocker.record()
        if throttled:
            rate = min(measured, self._bucket.max_rate) if self._enabled else measured
            found = self._adjustor.error_received(rate, self._simulation.now)
            self._enabled = True
        else:
            found = self._adjustor.success_received(self._simulation.now)
        self._bucket.max_rate = min(found, _FASTER_AT_MOST * measured)
