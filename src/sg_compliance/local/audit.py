"""The audit log in a file: each line on the disk before `append` returns, one chain for all processes.

A file lock keeps writers apart. What a crash cuts off stays, closed and accounted for by the next line; what a full
disk cuts off is taken back. A file whose last line was damaged is not written on.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.enforcement.audit import NO_ENTRY, TORN_END, Head, seal, sealed_head, torn_hash
from sg_compliance.errors import StoreError
from sg_compliance.local.durable import PRIVATE_FILE, make_folder, storing, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FIRST_LOOK: Final = 65_536
"""Bytes from the end in which the last entry is looked for; twice as many each time that it is not there."""


class _End(NamedTuple):
    """Where a file ends: the last sound entry, torn lines after it, and what was never closed with a newline."""

    head: Head
    closed: tuple[str, ...] = ()
    unclosed: str = ""


class FileAuditLog:
    """The AuditLog socket on a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, event: Mapping[str, Any]) -> None:
        """Add a line. Raises StoreError; ValueError, TypeError for an event that is no JSON object."""
        with storing(self._path, "the audit log cannot be written"), self._alone() as descriptor:
            size = os.fstat(descriptor).st_size
            _add(descriptor, size, _line(event, self._end(descriptor, size)))
            if not size:
                sync_folder(self._path.parent)

    def lines(self) -> Iterator[str]:
        """The lines that are there now, without newlines; bytes that are no text come as surrogates."""
        with storing(self._path, "the audit log cannot be read"):
            try:
                file = self._path.open("rb")
            except FileNotFoundError:
                return
            with file:
                fcntl.flock(file, fcntl.LOCK_SH)
                left = os.fstat(file.fileno()).st_size
                fcntl.flock(file, fcntl.LOCK_UN)
                while left > 0 and (raw := file.readline(left)):
                    left -= len(raw)
                    yield _decoded(raw.removesuffix(b"\n"))

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The open file, locked against other threads and processes (flock: by opening, not by process)."""
        make_folder(self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _end(self, descriptor: int, size: int) -> _End:
        look = _FIRST_LOOK
        while True:
            start = max(0, size - look)
            pieces = _decoded(os.pread(descriptor, size - start, start)).split("\n")
            end = self._end_in(pieces if start == 0 else ["", *pieces[1:]], whole=start == 0)
            if end:
                return end
            look *= 2

    def _end_in(self, pieces: list[str], *, whole: bool) -> _End | None:
        """Look from the end. The last piece is what was not closed; None where more of the file is needed."""
        *lines, unclosed = pieces
        first = 0 if whole else 1
        for index in range(len(lines) - 1, first - 1, -1):
            head = sealed_head(lines[index])
            if head:
                return _End(head, tuple(lines[index + 1 :]), unclosed)
            if not lines[index].endswith(TORN_END):
                raise StoreError(
                    f"{self._path}: the last line of the audit log was changed, or is none: nothing is added to it",
                    hint="find out what changed it (sg-compliance audit verify), then move the file away",
                )
        return _End(NO_ENTRY, tuple(lines), unclosed) if whole else None


def _line(event: Mapping[str, Any], end: _End) -> bytes:
    """The new line, after what closes a torn one."""
    closing = f"{TORN_END}\n" if end.unclosed else ""
    torn = [*end.closed, end.unclosed + TORN_END] if end.unclosed else end.closed
    line = seal(event, end.head.hash, end.head.sequence + 1, torn=torn_hash(torn) if torn else "")
    return f"{closing}{line}\n".encode()


def _add(descriptor: int, size: int, data: bytes) -> None:
    """Write at the end, in one go, and onto the disk; or leave the file as it was."""
    try:
        _write_through(descriptor, data)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _write_through(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
