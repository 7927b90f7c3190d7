"""Writing files so that a crash or a full disk leaves the old state or the new one: private, whole, and on the disk."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_KINDS: Final = {
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def storing(path: Path, purpose: str) -> Iterator[None]:
    """Raise what the operating system refuses inside as a StoreError: `…/audit.jsonl: cannot be read: …`."""
    try:
        yield
    except OSError as error:
        raise store_error(path, purpose, error) from error


def store_error(path: Path, purpose: str, error: OSError) -> StoreError:
    """What the operating system said, and the next step."""
    return StoreError(f"{path}: {purpose}: {error.strerror or error}", hint=_hint(path, error.errno))


def _hint(path: Path, number: int | None) -> str:
    if number in _FULL:
        return f"free some space, or raise the quota, where {path.parent} is; nothing was kept of this"
    if number in _REFUSED:
        return f"let this user read and write {path.parent}, or name another state directory"
    return f"check the disk that {path.parent} is on"


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all. Raises FileExistsError where it is there."""
    make_folder(path.parent)
    with _spare(path, data) as spare:
        os.link(spare, path)
    sync_folder(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Put the bytes in the place of what the file holds, whole or not at all. Raises FileExistsError over no file."""
    make_folder(path.parent)
    if what := no_file(path):  # a rename would put a file in the place of a device
        raise FileExistsError(errno.EEXIST, f"is {what}, and no file", str(path))
    with _spare(path, data) as spare:
        spare.replace(path)
    sync_folder(path.parent)


def no_file(path: Path) -> str:
    """What is there that is no regular file, as a noun; empty where there is one, or nothing. Links are followed."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")


@contextmanager
def _spare(path: Path, data: bytes) -> Iterator[Path]:
    """A file with the bytes beside the one that is meant, under a name that is none."""
    spare = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield spare
    finally:
        with suppress(OSError):
            spare.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte. A disk that takes only some says why at the next one."""
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def append_line(path: Path, line: str, *, sync: bool = False) -> None:
    """Add a line to a file, which is made where there is none; `sync`: it is on the disk then. Raises OSError."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        write_all(descriptor, f"{line}\n".encode())
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(path: Path) -> None:
    """Make an empty file for this user only, where there is none. Raises OSError.

    A file that is there is not opened: to close it would give up the locks that SQLite has on it in this process
    (SQLite, "How To Corrupt An SQLite Database File", POSIX advisory locks). SQLite gives the same mode to the files
    that it keeps beside it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))


def check_appendable(path: Path) -> None:
    """See that lines can be added to the file, or that it can be made; nothing of it is left. Raises OSError."""
    if what := no_file(path):
        raise FileExistsError(errno.EEXIST, f"is {what}, and no file", str(path))
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
        return
    make_folder(path.parent)
    with _spare(path, b""):
        pass


def make_folder(folder: Path) -> None:
    """Make the folder, and those above it, for this user only; each is on the disk before what goes into it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(_PRIVATE_FOLDER)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """See to it that the names in the folder are on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
