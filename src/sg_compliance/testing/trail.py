"""CloudTrail for the EC2 twin: a changing call → the record that CloudTrail keeps, in the envelope of EventBridge.

Shapes are those of the CloudTrail user guide (record contents, userIdentity element) and of records as AWS writes them:
older calls in camelCase with lists in `{"items": […]}`, an empty list `{}`; ModifySecurityGroupRules and descriptions
by id as their query parameters, in PascalCase, a list of one as the bare object.

Recorded are calls that change something, refused ones too: EventBridge does not deliver what only reads, unless a rule
asks for it. Not here: calls cut off at 100 KB, and Insights.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sg_compliance.testing.twin.calls import MUTATING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

Json: TypeAlias = "dict[str, Any]"

_NAMES: Final[Mapping[str, str]] = {
    "Resources": "resourcesSet",
    "Return": "_return",
    "RevokedSecurityGroupRules": "revokedSecurityGroupRuleSet",
    "SecurityGroupRules": "securityGroupRuleSet",
    "TagSpecifications": "tagSpecificationSet",
    "Tags": "tagSet",
    "UnknownIpPermissions": "unknownIpPermissionSet",
    "UserIdGroupPairs": "groups",
}
"""Keys that are recorded under another name than their own in camelCase."""
_ITEMS: Final[Mapping[str, str]] = {"Resources": "resourceId", "SecurityGroupRuleIds": "securityGroupRuleId"}
"""Lists of texts, which are recorded as objects with this key."""
_PERMISSIONS: Final = ("IpPermissions", "UnknownIpPermissions")
_NO_PEERS: Final[Json] = {"groups": {}, "ipRanges": {}, "ipv6Ranges": {}, "prefixListIds": {}}
"""What every permission shows, peers or none."""
_WRAPPED: Final = ("SecurityGroupRules", "SecurityGroupRuleDescriptions")
"""Parameters of the newer calls, recorded in PascalCase."""
_XMLNS: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"
_NOT_RECORDED: Final = ("DryRun",)


class Caller(NamedTuple):
    """Who called, and from where. `role_arn` is of a session's role, which the session's own ARN says without path."""

    arn: str
    account_id: str
    unique_id: str = ""
    access_key_id: str = ""
    role_arn: str = ""
    source_ip: str = "127.0.0.1"
    user_agent: str = ""


class Answered(NamedTuple):
    """A call that the twin has answered, or refused: then `error_code` is AWS's. In the account whose group it is."""

    account_id: str
    region: str
    operation: str
    params: Json
    answer: Json
    error_code: str = ""
    error_message: str = ""


def is_recorded(operation: str) -> bool:
    """Whether the operation changes anything."""
    return operation in MUTATING


def event(answered: Answered, caller: Caller, when: datetime, ids: Sequence[str]) -> Json:
    """What EventBridge delivers of the call. `ids`: of the event, the request and the envelope, UUIDs."""
    event_id, request_id, envelope_id = ids
    record = _record(answered, caller, when, event_id, request_id)
    return {
        "version": "0",
        "id": envelope_id,
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": answered.account_id,
        "time": record["eventTime"],
        "region": answered.region,
        "resources": [],
        "detail": record,
    }


def _record(answered: Answered, caller: Caller, when: datetime, event_id: str, request_id: str) -> Json:
    refused = {"errorCode": f"Client.{answered.error_code}", "errorMessage": answered.error_message}
    return {
        "eventVersion": "1.10",
        "userIdentity": _identity(caller, when),
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "ec2.amazonaws.com",
        "eventName": answered.operation,
        "awsRegion": answered.region,
        "sourceIPAddress": caller.source_ip,
        "userAgent": caller.user_agent,
        **(refused if answered.error_code else {}),
        "requestParameters": _request(answered),
        "responseElements": None if answered.error_code else _response(answered, request_id),
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": answered.account_id,
        "eventCategory": "Management",
    }


def _identity(caller: Caller, when: datetime) -> Json:
    """`userIdentity`: of a session of a role, of root, or of an IAM user."""
    told = {"principalId": caller.unique_id, "arn": caller.arn, "accountId": caller.account_id}
    key = {"accessKeyId": caller.access_key_id}
    if ":assumed-role/" in caller.arn:
        return {"type": "AssumedRole", **told, **key, "sessionContext": _session(caller, when)}
    if caller.arn.endswith(":root"):
        return {"type": "Root", **told, **key}
    return {"type": "IAMUser", **told, **key, "userName": caller.arn.rpartition("/")[2]}


def _session(caller: Caller, when: datetime) -> Json:
    issuer = {
        "type": "Role",
        "principalId": caller.unique_id.partition(":")[0],
        "arn": caller.role_arn,
        "accountId": caller.account_id,
        "userName": caller.role_arn.rpartition("/")[2],
    }
    attributes = {"creationDate": f"{when:%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"}
    return {"sessionIssuer": issuer, "webIdFederationData": {}, "attributes": attributes}


def _request(answered: Answered) -> Json:
    params = {key: value for key, value in answered.params.items() if key not in _NOT_RECORDED}
    wrapped = next((key for key in _WRAPPED if key in params), None)
    if wrapped:
        listed = [{**each, "tag": number} for number, each in enumerate(params.pop(wrapped), 1)]
        name = wrapped.removesuffix("s")
        return {f"{answered.operation}Request": {**params, name: listed[0] if len(listed) == 1 else listed}}
    if answered.operation == "CreateSecurityGroup" and "Description" in params:
        params["GroupDescription"] = params.pop("Description")
    recorded = _camel(params)
    if answered.operation.startswith(("Authorize", "Revoke")):
        recorded.setdefault("ipPermissions", {})
    return recorded


def _response(answered: Answered, request_id: str) -> Json:
    if answered.operation == "ModifySecurityGroupRules":
        told = {"xmlns": _XMLNS, "requestId": request_id, "return": True}
        return {"ModifySecurityGroupRulesResponse": told}
    return {"requestId": request_id, "_return": True, **_camel(answered.answer)}


def _camel(raw: Mapping[str, Any]) -> Json:
    """Keys in camelCase, lists in `{"items": […]}`."""
    return {_NAMES.get(key, key[0].lower() + key[1:]): _value(key, value) for key, value in raw.items()}


def _value(key: str, value: object) -> object:
    if isinstance(value, dict):
        return _camel(value)
    if key == "TagSpecifications" and isinstance(value, list):
        return {"items": [_tag_specification(each) for each in value]}
    if not isinstance(value, list):
        return value
    beside = _NO_PEERS if key in _PERMISSIONS else {}
    items = [{**beside, **_camel(each)} if isinstance(each, dict) else {_ITEMS[key]: each} for each in value]
    return {"items": items} if items else {}


def _tag_specification(raw: Json) -> Json:
    tags = [_camel(tag) for tag in raw.get("Tags") or ()]
    return {"resourceType": raw.get("ResourceType"), "tags": tags}


class TrailFile:
    """Events as lines of JSON in a file that others read while it grows. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def append(self, delivered: Json) -> None:
        """Add an event, as one whole line."""
        line = json.dumps(delivered, separators=(",", ":")) + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line)
