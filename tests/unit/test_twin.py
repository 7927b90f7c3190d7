"""The twin's own: faults, lag, throttling, log, snapshots, and how a scene is set up. AWS's rules are in contract/."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.translate import prefix_list
from sg_compliance.model.quota import quota_count
from sg_compliance.model.security_group import Direction
from sg_compliance.testing.twin import Twin, TwinError, attach
from sg_compliance.testing.twin.calls import OPERATIONS
from tests.builders import all_traffic, group, permission, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.testing.twin import Call

ACCOUNT = "111122223333"
PARTNER = "444455556666"
REGION = "eu-west-1"
EVERYONE = "0.0.0.0/0"
INVALID = "InvalidParameterValue"
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Crash(BaseException):
    """The process is gone."""


def call(twin: Twin, operation: str, account: str = ACCOUNT, region: str = REGION, **params: Any) -> dict[str, Any]:  # noqa: ANN401
    return twin.call(account, region, operation, params)


def refused(code: str) -> Any:  # noqa: ANN401  pytest's context manager
    return pytest.raises(TwinError, match=rf"\({re.escape(code)}\)$")


def with_group(twin: Twin, *ingress: dict[str, Any], **others: Any) -> str:  # noqa: ANN401
    """Put a group, its odd keys left out, and give its id."""
    return twin.put_group(ACCOUNT, REGION, raw_group(*ingress, account=ACCOUNT, **others))


def allow(twin: Twin, group_id: str, *permissions: dict[str, Any], **others: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    wanted = list(permissions) or [SSH]
    answer = call(twin, "AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=wanted, **others)
    return list(answer["SecurityGroupRules"])


def shown(twin: Twin, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    return list(call(twin, "DescribeSecurityGroups", **params)["SecurityGroups"])


def rules(twin: Twin) -> list[dict[str, Any]]:
    return list(call(twin, "DescribeSecurityGroupRules")["SecurityGroupRules"])


# --- Faults


def test_a_call_fails_by_its_number_and_changes_nothing() -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.fail("InternalError", call=2)
    shown(twin)
    with refused("InternalError"):
        allow(twin, group_id)
    assert rules(twin) == []
    assert len(allow(twin, group_id)) == 1


def test_a_call_fails_by_its_number_among_those_of_its_operation() -> None:
    twin = Twin()
    with_group(twin)
    twin.faults.fail("RequestLimitExceeded", operation="DescribeSecurityGroupRules", nth=2)
    rules(twin)
    shown(twin)
    with refused("RequestLimitExceeded"):
        rules(twin)
    rules(twin)


def test_every_call_of_an_operation_can_fail() -> None:
    twin = Twin()
    twin.faults.fail("ServiceUnavailable", operation="DescribeSecurityGroups")
    for _ in range(3):
        with refused("ServiceUnavailable"):
            shown(twin)
    assert rules(twin) == []


def test_a_lost_response_has_taken_effect() -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.lose_response(operation="AuthorizeSecurityGroupIngress", nth=1)
    with pytest.raises(TimeoutError):
        allow(twin, group_id)
    assert len(rules(twin)) == 1
    assert twin.log[0].error == "TimeoutError"


def test_a_hook_before_a_call_can_end_the_process() -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.before(crash, operation="AuthorizeSecurityGroupIngress")
    with pytest.raises(Crash):
        allow(twin, group_id)
    assert rules(twin) == []


def test_a_hook_after_a_call_can_end_the_process() -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.after(crash, call=1)
    with pytest.raises(Crash):
        allow(twin, group_id)
    assert len(rules(twin)) == 1
    assert twin.log[0].error == "Crash"


def crash(_: Call) -> None:
    raise Crash


def test_a_hook_can_change_the_world_between_two_calls() -> None:
    twin = Twin()
    group_id = with_group(twin)
    others: list[Call] = []

    def somebody_else(seen: Call) -> None:
        others.append(seen)
        allow(twin, group_id)

    twin.faults.before(somebody_else, operation="DescribeSecurityGroupRules", nth=1)
    assert len(rules(twin)) == 1
    assert [each.operation for each in others] == ["DescribeSecurityGroupRules"]


@pytest.mark.parametrize("action", ["AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupIngress"])
def test_an_action_can_be_denied(action: str) -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.deny(action)
    for dry_run in (False, True):
        with refused("UnauthorizedOperation"):
            allow(twin, group_id, DryRun=dry_run)
    assert rules(twin) == []


def test_credentials_expire_from_a_call_on() -> None:
    twin = Twin()
    twin.faults.expire_credentials(from_call=2)
    shown(twin)
    for _ in range(2):
        with refused("RequestExpired"):
            shown(twin)


def test_faults_can_be_forgotten() -> None:
    twin = Twin()
    twin.faults.fail("InternalError")
    twin.faults.deny("DescribeSecurityGroups")
    twin.faults.expire_credentials(from_call=1)
    twin.faults.lag = 60
    twin.faults.clear()
    with_group(twin)
    assert len(shown(twin)) == 1


# --- Lag


def test_describes_lag_behind_and_catch_up() -> None:
    clock = Clock()
    twin = Twin(clock)
    group_id = with_group(twin)
    clock.now += 60
    twin.faults.lag = 30
    allow(twin, group_id)
    assert rules(twin) == []
    assert shown(twin)[0]["IpPermissions"] == []
    clock.now += 29
    assert rules(twin) == []
    clock.now += 1
    assert len(rules(twin)) == 1


def test_a_deleted_group_is_still_shown_while_describes_lag() -> None:
    clock = Clock()
    twin = Twin(clock)
    group_id = with_group(twin)
    clock.now += 60
    twin.faults.lag = 30
    call(twin, "DeleteSecurityGroup", GroupId=group_id)
    assert [each["GroupId"] for each in shown(twin, GroupIds=[group_id])] == [group_id]
    with refused("InvalidGroup.NotFound"):
        allow(twin, group_id)
    clock.now += 30
    with refused("InvalidGroup.NotFound"):
        shown(twin, GroupIds=[group_id])


def test_a_new_group_is_not_found_while_describes_lag() -> None:
    clock = Clock()
    twin = Twin(clock)
    twin.vpc(ACCOUNT, REGION, is_default=True)
    twin.faults.lag = 5
    made = call(twin, "CreateSecurityGroup", GroupName="new", Description="d")["GroupId"]
    with refused("InvalidGroup.NotFound"):
        shown(twin, GroupIds=[made])
    allow(twin, made)
    clock.now += 5
    assert len(shown(twin, GroupIds=[made])[0]["IpPermissions"]) == 1


def test_changes_see_the_world_as_it_is_while_describes_lag() -> None:
    clock = Clock()
    twin = Twin(clock)
    group_id = with_group(twin)
    clock.now += 60
    twin.faults.lag = 30
    allow(twin, group_id)
    with refused("InvalidPermission.Duplicate"):
        allow(twin, group_id)


def test_a_long_past_is_forgotten() -> None:
    clock = Clock()
    twin = Twin(clock)
    group_id = with_group(twin)
    for number in range(50):
        clock.now += 60
        allow(twin, group_id, tcp(number, "10.0.0.0/8"))
    twin.faults.lag = 600
    assert len(rules(twin)) == 40
    twin.faults.lag = 3000
    assert rules(twin) == []


# --- Throttling


def times(throttled: Callable[[], object]) -> int:
    """How often it goes well before it is throttled."""
    for number in range(1000):
        try:
            throttled()
        except TwinError as error:
            return number if error.code == "RequestLimitExceeded" else -1
    return 1000


def test_describes_have_a_burst_of_100_and_20_a_second() -> None:
    clock = Clock()
    twin = Twin(clock, throttled=True)
    assert times(lambda: shown(twin, MaxResults=5)) == 100
    clock.now += 1
    assert times(lambda: shown(twin, MaxResults=5)) == 20
    clock.now += 3600
    assert times(lambda: shown(twin, MaxResults=5)) == 100


def test_describes_of_everything_at_once_have_a_burst_of_50_and_10_a_second() -> None:
    clock = Clock()
    twin = Twin(clock, throttled=True)
    assert times(lambda: shown(twin)) == 50
    clock.now += 1
    assert times(lambda: shown(twin)) == 10
    shown(twin, MaxResults=5)


def test_changes_have_a_burst_of_50_and_5_a_second() -> None:
    clock = Clock()
    twin = Twin(clock, throttled=True)
    group_id = with_group(twin)
    assert times(lambda: tag_the_group(twin, group_id, "")) == 50
    clock.now += 1
    assert times(lambda: tag_the_group(twin, group_id, "")) == 5


def test_each_account_and_region_has_buckets_of_its_own() -> None:
    twin = Twin(Clock(), throttled=True)
    assert times(lambda: shown(twin)) == 50
    call(twin, "DescribeSecurityGroups", account=PARTNER)
    call(twin, "DescribeSecurityGroups", region="us-east-1")


def test_a_throttled_call_changes_nothing() -> None:
    twin = Twin(Clock(), throttled=True)
    group_id = with_group(twin)
    assert times(lambda: allow(twin, group_id, tcp(len(twin.log), "10.0.0.0/8"))) == 50
    assert len(rules(twin)) == 50


def test_nothing_is_throttled_unless_it_is_asked_for() -> None:
    twin = Twin(Clock())
    assert times(lambda: shown(twin)) == 1000


# --- The log


def test_the_log_tells_each_call_and_how_it_ended() -> None:
    twin = Twin()
    group_id = with_group(twin)
    allow(twin, group_id)
    with refused("InvalidPermission.Duplicate"):
        allow(twin, group_id)
    shown(twin)
    assert [(each.number, each.nth, each.operation, each.error, each.mutating) for each in twin.log] == [
        (1, 1, "AuthorizeSecurityGroupIngress", None, True),
        (2, 2, "AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", True),
        (3, 1, "DescribeSecurityGroups", None, False),
    ]
    assert {(each.account_id, each.region) for each in twin.log} == {(ACCOUNT, REGION)}
    assert twin.log[0].params == {"GroupId": group_id, "IpPermissions": [SSH]}
    assert twin.counts == {"AuthorizeSecurityGroupIngress": 2, "DescribeSecurityGroups": 1}


def test_the_log_keeps_what_was_asked_though_the_caller_changes_it() -> None:
    twin = Twin()
    params = {"GroupNames": ["web"]}
    with_group(twin)
    twin.call(ACCOUNT, REGION, "DescribeSecurityGroups", params)
    params["GroupNames"].append("db")
    assert twin.log[0].params == {"GroupNames": ["web"]}


def test_an_operation_that_the_twin_does_not_have_is_refused() -> None:
    with refused("InvalidAction"):
        call(Twin(), "RunInstances")


# --- Snapshots


def test_a_rule_that_is_restored_is_the_same_though_its_id_is_new() -> None:
    twin = Twin()
    group_id = with_group(twin, tcp(22, EVERYONE, description="office"), tcp(80, EVERYONE))
    before = twin.snapshot(ACCOUNT, REGION)
    rule = next(each for each in rules(twin) if each["FromPort"] == 22)
    call(twin, "RevokeSecurityGroupIngress", GroupId=group_id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert twin.snapshot(ACCOUNT, REGION) != before
    allow(twin, group_id, tcp(22, EVERYONE, description="office"))
    assert rule["SecurityGroupRuleId"] not in {each["SecurityGroupRuleId"] for each in rules(twin)}
    assert twin.snapshot(ACCOUNT, REGION) == before


def tag_the_rule(twin: Twin, _: str, rule_id: str) -> None:
    call(twin, "CreateTags", Resources=[rule_id], Tags=[{"Key": "k", "Value": "v"}])


def tag_the_group(twin: Twin, group_id: str, _: str) -> None:
    call(twin, "CreateTags", Resources=[group_id], Tags=[{"Key": "k", "Value": "v"}])


def describe_the_rule(twin: Twin, group_id: str, rule_id: str) -> None:
    change = [{"SecurityGroupRuleId": rule_id, "Description": "d"}]
    operation = "UpdateSecurityGroupRuleDescriptionsIngress"
    call(twin, operation, GroupId=group_id, SecurityGroupRuleDescriptions=change)


def add_a_rule(twin: Twin, group_id: str, _: str) -> None:
    allow(twin, group_id, tcp(23, EVERYONE))


@pytest.mark.parametrize("change", [tag_the_rule, tag_the_group, describe_the_rule, add_a_rule])
def test_a_snapshot_shows_every_change(change: Callable[[Twin, str, str], None]) -> None:
    twin = Twin()
    group_id = with_group(twin, tcp(22, EVERYONE))
    before = twin.snapshot(ACCOUNT, REGION)
    change(twin, group_id, rules(twin)[0]["SecurityGroupRuleId"])
    assert twin.snapshot(ACCOUNT, REGION) != before


def test_a_snapshot_does_not_change_with_the_twin() -> None:
    twin = Twin()
    group_id = with_group(twin)
    before = twin.snapshot(ACCOUNT, REGION)
    allow(twin, group_id)
    assert before[group_id]["rules"] == []


# --- Setting a scene up


def test_the_same_calls_give_the_same_ids() -> None:
    first, second = Twin(), Twin()
    assert first.vpc(ACCOUNT, REGION) == second.vpc(ACCOUNT, REGION)
    assert allow(first, with_group(first)) == allow(second, with_group(second))


def test_a_group_is_put_as_it_is_written() -> None:
    twin = Twin()
    odd = [
        permission("6", 23, 21, "1.2.3.4/0", description="ünwritable"),
        {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": EVERYONE}]},
        {**all_traffic(EVERYONE), "FromPort": 80, "ToPort": 80},
    ]
    with_group(twin, *odd, tags={"aws:cloudformation:stack-name": "web"})
    (found,) = shown(twin)
    assert found["IpPermissions"] == odd
    assert found["Tags"] == [{"Key": "aws:cloudformation:stack-name", "Value": "web"}]


def test_a_group_is_put_with_the_rule_ids_and_tags_that_are_given() -> None:
    twin = Twin()
    element = {"CidrIp": EVERYONE, "SecurityGroupRuleId": "sgr-0a"}
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [element, {"CidrIp": "10.0.0.0/8"}]}
    twin.put_group(
        ACCOUNT,
        REGION,
        raw_group(ssh, account=ACCOUNT),
        rules_tags={"sgr-0a": {"team": "web"}, "10.0.0.0/8": {"team": "db"}},
    )
    found = {each["CidrIpv4"]: (each["SecurityGroupRuleId"], each["Tags"]) for each in rules(twin)}
    assert found[EVERYONE] == ("sgr-0a", [{"Key": "team", "Value": "web"}])
    assert found["10.0.0.0/8"][1] == [{"Key": "team", "Value": "db"}]


def test_reserved_tags_are_not_counted_and_stay() -> None:
    twin = Twin()
    group_id = with_group(twin, tags={"aws:cloudformation:stack-name": "web"})
    fifty = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    call(twin, "CreateTags", Resources=[group_id], Tags=fifty)
    assert len(shown(twin)[0]["Tags"]) == 51
    call(twin, "DeleteTags", Resources=[group_id])
    assert [tag["Key"] for tag in shown(twin)[0]["Tags"]] == ["aws:cloudformation:stack-name"]
    with refused("InvalidParameterValue"):
        call(twin, "DeleteTags", Resources=[group_id], Tags=[{"Key": "aws:cloudformation:stack-name"}])


def test_a_group_over_the_quota_can_shrink_and_cannot_grow() -> None:
    twin = Twin(quota=2)
    group_id = with_group(twin, tcp(22, "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", EVERYONE))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        allow(twin, group_id, tcp(23, "10.0.0.0/8"))
    ids = [each["SecurityGroupRuleId"] for each in rules(twin)]
    call(twin, "RevokeSecurityGroupIngress", GroupId=group_id, SecurityGroupRuleIds=ids[:1])
    call(twin, "RevokeSecurityGroupIngress", GroupId=group_id, SecurityGroupRuleIds=ids[1:3])
    assert len(allow(twin, group_id, tcp(23, "10.0.0.0/8"))) == 1


def test_a_region_has_room_for_so_many_groups() -> None:
    twin = Twin(group_quota=2)
    twin.vpc(ACCOUNT, REGION, is_default=True)
    call(twin, "CreateSecurityGroup", GroupName="one", Description="d")
    with refused("SecurityGroupLimitExceeded"):
        call(twin, "CreateSecurityGroup", GroupName="two", Description="d")


def test_a_region_without_a_default_vpc_wants_a_vpc() -> None:
    with refused("VPCIdNotSpecified"):
        call(Twin(), "CreateSecurityGroup", GroupName="web", Description="d")


def test_aws_lists_have_weights_of_their_own() -> None:
    twin = Twin()
    group_id = with_group(twin)
    heavy = {"PrefixListName": "com.amazonaws.global.cloudfront.origin-facing", "OwnerId": "AWS"}
    light = {"PrefixListName": "com.amazonaws.eu-west-1.s3", "OwnerId": "AWS"}
    lists = [twin.put_prefix_list(ACCOUNT, REGION, each, ["10.0.0.0/8"] * 9) for each in (heavy, light)]
    allow(twin, group_id, tcp(443, *lists))
    allow(twin, group_id, tcp(22, *(f"10.0.{n}.0/24" for n in range(4))))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        allow(twin, group_id, tcp(22, "10.1.0.0/16"))


def test_prefix_lists_are_described_with_their_entries() -> None:
    twin = Twin()
    found_id = twin.put_prefix_list(
        ACCOUNT, REGION, {"PrefixListName": "offices", "MaxEntries": 5}, ["10.0.0.0/8", {"Cidr": "192.0.2.0/24"}]
    )
    named = [{"Name": "prefix-list-name", "Values": ["offices"]}]
    (found,) = call(twin, "DescribeManagedPrefixLists", Filters=named, PrefixListIds=[found_id])["PrefixLists"]
    assert (found["PrefixListId"], found["OwnerId"], found["MaxEntries"]) == (found_id, ACCOUNT, 5)
    page = call(twin, "GetManagedPrefixListEntries", PrefixListId=found_id, MaxResults=1)
    rest = call(twin, "GetManagedPrefixListEntries", PrefixListId=found_id, NextToken=page["NextToken"])
    assert page["Entries"] + rest["Entries"] == [{"Cidr": "10.0.0.0/8"}, {"Cidr": "192.0.2.0/24"}]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("GetManagedPrefixListEntries", {"PrefixListId": "pl-0a"}),
        ("GetManagedPrefixListAssociations", {"PrefixListId": "pl-0a"}),
        ("DescribeManagedPrefixLists", {"PrefixListIds": ["pl-0a"]}),
    ],
)
def test_a_prefix_list_that_the_account_does_not_see_is_not_found(operation: str, params: dict[str, Any]) -> None:
    with refused("InvalidPrefixListID.NotFound"):
        call(Twin(), operation, **params)


def shared_list(twin: Twin) -> str:
    """A prefix list that the partner sees too, and to which a group of each refers."""
    list_id = twin.put_prefix_list(ACCOUNT, REGION, {"PrefixListId": "pl-0a"}, ["10.0.0.0/8"])
    twin.put_prefix_list(PARTNER, REGION, {"PrefixListId": list_id, "OwnerId": ACCOUNT}, ["10.0.0.0/8"])
    with_group(twin, tcp(22, list_id), group_id="sg-02", egress=[tcp(443, list_id)])
    with_group(twin, egress=[tcp(443, list_id)], group_id="sg-03")
    with_group(twin, tcp(22, EVERYONE, "pl-0b"), group_id="sg-04")
    twin.put_group(PARTNER, REGION, raw_group(tcp(22, list_id), account=PARTNER, group_id="sg-01"))
    twin.put_group(ACCOUNT, "us-east-1", raw_group(tcp(22, list_id), group_id="sg-05"))
    return list_id


def test_the_owner_of_a_prefix_list_sees_which_groups_refer_to_it_in_all_accounts() -> None:
    twin = Twin()
    list_id = shared_list(twin)
    found = call(twin, "GetManagedPrefixListAssociations", PrefixListId=list_id)["PrefixListAssociations"]
    assert [(each["ResourceId"], each["ResourceOwner"]) for each in found] == [
        ("sg-01", PARTNER),
        ("sg-02", ACCOUNT),
        ("sg-03", ACCOUNT),
    ]


def test_who_does_not_own_a_prefix_list_does_not_see_what_refers_to_it() -> None:
    twin = Twin()
    list_id = shared_list(twin)
    with refused("UnauthorizedOperation"):
        call(twin, "GetManagedPrefixListAssociations", account=PARTNER, PrefixListId=list_id)


@pytest.mark.parametrize("most", [4, 256])
def test_a_page_of_what_refers_to_a_prefix_list_has_bounds_of_its_own(most: int) -> None:
    twin = Twin()
    list_id = shared_list(twin)
    with refused(INVALID):
        call(twin, "GetManagedPrefixListAssociations", PrefixListId=list_id, MaxResults=most)


def test_what_refers_to_a_prefix_list_lags_like_the_groups_themselves() -> None:
    clock = Clock()
    twin = Twin(clock)
    list_id = shared_list(twin)
    twin.faults.lag = 10
    assert call(twin, "GetManagedPrefixListAssociations", PrefixListId=list_id)["PrefixListAssociations"] == []
    clock.now += 10
    assert len(call(twin, "GetManagedPrefixListAssociations", PrefixListId=list_id)["PrefixListAssociations"]) == 3


@pytest.mark.parametrize(
    ("name", "found"),
    [("ip-permission.prefix-list-id", ["sg-02"]), ("egress.ip-permission.prefix-list-id", ["sg-02", "sg-03"])],
)
def test_groups_are_found_by_the_prefix_lists_of_each_direction(name: str, found: list[str]) -> None:
    twin = Twin()
    list_id = shared_list(twin)
    assert [each["GroupId"] for each in shown(twin, Filters=[{"Name": name, "Values": [list_id]}])] == found


def test_a_filter_on_prefix_lists_does_not_find_groups_by_their_blocks() -> None:
    twin = Twin()
    shared_list(twin)
    assert shown(twin, Filters=[{"Name": "ip-permission.prefix-list-id", "Values": [EVERYONE]}]) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (r"a\*", ["a*"]),
        ("a*", ["a*", "ab", r"a\b", "a"]),
        (r"a\\b", [r"a\b"]),
        (r"a\b", ["ab"]),
        (r"a?", ["a*", "ab"]),
        ("AB", []),
        ("a\\", []),
    ],
)
def test_a_backslash_makes_a_wildcard_of_a_filter_literal(value: str, found: list[str]) -> None:
    twin = Twin()
    for number, name in enumerate(("a*", "ab", r"a\b", "a")):
        with_group(twin, group_id=f"sg-0{number}", GroupName=name)
    assert [each["GroupName"] for each in shown(twin, Filters=[{"Name": "group-name", "Values": [value]}])] == found


def test_interfaces_are_found_by_their_groups_and_say_who_made_them() -> None:
    twin = Twin()
    group_id = with_group(twin)
    plain = twin.put_interface(ACCOUNT, REGION, group_id)
    balanced = twin.put_interface(ACCOUNT, REGION, group_id, RequesterId="amazon-elb")
    twin.put_interface(ACCOUNT, REGION, "sg-other")
    wanted = [{"Name": "group-id", "Values": [group_id]}]
    found = call(twin, "DescribeNetworkInterfaces", Filters=wanted)["NetworkInterfaces"]
    assert {each["NetworkInterfaceId"]: each["RequesterManaged"] for each in found} == {plain: False, balanced: True}
    assert found[0]["Groups"] == [{"GroupId": group_id, "GroupName": "web"}]


def test_interfaces_that_aws_hides_are_shown_when_they_are_asked_for() -> None:
    twin = Twin()
    operator = {"Managed": True, "Principal": "lambda.amazonaws.com", "HiddenByDefault": True}
    hidden = twin.put_interface(ACCOUNT, REGION, Operator=operator)
    assert call(twin, "DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    (found,) = call(twin, "DescribeNetworkInterfaces", IncludeManagedResources=True)["NetworkInterfaces"]
    assert (found["NetworkInterfaceId"], found["Operator"]) == (hidden, operator)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        call(twin, "DescribeNetworkInterfaces", NetworkInterfaceIds=["eni-0a"])


def test_regions_are_those_that_the_twin_was_made_with() -> None:
    found = call(Twin(regions=["eu-north-1"]), "DescribeRegions")["Regions"]
    assert [(each["RegionName"], each["OptInStatus"]) for each in found] == [("eu-north-1", "opt-in-not-required")]


def test_a_group_that_is_gone_leaves_rules_behind_that_can_be_revoked() -> None:
    twin = Twin()
    gone = with_group(twin, group_id="sg-0a")
    group_id = with_group(twin, tcp(22, gone), tcp(23, gone), group_id="sg-0b")
    twin.delete_group_hard(ACCOUNT, REGION, gone)
    first, second = rules(twin)
    call(twin, "RevokeSecurityGroupIngress", GroupId=group_id, SecurityGroupRuleIds=[first["SecurityGroupRuleId"]])
    left = [tcp(second["FromPort"], gone)]
    call(twin, "RevokeSecurityGroupIngress", GroupId=group_id, IpPermissions=left)
    assert rules(twin) == []
    with refused("InvalidGroup.NotFound"):
        allow(twin, group_id, *left)
    with refused("InvalidGroup.NotFound"):
        twin.delete_group_hard(ACCOUNT, REGION, gone)


def test_a_group_that_the_twin_does_not_hold_can_be_made_known() -> None:
    twin = Twin()
    group_id = with_group(twin)
    pair = {"GroupId": "sg-0f", "UserId": PARTNER, "VpcPeeringConnectionId": "pcx-0a", "PeeringStatus": "active"}
    reference = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]}
    with refused("InvalidGroup.NotFound"):
        allow(twin, group_id, reference)
    twin.know_peer(PARTNER, "sg-0f")
    (rule,) = allow(twin, group_id, reference)
    assert rule["ReferencedGroupInfo"] == pair
    assert shown(twin)[0]["IpPermissions"][0]["UserIdGroupPairs"] == [pair]


def test_a_group_behind_a_peering_is_shown_with_its_vpc() -> None:
    twin = Twin()
    group_id = with_group(twin)
    there = twin.put_group(PARTNER, REGION, {"GroupId": "sg-0f", "VpcId": "vpc-2"})
    pair = {"GroupId": there, "UserId": PARTNER, "VpcPeeringConnectionId": "pcx-0a"}
    (rule,) = allow(twin, group_id, {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]})
    assert rule["ReferencedGroupInfo"] == {**pair, "VpcId": "vpc-2"}


def test_rules_are_counted_as_the_project_counts_them() -> None:
    twin = Twin(quota=1)
    listed = {"PrefixListName": "com.amazonaws.eu-west-1.ec2-instance-connect", "OwnerId": "AWS"}
    list_id = twin.put_prefix_list(ACCOUNT, REGION, listed, ["10.0.0.0/8"])
    described = call(twin, "DescribeManagedPrefixLists")["PrefixLists"]
    known = {each["PrefixListId"]: prefix_list(each, [{"Cidr": "10.0.0.0/8"}]) for each in described}
    peers = ("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", list_id, "sg-0a1b2c3d")
    for number in range(len(peers) + 1):
        counted = quota_count(group(tcp(22, *peers[:number])).rules, Direction.INGRESS, known)
        most = max(counted.values())
        exact, short = Twin(quota=most), Twin(quota=most - 1)
        for each in (exact, short):
            each.put_prefix_list(ACCOUNT, REGION, {**listed, "PrefixListId": list_id}, ["10.0.0.0/8"])
            with_group(each)
        if number:
            assert len(allow(exact, "sg-0a1b2c3d", tcp(22, *peers[:number]))) == number
            with refused("RulesPerSecurityGroupLimitExceeded"):
                allow(short, "sg-0a1b2c3d", tcp(22, *peers[:number]))


# --- Whatever is asked


CIDRS = st.sampled_from(["10.0.0.0/8", "10.1.1.1/8", "192.0.2.0/24", "10.0.0.0/33", "::/0", "sg-0a1b2c3d", "pl-0a"])
PERMISSIONS = st.builds(tcp, st.sampled_from([22, 23, "22-23", "23-22"]), CIDRS, CIDRS)
OPERATION = st.sampled_from(
    ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "UpdateSecurityGroupRuleDescriptionsIngress"]
)


@given(st.lists(st.tuples(OPERATION, st.lists(PERMISSIONS, min_size=1, max_size=3), st.booleans()), max_size=12))
def test_a_refused_call_changes_nothing_and_no_rule_is_there_twice(
    asked: list[tuple[str, list[dict[str, Any]], bool]],
) -> None:
    twin = Twin(quota=4)
    group_id = with_group(twin)
    for operation, permissions, dry_run in asked:
        before, shown_before = twin.snapshot(ACCOUNT, REGION), rules(twin)
        try:
            call(twin, operation, GroupId=group_id, IpPermissions=permissions, DryRun=dry_run)
        except TwinError:
            assert (twin.snapshot(ACCOUNT, REGION), rules(twin)) == (before, shown_before)
        keys = [(each["traffic"], each["peer"]) for each in twin.snapshot(ACCOUNT, REGION)[group_id]["rules"]]
        assert len(set(keys)) == len(keys)
        by_version = Counter(":" in peer for _, (peer, *_) in keys)  # counted apart
        assert max(by_version.values(), default=0) <= 4


# --- Shared VPCs


def shared_vpc() -> tuple[Twin, str, str]:
    """A twin, a VPC of ACCOUNT that PARTNER may use, and PARTNER's group in it."""
    twin = Twin()
    vpc_id = twin.vpc(ACCOUNT, REGION, shared_with=[PARTNER], with_default_group=False)
    made = call(twin, "CreateSecurityGroup", account=PARTNER, GroupName="p", Description="d", VpcId=vpc_id)
    return twin, vpc_id, made["GroupId"]


