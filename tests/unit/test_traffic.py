"""Traffic by example: two ways to write the same, and who gets through where."""

from __future__ import annotations

from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.traffic import PeerSet, Traffic
from tests.builders import EVERYONE, all_traffic, group, icmp, lists, permission, tcp


def of(*permissions: dict[str, object], known: dict[str, list[str] | None] | None = None) -> Traffic:
    return Traffic.of(group(*permissions).rules, lists(known or {}))


def test_two_halves_are_the_same_traffic_as_the_whole() -> None:
    assert of(tcp(22, "0.0.0.0/1", "128.0.0.0/1")) == of(tcp(22, EVERYONE))


def test_cut_ports_are_the_same_traffic() -> None:
    assert of(tcp("20-22", EVERYONE), tcp("23-30", EVERYONE), tcp(25, "10.0.0.0/8")) == of(tcp("20-30", EVERYONE))


def test_a_prefix_list_is_what_it_holds() -> None:
    assert of(tcp(22, "pl-1"), known={"pl-1": [EVERYONE]}) == of(tcp(22, EVERYONE))
    assert of(tcp(22, "pl-1"), known={"pl-1": []}) == of()


def test_every_protocol_by_number_is_all_traffic() -> None:
    assert of(*(permission(str(number), None, None, EVERYONE) for number in range(256))) == of(all_traffic(EVERYONE))


def test_all_icmp_types_one_by_one_are_all_of_icmp() -> None:
    assert of(*(icmp(kind, -1, EVERYONE) for kind in range(256))) == of(icmp(-1, -1, EVERYONE))


def test_an_unreadable_list_is_kept_by_name() -> None:
    assert of(tcp(22, "pl-1")).peers(6, 22) == PeerSet(unreadable=frozenset({"pl-1"}))


def test_peers_add_up_over_all_traffic_and_tcp() -> None:
    made = of(all_traffic("0.0.0.0/1", "sg-1"), tcp(22, "128.0.0.0/1"))
    assert made.peers(6, 22) == PeerSet(AddressSet.parse(EVERYONE), frozenset({"sg-1"}))
    assert made.peers(6, 23) == made.peers(47, 0) == PeerSet(AddressSet.parse("0.0.0.0/1"), frozenset({"sg-1"}))


def test_nobody_gets_through_a_closed_port() -> None:
    assert of(tcp(22, EVERYONE)).peers(6, 23) == PeerSet()
    assert of(tcp(22, EVERYONE)).peers(17, 22) == PeerSet()
