"""Two homes for the same stores: a folder, and AWS as moto plays it on loopback, with answers that get lost on the way.

The server answers one call after another, because moto does not keep conditional writes apart that come at once.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qs

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sg_compliance.aws.dynamodb import DynamoConcessions, DynamoJournal
from sg_compliance.aws.s3 import BucketPlace, S3Backups
from sg_compliance.aws.s3_audit import S3AuditLog
from sg_compliance.aws.session import Sessions
from sg_compliance.aws.sns import SnsNotifier
from sg_compliance.aws.ssm import SsmSwitch
from sg_compliance.local.audit import FileAuditLog
from sg_compliance.local.backups import DirectoryBackups
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.local.notices import FileNotifier
from sg_compliance.local.switch import FileSwitch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import AuditLog, BackupStore, Concessions, Journal, Notifier, Switch

REGION = "us-east-1"
PREFIX = "harbour/"
_NAMES = iter(range(1_000_000))
_CALLS = {"PUT": "PutObject", "GET": "GetObject"}


class RealClock:
    """The machine's time; waits are short."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


class Refusal(NamedTuple):
    """What AWS says instead of making a call; `reasons` are those of a cancelled transaction, one for each item."""

    status: int
    code: str
    message: str = "no"
    reasons: tuple[str, ...] = ()

    def body(self, action: str) -> bytes:
        if action.endswith("Object") or action == "ListObjectsV2":
            return f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>".encode()
        if action == "Publish" or action.endswith(("Role", "RolePolicy", "User", "UserPolicy")):
            said = f"<Error><Type>Sender</Type><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
            return f"<ErrorResponse>{said}</ErrorResponse>".encode()
        reasons = {"CancellationReasons": [{"Code": each} for each in self.reasons]} if self.reasons else {}
        return json.dumps({"__type": f"x#{self.code}", "message": self.message, **reasons}).encode()


LOST = Refusal(500, "InternalError", "the answer was lost")
"""The call is made, and this comes instead of its answer."""


@dataclass
class Wire:
    """The way to AWS. `refusals` are handed out once each, by action, `LOST` after the call was made."""

    app: Any
    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[str, Refusal]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        action = _action(environ)
        self.calls[action] += 1
        refusal = next((each for each in self.refusals if each[0] == action), None)
        if refusal is None:
            answered: Iterable[bytes] = self.app(environ, start_response)
            return answered
        self.refusals.remove(refusal)
        if refusal[1] is LOST:
            b"".join(self.app(environ, lambda *_: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = refusal[1].body(action)
        start_response(f"{refusal[1].status} No", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def refuse(self, action: str, refusal: Refusal, times: int = 1) -> None:
        self.refusals += [(action, refusal)] * times

    def sessions(self, attempts: int = 2) -> Sessions:
        return Sessions(endpoint_url=self.url, keys=("AKIATEST", "test"), max_attempts=attempts)


def _action(environ: dict[str, Any]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rpartition(".")[2]
    if "form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = BytesIO(body)
        return parse_qs(body.decode())["Action"][0]
    listing = "list-type=2" in environ["QUERY_STRING"]
    return "ListObjectsV2" if listing else _CALLS.get(str(environ["REQUEST_METHOD"]), "?")


@contextmanager
def aws_on_loopback() -> Iterator[Wire]:
    class QuietHandler(MotoRequestHandler):
        def log_request(self, *_: object) -> None:
            """Say nothing."""

    wire = Wire(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, wire, request_handler=QuietHandler)
    wire.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Home(Protocol):
    """Each call makes an adapter of its own, as another run would."""

    def backups(self) -> BackupStore: ...

    def journal(self) -> Journal: ...

    def concessions(self) -> Concessions: ...

    def switch(self) -> Switch: ...

    def audit(self) -> AuditLog: ...

    def notifier(self) -> Notifier: ...

    def told(self) -> list[dict[str, Any]]:
        """What programs were told, as JSON."""


@dataclass
class LocalHome:
    """A state directory."""

    folder: Path
    opened: list[SqliteJournal | SqliteConcessions] = field(default_factory=list)

    def close(self) -> None:
        for each in self.opened:
            each.close()

    def backups(self) -> BackupStore:
        return DirectoryBackups(self.folder)

    def journal(self) -> Journal:
        self.opened.append(made := SqliteJournal(self.folder / "state.sqlite"))
        return made

    def concessions(self) -> Concessions:
        self.opened.append(made := SqliteConcessions(self.folder / "state.sqlite"))
        return made

    def switch(self) -> Switch:
        return FileSwitch(self.folder / "pause")

    def audit(self) -> AuditLog:
        return FileAuditLog(self.folder / "audit.jsonl")

    def notifier(self) -> Notifier:
        return FileNotifier(self.folder / "notices.jsonl")

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "notices.jsonl").read_text(encoding="utf-8").splitlines()]


class AwsHome:
    """A bucket, a table, a parameter and a topic of its own on the server."""

    def __init__(self, wire: Wire, attempts: int = 2) -> None:
        self.wire = wire
        self.name = f"stores-{next(_NAMES)}"
        self.attempts = attempts
        wire.refusals.clear()
        self._deploy()
        wire.calls.clear()

    def _deploy(self) -> None:
        self.client("s3").create_bucket(Bucket=self.name)
        keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
        attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
        self.client("dynamodb").create_table(
            TableName=self.name, KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
        )
        self.topic = self.client("sns").create_topic(Name=self.name)["TopicArn"]
        self.queue = self.client("sqs").create_queue(QueueName=self.name)["QueueUrl"]
        arn = self.topic.replace(":sns:", ":sqs:")
        self.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def client(self, service: str) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return boto3.client(service, endpoint_url=self.wire.url, region_name=REGION)  # type: ignore[call-overload]

    def sessions(self) -> Sessions:
        return self.wire.sessions(self.attempts)

    def backups(self) -> BackupStore:
        return S3Backups(self.sessions(), self.name, PREFIX)

    def journal(self) -> Journal:
        return DynamoJournal(self.sessions(), self.name, RealClock())

    def concessions(self) -> Concessions:
        return DynamoConcessions(self.sessions(), self.name, RealClock())

    def switch(self) -> Switch:
        return SsmSwitch(self.sessions(), f"/{self.name}/pause")

    def audit(self) -> AuditLog:
        return S3AuditLog(self.sessions(), BucketPlace(self.name, PREFIX), self.name, RealClock())

    def notifier(self) -> Notifier:
        return SnsNotifier(self.sessions(), self.topic)

    def delivered(self) -> list[dict[str, Any]]:
        """The envelopes in which SNS hands messages to a queue."""
        client, bodies = self.client("sqs"), []
        while messages := client.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                client.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(each["Message"]) for each in self.delivered()]


def backup_id(group_id: str = "sg-1", stamp: str = "20260115T120000Z", checksum: str = "0123456789abcdef") -> str:
    made = f"{group_id}-{stamp}-{checksum}"
    assert re.fullmatch(r"sg-\w+-\w{16}-\w{16}", made)
    return made
