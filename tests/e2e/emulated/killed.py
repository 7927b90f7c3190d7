"""A function that is killed in the middle of changing a group, and its message, which comes again."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tests.e2e.emulated import runtime_api
from tests.e2e.emulated.places import runtime_packages, unpacked
from tests.e2e.emulated.response_stage import HANDLERS, HTTPS, message
from tests.e2e.emulated.waiting import SECONDS, eventually

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.builders import Json
    from tests.e2e.emulated.response_stage import Stage

_SECONDS: Final = 13
"""The function's time: so long Powertools takes a message for one that is being handled."""


def place_of(stage: Stage, folder: Path) -> runtime_api.Place:
    """The package and AWS's runtime, unpacked."""
    code, runtime = unpacked(stage.package, folder / "code"), runtime_packages(folder / "runtime")
    return runtime_api.Place(code, runtime, folder / "log")


def running(
    stage: Stage, place: runtime_api.Place, name: str, seconds: float = SECONDS
) -> AbstractContextManager[runtime_api.Runtime]:
    """One of the functions, under AWS's runtime client, in the place of the deployed one."""
    variables = {"AWS_ENDPOINT_URL": stage.deployment.endpoint_url, **stage.variables}
    return runtime_api.function(place, f"{HANDLERS}.{name}", variables, timeout=seconds)


def killed_while_it_revokes(stage: Stage, folder: Path) -> str:
    """Open a group, and kill the function that closes it while its call to revoke is on the way. The id of the group.

    The call takes effect after all, and the event is handed out again.
    """
    group, command = stage.group("killed", HTTPS), stage.accounts.command
    with stage.keeping_back(group):
        stage.open("killed", group)
    (opened,) = stage.told_by_cloudtrail(group)
    body = json.dumps(opened)
    command("hold", operation="RevokeSecurityGroupIngress")
    with running(stage, place_of(stage, folder), "respond", _SECONDS) as function:
        waiting = threading.Thread(target=_invoke, args=(function, {"Records": [message(body)]}), daemon=True)
        waiting.start()
        eventually(lambda: command("held"), "the call to revoke is on its way")
    waiting.join()
    command("clear")
    stage.deployment.send(stage.events, body)
    return group


def _invoke(function: runtime_api.Runtime, event: Json) -> None:
    with suppress(runtime_api.FunctionEndedError):
        function.invoke(event)
