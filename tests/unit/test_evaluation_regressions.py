"""Groups that have fooled a tool: each test is one way to write traffic that means more, or less, than it seems."""

from __future__ import annotations

import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

import pytest

from tests.builders import (
    ALL_OUT,
    ALL_V4,
    ALL_V6,
    BASELINE,
    EVERYONE,
    EVERYONE_V6,
    HTTP,
    RDP,
    SSH,
    WIDE_SSH,
    all_traffic,
    baseline,
    bind,
    group,
    icmp,
    judge,
    only,
    permission,
    policy,
    prohibit,
    raw_group,
    read,
    restrict,
    tcp,
    udp,
    violated,
)

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding


def everything_but(hole: str) -> list[str]:
    """The blocks of the whole space without one block."""
    block = ip_network(hole)
    if isinstance(block, IPv4Network):
        return [str(each) for each in IPv4Network(EVERYONE).address_exclude(block)]
    return [str(each) for each in IPv6Network(EVERYONE_V6).address_exclude(block)]


def ssh_finding(*permissions: dict[str, object]) -> Finding:
    return only(finding for finding in judge(bind(BASELINE), group(*permissions)) if finding.rule_id == SSH)


# Addresses


def test_two_halves_of_the_internet_are_the_internet() -> None:
    assert SSH in baseline(group(tcp(22, "0.0.0.0/1", "128.0.0.0/1")))


def test_two_halves_in_two_permissions_are_the_internet() -> None:
    assert SSH in baseline(group(tcp("20-22", "0.0.0.0/1"), tcp("22-30", "128.0.0.0/1")))


def test_two_halves_on_different_ports_are_not_the_internet() -> None:
    assert SSH not in baseline(group(tcp("20-21", "0.0.0.0/1"), tcp("21-30", "128.0.0.0/1")))


def test_half_through_all_traffic_and_half_through_tcp_is_the_internet() -> None:
    fired = baseline(group(all_traffic("0.0.0.0/1"), tcp(22, "128.0.0.0/1")))
    assert SSH in fired
    assert ALL_V4 not in fired


def test_256_blocks_of_slash_8_are_the_internet() -> None:
    assert RDP in baseline(group(tcp(3389, *(f"{first}.0.0.0/8" for first in range(256)))))


def test_255_blocks_of_slash_8_are_not_the_internet() -> None:
    assert RDP not in baseline(group(tcp(3389, *(f"{first}.0.0.0/8" for first in range(256) if first != 54))))


def test_leaving_a_private_slash_8_out_of_the_blocks_is_no_escape() -> None:
    assert RDP in baseline(group(tcp(3389, *(f"{first}.0.0.0/8" for first in range(256) if first != 10))))


def test_everything_but_10_0_0_0_slash_8_is_the_internet() -> None:
    assert SSH in baseline(group(tcp(22, *everything_but("10.0.0.0/8"))))


@pytest.mark.parametrize(
    "hole", ["172.16.0.0/12", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "203.0.113.0/24", "224.0.0.0/3"]
)
def test_leaving_out_what_is_not_on_the_internet_is_no_escape(hole: str) -> None:
    assert SSH in baseline(group(tcp(22, *everything_but(hole))))


def test_everything_but_one_address_is_caught_by_the_budget() -> None:
    fired = baseline(group(tcp(22, *everything_but("8.8.8.8/32"))))
    assert SSH not in fired
    assert WIDE_SSH in fired


def test_overlapping_blocks_do_not_make_up_for_a_missing_address() -> None:
    assert SSH not in baseline(group(tcp(22, *everything_but("8.8.8.8/32"), "9.0.0.0/8"), tcp("20-25", "54.0.0.0/8")))


def test_half_of_the_internet_alone_is_caught_by_the_budget() -> None:
    fired = baseline(group(tcp(22, "0.0.0.0/1")))
    assert SSH not in fired
    assert WIDE_SSH in fired


def test_a_budget_is_exact_to_the_address() -> None:
    budget = prohibit(22, EVERYONE, max_public_addresses=256)
    assert not violated(budget, group(tcp(22, "8.8.8.0/24")))
    assert violated(budget, group(tcp(22, "8.8.8.0/24", "9.9.9.9/32")))


