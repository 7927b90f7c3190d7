"""How fast a region of an account is asked, so that those who live there keep half of what AWS allows them.

AWS takes 100 describes at once, and then 20 a second, of each kind from each account and region (EC2 developer guide,
"Request throttling"). Here all calls of one client share half of that, whatever their kind.
"""

from __future__ import annotations

import threading
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from botocore.client import BaseClient

AT_ONCE: Final = 50
A_SECOND: Final = 10


class Pace:
    """A bucket of tokens. The time is an argument: seconds, never going back. Not safe for threads."""

    def __init__(self) -> None:
        self._tokens: float = AT_ONCE
        self._filled = -inf

    def take(self, now: float) -> float:
        """Take a token for a call. In how many seconds the call may be made."""
        self._tokens = min(AT_ONCE, self._tokens + (now - self._filled) * A_SECOND) - 1
        self._filled = now
        return max(0.0, -self._tokens / A_SECOND)


def paced(client: BaseClient) -> BaseClient:
    """The same client: each call that it sends waits for its turn, and so does each try of a call. Once is enough."""
    client.meta.events.register("before-send", _Waiting().wait, unique_id="sg-compliance-pace")
    return client


class _Waiting:
    """A pace that threads share."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._lock = threading.Lock()

    def wait(self, **_: object) -> None:
        """What the SDK calls before it sends something."""
        with self._lock:
            seconds = self._pace.take(monotonic())
        if seconds:
            sleep(seconds)
