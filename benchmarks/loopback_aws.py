"""Everything that the function `respond` talks to, on 127.0.0.1, and a clock on every call: what is left is ours.

moto plays DynamoDB, S3, SNS, SQS, SSM and STS; the EC2 twin plays security groups; all over HTTP, in this process.
`GET /-/calls` gives the calls since it was last asked, and forgets them: a JSON list of [key, service, operation,
begun, ended, cpu]. Times are those inside the server, in seconds since 1970; `cpu` is of its thread; `key` is the
access key of who called. No throttling, no latency, no TLS, no lag.

Groups are there before the first call, each with a change that was just made to it: see `KINDS`. The events of the
changes are in the file that `main` prints, a line each: [kind, event].

Usage: python -m benchmarks.loopback_aws --events N [--only KIND]; prints one line of JSON and stops when stdin closes.
"""

import argparse
import copy
import gc
import io
import json
import logging
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import boto3
from moto.dynamodb.models.table import Table
from moto.ec2 import urls as ec2_urls
from moto.ec2.models import EC2Backend, ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sg_compliance.testing.moto_twin import responses_of
from sg_compliance.testing.trail import Answered, Caller, event
from sg_compliance.testing.twin import Twin, TwinError

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
BUCKET: Final = "sg-compliance-state"
TABLE: Final = "sg-compliance"
OUR_ROLE: Final = "sg-compliance-remediate"
NOW: Final = "2000-01-01T00:00:00Z"
"""Stands in the events where the time of the call is to be put."""

CLOSING, COMPLIANT, DESCRIBING, REVOKING, FAILED, OWN = "ssh", "https", "describe", "revoke", "failed", "own"
KINDS: Final = (CLOSING, *(COMPLIANT,) * 6, DESCRIBING, REVOKING, FAILED)
"""In turn: SSH opened to the internet; six times HTTPS opened to a private network; a description; a rule revoked; a
call that AWS refused."""
_PRINCIPALS: Final = 500
"""As many users, so that none is met as a mass operation."""
_LOG: Final = "/-/calls"


class Call(NamedTuple):
    """One call as the server saw it."""

    key: str
    service: str
    operation: str
    begun: float
    ended: float
    cpu: float


def policy() -> str:
    """The shipped default policy, with an account that enforces and emergencies closed at once."""
    shipped = resources.files("sg_compliance.policy") / "shipped" / "security_policies.json"
    document = json.loads(shipped.read_text(encoding="utf-8"))
    document["accounts_config"] = [{"account_id": ACCOUNT, "enforcement_level": "enforce"}]
    scanning = document["compliance_policies"]["real_time_scanning"]
    scanning["enabled"] = scanning["remediation_settings"]["emergency_remediation"]["enabled"] = True
    return json.dumps(document)


def main(arguments: Sequence[str] | None = None) -> None:
    """Set the scene, print where it is, serve until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loopback_aws", description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--only", choices=tuple(dict.fromkeys(KINDS)))
    options = parser.parse_args(arguments)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    twin = Twin(group_quota=1_000_000)
    twin.vpc(ACCOUNT, REGION, is_default=True)
    _play(twin)
    Table.__deepcopy__ = _as_it_was  # type: ignore[attr-defined]
    application = _Clocked(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        kinds = (options.only,) if options.only else KINDS
        with events.open("w", encoding="utf-8") as file:
            for line in _events(twin, options.events, kinds):
                file.write(f"{json.dumps(line)}\n")
        endpoint = f"http://127.0.0.1:{server.port}"
        gc.freeze()  # moto's models are large, and looking through them takes a quarter of a second
        print(json.dumps({"environment": _deploy(endpoint), "events": str(events)}), flush=True)
        sys.stdin.read()
    server.shutdown()


class _Quiet(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def _play(twin: Twin) -> None:
    """Have the twin answer for security groups of every account and region."""
    answering = responses_of(twin)

    class Backend(EC2Backend):
        __module__ = EC2Backend.__module__  # moto asks it for the name of the service

        @property
        def _url_module(self) -> SimpleNamespace:
            return SimpleNamespace(url_bases=ec2_urls.url_bases, url_paths={"{0}/": answering.dispatch})

    ec2_backends.backend = Backend


def _as_it_was(table: Table, _memo: object) -> Table:
    """Moto copies the whole table, item by item, for each write of a transaction: this keeps the items themselves.

    What a refused transaction has changed in place stays changed: here each group is changed by one event only.
    """
    kept = copy.copy(table)
    kept.items = defaultdict(dict, {key: dict(items) for key, items in table.items.items()})
    return kept


class _Clocked:
    """The application, and how long each of its answers took. Safe for several threads."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._calls: list[Call] = []
        self._table = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, and remember."""
        if environ["PATH_INFO"] == _LOG:
            calls, self._calls = self._calls, []
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(calls).encode()]
        begun, cpu = time.time(), time.thread_time()
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(sent)
        key, service, operation = _asked(environ, sent)
        with self._table if service == "dynamodb" else nullcontext():
            answer = b"".join(self._application(environ, start_response))
        self._calls.append(Call(key, service, operation, begun, time.time(), time.thread_time() - cpu))
        return [answer]


def _asked(environ: dict[str, Any], sent: bytes) -> tuple[str, str, str]:
    """Who asked which service for what."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    key, service = (scope[0], scope[3]) if len(scope) > 3 else ("", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    action = "" if service == "s3" else parse_qs(sent.decode(errors="replace")).get("Action", [""])[0]
    return key, service, target or action or f"{environ['REQUEST_METHOD']} object"


