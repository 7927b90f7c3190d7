"""Traffic, peers, counts and changes in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.evaluation.wording import (
    change_text,
    count_text,
    listed,
    peer_text,
    protocol_name,
    public_text,
    rule_text,
    traffic,
)
from sg_compliance.model.addresses import AddressSet, parse_cidr
from sg_compliance.model.change import Rest, RuleChange
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import GroupPeer
from tests.builders import (
    EVERYONE,
    EVERYONE_V6,
    all_traffic,
    group,
    icmp,
    judge,
    only,
    permission,
    prohibit,
    prohibit_every_peer,
    restrict,
    tcp,
    udp,
)

if TYPE_CHECKING:
    from tests.builders import Json


def addresses(*texts: str) -> AddressSet:
    return AddressSet.of([parse_cidr(text) for text in texts])


@pytest.mark.parametrize(
    ("permitted", "said"),
    [
        (tcp(22, EVERYONE), "tcp 22 from 0.0.0.0/0"),
        (tcp("20-25", "::/0"), "tcp 20-25 from ::/0"),
        (udp(53, "1.2.3.4/0"), "udp 53 from 1.2.3.4/0"),
        (all_traffic("pl-1"), "all traffic from pl-1"),
        (icmp(8, -1, EVERYONE), "icmp type 8 from 0.0.0.0/0"),
        (icmp(3, 4, EVERYONE), "icmp type 3 code 4 from 0.0.0.0/0"),
        (icmp(-1, -1, EVERYONE), "icmp from 0.0.0.0/0"),
        (permission("58", 128, -1, EVERYONE_V6), "icmpv6 type 128 from ::/0"),
        (permission("47", None, None, EVERYONE), "protocol 47 from 0.0.0.0/0"),
        (permission("tcp", -1, -1, "sg-1"), "tcp 0-65535 from sg-1 in 111122223333"),
    ],
)
def test_a_rule_reads_as_a_person_would_write_it(permitted: Json, said: str) -> None:
    assert rule_text(group(permitted).rules[0]) == said


def test_egress_goes_to() -> None:
    assert rule_text(group(egress=[tcp(443, EVERYONE)]).rules[0]) == "tcp 443 to 0.0.0.0/0"


def test_a_referenced_group_is_named_where_its_name_is_known() -> None:
    assert peer_text(GroupPeer("sg-1")) == "sg-1"
    assert peer_text(GroupPeer("sg-1", None, "bastion")) == "sg-1 (bastion)"
    assert peer_text(GroupPeer("sg-1", "999988887777", "bastion")) == "sg-1 (bastion) in 999988887777"


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        ([(22, 22)], "tcp 22"),
        ([(22, 22), (80, 90)], "tcp 22, 80-90"),
        ([(number, number) for number in range(0, 12, 2)], "tcp 0, 2, 4, 6 and 2 more"),
    ],
)
def test_ports_are_listed_as_ranges(ports: list[tuple[int, int]], said: str) -> None:
    assert traffic(6, IntervalSet(ports)) == said


def test_protocols_without_ports_name_none() -> None:
    assert traffic(-1, IntervalSet([(0, 65535)])) == "all traffic"
    assert traffic(50, IntervalSet([(0, 65535)])) == "protocol 50"


@given(st.integers(-1, 255))
def test_every_protocol_has_a_name(protocol: int) -> None:
    assert protocol_name(protocol)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "no public address"),
        (["10.0.0.0/8", "192.168.0.0/16", "fe80::/10"], "no public address"),
        (["198.51.100.0/24"], "no public address"),
        (["8.8.8.8/32"], "1 public IPv4 address"),
        (["8.8.8.0/24"], "256 public IPv4 addresses"),
        (["0.0.0.0/0"], "the whole IPv4 internet"),
        (["0.0.0.0/1", "128.0.0.0/1", "::/0"], "the whole IPv4 internet and the whole IPv6 internet"),
        (["2600::/32", "8.8.8.8/32"], "1 public IPv4 address and 2^96 public IPv6 addresses"),
        (["2600::/128"], "1 public IPv6 address"),
    ],
)
def test_a_set_of_addresses_is_said_by_how_much_of_the_internet_it_is(texts: list[str], said: str) -> None:
    assert public_text(addresses(*texts)) == said


def test_all_of_the_internet_but_one_address_is_not_the_whole() -> None:
    said = public_text(addresses("0.0.0.0/0") - addresses("8.8.8.8/32"))
    assert "whole" not in said
    assert said.endswith("public IPv4 addresses")


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (1, "1"), (65536, "65,536"), (10**12, "1,000,000,000,000"), (2**80, "2^80")]
)
def test_numbers_stay_readable(number: int, said: str) -> None:
    assert count_text(number) == said


def test_a_number_near_a_power_of_two_is_not_called_that_power() -> None:
    assert count_text(2**80 + 1) == count_text(2**80 - 1) == "about 2^80"
    assert count_text(3 * 2**79) == "about 2^81"


@given(st.lists(st.text(min_size=1, max_size=3), max_size=9), st.integers(1, 6))
def test_a_list_says_how_many_more_there_are(items: list[str], most: int) -> None:
    said = listed(items, most)
    assert said.startswith(", ".join(items[:most]))
    assert said.endswith(f" and {len(items) - most} more") == (len(items) > most) or len(items) <= most


def test_the_message_names_traffic_peers_and_how_public_it_is() -> None:
    permitted = group(tcp("20-25", "0.0.0.0/1", "128.0.0.0/1"))
    assert only(judge(prohibit(22), permitted)).message == (
        "tcp 22 is open from 0.0.0.0/1, 128.0.0.0/1 (the whole IPv4 internet)"
    )


def test_the_message_says_what_could_not_be_read() -> None:
    finding = only(judge(prohibit(22), group(tcp(22, "pl-1")), {"pl-1": None}))
    assert "what pl-1 holds could not be read" in finding.message
    assert not finding.certain


def test_a_peer_without_public_addresses_is_not_called_public() -> None:
    message = only(judge(prohibit_every_peer(22), group(tcp(22, "10.0.0.0/8", "sg-1")))).message
    assert message == "tcp 22 is open from 10.0.0.0/8, sg-1 in 111122223333"


def test_a_change_says_what_goes_and_what_may_stay() -> None:
    (narrowed,) = only(judge(prohibit(22), group(tcp("20-25", EVERYONE)))).change
    assert change_text(narrowed) == "narrow tcp 20-25 from 0.0.0.0/0 to tcp 20-21, tcp 23-25"
    (revoked,) = only(judge(prohibit(22), group(tcp(22, EVERYONE)))).change
    assert change_text(revoked) == "revoke tcp 22 from 0.0.0.0/0"
    (restricted,) = only(judge(restrict(22, "10.1.0.0/16"), group(tcp(22, "10.0.0.0/8")))).change
    assert change_text(restricted) == "narrow tcp 22 from 10.0.0.0/8 to tcp 22 from 10.1.0.0/16"


def test_a_rule_with_an_id_is_named_by_it() -> None:
    rule = group(tcp(22, EVERYONE)).rules[0]._replace(rule_id="sgr-1")
    assert change_text(RuleChange(rule, ())) == "revoke sgr-1 (tcp 22 from 0.0.0.0/0)"
    assert change_text(RuleChange(rule, (Rest(1, 2, None),))).startswith(
        "narrow sgr-1 (tcp 22 from 0.0.0.0/0) to tcp 1-2"
    )