def test_the_owner_of_a_vpc_sees_the_groups_of_others_in_it_and_cannot_change_them() -> None:
    twin, _, group_id = shared_vpc()
    assert [(each["GroupId"], each["OwnerId"]) for each in shown(twin)] == [(group_id, PARTNER)]
    assert [each["GroupOwnerId"] for each in rules(twin)] == [PARTNER]
    with refused("UnauthorizedOperation"):
        allow(twin, group_id)


def test_others_do_not_see_the_owner_s_groups() -> None:
    twin, vpc_id, _ = shared_vpc()
    twin.put_group(ACCOUNT, REGION, {"GroupName": "mine", "VpcId": vpc_id})
    found = call(twin, "DescribeSecurityGroups", account=PARTNER)["SecurityGroups"]
    assert [each["GroupName"] for each in found] == ["p"]


def test_a_neighbour_in_a_shared_vpc_is_known_without_its_account() -> None:
    twin, vpc_id, group_id = shared_vpc()
    own = twin.put_group(ACCOUNT, REGION, {"GroupName": "mine", "VpcId": vpc_id})
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}
    (rule,) = allow(twin, own, pair)
    assert rule["ReferencedGroupInfo"] == {"GroupId": group_id, "UserId": PARTNER}
    with refused("DependencyViolation"):
        call(twin, "DeleteSecurityGroup", account=PARTNER, GroupId=group_id)


