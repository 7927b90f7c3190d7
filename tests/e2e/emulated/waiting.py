"""Waiting with a deadline: nothing in these tests sleeps for a time and hopes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 30.0
"""How long anything is waited for. All of it takes a few seconds at most, on a machine that is not busy."""
_BETWEEN: Final = 0.05

Found = TypeVar("Found")


class NotInTimeError(AssertionError):
    """Something did not happen before its deadline."""


def eventually(look: Callable[[], Found], what: str, seconds: float = SECONDS) -> Found:
    """What `look` gives, once it is true. Raises NotInTimeError, which says what there was instead."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTimeError(f"not within {seconds:g} s: {what}; the last look gave {found!r}")
        time.sleep(_BETWEEN)
