"""Ctrl-C, SIGTERM, or a terminal that is closed, heard while something is in hand that is to be finished first.

The first lets it be finished; the second ends the run where it stands. Light: it is heard while the rest still loads.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDERR: Final = 2


class Stopping:
    """Hears Ctrl-C while groups are changed. `what` is finished first."""

    def __init__(self, what: str = "group") -> None:
        self.asked = False
        self._said = f"\nstopping after the {what} in hand; Ctrl-C again stops at once\n".encode()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # nohup: a terminal that is closed is to make no difference
                self._undo.callback(signal.signal, number, signal.signal(number, self._heard))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def __call__(self) -> bool:
        """Whether the run is to stop before the next one."""
        return self.asked

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGHUP:
            return  # of a terminal that is closed both the shell and the system tell
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(OSError):  # nobody may be there to read it
            os.write(_STDERR, self._said)  # safe in a handler