def test_a_budget_counts_overlapping_blocks_once() -> None:
    budget = prohibit(22, EVERYONE, max_public_addresses=256)
    assert not violated(budget, group(tcp(22, "8.8.8.0/24", "8.8.8.0/25", "8.8.8.7/32"), tcp("20-30", "8.8.8.128/25")))


def test_a_budget_counts_the_last_address_of_a_block_once() -> None:
    budget = prohibit(22, EVERYONE, max_public_addresses=256)
    assert not violated(budget, group(tcp(22, "8.8.8.0/24", "8.8.8.255/32")))


def test_a_budget_does_not_count_private_addresses() -> None:
    assert not violated(prohibit(22, EVERYONE, max_public_addresses=0), group(tcp(22, "10.0.0.0/8", "192.168.0.0/16")))


def test_a_budget_counts_the_family_of_its_source_only() -> None:
    budget = prohibit(22, EVERYONE, max_public_addresses=0)
    assert not violated(budget, group(tcp(22, "2600::/16")))
    assert violated(prohibit(22, EVERYONE_V6, max_public_addresses=0), group(tcp(22, "2600::/16")))


def test_a_budget_counts_each_port_on_its_own() -> None:
    budget = prohibit("22-23", EVERYONE, max_public_addresses=256)
    assert not violated(budget, group(tcp(22, "8.8.8.0/24"), tcp(23, "9.9.9.0/24")))


def test_two_halves_of_ipv6_are_the_internet() -> None:
    assert baseline(group(tcp(22, "::/1", "8000::/1"))) == {SSH}


def test_all_global_unicast_ipv6_is_the_internet() -> None:
    assert baseline(group(tcp(22, "2000::/3"))) == {SSH}


def test_half_of_global_unicast_ipv6_is_not_the_internet() -> None:
    assert baseline(group(tcp(22, "2000::/4"))) == set()


def test_host_bits_in_a_slash_0_are_dropped_as_aws_does() -> None:
    assert SSH in baseline(group(tcp(22, "1.2.3.4/0")))


@pytest.mark.parametrize("text", ["0:0:0:0:0:0:0:0/0", "0000:0000:0000:0000:0000:0000:0000:0000/0", "2001:DB8::1/0"])
def test_long_form_ipv6_is_the_same_block(text: str) -> None:
    assert SSH in baseline(group(tcp(22, text)))


@pytest.mark.parametrize("text", ["0.0.0.0/16", "0.0.0.0/32", "0.0.0.0/8", "::/128", "::/16"])
def test_a_block_that_starts_with_zeros_is_not_the_internet(text: str) -> None:
    assert baseline(group(tcp(22, text))) == set()


# Ports


@pytest.mark.parametrize("ports", ["20-25", "22-23", "20-22", "22", "0-65535", "1-65535", "0-22"])
def test_a_range_with_port_22_in_it_opens_ssh(ports: str) -> None:
    assert SSH in baseline(group(tcp(ports, EVERYONE)))


@pytest.mark.parametrize("ports", ["0-21", "23-65535", "220", "2222", "0"])
def test_a_range_without_port_22_does_not_open_ssh(ports: str) -> None:
    assert SSH not in baseline(group(tcp(ports, EVERYONE)))


def test_ports_80_to_65535_open_http_and_rdp_and_not_ssh() -> None:
    assert baseline(group(tcp("80-65535", EVERYONE))) == {HTTP, RDP}


def test_all_of_tcp_is_not_all_traffic() -> None:
    fired = baseline(group(tcp("0-65535", EVERYONE)))
    assert {SSH, HTTP, RDP} <= fired
    assert ALL_V4 not in fired


@pytest.mark.parametrize("ends", [(-1, -1), (None, None), ("-1", "-1")])
def test_tcp_without_ports_means_all_ports(ends: tuple[object, object]) -> None:
    assert {SSH, HTTP, RDP} <= baseline(group(permission("tcp", *ends, EVERYONE)))


