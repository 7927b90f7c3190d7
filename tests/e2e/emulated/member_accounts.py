"""The accounts whose groups are watched: the demo server's, entered as somebody, and the trail of what was done there.

`Crier` is CloudTrail's part: what the trail says goes to the bus of a deployment, once each. `organisation` runs the
server, and `MemberAccounts.command` makes its EC2 go wrong: the words are those of faulty_organisation.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from botocore.config import Config

from sg_compliance.testing.organisation import demo_organisation
from tests.e2e.emulated.emulator import ACCOUNT, REGION
from tests.e2e.emulated.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.builders import Json

_DIRECT: Final = Config(proxies={}, retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60)
_BETWEEN: Final = 0.05
_TRUSTING: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass(frozen=True)
class MemberAccounts:
    """The demo organisation at its endpoint, and the file that its trail is written to."""

    endpoint_url: str
    trail: Path
    command: Callable[..., Any]
    """`command("hold", operation="CreateTags")`: what came of it."""

    @property
    def variables(self) -> dict[str, str]:
        """What a function's environment needs to have its EC2, STS, IAM and Organizations here (AWS SDKs guide)."""
        services = ("EC2", "STS", "IAM", "ORGANIZATIONS")
        return {f"AWS_ENDPOINT_URL_{service}": self.endpoint_url for service in services}

    def session(self, account_id: str, role: str = "", name: str = "tests") -> Any:  # noqa: ANN401  sessions and clients have no types of use here
        """Enter an account by a role: of the demo, or one that `role` made."""
        arn = f"arn:aws:iam::{account_id}:role/{role or demo_organisation().role_name}"
        sts = boto3.Session(ACCOUNT, "of the demo").client(
            "sts", region_name=REGION, endpoint_url=self.endpoint_url, config=_DIRECT
        )
        given = sts.assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
        return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def client(self, session: Any, service: str = "ec2", region: str = REGION) -> Any:  # noqa: ANN401
        """A client of whoever the session is, in the demo organisation."""
        return session.client(service, region_name=region, endpoint_url=self.endpoint_url, config=_DIRECT)

    def user(self, account_id: str, name: str) -> Any:  # noqa: ANN401
        """Make an IAM user in the account, and be it."""
        iam = self.client(self.session(account_id), "iam")
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, account_id: str, name: str) -> None:
        """Make a role in the account, which the management account may assume."""
        self.client(self.session(account_id), "iam").create_role(RoleName=name, AssumeRolePolicyDocument=_TRUSTING)

    def events(self, after: int = 0) -> list[Json]:
        """All that the trail has by now, but for so many that came first."""
        lines = self.trail.read_text(encoding="utf-8").splitlines(keepends=True) if self.trail.exists() else []
        return [json.loads(line) for line in lines[after:] if line.endswith("\n")]


@contextmanager
def organisation(trail: Path) -> Iterator[MemberAccounts]:
    """Run the demo organisation's server until the block ends, with this trail."""
    command = [sys.executable, "-m", "tests.e2e.emulated.faulty_organisation", "--trail", str(trail)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield MemberAccounts(json.loads(_line(process))["endpoint_url"], trail, _Commands(process))
        finally:
            process.kill()  # it would wait for clients that keep their connections


class _Commands:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()

    def __call__(self, do: str, **words: object) -> Any:  # noqa: ANN401  JSON
        stdin = self._process.stdin
        assert stdin is not None
        with self._lock:
            stdin.write(json.dumps({"do": do, **words}) + "\n")
            stdin.flush()
            return json.loads(_line(self._process))


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the demo organisation's server has ended: what it said is above"
    return line


class Crier:
    """Hands the trail's events on, in order, from when it is made until the block ends."""

    def __init__(self, accounts: MemberAccounts, hand_on: Callable[[Json], None]) -> None:
        self._accounts = accounts
        self._hand_on = hand_on
        self._cried = len(accounts.events())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._cry, daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and raise what went wrong on the way."""
        self._ended.set()
        self._thread.join()
        if self._failure:
            raise self._failure

    def _cry(self) -> None:
        try:
            while not self._ended.wait(_BETWEEN):
                self._hand_on_what_is_new()
        except BaseException as error:  # noqa: BLE001  raised again where the block ends
            self._failure = error

    def _hand_on_what_is_new(self) -> None:
        for event in self._accounts.events(self._cried):
            self._hand_on(event)
            self._cried += 1
