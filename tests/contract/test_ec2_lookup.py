"""The Lookup on EC2: what it calls, what it believes, what it does where AWS refuses, and that it sees as a scan."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.endpoint import Endpoint

from sg_compliance.aws import ec2_lookup, session, translate
from sg_compliance.aws.ec2 import Ec2Inventory, Targets
from sg_compliance.aws.ec2_group import check_agreement
from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.aws.ec2_rules import Ec2RuleWriter
from sg_compliance.bootstrap import Where, demo_where, load_policy
from sg_compliance.bootstrap.lookup import lookup
from sg_compliance.enforcement.refusals import GONE, IN_FLUX
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.security_group import GroupPeer, Place, PrefixListPeer
from sg_compliance.testing.moto_networks import demo_twin
from sg_compliance.testing.moto_server import DemoServer, demo_organisation_process
from sg_compliance.testing.organisation import demo_organisation
from tests.builders import ACCOUNT, EVERYONE, REGION, group, permission, tcp
from tests.contract.lookup_homes import GROUP_ID, PARTNER, InEc2
from tests.contract.test_aws_scripted_server import CALLER, Answer, ScriptedAws, ec2, groups, items, scripted_aws
from tests.contract.test_aws_scripted_server import group as scripted_group
from tests.world import TwinSessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel

    from sg_compliance.interfaces import Looked
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.testing.twin import Call, Twin
    from tests.builders import Json

pytestmark = pytest.mark.e2e

LIST = "pl-0a1b2c3d"
THREE = {"DescribeSecurityGroups": 1, "DescribeSecurityGroupRules": 1, "DescribeNetworkInterfaces": 1}
DEMO = demo_organisation()


@pytest.fixture
def home() -> InEc2:
    return InEc2()


def made(twin: Twin, *, names_of_groups: bool = False) -> Ec2Lookup:
    return Ec2Lookup(TwinSessions(twin), names_of_groups=names_of_groups)  # type: ignore[arg-type]


def look(home: InEc2, place: Place) -> Looked:
    return made(home.twin).group(place)


def refused(home: InEc2, place: Place) -> AwsError:
    with pytest.raises(AwsError) as caught:
        look(home, place)
    return caught.value


# --- Calls


def test_a_usual_group_takes_three_calls(home: InEc2) -> None:
    place = home.put(tcp(22, EVERYONE))
    look(home, place)
    assert home.twin.counts == THREE
    about = [call.params.get("GroupIds") or call.params["Filters"][0]["Values"] for call in home.twin.log]
    assert about == [[place.group_id]] * 3


def test_names_are_asked_for_in_any_case_and_never_as_patterns(home: InEc2) -> None:
    made(home.twin).named(ACCOUNT, REGION, ["aZ*", r"m-0?\x"])
    (names, owners) = home.twin.log[-1].params["Filters"]
    assert names == {"Name": "group-name", "Values": [r"?-0\?\\?", r"??\*"]}
    assert owners == {"Name": "owner-id", "Values": [ACCOUNT]}


def test_nothing_asked_is_no_call(home: InEc2) -> None:
    assert made(home.twin).named(ACCOUNT, REGION, ["", "  "]) == made(home.twin).referring(ACCOUNT, REGION, []) == []
    assert not home.twin.log


def test_prefix_lists_take_a_call_and_one_for_each(home: InEc2) -> None:
    for prefix_list_id in ("pl-01", "pl-02", "pl-03"):
        home.put_list(prefix_list_id)
    look(home, home.put(tcp(22, "pl-01", "pl-02")))
    assert home.twin.counts == {**THREE, "DescribeManagedPrefixLists": 1, "GetManagedPrefixListEntries": 2}


def test_names_take_one_call_more_and_only_where_they_are_asked_for_and_missing(home: InEc2) -> None:
    home.put(group_id="sg-00000002", GroupName="bastion")
    place = home.put(tcp(22, "sg-00000002", GROUP_ID))
    assert unnamed(look(home, place).group) == ["sg-00000002", GROUP_ID]
    assert home.twin.counts == THREE
    made(home.twin, names_of_groups=True).group(place)
    assert home.twin.counts["DescribeSecurityGroups"] == 3
    (asked,) = home.twin.log[-1].params["Filters"][0]["Values"]
    assert asked == "sg-00000002"
    made(home.twin, names_of_groups=True).group(home.put(tcp(22, EVERYONE, GROUP_ID), group_id=GROUP_ID))
    assert home.twin.counts["DescribeSecurityGroups"] == 4


def unnamed(found: SecurityGroup) -> list[str]:
    return [rule.peer.group_id for rule in found.rules if isinstance(rule.peer, GroupPeer) and not rule.peer.name]


def test_other_accounts_groups_keep_no_name_even_where_they_are_seen(home: InEc2) -> None:
    home.twin.vpc(ACCOUNT, REGION, "vpc-1", shared_with=[PARTNER])
    home.put(account=PARTNER, group_id="sg-00000002", GroupName="bastion")
    place = home.put(tcp(22, "sg-00000002"))
    assert unnamed(made(home.twin, names_of_groups=True).group(place).group) == ["sg-00000002"]


def test_the_three_calls_are_made_at_once(home: InEc2) -> None:
    place = home.put(tcp(22, EVERYONE))
    together = threading.Barrier(3)

    def wait_for_the_others(_: Call) -> None:
        together.wait(10)

    home.twin.faults.before(wait_for_the_others)
    assert look(home, place).group.rules


def test_the_usual_role_is_entered_but_where_the_account_has_another() -> None:
    entered = []

    class Sessions(TwinSessions):
        def client(
            self, service: str, actions: frozenset[str], region: str = "", account_id: str = "", role_name: str = ""
        ) -> Any:  # noqa: ANN401 - a client of the SDK
            entered.append((service, actions, region, account_id, role_name))
            return super().client(service, actions, region, account_id)

    home = InEc2()
    own, partners = home.put(), home.put(account=PARTNER, region="us-east-1")
    looked = Ec2Lookup(Sessions(home.twin), {PARTNER: "legacy"})  # type: ignore[arg-type]
    for place in (own, partners):
        looked.group(place)
    looked.named(PARTNER, REGION, ["x"])
    looked.referring(PARTNER, REGION, [])
    assert entered == [
        ("ec2", ec2_lookup.IAM_ACTIONS, REGION, ACCOUNT, ""),
        ("ec2", ec2_lookup.IAM_ACTIONS, "us-east-1", PARTNER, "legacy"),
        ("ec2", ec2_lookup.IAM_ACTIONS, REGION, PARTNER, "legacy"),
        ("ec2", ec2_lookup.IAM_ACTIONS, REGION, PARTNER, "legacy"),
    ]


# --- What is believed


def test_every_rule_has_its_id(home: InEc2) -> None:
    home.twin.vpc(ACCOUNT, REGION, "vpc-1")
    place = home.put(tcp(22, EVERYONE, "::/0"), egress=[tcp(22, EVERYONE)])
    told = home.twin.call(ACCOUNT, REGION, "DescribeSecurityGroupRules")["SecurityGroupRules"]
    mine = {each["SecurityGroupRuleId"] for each in told if each["GroupId"] == place.group_id}
    rules = look(home, place).group.rules
    assert {rule.rule_id for rule in rules} == mine
    assert len(mine) == 3


def between(home: InEc2, operation: str, permission: Json) -> None:
    """Change the group when AWS has answered the one call, and before it answers the other."""
    answered = threading.Event()

    def change(_: Call) -> None:
        assert answered.wait(10)
        params = {"GroupId": GROUP_ID, "IpPermissions": [permission]}
        home.twin.call(ACCOUNT, REGION, operation, params)

    home.twin.faults.after(lambda _: answered.set(), operation="DescribeSecurityGroups")
    home.twin.faults.before(change, operation="DescribeSecurityGroupRules")


@pytest.mark.parametrize("reader", ["lookup", "writer"])
@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ("AuthorizeSecurityGroupIngress", tcp(80, EVERYONE)),
        ("RevokeSecurityGroupIngress", tcp(22, EVERYONE)),
    ],
)
def test_a_group_that_is_changed_while_it_is_read_is_in_flux(
    home: InEc2, reader: str, operation: str, changed: Json
) -> None:
    place = home.put(tcp(22, EVERYONE))
    between(home, operation, changed)
    writer = Ec2RuleWriter(TwinSessions(home.twin))  # type: ignore[arg-type]
    with pytest.raises(AwsError, match=GROUP_ID) as caught:
        look(home, place) if reader == "lookup" else writer.read(place)
    assert caught.value.code == IN_FLUX


def test_a_rule_that_cannot_be_read_is_no_difference_between_the_answers(home: InEc2) -> None:
    place = home.put(permission("tcp", 23, 21, EVERYONE), tcp(22, EVERYONE), tcp(80, EVERYONE))
    assert [rule.first for rule in look(home, place).group.rules] == [22, 80]


def test_a_rule_that_cannot_be_read_does_not_hide_two_changes(home: InEc2) -> None:
    place = home.put(permission("tcp", 23, 21, EVERYONE), tcp(22, EVERYONE, "::/0"))
    between(home, "RevokeSecurityGroupIngress", tcp(22, EVERYONE, "::/0"))
    assert refused(home, place).code == IN_FLUX


def told(*ports: int) -> list[Any]:
    """Rules as DescribeSecurityGroupRules tells them; 0 for one that cannot be read."""
    raw = ({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": EVERYONE} for port in ports)
    return [translate.security_group_rule(each if each["FromPort"] else {**each, "IpProtocol": "?"}) for each in raw]


@pytest.mark.parametrize("rules", [told(22, 80), told(80, 22), told(22, 0), told(0, 0), told(22, 80, 0)], ids=str)
def test_answers_agree_where_one_cannot_read_what_the_other_can(rules: list[Any]) -> None:
    check_agreement(group(tcp(22, EVERYONE), tcp(80, EVERYONE)), rules)


def test_answers_agree_where_the_group_has_what_only_the_rules_can_read() -> None:
    check_agreement(group(tcp(22, EVERYONE), permission("?", 80, 80, EVERYONE)), told(22, 80))


@pytest.mark.parametrize("rules", [told(), told(22), told(22, 80, 443), told(22, 443), told(0), told(443, 0)], ids=str)
def test_answers_that_differ_otherwise_do_not_agree(rules: list[Any]) -> None:
    with pytest.raises(AwsError) as caught:
        check_agreement(group(tcp(22, EVERYONE), tcp(80, EVERYONE)), rules)
    assert caught.value.code == IN_FLUX


def test_the_writer_still_refuses_a_group_with_a_rule_that_it_cannot_read(home: InEc2) -> None:
    place = home.put(permission("tcp", 23, 21, EVERYONE))
    with pytest.raises(AwsError, match="cannot be read"):
        Ec2RuleWriter(TwinSessions(home.twin)).read(place)  # type: ignore[arg-type]


@pytest.mark.parametrize("reader", ["lookup", "writer"])
def test_the_owner_of_a_shared_vpc_does_not_act_on_a_participants_group(home: InEc2, reader: str) -> None:
    home.twin.vpc(ACCOUNT, REGION, "vpc-1", shared_with=[PARTNER])
    place = home.put(tcp(22, EVERYONE), account=PARTNER)._replace(account_id=ACCOUNT)
    writer = Ec2RuleWriter(TwinSessions(home.twin))  # type: ignore[arg-type]
    read = partial(look, home) if reader == "lookup" else writer.read
    with pytest.raises(AwsError, match=f"{place}: the group is of account {PARTNER}") as caught:
        read(place)
    assert caught.value.code in GONE
    assert PARTNER in caught.value.hint


def test_a_group_looks_as_in_a_scan_all_odd_groups_of_the_demo_among_them() -> None:
    twin = demo_twin()
    scanned = Ec2Inventory(TwinSessions(twin), Targets(names_of_groups=True))  # type: ignore[arg-type]
    looked = made(twin, names_of_groups=True)
    count = 0
    for shard in {Shard("", each.account_id, each.region) for each in DEMO.groups}:
        pages = [part for part in scanned.read(shard) if isinstance(part, Page)]
        lists = {name: each for page in pages for name, each in page.prefix_lists.items()}
        for as_scanned in scanned.with_rule_ids(shard, [each for page in pages for each in page.groups]):
            found = looked.group(as_scanned.place)
            assert found.group == as_scanned
            assert found.prefix_lists == {name: lists[name] for name in lists_of(as_scanned)}
            count += 1
    assert count == len(DEMO.groups)


def lists_of(found: SecurityGroup) -> set[str]:
    return {rule.peer.prefix_list_id for rule in found.rules if isinstance(rule.peer, PrefixListPeer)}


# --- What is refused


def test_without_the_second_call_one_is_enough_as_in_a_scan(home: InEc2) -> None:
    home.twin.faults.deny("ec2:DescribeSecurityGroupRules")
    (rule,) = look(home, home.put(tcp(22, EVERYONE))).group.rules
    assert (rule.first, rule.rule_id) == (22, None)


def test_without_interfaces_a_group_is_judged_all_the_same(home: InEc2) -> None:
    place = home.put(tcp(22, EVERYONE))
    assert look(home, place).group.interfaces == ()
    home.twin.faults.deny("ec2:DescribeNetworkInterfaces")
    assert look(home, place).group.interfaces is None


def test_without_prefix_lists_what_they_hold_is_unknown(home: InEc2) -> None:
    home.put_list(LIST, "10.0.0.0/8")
    home.twin.faults.deny("ec2:DescribeManagedPrefixLists", "ec2:GetManagedPrefixListEntries")
    assert look(home, home.put(tcp(22, LIST))).prefix_lists[LIST].blocks is None


def test_without_the_group_there_is_nothing(home: InEc2) -> None:
    home.twin.faults.deny("ec2:DescribeSecurityGroups")
    found = refused(home, home.put())
    assert found.code == "UnauthorizedOperation"
    assert found.hint == f"allow ec2:DescribeSecurityGroups to {TwinSessions.enter(ACCOUNT)}"


def test_who_is_refused_is_told_by_the_role_that_the_account_has(home: InEc2) -> None:
    home.twin.faults.deny("ec2:DescribeSecurityGroups")
    looked = Ec2Lookup(TwinSessions(home.twin), {ACCOUNT: "legacy"})  # type: ignore[arg-type]
    with pytest.raises(AwsError) as caught:
        looked.group(home.put())
    assert caught.value.hint.endswith(":role/legacy")


def test_that_the_group_is_gone_is_told_before_all_else(home: InEc2) -> None:
    home.twin.faults.fail("InternalError", operation="DescribeSecurityGroupRules")
    home.twin.faults.lose_response(operation="DescribeNetworkInterfaces")
    assert refused(home, home.put()._replace(group_id="sg-0fff")).code in GONE


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError"])
def test_a_second_answer_that_is_only_late_is_not_done_without(home: InEc2, code: str) -> None:
    home.twin.faults.fail(code, operation="DescribeSecurityGroupRules")
    assert refused(home, home.put()).code == code


def test_a_lost_connection_is_no_refusal(home: InEc2) -> None:
    home.twin.faults.lose_response(operation="DescribeNetworkInterfaces")
    assert refused(home, home.put()).code == "TimeoutError"


# --- Names and prefix lists


def test_groups_of_one_name_come_from_all_pages(home: InEc2) -> None:
    places = [home.put(group_id=f"sg-{number:08x}", GroupName="default") for number in range(1001)]
    assert made(home.twin).named(ACCOUNT, REGION, ["default"]) == places
    assert home.twin.counts == {"DescribeSecurityGroups": 2}


def test_a_shared_vpcs_foreign_groups_are_not_found_by_name_or_list(home: InEc2) -> None:
    home.twin.vpc(ACCOUNT, REGION, "vpc-1", shared_with=[PARTNER])
    home.twin.put_prefix_list(ACCOUNT, REGION, {"PrefixListId": LIST, "OwnerId": "AWS"})
    home.put(tcp(22, LIST), account=PARTNER, GroupName="shop")
    assert made(home.twin).named(ACCOUNT, REGION, ["shop"]) == []
    assert made(home.twin).referring(ACCOUNT, REGION, [LIST]) == []


def test_associations_come_from_all_pages(home: InEc2) -> None:
    home.put_list(LIST, shared_with=PARTNER)
    places = [home.put(tcp(22, LIST), account=PARTNER, group_id=f"sg-{number:08x}") for number in range(256)]
    assert made(home.twin).referring(ACCOUNT, REGION, [LIST]) == places
    assert home.twin.counts == {"DescribeSecurityGroups": 2, "GetManagedPrefixListAssociations": 2}


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "UnsupportedOperation", "InvalidPrefixListID.NotFound"])
def test_where_aws_does_not_tell_of_associations_the_accounts_own_groups_are_found(home: InEc2, code: str) -> None:
    home.put_list(LIST, shared_with=PARTNER)
    home.put(tcp(22, LIST), account=PARTNER, group_id="sg-00000001")
    own = [home.put(tcp(22, LIST), group_id="sg-00000003"), home.put(egress=[tcp(22, LIST)], group_id="sg-00000004")]
    home.twin.faults.fail(code, operation="GetManagedPrefixListAssociations")
    assert made(home.twin).referring(ACCOUNT, REGION, [LIST]) == own


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError", "RequestExpired"])
def test_associations_that_are_only_late_are_not_done_without(home: InEc2, code: str) -> None:
    home.put_list(LIST)
    home.twin.faults.fail(code, operation="GetManagedPrefixListAssociations")
    with pytest.raises(AwsError) as caught:
        made(home.twin).referring(ACCOUNT, REGION, [LIST])
    assert caught.value.code == code


def test_associations_whose_answer_is_lost_are_not_done_without(home: InEc2) -> None:
    home.put_list(LIST)
    home.twin.faults.lose_response(operation="GetManagedPrefixListAssociations")
    with pytest.raises(AwsError):
        made(home.twin).referring(ACCOUNT, REGION, [LIST])


def test_a_consumer_of_a_list_finds_its_own_groups(home: InEc2) -> None:
    home.put_list(LIST, shared_with=PARTNER)
    home.put(tcp(22, LIST))
    partners = home.put(tcp(22, LIST), account=PARTNER, group_id="sg-00000001")
    assert made(home.twin).referring(PARTNER, REGION, [LIST]) == [partners]


@pytest.fixture
def scripted() -> Iterator[ScriptedAws]:
    with scripted_aws() as aws:
        yield aws


@pytest.mark.parametrize("found", [[], [scripted_group("sg-2")], [scripted_group("sg-1"), scripted_group("sg-2")]])
def test_an_answer_that_is_about_another_group_is_not_believed(scripted: ScriptedAws, found: list[str]) -> None:
    scripted.answers["DescribeSecurityGroups"] = groups(*found)
    with pytest.raises(AwsError, match="the answer is not about sg-1") as caught:
        Ec2Lookup(scripted.sessions()).group(Place(CALLER, REGION, "sg-1"))
    assert caught.value.code == "MalformedResponse"


def test_route_tables_that_refer_to_a_list_are_no_groups(scripted: ScriptedAws) -> None:
    associations = [("rtb-1", CALLER), ("sg-1", PARTNER), ("sg-2", ""), ("tgw-rtb-1", CALLER)]
    scripted.answers["DescribeSecurityGroups"] = groups()
    scripted.answers["GetManagedPrefixListAssociations"] = associated(*associations)
    found = Ec2Lookup(scripted.sessions()).referring(CALLER, REGION, [LIST])
    assert [(each.account_id, each.group_id) for each in found] == [(CALLER, "sg-2"), (PARTNER, "sg-1")]


def associated(*resources: tuple[str, str]) -> Answer:
    inner = (
        f"<resourceId>{name}</resourceId>" + (f"<resourceOwner>{owner}</resourceOwner>" if owner else "")
        for name, owner in resources
    )
    return ec2("GetManagedPrefixListAssociations", items("prefixListAssociationSet", *inner))


# --- Over HTTP, in the demo organisation, wired as it is used


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_organisation_process() as started:
        yield started


def test_the_declared_actions_are_the_calls_that_are_made(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    called: Counter[str] = Counter()
    call = Endpoint.make_request

    def record(self: Endpoint, model: OperationModel, request: dict[str, Any]) -> tuple[Any, Any]:
        called[f"{model.service_model.service_name}:{model.name}"] += 1
        answered: tuple[Any, Any] = call(self, model, request)
        return answered

    monkeypatch.setattr(Endpoint, "make_request", record)
    shared = next(each for each in DEMO.prefix_lists if each.owner_id != "AWS" and len(each.visible_to) > 1)
    with lookup(demo_where(server), load_policy(None)) as found:
        places = found.referring(shared.owner_id, shared.region, [shared.prefix_list_id])
        assert len({place.account_id for place in places}) > 1
        for place in places:
            assert found.group(place).prefix_lists[shared.prefix_list_id].blocks
            name = found.group(place).group.name
            assert place in found.named(place.account_id, place.region, [name.upper()])
    assert called.keys() == ec2_lookup.IAM_ACTIONS | session.IAM_ACTIONS


def test_with_sources_groups_are_looked_up_in_files(home: InEc2) -> None:
    del home
    with lookup(Where(sources=("docs/examples/aws",)), load_policy(None)) as found:
        (place,) = found.named("111122223333", "eu-west-1", ["web-alb"])
        assert found.group(place).group.rules