def test_a_rule_on_all_ports_is_about_groups_that_open_all_of_them() -> None:
    every = prohibit("0-65535")
    assert violated(every, group(tcp("0-65535", EVERYONE)))
    assert violated(every, group(tcp("0-30000", EVERYONE), tcp("30001-65535", EVERYONE)))
    assert not violated(every, group(tcp("0-30000", EVERYONE), tcp("30002-65535", EVERYONE)))


@pytest.mark.parametrize("ports", ["0-65535", "*", None])
def test_all_ports_can_be_written_in_three_ways(ports: str | None) -> None:
    assert not violated(prohibit(ports), group(tcp(443, EVERYONE)))
    assert violated(prohibit(ports), group(tcp("0-65535", EVERYONE)))


def test_leaving_out_the_reserved_port_0_is_no_escape() -> None:
    assert violated(prohibit("0-65535"), group(tcp("1-65535", EVERYONE)))


def test_port_match_overlap_on_all_ports_is_violated_by_one_port() -> None:
    assert violated(prohibit("0-65535", port_match="overlap"), group(tcp(443, EVERYONE)))


def test_port_match_cover_on_two_ports_needs_both() -> None:
    both = prohibit("22-23", port_match="cover")
    assert not violated(both, group(tcp(22, EVERYONE)))
    assert violated(both, group(tcp(22, EVERYONE), tcp(23, EVERYONE)))


def test_ports_as_texts_are_ports() -> None:
    assert SSH in baseline(group(permission("tcp", "20", "25", EVERYONE)))


def test_an_inverted_range_is_reported_as_malformed_and_never_a_crash() -> None:
    finding = only(judge(bind(BASELINE), group(tcp("23-21", EVERYONE))))
    assert finding.rule_id == "GLOBAL_MALFORMED_RULE"
    assert (finding.malformed[0].from_port, finding.malformed[0].to_port) == (23, 21)


def test_a_malformed_rule_does_not_hide_the_rules_beside_it() -> None:
    assert SSH in baseline(group(tcp("23-21", EVERYONE), tcp(22, EVERYONE)))


# Protocols


def test_all_traffic_opens_every_rule() -> None:
    assert baseline(group(all_traffic(EVERYONE))) == {SSH, HTTP, RDP, ALL_V4, WIDE_SSH}


def test_all_traffic_on_ipv6_is_the_ipv6_rule() -> None:
    assert baseline(group(all_traffic(EVERYONE_V6))) == {SSH, RDP, ALL_V6}


def test_ports_beside_protocol_minus_1_do_not_matter() -> None:
    assert {SSH, HTTP, RDP, ALL_V4} <= baseline(group(permission("-1", 80, 80, EVERYONE)))


def test_all_traffic_from_two_halves_is_all_traffic_from_everyone() -> None:
    assert ALL_V4 in baseline(group(all_traffic("0.0.0.0/1"), permission("-1", -1, -1, "128.0.0.0/1")))


@pytest.mark.parametrize("protocol", ["6", 6, "TCP", "Tcp", "tcp"])
def test_tcp_may_be_a_number_or_in_capitals(protocol: object) -> None:
    assert SSH in baseline(group(permission(protocol, 22, 22, EVERYONE)))


@pytest.mark.parametrize("protocol", ["47", "50", "51", "0", "255"])
def test_a_protocol_without_ports_opens_no_tcp_port(protocol: str) -> None:
    assert baseline(group(permission(protocol, 22, 22, EVERYONE))) == set()


@pytest.mark.parametrize("protocol", ["47", "50"])
def test_a_protocol_without_ports_is_open_whole_whatever_its_ports_say(protocol: str) -> None:
    assert violated(prohibit(protocol=protocol), group(permission(protocol, 22, 22, EVERYONE)))


def test_every_protocol_by_its_number_is_all_traffic() -> None:
    fired = baseline(group(*(permission(str(number), None, None, EVERYONE) for number in range(256))))
    assert ALL_V4 in fired


def test_every_protocol_but_one_is_not_all_traffic() -> None:
    fired = baseline(group(*(permission(str(number), None, None, EVERYONE) for number in range(255))))
    assert ALL_V4 not in fired