def test_a_vpc_that_is_not_shared_does_not_exist_for_others() -> None:
    twin, vpc_id, _ = shared_vpc()
    with refused("InvalidVpcID.NotFound"):
        call(twin, "CreateSecurityGroup", account="777788889999", GroupName="x", Description="d", VpcId=vpc_id)


# --- Groups by name, pages, filters


def test_a_group_of_the_default_vpc_is_changed_by_its_name() -> None:
    twin = Twin()
    twin.vpc(ACCOUNT, REGION, is_default=True)
    group_id = call(twin, "CreateSecurityGroup", GroupName="web", Description="d")["GroupId"]
    by_name = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupName": "web"}]}
    call(twin, "AuthorizeSecurityGroupIngress", GroupName="web", IpPermissions=[by_name])
    (found,) = shown(twin, GroupNames=["web"])
    assert found["IpPermissions"][0]["UserIdGroupPairs"] == [{"GroupId": group_id, "UserId": ACCOUNT}]
    with refused("InvalidGroup.NotFound"):
        call(twin, "DeleteSecurityGroup", GroupName="db")
    with refused("InvalidGroup.NotFound"):
        shown(twin, GroupNames=["db"])
    call(twin, "DeleteSecurityGroup", GroupName="web")


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("DescribeSecurityGroups", {"MaxResults": 4}, "InvalidParameterValue"),
        ("DescribeSecurityGroupRules", {"MaxResults": 1001}, "InvalidParameterValue"),
        ("DescribeManagedPrefixLists", {"MaxResults": 101}, "InvalidParameterValue"),
        ("DescribeSecurityGroups", {"NextToken": "bm9uZQ=="}, "InvalidPaginationToken"),
        ("DeleteSecurityGroup", {}, "MissingParameter"),
        ("CreateTags", {"Resources": ["sg-0a1b2c3d"]}, "MissingParameter"),
        ("CreateTags", {"Resources": ["vpc-0a"], "Tags": [{"Key": "k"}]}, "InvalidParameterValue"),
        ("CreateTags", {"Resources": ["sg-0a1b2c3d"], "Tags": [{"Key": "k"}, {"Key": "k"}]}, "InvalidParameterValue"),
        ("CreateTags", {"Resources": ["sg-0a1b2c3d"], "Tags": [{"Key": ""}]}, "InvalidParameterValue"),
        ("CreateSecurityGroup", {"GroupName": " ", "Description": "d"}, "MissingParameter"),
        ("CreateSecurityGroup", {"GroupName": "n"}, "MissingParameter"),
    ],
)
def test_a_call_that_says_too_little_or_too_much_is_refused(operation: str, params: dict[str, Any], code: str) -> None:
    twin = Twin()
    with_group(twin)
    with refused(code):
        call(twin, operation, **params)


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("AuthorizeSecurityGroupIngress", {"IpPermissions": [SSH], "CidrIp": EVERYONE}, "InvalidParameterCombination"),
        ("AuthorizeSecurityGroupIngress", {}, "MissingParameter"),
        ("AuthorizeSecurityGroupIngress", {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}, "MissingParameter"),
        ("AuthorizeSecurityGroupIngress", {"CidrIp": EVERYONE}, "InvalidParameterValue"),
        ("AuthorizeSecurityGroupIngress", {"IpPermissions": [{**SSH, "IpRanges": [{}]}]}, "MissingParameter"),
        (
            "AuthorizeSecurityGroupIngress",
            {"IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{}]}]},
            "MissingParameter",
        ),
        ("AuthorizeSecurityGroupIngress", {"IpPermissions": [{**SSH, "IpProtocol": "icmp", "ToPort": None}]}, INVALID),
        (
            "RevokeSecurityGroupIngress",
            {"IpPermissions": [SSH], "SecurityGroupRuleIds": ["sgr-0"]},
            "InvalidParameterCombination",
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {"IpPermissions": [SSH], "SecurityGroupRuleDescriptions": [{"SecurityGroupRuleId": "sgr-0"}]},
            "InvalidParameterCombination",
        ),
        ("UpdateSecurityGroupRuleDescriptionsIngress", {}, "MissingParameter"),
    ],
)
def test_a_change_that_says_too_little_or_too_much_is_refused(
    operation: str, params: dict[str, Any], code: str
) -> None:
    twin = Twin()
    with refused(code):
        call(twin, operation, GroupId=with_group(twin), **params)