# ---- what is there ----


def _deploy(endpoint: str) -> dict[str, str]:
    """Make the stores, and give the function's environment."""

    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
        return boto3.client(service, region_name=REGION, endpoint_url=endpoint, **keys)  # type: ignore[call-overload]

    s3, sqs, sns = client("s3"), client("sqs"), client("sns")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="config/policy.json", Body=policy().encode())
    names = (("pk", "HASH"), ("sk", "RANGE"))
    client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        BillingMode="PAY_PER_REQUEST",
    )
    topics = {name: sns.create_topic(Name=name)["TopicArn"] for name in ("critical", "findings", "operations")}
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("recheck", "dead")}
    ours = {
        "STATE": f"s3://{BUCKET}/state",
        "TABLE": TABLE,
        "POLICY": f"s3://{BUCKET}/config/policy.json",
        "REGIONS": REGION,
        "ENVIRONMENT": "benchmark",
        "REAL_TIME_SCANNING_ENABLED": "true",
        "ENABLE_AUTOMATIC_REMEDIATION": "true",
        "IMMEDIATE_REMEDIATION_ENABLED": "true",
        "DRY_RUN_MODE": "false",
        "MAX_GROUPS_PER_HOUR": "999999",
        "RECHECK_QUEUE_URL": queues["recheck"],
        "DEAD_LETTER_QUEUE_URL": queues["dead"],
        **{f"TOPIC_{name.upper()}": arn for name, arn in topics.items()},
    }
    return {f"SG_COMPLIANCE_{name}": value for name, value in ours.items()} | {"AWS_ENDPOINT_URL": endpoint}


def _events(twin: Twin, count: int, kinds: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A group for each event, with the change made to it, and the event of that."""
    for number in range(count):
        kind = kinds[number % len(kinds)]
        group_id = twin.put_group(ACCOUNT, REGION, _group(number))
        operation, params = _change(kind, group_id)
        code, answer = "", {}
        try:
            answer = twin.call(ACCOUNT, REGION, operation, params)
        except TwinError as error:
            code = error.code
        told = Answered(ACCOUNT, REGION, operation, params, answer, code)
        caller = Caller(f"arn:aws:iam::{ACCOUNT}:user/user-{number % _PRINCIPALS}", ACCOUNT, "AIDAEXAMPLE")
        made = event(told, caller, datetime.now(UTC), [str(uuid.uuid4()) for _ in range(3)])
        made["time"] = made["detail"]["eventTime"] = NOW
        yield kind, made
    twin.log.clear()


def by_us(made: dict[str, Any]) -> dict[str, Any]:
    """An event of the same group that this tool has made by closing it."""
    group_id = made["detail"]["requestParameters"]["groupId"]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{OUR_ROLE}/sg-compliance"
    role = f"arn:aws:iam::{ACCOUNT}:role/{OUR_ROLE}"
    caller = Caller(session, ACCOUNT, "AROAEXAMPLE:sg-compliance", role_arn=role)
    told = Answered(ACCOUNT, REGION, *_change(REVOKING, group_id), {})
    own = event(told, caller, datetime.now(UTC), [str(uuid.uuid4()) for _ in range(3)])
    own["time"] = own["detail"]["eventTime"] = NOW
    return own


def _group(number: int) -> dict[str, Any]:
    """A group of four rules that has what the policy asks for."""
    tags = {"Environment": "Production", "Owner": "payments", "Purpose": "application", "Project": "ledger"}
    rules = [_rule(port, "10.0.0.0/16") for port in (8080, 8443, 9000)]
    return {
        "GroupName": f"group-{number}",
        "Description": "the application's own group",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "IpPermissions": rules,
        "IpPermissionsEgress": [_rule(443, "10.0.0.0/8")],
    }


def _rule(port: int, cidr: str, description: str = "traffic of the application") -> dict[str, Any]:
    peer = {"CidrIp": cidr, "Description": description}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [peer]}


def _change(kind: str, group_id: str) -> tuple[str, dict[str, Any]]:
    """The call that somebody makes."""
    described = [_rule(8080, "10.0.0.0/16", "traffic of the new application")]
    calls = {
        CLOSING: ("AuthorizeSecurityGroupIngress", [_rule(22, "0.0.0.0/0")]),
        COMPLIANT: ("AuthorizeSecurityGroupIngress", [_rule(443, "10.0.0.0/8")]),
        FAILED: ("AuthorizeSecurityGroupIngress", [_rule(8080, "10.0.0.0/16")]),
        DESCRIBING: ("UpdateSecurityGroupRuleDescriptionsIngress", described),
        REVOKING: ("RevokeSecurityGroupIngress", [_rule(9000, "10.0.0.0/16")]),
    }
    operation, permissions = calls[kind]
    return operation, {"GroupId": group_id, "IpPermissions": permissions}


if __name__ == "__main__":
    main()