@pytest.mark.parametrize("kind", [22, 252, 80])
def test_an_icmp_type_is_never_a_port(kind: int) -> None:
    assert baseline(group(icmp(kind, -1, EVERYONE), permission("icmpv6", kind, 22, EVERYONE_V6))) == set()


def test_icmp_type_252_is_read_and_judged() -> None:
    rule = prohibit(252, protocol="icmp")
    assert violated(rule, group(icmp(252, -1, EVERYONE)))
    assert violated(rule, group(icmp(-1, -1, EVERYONE)))
    assert not violated(rule, group(icmp(251, -1, EVERYONE)))


def test_an_icmp_code_is_not_a_type() -> None:
    assert not violated(prohibit(8, protocol="icmp"), group(icmp(3, 8, EVERYONE)))


def test_icmp_and_icmpv6_are_two_protocols() -> None:
    assert not violated(prohibit(None, "any", protocol="icmp"), group(permission("58", -1, -1, EVERYONE_V6)))
    assert violated(prohibit(None, "any", protocol="icmpv6"), group(permission("58", -1, -1, EVERYONE_V6)))


def test_udp_22_is_not_ssh() -> None:
    assert baseline(group(udp(22, EVERYONE))) == set()


def test_a_rule_on_every_protocol_with_a_port_is_about_tcp_and_udp() -> None:
    rule = prohibit(22, protocol="-1")
    assert violated(rule, group(udp(22, EVERYONE)))
    assert violated(rule, group(tcp(22, EVERYONE)))
    assert not violated(rule, group(icmp(22, -1, EVERYONE), permission("47", None, None, EVERYONE)))


# Prefix lists


def test_a_prefix_list_that_holds_everyone_is_everyone() -> None:
    assert SSH in baseline(group(tcp(22, "pl-1")), {"pl-1": [EVERYONE]})


def test_half_in_a_prefix_list_and_half_beside_it_is_everyone() -> None:
    assert SSH in baseline(group(tcp(22, "pl-1", "128.0.0.0/1")), {"pl-1": ["0.0.0.0/1"]})


def test_an_empty_prefix_list_lets_nobody_through() -> None:
    assert baseline(group(tcp(22, "pl-1")), {"pl-1": []}) == set()
    assert not violated(restrict(22, "10.0.0.0/8"), group(tcp(22, "pl-1")), {"pl-1": []})


@pytest.mark.parametrize("known", [{}, {"pl-1": None}])
def test_an_unreadable_prefix_list_is_never_silently_empty(known: dict[str, None]) -> None:
    finding = only(judge(prohibit(22), group(tcp(22, "pl-1", "10.0.0.0/8")), known))
    assert not finding.certain
    assert finding.unknown_peers == ("pl-1",)


def test_an_unreadable_prefix_list_beside_everyone_leaves_no_doubt() -> None:
    finding = only(judge(prohibit(22), group(tcp(22, "pl-1", EVERYONE)), {"pl-1": None}))
    assert finding.certain
    assert finding.unknown_peers == ("pl-1",)


def test_an_unreadable_prefix_list_on_another_port_is_no_matter() -> None:
    assert not violated(prohibit(22), group(tcp(443, "pl-1"), tcp(22, "10.0.0.0/8")), {"pl-1": None})


def test_an_unreadable_prefix_list_cannot_be_a_group() -> None:
    assert not violated(prohibit(22, "sg-bad"), group(tcp(22, "pl-1")), {"pl-1": None})


def test_an_unreadable_prefix_list_that_restriction_names_is_inside() -> None:
    assert not violated(restrict(22, "pl-1"), group(tcp(22, "pl-1")), {"pl-1": None})


# Evidence


def test_evidence_names_only_the_block_that_violates() -> None:
    finding = ssh_finding(tcp(22, "10.0.0.0/8", EVERYONE))
    assert [rule.peer for rule in finding.evidence] == [group(tcp(22, EVERYONE)).rules[0].peer]


def test_evidence_does_not_name_a_block_inside_another() -> None:
    finding = ssh_finding(tcp(22, "8.0.0.0/8", EVERYONE, "54.0.0.0/16"))
    assert [rule.peer for rule in finding.evidence] == [group(tcp(22, EVERYONE)).rules[0].peer]


