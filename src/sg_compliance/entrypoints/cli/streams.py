"""Standard streams that are closed, or whose reader has gone: what is said beside the result never stops the work."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing import TextIO


def open_closed_streams() -> None:
    """Put something in the place of streams that were closed (`>&-`), which Python has as None.

    Otherwise the next file that is opened, a database even, would get their number. What is opened cannot be used the
    way the stream is meant: a result that cannot be written is an error, like an input that cannot be read. What is
    said on standard error goes nowhere.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), "r")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def discard(stream: TextIO) -> None:
    """Give up what could not be written, so that Python does not try again at its end."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - pathlib would be one more import for `--help`
        os.dup2(nowhere.fileno(), stream.fileno())


class _Dropping:
    """A stream of which nobody has to hear: what cannot be written is dropped, and all that comes after it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        with suppress(OSError):
            discard(self._stream)

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()


def dropping(stream: TextIO) -> IO[str]:
    """The stream, for what may get lost: its reader may go away, its disk may be full."""
    return cast("IO[str]", _Dropping(stream))
