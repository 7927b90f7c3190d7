"""The demo organisation is what it says it is: its size, its cases, AWS's limits, what is expected of each group."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from sg_compliance.testing.organisation import demo_organisation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.testing.organisation import Group, IpPermission

ORGANISATION = demo_organisation()
PREFIX_LISTS = {each.prefix_list_id: each for each in ORGANISATION.prefix_lists}
CASES = {group.case: group for group in ORGANISATION.groups if group.case}
AS_IN_AWS = [group for group in ORGANISATION.groups if not group.oddity]

EVASIONS_AND_DECOYS = (
    "two halves of the internet in one permission",
    "two halves of the internet in two permissions",
    "256 blocks of /8",
    "everything but 10.0.0.0/8",
    "everything but one address: a matter for a budget of public addresses",
    "two halves of the IPv6 internet",
    "all global unicast IPv6",
    "long-form IPv6",
    "a /0 with host bits",
    "decoy: 0.0.0.0/16",
    "decoy: 0.0.0.0/32",
    "10.0.0.0/8 and 0.0.0.0/0 in one permission",
    "tcp 20-25",
    "tcp 22-23",
    "tcp 20-22",
    "tcp 0-65535",
    "tcp 1-65535",
    "tcp 80-65535",
    "tcp without ports",
    "an inverted range, 23-21",
    "1,000 rules in one group, one of them open",
    "-1",
    "-1 from two halves",
    "-1 with ports 80-80",
    "protocol 6",
    "protocol TCP",
    "decoy: GRE",
    "decoy: ESP",
    "decoy: ICMP type 22",
    "decoy: ICMP type 252",
    "decoy: udp 22",
    "a prefix list that holds 0.0.0.0/0",
    "an IPv6 prefix list that holds ::/0",
    "one half in a prefix list, the other in a rule",
    "a prefix list that cannot be read",
    "a self reference beside 0.0.0.0/0",
    "decoy: a reference to a group only",
    "decoy: a reference to another account's group",
    "a missing Ipv6Ranges key",
    "a group without VPC",
    "two halves of the internet, outbound",
)


def permissions(group: Group) -> Iterator[IpPermission]:
    yield from (*group.ingress, *group.egress)


def cidr_texts(permission: IpPermission) -> Iterator[str]:
    yield from (each["CidrIp"] for each in permission.get("IpRanges", []))
    yield from (each["CidrIpv6"] for each in permission.get("Ipv6Ranges", []))


def test_it_has_six_accounts_in_three_units_and_three_regions() -> None:
    assert len(ORGANISATION.accounts) == 6
    assert {account.ou_id for account in ORGANISATION.accounts} == {
        unit.ou_id for unit in ORGANISATION.organizational_units
    }
    assert len(ORGANISATION.organizational_units) == 3
    assert len(ORGANISATION.regions) == 3


def test_it_has_about_400_groups_and_some_in_each_account_and_region() -> None:
    assert 380 <= len(ORGANISATION.groups) <= 420
    shards = {(group.account_id, group.region) for group in ORGANISATION.groups}
    assert len(shards) == 18


def test_it_is_the_same_each_time_it_is_put_together() -> None:
    assert demo_organisation.__wrapped__() == ORGANISATION
    first = ORGANISATION.groups[0]
    assert (first.name, first.group_id) == ("default", "sg-7db56c3d29ac3f8c6")


def test_ids_are_unique_and_look_like_aws_ids() -> None:
    ids = [
        *(group.group_id for group in ORGANISATION.groups),
        *(vpc.vpc_id for vpc in ORGANISATION.vpcs),
        *(vpc.subnet_id for vpc in ORGANISATION.vpcs),
        *(each.prefix_list_id for each in ORGANISATION.prefix_lists),
        *(each.interface_id for each in ORGANISATION.interfaces),
    ]
    assert [each for each, count in Counter(ids).items() if count > 1] == []
    assert [each for each in ids if not re.fullmatch(r"(sg|vpc|subnet|pl|eni)-[0-9a-f]{17}", each)] == []


def test_organizations_ids_look_like_aws_ids() -> None:
    assert re.fullmatch(r"o-[a-z0-9]{10,32}", ORGANISATION.organization_id)
    assert re.fullmatch(r"r-[0-9a-z]{4,32}", ORGANISATION.root_id)
    for unit in ORGANISATION.organizational_units:
        assert re.fullmatch(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}", unit.ou_id)
    for account in (*ORGANISATION.accounts, *ORGANISATION.suspended_accounts):
        assert re.fullmatch(r"\d{12}", account.account_id)


def test_every_evasion_and_decoy_is_there() -> None:
    assert [case for case in EVASIONS_AND_DECOYS if case not in CASES] == []


def test_the_group_of_a_thousand_rules_has_a_thousand() -> None:
    group = CASES["1,000 rules in one group, one of them open"]
    assert sum(len(list(cidr_texts(each))) for each in group.ingress) == 1000


def test_the_list_that_cannot_be_read_is_not_defined() -> None:
    (permission,) = CASES["a prefix list that cannot be read"].ingress
    assert permission["PrefixListIds"][0]["PrefixListId"] not in PREFIX_LISTS


def test_most_groups_are_clean_and_few_let_everything_out() -> None:
    flagged = [group for group in ORGANISATION.groups if group.expected]
    outbound = [group for group in flagged if "PROHIBIT_OUTBOUND_ALL_TRAFFIC" in group.expected]
    assert 0.1 < len(flagged) / len(ORGANISATION.groups) < 0.3
    assert len(outbound) / len(ORGANISATION.groups) < 0.2


def test_tags_are_mostly_there_and_sometimes_missing() -> None:
    for key in ("Environment", "Owner", "Purpose", "Project"):
        share = sum(key in group.tags for group in ORGANISATION.groups) / len(ORGANISATION.groups)
        assert 0.75 < share < 1, key


def test_references_lead_to_groups_of_the_definition() -> None:
    known = {(group.account_id, group.group_id) for group in ORGANISATION.groups}
    named = {
        (pair["UserId"], pair["GroupId"])
        for group in ORGANISATION.groups
        for permission in permissions(group)
        for pair in permission["UserIdGroupPairs"]
    }
    assert named <= known


def test_prefix_lists_are_visible_where_they_are_used() -> None:
    for group in ORGANISATION.groups:
        for permission in permissions(group):
            for each in permission["PrefixListIds"]:
                found = PREFIX_LISTS.get(each["PrefixListId"])
                assert found is None or group.account_id in found.visible_to, group.name


def test_interfaces_have_at_most_five_groups_of_their_own_vpc() -> None:
    groups = {group.group_id: group for group in ORGANISATION.groups}
    subnets = {vpc.subnet_id: vpc for vpc in ORGANISATION.vpcs}
    for interface in ORGANISATION.interfaces:
        vpc = subnets[interface.subnet_id]
        assert 1 <= len(interface.group_ids) <= 5
        assert {groups[each].vpc_id for each in interface.group_ids} == {vpc.vpc_id}
        assert ip_address(interface.private_ip) in ip_network(vpc.subnet_cidr)


# --- AWS's limits, for all groups that could exist in AWS


@pytest.mark.parametrize("field", ["ingress", "egress"])
def test_the_default_quota_of_60_rules_is_kept(field: str) -> None:
    for group in AS_IN_AWS:
        peers = [
            (kind, each)
            for permission in getattr(group, field)
            for kind in permission
            for each in _list(permission, kind)
        ]
        weights: Counter[str] = Counter()
        for kind, peer in peers:
            weight = PREFIX_LISTS[peer["PrefixListId"]].weight if peer.get("PrefixListId") in PREFIX_LISTS else 1
            for family in ("IPv4", "IPv6"):
                if kind not in {"IpRanges", "Ipv6Ranges"} or kind == {"IPv4": "IpRanges", "IPv6": "Ipv6Ranges"}[family]:
                    weights[family] += weight
        assert all(count <= 60 for count in weights.values()), group.name


def test_cidrs_are_canonical_and_port_ranges_run_upwards() -> None:
    for group in AS_IN_AWS:
        for permission in permissions(group):
            assert [text for text in cidr_texts(permission) if str(ip_network(text)) != text] == [], group.name
            if permission["IpProtocol"] in {"tcp", "udp"}:
                assert 0 <= permission["FromPort"] <= permission["ToPort"] <= 65535, group.name
            elif permission["IpProtocol"] != "icmp":
                assert "FromPort" not in permission, group.name


def test_permissions_are_grouped_by_protocol_and_ports_with_all_four_lists() -> None:
    for group in ORGANISATION.groups:
        for direction in (group.ingress, group.egress):
            keys = [(each["IpProtocol"], each.get("FromPort"), each.get("ToPort")) for each in direction]
            assert len(keys) == len(set(keys)), group.name
    for group in AS_IN_AWS:
        for permission in permissions(group):
            assert {"IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"} <= permission.keys()


def test_names_and_texts_are_such_as_aws_takes() -> None:
    names = Counter((group.region, group.vpc_id, group.name) for group in ORGANISATION.groups)
    assert max(names.values()) == 1
    allowed = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
    for group in ORGANISATION.groups:
        assert allowed.fullmatch(group.name)
        assert not group.name.startswith("sg-")
        assert allowed.fullmatch(group.description), group.description
        for permission in permissions(group):
            for kind in permission:
                assert all(allowed.fullmatch(peer.get("Description", "-")) for peer in _list(permission, kind))


def test_tags_are_such_as_aws_takes() -> None:
    for group in ORGANISATION.groups:
        assert len(group.tags) <= 50
        assert all(0 < len(key) <= 128 and len(value) <= 256 for key, value in group.tags.items())


def _list(permission: IpPermission, kind: str) -> list[dict[str, str]]:
    value = dict(permission)[kind]
    return value if isinstance(value, list) else []


# --- What is expected of each group, held to a slow oracle: one public address of each /8, and one at a time


PROBES_IPV4 = (*(IPv4Address(f"{n}.77.77.77") for n in range(1, 224) if n not in {10, 127}), IPv4Address("8.8.8.8"))
PROBES_IPV6 = tuple(IPv6Address(text) for text in ("2001:4860:4860::8888", "2400::1", "2600::1", "2a00::1", "2c0f::1"))
PORT_RULES = {"PROHIBIT_ALL_TRAFFIC_HTTP": 80, "PROHIBIT_ALL_TRAFFIC_SSH": 22, "PROHIBIT_ALL_TRAFFIC_RDP": 3389}


@cache
def contains(text: str, address: IPv4Address | IPv6Address) -> bool:
    return address in ip_network(text, strict=False)


def blocks(permission: IpPermission) -> set[str]:
    listed = (entries_of(each["PrefixListId"]) for each in permission.get("PrefixListIds", []))
    return {*cidr_texts(permission), *chain.from_iterable(listed)}


def entries_of(prefix_list_id: str) -> Iterable[str]:
    """A list that cannot be read may hold anything."""
    found = PREFIX_LISTS.get(prefix_list_id)
    return [block for block, _ in found.entries] if found else ["0.0.0.0/0", "::/0"]


def admits_all(direction: Iterable[IpPermission], probes: Iterable[IPv4Address | IPv6Address]) -> bool:
    open_blocks = {block for permission in direction for block in blocks(permission)}
    return bool(open_blocks) and all(any(contains(block, probe) for block in open_blocks) for probe in probes)


def opens_port(permission: IpPermission, port: int) -> bool:
    protocol = permission["IpProtocol"].lower()
    in_range = permission.get("FromPort", 0) <= port <= permission.get("ToPort", 65535)
    return protocol == "-1" or (protocol in {"tcp", "6"} and in_range)


def judged_by_the_oracle(group: Group) -> Iterator[str]:
    for rule_id, port in PORT_RULES.items():
        if admits_all([each for each in group.ingress if opens_port(each, port)], PROBES_IPV4):
            yield rule_id
    everything_in = [each for each in group.ingress if each["IpProtocol"] == "-1"]
    if admits_all(everything_in, PROBES_IPV4):
        yield "PROHIBIT_ALL_TRAFFIC_ANY_PORT"
    if admits_all(everything_in, PROBES_IPV6):
        yield "PROHIBIT_IPV6_ALL_TRAFFIC"
    if admits_all([each for each in group.egress if each["IpProtocol"] == "-1"], PROBES_IPV4):
        yield "PROHIBIT_OUTBOUND_ALL_TRAFFIC"


@pytest.mark.parametrize("group", ORGANISATION.groups, ids=lambda group: f"{group.name}-{group.group_id[3:9]}")
def test_what_is_expected_of_a_group_is_what_its_rules_say(group: Group) -> None:
    assert sorted(group.expected) == sorted(judged_by_the_oracle(group))
