"""A loopback AWS that answers as a test says, for what no emulator does: pages, refusals, throttling, expiry.

`ScriptedAws` is imported by the other contract tests of `aws/`; the tests here hold it to what the SDK understands.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs

import pytest

from sg_compliance.aws.session import Role, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

CALLER: Final = "111111111111"
MEMBER: Final = "222222222222"
CALLER_ARN: Final = f"arn:aws:iam::{CALLER}:user/ada"
ROLE_ARN: Final = f"arn:aws:iam::{MEMBER}:role/scan"
REGION: Final = "eu-west-1"
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/")


class Call(NamedTuple):
    """What arrived: the action, its parameters, and by whose key in which region."""

    action: str
    parameters: dict[str, str]
    access_key: str
    region: str
    user_agent: str

    @property
    def token(self) -> str:
        return self.parameters.get("NextToken", "")


class Answer(NamedTuple):
    """What goes back."""

    body: str
    status: int = 200


@dataclass
class ScriptedAws:
    """Answers by action: an Answer or a function of the Call. What a test does not script is as USUAL."""

    endpoint_url: str
    answers: dict[str, Answer | Callable[[Call], Answer]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def sessions(self, *, max_attempts: int = 1, role: Role | None = None) -> Sessions:
        return Sessions(
            endpoint_url=self.endpoint_url,
            keys=("AKIABASE", "secret"),
            role=role or Role("scan"),
            max_attempts=max_attempts,
        )

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        scripted = self.answers.get(call.action) or USUAL.get(call.action, refusal("InvalidAction", call.action))
        return scripted if isinstance(scripted, Answer) else scripted(call)

    def called(self, action: str) -> list[Call]:
        return [call for call in self.calls if call.action == action]


def ec2(action: str, inner: str) -> Answer:
    return Answer(f"<{action}Response><requestId>r-1</requestId>{inner}</{action}Response>")


def items(name: str, *inner: str) -> str:
    return f"<{name}>{''.join(f'<item>{each}</item>' for each in inner)}</{name}>"


def group(group_id: str, *permissions: str, owner: str = CALLER, name: str = "") -> str:
    return (
        f"<ownerId>{owner}</ownerId><groupId>{group_id}</groupId><groupName>{name or group_id}</groupName>"
        f"<groupDescription>d</groupDescription><vpcId>vpc-1</vpcId>{items('ipPermissions', *permissions)}"
    )


def permission(peers: str) -> str:
    return f"<ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>{peers}"


def from_list(prefix_list_id: str) -> str:
    return permission(items("prefixListIds", f"<prefixListId>{prefix_list_id}</prefixListId>"))


def from_group(group_id: str, owner: str = CALLER) -> str:
    return permission(items("groups", f"<userId>{owner}</userId><groupId>{group_id}</groupId>"))


def groups(*found: str, token: str = "") -> Answer:
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return ec2("DescribeSecurityGroups", items("securityGroupInfo", *found) + more)


def entries(*cidrs: str, token: str = "") -> Answer:
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return ec2("GetManagedPrefixListEntries", items("entrySet", *(f"<cidr>{each}</cidr>" for each in cidrs)) + more)


def refusal(code: str, message: str = "no", status: int = 403) -> Answer:
    return Answer(
        f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>r-1</RequestID></Response>",
        status,
    )


def sts_refusal(code: str, message: str, status: int = 403) -> Answer:
    return Answer(
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>r-1</RequestId></ErrorResponse>",
        status,
    )


def identity(account_id: str = CALLER, arn: str = CALLER_ARN) -> Answer:
    return Answer(
        f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>U</UserId>"
        f"<Account>{account_id}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )


def credentials(key: str = "ASIAROLE", seconds: int = 3600) -> Answer:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Answer(
        f"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s"
        f"</SecretAccessKey><SessionToken>t-{key}</SessionToken><Expiration>{until}</Expiration></Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>"
    )


def regions(*names: str) -> Answer:
    return ec2("DescribeRegions", items("regionInfo", *(f"<regionName>{name}</regionName>" for name in names)))


USUAL: Final[dict[str, Answer]] = {
    "GetCallerIdentity": identity(),
    "AssumeRole": credentials(),
    "DescribeRegions": regions(REGION),
    "DescribeSecurityGroups": groups(group("sg-1")),
    "DescribeNetworkInterfaces": ec2("DescribeNetworkInterfaces", items("networkInterfaceSet")),
    "DescribeManagedPrefixLists": ec2("DescribeManagedPrefixLists", items("prefixListSet")),
}


@contextmanager
def scripted_aws() -> Iterator[ScriptedAws]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target", "").partition(".")[2]  # Organizations speaks JSON
            form = {name: values[0] for name, values in parse_qs(body).items()}
            form = {"Action": target, "body": body} if target else form
            key, region = _CREDENTIAL.search(self.headers.get("Authorization", "") or "").groups()  # type: ignore[union-attr]
            agent = self.headers.get("User-Agent", "")
            answer = script.answer(Call(form.pop("Action", ""), form, key, region, agent))
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script = ScriptedAws(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield script
        finally:
            server.shutdown()


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def test_the_server_is_told_who_calls_what_and_where(aws: ScriptedAws) -> None:
    assert aws.sessions().caller() == (CALLER, CALLER_ARN)
    (call,) = aws.calls
    assert (call.action, call.access_key, call.region) == ("GetCallerIdentity", "AKIABASE", "us-east-1")


def test_an_action_that_no_test_expects_is_refused(aws: ScriptedAws) -> None:
    assert aws.answer(Call("TerminateInstances", {}, "", "", "")).status == 403
