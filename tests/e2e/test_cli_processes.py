"""The command as a process: pipes, signals, memory, colours, and what it imports."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import pytest

from benchmarks.groups import group as generated_group
from tests.builders import EVERYONE, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).parent.parent.parent
COMMAND: Final = [sys.executable, "-m", "sg_compliance"]
HEAVY: Final = (
    *("boto3", "botocore", "moto", "yaml", "ijson", "rich.table", "rich.progress", "rich.console"),
    *("sg_compliance.policy", "sg_compliance.evaluation", "sg_compliance.aws"),
)
MEMORY_LIMIT_KB: Final = 250 * 1024


def environment(**changed: str) -> dict[str, str]:
    """What a shell would pass on; nothing that Python or rich would read but what is asked for."""
    unwanted = ("PYTHON", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", **changed}


def run(
    *arguments: object, folder: Path | None = None, stdin: bytes | None = None, **changed: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False,
        capture_output=True,
        cwd=folder,
        input=stdin,
        env=environment(**changed),
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    groups = [raw_group(tcp(22, EVERYONE), group_id=f"sg-{number:04}") for number in range(60)]
    (tmp_path / "groups.json").write_text(json.dumps({"SecurityGroups": groups}), encoding="utf-8")
    return tmp_path


SCAN: Final = ("scan", "--from", "groups.json", "--policy", "minimal")


def test_the_module_is_the_command() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"sg-compliance ")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["scan", "--help"], ["plan", "--help"], ["policy", "--help"], ["--version"]]
)
def test_help_pays_for_nothing_heavy(arguments: list[str]) -> None:
    probe = (
        "import sys, atexit\n"
        "from sg_compliance.entrypoints.cli import main\n"
        f"atexit.register(lambda: print('LOADED', [name for name in {HEAVY!r} if name in sys.modules]))\n"
        f"sys.argv = ['sg-compliance', *{arguments!r}]\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", probe], check=False, capture_output=True, env=environment(), timeout=60, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "LOADED []" in ended.stdout


def test_a_scan_of_files_needs_no_aws_library_and_no_arrays(folder: Path) -> None:
    unneeded = ("boto3", "botocore", "numpy", "pyarrow", "sg_compliance.evaluation.screen")
    probe = (
        "import sys, atexit\n"
        "from sg_compliance.entrypoints.cli import main\n"
        f"atexit.register(lambda: print('LOADED', [name for name in {unneeded!r} if name in sys.modules]))\n"
        f"sys.argv = ['sg-compliance', *{SCAN!r}]\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", probe],
        check=False,
        capture_output=True,
        env=environment(),
        cwd=folder,
        timeout=60,
        text=True,
    )
    assert "LOADED []" in ended.stdout


def test_standard_input_is_read_as_it_comes_from_the_aws_cli(folder: Path) -> None:
    content = (folder / "groups.json").read_bytes()
    ended = run("scan", "--from", "-", "--policy", "minimal", folder=folder, stdin=content)
    assert ended.returncode == 1
    assert b"60 groups in 1 account" in ended.stdout
    assert ended.stderr == b"[1/1] standard input: 60 groups, 60 findings\n"


def test_piped_output_has_no_colour(folder: Path) -> None:
    ended = run(*SCAN, folder=folder)
    assert ended.returncode == 1
    assert b"\x1b" not in ended.stdout + ended.stderr
    failed = run("scan", "--from", "nothing.json", folder=folder)
    assert failed.returncode == 2
    assert b"\x1b" not in failed.stderr


def on_a_terminal(*arguments: str, folder: Path, **changed: str) -> bytes:
    """What a terminal would show on standard output."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, cwd=folder, env=environment(**changed)
    ):
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    return shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux's way to say that nobody holds the other end
        return b""


def test_a_terminal_gets_colour_and_no_color_is_honoured(folder: Path) -> None:
    assert b"\x1b[" in on_a_terminal(*SCAN, folder=folder)
    plain = on_a_terminal(*SCAN, folder=folder, NO_COLOR="1")
    assert b"sg-0001" in plain
    assert b"\x1b[3" not in plain
    assert b"\x1b[" not in on_a_terminal(*SCAN, "--json", folder=folder)


