"""Commands in a hint, so that they can be pasted: with the options that the command which shows them was given."""

from __future__ import annotations

import re
import shlex
from typing import Final

_KEPT: Final = frozenset({"--state", "--table", "--profile", "--endpoint-url"})
_TOLD: Final = _KEPT | {"--kms-key", "--topic"}
_SWITCHED: Final = _TOLD | {"--pause-parameter"}
_CHANGING: Final = _SWITCHED | {"--external-id", "--change-role-name"}
TAKEN: Final = {
    "apply": _CHANGING,
    "audit show": _KEPT,
    "audit verify": _KEPT,
    "backups list": _KEPT,
    "backups show": _KEPT,
    "block": _SWITCHED | {"--external-id"},
    "blocks list": _KEPT,
    "history": _KEPT,
    "pause": _SWITCHED,
    "plan": _KEPT | {"--external-id"},
    "resume": _SWITCHED,
    "rollback": _CHANGING,
    "unblock": _SWITCHED | {"--external-id"},
    "unprotect": _TOLD,
}
"""The options of those that each command takes."""
_SAID: Final = {"unprotect": " --reason TEXT --approved-by NAME"}
"""What only a person can say, as a place to put it."""
_COMMAND: Final = re.compile(
    rf"\bsg-compliance ({'|'.join(sorted(TAKEN, key=len, reverse=True))})\b((?: (?:sg|run|block)-[\w-]+)?)"
)


def completed(hint: str, again: str) -> str:
    """The hint with every command in it completed. `again`: options, ` --state 'my state'`, each with its value."""
    parts = shlex.split(again)
    given = dict(zip(parts[::2], parts[1::2], strict=True))
    return _COMMAND.sub(lambda match: _with_options(match, given), hint)


def _with_options(match: re.Match[str], given: dict[str, str]) -> str:
    command, subject = match[1], match[2]
    said = _SAID.get(command, "") if subject else ""
    taken = TAKEN[command]
    return match[0] + said + "".join(f" {name} {shlex.quote(given[name])}" for name in given if name in taken)
