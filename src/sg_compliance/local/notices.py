"""Notices as lines of JSON in a file, for who has nobody else to tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sg_compliance.enforcement.wire import notice_record
from sg_compliance.local.durable import append_line, storing

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.notice import Notice


class FileNotifier:
    """The Notifier socket. Not forced onto the disk: the audit log is what counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        """Add a line. Raises StoreError."""
        line = json.dumps(notice_record(notice), sort_keys=True)
        with storing(self._path, "the notice cannot be written"):
            append_line(self._path, line)
