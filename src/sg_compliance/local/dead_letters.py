"""Dead letters as lines of JSON in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.local.durable import append_line, check_appendable, storing
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.interfaces import Clock

_REASON: Final = 1_000


class FileDeadLetters:
    """The DeadLetters socket: `time`, `reason` and `body` of each."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def check(self) -> None:
        """See that it can be written. Raises StoreError."""
        with storing(self._path, "dead letters cannot be written"):
            check_appendable(self._path)

    def put(self, body: str, reason: str) -> None:
        """Add a line, and see to it that it is on the disk. Raises StoreError."""
        why = visible(reason)[:_REASON] or "no reason was given"
        line = json.dumps({"time": self._clock.now().isoformat(), "reason": why, "body": body})
        with storing(self._path, "the dead letter cannot be written"):
            append_line(self._path, line, sync=True)
