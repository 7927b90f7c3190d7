"""MiniStack with IAM (AUTH=true), whose EC2 is the demo organisation's. For the emulator's own Python, as as_aws.py is.

Every call is judged by the policies of whoever makes it, and then answered: calls to EC2 by the server at EC2_AT, as
the same role and session there. What MiniStack's IAM knows otherwise than AWS's is mended here, each with its source:

- `aws:PrincipalArn` of a session is the ARN of its role (IAM user guide, global condition context keys);
- groups, rules and prefix lists that are tagged or read are the resources of the call (Service Authorization Reference,
  EC2), and their tags are `aws:ResourceTag`;
- the key that S3 is to encrypt with is a condition key (the same, S3);
- loopback has no TLS, and takes the place of it.

What was judged is kept in the file CHECKS: a line of JSON for each, with `principal`, `action`, `resource`, `denied`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, Final

import as_aws  # type: ignore[import-not-found]  # beside this file, where it is run
import boto3
from botocore.config import Config
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, tagging

_EC2_AT: Final = os.environ["EC2_AT"]
_CHECKS: Final = Path(os.environ["CHECKS"])
_SESSION: Final = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/(.+)")
_KINDS: Final = {"sg": "security-group", "sgr": "security-group-rule", "pl": "prefix-list"}
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _mend() -> None:
    """Put in what AWS does otherwise, and EC2."""
    known, judge = iam_evaluator._resolve_condition_key, iam_evaluator.enforce  # noqa: SLF001  no other way in
    tags_of, arn_of, conditions_of = (
        tagging.resource_tags,
        iam_actions.extract_resource_arn,
        iam_actions.s3_service_context,
    )

    def resolve(key: str, context: Any) -> Any:  # noqa: ANN401  MiniStack's own
        found = known(key, context)
        session = _SESSION.fullmatch(str(found)) if key.lower() == "aws:principalarn" else None
        return f"arn:aws:iam::{session[1]}:role/{session[2]}" if session else found

    def resource(service: str, method: str, path: str, headers: Any, body: Any, params: Any, *place: str) -> str:  # noqa: ANN401, PLR0913, PLR0917
        given = next((params[name] for name in ("ResourceId.1", "PrefixListId") if name in params), "")
        asked = given[0] if isinstance(given, list) else given
        kind = _KINDS.get(asked.partition("-")[0])
        if service == "ec2" and kind:
            return f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind}/{asked}"
        return str(arn_of(service, method, path, headers, body, params, *place))

    def conditions(action: str, params: Any, path: str = "", headers: Any = None) -> dict[str, Any]:  # noqa: ANN401
        key = (headers or {}).get("x-amz-server-side-encryption-aws-kms-key-id")
        named = {"s3:x-amz-server-side-encryption-aws-kms-key-id": key} if key and action == "s3:PutObject" else {}
        return {**conditions_of(action, params, path, headers), **named}

    def enforce(key: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any) -> Any:  # noqa: ANN401
        denied = judge(key, action, service, region, resource_arn=resource_arn, **context)
        principal = iam_evaluator.resolve_caller_identity(key) or {}
        line = {"principal": principal.get("userArn", ""), "action": action, "resource": resource_arn}
        with _CHECKS.open("a", encoding="utf-8") as checks:
            checks.write(json.dumps({**line, "denied": denied is not None}) + "\n")
        return denied

    def tags(arn: str) -> dict[str, str] | None:
        return _tags_there(arn) if arn.startswith("arn:aws:ec2:") else tags_of(arn)

    tagging.resource_tags = tags
    iam_evaluator._resolve_condition_key = resolve  # noqa: SLF001
    iam_actions.extract_resource_arn = resource
    iam_actions.s3_service_context = conditions
    iam_evaluator.enforce = enforce
    app.pin_request_origin = lambda address, _: iam_evaluator.pin_request_origin(address, secure_transport=True)
    ec2.handle_request = _asked_there


async def _asked_there(method: str, path: str, headers: dict[str, str], body: bytes, _: object) -> Any:  # noqa: ANN401
    return await asyncio.to_thread(_there, method, path, headers, body)


def _there(method: str, path: str, headers: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    key, token = _keys(iam_evaluator.caller_arn())
    scope = f"Credential={key}/20260101/{get_region()}/ec2/aws4_request, SignedHeaders=host, Signature=none"
    sent = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}",
        "X-Amz-Security-Token": token,
        "Content-Type": headers.get("content-type", ""),
        "User-Agent": headers.get("user-agent", ""),
    }
    request = urllib.request.Request(_EC2_AT + path, data=body, headers=sent, method=method)  # noqa: S310  loopback
    try:
        with _direct.open(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers), refused.read()


def _tags_there(arn: str) -> dict[str, str]:
    """The tags of a group. Those of rules are not looked at."""
    _, _, _, region, account, resource = arn.split(":", 5)
    kind, _, group = resource.partition("/")
    if kind != "security-group":
        return {}
    key, token = _keys(f"arn:aws:iam::{account}:root")
    asked = _client("ec2", region, key, "none", token).describe_security_groups(GroupIds=[group])
    return {tag["Key"]: tag["Value"] for each in asked["SecurityGroups"] for tag in each.get("Tags", ())}


@cache
def _keys(arn: str) -> tuple[str, str]:
    """Be the same session there: the role has to be there, and the trust is not judged twice."""
    session = _SESSION.fullmatch(arn)
    account, role, name = session.groups() if session else (arn.split(":")[4], os.environ["EC2_ENTRY"], "root")
    sts = _client("sts", "us-east-1", "none", "none")
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName=name)["Credentials"]
    return given["AccessKeyId"], given["SessionToken"]


@cache
def _client(service: str, region: str, key: str, secret: str, token: str | None = None) -> Any:  # noqa: ANN401  clients have no types of their own
    session: Any = boto3.Session(key, secret, token, region_name=region)
    return session.client(service, endpoint_url=_EC2_AT, config=Config(proxies={}))


if __name__ == "__main__":
    _mend()
    as_aws.main()
