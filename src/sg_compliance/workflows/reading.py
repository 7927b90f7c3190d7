"""Reading many shards at once: a few threads read and work on pages, the calling thread takes the results.

A shard that fails is a result like others, and never stops the rest. The threads are daemons: after Ctrl-C nobody waits
for an answer that may never come.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar

from sg_compliance.errors import SgComplianceError
from sg_compliance.model.scan import Skipped

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
    """Begins to read at once. `work` is called by the reading threads, for several pages at a time."""

    def __init__(
        self, inventory: Inventory, shards: Sequence[Shard], work: Callable[[Shard, Page], Work], workers: int
    ) -> None:
        self._inventory = inventory
        self._work_on = work
        self._waiting: Queue[Shard] = Queue()
        self._results: Queue[Result[Work] | BaseException] = Queue(_PENDING)
        self._open = {shard.name: shard for shard in shards}
        self._stopped = threading.Event()
        for shard in shards:
            self._waiting.put(shard)
        for _ in range(min(workers, len(shards))):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()

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

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                shard = self._waiting.get_nowait()
            except Empty:
                return
            try:
                self._read(shard)
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it
                self._results.put(error)
                return

    def _read(self, shard: Shard) -> None:
        failed = None
        groups = 0
        try:
            for found in self._inventory.read(shard):
                if self._stopped.is_set():
                    return
                if isinstance(found, Skipped):
                    self._results.put(Result(shard, skipped=found))
                    continue
                groups += len(found.groups)
                self._results.put(Result(shard, self._work_on(shard, found)))
        except SgComplianceError as error:
            after = f" (after {groups} group{'s' if groups != 1 else ''})" if groups else ""
            failed = Skipped("security groups", f"{error}{after}", error.hint, shard.account_id, shard.region)
        self._results.put(Result(shard, skipped=failed, over=True))


def _raise(error: BaseException) -> NoReturn:
    raise error
