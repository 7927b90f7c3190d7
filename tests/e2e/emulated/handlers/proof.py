"""A function of a few lines, to prove the platform with: it keeps each message in a table, or fails it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import boto3

STARTED = time.time()
LOADED = {"cold": True}


def keep(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Put each message into the table, under how often it has come; those that say `fail` are handed back."""
    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
    print(json.dumps({"records": len(event["Records"]), "cold": LOADED["cold"]}))  # noqa: T201  a function's log
    LOADED["cold"] = False
    failed = []
    for record in event["Records"]:
        came = record["attributes"]["ApproximateReceiveCount"]
        table.put_item(Item={"pk": record["messageId"], "sk": came, "body": record["body"]})
        if "fail" in record["body"]:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def say(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401  whatever it is called with
    """Tell what a function sees of the world."""
    if event == "break":
        raise LookupError("told to break")
    return {
        "event": event,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "key": os.environ.get("AWS_ACCESS_KEY_ID"),
        "started": STARTED,
    }


def callers(_event: object, _context: object) -> dict[str, str]:
    """Ask STS, EC2 and DynamoDB as the adapters do: no endpoint in the code, the environment says where they are."""
    from sg_compliance.aws.session import Role, Sessions  # noqa: PLC0415  it is in the package under test only

    sessions = Sessions(role=Role(os.environ["ROLE"]))
    groups = sessions.client(
        "ec2", frozenset({"ec2:DescribeSecurityGroups"}), os.environ["REGION"], account_id=os.environ["MEMBER"]
    )
    tables = sessions.client("dynamodb", frozenset({"dynamodb:DescribeTable"}))
    return {
        "caller": sessions.caller().account_id,
        "acting": sessions.enter(os.environ["MEMBER"]),
        "groups": ",".join(sorted({each["OwnerId"] for each in _groups(groups)})),
        "table": tables.describe_table(TableName=os.environ["TABLE"])["Table"]["TableArn"],  # type: ignore[attr-defined]
    }


def _groups(client: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return list(client.describe_security_groups()["SecurityGroups"])
