"""The calls of one event in a process that is warm: a JSON list of [service, operation]. The argument is a case."""

import json
import sys
import time
from typing import Any, Final

from benchmarks.function_process import Arrival, Function, body_of, cloud
from benchmarks.loopback_aws import CLOSING, COMPLIANT, DESCRIBING, FAILED, KINDS, OWN, by_us

CASES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "a call that AWS refused": (FAILED, {}),
    "a description": (DESCRIBING, {}),
    "a compliant rule": (COMPLIANT, {}),
    "SSH opened, dry run": (CLOSING, {"DRY_RUN_MODE": "true"}),
    "SSH opened, closed": (CLOSING, {}),
    "the same event again": (CLOSING, {}),
    "our own change": (OWN, {}),
}


def main(case: str) -> None:
    """Print them."""
    told = sys.stdout
    kind, settings = CASES[case]
    with cloud(2 * len(KINDS)) as running:
        function = Function({**running.environment, **_ours(settings)}, "calls")
        _handle(function, running.events[: len(KINDS)])
        wanted = CLOSING if kind == OWN else kind
        event = next(event for found, event in running.events[len(KINDS) :] if found == wanted)
        if case in {"the same event again", "our own change"}:
            _handle(function, [(kind, event)])
        event = by_us(event) if kind == OWN else event
        running.calls()
        _handle(function, [(kind, event)])
        told.write(json.dumps([(call.service, call.operation) for call in running.calls()]))


def _ours(settings: dict[str, str]) -> dict[str, str]:
    return {f"SG_COMPLIANCE_{name}": value for name, value in settings.items()}


def _handle(function: Function, events: list[tuple[str, dict[str, Any]]]) -> None:
    now = time.time()
    function.respond([Arrival(kind, body_of(event, now), now) for kind, event in events])


if __name__ == "__main__":
    main(sys.argv[1])
