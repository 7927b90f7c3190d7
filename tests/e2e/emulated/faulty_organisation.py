"""The demo organisation's server, whose EC2 does what it is told: lines of JSON on standard input, an answer to each.

Run by the tests in a process of its own: `organisation` in member_accounts.py is the other end.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import IO, TYPE_CHECKING, Any

from sg_compliance.testing import moto_server
from sg_compliance.testing.moto_networks import demo_twin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.twin.calls import Call


class Commands:
    """Standard input to the server, which reads it until it closes: each line is obeyed on the way."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._twin = demo_twin()
        self._open = threading.Event()
        self._held = 0

    def __iter__(self) -> Iterator[str]:
        """Obey line by line."""
        for line in self._lines:
            asked = json.loads(line)
            sys.stdout.write(json.dumps(getattr(self, asked.pop("do"))(**asked)) + "\n")
            sys.stdout.flush()
            yield line

    def lag(self, seconds: float) -> None:
        """Show groups as they were so long ago."""
        self._twin.faults.lag = seconds

    def refuse(self, code: str, operation: str) -> None:
        """Refuse every such call from now on."""
        self._twin.faults.fail(code, operation=operation)

    def hold(self, operation: str) -> None:
        """Let such calls wait until the faults are cleared; they take effect then."""
        self._open = threading.Event()
        self._twin.faults.before(self._wait, operation=operation)

    def held(self) -> int:
        """How many calls were made to wait, since the server began."""
        return self._held

    def clear(self) -> None:
        """No more faults."""
        self._twin.faults.clear()
        self._open.set()

    def make(self, account_id: str, region: str, raw_group: dict[str, Any]) -> str:
        """Make a group; its id. No event tells of it."""
        return self._twin.put_group(account_id, region, raw_group)

    def snapshot(self, account_id: str, region: str, group_id: str) -> Any:  # noqa: ANN401  JSON
        """All that AWS would show of a group, but for ids of rules."""
        return self._twin.snapshot(account_id, region).get(group_id)

    def calls(self, group_id: str, operation: str) -> int:
        """How often the operation was called for the group, and took effect."""
        return sum(_is_about(each, group_id, operation) for each in self._twin.log)

    def refused(self, operation: str) -> int:
        """How often the operation was refused, of any group."""
        return sum(each.operation == operation and each.error is not None for each in self._twin.log)

    def _wait(self, _: Call) -> None:
        self._held += 1
        self._open.wait()


def _is_about(call: Call, group_id: str, operation: str) -> bool:
    named = (call.params.get("GroupId"), *call.params.get("Resources", ()))
    return call.operation == operation and call.error is None and group_id in named


if __name__ == "__main__":
    sys.stdin = Commands(sys.stdin)
    sys.exit(moto_server.main())
