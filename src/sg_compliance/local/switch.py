"""The pause switch as a small file: replaced whole, and on the disk when it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.errors import StoreError
from sg_compliance.local.durable import replace, storing

if TYPE_CHECKING:
    from pathlib import Path


class FileSwitch:
    """The Switch socket. A file that is not there is the empty text; one that cannot be read is a StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """The text."""
        with storing(self._path, "the pause switch cannot be read"):
            try:
                return self._path.read_bytes().decode()
            except FileNotFoundError:
                return ""
            except UnicodeDecodeError as error:
                raise StoreError(
                    f"{self._path}: the pause switch is no text: {error}", hint="set it again: sg-compliance pause"
                ) from error

    def write(self, text: str) -> None:
        """Set the text."""
        with storing(self._path, "the pause switch cannot be set"):
            replace(self._path, text.encode())
