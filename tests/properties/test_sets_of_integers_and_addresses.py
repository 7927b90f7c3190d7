"""The algebra against Python's own sets on a small space, and against `ipaddress` on the real one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, summarize_address_range
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.model.addresses import AddressSet, parse_cidr
from sg_compliance.model.globally_routable import count_between
from sg_compliance.model.intervals import IntervalSet
from tests.oracle import routable

if TYPE_CHECKING:
    from collections.abc import Iterable

Network: TypeAlias = IPv4Network | IPv6Network
SPACE = 40

spans = st.lists(st.tuples(st.integers(0, SPACE), st.integers(0, SPACE)), max_size=6)


def members(pairs: Iterable[tuple[int, int]]) -> set[int]:
    return {each for first, last in pairs for each in range(first, last + 1)}


@given(left=spans, right=spans)
def test_set_operations_are_those_of_python_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, other = IntervalSet(left), IntervalSet(right)
    a, b = members(left), members(right)
    assert members(one | other) == a | b
    assert members(one & other) == a & b
    assert members(one - other) == a - b
    assert one.overlaps(other) is bool(a & b)
    assert one.covers(other) is (b <= a)
    assert one.count() == len(a)
    assert bool(one) is bool(a)
    assert [each in one for each in range(SPACE + 2)] == [each in a for each in range(SPACE + 2)]


@given(left=spans, right=spans)
def test_what_operations_return_is_sorted_disjoint_and_apart(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    one, other = IntervalSet(left), IntervalSet(right)
    for made in (one, one | other, one & other, one - other):
        ends = [end for pair in made for end in pair]
        assert ends == sorted(ends)
        assert all(last + 1 < first for (_, last), (first, _) in zip(made, list(made)[1:], strict=False))
        assert made == IntervalSet(made)
        assert hash(made) == hash(IntervalSet(reversed(list(made))))


@st.composite
def v4_networks(draw: st.DrawFn) -> IPv4Network:
    near = draw(st.sampled_from([0, 0x0A000000, 0x08080800, 0xFFFFFF00, 0xC0A80000]))
    address = draw(st.integers(0, (1 << 32) - 1) | st.integers(near, near + 255))
    return IPv4Network((address, draw(st.integers(0, 32))), strict=False)


@st.composite
def v6_networks(draw: st.DrawFn) -> IPv6Network:
    near = draw(st.sampled_from([0, 0x20010DB8 << 96, 0x2600 << 112, (1 << 128) - 256]))
    address = draw(st.integers(0, (1 << 128) - 1) | st.integers(near, near + 255))
    return IPv6Network((address, draw(st.integers(0, 128))), strict=False)


networks = st.lists(v4_networks(), max_size=6), st.lists(v6_networks(), max_size=6)


@given(networks[0], networks[1])
def test_the_fewest_blocks_are_those_of_collapse_addresses(four: list[IPv4Network], six: list[IPv6Network]) -> None:
    made = AddressSet.parse(*map(str, (*four, *six)))
    expected = [*map(str, collapse_addresses(four)), *map(str, collapse_addresses(six))]
    assert list(map(str, made.cidrs())) == expected


@given(st.data())
def test_any_range_is_cut_as_summarize_address_range_does(data: st.DataObject) -> None:
    bits = data.draw(st.sampled_from([32, 128]))
    ends = st.integers(0, (1 << bits) - 1) | st.integers(0, 64) | st.integers((1 << bits) - 64, (1 << bits) - 1)
    first, last = sorted((data.draw(ends), data.draw(ends)))
    intervals = IntervalSet([(first, last)])
    if bits == 32:
        made, blocks = AddressSet(v4=intervals), [*summarize_address_range(IPv4Address(first), IPv4Address(last))]
        assert list(map(str, made.cidrs())) == list(map(str, blocks))
    else:
        made, longer = AddressSet(v6=intervals), [*summarize_address_range(IPv6Address(first), IPv6Address(last))]
        assert list(map(str, made.cidrs())) == list(map(str, longer))


@given(st.one_of(v4_networks(), v6_networks()), st.one_of(v4_networks(), v6_networks()))
def test_covering_and_overlapping_are_subnet_of_and_overlaps(one: Network, other: Network) -> None:
    left, right = AddressSet.parse(str(one)), AddressSet.parse(str(other))
    same = one.version == other.version
    assert left.covers(right) is (same and other.subnet_of(one))  # type: ignore[arg-type]
    assert left.overlaps(right) is (same and one.overlaps(other))


@given(v4_networks(), v4_networks())
def test_difference_is_address_exclude(one: IPv4Network, other: IPv4Network) -> None:
    left = AddressSet.parse(str(one)) - AddressSet.parse(str(other))
    if other.subnet_of(one):
        assert list(map(str, left.cidrs())) == [str(each) for each in sorted(one.address_exclude(other))]
    else:
        assert left == (AddressSet() if one.subnet_of(other) else AddressSet.parse(str(one)))


@given(networks[0], networks[1], networks[0], networks[1])
def test_the_laws_of_sets_hold(
    a4: list[IPv4Network], a6: list[IPv6Network], b4: list[IPv4Network], b6: list[IPv6Network]
) -> None:
    one, other = AddressSet.parse(*map(str, (*a4, *a6))), AddressSet.parse(*map(str, (*b4, *b6)))
    assert one - other == one - (one & other)
    assert (one - other) | (one & other) == one
    assert not (one - other).overlaps(other)
    assert (one | other).count() == one.count() + other.count() - (one & other).count()
    assert (one | other).covers(one)
    assert one.overlaps(other) is bool(one & other)
    assert bool(one) is (one.count() > 0)
    public = [AddressSet.count_globally_routable(each) for each in (one | other, one & other, one, other)]
    assert public[0] + public[1] == public[2] + public[3]


@given(st.one_of(v4_networks(), v6_networks()))
def test_a_cidr_reads_as_ipaddress_reads_it(network: Network) -> None:
    read = parse_cidr(str(network))
    assert (read.version, read.first, read.last, read.prefix_length, str(read)) == (
        network.version,
        int(network.network_address),
        int(network.broadcast_address),
        network.prefixlen,
        str(network),
    )
    assert parse_cidr(network.exploded) == read


@given(st.one_of(v4_networks(), v6_networks()), st.data())
def test_host_bits_are_dropped(network: Network, data: st.DataObject) -> None:
    host = data.draw(st.integers(int(network.network_address), int(network.broadcast_address)))
    written = type(network.network_address)(host)
    assert parse_cidr(f"{written}/{network.prefixlen}") == parse_cidr(str(network))


@given(st.text(alphabet="0123456789abcdef.:/%- ٣", max_size=20) | st.text(max_size=12))
def test_a_cidr_is_read_or_refused_in_words(text: str) -> None:
    try:
        read = parse_cidr(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is right
    else:
        assert parse_cidr(str(read)) == read


@given(st.data())
def test_one_address_counts_as_routable_when_the_registries_say_so(data: st.DataObject) -> None:
    version, bits = data.draw(st.sampled_from([(4, 32), (6, 128)]))
    public = st.integers(0x2001 << 112, 0x2002 << 112) if version == 6 else st.integers(0xC0000000, 0xC0000300)
    address = data.draw(st.integers(0, (1 << bits) - 1) | public)
    assert count_between(version, address, address) == int(routable(version, address))


@given(st.lists(v4_networks(), max_size=4), st.integers(1, 5))
def test_public_addresses_add_up_however_a_set_is_cut(four: list[IPv4Network], seed: int) -> None:
    made = AddressSet.parse(*map(str, four))
    total = 0
    for first, last in made.v4:
        middle = first + (last - first) * seed // 6
        total += count_between(4, first, middle) + count_between(4, middle + 1, last)
    assert made.count_globally_routable() == total
