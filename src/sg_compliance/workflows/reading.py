"""Reading many shards at once: a few threads read and work on pages, the calling thread takes the results.

A shard that fails is a result like others, and never stops the rest. The threads are daemons: after Ctrl-C nobody waits
for an answer that may never come.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Final, Generic, NoReturn, Self, TypeVar

from sg_compliance.errors import SgComplianceError
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.scheduling import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from sg_compliance.interfaces import Inventory, Page, Shard

_PENDING: Final = 64
_POLL_SECONDS: Final = 0.2

Work = TypeVar("Work")


def shards_of(inventory: Inventory, shards: list[Shard], skipped: list[Skipped]) -> None:
    """Ask what there is to read, into the lists as it comes: after Ctrl-C they hold what was found by then."""
    for found in inventory.shards():
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            shards.append(found)


def never_met(
    wanted: AbstractSet[str], met: AbstractSet[str], shards: Sequence[Shard], skipped: Sequence[Skipped]
) -> list[Skipped]:
    """A wanted account that was never met must not look clean: its id may be wrong."""
    said = {each.account_id for each in skipped} | {shard.account_id for shard in shards}
    return [
        Skipped("security groups", f"account {each}: no security group of it was found", "check the account id", each)
        for each in sorted(wanted - met - said)
    ]


@dataclass(frozen=True, slots=True)
class Result(Generic[Work]):
    """One page's work, something that was skipped, or the end of a shard (with what it failed on, if it did)."""

    shard: Shard
    work: Work | None = None
    skipped: Skipped | None = None
    over: bool = False


class Readers(Generic[Work]):
    """Begins to read at once, in the order of `Schedule`. `work` is called by several threads at a time."""

    def __init__(
        self, inventory: Inventory, shards: Sequence[Shard], work: Callable[[Shard, Page], Work], workers: int
    ) -> None:
        self._inventory = inventory
        self._work_on = work
        self._schedule = Schedule(shards, workers)
        self._turns = threading.Condition()
        self._results: Queue[Result[Work] | BaseException] = Queue(_PENDING)
        self._open = {shard.name: shard for shard in shards}
        self._stopped = threading.Event()
        for _ in range(self._schedule.readers):
            threading.Thread(target=self._work, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """However it ended: the threads end too, with what they are at."""
        self.stop()

    def stop(self) -> None:
        """Begin nothing new, and hand over nothing that does not fit in any more."""
        with self._turns:
            self._stopped.set()
            self._turns.notify_all()

    def unfinished(self) -> list[Shard]:
        """The shards whose end was not taken in."""
        return list(self._open.values())

    def results(self) -> Iterator[Result[Work]]:
        """Results as they come, until every shard is over. Raises what went wrong beside a shard's own failures."""
        while self._open:
            try:
                result = self._results.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(result, BaseException):
                _raise(result)
            yield result
            self._taken(result)

    def ready(self) -> Iterator[Result[Work]]:
        """The results that are there, without waiting for others. Of a shard that broke down nothing more comes."""
        with suppress(Empty):
            while True:
                result = self._results.get_nowait()
                if isinstance(result, Result):
                    yield result
                    self._taken(result)

    def _taken(self, result: Result[Work]) -> None:
        """Asked for the next result, the caller has taken this one in."""
        if result.over:
            self._open.pop(result.shard.name, None)

    def _hand_over(self, result: Result[Work] | BaseException) -> None:
        """Wait until it fits in, or nobody wants it any more."""
        while True:
            try:
                self._results.put(result, timeout=_POLL_SECONDS)
            except Full:
                if self._stopped.is_set():
                    return
            else:
                return

    def _work(self) -> None:
        shard = self._next()
        while shard:
            try:
                self._read(shard)
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it
                self._hand_over(error)
                return
            shard = self._next(shard)

    def _next(self, read: Shard | None = None) -> Shard | None:
        """The shard to read after this one; None when there is nothing more to begin. Waits for its turn."""
        with self._turns:
            if read:
                self._schedule.over(read)
            while not self._stopped.is_set():
                turn = self._schedule.next(time.monotonic())
                if not isinstance(turn, float):
                    self._turns.notify()  # who waits may have another answer now
                    return turn
                self._turns.wait(turn)
            return None

    def _read(self, shard: Shard) -> None:
        failed = None
        groups = 0
        try:
            for found in self._inventory.read(shard):
                if self._stopped.is_set():
                    return
                if isinstance(found, Skipped):
                    self._hand_over(Result(shard, skipped=found))
                    continue
                groups += len(found.groups)
                self._hand_over(Result(shard, self._work_on(shard, found)))
                with self._turns:
                    self._schedule.page(shard, time.monotonic())
        except SgComplianceError as error:
            after = f" (after {groups} group{'s' if groups != 1 else ''})" if groups else ""
            failed = Skipped("security groups", f"{error}{after}", error.hint, shard.account_id, shard.region)
        self._hand_over(Result(shard, skipped=failed, over=True))


def _raise(error: BaseException) -> NoReturn:
    raise error
