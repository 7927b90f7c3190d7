"""A snapshot as JSON Lines: whole or not there at all. It is written beside its place and moved there at the end."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sg_compliance.errors import InputError
from sg_compliance.local.durable import no_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO


class SnapshotFile:
    """Takes one document after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, document: dict[str, Any]) -> None:
        """Write a document as one line."""
        self._file.write(json.dumps(document, separators=(",", ":")) + "\n")


@contextmanager
def open_snapshot(path: Path | None, *, replace: bool) -> Iterator[SnapshotFile]:
    """A snapshot at the path, or on standard output. Raises InputError where it cannot be written."""
    if path is None or str(path) == "-":
        yield SnapshotFile(sys.stdout)
        return
    if what := no_file(path):
        message = f"{path}: cannot be written: it is {what}, and no file"
        raise InputError(message, hint="choose another name; without --output it goes to standard output")
    if path.exists() and not replace:
        message = f"{path}: there is a file already"
        raise InputError(message, hint="choose another name, or replace it with --force")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("w", encoding="ascii") as file:
            yield SnapshotFile(file)
        unfinished.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}"
        raise InputError(message, hint="choose a folder that can be written to and has room") from error
    finally:
        with suppress(OSError):  # not there, or its folder is none
            unfinished.unlink()
