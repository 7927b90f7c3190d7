"""One-line builders of CloudTrail records and of the envelope that EventBridge puts around them.

`record("AuthorizeSecurityGroupIngress", asked(tcp(22, EVERYONE)))` is a whole event: permissions are written as for
groups (`tests/builders.py`) and turned into the shape in which CloudTrail keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.realtime.cloudtrail import parse
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import Change, Skipped
from tests.builders import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.builders import Json

GROUP: Final = "sg-0a1b2c3d4e5f60718"
OTHER_GROUP: Final = "sg-0fedcba9876543210"
RULE: Final = "sgr-0a1b2c3d4e5f60718"
LIST: Final = "pl-0a1b2c3d4e5f60718"
INSTANCE: Final = "i-0a1b2c3d4e5f60718"
INTERFACE: Final = "eni-0a1b2c3d4e5f60718"
VPC: Final = "vpc-0a1b2c3d4e5f60718"
EVENT: Final = "914469fc-c658-434c-a560-0219c0ac3b55"
OUR_ROLE: Final = "sg-compliance-remediate"
OUR_SESSION: Final = "sg-compliance"
OURS: Final = Ours(role_names=frozenset({OUR_ROLE}), session_names=frozenset({OUR_SESSION}))

AUTHORIZE: Final = "AuthorizeSecurityGroupIngress"
AUTHORIZE_EGRESS: Final = "AuthorizeSecurityGroupEgress"
REVOKE: Final = "RevokeSecurityGroupIngress"
MODIFY: Final = "ModifySecurityGroupRules"
CREATE: Final = "CreateSecurityGroup"
DELETE: Final = "DeleteSecurityGroup"
DESCRIBE: Final = "UpdateSecurityGroupRuleDescriptionsIngress"
MODIFY_LIST: Final = "ModifyManagedPrefixList"
CREATE_LIST: Final = "CreateManagedPrefixList"
RESTORE_LIST: Final = "RestoreManagedPrefixListVersion"
MODIFY_INSTANCE: Final = "ModifyInstanceAttribute"
MODIFY_INTERFACE: Final = "ModifyNetworkInterfaceAttribute"
CREATE_INTERFACE: Final = "CreateNetworkInterface"
RUN: Final = "RunInstances"

USER: Final[Json] = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/people/alice",
    "accountId": ACCOUNT,
    "userName": "alice",
}
ROOT: Final[Json] = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
SERVICE: Final[Json] = {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}


def session(role: str = "deploy", name: str = "pipeline", account: str = ACCOUNT, **others: object) -> Json:
    """The identity of a session of a role."""
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{role}", "accountId": account, "userName": role}
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        "accountId": account,
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
        **others,
    }


def record(name: str = AUTHORIZE, request: object = None, response: object = None, **others: object) -> Json:
    """A CloudTrail record of a call that succeeded."""
    return {
        "eventVersion": "1.10",
        "userIdentity": USER,
        "eventTime": "2026-01-15T12:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15",
        "requestParameters": request,
        "responseElements": response,
        "eventID": EVENT,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        **others,
    }


def envelope(detail: object, **others: object) -> Json:
    """What EventBridge puts around a record."""
    return {
        "version": "0",
        "id": "6f87d04b-9050-4a3e-8ad2-0c3c3f4f4c2b",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": "2026-01-15T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
        **others,
    }


def listed(*elements: object) -> Json:
    """A list as older calls are recorded: `{}` where it is empty."""
    return {"items": list(elements)} if elements else {}


def nested(permission: Json) -> Json:
    """An IpPermission as CloudTrail records it."""
    ports = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if permission.get(key) is not None}
    names = {
        "IpRanges": "ipRanges",
        "Ipv6Ranges": "ipv6Ranges",
        "PrefixListIds": "prefixListIds",
        "UserIdGroupPairs": "groups",
    }
    return {
        **camel(ports),
        **{name: listed(*map(camel, permission.get(key) or ())) for key, name in names.items()},
    }


def camel(raw: Json) -> Json:
    """The keys in camelCase."""
    return {key[0].lower() + key[1:]: value for key, value in raw.items()}


def asked(*permissions: Json, group: str = GROUP) -> Json:
    """The request of a call to authorize or revoke."""
    return {"groupId": group, "ipPermissions": listed(*map(nested, permissions))}


def flat(permission: Json, group: str = GROUP) -> Json:
    """The request with the old parameters: one IPv4 peer and no description."""
    ports = {key: permission.get(key) for key in ("IpProtocol", "FromPort", "ToPort")}
    cidr = permission["IpRanges"][0]["CidrIp"]
    return {"groupId": group, "ipPermissions": {}, **camel({**ports, "CidrIp": cidr})}


def answered(*rules: Json, key: str = "securityGroupRuleSet") -> Json:
    """The response of a call to authorize; with another key, to revoke."""
    return {"requestId": "b8dd3137", "_return": True, key: listed(*rules)}


def rule(
    ports: int, cidr: str, rule_id: str = RULE, *, egress: bool = False, group: str = GROUP, **others: object
) -> Json:
    """A tcp rule in a response."""
    return {
        "groupOwnerId": ACCOUNT,
        "groupId": group,
        "securityGroupRuleId": rule_id,
        "isEgress": egress,
        "ipProtocol": "tcp",
        "fromPort": ports,
        "toPort": ports,
        "cidrIpv4": cidr,
        **others,
    }


def update(ports: int, cidr: str, rule_id: str = RULE) -> Json:
    """A rule in a ModifySecurityGroupRules, as it is recorded."""
    becomes = {"IpProtocol": "tcp", "FromPort": ports, "ToPort": ports, "CidrIpv4": cidr}
    return {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": becomes, "tag": 1}


def updates(rules: object, group: str = GROUP) -> Json:
    """The request of ModifySecurityGroupRules."""
    return {"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": rules}}


def grouped(*groups: str, **others: object) -> Json:
    """An object with security groups of an interface."""
    return {"groupSet": listed(*({"groupId": group} for group in groups)), **others}


def changed(event: Any, ours: Ours = OURS) -> Change:  # noqa: ANN401 - JSON
    """The change that an event is."""
    read = parse(event, ours)
    assert isinstance(read, Change), read
    return read


def skipped(event: Any, ours: Ours = OURS) -> Skipped:  # noqa: ANN401 - JSON
    """The skip that an event is."""
    read = parse(event, ours)
    assert isinstance(read, Skipped), read
    return read


def written(rules: Iterable[Any]) -> list[str]:
    """Rules in short: `ingress 6 22-22 0.0.0.0/0 sgr-…`."""
    return [
        f"{each.direction} {each.protocol} {each.first}-{each.last} {each.peer.text} {each.rule_id or ''}".rstrip()
        for each in rules
    ]
