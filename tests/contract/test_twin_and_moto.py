"""AWS's rules for security groups, asked of the twin behind a client, of the twin over HTTP, and of plain moto.

The twin keeps all of them. Where moto does not, `MOTO_DIFFERS` says what it does instead, and the check has to fail:
a release of moto that mends one is noticed.
"""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.testing.twin import Twin, attach
from tests.contract.twin_faces import (
    ACCOUNT,
    NO_RULE,
    NOBODY,
    PARTNER,
    REGION,
    Aws,
    attached_client,
    in_moto,
    in_twin,
    over_http,
    plain_moto,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.moto_twin import TwinResponses

pytestmark = pytest.mark.e2e

MOTO_DIFFERS: Final = {
    "test_a_group_without_tags_shows_no_tags": "shows an empty list",
    "test_tags_of_a_rule_cannot_be_given_with_a_group": "makes the group and drops the tags",
    "test_a_name_cannot_look_like_an_id": "takes the name",
    "test_the_name_default_is_reserved": "says that the name is taken",
    "test_spaces_at_the_end_of_a_name_are_cut": "keeps the spaces",
    "test_a_name_outside_the_alphabet_is_refused": "takes any name",
    "test_a_description_of_a_group_outside_the_alphabet_is_refused": "takes any description",
    "test_a_vpc_that_does_not_exist_is_refused": "makes a group in a VPC that there is not",
    "test_the_default_group_lets_its_own_members_in_and_everything_out": "lets nothing in",
    "test_the_default_group_cannot_be_deleted": "deletes it",
    "test_deleting_gives_the_id_of_what_is_gone": "gives nothing",
    "test_a_group_that_another_refers_to_cannot_be_deleted": "deletes it",
    "test_a_group_that_an_interface_has_cannot_be_deleted": "deletes it",
    "test_a_prefix_list_is_shown_with_its_description": "loses the description",
    "test_groups_come_in_pages": "gives all groups at once",
    "test_a_page_has_at_most_1000_groups": "takes any number",
    "test_pages_do_not_go_together_with_group_ids": "takes both",
    "test_a_token_that_was_never_given_is_refused": "takes any token",
    "test_what_is_no_id_is_malformed": "says that there is no such group",
    "test_a_filter_that_there_is_not_is_refused": "fails with a server error",
    "test_a_filter_finds_groups_by_their_prefix_lists": "fails with a server error",
    "test_the_owner_of_a_prefix_list_sees_what_refers_to_it": "fails with a server error",
    "test_a_rule_shows_all_that_it_is": "shows no ARN",
    "test_a_rule_shows_the_group_it_refers_to": "loses the description",
    "test_a_rule_shows_the_prefix_list_it_refers_to": "loses the description",
    "test_rules_come_in_pages": "gives all rules at once",
    "test_cidrs_are_stored_in_canonical_form": "stores what is written",
    "test_protocols_are_stored_by_name[58-icmpv6]": "stores the number",
    "test_what_is_no_protocol_is_refused": "takes any protocol",
    "test_protocols_without_ports_lose_the_ports_that_are_given": "keeps the ports",
    "test_ports_that_are_none_are_refused": "takes any ports, and fails with a server error where there are none",
    "test_icmp_types_and_codes_that_there_are_not_are_refused": "takes any type and code",
    "test_icmpv6_needs_no_type": "fails with a server error",
    "test_a_permission_without_peers_is_refused": "adds a rule that has no peer",
    "test_an_egress_rule_cannot_be_written_flat": "adds it",
    "test_a_description_outside_the_alphabet_is_refused": "takes any description",
    "test_a_rule_cannot_be_twice_in_one_request": "adds it once, then refuses",
    "test_another_way_to_write_it_makes_no_other_rule": "adds it again",
    "test_a_request_with_one_duplicate_adds_nothing": "adds the others",
    "test_a_request_with_one_invalid_rule_adds_nothing": "adds the others",
    "test_the_id_of_the_group_must_be_one": "takes the id for a name",
    "test_a_group_of_another_account_can_be_referred_to": "says that there is no such group",
    "test_a_prefix_list_must_exist": "adds the rule",
    "test_ipv4_and_ipv6_are_counted_apart": "counts them together",
    "test_a_referenced_group_counts_for_ipv4_and_for_ipv6": "counts both versions together",
    "test_a_prefix_list_counts_its_most_entries": "counts it as one rule",
    "test_revoking_says_what_was_revoked": "does not say",
    "test_an_unknown_id_is_not_found_and_nothing_is_revoked": "gives another error code",
    "test_an_id_of_the_other_direction_is_not_found": "gives another error code",
    "test_an_id_of_another_group_is_not_found": "gives another error code",
    "test_one_mismatch_is_not_found_and_nothing_is_revoked": "revokes the others",
    "test_in_a_default_vpc_a_mismatch_is_no_error_and_comes_back": "refuses, in a default VPC too",
    "test_revoking_by_properties_says_what_was_revoked": "does not say",
    "test_a_description_is_changed_by_id_and_the_rule_stays": "changes nothing, and says nothing",
    "test_a_description_is_removed_by_leaving_it_out": "keeps the description",
    "test_a_description_of_an_egress_rule_is_changed": "changes nothing, and says nothing",
    "test_a_description_of_a_rule_that_does_not_exist_cannot_be_changed": "says nothing",
    "test_a_changed_description_must_be_of_the_alphabet": "takes any description",
    "test_a_modified_rule_keeps_its_id_and_tags": "stores what is written",
    "test_a_rule_cannot_be_modified_into_another": "makes two rules that are the same",
    "test_a_modified_rule_is_checked_like_a_new_one": "takes any ports and blocks",
    "test_deleting_without_naming_tags_deletes_all": "deletes none",
    "test_a_tag_that_aws_does_not_take_is_refused": "takes any tag",
    "test_a_rule_that_does_not_exist_cannot_be_tagged": "says nothing",
}
"""Check, or one case of it → what moto 5.2 does instead."""

RULE_ID = re.compile(r"sgr-[0-9a-f]{17}").fullmatch
TEAM = [{"Key": "team", "Value": "shop"}]


@pytest.fixture(scope="module")
def http() -> Iterator[tuple[Any, type[TwinResponses]]]:
    with over_http() as served:
        yield served


@pytest.fixture(scope="module")
def moto() -> Iterator[Aws]:
    with plain_moto() as shared:
        yield shared


@pytest.fixture(scope="module")
def attachable() -> Any:  # noqa: ANN401
    """A client that answers from the twin that is the newest."""
    client, twins = attached_client(), [Twin()]

    class Newest:
        def call(self, *asked: Any) -> Any:  # noqa: ANN401
            return twins[-1].call(*asked)

    attach(client, Newest(), ACCOUNT)  # type: ignore[arg-type]
    return client, twins


@pytest.fixture(params=["twin", "http", "moto"])
def aws(request: pytest.FixtureRequest) -> Aws:
    if request.param == "moto":
        names = (request.function.__name__, request.node.name.replace("moto-", "", 1))
        instead = next((MOTO_DIFFERS[name] for name in names if name in MOTO_DIFFERS), None)
        if instead:
            request.applymarker(pytest.mark.xfail(reason=f"moto {instead}", strict=True))
        return in_moto(request.getfixturevalue("moto"))
    twin = Twin()
    if request.param == "http":
        client, responses = request.getfixturevalue("http")
        responses.twin = twin
        return in_twin(client, twin)
    client, twins = request.getfixturevalue("attachable")
    twins.append(twin)
    return in_twin(client, twin)


def tcp(port: int, *peers: str, description: str | None = None) -> dict[str, Any]:
    return permission("tcp", port, port, *peers, description=description)


def permission(
    protocol: str, first: int | None, last: int | None, *peers: str, description: str | None = None
) -> dict[str, Any]:
    said = {} if description is None else {"Description": description}
    made: dict[str, Any] = {"IpProtocol": protocol}
    if first is not None:
        made["FromPort"] = first
    if last is not None:
        made["ToPort"] = last
    kinds = {"sg-": ("UserIdGroupPairs", "GroupId"), "pl-": ("PrefixListIds", "PrefixListId")}
    for peer in peers:
        by_text = ("Ipv6Ranges", "CidrIpv6") if ":" in peer else ("IpRanges", "CidrIp")
        kind, key = kinds.get(peer[:3], by_text)
        made.setdefault(kind, []).append({key: peer, **said})
    return made


def many(count: int, version: int = 4) -> dict[str, Any]:
    peers = [f"10.0.{n}.0/24" if version == 4 else f"2001:db8:{n:x}::/48" for n in range(count)]
    return tcp(443, *peers)


def tagged(*, resource: str = "security-group-rule") -> list[dict[str, Any]]:
    return [{"ResourceType": resource, "Tags": TEAM}]


# --- Groups are made


def test_a_new_group_lets_everything_out_and_nothing_in(aws: Aws) -> None:
    shown = aws.shown(aws.group())
    assert shown["IpPermissions"] == []
    (out,) = shown["IpPermissionsEgress"]
    assert (out["IpProtocol"], out["IpRanges"]) == ("-1", [{"CidrIp": "0.0.0.0/0"}])


def test_a_new_group_in_a_vpc_with_ipv6_lets_ipv6_out_too(aws: Aws) -> None:
    (out,) = aws.shown(aws.group(vpc=aws.ipv6_vpc))["IpPermissionsEgress"]
    assert out["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}]


def test_a_new_group_has_an_arn_an_owner_and_a_vpc(aws: Aws) -> None:
    made = aws.client.create_security_group(GroupName="arn", Description="d", VpcId=aws.vpc)
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{made['GroupId']}"
    shown = aws.shown(made["GroupId"])
    assert (made["SecurityGroupArn"], shown["SecurityGroupArn"], shown["OwnerId"]) == (arn, arn, ACCOUNT)
    assert (shown["VpcId"], shown["GroupName"], shown["Description"]) == (aws.vpc, "arn", "d")


def test_a_group_that_names_no_vpc_stands_in_the_default_vpc(aws: Aws) -> None:
    name = f"homeless {aws.vpc}"
    made = aws.client.create_security_group(GroupName=name, Description="d")
    assert aws.shown(made["GroupId"])["VpcId"] == aws.default_vpc


def test_a_group_without_tags_shows_no_tags(aws: Aws) -> None:
    assert "Tags" not in aws.shown(aws.group())


def test_tags_given_with_a_group_are_there_from_the_start(aws: Aws) -> None:
    group_id = aws.group(TagSpecifications=tagged(resource="security-group"))
    assert aws.shown(group_id)["Tags"] == TEAM


def test_tags_of_a_rule_cannot_be_given_with_a_group(aws: Aws) -> None:
    with refused("InvalidParameterValue"):
        aws.group(TagSpecifications=tagged())


def test_a_name_is_taken_once_in_a_vpc(aws: Aws) -> None:
    aws.group("web")
    with refused("InvalidGroup.Duplicate"):
        aws.group("web")


def test_the_same_name_can_stand_in_two_vpcs(aws: Aws) -> None:
    assert aws.group("web") != aws.group("web", vpc=aws.ipv6_vpc)


def test_a_name_cannot_look_like_an_id(aws: Aws) -> None:
    with refused("InvalidParameterValue"):
        aws.group("sg-web")


def test_the_name_default_is_reserved(aws: Aws) -> None:
    with refused("InvalidParameterValue"):
        aws.group("default")


def test_spaces_at_the_end_of_a_name_are_cut(aws: Aws) -> None:
    assert aws.shown(aws.group("web  "))["GroupName"] == "web"


@pytest.mark.parametrize("name", ["wéb", "a" * 256, "web|db"], ids=["accent", "long", "bar"])
def test_a_name_outside_the_alphabet_is_refused(aws: Aws, name: str) -> None:
    with refused("InvalidParameterValue"):
        aws.group(name)


@pytest.mark.parametrize("text", ["for <b>", "a" * 256], ids=["markup", "long"])
def test_a_description_of_a_group_outside_the_alphabet_is_refused(aws: Aws, text: str) -> None:
    with refused("InvalidParameterValue"):
        aws.client.create_security_group(GroupName="web", Description=text, VpcId=aws.vpc)


def test_a_vpc_that_does_not_exist_is_refused(aws: Aws) -> None:
    with refused("InvalidVpcID.NotFound"):
        aws.group(vpc="vpc-0123456789abcdef0")


def test_a_dry_run_makes_no_group(aws: Aws) -> None:
    with refused("DryRunOperation"):
        aws.group("dry", DryRun=True)
    wanted = [{"Name": "group-name", "Values": ["dry"]}, {"Name": "vpc-id", "Values": [aws.vpc]}]
    assert aws.client.describe_security_groups(Filters=wanted)["SecurityGroups"] == []


# --- The default group


def default_group(aws: Aws) -> dict[str, Any]:
    wanted = [{"Name": "vpc-id", "Values": [aws.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (found,) = aws.client.describe_security_groups(Filters=wanted)["SecurityGroups"]
    return dict(found)


def test_the_default_group_lets_its_own_members_in_and_everything_out(aws: Aws) -> None:
    group = default_group(aws)
    (own,) = group["IpPermissions"]
    assert own["IpProtocol"] == "-1"
    assert [(each["GroupId"], each["UserId"]) for each in own["UserIdGroupPairs"]] == [(group["GroupId"], ACCOUNT)]
    assert [each["IpRanges"] for each in group["IpPermissionsEgress"]] == [[{"CidrIp": "0.0.0.0/0"}]]


def test_the_default_group_cannot_be_deleted(aws: Aws) -> None:
    with refused("CannotDelete"):
        aws.client.delete_security_group(GroupId=default_group(aws)["GroupId"])


# --- Groups are deleted


def test_a_deleted_group_is_gone(aws: Aws) -> None:
    group_id = aws.group()
    aws.client.delete_security_group(GroupId=group_id)
    with refused("InvalidGroup.NotFound"):
        aws.shown(group_id)


def test_deleting_gives_the_id_of_what_is_gone(aws: Aws) -> None:
    group_id = aws.group()
    assert aws.client.delete_security_group(GroupId=group_id)["GroupId"] == group_id


def test_a_group_that_does_not_exist_cannot_be_deleted(aws: Aws) -> None:
    with refused("InvalidGroup.NotFound"):
        aws.client.delete_security_group(GroupId=NOBODY)


def test_a_group_that_another_refers_to_cannot_be_deleted(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    aws.allow(other, tcp(22, group_id))
    with refused("DependencyViolation"):
        aws.client.delete_security_group(GroupId=group_id)


def test_a_group_that_refers_to_itself_only_can_be_deleted(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, group_id))
    aws.client.delete_security_group(GroupId=group_id)


def test_a_group_that_an_interface_has_cannot_be_deleted(aws: Aws) -> None:
    group_id = aws.group()
    aws.attached(group_id)
    with refused("DependencyViolation"):
        aws.client.delete_security_group(GroupId=group_id)


# --- Groups are described


def test_peers_of_the_same_ports_stand_in_one_permission(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    aws.allow(group_id, tcp(22, "2001:db8::/32"), tcp(22, "192.0.2.0/24", description="office"))
    (found,) = aws.shown(group_id)["IpPermissions"]
    assert (found["IpProtocol"], found["FromPort"], found["ToPort"]) == ("tcp", 22, 22)
    assert found["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}, {"Description": "office", "CidrIp": "192.0.2.0/24"}]
    assert found["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::/32"}]


def test_other_ports_stand_in_another_permission(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"), tcp(23, "10.0.0.0/8"))
    assert [each["FromPort"] for each in aws.shown(group_id)["IpPermissions"]] == [22, 23]


def test_a_permission_for_every_protocol_has_no_ports(aws: Aws) -> None:
    (out,) = aws.shown(aws.group())["IpPermissionsEgress"]
    assert not {"FromPort", "ToPort"} & out.keys()


def test_a_referenced_group_is_shown_with_its_account(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    aws.allow(group_id, tcp(22, other))
    (found,) = aws.shown(group_id)["IpPermissions"]
    assert found["UserIdGroupPairs"] == [{"GroupId": other, "UserId": ACCOUNT}]


def test_a_prefix_list_is_shown_with_its_description(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, aws.ten, description="offices"))
    (found,) = aws.shown(group_id)["IpPermissions"]
    assert found["PrefixListIds"] == [{"PrefixListId": aws.ten, "Description": "offices"}]


def test_groups_come_in_pages(aws: Aws) -> None:
    made = {aws.group() for _ in range(11)} | {default_group(aws)["GroupId"]}
    paginator = aws.client.get_paginator("describe_security_groups")
    pages = list(
        paginator.paginate(Filters=[{"Name": "vpc-id", "Values": [aws.vpc]}], PaginationConfig={"PageSize": 5})
    )
    assert [len(page["SecurityGroups"]) for page in pages] == [5, 5, 2]
    assert {each["GroupId"] for page in pages for each in page["SecurityGroups"]} == made


def test_a_page_has_at_most_1000_groups(aws: Aws) -> None:
    with refused("InvalidParameterValue"):
        aws.client.describe_security_groups(MaxResults=1001)


def test_pages_do_not_go_together_with_group_ids(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidParameterCombination"):
        aws.client.describe_security_groups(GroupIds=[group_id], MaxResults=5)


def test_a_token_that_was_never_given_is_refused(aws: Aws) -> None:
    with refused("InvalidPaginationToken"):
        aws.client.describe_security_groups(MaxResults=5, NextToken="made up")


def test_a_group_that_does_not_exist_is_not_found(aws: Aws) -> None:
    with refused("InvalidGroup.NotFound"):
        aws.shown(NOBODY)


def test_one_unknown_id_among_known_ones_is_not_found(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidGroup.NotFound"):
        aws.client.describe_security_groups(GroupIds=[group_id, NOBODY])


def test_what_is_no_id_is_malformed(aws: Aws) -> None:
    with refused("InvalidGroupId.Malformed"):
        aws.shown("web")


@pytest.mark.parametrize(
    ("name", "value"),
    [("group-name", "web-*"), ("group-name", "web-?"), ("tag:team", "shop"), ("tag-key", "team"), ("tag:team", "s*")],
)
def test_a_filter_finds_groups(aws: Aws, name: str, value: str) -> None:
    wanted = aws.group("web-1", TagSpecifications=tagged(resource="security-group"))
    aws.group("db-1")
    filters = [{"Name": name, "Values": [value]}, {"Name": "vpc-id", "Values": [aws.vpc]}]
    found = aws.client.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert [each["GroupId"] for each in found] == [wanted]


def test_one_value_of_a_filter_is_enough(aws: Aws) -> None:
    ids = {aws.group("web"), aws.group("db")}
    filters = [{"Name": "group-name", "Values": ["web", "db"]}, {"Name": "vpc-id", "Values": [aws.vpc]}]
    assert {each["GroupId"] for each in aws.client.describe_security_groups(Filters=filters)["SecurityGroups"]} == ids


def test_a_filter_finds_groups_by_their_prefix_lists(aws: Aws) -> None:
    inward, outward = aws.group(), aws.group()
    aws.allow(inward, tcp(22, aws.ten))
    aws.allow_out(outward, tcp(22, aws.ten))
    for name, wanted in (("ip-permission.prefix-list-id", inward), ("egress.ip-permission.prefix-list-id", outward)):
        filters = [{"Name": name, "Values": [aws.ten]}, {"Name": "vpc-id", "Values": [aws.vpc]}]
        found = aws.client.describe_security_groups(Filters=filters)["SecurityGroups"]
        assert [each["GroupId"] for each in found] == [wanted]


def test_the_owner_of_a_prefix_list_sees_what_refers_to_it(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, aws.ten))
    found = aws.client.get_managed_prefix_list_associations(PrefixListId=aws.ten)["PrefixListAssociations"]
    assert {"ResourceId": group_id, "ResourceOwner": ACCOUNT} in found


def test_a_backslash_makes_a_wildcard_literal(aws: Aws) -> None:
    wanted, _ = aws.group("web*"), aws.group("web-1")
    filters = [{"Name": "group-name", "Values": [r"web\*"]}, {"Name": "vpc-id", "Values": [aws.vpc]}]
    found = aws.client.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert [each["GroupId"] for each in found] == [wanted]


def test_the_owner_is_a_filter(aws: Aws) -> None:
    filters = [{"Name": "owner-id", "Values": [PARTNER]}]
    assert aws.client.describe_security_groups(Filters=filters)["SecurityGroups"] == []


def test_a_filter_that_there_is_not_is_refused(aws: Aws) -> None:
    with refused("InvalidParameterValue"):
        aws.client.describe_security_groups(Filters=[{"Name": "colour", "Values": ["red"]}])


# --- Rules are described


def test_each_peer_is_a_rule_with_an_id(aws: Aws) -> None:
    group_id = aws.group()
    given = aws.allow(group_id, tcp(22, "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", aws.ten))
    ids = [each["SecurityGroupRuleId"] for each in given]
    assert len(set(ids)) == 4
    assert all(RULE_ID(each) for each in ids)
    assert aws.ids(group_id) == set(ids)


def test_a_rule_shows_all_that_it_is(aws: Aws) -> None:
    group_id = aws.group()
    (given,) = aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"), TagSpecifications=tagged())
    rule_id = given["SecurityGroupRuleId"]
    (found,) = aws.rules(group_id)
    assert found == {
        "SecurityGroupRuleId": rule_id,
        "GroupId": group_id,
        "GroupOwnerId": ACCOUNT,
        "IsEgress": False,
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "CidrIpv4": "10.0.0.0/8",
        "Description": "office",
        "Tags": TEAM,
        "SecurityGroupRuleArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{rule_id}",
    }


def test_the_rule_that_authorize_gives_is_the_rule_that_describe_gives(aws: Aws) -> None:
    group_id = aws.group()
    assert aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office")) == aws.rules(group_id)


def test_a_rule_without_description_has_none(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    assert "Description" not in aws.rules(group_id)[0]


def test_a_rule_for_every_protocol_has_the_ports_minus_one(aws: Aws) -> None:
    (out,) = aws.rules(aws.group(), is_egress=True)
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"], out["CidrIpv4"]) == ("-1", -1, -1, "0.0.0.0/0")


def test_a_rule_shows_the_group_it_refers_to(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    aws.allow(group_id, tcp(22, other, description="friends"))
    (rule,) = aws.rules(group_id)
    assert rule["ReferencedGroupInfo"] == {"GroupId": other, "UserId": ACCOUNT}
    assert rule["Description"] == "friends"


def test_a_rule_shows_the_prefix_list_it_refers_to(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, aws.ten, description="offices"))
    (rule,) = aws.rules(group_id)
    assert (rule["PrefixListId"], rule.get("Description")) == (aws.ten, "offices")


def test_rules_come_in_pages(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(11))
    paginator = aws.client.get_paginator("describe_security_group_rules")
    wanted = [{"Name": "group-id", "Values": [group_id]}]
    pages = list(paginator.paginate(Filters=wanted, PaginationConfig={"PageSize": 5}))
    assert [len(page["SecurityGroupRules"]) for page in pages] == [5, 5, 2]


def test_rules_are_found_by_id(aws: Aws) -> None:
    rules = aws.allow(aws.group(), tcp(22, "10.0.0.0/8", "192.0.2.0/24"))
    wanted = rules[1]["SecurityGroupRuleId"]
    (found,) = aws.client.describe_security_group_rules(SecurityGroupRuleIds=[wanted])["SecurityGroupRules"]
    assert found["SecurityGroupRuleId"] == wanted


def test_a_rule_id_that_does_not_exist_is_not_found(aws: Aws) -> None:
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        aws.client.describe_security_group_rules(SecurityGroupRuleIds=[NO_RULE])


def test_rules_are_found_by_tag(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    (wanted,) = aws.allow(group_id, tcp(23, "10.0.0.0/8"), TagSpecifications=tagged())
    filters = [{"Name": "tag:team", "Values": ["shop"]}, {"Name": "group-id", "Values": [group_id]}]
    (found,) = aws.client.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert found["SecurityGroupRuleId"] == wanted["SecurityGroupRuleId"]


def test_rules_of_a_malformed_group_id_are_refused(aws: Aws) -> None:
    with refused("InvalidGroupId.Malformed"):
        aws.rules("web")


# --- Rules are added: what AWS makes of them


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1.2.3.4/0", "0.0.0.0/0"),
        ("100.68.0.18/18", "100.68.0.0/18"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001/128", "2001:db8::1/128"),
        ("2001:DB8::1/32", "2001:db8::/32"),
    ],
    ids=["everything", "host-bits", "long", "ipv6-host-bits"],
)
def test_cidrs_are_stored_in_canonical_form(aws: Aws, written: str, stored: str) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, written))
    (rule,) = aws.rules(group_id)
    assert stored in {rule.get("CidrIpv4"), rule.get("CidrIpv6")}


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0", "10.0.0.256/32", "anywhere", "2001:db8::/129"])
def test_what_is_no_cidr_is_refused(aws: Aws, text: str) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, tcp(22, text))


def test_an_ipv4_block_is_no_ipv6_block(aws: Aws) -> None:
    group_id = aws.group()
    wrong = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [{"CidrIpv6": "10.0.0.0/8"}]}
    with refused("InvalidParameterValue"):
        aws.allow(group_id, wrong)


@pytest.mark.parametrize(
    ("written", "stored"), [("6", "tcp"), ("17", "udp"), ("1", "icmp"), ("58", "icmpv6"), ("TCP", "tcp")]
)
def test_protocols_are_stored_by_name(aws: Aws, written: str, stored: str) -> None:
    group_id = aws.group()
    aws.allow(group_id, permission(written, 8, 8, "2001:db8::/32"))
    assert aws.rules(group_id)[0]["IpProtocol"] == stored


@pytest.mark.parametrize("protocol", ["256", "tpc", "-2"])
def test_what_is_no_protocol_is_refused(aws: Aws, protocol: str) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, permission(protocol, 22, 22, "10.0.0.0/8"))


def test_protocols_without_ports_lose_the_ports_that_are_given(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, permission("47", 22, 22, "10.0.0.0/8"))
    (rule,) = aws.rules(group_id)
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("47", -1, -1)


def test_every_protocol_loses_the_ports_that_are_given(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, permission("-1", 22, 22, "10.0.0.0/8"))
    (rule,) = aws.rules(group_id)
    assert (rule["FromPort"], rule["ToPort"]) == (-1, -1)


@pytest.mark.parametrize(("first", "last"), [(None, None), (22, None), (23, 22), (-1, 22), (0, 65536)])
def test_ports_that_are_none_are_refused(aws: Aws, first: int | None, last: int | None) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, permission("tcp", first, last, "10.0.0.0/8"))


def test_icmp_keeps_type_and_code(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, permission("icmp", 3, 4, "10.0.0.0/8"), permission("icmp", 8, -1, "10.0.0.0/8"))
    assert {(each["FromPort"], each["ToPort"]) for each in aws.rules(group_id)} == {(3, 4), (8, -1)}


@pytest.mark.parametrize(("kind", "code"), [(256, 0), (8, 256), (-1, 3)])
def test_icmp_types_and_codes_that_there_are_not_are_refused(aws: Aws, kind: int, code: int) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, permission("icmp", kind, code, "10.0.0.0/8"))


def test_icmpv6_needs_no_type(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, permission("icmpv6", None, None, "::/0"))
    (rule,) = aws.rules(group_id)
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("icmpv6", -1, -1)


def test_a_permission_without_peers_is_refused(aws: Aws) -> None:
    group_id = aws.group()
    with refused("MissingParameter"):
        aws.allow(group_id, permission("tcp", 22, 22))


def test_one_ingress_rule_can_be_written_flat(aws: Aws) -> None:
    group_id = aws.group()
    aws.client.authorize_security_group_ingress(
        GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8"
    )
    assert aws.rules(group_id)[0]["CidrIpv4"] == "10.0.0.0/8"


def test_an_egress_rule_cannot_be_written_flat(aws: Aws) -> None:
    group_id = aws.group()
    with refused("MissingParameter"):
        aws.client.authorize_security_group_egress(
            GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8"
        )


@pytest.mark.parametrize("text", ["a" * 256, "näive", "a|b", "100% <b>"], ids=["long", "accent", "bar", "markup"])
def test_a_description_outside_the_alphabet_is_refused(aws: Aws, text: str) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8", description=text))


def test_a_description_of_255_characters_of_the_whole_alphabet_is_kept(aws: Aws) -> None:
    text = ("azAZ09 ._-:/()#,@[]+=&;{}!$*" * 10)[:255]
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", description=text))
    assert aws.rules(group_id)[0]["Description"] == text


# --- Rules are added: not twice, and all or none


def test_a_rule_is_there_once(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8"))


def test_a_description_makes_no_other_rule(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"))
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8", description="home"))


def test_a_rule_cannot_be_twice_in_one_request(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8"), tcp(22, "10.0.0.0/8", description="again"))
    assert aws.rules(group_id) == []


def test_another_way_to_write_it_makes_no_other_rule(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, permission("6", 22, 22, "10.9.9.9/8"))


def test_a_duplicate_reference_is_seen_with_and_without_the_account(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    aws.allow(group_id, tcp(22, other))
    with_account = {**tcp(22), "UserIdGroupPairs": [{"GroupId": other, "UserId": ACCOUNT}]}
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, with_account)


def test_the_same_rule_can_stand_in_both_directions(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    aws.allow_out(group_id, tcp(22, "10.0.0.0/8"))
    assert len(aws.rules(group_id)) == 1
    assert len(aws.rules(group_id, is_egress=True)) == 2


def test_a_request_with_one_duplicate_adds_nothing(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidPermission.Duplicate"):
        aws.allow(group_id, tcp(23, "10.0.0.0/8"), tcp(22, "10.0.0.0/8"))
    assert len(aws.rules(group_id)) == 1


def test_a_request_with_one_invalid_rule_adds_nothing(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.allow(group_id, tcp(23, "10.0.0.0/8"), tcp(22, "10.0.0.0/33"))
    assert aws.rules(group_id) == []


def test_a_dry_run_adds_nothing(aws: Aws) -> None:
    group_id = aws.group()
    with refused("DryRunOperation"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8"), DryRun=True)
    assert aws.rules(group_id) == []


# --- Rules are added: what they refer to must exist


def test_the_group_must_exist(aws: Aws) -> None:
    with refused("InvalidGroup.NotFound"):
        aws.allow(NOBODY, tcp(22, "10.0.0.0/8"))


def test_the_id_of_the_group_must_be_one(aws: Aws) -> None:
    with refused("InvalidGroupId.Malformed"):
        aws.allow("web", tcp(22, "10.0.0.0/8"))


def test_a_referenced_group_must_exist(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidGroup.NotFound"):
        aws.allow(group_id, tcp(22, NOBODY))


def test_a_group_of_another_account_can_be_referred_to(aws: Aws) -> None:
    group_id = aws.group()
    pair = {"GroupId": aws.partners_group, "UserId": PARTNER}
    aws.allow(group_id, {**tcp(22), "UserIdGroupPairs": [pair]})
    assert aws.rules(group_id)[0]["ReferencedGroupInfo"] == pair


def test_a_group_of_another_account_must_exist_there(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidGroup.NotFound"):
        aws.allow(group_id, {**tcp(22), "UserIdGroupPairs": [{"GroupId": NOBODY, "UserId": PARTNER}]})


def test_a_prefix_list_must_exist(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidPrefixListID.NotFound"):
        aws.allow(group_id, tcp(22, "pl-0123456789abcdef0"))


# --- The quota of 60 rules


def test_sixty_rules_fit_and_one_more_does_not(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(60))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow(group_id, tcp(22, "10.0.0.0/8"))


def test_a_request_over_the_quota_adds_nothing(aws: Aws) -> None:
    group_id = aws.group()
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow(group_id, many(61))
    assert aws.rules(group_id) == []


def test_ipv4_and_ipv6_are_counted_apart(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(60))
    aws.allow(group_id, many(60, version=6))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow(group_id, tcp(22, "2001:db8::/32"))


def test_ingress_and_egress_are_counted_apart(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(60))
    aws.allow_out(group_id, many(59))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow_out(group_id, tcp(22, "10.0.0.0/8"))


def test_a_referenced_group_counts_for_ipv4_and_for_ipv6(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(59), tcp(22, group_id))
    aws.allow(group_id, many(59, version=6))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow(group_id, tcp(22, "2001:db8::/32"))


def test_a_prefix_list_counts_its_most_entries(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, many(51))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        aws.allow(group_id, tcp(22, aws.ten))


def test_a_revoked_rule_makes_room(aws: Aws) -> None:
    group_id = aws.group()
    rules = aws.allow(group_id, many(60))
    aws.revoke_ids(group_id, rules[0]["SecurityGroupRuleId"])
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))


# --- Rules are revoked by id


def test_rules_are_revoked_by_id(aws: Aws) -> None:
    group_id = aws.group()
    first, second, third = aws.allow(group_id, tcp(22, "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24"))
    aws.revoke_ids(group_id, first["SecurityGroupRuleId"], third["SecurityGroupRuleId"])
    assert aws.ids(group_id) == {second["SecurityGroupRuleId"]}


def test_several_egress_rules_are_revoked_by_id(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow_out(group_id, tcp(22, "10.0.0.0/8", "192.0.2.0/24"))
    ids = sorted(aws.ids(group_id, is_egress=True))
    aws.client.revoke_security_group_egress(GroupId=group_id, SecurityGroupRuleIds=ids)
    assert aws.rules(group_id, is_egress=True) == []


def test_revoking_says_what_was_revoked(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    made = aws.allow(group_id, tcp(22, other, description="friends"))
    answer = aws.revoke_ids(group_id, made[0]["SecurityGroupRuleId"])
    assert answer["Return"] is True
    assert answer["RevokedSecurityGroupRules"] == [
        {
            "SecurityGroupRuleId": made[0]["SecurityGroupRuleId"],
            "GroupId": group_id,
            "IsEgress": False,
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "ReferencedGroupId": other,
            "Description": "friends",
        }
    ]


def test_an_unknown_id_is_not_found_and_nothing_is_revoked(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        aws.revoke_ids(group_id, rule["SecurityGroupRuleId"], NO_RULE)
    assert len(aws.rules(group_id)) == 1


def test_an_id_of_the_other_direction_is_not_found(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        aws.revoke_ids(group_id, *aws.ids(group_id, is_egress=True))


def test_an_id_of_another_group_is_not_found(aws: Aws) -> None:
    group_id, other = aws.group(), aws.group()
    (rule,) = aws.allow(other, tcp(22, "10.0.0.0/8"))
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        aws.revoke_ids(group_id, rule["SecurityGroupRuleId"])


def test_a_dry_run_revokes_nothing(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("DryRunOperation"):
        aws.client.revoke_security_group_ingress(
            GroupId=group_id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]], DryRun=True
        )
    assert len(aws.rules(group_id)) == 1


def test_a_rule_that_is_added_again_has_a_new_id_and_no_tags(aws: Aws) -> None:
    group_id = aws.group()
    (before,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"), TagSpecifications=tagged())
    aws.revoke_ids(group_id, before["SecurityGroupRuleId"])
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    (after,) = aws.rules(group_id)
    assert after["SecurityGroupRuleId"] != before["SecurityGroupRuleId"]
    assert after["Tags"] == []


# --- Rules are revoked by what they are


def test_rules_are_revoked_by_properties(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", "192.0.2.0/24"))
    aws.revoke(group_id, tcp(22, "10.0.0.0/8"))
    assert [each["CidrIpv4"] for each in aws.rules(group_id)] == ["192.0.2.0/24"]


def test_the_description_need_not_match(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"))
    aws.revoke(group_id, tcp(22, "10.0.0.0/8", description="home"))
    assert aws.rules(group_id) == []


def test_what_describe_gave_can_be_revoked(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", "2001:db8::/32", aws.ten, group_id, description="all"), many(2))
    aws.revoke(group_id, *aws.shown(group_id)["IpPermissions"])
    assert aws.rules(group_id) == []


def test_one_mismatch_is_not_found_and_nothing_is_revoked(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidPermission.NotFound"):
        aws.revoke(group_id, tcp(22, "10.0.0.0/8"), tcp(23, "10.0.0.0/8"))
    assert len(aws.rules(group_id)) == 1


@pytest.mark.parametrize(
    "other",
    [tcp(23, "10.0.0.0/8"), tcp(22, "10.0.0.0/9"), permission("udp", 22, 22, "10.0.0.0/8")],
    ids=["port", "block", "protocol"],
)
def test_every_property_must_match(aws: Aws, other: dict[str, Any]) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidPermission.NotFound"):
        aws.revoke(group_id, other)


def test_in_a_default_vpc_a_mismatch_is_no_error_and_comes_back(aws: Aws) -> None:
    group_id = aws.group(vpc=aws.default_vpc)
    aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    answer = aws.revoke(group_id, tcp(22, "10.0.0.0/8"), tcp(23, "10.0.0.0/8"))
    assert aws.rules(group_id) == []
    (unknown,) = answer["UnknownIpPermissions"]
    assert (unknown["FromPort"], unknown["IpRanges"]) == (23, [{"CidrIp": "10.0.0.0/8"}])


def test_revoking_by_properties_says_what_was_revoked(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    (revoked,) = aws.revoke(group_id, tcp(22, "10.0.0.0/8"))["RevokedSecurityGroupRules"]
    assert (revoked["SecurityGroupRuleId"], revoked["CidrIpv4"]) == (rule["SecurityGroupRuleId"], "10.0.0.0/8")


# --- Descriptions are changed


def test_a_description_is_changed_by_id_and_the_rule_stays(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"), TagSpecifications=tagged())
    change = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "Description": "home"}]
    aws.client.update_security_group_rule_descriptions_ingress(GroupId=group_id, SecurityGroupRuleDescriptions=change)
    assert aws.rules(group_id) == [{**rule, "Description": "home"}]


def test_a_description_is_changed_by_properties(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"))
    change = [tcp(22, "10.0.0.0/8", description="home")]
    aws.client.update_security_group_rule_descriptions_ingress(GroupId=group_id, IpPermissions=change)
    (after,) = aws.rules(group_id)
    assert (after["Description"], after["SecurityGroupRuleId"]) == ("home", rule["SecurityGroupRuleId"])


def test_a_description_is_removed_by_leaving_it_out(aws: Aws) -> None:
    group_id = aws.group()
    aws.allow(group_id, tcp(22, "10.0.0.0/8", description="office"))
    change = [tcp(22, "10.0.0.0/8")]
    aws.client.update_security_group_rule_descriptions_ingress(GroupId=group_id, IpPermissions=change)
    assert "Description" not in aws.rules(group_id)[0]


def test_a_description_of_an_egress_rule_is_changed(aws: Aws) -> None:
    group_id = aws.group()
    (rule_id,) = aws.ids(group_id, is_egress=True)
    change = [{"SecurityGroupRuleId": rule_id, "Description": "everything out"}]
    aws.client.update_security_group_rule_descriptions_egress(GroupId=group_id, SecurityGroupRuleDescriptions=change)
    assert aws.rules(group_id, is_egress=True)[0]["Description"] == "everything out"


def test_a_description_of_a_rule_that_does_not_exist_cannot_be_changed(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidPermission.NotFound"):
        aws.client.update_security_group_rule_descriptions_ingress(
            GroupId=group_id, IpPermissions=[tcp(22, "10.0.0.0/8", description="home")]
        )


def test_a_changed_description_must_be_of_the_alphabet(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    change = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "Description": "häuslich"}]
    with refused("InvalidParameterValue"):
        aws.client.update_security_group_rule_descriptions_ingress(
            GroupId=group_id, SecurityGroupRuleDescriptions=change
        )


# --- Rules are modified


def modified(aws: Aws, group_id: str, rule_id: str, **wanted: Any) -> None:  # noqa: ANN401
    change = [{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": wanted}]
    aws.client.modify_security_group_rules(GroupId=group_id, SecurityGroupRules=change)


def test_a_modified_rule_keeps_its_id_and_tags(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"), TagSpecifications=tagged())
    modified(
        aws, group_id, rule["SecurityGroupRuleId"], IpProtocol="6", FromPort=80, ToPort=81, CidrIpv4="192.0.2.9/24"
    )
    (after,) = aws.rules(group_id)
    assert after == {**rule, "FromPort": 80, "ToPort": 81, "CidrIpv4": "192.0.2.0/24"}


def test_a_rule_cannot_be_modified_into_another(aws: Aws) -> None:
    group_id = aws.group()
    rule, _ = aws.allow(group_id, tcp(22, "10.0.0.0/8", "192.0.2.0/24"))
    with refused("InvalidPermission.Duplicate"):
        modified(
            aws,
            group_id,
            rule["SecurityGroupRuleId"],
            IpProtocol="tcp",
            FromPort=22,
            ToPort=22,
            CidrIpv4="192.0.2.0/24",
        )


def test_a_modified_rule_is_checked_like_a_new_one(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    with refused("InvalidParameterValue"):
        modified(aws, group_id, rule["SecurityGroupRuleId"], IpProtocol="tcp", FromPort=9, ToPort=8, CidrIpv4="::/0")


def test_a_rule_that_does_not_exist_cannot_be_modified(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        modified(aws, group_id, NO_RULE, IpProtocol="-1", CidrIpv4="10.0.0.0/8")


# --- Tags


def tags_of(aws: Aws, group_id: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in aws.shown(group_id).get("Tags", [])}


def test_groups_and_rules_are_tagged_in_one_call(aws: Aws) -> None:
    group_id = aws.group()
    (rule,) = aws.allow(group_id, tcp(22, "10.0.0.0/8"))
    aws.client.create_tags(Resources=[group_id, rule["SecurityGroupRuleId"]], Tags=TEAM)
    assert aws.shown(group_id)["Tags"] == TEAM
    assert aws.rules(group_id)[0]["Tags"] == TEAM


def test_a_tag_is_set_anew(aws: Aws) -> None:
    group_id = aws.group(TagSpecifications=tagged(resource="security-group"))
    aws.client.create_tags(Resources=[group_id], Tags=[{"Key": "team", "Value": "bank"}])
    assert tags_of(aws, group_id) == {"team": "bank"}


def test_a_tag_is_deleted_by_its_key(aws: Aws) -> None:
    group_id = aws.group(TagSpecifications=tagged(resource="security-group"))
    aws.client.delete_tags(Resources=[group_id], Tags=[{"Key": "team"}])
    assert tags_of(aws, group_id) == {}


def test_a_tag_with_another_value_is_not_deleted(aws: Aws) -> None:
    group_id = aws.group(TagSpecifications=tagged(resource="security-group"))
    aws.client.delete_tags(Resources=[group_id], Tags=[{"Key": "team", "Value": "bank"}])
    assert tags_of(aws, group_id) == {"team": "shop"}


def test_deleting_a_tag_that_is_not_there_is_no_error(aws: Aws) -> None:
    group_id = aws.group()
    aws.client.delete_tags(Resources=[group_id], Tags=[{"Key": "team"}])


def test_deleting_without_naming_tags_deletes_all(aws: Aws) -> None:
    group_id = aws.group(TagSpecifications=tagged(resource="security-group"))
    aws.client.delete_tags(Resources=[group_id])
    assert tags_of(aws, group_id) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("aws:owner", "me"), ("k" * 129, "v"), ("k", "v" * 257)],
    ids=["reserved", "long-key", "long-value"],
)
def test_a_tag_that_aws_does_not_take_is_refused(aws: Aws, key: str, value: str) -> None:
    group_id = aws.group()
    with refused("InvalidParameterValue"):
        aws.client.create_tags(Resources=[group_id], Tags=[{"Key": key, "Value": value}])


def test_fifty_tags_fit_and_one_more_does_not(aws: Aws) -> None:
    group_id = aws.group()
    aws.client.create_tags(Resources=[group_id], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    with refused("TagLimitExceeded"):
        aws.client.create_tags(Resources=[group_id], Tags=TEAM)
    assert len(tags_of(aws, group_id)) == 50


def test_tagging_one_that_does_not_exist_tags_none(aws: Aws) -> None:
    group_id = aws.group()
    with refused("InvalidGroup.NotFound"):
        aws.client.create_tags(Resources=[group_id, NOBODY], Tags=TEAM)
    assert tags_of(aws, group_id) == {}


def test_a_rule_that_does_not_exist_cannot_be_tagged(aws: Aws) -> None:
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        aws.client.create_tags(Resources=[NO_RULE], Tags=TEAM)


def test_a_dry_run_tags_nothing(aws: Aws) -> None:
    group_id = aws.group()
    with refused("DryRunOperation"):
        aws.client.create_tags(Resources=[group_id], Tags=TEAM, DryRun=True)
    assert tags_of(aws, group_id) == {}


# --- The table itself


def test_the_table_of_differences_names_checks_that_there_are() -> None:
    checks = {name for name in globals() if name.startswith("test_")}
    assert {name.partition("[")[0] for name in MOTO_DIFFERS} <= checks


def test_the_page_about_the_twin_counts_the_checks_and_the_differences() -> None:
    page = (Path(__file__).parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")
    checks = [
        each for name, each in globals().items() if name.startswith("test_") and "aws" in signature(each).parameters
    ]
    assert f"The same {len(checks)} checks" in page
    assert f"moto fails {len(MOTO_DIFFERS)}" in page
