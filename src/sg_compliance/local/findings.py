"""The findings of one scan in the order of reports: sorted runs in temporary files, merged when they are read."""

from __future__ import annotations

import copyreg
import heapq
import pickle
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

from sg_compliance.model.intervals import IntervalSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sg_compliance.model.finding import Finding

_IN_MEMORY: Final = 20_000


def _reduced(intervals: IntervalSet) -> tuple[Callable[..., IntervalSet], tuple[Any, ...]]:
    """An immutable set cannot be filled in after it is made, as pickle would: it is made anew."""
    return IntervalSet, (intervals.intervals,)


_REDUCERS: Final[dict[type, Callable[..., Any]]] = {**copyreg.dispatch_table, IntervalSet: _reduced}


class SpillingFindings:
    """Findings, of which at most `in_memory` are held in memory at a time."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._most = in_memory
        self._held: list[Finding] = []
        self._runs: list[IO[bytes]] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Keep some more."""
        self._held.extend(findings)
        if len(self._held) > self._most:
            self._spill()

    def _spill(self) -> None:
        run = tempfile.TemporaryFile(prefix="sg-compliance-findings-")  # noqa: SIM115 - closed by close()
        pickler = pickle.Pickler(run, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = _REDUCERS
        for finding in self._sorted():
            pickler.dump(finding)
            pickler.clear_memo()
        self._runs.append(run)
        self._held = []

    def _sorted(self) -> list[Finding]:
        return sorted(self._held, key=lambda finding: finding.sort_key())

    def __iter__(self) -> Iterator[Finding]:
        """All findings, sorted."""
        runs = [self._read(run) for run in self._runs]
        return heapq.merge(*runs, self._sorted(), key=lambda finding: finding.sort_key())

    @staticmethod
    def _read(run: IO[bytes]) -> Iterator[Finding]:
        run.seek(0)
        while True:
            try:
                yield pickle.load(run)  # noqa: S301 - our own file, without a name in the file system
            except EOFError:
                return

    def close(self) -> None:
        """Remove the temporary files."""
        for run in self._runs:
            run.close()
