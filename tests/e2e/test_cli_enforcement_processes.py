"""Changing groups as a process: Ctrl-C once and twice, SIGTERM, a terminal, colours, and what is imported.

The demo organisation plays AWS. A gate between it and the command holds a call back while Ctrl-C is pressed.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import pytest

from sg_compliance.testing.moto_server import DemoServer, demo_organisation_process
from tests.e2e.test_cli_processes import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

ACCOUNT: Final = "666677778888"
REGION: Final = "us-east-1"
HELD_BACK: Final = "RevokeSecurityGroupIngress"
SECONDS: Final = 60

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # started with nohup, all that we start would ignore it


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_organisation_process() as started:
        yield started


class Passing(BaseHTTPRequestHandler):
    """Passes calls on to the demo organisation; holds the first of one kind back for as long as the gate is shut."""

    def do_POST(self) -> None:
        gate = self.server
        assert isinstance(gate, Gate)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if parse_qs(body.decode()).get("Action") == [HELD_BACK] and not gate.opened.is_set():
            gate.asked.set()
            gate.opened.wait(SECONDS)
        passed = urllib.request.Request(gate.behind, body, dict(self.headers), method="POST")  # noqa: S310 - loopback
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(passed) as answer:
            content = answer.read()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the command has ended
            return

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Gate(ThreadingHTTPServer):
    """`asked` is set when the call that is held back has come; set `opened` to let it pass."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.behind = behind
        self.asked, self.opened = threading.Event(), threading.Event()


@contextmanager
def gate_to(server: DemoServer) -> Iterator[Gate]:
    gate = Gate(server.endpoint_url)
    thread = threading.Thread(target=gate.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield gate
    finally:
        gate.opened.set()
        gate.shutdown()
        thread.join()
        gate.server_close()


class Shell:
    """A folder with the demo's credentials to start commands in."""

    def __init__(self, server: DemoServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.environment = environment(
            AWS_ACCESS_KEY_ID="demo",
            AWS_SECRET_ACCESS_KEY="demo",
            SG_COMPLIANCE_STATE=str(folder / "state"),
            NO_PROXY="127.0.0.1",
        )

    def line(self, *arguments: str, endpoint_url: str = "") -> list[str]:
        role = ("--change-role-name",) if arguments[0] in {"apply", "rollback"} else ("--role-name",)
        connection = [*role, self.server.role_name, "--external-id", "sg-compliance-demo"]
        return [*COMMAND, *arguments, *connection, "--endpoint-url", endpoint_url or self.server.endpoint_url]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*arguments),
            check=False,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            text=True,
            timeout=SECONDS,
        )

    def start(self, gate: Gate, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*before, *self.line(*arguments, endpoint_url=f"http://127.0.0.1:{gate.server_port}")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
            text=True,
        )

    def organisation(self) -> list[Any]:
        said = self.run("snapshot", "-q", "--account", ACCOUNT, "--region", REGION).stdout
        groups = [json.loads(line).get("SecurityGroups", []) for line in said.splitlines()]
        return [group for some in groups for group in some]


@pytest.fixture
def shell(server: DemoServer, tmp_path: Path) -> Iterator[Shell]:
    """With a plan for several groups; what was done is taken back at the end."""
    made = Shell(server, tmp_path)
    planned = made.run("plan", "-q", "-o", "plan.json", "--account", ACCOUNT, "--region", REGION, "--despite-hold")
    assert planned.returncode == 1, planned.stderr
    yield made
    made.run("rollback", "--since", "1h", "--yes", "-q")


APPLY: Final = ("apply", "plan.json", "--yes", "--max-percent", "100")


def planned_groups(shell: Shell) -> list[str]:
    plan = json.loads((shell.folder / "plan.json").read_text(encoding="utf-8"))
    return [each["group"]["group_id"] for each in plan["groups"]]


def heard(process: subprocess.Popen[str], said: str) -> None:
    """Wait until the process has said this."""
    assert process.stderr is not None
    for line in process.stderr:
        if said in line:
            return
    pytest.fail(f"it never said {said!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_ctrl_c_finishes_the_group_in_hand_and_says_what_was_not_done(number: int, shell: Shell) -> None:
    groups = planned_groups(shell)
    assert len(groups) > 2
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY, "--json") as process:
        assert gate.asked.wait(SECONDS)
        process.send_signal(number)
        heard(process, "stopping after the group in hand")
        gate.opened.set()
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2, err
    record = json.loads(out)
    assert [(each["group_id"], each["status"]) for each in record["outcomes"]] == [(groups[0], "changed")]
    assert [each["group_id"] for each in record["not_done"]] == groups[1:]
    assert record["stopped"].startswith("by Ctrl-C")
    assert "Traceback" not in err
    resumed = json.loads(shell.run(*APPLY, "--json", "-q").stdout)
    assert [each["status"] for each in resumed["outcomes"]] == ["nothing to do", *["changed"] * (len(groups) - 1)]


def test_the_second_word_of_a_terminal_that_is_closed_is_no_second_ctrl_c(shell: Shell) -> None:
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY, "--json") as process:
        assert gate.asked.wait(SECONDS)
        process.send_signal(signal.SIGHUP)
        heard(process, "stopping after the group in hand")
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        gate.opened.set()
        out, _ = process.communicate(timeout=SECONDS)
    assert [each["status"] for each in json.loads(out)["outcomes"]] == ["changed"]