def test_a_modified_rule_has_exactly_one_peer() -> None:
    twin = Twin()
    group_id = with_group(twin)
    (rule,) = allow(twin, group_id)
    for peers in ({}, {"CidrIpv4": EVERYONE, "CidrIpv6": "::/0"}):
        wanted = {
            "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
            "SecurityGroupRule": {"IpProtocol": "-1", **peers},
        }
        with refused("InvalidParameterValue"):
            call(twin, "ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=[wanted])


def test_a_duplicate_is_quoted() -> None:
    twin = Twin()
    group_id = with_group(twin, all_traffic(EVERYONE))
    with pytest.raises(TwinError, match=r'"peer: 0\.0\.0\.0/0, ALL, ALLOW" already exists'):
        allow(twin, group_id, all_traffic(EVERYONE))


def test_rules_of_all_groups_are_found_by_an_id() -> None:
    twin = Twin()
    (rule,) = allow(twin, with_group(twin))
    wanted = [{"Name": "security-group-rule-id", "Values": [rule["SecurityGroupRuleId"]]}]
    assert call(twin, "DescribeSecurityGroupRules", Filters=wanted)["SecurityGroupRules"] == [rule]


def test_a_page_goes_on_after_a_group_that_was_deleted_meanwhile() -> None:
    twin = Twin()
    ids = sorted(with_group(twin, group_id=f"sg-0{number}") for number in range(8))
    page = call(twin, "DescribeSecurityGroups", MaxResults=5)
    twin.delete_group_hard(ACCOUNT, REGION, ids[4])
    rest = call(twin, "DescribeSecurityGroups", MaxResults=5, NextToken=page["NextToken"])
    assert [each["GroupId"] for each in page["SecurityGroups"] + rest["SecurityGroups"]] == ids
    assert "NextToken" not in rest


def test_a_filter_has_at_most_200_values() -> None:
    with refused("FilterLimitExceeded"):
        shown(Twin(), Filters=[{"Name": "group-id", "Values": [f"sg-{number}" for number in range(201)]}])


# --- Many at once


def test_many_threads_lose_no_rule() -> None:
    twin = Twin(quota=1000)
    group_id = with_group(twin)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda port: allow(twin, group_id, tcp(port, EVERYONE)), range(200)))
    assert len({each["SecurityGroupRuleId"] for each in rules(twin)}) == 200
    assert [each.number for each in twin.log[:200]] == list(range(1, 201))


