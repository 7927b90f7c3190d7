"""The demo organisation behind an endpoint on loopback, for any AWS client: `demo_organisation_process()`.

The server is moto's, in a process of its own, which ends when its standard input closes: it cannot outlive who started
it. Access keys that it did not hand out are those of the management account; AssumeRole into an account's role gives
keys that see that account.

    python -m sg_compliance.testing.moto_server --port 5000

runs it in the foreground and prints one line of JSON when it is ready: a `DemoServer`. It ends when its standard input
closes, at once where that is closed already, as under many supervisors: `sleep infinity | python -m …` keeps it open.

Security groups, their rules and tags are the EC2 twin's: pages, changes and refusals are as AWS's. All else is moto's.
`--trail FILE` keeps every call that changes them, as CloudTrail and EventBridge tell it: a line of JSON each.

Not shown as AWS would: ports as text and lists that are null, because EC2's XML has neither; pages of what is moto's;
tags of groups in DescribeTags; where an interface is attached; the caller's real name in a refused AssumeRole;
throttling and lag. VPCs, prefix lists and interfaces that a client makes are not known to its security groups.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

from sg_compliance.errors import DemoUnavailableError
from sg_compliance.testing.organisation import demo_organisation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from werkzeug.serving import BaseWSGIServer

_LOOPBACK: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_NEEDED: Final = ("moto", "flask", "flask_cors", "werkzeug")


@dataclass(frozen=True, slots=True)
class DemoServer:
    """Where the demo organisation is served, and how to enter its accounts."""

    endpoint_url: str
    management_account: str
    role_name: str


@contextmanager
def demo_organisation_process(port: int = 0, trail: Path | None = None) -> Iterator[DemoServer]:
    """Serve the demo organisation from a child process until the block ends. Port 0 is any free port.

    `trail`: the file in which changing calls are kept, as events.

    Raises:
        DemoUnavailableError: moto is not installed, or the server did not start; with what the server said.
    """
    _require_moto()
    kept = [] if trail is None else ["--trail", str(trail)]
    command = [sys.executable, "-m", __name__, "--port", str(port), *kept]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(  # noqa: S603  this module, by this interpreter
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # the same code as here
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,  # Ctrl-C is for who started it, who then stops it
        ) as process,
    ):
        try:
            yield _ready(process, said)
        finally:
            _stop(process)


def _require_moto() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        message = f"the demo organisation needs {', '.join(missing)}, which is not installed"
        raise DemoUnavailableError(message, hint="pip install 'sg-compliance[demo]'")


def _ready(process: subprocess.Popen[str], said: IO[str]) -> DemoServer:
    stdout = process.stdout
    readable = stdout is not None and select.select([stdout], [], [], _START_SECONDS)[0]
    line = stdout.readline() if stdout is not None and readable else ""
    if not line:
        _stop(process)
        said.seek(0)
        raise DemoUnavailableError(
            f"the demo organisation's server did not start: {said.read().strip() or 'it said nothing'}",
            hint=f"run it to see why: python -m {__name__}",
        )
    return DemoServer(**json.loads(line))


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve in the foreground until standard input closes, or until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sg_compliance.testing.moto_server")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free port)")
    parser.add_argument("--trail", type=Path, metavar="FILE", help="keep changing calls in this file, as events")
    asked = parser.parse_args(arguments)
    try:
        _require_moto()
    except DemoUnavailableError as error:
        print(f"error: {error}\nhelp: {error.hint}", file=sys.stderr)  # noqa: T201  a command's own words
        return 2
    _serve(asked.port, asked.trail)
    return 0


def _serve(port: int, trail: Path | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    _ignore_settings_of_the_user()
    server = _server(port, trail)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        _announce(server)
        for _ in sys.stdin or ():
            pass
    finally:
        server.shutdown()
        server.server_close()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _ignore_settings_of_the_user() -> None:
    """Keep profiles, endpoints and moto's switches of the user's environment away from moto."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"


def _server(port: int, trail: Path | None) -> BaseWSGIServer:
    # moto is optional, and slow to import: only the process that serves needs it.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    from sg_compliance.testing.moto_accounts import play_accounts  # noqa: PLC0415
    from sg_compliance.testing.moto_networks import play_networks  # noqa: PLC0415
    from sg_compliance.testing.moto_trail import MotoTrail  # noqa: PLC0415
    from sg_compliance.testing.trail import TrailFile  # noqa: PLC0415

    class QuietHandler(MotoRequestHandler):
        def log_request(self, *_: object) -> None:
            """Say nothing: nobody reads a line for each call."""

    play_accounts(demo_organisation())
    play_networks(demo_organisation(), MotoTrail(TrailFile(trail)) if trail else None)
    application = DomainDispatcherApplication(create_backend_app)
    return make_server(_LOOPBACK, port, application, threaded=True, request_handler=QuietHandler)


def _announce(server: BaseWSGIServer) -> None:
    organisation = demo_organisation()
    ready = DemoServer(
        endpoint_url=f"http://{_LOOPBACK}:{server.port}",
        management_account=organisation.management_account_id,
        role_name=organisation.role_name,
    )
    print(json.dumps(asdict(ready)), flush=True)  # noqa: T201  the line that says that it is ready


if __name__ == "__main__":
    sys.exit(main())
