"""Notices as lines of JSON in a file, for who has nobody else to tell."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sg_compliance.enforcement.wire import notice_record
from sg_compliance.local.durable import PRIVATE_FILE, make_folder, storing, write_all

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.notice import Notice


class FileNotifier:
    """The Notifier socket. Not forced onto the disk: the audit log is what counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        """Add a line. Raises StoreError."""
        line = json.dumps(notice_record(notice), sort_keys=True) + "\n"
        with storing(self._path, "the notice cannot be written"):
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
            try:
                write_all(descriptor, line.encode())
            finally:
                os.close(descriptor)