@pytest.mark.parametrize(
    "arguments",
    [
        [*SCAN],
        [*SCAN, "--format", "brief"],
        [*SCAN, "--format", "csv", "--rule", "NO_PUBLIC_RDP"],
        [*SCAN, "--json"],
        ["explain", "web", *SCAN[1:]],
        ["snapshot", "--from", "groups.json"],
        ["plan", *SCAN[1:]],
        ["plan", *SCAN[1:], "--json"],
        ["policy", "show"],
        ["policy", "schema"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*COMMAND, *arguments, *(["-q"] if arguments[0] in {"scan", "snapshot", "plan"} else [])],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(),
        timeout=60,
    )
    os.close(writer)
    status = 1 if arguments == ["--help"] else 2  # a result that nobody took in full is no result; help is click's
    assert (ended.returncode, ended.stderr) == (status, b"")


CLOSED: Final = [
    ["--help"],
    ["plan", "--help"],
    ["--version"],
    [*SCAN],
    [*SCAN, "--json"],
    ["explain", "sg-0001", *SCAN[1:]],
    ["snapshot", "--from", "groups.json"],
    ["plan", *SCAN[1:]],
    ["policy", "schema"],
    ["backups", "list"],
]


@pytest.mark.parametrize("arguments", CLOSED, ids=" ".join)
def test_streams_that_are_closed_are_no_bug(arguments: list[str], folder: Path) -> None:
    def with_streams(closed: str) -> subprocess.CompletedProcess[bytes]:
        line = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, *arguments]
        return subprocess.run(line, check=False, capture_output=True, cwd=folder, env=environment(), timeout=60)

    ended = with_streams("")
    unheard = with_streams("2>&-")
    assert (unheard.returncode, unheard.stderr) == (ended.returncode, b"")
    assert len(unheard.stdout) == len(ended.stdout)  # but for the time in it
    unread = with_streams(">&-")
    assert unread.returncode == 2
    assert b"error: standard output is closed: the result cannot be written\nhelp: " in unread.stderr
    assert b"Traceback" not in unread.stderr
    assert with_streams(">&- 2>&-").returncode == 2


def test_standard_input_that_is_closed_cannot_be_read(folder: Path) -> None:
    line = ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "scan", "--from", "-", "--policy", "minimal"]
    ended = subprocess.run(line, check=False, capture_output=True, cwd=folder, env=environment(), timeout=60)
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stdout + ended.stderr
    assert b"Bad file descriptor" in ended.stdout + ended.stderr