def test_evidence_names_an_inner_block_that_opens_another_port() -> None:
    finding = only(
        judge(prohibit("22-23"), group(tcp(22, EVERYONE), tcp("22-23", "0.0.0.0/1"), tcp("23", "128.0.0.0/1")))
    )
    assert len(finding.evidence) == 3


def test_evidence_is_quoted_as_aws_wrote_it() -> None:
    (rule,) = ssh_finding(permission("6", "20", 25, "1.2.3.4/0")).evidence
    assert (rule.ip_protocol, rule.from_port, rule.to_port, rule.peer) == (
        "6",
        "20",
        25,
        group(tcp(22, "1.2.3.4/0")).rules[0].peer,
    )


def test_evidence_names_both_halves() -> None:
    assert len(ssh_finding(tcp(22, "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8")).evidence) == 2


# References


def test_a_self_reference_beside_everyone_is_not_evidence() -> None:
    finding = ssh_finding(tcp(22, "sg-0a1b2c3d", EVERYONE))
    assert len(finding.evidence) == 1


def test_a_reference_to_a_group_alone_is_not_the_internet() -> None:
    assert baseline(group(tcp(22, "sg-1"), all_traffic("sg-0a1b2c3d"))) == set()


def test_a_cross_account_reference_is_not_the_internet() -> None:
    pair = {"GroupId": "sg-far", "UserId": "999988887777", "VpcPeeringConnectionId": "pcx-1", "PeeringStatus": "active"}
    far = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]}
    assert baseline(group(far)) == set()


def test_a_referenced_group_is_outside_a_restriction_that_does_not_name_it() -> None:
    assert violated(restrict(22, "10.0.0.0/8"), group(tcp(22, "sg-1")))
    assert not violated(restrict(22, "sg-1"), group(tcp(22, "sg-1")))
    assert not violated(restrict(22, "10.0.0.0/8", source_pattern="sg-[0-9]"), group(tcp(22, "sg-1")))


def test_a_pattern_must_match_the_whole_id() -> None:
    assert violated(restrict(22, source_pattern="sg-1"), group(tcp(22, "sg-123")))


# Shapes


def test_missing_ipv6_ranges_are_no_ranges() -> None:
    bare = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": EVERYONE}]}
    assert SSH in baseline(group(bare))


def test_null_lists_are_empty_lists() -> None:
    nulls = {"IpRanges": None, "Ipv6Ranges": None, "PrefixListIds": None, "UserIdGroupPairs": None}
    assert baseline(group({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **nulls})) == set()
    assert baseline(read(raw_group(IpPermissions=None, IpPermissionsEgress=None, Tags=None))) == set()


def test_a_group_without_a_vpc_is_judged() -> None:
    classic = raw_group(tcp(22, EVERYONE))
    del classic["VpcId"]
    assert read(classic).vpc_id is None
    assert SSH in baseline(read(classic))


def test_a_group_without_rules_has_no_findings() -> None:
    assert baseline(group()) == set()


def test_outbound_all_traffic_is_a_matter_of_the_outbound_rule() -> None:
    assert baseline(group(egress=[all_traffic(EVERYONE)])) == {ALL_OUT}
    assert baseline(group(egress=[tcp("0-65535", EVERYONE)])) == set()


def test_a_thousand_rules_in_one_group_are_judged_together_and_fast() -> None:
    blocks = [f"{1 + index // 256}.{index % 256}.0.0/16" for index in range(1000)]
    judged = group(*(tcp(22, block) for block in blocks))
    start = time.process_time()
    fired = baseline(judged)
    assert fired == {WIDE_SSH}
    assert time.process_time() - start < 2


def test_a_thousand_nested_port_ranges_are_judged_fast() -> None:
    judged = group(*(tcp(f"{index}-{65535 - index}", f"8.8.{index % 256}.{index // 256}/32") for index in range(1000)))
    start = time.process_time()
    judge(policy(prohibit("0-65535", port_match="overlap", max_public_addresses=900)), judged)
    assert time.process_time() - start < 2
