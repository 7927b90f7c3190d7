"""AWS as the model has it: token buckets, and how long an answer takes.

Sizes and rates are AWS's defaults: EC2 developer guide, "Request throttling" (describes: 100 at once, 20 a second, for
each account and region); IAM user guide, "IAM and AWS STS quotas" (600 a second for each calling account and region).
AWS has a bucket for each kind of call. Here one bucket is for all describes of a region, which is harder.
"""

from random import Random
from typing import Final, NamedTuple

DESCRIBES: Final = (100.0, 20.0)
STS: Final = (600.0, 600.0)


class Bucket:
    """A token bucket, and beside it the same one as it would be without us. `others` a second go to somebody else."""

    def __init__(self, size: float, refill: float, others: float = 0.0) -> None:
        self.size = size
        self._net = refill - others
        self.level = self.alone = size if others < refill else 0.0
        self._at = 0.0
        self.lowest = self.level
        self.most_taken = 0.0

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        more = (now - self._at) * self._net
        self.level = min(self.size, max(0.0, self.level + more))
        self.alone = min(self.size, max(0.0, self.alone + more))
        self._at = now
        if self.level < 1:
            return False
        self.level -= 1
        self.lowest = min(self.lowest, self.level)
        self.most_taken = max(self.most_taken, self.alone - self.level)
        return True


class Region(NamedTuple):
    """A region, and how many seconds a packet takes there and back from where the scan runs."""

    name: str
    round_trip: float


REGIONS: Final = tuple(
    Region(name, milliseconds / 1000)
    for name, milliseconds in (
        ("us-east-1", 2), ("us-east-2", 15), ("us-west-1", 65), ("us-west-2", 70), ("ca-central-1", 18),
        ("sa-east-1", 115), ("eu-west-1", 70), ("eu-west-2", 78), ("eu-west-3", 82), ("eu-central-1", 92),
        ("eu-north-1", 112), ("ap-south-1", 190), ("ap-southeast-1", 215), ("ap-southeast-2", 200),
        ("ap-northeast-1", 150), ("ap-northeast-2", 175), ("ap-northeast-3", 160),
    )
)  # fmt: skip
"""The regions that are on by default, seen from us-east-1. Round trips are assumed, not measured."""


def answering(chance: Random, items: int) -> float:
    """Seconds until AWS has an answer of so many items. Assumed: 80 ms and 1.5 ms an item, sometimes far more."""
    return (0.08 + 0.0015 * items) * chance.lognormvariate(0.0, 0.5)
