"""AWS's JSON as AWS means it, and what cannot mean anything as malformed with its reason."""

from __future__ import annotations

import pytest

from sg_compliance.aws.translate import prefix_list, rule_ids, with_rule_ids
from sg_compliance.model.security_group import CidrPeer, Direction, GroupPeer, PrefixListPeer
from tests.builders import EVERYONE, all_traffic, group, icmp, permission, raw_group, read, tcp


def spans(*permissions: dict[str, object]) -> list[tuple[int, int, int]]:
    return [rule[1:4] for rule in group(*permissions).rules]


@pytest.mark.parametrize(
    ("written", "number"),
    [("tcp", 6), ("6", 6), (6, 6), ("UDP", 17), ("icmp", 1), ("1", 1), ("58", 58), ("icmpv6", 58)],
)
def test_protocols_by_name_and_number(written: object, number: int) -> None:
    assert spans(permission(written, -1, -1, EVERYONE)) == [(number, 0, 65535)]


def test_minus_1_is_everything_whatever_the_ports() -> None:
    for ends in ((None, None), (80, 80), (-1, -1), (0, 65535), ("x", 5)):
        assert spans(permission("-1", *ends, EVERYONE)) == [(-1, 0, 65535)]


def test_icmp_is_type_and_code() -> None:
    assert spans(icmp(8, 0, EVERYONE), icmp(3, -1, EVERYONE), icmp(-1, -1, EVERYONE)) == [
        (1, 2048, 2048),
        (1, 768, 1023),
        (1, 0, 65535),
    ]


@pytest.mark.parametrize(
    "ends",
    [
        (23, 21),
        (22, None),
        (None, 22),
        (-5, 22),
        (22, 65536),
        ("ssh", 22),
        (2.5, 3),
        (True, 22),
        ([], 1),
        ("9" * 5000, 1),
    ],
)
def test_ports_without_meaning_are_malformed(ends: tuple[object, object]) -> None:
    made = group(permission("tcp", *ends, EVERYONE))
    assert not made.rules
    (malformed,) = made.malformed
    assert malformed.peer == EVERYONE
    assert malformed.problem


@pytest.mark.parametrize("protocol", [None, "", "tpc", "256", "-2", "1e1", True, {}, "٦"])
def test_a_protocol_without_meaning_is_malformed(protocol: object) -> None:
    made = group(permission(protocol, 22, 22, EVERYONE))
    assert (len(made.rules), len(made.malformed)) == (0, 1)


@pytest.mark.parametrize("ends", [(256, -1), (8, 256), (-2, 0), (8, -2)])
def test_icmp_types_and_codes_out_of_range_are_malformed(ends: tuple[int, int]) -> None:
    assert len(group(icmp(*ends, EVERYONE)).malformed) == 1


def test_a_cidr_that_cannot_be_read_is_malformed_and_its_neighbours_are_not() -> None:
    made = group(tcp(22, "10.0.0.0/33", EVERYONE))
    assert [malformed.peer for malformed in made.malformed] == ["10.0.0.0/33"]
    assert len(made.rules) == 1


@pytest.mark.parametrize("ranges", [[EVERYONE], {"CidrIp": EVERYONE}, [{"CidrIP": EVERYONE}], EVERYONE])
def test_ranges_of_another_shape_are_never_dropped_in_silence(ranges: object) -> None:
    made = group({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges})
    assert made.malformed


@pytest.mark.parametrize("permissions", [["tcp"], [[tcp(22, EVERYONE)]], {"0": tcp(22, EVERYONE)}, "tcp"])
def test_permissions_of_another_shape_are_never_dropped_in_silence(permissions: object) -> None:
    assert read(raw_group(IpPermissions=permissions)).malformed


def test_a_port_of_another_type_beside_minus_1_can_still_be_judged() -> None:
    assert hash(group(permission("-1", {}, [], EVERYONE)))


def test_every_kind_of_peer_is_read() -> None:
    kinds = [type(rule.peer) for rule in group(tcp(22, EVERYONE, "::/0", "pl-1", "sg-1")).rules]
    assert kinds == [CidrPeer, CidrPeer, PrefixListPeer, GroupPeer]


def test_a_group_of_another_account_keeps_its_account() -> None:
    pair = {"GroupId": "sg-far", "UserId": "999988887777", "GroupName": "far"}
    made = group({"IpProtocol": "-1", "UserIdGroupPairs": [pair]})
    assert made.rules[0].peer == GroupPeer("sg-far", "999988887777", "far")


def test_egress_is_egress() -> None:
    assert [rule.direction for rule in group(egress=[all_traffic(EVERYONE)]).rules] == [Direction.EGRESS]


def test_the_place_is_taken_from_the_arn() -> None:
    made = read(raw_group(SecurityGroupArn="arn:aws:ec2:ap-south-1:111122223333:security-group/sg-1"))
    assert (made.account_id, made.region) == ("111122223333", "ap-south-1")


def test_rules_get_the_ids_that_aws_gave_them() -> None:
    ids = rule_ids(
        [
            {
                "SecurityGroupRuleId": "sgr-1",
                "IsEgress": False,
                "IpProtocol": "tcp",
                "FromPort": 22,
                "ToPort": 22,
                "CidrIpv4": EVERYONE,
            },
            {
                "SecurityGroupRuleId": "sgr-2",
                "IsEgress": True,
                "IpProtocol": "-1",
                "FromPort": -1,
                "ToPort": -1,
                "PrefixListId": "pl-1",
            },
            {"SecurityGroupRuleId": "sgr-3", "IpProtocol": "tcp", "FromPort": 9, "ToPort": 1, "CidrIpv4": EVERYONE},
        ]
    )
    made = with_rule_ids(group(tcp(22, EVERYONE, "10.0.0.0/8"), egress=[all_traffic("pl-1")]), ids)
    assert [rule.rule_id for rule in made.rules] == ["sgr-1", None, "sgr-2"]


def test_a_prefix_list_with_an_entry_that_cannot_be_read_is_unreadable() -> None:
    assert prefix_list({"PrefixListId": "pl-1"}, [{"Cidr": EVERYONE}, {"Cidr": "x"}]).blocks is None
    assert prefix_list({"PrefixListId": "pl-1"}, None).blocks is None
    assert prefix_list({"PrefixListId": "pl-1"}, []).blocks == ()


def test_a_prefix_list_counts_its_most_entries() -> None:
    assert prefix_list({"PrefixListId": "pl-1", "MaxEntries": 20}, [{"Cidr": EVERYONE}]).weight() == 20
    assert prefix_list({"PrefixListId": "pl-1"}, None).weight() == 1
