"""Whatever is called on the twin: the event that its trail makes of it reads back as the change that was made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.translate import security_group_rule
from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroupRule, identity
from sg_compliance.realtime.cloudtrail import parse
from sg_compliance.realtime.record import Change, ChangeKind, Skipped, SkipReason
from sg_compliance.testing.trail import Answered, Caller, event
from sg_compliance.testing.twin import Twin, TwinError
from tests.builders import ACCOUNT, EVERYONE, EVERYONE_V6, REGION, all_traffic, icmp, permission, tcp, udp
from tests.event_builders import OURS

if TYPE_CHECKING:
    from tests.builders import Json

WHEN: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
IDS: Final = [f"914469fc-c658-434c-a560-0219c0ac3b5{digit}" for digit in range(3)]
ALICE: Final = Caller(f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT, "AIDAEXAMPLE")
PREFIX_LIST: Final = "pl-0a1b2c3d4e5f60718"
PEERS: Final = st.sampled_from([EVERYONE, "10.0.0.0/8", "10.9.8.7/8", EVERYONE_V6, "2001:DB8::/32", PREFIX_LIST])
PORTS: Final = st.sampled_from(["22", "80-443", "0-65535"])
DESCRIPTIONS: Final = st.sampled_from([None, "why"])
_KINDS: Final = {
    "AuthorizeSecurityGroupEgress": ChangeKind.RULES_ADDED,
    "AuthorizeSecurityGroupIngress": ChangeKind.RULES_ADDED,
    "RevokeSecurityGroupEgress": ChangeKind.RULES_REMOVED,
    "RevokeSecurityGroupIngress": ChangeKind.RULES_REMOVED,
    "ModifySecurityGroupRules": ChangeKind.RULES_MODIFIED,
    "CreateSecurityGroup": ChangeKind.CREATED,
    "DeleteSecurityGroup": ChangeKind.DELETED,
    "UpdateSecurityGroupRuleDescriptionsEgress": ChangeKind.DESCRIBED,
    "UpdateSecurityGroupRuleDescriptionsIngress": ChangeKind.DESCRIBED,
}


@st.composite
def asked_permissions(draw: st.DrawFn) -> Json:
    peers = draw(st.lists(PEERS, min_size=1, max_size=2, unique=True))
    kind = draw(st.sampled_from(["tcp", "udp", "icmp", "all", "number"]))
    if kind == "icmp":
        return icmp(draw(st.sampled_from([-1, 8])), -1, *peers)
    if kind == "all":
        return all_traffic(*peers)
    if kind == "number":
        return permission("50", None, None, *peers)
    ports = draw(PORTS)
    return tcp(ports, *peers, description=draw(DESCRIPTIONS)) if kind == "tcp" else udp(ports, *peers)


class Account:
    """The twin with a group in it, and what is in it now."""

    def __init__(self, *, default_vpc: bool) -> None:
        self.twin = Twin()
        self.vpc = self.twin.vpc(ACCOUNT, REGION, is_default=default_vpc)
        self.twin.put_prefix_list(ACCOUNT, REGION, {"PrefixListId": PREFIX_LIST, "MaxEntries": 1}, ["10.0.0.0/8"])
        made = self.twin.call(ACCOUNT, REGION, "CreateSecurityGroup", self.named("group"))
        self.group: str = made["GroupId"]
        some = [without_none(tcp("22", EVERYONE, "10.0.0.0/8")), without_none(icmp(8, -1, EVERYONE_V6))]
        for way in ("Ingress", "Egress"):
            params = {"GroupId": self.group, "IpPermissions": some}
            self.twin.call(ACCOUNT, REGION, f"AuthorizeSecurityGroup{way}", params)

    def named(self, name: str) -> Json:
        return {"GroupName": name, "Description": "of a test", "VpcId": self.vpc}

    def rules(self) -> dict[str, SecurityGroupRule]:
        wanted = {"Filters": [{"Name": "group-id", "Values": [self.group]}]}
        found = self.twin.call(ACCOUNT, REGION, "DescribeSecurityGroupRules", wanted)["SecurityGroupRules"]
        read = [(str(raw["SecurityGroupRuleId"]), security_group_rule(raw)) for raw in found]
        assert not [rule for _, rule in read if isinstance(rule, MalformedRule)]
        return {rule_id: rule for rule_id, rule in read if isinstance(rule, SecurityGroupRule)}

    def permissions(self, way: str) -> list[Json]:
        """What is in the group, as a client finds it."""
        (found,) = self.twin.call(ACCOUNT, REGION, "DescribeSecurityGroups", {"GroupIds": [self.group]})[
            "SecurityGroups"
        ]
        return list(found["IpPermissions" if way == "Ingress" else "IpPermissionsEgress"])

    def called(self, operation: str, params: Json) -> Change | Skipped:
        """Make the call, and read what the trail makes of it."""
        answer: Json = {}
        refusal = ("", "")
        try:
            answer = self.twin.call(ACCOUNT, REGION, operation, params)
        except TwinError as error:
            refusal = (error.code, error.message)
        return parse(event(Answered(ACCOUNT, REGION, operation, params, answer, *refusal), ALICE, WHEN, IDS), OURS)


def without_none(raw: Json) -> Json:
    """As boto3 lets it through: a parameter that is not given is not there."""
    return {key: value for key, value in raw.items() if value is not None}


@st.composite
def calls(draw: st.DrawFn, account: Account) -> tuple[str, Json]:
    rules, way = account.rules(), draw(st.sampled_from(["Ingress", "Egress"]))
    facing = sorted(each for each, rule in rules.items() if rule.direction == way.lower())
    kinds = ["authorize", "revoke", "create", "delete", "describe", "flat", "tag", "by name"]
    of_what_is_there = ["revoke ids", "revoke known", "modify", "describe ids", "describe known"]
    kind = draw(st.sampled_from(kinds + (of_what_is_there if facing else [])))
    place, dry = {"GroupId": account.group}, {"DryRun": True} if draw(st.integers(0, 9)) == 9 else {}
    asked = [without_none(each) for each in draw(st.lists(asked_permissions(), min_size=1, max_size=2))]
    some = draw(st.lists(st.sampled_from(facing), min_size=1, max_size=2, unique=True)) if facing else []
    known = [draw(st.sampled_from(account.permissions(way)))] if facing else []
    flat = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.1.2.3/16"}
    becomes = {
        "IpProtocol": "tcp",
        "FromPort": 5,
        "ToPort": 6,
        "CidrIpv4": draw(st.sampled_from([EVERYONE, "1.2.3.4/0"])),
    }
    tagged = [{"ResourceType": "security-group", "Tags": [{"Key": "a", "Value": "b"}]}]
    made: dict[str, tuple[str, Json]] = {
        "authorize": (f"AuthorizeSecurityGroup{way}", {**place, "IpPermissions": asked}),
        "by name": ("AuthorizeSecurityGroupIngress", {"GroupName": "group", "IpPermissions": asked}),
        "flat": (
            draw(st.sampled_from(["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"])),
            {**place, **flat},
        ),
        "revoke": (f"RevokeSecurityGroup{way}", {**place, "IpPermissions": asked}),
        "revoke known": (
            f"RevokeSecurityGroup{way}",
            {**place, "IpPermissions": [*known, *draw(st.sampled_from([[], asked]))]},
        ),
        "describe known": (f"UpdateSecurityGroupRuleDescriptions{way}", {**place, "IpPermissions": known}),
        "revoke ids": (f"RevokeSecurityGroup{way}", {**place, "SecurityGroupRuleIds": some}),
        "modify": (
            "ModifySecurityGroupRules",
            {
                **place,
                "SecurityGroupRules": [{"SecurityGroupRuleId": each, "SecurityGroupRule": becomes} for each in some],
            },
        ),
        "describe": (f"UpdateSecurityGroupRuleDescriptions{way}", {**place, "IpPermissions": asked}),
        "describe ids": (
            f"UpdateSecurityGroupRuleDescriptions{way}",
            {
                **place,
                "SecurityGroupRuleDescriptions": [{"SecurityGroupRuleId": each, "Description": "new"} for each in some],
            },
        ),
        "create": ("CreateSecurityGroup", {**account.named("other"), "TagSpecifications": tagged}),
        "delete": ("DeleteSecurityGroup", place),
        "tag": ("CreateTags", {"Resources": [account.group], "Tags": [{"Key": "a", "Value": "b"}]}),
    }
    operation, params = made[kind]
    return operation, {**params, **dry}


@given(data=st.data(), default_vpc=st.booleans())
def test_what_the_trail_tells_is_what_has_changed(data: st.DataObject, *, default_vpc: bool) -> None:
    account = Account(default_vpc=default_vpc)
    for _ in range(data.draw(st.integers(1, 5))):
        before = account.rules()
        operation, params = data.draw(calls(account))
        read, after = account.called(operation, params), account.rules()
        assert (read.account_id, read.region, read.event_name, read.principal.name) == (
            ACCOUNT,
            REGION,
            operation,
            "alice",
        )
        refused = account.twin.log[-2].error
        if operation == "CreateTags" or refused:
            expected = SkipReason.UNSUPPORTED if operation == "CreateTags" else SkipReason.FAILED_CALL
            assert isinstance(read, Skipped)
            assert read.reason is expected
            assert before == after
            assert not refused or operation == "CreateTags" or read.note == f"Client.{refused}"
            continue
        assert isinstance(read, Change)
        assert read.kind is _KINDS[operation]
        assert read.malformed == ()
        _told(account, read, before, after)


def _told(
    account: Account, read: Change, before: dict[str, SecurityGroupRule], after: dict[str, SecurityGroupRule]
) -> None:
    """The event tells the difference: which group, and each rule by id and meaning."""
    if read.kind is ChangeKind.CREATED:
        (created,) = read.groups
        assert created != account.group
        assert created in account.twin.snapshot(ACCOUNT, REGION)
        return
    assert read.groups == (account.group,)
    if read.kind is ChangeKind.DELETED:
        assert account.group not in account.twin.snapshot(ACCOUNT, REGION)
        return
    added = {each: after[each] for each in after.keys() - before.keys()}
    removed = {each: before[each] for each in before.keys() - after.keys()}
    assert meanings(read.rules_added) == {each: identity(rule) for each, rule in added.items()}
    assert meanings(read.rules_removed) == {each: identity(rule) for each, rule in removed.items()}
    if read.kind is ChangeKind.RULES_MODIFIED:
        told = {
            each.rule_id: identity(each.facing(Direction(after[each.rule_id].direction)))
            for each in read.rules_modified
        }
        assert told == {each: identity(after[each]) for each in told}
        assert {each for each in after if identity(after[each]) != identity(before[each])} <= set(told)


def meanings(rules: tuple[SecurityGroupRule, ...]) -> dict[Any, Any]:
    """What each rule means, by its id; one that a call names twice is told twice."""
    return {rule.rule_id: identity(rule) for rule in rules}