def test_with_nohup_a_terminal_that_is_closed_makes_no_difference(shell: Shell) -> None:
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY, "--json", before=("nohup",)) as process:
        assert gate.asked.wait(SECONDS)
        process.send_signal(signal.SIGHUP)
        gate.opened.set()
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert json.loads(out)["totals"]["changed"] == len(planned_groups(shell))


def test_when_the_reader_of_what_is_said_goes_away_the_run_goes_on(shell: Shell) -> None:
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY) as process:
        assert gate.asked.wait(SECONDS)
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        gate.opened.set()
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert f"\n{len(planned_groups(shell))} changed\n" in out


def test_ctrl_c_that_nobody_hears_of_is_ctrl_c(shell: Shell) -> None:
    groups = planned_groups(shell)
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY, "--json") as process:
        assert gate.asked.wait(SECONDS)
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        gate.opened.set()
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert [each["group_id"] for each in json.loads(out)["not_done"]] == groups[1:]


@pytest.mark.parametrize(("closed", "status"), [("2>&-", 0), (">&-", 2), ("<&- >&- 2>&-", 2)])
def test_a_run_goes_on_without_its_streams(closed: str, status: int, shell: Shell) -> None:
    before = shell.organisation()
    line = ["sh", "-c", f'"$@" {closed}', "sh", *shell.line(*APPLY)]
    ended = subprocess.run(
        line, check=False, capture_output=True, cwd=shell.folder, env=shell.environment, timeout=SECONDS
    )
    assert ended.returncode == status, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert same_rules(shell.organisation()) != same_rules(before)
    assert shell.run(*APPLY, "-q").stdout.endswith(f"{len(planned_groups(shell))} nothing to do\n")


def test_a_second_ctrl_c_ends_at_once_and_the_next_run_finishes_what_was_begun(shell: Shell) -> None:
    groups, before = planned_groups(shell), shell.organisation()
    with gate_to(shell.server) as gate, shell.start(gate, *APPLY) as process:
        assert gate.asked.wait(SECONDS)
        process.send_signal(signal.SIGINT)
        heard(process, "Ctrl-C again stops at once")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2, err
    assert "STOPPED: by a second Ctrl-C, in the middle of a group; the next run finishes it first" in out
    assert "Traceback" not in err
    finished = json.loads(shell.run(*APPLY, "--json", "-q").stdout)
    assert [each["group_id"] for each in finished["outcomes"]] == groups
    assert finished["totals"]["changed"] == len(groups)
    back = shell.run("rollback", "--since", "1h", "--yes", "-q")
    assert back.returncode == 0, back.stdout + back.stderr
    assert same_rules(shell.organisation()) == same_rules(before)


def same_rules(groups: list[Any]) -> Any:  # noqa: ANN401 - JSON
    """What AWS shows of groups, in one order, whatever the ids of rules."""
    return sorted(json.dumps(_sorted(each), sort_keys=True) for each in groups)


def _sorted(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items() if key != "SecurityGroupRuleId"}
    return sorted(map(_sorted, value), key=json.dumps) if isinstance(value, list) else value


def test_ctrl_c_at_the_question_changes_nothing(shell: Shell) -> None:
    before = shell.organisation()
    ours, theirs = pty.openpty()
    line = shell.line("apply", "plan.json", "--max-percent", "100")
    with subprocess.Popen(
        line, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, cwd=shell.folder, env=shell.environment
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Type yes: " not in shown:
            shown += os.read(ours, 1 << 16)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 2
    os.close(ours)
    assert shell.organisation() == before


def test_a_terminal_is_asked_and_sees_a_bar_and_colours(shell: Shell) -> None:
    ours, theirs = pty.openpty()
    line = shell.line("apply", "plan.json", "--max-percent", "100")
    with subprocess.Popen(
        line, stdin=theirs, stderr=theirs, stdout=theirs, cwd=shell.folder, env=shell.environment
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Type yes: " not in shown:
            shown += os.read(ours, 1 << 16)
        os.write(ours, b"yes\n")
        while piece := _read(ours):
            shown += piece
        assert process.wait(SECONDS) == 0, shown
    os.close(ours)
    assert b"\x1b[" in shown
    assert f"{len(planned_groups(shell))} changed".encode() in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux's way to say that nobody holds the other end
        return b""


def test_piped_output_has_no_colour(shell: Shell) -> None:
    ended = shell.run("plan", "--account", ACCOUNT, "--region", REGION)
    assert ended.returncode == 1
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "give --output FILE to apply it" in ended.stderr


def test_a_live_run_plans_applies_and_is_taken_back(shell: Shell) -> None:
    before = shell.organisation()
    role = ("--change-role-name", shell.server.role_name, "--max-percent", "100", "--despite-hold")
    asked = ("remediate", "--account", ACCOUNT, "--region", REGION, "--severity", "critical", *role, "-q")
    assert shell.run(*asked).returncode == 1
    assert shell.organisation() == before
    ended = shell.run(*asked, "--apply", "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    record = json.loads(ended.stdout)
    assert record["totals"]["changed"] > 2
    back = shell.run("rollback", "--run", record["run_id"], "--yes", "-q")
    assert back.returncode == 0, back.stdout
    assert same_rules(shell.organisation()) == same_rules(before)
