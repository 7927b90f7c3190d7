"""Figures as lines of JSON in a file, or for nobody."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from sg_compliance.local.durable import append_line, check_appendable, storing

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.interfaces import Clock
    from sg_compliance.model.metric import Metric


class FileMetrics:
    """The Metrics socket: `time`, `name`, `unit`, `value` and `dimensions` of each. What cannot be written is lost."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def check(self) -> None:
        """See that it can be written. Raises StoreError."""
        with storing(self._path, "figures cannot be written"):
            check_appendable(self._path)

    def put(self, metric: Metric) -> None:
        """Add a line. A figure that is no number is left out."""
        if not math.isfinite(metric.value):
            return
        record = {
            "time": self._clock.now().isoformat(),
            "name": metric.name.value,
            "unit": metric.name.unit.value,
            "value": metric.value,
            "dimensions": dict(metric.dimensions),
        }
        with suppress(OSError):
            append_line(self._path, json.dumps(record, sort_keys=True))


class NoMetrics:
    """The Metrics socket where nobody wants figures."""

    def put(self, metric: Metric) -> None:
        """Publish nothing."""
