"""The trail's records have the shapes that CloudTrail's have, and say who called."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.realtime.cloudtrail import parse
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import Change, Skipped, SkipReason
from sg_compliance.testing.trail import Answered, Caller, TrailFile, event, is_recorded
from sg_compliance.testing.twin.calls import MUTATING, READING
from tests.builders import ACCOUNT, EVERYONE, REGION, all_traffic, tcp
from tests.event_builders import (
    AUTHORIZE,
    GROUP,
    OUR_ROLE,
    OUR_SESSION,
    OURS,
    RULE,
    asked,
    envelope,
    listed,
    record,
    rule,
    session,
    update,
    updates,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders import Json

WHEN: Final = datetime(2026, 1, 15, 12, 0, 0, 999_999, tzinfo=UTC)
EVENT, REQUEST, ENVELOPE = (f"914469fc-c658-434c-a560-0219c0ac3b5{digit}" for digit in "567")
ALICE: Final = Caller(
    f"arn:aws:iam::{ACCOUNT}:user/people/alice",
    ACCOUNT,
    "AIDAEXAMPLE",
    "AKIAEXAMPLE",
    "",
    "198.51.100.7",
    "aws-cli/2.15",
)


def told(operation: str, params: Json, answer: Json | None = None, caller: Caller = ALICE, code: str = "") -> Json:
    """The event of a call."""
    answered = Answered(ACCOUNT, REGION, operation, params, answer or {}, code, f"{code} it is" if code else "")
    return event(answered, caller, WHEN, (EVENT, REQUEST, ENVELOPE))


def shape(operation: str, params: Json, answer: Json | None = None) -> tuple[Any, Any]:
    """What the record holds of the request and of the response."""
    detail = told(operation, params, answer)["detail"]
    return detail["requestParameters"], detail["responseElements"]


def test_a_call_is_recorded_as_the_parsers_tests_have_it_from_cloudtrail() -> None:
    shown = {
        "SecurityGroupRuleId": RULE,
        "GroupId": GROUP,
        "IsEgress": False,
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "GroupOwnerId": ACCOUNT,
        "CidrIpv4": EVERYONE,
    }
    made = told(
        AUTHORIZE,
        {"GroupId": GROUP, "IpPermissions": [tcp(22, EVERYONE)]},
        {"Return": True, "SecurityGroupRules": [shown]},
    )
    user = {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": ALICE.arn,
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAEXAMPLE",
        "userName": "alice",
    }
    response = {"requestId": REQUEST, "_return": True, "securityGroupRuleSet": listed(rule(22, EVERYONE))}
    expected = record(
        AUTHORIZE, asked(tcp(22, EVERYONE)), response, userIdentity=user, requestID=REQUEST, eventID=EVENT
    )
    assert made == envelope(expected, id=ENVELOPE)


def test_a_permission_without_peers_of_a_kind_shows_an_empty_object_for_them() -> None:
    request, _ = shape("RevokeSecurityGroupEgress", {"GroupId": GROUP, "IpPermissions": [all_traffic("sg-0a1b2c3d")]})
    pair = {"groupId": "sg-0a1b2c3d", "userId": ACCOUNT}
    none: Json = {}
    assert request == {
        "groupId": GROUP,
        "ipPermissions": listed(
            {"ipProtocol": "-1", "groups": listed(pair), "ipRanges": none, "ipv6Ranges": none, "prefixListIds": none}
        ),
    }


def test_rules_that_are_revoked_by_id_are_listed_as_objects_beside_no_permissions() -> None:
    request, response = shape(
        "RevokeSecurityGroupIngress",
        {"GroupId": GROUP, "SecurityGroupRuleIds": [RULE]},
        {"Return": True, "RevokedSecurityGroupRules": [], "UnknownIpPermissions": [{"IpProtocol": "-1"}]},
    )
    none: Json = {}
    assert request == {
        "groupId": GROUP,
        "securityGroupRuleIds": listed({"securityGroupRuleId": RULE}),
        "ipPermissions": {},
    }
    assert response == {
        "requestId": REQUEST,
        "_return": True,
        "revokedSecurityGroupRuleSet": {},
        "unknownIpPermissionSet": listed(
            {"ipProtocol": "-1", "groups": none, "ipRanges": none, "ipv6Ranges": none, "prefixListIds": none}
        ),
    }


def test_the_flat_parameters_stand_beside_an_empty_object() -> None:
    request, _ = shape(
        AUTHORIZE, {"GroupName": "web", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIp": EVERYONE}
    )
    assert request == {
        "groupName": "web",
        "ipProtocol": "tcp",
        "fromPort": 1,
        "toPort": 2,
        "cidrIp": EVERYONE,
        "ipPermissions": {},
    }


def test_modified_rules_are_recorded_as_parameters_one_bare_and_several_as_a_list() -> None:
    becomes = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": EVERYONE}
    one = {"SecurityGroupRuleId": RULE, "SecurityGroupRule": becomes}
    params = {"GroupId": GROUP, "SecurityGroupRules": [one]}
    request, response = shape("ModifySecurityGroupRules", params, {"Return": True})
    assert request == updates(update(22, EVERYONE))
    assert response == {
        "ModifySecurityGroupRulesResponse": {
            "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
            "requestId": REQUEST,
            "return": True,
        }
    }
    request, _ = shape("ModifySecurityGroupRules", {**params, "SecurityGroupRules": [one, one]})
    assert request == updates([update(22, EVERYONE), {**update(22, EVERYONE), "tag": 2}])
    assert params == {"GroupId": GROUP, "SecurityGroupRules": [one]}, "what was asked is left as it was"


def test_a_new_group_is_recorded_with_its_description_and_tags() -> None:
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "owner", "Value": "me"}]}]
    params = {"GroupName": "web", "Description": "of web", "VpcId": "vpc-1", "TagSpecifications": tags, "DryRun": False}
    request, response = shape("CreateSecurityGroup", params, {"GroupId": GROUP})
    tagged = listed({"resourceType": "security-group", "tags": [{"key": "owner", "value": "me"}]})
    assert request == {
        "groupName": "web",
        "groupDescription": "of web",
        "vpcId": "vpc-1",
        "tagSpecificationSet": tagged,
    }
    assert response == {"requestId": REQUEST, "_return": True, "groupId": GROUP}


def test_tags_are_recorded_with_what_they_are_put_on() -> None:
    request, _ = shape("CreateTags", {"Resources": [GROUP, RULE], "Tags": [{"Key": "a", "Value": "b"}]})
    assert request == {
        "resourcesSet": listed({"resourceId": GROUP}, {"resourceId": RULE}),
        "tagSet": listed({"key": "a", "value": "b"}),
    }


def test_a_refused_call_has_ec2s_error_code_and_no_response() -> None:
    made = told(AUTHORIZE, {"GroupId": GROUP}, code="InvalidPermission.Duplicate")["detail"]
    assert (made["errorCode"], made["errorMessage"]) == (
        "Client.InvalidPermission.Duplicate",
        "InvalidPermission.Duplicate it is",
    )
    assert made["responseElements"] is None
    read = parse(made, OURS)
    assert isinstance(read, Skipped)
    assert read.reason is SkipReason.FAILED_CALL


def test_a_session_of_a_role_is_recorded_with_the_role_that_issued_it() -> None:
    caller = Caller(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/pipeline",
        ACCOUNT,
        "AROAEXAMPLE:pipeline",
        "ASIAEXAMPLE",
        f"arn:aws:iam::{ACCOUNT}:role/ci/deploy",
    )
    made = told("DeleteSecurityGroup", {"GroupId": GROUP}, caller=caller)["detail"]["userIdentity"]
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLE",
        "arn": caller.role_arn,
        "accountId": ACCOUNT,
        "userName": "deploy",
    }
    attributes = {"creationDate": "2026-01-15T12:00:00Z", "mfaAuthenticated": "false"}
    context = {"sessionIssuer": issuer, "webIdFederationData": {}, "attributes": attributes}
    assert made == session(accessKeyId="ASIAEXAMPLE", sessionContext=context)


def test_our_own_session_is_known_as_ours_and_a_thief_of_the_role_is_not() -> None:
    for name, reads_as in ((OUR_SESSION, Skipped), ("thief", Change)):
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{OUR_ROLE}/{name}"
        caller = Caller(arn, ACCOUNT, f"AROAEXAMPLE:{name}", role_arn=f"arn:aws:iam::{ACCOUNT}:role/{OUR_ROLE}")
        read = parse(told("DeleteSecurityGroup", {"GroupId": GROUP}, caller=caller), OURS)
        assert type(read) is reads_as
        assert (read.own, read.impostor) == (name == OUR_SESSION, name != OUR_SESSION)


def test_root_is_recorded_as_root() -> None:
    made = told("DeleteSecurityGroup", {"GroupId": GROUP}, caller=Caller(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT))
    read = parse(made, Ours())
    assert read.principal.is_root


def test_what_only_reads_is_not_recorded_and_all_that_changes_is() -> None:
    assert all(map(is_recorded, MUTATING))
    assert not any(map(is_recorded, READING))


def test_the_file_has_an_event_a_line_whatever_it_holds(tmp_path: Path) -> None:
    file = TrailFile(tmp_path / "events")
    odd = {"a": "line\nbreak \u2028 \x00", "b": [1, None]}
    for each in (odd, {"second": True}):
        file.append(each)
    lines = (tmp_path / "events").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [odd, {"second": True}]
    assert lines[-1] == ""
