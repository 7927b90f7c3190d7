"""Request throttling: a token bucket for each account, region and kind of call.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.testing.twin.refusal import TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.testing.twin.calls import Call


class Bucket(NamedTuple):
    """The most tokens, and how many come back each second."""

    burst: int
    rate: float


DESCRIBE: Final = Bucket(100, 20)
UNFILTERED: Final = Bucket(50, 10)
"""Describes without filter, ids or MaxResults."""
MUTATING: Final = Bucket(50, 5)


@dataclass(slots=True)
class Throttle:
    """All buckets. They start full."""

    clock: Callable[[], float]
    _left: dict[tuple[str, str, Bucket], tuple[float, float]] = field(default_factory=dict)

    def take(self, call: Call) -> None:
        """Take a token for the call, or raise TwinError where there is none."""
        bucket, now = _bucket(call), self.clock()
        key = (call.account_id, call.region, bucket)
        tokens, since = self._left.get(key, (float(bucket.burst), now))
        tokens = min(float(bucket.burst), tokens + (now - since) * bucket.rate)
        if tokens < 1:
            self._left[key] = (tokens, now)
            raise TwinError("RequestLimitExceeded", "Request limit exceeded.")
        self._left[key] = (tokens - 1, now)


def _bucket(call: Call) -> Bucket:
    if call.mutating:
        return MUTATING
    narrowing = {key for key, value in call.params.items() if value and key not in {"DryRun", "NextToken"}}
    return DESCRIBE if narrowing or not call.operation.startswith("Describe") else UNFILTERED
