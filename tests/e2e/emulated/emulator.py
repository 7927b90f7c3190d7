"""MiniStack in a process of its own, on loopback, with nothing of the user's settings, gone when the block ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.organisation import demo_organisation
from tests.e2e.emulated.places import PYTHON, require
from tests.e2e.emulated.waiting import NotInTimeError, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACCOUNT: Final = demo_organisation().management_account_id
REGION: Final = "us-east-1"
_LAUNCHER: Final = Path(__file__).with_name("as_aws.py")
_STARTS: Final = 3
"""A free port can be taken by somebody else before MiniStack has it."""
_LOOPBACK: Final = "127.0.0.1"
_STOP_SECONDS: Final = 5.0


@contextmanager
def emulator(launcher: Path = _LAUNCHER, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run MiniStack until the block ends, and give its endpoint. Its functions end with it."""
    require()
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        process, url = _started([str(PYTHON), str(launcher)], Path(folder), variables or {})
        try:
            yield url
        finally:
            _stop(process)


def _started(command: list[str], folder: Path, variables: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    said = ""
    for _ in range(_STARTS):
        port = _free_port()
        process = _start(command, folder, port, variables)
        try:
            url = f"http://{_LOOPBACK}:{port}"
            eventually(lambda: process.poll() is not None or _answers(url), "MiniStack answers")  # noqa: B023  at once
            if process.poll() is None:
                return process, url
        except NotInTimeError:
            _stop(process)
        said = (folder / "said").read_text(encoding="utf-8", errors="replace")
    raise NotInTimeError(f"MiniStack did not start: {said[-2000:] or 'it said nothing'}")


def _start(command: list[str], folder: Path, port: int, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "BIND_HOST": _LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": _LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LANG": "C.UTF-8",
        **variables,
    }
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its functions are stopped with it, and Ctrl-C is for pytest
        )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_LOOPBACK, 0))
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/_ministack/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it and the processes of its functions, which are in its session."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
