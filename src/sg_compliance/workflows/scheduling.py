"""Which shard is read next. No threads and no clock in here: it is asked and told, with the time in seconds.

Accounts take turns: the first region of each, then the second, and each account begins with another one. Of those that
wait, the account of which least is being read comes first. So no account and no region's endpoint gets much at once.

An account is slow once it kept a reader waiting for `SLOW_SECONDS`, be it a slow endpoint, or throttling that the SDK
waits out. Then it may have the few readers that are spare, and the rest of it comes when nothing else is waiting. So
it delays nobody, and is still begun early where it can be.

Not here: how many calls a region gets in a second. Whoever makes the calls knows (`aws/pacing.py`).
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.interfaces import Shard

SLOW_SECONDS: Final = 10.0
"""Longer than a page of 1,000 groups with all interfaces of its region, and than two tries of a throttled call."""

_FOR_ONE_SPARE: Final = 4


class Schedule:
    """What is to be read by `workers` at once, and by a few spare ones: `readers` in all. Not safe for threads."""

    def __init__(self, shards: Iterable[Shard], workers: int) -> None:
        self._waiting = deque(in_turns(shards))
        self._workers = workers
        self._aside: deque[Shard] = deque()
        self._since: dict[Shard, float] = {}
        self._busy: Counter[str] = Counter()
        self._slow: set[str] = set()
        spare = max(workers // _FOR_ONE_SPARE, int(workers > 1))
        self.readers = min(workers + spare, len(self._waiting))

    def next(self, now: float) -> Shard | float | None:
        """The shard for one of the readers that is free; None: all are begun.

        A number: there is none yet, and in so many seconds, or when something is over, it is worth asking again.
        """
        self._notice(now)
        slow = sum(map(self._is_slow, self._since))
        if self._waiting and len(self._since) - slow < self._workers:
            return self._begin(self._waiting, now)
        if self._aside:
            return self._begin(self._aside, now)
        if not self._waiting:
            return None
        return min(since for shard, since in self._since.items() if not self._is_slow(shard)) + SLOW_SECONDS - now

    def page(self, shard: Shard, now: float) -> None:
        """The shard gave something, and is asked for more."""
        self._since[shard] = now

    def over(self, shard: Shard) -> None:
        """The shard was read to its end, or failed."""
        del self._since[shard]
        self._busy[_account(shard)] -= 1

    def _notice(self, now: float) -> None:
        """Set aside what waits of the accounts that have become slow."""
        late = {_account(shard) for shard, since in self._since.items() if since + SLOW_SECONDS <= now} - self._slow
        if late:
            self._slow |= late
            self._aside.extend(filter(self._is_slow, self._waiting))
            self._waiting = deque(shard for shard in self._waiting if not self._is_slow(shard))

    def _least_busy(self, queue: Iterable[Shard]) -> int:
        """Where in the queue the first shard stands of whose account least is being read."""
        best, least = 0, len(self._since) + 1
        for at, shard in enumerate(queue):
            busy = self._busy[_account(shard)]
            if busy < least:
                best, least = at, busy
            if not least:
                break
        return best

    def _begin(self, queue: deque[Shard], now: float) -> Shard:
        at = self._least_busy(queue)
        shard = queue[at]
        del queue[at]
        self._since[shard] = now
        self._busy[_account(shard)] += 1
        return shard

    def _is_slow(self, shard: Shard) -> bool:
        return _account(shard) in self._slow


def in_turns(shards: Iterable[Shard]) -> list[Shard]:
    """One shard of each account, then another of each. The second account begins with its second shard, and so on.

    Shards without an account keep their order.
    """
    by_account: dict[str, list[Shard]] = {}
    for shard in shards:
        by_account.setdefault(_account(shard), []).append(shard)
    turned = [each[at % len(each) :] + each[: at % len(each)] for at, each in enumerate(by_account.values())]
    return [each[turn] for turn in range(max(map(len, turned), default=0)) for each in turned if turn < len(each)]


def _account(shard: Shard) -> str:
    return shard.account_id or shard.name