def test_ctrl_c_while_the_program_loads_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    ended = run("--help", PYTHONPATH=f"{tmp_path}:{ROOT / 'src'}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, b"", b"interrupted\n")


def test_ctrl_c_while_a_command_works_is_said() -> None:
    status, out, err = interrupted("snapshot")
    assert (status, err.splitlines()[-1]) == (2, "interrupted")
    del out


def test_output_that_cannot_be_written_is_an_error(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    for how in ("text", "json"):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [*COMMAND, *SCAN, "-q", "--format", how],
                check=False,
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment(),
                timeout=60,
            )
        assert ended.returncode == 2
        assert b"No space left on device\nhelp: " in ended.stderr
        assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_name_is_shown_in_any_encoding(encoding: str, folder: Path) -> None:
    groups = [raw_group(tcp(22, EVERYONE), GroupName="Zürich 日本")]
    (folder / "groups.json").write_text(json.dumps({"SecurityGroups": groups}), encoding="utf-8")
    for how in ("text", "brief", "csv", "json"):
        ended = run(*SCAN, "--format", how, folder=folder, PYTHONIOENCODING=encoding)
        assert ended.returncode == 1
        assert b"Traceback" not in ended.stderr
        assert b"rich" in ended.stdout or how == "json"


class Answers(BaseHTTPRequestHandler):
    """EC2 and STS on loopback: one page of groups, and a second that does not come."""

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        action = body["Action"][0]
        server = self.server
        assert isinstance(server, SlowEndpoint)
        if action == "DescribeSecurityGroups" and "NextToken" in body:
            server.asked.set()
            server.over.wait(30)
        answer = ANSWERS.get(action, f"<{action}Response><requestId>1</requestId></{action}Response>").encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:  # the command has ended
            return

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class SlowEndpoint(ThreadingHTTPServer):
    """`asked` is set when the page that does not come is asked for; set `over` at the end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked, self.over = threading.Event(), threading.Event()


ANSWERS: Final = {
    "GetCallerIdentity": """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>x</UserId>
        <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>""",
    "DescribeSecurityGroups": """<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
        <securityGroupInfo><item><ownerId>111122223333</ownerId><groupId>sg-1</groupId><groupName>web</groupName>
        <groupDescription>x</groupDescription><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort>
        <toPort>22</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissions></item>
        </securityGroupInfo><nextToken>more</nextToken><requestId>1</requestId></DescribeSecurityGroupsResponse>""",
}


@contextmanager
def slow_endpoint() -> Iterator[SlowEndpoint]:
    server = SlowEndpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def interrupted(*arguments: str) -> tuple[int, str, str]:
    """Press Ctrl-C while the second page does not come."""
    with slow_endpoint() as server:
        command = [*COMMAND, *arguments, "--regions", "eu-west-1"]
        command += ["--endpoint-url", f"http://127.0.0.1:{server.server_port}"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
        ) as process:
            assert server.asked.wait(20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
            return process.returncode, out, err


def test_ctrl_c_gives_what_was_found_said_to_be_partial() -> None:
    status, out, err = interrupted("scan", "--policy", "minimal", "--json")
    assert status == 2, err
    report: dict[str, Any] = json.loads(out)
    assert report["summary"]["interrupted"] is True
    assert report["summary"]["complete"] is False
    assert [finding["group_id"] for finding in report["findings"]] == ["sg-1"]
    assert [each["reason"] for each in report["skipped"]] == [
        "111122223333/eu-west-1: interrupted before it was read to its end"
    ]
    assert "PARTIAL RESULT: interrupted" in err
    assert "Traceback" not in err


def test_ctrl_c_while_a_snapshot_is_taken_leaves_no_file(tmp_path: Path) -> None:
    status, out, err = interrupted("snapshot", "-o", str(tmp_path / "taken.jsonl"))
    assert status not in {0, 1}
    assert out == ""
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def write_large_file(path: Path, megabytes: int) -> int:
    """Groups as the AWS CLI prints them, each with an id of its own. Returns how many."""
    patterns = [json.dumps(generated_group(number), indent=4) for number in range(200)]
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"SecurityGroups": [\n')
        while file.tell() < megabytes << 20:
            own_id = json.loads(patterns[count % 200])["GroupId"] if count < 200 else f"sg-0{count % 200:016x}"
            file.write(",\n" if count else "")
            file.write(patterns[count % 200].replace(own_id, f"sg-1{count:016x}"))
            count += 1
        file.write("]}\n")
    return count


def test_a_file_of_150_megabytes_is_scanned_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    count = write_large_file(path, 150)
    arguments = ["scan", "--from", str(path), "--policy", "minimal", "--json", "-q"]
    with (tmp_path / "out.json").open("wb") as out:
        command = [sys.executable, "-c", MEASURED, *COMMAND, *arguments]
        finished = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, env=environment(), check=False)
    assert finished.returncode == 1
    report = json.loads((tmp_path / "out.json").read_bytes())
    assert report["summary"]["groups"] == count
    assert report["summary"]["complete"]
    assert int(finished.stderr) / (1024 if sys.platform == "darwin" else 1) < MEMORY_LIMIT_KB  # macOS counts in bytes


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
"""Started by a small process: the peak of a child counts from that of the process that starts it, and ours is large."""
