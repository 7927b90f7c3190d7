"""A snapshot as a file: whole or not there at all. It is written beside its place and moved there at the end.

JSON Lines by nature; Parquet where the file is named so, which needs pyarrow.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.errors import InputError
from sg_compliance.local.durable import PRIVATE_FILE, no_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO, TextIO

    from sg_compliance.local.parquet_snapshot import ParquetSnapshot, Rendering

PARQUET: Final = ".parquet"
_MAGIC: Final = b"PAR1"
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LIBRARIES: Final = frozenset({"numpy", "pyarrow"})


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
    with _in_place_of(path, replace=replace) as file:
        text = TextIOWrapper(file, encoding="ascii")
        try:
            yield SnapshotFile(text)
        finally:
            text.detach()  # flushed, and the file is left to whoever opened it


@contextmanager
def open_parquet(
    path: Path, rendering: Rendering, about: Mapping[str, str], *, replace: bool
) -> Iterator[ParquetSnapshot]:
    """A snapshot in Parquet at the path; `about` goes into its header. Raises InputError."""
    with needing_pyarrow(str(path), "written"):
        from sg_compliance.local.parquet_snapshot import ParquetSnapshot  # noqa: PLC0415 - pyarrow only where needed
    with _in_place_of(path, replace=replace) as file:
        snapshot = ParquetSnapshot(file, rendering, about)
        try:
            yield snapshot
            snapshot.finish()
        finally:
            snapshot.abandon()


@contextmanager
def _in_place_of(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file beside the one that is meant, for this user only. It takes its place at the end if nothing goes wrong."""
    if what := no_file(path):
        message = f"{path}: cannot be written: it is {what}, and no file"
        raise InputError(message, hint="choose another name; without --output it goes to standard output")
    if path.exists() and not replace:
        message = f"{path}: there is a file already"
        raise InputError(message, hint="choose another name, or replace it with --force")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    try:
        with os.fdopen(os.open(unfinished, _NEW, PRIVATE_FILE), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise InputError(message, hint="choose a folder that can be written to and has room") from error
    finally:
        with suppress(OSError):  # not there, or its folder is none
            unfinished.unlink()


def is_named_parquet(path: Path) -> bool:
    """Whether a file of this name is to be Parquet."""
    return path.suffix.lower() == PARQUET


def is_parquet(path: Path) -> bool:
    """Whether the file is named as Parquet, or begins as Parquet does."""
    if is_named_parquet(path):
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:  # whoever reads it says why
        return False


@contextmanager
def needing_pyarrow(name: str, done: str) -> Iterator[None]:
    """Say what to install where it is missing."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _LIBRARIES:
            raise
        message = f"{name}: Parquet cannot be {done} without {error.name}, which is not installed"
        raise InputError(message, hint="pip install 'sg-compliance[parquet]'; JSON Lines needs nothing more") from error
