"""Every shape in which CloudTrail records a call on security groups, and everything that is no such record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sg_compliance.errors import EventError, InputError, RejectedEventError
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.security_group import Direction, GroupPeer
from sg_compliance.realtime.cloudtrail import LONGEST_EVENT, READERS, parse, read_json
from sg_compliance.realtime.event_fields import MOST
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import ChangeKind, SkipReason
from tests.builders import ACCOUNT, EVERYONE, EVERYONE_V6, REGION, all_traffic, icmp, permission, tcp
from tests.event_builders import (
    AUTHORIZE,
    AUTHORIZE_EGRESS,
    CREATE,
    CREATE_INTERFACE,
    CREATE_LIST,
    DELETE,
    DESCRIBE,
    EVENT,
    GROUP,
    INSTANCE,
    INTERFACE,
    LIST,
    MODIFY,
    MODIFY_INSTANCE,
    MODIFY_INTERFACE,
    MODIFY_LIST,
    OTHER_GROUP,
    OUR_ROLE,
    OUR_SESSION,
    OURS,
    RESTORE_LIST,
    REVOKE,
    ROOT,
    RULE,
    RUN,
    SERVICE,
    USER,
    VPC,
    answered,
    asked,
    changed,
    envelope,
    flat,
    grouped,
    listed,
    record,
    rule,
    session,
    skipped,
    update,
    updates,
    written,
)

if TYPE_CHECKING:
    from tests.builders import Json

OPEN_SSH = record(AUTHORIZE, asked(tcp(22, EVERYONE)), answered(rule(22, EVERYONE)))
OTHER_RULE = "sgr-0fedcba9876543210"
OTHER_ACCOUNT = "444455556666"


# Where, when and by whom


def test_a_record_says_where_when_and_from_where_it_was_called() -> None:
    change = changed(OPEN_SSH)
    assert (change.account_id, change.region, change.event_id, change.event_name) == (ACCOUNT, REGION, EVENT, AUTHORIZE)
    assert change.event_time == datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
    assert (change.source_ip, change.user_agent) == ("198.51.100.7", "aws-cli/2.15")


def test_the_envelope_of_eventbridge_is_the_same_event_as_the_bare_record() -> None:
    assert changed(envelope(OPEN_SSH)) == changed(OPEN_SSH)


def test_the_body_of_a_message_is_the_same_event() -> None:
    assert parse(read_json(json.dumps(envelope(OPEN_SSH))), OURS) == changed(OPEN_SSH)


def test_a_change_can_be_hashed_and_compared() -> None:
    assert len({changed(OPEN_SSH), changed(envelope(OPEN_SSH))}) == 1


def test_the_account_is_the_one_whose_group_it_is_whoever_called() -> None:
    change = changed(record(AUTHORIZE, asked(), userIdentity=session(account=OTHER_ACCOUNT)))
    assert (change.account_id, change.principal.account) == (ACCOUNT, OTHER_ACCOUNT)


@pytest.mark.parametrize(
    "event",
    [
        envelope(OPEN_SSH, account=OTHER_ACCOUNT),
        envelope(OPEN_SSH, account=None),
        envelope(OPEN_SSH, region="us-east-1"),
        envelope(OPEN_SSH, source="custom.ec2"),
        envelope(OPEN_SSH, **{"detail-type": "AWS Service Event via CloudTrail"}),
        envelope(None),
        envelope([OPEN_SSH]),
    ],
)
def test_an_envelope_that_contradicts_its_record_is_rejected(event: Json) -> None:
    with pytest.raises(RejectedEventError):
        parse(event, OURS)


def test_an_event_of_an_account_that_is_not_ours_is_rejected() -> None:
    assert changed(OPEN_SSH, Ours(accounts=frozenset({ACCOUNT}))).account_id == ACCOUNT
    with pytest.raises(RejectedEventError, match="none of ours"):
        parse(OPEN_SSH, Ours(accounts=frozenset({OTHER_ACCOUNT})))


@pytest.mark.parametrize(
    ("identity", "name", "is_root"),
    [
        (USER, "alice", False),
        (ROOT, "root", True),
        (SERVICE, "autoscaling.amazonaws.com", False),
        (session("deploy", "pipeline"), "deploy", False),
        ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"}, "bob", False),
        ({"type": "SAMLUser", "principalId": "idp:carol", "userName": "carol"}, "carol", False),
        ({"type": "WebIdentityUser", "userName": "dave"}, "dave", False),
        ({"type": "IdentityCenterUser", "principalId": "94681234"}, "94681234", False),
        ({"type": "AWSAccount", "principalId": "AIDAOTHER", "accountId": OTHER_ACCOUNT}, "AIDAOTHER", False),
        ({"type": "AssumedRole", "arn": f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/ops/me"}, "ops", False),
    ],
)
def test_every_type_of_principal_has_a_name(identity: Json, name: str, is_root: bool) -> None:
    who = changed({**OPEN_SSH, "userIdentity": identity}).principal
    assert (who.type, who.name, who.is_root) == (identity["type"], name, is_root)


def test_a_session_says_its_role_its_name_and_its_issuer() -> None:
    who = changed({**OPEN_SSH, "userIdentity": session("deploy", "pipeline")}).principal
    assert (who.name, who.session_name) == ("deploy", "pipeline")
    assert who.session_issuer == f"arn:aws:iam::{ACCOUNT}:role/deploy"


def test_what_a_service_did_for_itself_is_still_a_change() -> None:
    change = changed(record(AUTHORIZE, asked(tcp(22, EVERYONE)), userIdentity=SERVICE))
    assert change.principal.invoked_by == "autoscaling.amazonaws.com"


# Rules that were added


def test_permissions_become_one_rule_for_each_peer() -> None:
    change = changed(record(AUTHORIZE, asked(tcp("20-25", EVERYONE, EVERYONE_V6), tcp(80, EVERYONE))))
    assert (change.kind, change.groups) == (ChangeKind.RULES_ADDED, (GROUP,))
    assert written(change.rules_added) == [
        "ingress 6 20-25 0.0.0.0/0",
        "ingress 6 20-25 ::/0",
        "ingress 6 80-80 0.0.0.0/0",
    ]


def test_egress_is_known_by_the_name_of_the_call() -> None:
    change = changed(record(AUTHORIZE_EGRESS, asked(all_traffic(EVERYONE))))
    assert written(change.rules_added) == ["egress -1 0-65535 0.0.0.0/0"]


def test_flat_parameters_beside_empty_permissions_are_a_rule() -> None:
    change = changed(record(AUTHORIZE, flat(tcp(22, EVERYONE))))
    assert written(change.rules_added) == ["ingress 6 22-22 0.0.0.0/0"]


def test_ids_come_from_the_response_and_the_text_from_the_request() -> None:
    event = record(AUTHORIZE, asked(tcp(22, "1.2.3.4/0")), answered(rule(22, EVERYONE)))
    assert written(changed(event).rules_added) == [f"ingress 6 22-22 1.2.3.4/0 {RULE}"]


def test_a_response_without_ids_adds_nothing_twice() -> None:
    event = record(AUTHORIZE, asked(tcp(22, EVERYONE)), answered(rule(22, EVERYONE, securityGroupRuleId=None)))
    assert written(changed(event).rules_added) == ["ingress 6 22-22 0.0.0.0/0"]


def test_a_rule_that_only_the_response_tells_is_a_rule() -> None:
    omitted = {"omitted": "true", "originalSize": "149893", "reason": "requestParameters too large"}
    change = changed(record(AUTHORIZE, omitted, answered(rule(22, EVERYONE), rule(23, "10.0.0.0/8", OTHER_RULE))))
    assert change.groups == (GROUP,)
    assert written(change.rules_added) == [
        f"ingress 6 22-22 0.0.0.0/0 {RULE}",
        f"ingress 6 23-23 10.0.0.0/8 {OTHER_RULE}",
    ]


def test_numbers_may_be_texts() -> None:
    change = changed(
        record(AUTHORIZE, asked(permission("tcp", "22", "25", EVERYONE), permission(6, "80", 80, EVERYONE)))
    )
    assert written(change.rules_added) == ["ingress 6 22-25 0.0.0.0/0", "ingress 6 80-80 0.0.0.0/0"]


def test_icmp_is_read_as_type_and_code() -> None:
    (read,) = changed(record(AUTHORIZE, asked(icmp(8, -1, EVERYONE)))).rules_added
    assert (read.protocol, read.first, read.last) == (1, 8 * 256, 8 * 256 + 255)


def test_groups_and_prefix_lists_are_peers() -> None:
    peers = [each.peer for each in changed(record(AUTHORIZE, asked(tcp(22, LIST, OTHER_GROUP)))).rules_added]
    assert peers == [(LIST,), (OTHER_GROUP, ACCOUNT, None, None, None, None)]


def test_a_group_in_a_response_is_the_same_peer_as_in_the_request() -> None:
    told = rule(22, "", cidrIpv4=None, referencedGroupInfo={"groupId": OTHER_GROUP, "userId": ACCOUNT})
    (read,) = changed(record(AUTHORIZE, asked(tcp(22, OTHER_GROUP)), answered(told))).rules_added
    assert read.rule_id == RULE


def test_a_source_group_by_name_gets_the_id_that_aws_answers() -> None:
    request = {"groupName": "web", "sourceSecurityGroupName": "lb", "ipProtocol": "tcp", "fromPort": 80, "toPort": 80}
    told = rule(80, "", cidrIpv4=None, referencedGroupInfo={"groupId": OTHER_GROUP, "userId": ACCOUNT})
    (read,) = changed(record(AUTHORIZE, request, answered(told))).rules_added
    assert (read.peer, read.rule_id) == (GroupPeer(OTHER_GROUP, ACCOUNT, "lb"), RULE)
    (unanswered,) = changed(record(AUTHORIZE, request)).rules_added
    assert unanswered.peer == GroupPeer("lb", None, "lb")


def test_a_source_group_without_a_protocol_is_given_all_of_tcp_udp_and_icmp() -> None:
    change = changed(record(AUTHORIZE, {"groupName": "web", "sourceSecurityGroupName": "lb"}))
    assert [each[1:4] for each in change.rules_added] == [(6, 0, 65535), (17, 0, 65535), (1, 0, 65535)]
    assert {each.peer for each in change.rules_added} == {GroupPeer("lb", None, "lb")}


def test_a_group_across_a_peering_keeps_its_account_and_vpc() -> None:
    info = {"groupId": OTHER_GROUP, "userId": OTHER_ACCOUNT, "vpcId": VPC, "vpcPeeringConnectionId": "pcx-1"}
    told = rule(22, "", cidrIpv4=None, referencedGroupInfo=info)
    (read,) = changed(record(AUTHORIZE, {"groupId": GROUP}, answered(told))).rules_added
    assert read.peer == GroupPeer(OTHER_GROUP, OTHER_ACCOUNT, None, VPC, "pcx-1")


def test_permissions_in_pascal_case_are_the_same_rules() -> None:
    ranges = {"CidrIp": EVERYONE, "Description": "ssh", "tag": 1}
    ports = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "tag": 1}
    request = {"GroupId": GROUP, "IpPermissions": {**ports, "IpRanges": ranges, "Groups": [{"GroupId": OTHER_GROUP}]}}
    rules = changed(record(AUTHORIZE, {f"{AUTHORIZE}Request": request})).rules_added
    assert [(each.first, each.peer[0], each.description) for each in rules] == [
        (22, parse_cidr(EVERYONE), "ssh"),
        (22, OTHER_GROUP, None),
    ]


def test_two_source_groups_by_name_are_kept_beside_what_aws_answers() -> None:
    pairs = [{"groupName": "lb"}, {"groupName": "ci"}]
    request = {"groupId": GROUP, "ipPermissions": listed({"ipProtocol": "-1", "groups": listed(*pairs)})}
    told = rule(0, "", cidrIpv4=None, ipProtocol="-1", referencedGroupId=OTHER_GROUP)
    other = {**told, "referencedGroupId": "sg-0123456789abcdef0", "securityGroupRuleId": OTHER_RULE}
    assert len(changed(record(AUTHORIZE, request, answered(told, other))).rules_added) == 4


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (tcp("23-21", EVERYONE), "inverted"),
        (tcp("0-70000", EVERYONE), "not between"),
        (permission("tcp", 22, None, EVERYONE), "missing"),
        (permission("tcp", "ssh", "ssh", EVERYONE), "not a number"),
        (permission("tcp", [22], 22, EVERYONE), "not a number"),
        (permission("sctp?", 1, 1, EVERYONE), "not a protocol"),
        (permission("9" * 5000, 1, 1, EVERYONE), "not a protocol"),
        (permission(True, 1, 1, EVERYONE), "not a protocol"),
        (permission("icmp", 256, 0, EVERYONE), "ICMP type"),
        (tcp(22, "300.0.0.1/8"), "no peer"),
        (tcp(22, "pl-; drop"), "no peer"),
        (tcp(22, "sg-../../x"), "no peer"),
        ({**tcp(22), "UserIdGroupPairs": [{"UserId": ACCOUNT}]}, "no peer"),
        (permission("tcp", 10**5000, 22, EVERYONE), "not a number"),
    ],
)
def test_a_rule_that_cannot_mean_traffic_is_malformed_and_kept(odd: Json, problem: str) -> None:
    change = changed(record(AUTHORIZE, asked(odd, tcp(22, EVERYONE))))
    assert problem in change.malformed[0].problem
    assert written(change.rules_added) == ["ingress 6 22-22 0.0.0.0/0"]


def test_a_rule_in_a_response_with_two_peers_is_malformed() -> None:
    change = changed(record(AUTHORIZE, asked(), answered(rule(22, EVERYONE, cidrIpv6=EVERYONE_V6))))
    assert (change.rules_added, change.malformed[0].problem) == ((), "the rule names 2 peers")


def test_a_response_about_the_other_direction_is_rejected() -> None:
    with pytest.raises(RejectedEventError, match="isEgress"):
        parse(record(AUTHORIZE, asked(tcp(22, EVERYONE)), answered(rule(22, EVERYONE, isEgress=True))), OURS)


def test_a_response_about_another_group_is_rejected() -> None:
    with pytest.raises(RejectedEventError, match="names 2 groups"):
        parse(record(AUTHORIZE, asked(tcp(22, EVERYONE)), answered(rule(22, EVERYONE, groupId=OTHER_GROUP))), OURS)


@pytest.mark.parametrize("empty", [{}, None, [], {"items": []}, {"items": {}}, {"items": None}])
def test_however_an_empty_list_is_written_the_record_is_incomplete(empty: object) -> None:
    change = changed(record(AUTHORIZE, {"groupId": GROUP, "ipPermissions": empty}, {"securityGroupRuleSet": empty}))
    assert (change.rules_added, change.complete) == ((), False)
    assert changed(OPEN_SSH).complete


def test_more_rules_than_a_group_can_have_are_rejected() -> None:
    ranges = listed(*[{"cidrIp": EVERYONE}] * (MOST // 2 + 1))
    half = {"ipProtocol": "-1", "ipRanges": ranges}
    with pytest.raises(RejectedEventError, match="more than"):
        parse(record(AUTHORIZE, {"groupId": GROUP, "ipPermissions": listed(half, half)}), OURS)
    assert (
        len(changed(record(AUTHORIZE, {"groupId": GROUP, "ipPermissions": listed(half)})).rules_added) == MOST // 2 + 1
    )


# Groups by name


def test_a_group_in_a_default_vpc_may_be_known_by_name_alone() -> None:
    change = changed(record(AUTHORIZE, {**flat(tcp(22, EVERYONE)), "groupId": None, "groupName": "default"}))
    assert (change.groups, change.group_names) == ((), ("default",))


def test_the_id_in_the_response_stands_before_a_name() -> None:
    event = record(AUTHORIZE, {"groupName": "default"}, answered(rule(22, EVERYONE)))
    assert (changed(event).groups, changed(event).group_names) == ((GROUP,), ())


@pytest.mark.parametrize("request_", [None, {}, {"groupName": "bell\x07"}, {"groupName": "x" * 256}, {"groupName": ""}])
def test_a_call_that_names_no_group_is_rejected(request_: object) -> None:
    with pytest.raises(RejectedEventError, match="groupName"):
        parse(record(DELETE, request_), OURS)


# Rules that were taken away


def test_revoked_permissions_are_rules_removed() -> None:
    change = changed(record(REVOKE, asked(tcp(22, EVERYONE)), {"_return": True}))
    assert (change.kind, written(change.rules_removed)) == (ChangeKind.RULES_REMOVED, ["ingress 6 22-22 0.0.0.0/0"])


def test_rules_revoked_by_id_are_known_by_id() -> None:
    ids = listed({"securityGroupRuleId": RULE}, {"securityGroupRuleId": OTHER_RULE})
    change = changed(record(REVOKE, {"groupId": GROUP, "ipPermissions": {}, "securityGroupRuleIds": ids}))
    assert (change.rules_removed, change.rule_ids) == ((), (RULE, OTHER_RULE))
    newer = {f"{REVOKE}Request": {"GroupId": GROUP, "SecurityGroupRuleId": RULE}}
    assert changed(record(REVOKE, newer)).rule_ids == (RULE,)


def test_rules_revoked_by_id_are_told_by_the_response() -> None:
    told = answered(rule(22, EVERYONE), key="revokedSecurityGroupRuleSet")
    change = changed(record(REVOKE, {"groupId": GROUP, "securityGroupRuleIds": listed(RULE)}, told))
    assert (written(change.rules_removed), change.rule_ids) == ([f"ingress 6 22-22 0.0.0.0/0 {RULE}"], ())


def test_a_rule_that_was_not_there_was_not_removed() -> None:
    unknown = {"unknownIpPermissionSet": asked(tcp(22, EVERYONE))["ipPermissions"]}
    change = changed(record(REVOKE, asked(tcp(22, EVERYONE), tcp(80, EVERYONE)), unknown))
    assert written(change.rules_removed) == ["ingress 6 80-80 0.0.0.0/0"]


# Rules that were modified


@pytest.mark.parametrize("rules", [update(22, EVERYONE), [update(22, EVERYONE)], listed(update(22, EVERYONE))])
def test_a_modified_rule_is_read_alone_and_in_a_list(rules: object) -> None:
    change = changed(record(MODIFY, updates(rules), {"ModifySecurityGroupRulesResponse": {"return": True}}))
    assert (change.kind, change.groups, change.complete) == (ChangeKind.RULES_MODIFIED, (GROUP,), True)
    assert written(change.expected_rules({RULE: Direction.INGRESS})) == [f"ingress 6 22-22 0.0.0.0/0 {RULE}"]


def test_the_direction_of_a_modified_rule_is_the_groups_to_tell() -> None:
    change = changed(record(MODIFY, updates([update(22, EVERYONE), update(23, EVERYONE, OTHER_RULE)])))
    assert written(change.expected_rules({OTHER_RULE: Direction.EGRESS})) == [f"egress 6 23-23 0.0.0.0/0 {OTHER_RULE}"]
    assert change.rules_added == ()


def test_a_modified_rule_that_means_no_traffic_is_malformed_and_known_by_id() -> None:
    change = changed(record(MODIFY, updates([update(70000, EVERYONE), update(22, EVERYONE, OTHER_RULE)])))
    assert (len(change.malformed), change.rule_ids) == (1, (RULE,))
    assert [each.rule_id for each in change.rules_modified] == [OTHER_RULE]


def test_a_modification_that_tells_no_rule_is_incomplete() -> None:
    assert not changed(record(MODIFY, updates({"SecurityGroupRuleId": RULE}))).complete
    assert not changed(record(MODIFY, updates(None))).complete


def test_a_modification_without_the_id_of_its_rule_is_rejected() -> None:
    with pytest.raises(RejectedEventError, match="securityGroupRuleId"):
        parse(record(MODIFY, updates({"SecurityGroupRule": {"IpProtocol": "-1", "CidrIpv4": EVERYONE}})), OURS)


# Groups


def test_the_id_of_a_new_group_is_in_the_response() -> None:
    request = {"groupName": "web", "groupDescription": "x", "vpcId": VPC}
    change = changed(record(CREATE, request, {"_return": True, "groupId": GROUP}))
    assert (change.kind, change.groups, change.vpc_ids) == (ChangeKind.CREATED, (GROUP,), (VPC,))
    with pytest.raises(RejectedEventError, match=r"responseElements\.groupId"):
        parse(record(CREATE, request, {"_return": True}), OURS)


def test_a_deleted_group_is_known_by_id_or_name() -> None:
    assert changed(record(DELETE, {"groupId": GROUP}, {"_return": True})).groups == (GROUP,)
    change = changed(record(DELETE, {"groupName": "web"}, {"_return": True}))
    assert (change.kind, change.group_names) == (ChangeKind.DELETED, ("web",))


@pytest.mark.parametrize("way", ["Ingress", "Egress"])
def test_descriptions_change_no_rule(way: str) -> None:
    name = f"UpdateSecurityGroupRuleDescriptions{way}"
    change = changed(record(name, asked(tcp(22, EVERYONE, description="new"))))
    assert (change.kind, change.groups, change.rules_added) == (ChangeKind.DESCRIBED, (GROUP,), ())


def test_descriptions_by_id_name_their_rules() -> None:
    request = {"GroupId": GROUP, "SecurityGroupRuleDescription": {"SecurityGroupRuleId": RULE, "Description": "x"}}
    assert changed(record(DESCRIBE, {f"{DESCRIBE}Request": request})).rule_ids == (RULE,)


@pytest.mark.parametrize("name", ["AssociateSecurityGroupVpc", "DisassociateSecurityGroupVpc"])
def test_an_association_names_the_group_and_the_vpc(name: str) -> None:
    change = changed(record(name, {f"{name}Request": {"GroupId": GROUP, "VpcId": VPC}}))
    assert (change.kind, change.groups, change.vpc_ids) == (ChangeKind.ASSOCIATION, (GROUP,), (VPC,))


# Prefix lists and interfaces


def test_a_modified_prefix_list_says_what_came_and_went() -> None:
    request = {
        "PrefixListId": LIST,
        "AddEntry": {"Cidr": EVERYONE, "Description": "x", "tag": "1"},
        "RemoveEntry": [{"Cidr": "10.0.0.0/8", "tag": 1}, {"Cidr": "192.0.2.1/24", "tag": 2}],
    }
    change = changed(record(MODIFY_LIST, {f"{MODIFY_LIST}Request": request}))
    assert (change.kind, change.prefix_lists, change.groups) == (ChangeKind.PREFIX_LIST, (LIST,), ())
    assert change.entries_added == (parse_cidr(EVERYONE),)
    assert change.entries_removed == (parse_cidr("10.0.0.0/8"), parse_cidr("192.0.2.0/24"))


def test_entries_of_a_prefix_list_in_camel_case_are_the_same() -> None:
    request = {"prefixListId": LIST, "addEntries": listed({"cidr": EVERYONE}), "removeEntries": {}}
    assert changed(record(MODIFY_LIST, request)).entries_added == (parse_cidr(EVERYONE),)


def test_an_entry_that_is_no_cidr_is_malformed_and_kept() -> None:
    change = changed(record(MODIFY_LIST, {"prefixListId": LIST, "addEntries": listed({"cidr": "everyone"})}))
    assert (change.entries_added, change.malformed[0].peer) == ((), "everyone")


def test_the_id_of_a_new_prefix_list_is_in_the_response() -> None:
    request = {f"{CREATE_LIST}Request": {"PrefixListName": "office", "Entry": [{"Cidr": "192.0.2.0/24", "tag": 1}]}}
    change = changed(record(CREATE_LIST, request, {f"{CREATE_LIST}Response": {"prefixList": {"prefixListId": LIST}}}))
    assert (change.prefix_lists, change.entries_added) == ((LIST,), (parse_cidr("192.0.2.0/24"),))
    with pytest.raises(RejectedEventError, match="0 prefix lists"):
        parse(record(CREATE_LIST, request), OURS)


def test_a_restored_prefix_list_is_known_by_id_alone() -> None:
    request = {f"{RESTORE_LIST}Request": {"PrefixListId": LIST, "PreviousVersion": 1, "CurrentVersion": 2}}
    assert changed(record(RESTORE_LIST, request, {"prefixList": {"prefixListId": LIST}})).prefix_lists == (LIST,)


def test_groups_given_to_an_interface_are_an_attachment() -> None:
    change = changed(record(MODIFY_INTERFACE, grouped(GROUP, OTHER_GROUP, networkInterfaceId=INTERFACE)))
    assert (change.kind, change.groups) == (ChangeKind.ATTACHMENT, (GROUP, OTHER_GROUP))
    assert change.interfaces == (INTERFACE,)


def test_another_attribute_of_an_interface_is_not_about_groups() -> None:
    request = {"networkInterfaceId": INTERFACE, "description": {"value": "x"}, "groupSet": {}}
    assert skipped(record(MODIFY_INTERFACE, request)).reason is SkipReason.NOT_ABOUT_GROUPS


def test_groups_given_to_no_interface_are_rejected() -> None:
    with pytest.raises(RejectedEventError, match="networkInterfaceId"):
        parse(record(MODIFY_INTERFACE, grouped(GROUP)), OURS)


def test_groups_given_to_an_instance_are_an_attachment() -> None:
    change = changed(record(MODIFY_INSTANCE, grouped(GROUP, OTHER_GROUP, instanceId=INSTANCE), {"_return": True}))
    assert (change.kind, change.groups, change.complete) == (ChangeKind.ATTACHMENT, (GROUP, OTHER_GROUP), True)
    assert change.interfaces == ()


@pytest.mark.parametrize("attribute", [{"instanceType": {"value": "t3.nano"}}, {"groupSet": {}}, {"attribute": "x"}])
def test_another_attribute_of_an_instance_is_not_about_groups(attribute: Json) -> None:
    request = {"instanceId": INSTANCE, **attribute}
    assert skipped(record(MODIFY_INSTANCE, request)).reason is SkipReason.NOT_ABOUT_GROUPS


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "2012-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_a_time_that_is_none_of_cloudtrail_s_is_rejected(time: str) -> None:
    with pytest.raises(RejectedEventError, match="no time of CloudTrail"):
        parse({**OPEN_SSH, "eventTime": time}, OURS)


def test_a_new_interface_has_the_groups_of_request_and_response() -> None:
    made = grouped(GROUP, networkInterfaceId=INTERFACE, vpcId=VPC)
    change = changed(record(CREATE_INTERFACE, {"groupSet": {}}, {"networkInterface": made}))
    assert (change.groups, change.interfaces, change.vpc_ids) == ((GROUP,), (INTERFACE,), (VPC,))


def test_instances_have_groups_on_each_of_their_interfaces() -> None:
    request = {"groupSet": {}, "networkInterfaceSet": listed(grouped(GROUP, deviceIndex=0))}
    instance = {
        **grouped(),
        "vpcId": VPC,
        "networkInterfaceSet": listed(grouped(OTHER_GROUP, networkInterfaceId=INTERFACE)),
    }
    change = changed(record(RUN, request, {"instancesSet": listed(instance, instance)}))
    assert (change.groups, change.interfaces, change.vpc_ids) == ((GROUP, OTHER_GROUP), (INTERFACE,), (VPC,))


def test_instances_with_groups_by_name_alone_are_known_by_name() -> None:
    change = changed(record(RUN, {"groupSet": listed({"groupName": "web"})}, None))
    assert (change.groups, change.group_names) == ((), ("web",))


def test_a_name_beside_an_id_is_passed_over() -> None:
    both = {"groupId": GROUP, "groupName": "bell\x07"}
    change = changed(record(RUN, None, {"instancesSet": listed({"groupSet": listed(both)})}))
    assert (change.groups, change.group_names) == ((GROUP,), ())


def test_instances_whose_groups_cloudtrail_left_out_are_incomplete() -> None:
    assert not changed(record(RUN, {"instanceType": "t3.nano"}, {"omitted": "true"})).complete


# What is no change


def test_a_failed_call_is_skipped_with_its_error_and_its_caller() -> None:
    event = {**OPEN_SSH, "errorCode": "Client.DryRunOperation", "requestParameters": None, "responseElements": None}
    assert (skipped(event).reason, skipped(event).note) == (SkipReason.FAILED_CALL, "Client.DryRunOperation")
    assert (skipped(event).principal.name, skipped(event).event_name) == ("alice", AUTHORIZE)


@pytest.mark.parametrize("read_only", [True, "true"])
def test_a_call_that_only_reads_is_skipped(read_only: object) -> None:
    assert skipped(record("DescribeSecurityGroups", {}, readOnly=read_only)).reason is SkipReason.READ_ONLY


def test_a_call_that_is_not_watched_is_skipped_with_its_name() -> None:
    read = skipped(record("DeleteVpc", {"vpcId": VPC}))
    assert (read.reason, read.note) == (SkipReason.UNSUPPORTED, "DeleteVpc")


@pytest.mark.parametrize("others", [{"eventSource": "rds.amazonaws.com"}, {"eventType": "AwsCloudTrailInsight"}])
def test_a_watched_name_from_elsewhere_is_skipped(others: Json) -> None:
    assert skipped({**OPEN_SSH, **others}).reason is SkipReason.UNSUPPORTED


def test_every_watched_call_has_a_reader() -> None:
    assert len(READERS) == 18


# Our own changes


def by(identity: Json) -> Json:
    return {**OPEN_SSH, "userIdentity": identity}


def test_our_own_change_is_skipped_and_kept_for_the_journal() -> None:
    read = skipped(by(session(OUR_ROLE, OUR_SESSION)))
    assert (read.reason, read.own, read.impostor) == (SkipReason.OWN_CHANGE, True, False)
    assert read.change is not None
    assert read.change.groups == (GROUP,)


@pytest.mark.parametrize("name", ["thief", OUR_SESSION.upper(), f"{OUR_SESSION} ", f"{OUR_SESSION}/x"])
def test_another_session_of_our_role_is_an_impostor(name: str) -> None:
    change = changed(by(session(OUR_ROLE, name)))
    assert (change.impostor, change.own) == (True, False)


def test_our_session_name_on_another_role_is_a_stranger() -> None:
    change = changed(by(session("deploy", OUR_SESSION)))
    assert (change.impostor, change.own) == (False, False)


def test_a_user_called_like_our_role_is_a_stranger() -> None:
    user = {**USER, "userName": OUR_ROLE, "arn": f"arn:aws:iam::{ACCOUNT}:user/{OUR_ROLE}"}
    assert not changed(by(user)).impostor


@pytest.mark.parametrize(
    "identity",
    [
        session(OUR_ROLE, OUR_SESSION, account=OTHER_ACCOUNT),
        session(OUR_ROLE, OUR_SESSION, type="WebIdentityUser"),
        session(OUR_ROLE, OUR_SESSION, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{OUR_ROLE}"),
        session(OUR_ROLE, OUR_SESSION, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/{OUR_SESSION}"),
        session("deploy", OUR_SESSION, arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{OUR_ROLE}/{OUR_SESSION}"),
        session(OUR_ROLE, OUR_SESSION, arn=None),
        session(OUR_ROLE, OUR_SESSION, sessionContext={"sessionIssuer": {"arn": "somebody"}}),
    ],
)
def test_an_identity_that_is_not_ours_in_every_part_is_an_impostor(identity: Json) -> None:
    assert changed(by(identity)).impostor


def test_a_session_of_one_of_our_roles_that_another_of_them_issued_is_an_impostor() -> None:
    ours = Ours(role_names=frozenset({OUR_ROLE, "sg-compliance-scan"}), session_names=frozenset({OUR_SESSION}))
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/sg-compliance-scan/{OUR_SESSION}"
    assert changed(by(session(OUR_ROLE, OUR_SESSION, arn=arn)), ours).impostor


def test_a_session_whose_issuer_is_not_told_is_ours_by_its_arn() -> None:
    assert skipped(by(session(OUR_ROLE, OUR_SESSION, sessionContext=None))).own


def test_our_role_by_arn_is_ours_in_its_account_alone() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/security/{OUR_ROLE}"
    ours = Ours(role_arns=frozenset({arn}), session_names=frozenset({OUR_SESSION}))
    assert skipped(by(session(OUR_ROLE, OUR_SESSION)), ours).own
    elsewhere = {**by(session(OUR_ROLE, OUR_SESSION, account=OTHER_ACCOUNT)), "recipientAccountId": OTHER_ACCOUNT}
    assert not changed(elsewhere, ours).impostor


def test_a_failed_call_of_an_impostor_is_known_as_such() -> None:
    assert skipped({**by(session(OUR_ROLE, "thief")), "errorCode": "Client.UnauthorizedOperation"}).impostor


def test_a_malformed_change_of_our_own_is_rejected_too() -> None:
    with pytest.raises(RejectedEventError):
        parse({**by(session(OUR_ROLE, OUR_SESSION)), "requestParameters": None, "responseElements": None}, OURS)


def test_what_is_no_arn_of_a_role_cannot_be_ours() -> None:
    with pytest.raises(InputError, match="no ARN of a role"):
        Ours(role_arns=frozenset({"sg-compliance"}))


# What AWS would not write


@pytest.mark.parametrize(
    "others",
    [
        {"recipientAccountId": None},
        {"recipientAccountId": "1111222233334"},
        {"recipientAccountId": int(ACCOUNT)},
        {"recipientAccountId": f"{ACCOUNT}\n"},
        {"recipientAccountId": "\u0661" * 12},
        {"awsRegion": "eu-west-1/../x"},
        {"awsRegion": "EU-WEST-1"},
        {"eventID": "1"},
        {"eventTime": "yesterday"},
        {"eventTime": "2026-02-30T12:00:00Z"},
        {"eventTime": "2026-01-15"},
        {"eventTime": 1768478400},
        {"eventName": "Authorize Security"},
        {"userIdentity": None},
        {"userIdentity": {}},
        {"userIdentity": {"type": 7}},
        {"userIdentity": {**USER, "accountId": "me"}},
        {"userIdentity": {**USER, "sessionContext": []}},
        {"sourceIPAddress": ["198.51.100.7"]},
        {"errorCode": 403},
        {"requestParameters": []},
        {"requestParameters": "groupId"},
        {"requestParameters": {"groupId": "sg-1; rm -rf"}},
        {"requestParameters": {"groupId": f"{GROUP}\n"}},
        {"requestParameters": {"groupId": [GROUP]}},
        {"requestParameters": {"groupId": GROUP, "GroupId": OTHER_GROUP}},
        {"requestParameters": {"groupId": GROUP, "vpcId": "vpc-x"}},
        {"requestParameters": {"groupId": GROUP, "ipPermissions": [7]}},
        {"requestParameters": {"groupId": GROUP, "ipPermissions": "all"}},
        {"requestParameters": {"groupId": GROUP, "ipPermissions": listed({"ipRanges": [EVERYONE]})}},
        {"responseElements": [GROUP]},
        {"responseElements": answered(rule(22, EVERYONE, "sgr-1"))},
    ],
)
def test_a_record_that_aws_would_not_write_is_rejected(others: Json) -> None:
    with pytest.raises(RejectedEventError) as caught:
        parse({**OPEN_SSH, **others}, OURS)
    assert isinstance(caught.value, EventError)
    assert caught.value.hint


@pytest.mark.parametrize("event", [None, [], "event", 7, {}, [OPEN_SSH]])
def test_what_is_no_event_is_rejected(event: object) -> None:
    with pytest.raises(RejectedEventError):
        parse(event, OURS)


@pytest.mark.parametrize(
    ("name", "request_", "response"),
    [
        (MODIFY_LIST, {"prefixListId": "pl-x"}, None),
        (MODIFY_INTERFACE, grouped(GROUP, networkInterfaceId="eni-x"), None),
        (RUN, grouped("sg-x"), None),
        (RUN, {"groupSet": listed({"groupName": "\u202eweb"})}, None),
        (CREATE_INTERFACE, {}, {"networkInterface": "eni"}),
        (REVOKE, {"groupId": GROUP, "securityGroupRuleIds": listed("sgr-x")}, None),
        (CREATE, {"vpcId": "vpc-x"}, {"groupId": GROUP}),
    ],
)
def test_an_id_that_aws_would_not_give_is_rejected_everywhere(name: str, request_: Json, response: object) -> None:
    with pytest.raises(RejectedEventError):
        parse(record(name, request_, response), OURS)


def test_more_groups_than_an_event_can_name_are_rejected() -> None:
    half = [f"sg-{number:08x}" for number in range(MOST // 2 + 1)]
    rest = [f"sg-1{number:08x}" for number in range(MOST // 2 + 1)]
    with pytest.raises(RejectedEventError, match="more than"):
        parse(record(RUN, grouped(*half), {"instancesSet": listed(grouped(*rest))}), OURS)
    with pytest.raises(RejectedEventError, match="items"):
        parse(record(RUN, grouped(*half, *rest)), OURS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "it ends too early, at column 1"),
        ("{", "it ends too early, at column 2"),
        ('{"a": 1,\n"b" 2}', "what stands there is wrong, at its line 2, column 5"),
        ("[" * 100_000, "it is nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "a number in it is too long"),
        ('{"a": NaN}', "NaN"),
        ('{"groupId": 1, "groupId": 2}', "one key twice"),
        (json.dumps({"a": "x" * LONGEST_EVENT}), "more than"),
        ("[]", "no object"),
    ],
)
def test_a_message_that_is_no_event_is_rejected(body: str, reason: str) -> None:
    with pytest.raises(RejectedEventError, match=reason):
        parse(read_json(body), OURS)


def test_a_text_of_an_attacker_is_cut_and_can_be_written_down() -> None:
    change = changed({**OPEN_SSH, "userAgent": "\ud800" + "x" * 9999, "sourceIPAddress": None})
    assert len(change.user_agent) <= 1025
    assert change.user_agent.encode().startswith(b"?x")
    assert change.source_ip == ""


def test_a_message_of_a_rejection_quotes_little() -> None:
    with pytest.raises(RejectedEventError) as caught:
        parse({**OPEN_SSH, "awsRegion": "x" * 9999}, OURS)
    assert len(str(caught.value)) < 200