# --- A client of boto3


def client_of(twin: Twin, account: str = ACCOUNT) -> Any:  # noqa: ANN401
    client = boto3.client("ec2", REGION)
    attach(client, twin, account)
    return client


def test_a_refusal_is_a_client_error_with_aws_s_code() -> None:
    twin = Twin()
    client = client_of(twin)
    with pytest.raises(ClientError) as caught:
        client.describe_security_groups(GroupIds=["sg-0123456789abcdef0"])
    response = caught.value.response
    assert response["Error"]["Code"] == "InvalidGroup.NotFound"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_throttling_has_the_status_503() -> None:
    twin = Twin()
    twin.faults.fail("RequestLimitExceeded")
    with pytest.raises(ClientError) as caught:
        client_of(twin).describe_security_groups()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert len(twin.log) == 1


def test_a_lost_response_is_a_timeout() -> None:
    twin = Twin()
    group_id = with_group(twin)
    twin.faults.lose_response()
    with pytest.raises(TimeoutError):
        client_of(twin).delete_security_group(GroupId=group_id)
    assert twin.snapshot(ACCOUNT, REGION) == {}


def test_two_clients_can_be_two_accounts_of_one_twin() -> None:
    twin = Twin()
    with_group(twin)
    mine, theirs = client_of(twin), client_of(twin, PARTNER)
    assert len(mine.describe_security_groups()["SecurityGroups"]) == 1
    assert theirs.describe_security_groups()["SecurityGroups"] == []


def test_paginators_walk_all_pages() -> None:
    twin = Twin()
    for number in range(12):
        with_group(twin, group_id=f"sg-0{number:x}")
    pages = list(client_of(twin).get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["SecurityGroups"]) for page in pages] == [5, 5, 2]


# --- The page about it


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "twin.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))


def test_the_page_names_every_operation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "twin.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", text))
    assert {each.replace("Egress", "Ingress") for each in OPERATIONS} <= named
