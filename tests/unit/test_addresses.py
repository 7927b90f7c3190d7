"""CIDR notation as AWS takes it, and sets of addresses by example."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.model.addresses import EVERYWHERE, NOWHERE, AddressSet, parse_cidr


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.2.3.4/0", "0.0.0.0/0"),
        ("100.68.0.18/18", "100.68.0.0/18"),
        ("8.8.8.8", "8.8.8.8/32"),
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1/128"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:1.2.3.4/128", "::ffff:102:304/128"),
        ("0:0:0:0:0:0:0:0/0", "::/0"),
    ],
)
def test_a_cidr_is_canonicalised_as_aws_does(written: str, meant: str) -> None:
    if ":ffff:" in written:
        assert parse_cidr(written) == parse_cidr(meant)
    else:
        assert str(parse_cidr(written)) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", " 10.0.0.0/8"),
        *("10.0.0.0/255.0.0.0", "10.0.0/8", "010.0.0.0/8", "256.0.0.0/8", "10.0.0.0/8/8", "1٣.0.0.0/8", "10.0.0.0/٨"),
        *(
            "::/129",
            "fe80::1%eth0/64",
            "1:2:3:4:5:6:7:8:9/0",
            ":::/0",
            "0x0a000000/8",
            "167772160/8",
            "all",
            "10.0.0.0/8\n",
        ),
    ],
)
def test_what_is_no_cidr_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_cidr(text)


@given(
    st.lists(st.text("0123456789abcdefF", min_size=1, max_size=5), max_size=8).map(":".join),
    st.sampled_from(["::", "", ":", "::1", ":::"]),
    st.integers(0, 140),
)
def test_ipv6_is_read_as_python_reads_it(hextets: str, end: str, length: int) -> None:
    text = f"{hextets}{end}/{length}"
    try:
        network = IPv6Network(text, strict=False)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            parse_cidr(text)
    else:
        block = parse_cidr(text)
        assert (block.first, block.last) == (int(network.network_address), int(network.broadcast_address))


def test_a_block_knows_its_public_addresses() -> None:
    assert parse_cidr("192.168.0.0/15").routable == 65536
    assert parse_cidr("10.0.0.0/8").routable == 0


def test_the_two_families_are_apart() -> None:
    assert not AddressSet.parse("0.0.0.0/0").overlaps(AddressSet.parse("::/0"))
    assert not AddressSet.parse("0.0.0.0/0").covers(EVERYWHERE)
    assert AddressSet.parse("::/0", "0.0.0.0/0") == EVERYWHERE


def test_nowhere_is_empty() -> None:
    assert not NOWHERE
    assert list(NOWHERE.cidrs()) == []
    assert NOWHERE.count() == 0


def test_the_whole_of_ipv6_is_one_block() -> None:
    assert [str(each) for each in AddressSet.parse("::/1", "8000::/1").cidrs()] == ["::/0"]
    assert AddressSet.parse("::/0").count() == 1 << 128
