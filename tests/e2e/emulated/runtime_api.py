"""The package under AWS's own runtime client: one Python process with only what Lambda's has, one cold start.

`awslambdaric` asks an HTTP server for events and tells it answers (Lambda developer guide, runtime API for custom
runtimes). Here that server is ours, so errors come with their true type and trace, unlike in MiniStack.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.e2e.emulated.emulator import ACCOUNT, REGION
from tests.e2e.emulated.places import clean_command
from tests.e2e.emulated.waiting import SECONDS, NotInTimeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_VERSION: Final = "/2018-06-01/runtime"
_FUNCTION: Final = "under-test"
_TOLD: Final = ("response", "error")


class Answer(NamedTuple):
    """What the function gave: its answer, or its error (`errorMessage`, `errorType`, `stackTrace`)."""

    payload: Any
    failed: bool


class Place(NamedTuple):
    """The unpacked package, the folder with what AWS's runtime brings, and the file that the log goes to."""

    code: Path
    runtime: Path
    log: Path


class FunctionEndedError(AssertionError):
    """The process of a function ended before it answered."""


class Runtime:
    """A function that is running."""

    def __init__(self, said: Path, *, timeout: float) -> None:
        self._said = said
        self._timeout = timeout
        self._events: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._numbers = 0

    def invoke(self, event: object) -> Answer:
        """Hand it an event, and wait for what it gives. An import that fails is an answer too."""
        self._numbers += 1
        self._events.put((f"00000000-0000-4000-8000-{self._numbers:012}", json.dumps(event).encode()))
        try:
            answer = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            raise NotInTimeError(f"no answer within {self._timeout:g} s; the function said {self.said()!r}") from None
        if answer is None:
            raise FunctionEndedError(f"the function's process ended; it said {self.said()!r}")
        return answer

    def said(self) -> str:
        """All that it wrote to its log."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def records(self) -> list[dict[str, Any]]:
        """The lines of the log that are objects of JSON."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    # --- The server's side

    def next_event(self) -> tuple[str, bytes]:
        """Wait for the next event: its request id, and its text."""
        return self._events.get()

    def told(self, payload: bytes, *, failed: bool) -> None:
        """Take an answer."""
        self._answers.put(Answer(json.loads(payload or b"null"), failed))

    def end_with(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the function's process has ended, and let go who waits for an answer, or for an event."""
        process.wait()
        self._answers.put(None)
        self._events.put(("", b""))

    def deadline(self) -> int:
        """When the function has to be done, in milliseconds since 1970."""
        return int((time.time() + self._timeout) * 1000)


@contextmanager
def function(
    place: Place, handler: str, variables: Mapping[str, str] | None = None, *, timeout: float = SECONDS
) -> Iterator[Runtime]:
    """Run the handler until the block ends."""
    running = Runtime(place.log, timeout=timeout)
    server = _Server(("127.0.0.1", 0), _requests_of(running))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    command, environment = clean_command(place.code, place.runtime, arguments=["-m", "awslambdaric", handler])
    environment |= {**_environment_of_lambda(place.code, handler, server.server_port), **(variables or {})}
    with place.log.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place.code, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    watch = threading.Thread(target=running.end_with, args=(process,), daemon=True)
    try:
        watch.start()
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        watch.join()
        server.shutdown()
        server.server_close()


def _environment_of_lambda(code: Path, handler: str, port: int) -> dict[str, str]:
    """What AWS sets for a function (Lambda developer guide, defined runtime environment variables)."""
    return {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": _FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{_FUNCTION}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "of the emulator",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_TASK_ROOT": str(code),
        "LAMBDA_RUNTIME_DIR": str(code),
        "_HANDLER": handler,
        "TZ": ":UTC",
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the base class's
        """Say nothing of a function that is ended while it talks; all else is an error of the test's own."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _requests_of(running: Runtime) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request_id, event = running.next_event()
            self._answer(
                event,
                {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(running.deadline()),
                    "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{_FUNCTION}",
                    "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
                },
            )

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            told = self.path.rpartition("/")[2]
            assert self.path.startswith(_VERSION), self.path
            assert told in _TOLD, self.path
            running.told(payload, failed=told == "error")
            self._answer(b"{}", {}, 202)

        def _answer(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Requests
