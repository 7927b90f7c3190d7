"""Traffic is what a group allows and nothing of how it is written; exposure counts it port by port."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.model.addresses import cidr
from sg_compliance.model.security_group import ICMP_PROTOCOLS, WITH_PORTS, Direction
from sg_compliance.model.traffic import Piece, Traffic, exposure
from tests.builders import bind, judge, lists, read
from tests.oracle import Universe, openings, routable, traffic
from tests.properties.cases import LISTS, documents, raw_groups
from tests.properties.recut import MORE_LISTS, recut, shuffled

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding, Overlap
    from sg_compliance.model.security_group import SecurityGroup
    from tests.builders import Json
    from tests.oracle import Token

BASE = 0xC0A7FFE0  # 192.167.255.224: the last public addresses before 192.168.0.0/16


def traffic_of(group: SecurityGroup) -> Traffic:
    return Traffic.of([each for each in group.rules if each.direction is Direction.INGRESS], lists(MORE_LISTS))


def said(findings: list[Finding]) -> set[tuple[str, str, bool, tuple[Overlap, ...]]]:
    return {(each.rule_id, each.severity.value, each.certain, each.overlaps) for each in findings}


@given(raw=raw_groups(), data=st.data())
def test_traffic_does_not_depend_on_how_it_is_cut(raw: Json, data: st.DataObject) -> None:
    assert traffic_of(read(raw)) == traffic_of(read(recut(data.draw, raw)))


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_the_same_traffic_fires_the_same_rules(raw: Json, written: Json, data: st.DataObject) -> None:
    before, after = (
        judge(bind(written), read(raw), LISTS),
        judge(bind(written), read(recut(data.draw, raw)), MORE_LISTS),
    )
    assert {each[:3] for each in said(before)} == {each[:3] for each in said(after)}
    assert {each.id for each in before} == {each.id for each in after}


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_the_same_traffic_overlaps_in_the_same_traffic(raw: Json, written: Json, data: st.DataObject) -> None:
    before, after = (
        judge(bind(written), read(raw), LISTS),
        judge(bind(written), read(recut(data.draw, raw)), MORE_LISTS),
    )
    assert said(before) == said(after)


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_order_and_repetition_never_matter(raw: Json, written: Json, data: st.DataObject) -> None:
    before = judge(bind(written), read(raw), LISTS)
    after = judge(bind(written), read(shuffled(data.draw, raw)), LISTS)
    assert said(before) == said(after)


@given(raw=raw_groups())
def test_traffic_lets_through_what_the_oracle_lets_through(raw: Json) -> None:
    made = Traffic.of([each for each in read(raw).rules if each.direction is Direction.INGRESS], lists(LISTS))
    opened = openings(raw["IpPermissions"], LISTS)
    universe = Universe(opened, [], LISTS)
    expected = traffic(opened, universe)
    for protocol, (port, code) in universe.places:
        place = port if protocol in WITH_PORTS else port * 256 + code if protocol in ICMP_PROTOCOLS else 40_000
        tokens: frozenset[Token] = expected.get((protocol, (port, code)), frozenset())
        peers = made.peers(protocol, place)
        assert peers.groups == {value[0] for kind, value in tokens if kind == "group" and isinstance(value, tuple)}
        assert peers.unreadable == {value for kind, value in tokens if kind == "unknown"}
        for version, own in ((4, peers.addresses.v4), (6, peers.addresses.v6)):
            inside = [("cell", (version, index)) in tokens for index in range(len(universe.starts[version]))]
            assert [start in own for start in universe.starts[version]] == inside


@given(raw=raw_groups(), data=st.data())
def test_unequal_traffic_is_unequal(raw: Json, data: st.DataObject) -> None:
    more = {"IpProtocol": "tcp", "FromPort": 7, "ToPort": 7, "IpRanges": [{"CidrIp": data.draw(st.just("7.7.7.7/32"))}]}
    universe = Universe(openings([*raw["IpPermissions"], more], LISTS), [], LISTS)
    one = traffic(openings(raw["IpPermissions"], LISTS), universe)
    other = traffic(openings([*raw["IpPermissions"], more], LISTS), universe)
    # Every token that is no address must stay out of the comparison of traffic: a list is what it holds.
    same = one == other
    assert (traffic_of(read(raw)) == traffic_of(read({**raw, "IpPermissions": [*raw["IpPermissions"], more]}))) is same


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    """A few ports open to a small block around the edge of 192.168.0.0/16."""
    size = 1 << draw(st.integers(0, 6))
    start = BASE // size * size + draw(st.integers(0, 64 // size)) * size
    first, last = sorted((draw(st.integers(0, 12)), draw(st.integers(0, 12) | st.just(65535))))
    return Piece(first, last, cidr(4, start, start + size - 1))


@given(st.lists(pieces(), max_size=8), st.booleans())
def test_exposure_counts_the_union_at_every_port(opened: list[Piece], only_routable: bool) -> None:
    found = exposure(opened, routable=only_routable)
    for port in (*range(14), 65535):
        reached = {
            address
            for piece in opened
            if piece.first <= port <= piece.last
            for address in range(piece.block.first, piece.block.last + 1)
            if not only_routable or routable(4, address)
        }
        assert [each.addresses for each in found if each.first <= port <= each.last] == (
            [len(reached)] if reached else []
        )
    assert all(one.last < other.first for one, other in pairwise(found))
