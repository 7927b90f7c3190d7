"""The registries as they stand, address by address, and the totals worked out by hand."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import INTERNET, AddressSet
from tests.oracle import NOT_ROUTABLE, REACHABLE_INSIDE, block, routable


def public(text: str) -> int:
    return AddressSet.parse(text).count_globally_routable()


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1"),
        *("169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.2.1"),
        *("192.88.99.1", "192.168.0.1", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.255", "224.0.0.1"),
        *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1"),
        *("2001:10::1", "2001:db8::1", "2002::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1"),
        *("fe80::1", "ff02::1", "2001:1::4", "2001:1ff:ffff::1"),
    ],
)
def test_special_addresses_are_not_on_the_internet(text: str) -> None:
    assert public(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        *("1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
        *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.0.9", "192.0.0.10"),
        *("192.0.1.0", "192.31.196.1", "192.52.193.1", "192.167.255.255", "192.169.0.0", "192.175.48.1"),
        *("198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"),
        *("2000::", "2001:1::1", "2001:1::2", "2001:1::3", "2001:3::1", "2001:4:112::1", "2001:20::1", "2001:3f::1"),
        *("2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2600::1", "2620:4f:8000::1", "3ffe::1"),
        *("3fff:1000::1", "3fff:ffff::1"),
    ],
)
def test_other_addresses_are(text: str) -> None:
    assert public(text) == 1


def test_the_totals_are_the_spaces_less_the_blocks() -> None:
    lost_v4 = sum(ip_network(text).num_addresses for text in NOT_ROUTABLE if "." in text)
    assert public("0.0.0.0/0") == (1 << 32) - lost_v4
    blocks = [ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
    kept = sum(ip_network(text).num_addresses for text in REACHABLE_INSIDE)
    assert public("::/0") == (1 << 125) - sum(each.num_addresses for each in blocks) + kept


def test_every_end_of_every_registered_block_is_on_the_right_side() -> None:
    for text in (*NOT_ROUTABLE, *REACHABLE_INSIDE):
        version, first, last = block(text)
        for address in (first - 1, first, last, last + 1):
            if 0 <= address < 1 << (32 if version == 4 else 128):
                counted = globally_routable.count_between(version, address, address)
                assert counted == int(routable(version, address)), (text, address)


def test_the_whole_internet_counts_itself() -> None:
    assert INTERNET.count() == INTERNET.count_globally_routable() == sum(globally_routable.TOTAL.values())


def test_nothing_is_counted_outside_of_a_range() -> None:
    assert globally_routable.count_between(4, 5, 4) == 0
    assert globally_routable.count_between(4, 0, (1 << 32) - 1) == globally_routable.TOTAL[4]
