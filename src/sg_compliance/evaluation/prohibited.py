"""Prohibited traffic: which ports of a group are open to all of a prohibited source, to some of it, or to too many.

`port_match: cover` needs every port of the rule open, `overlap` one of them. With `source_match: cover` the union of
all CIDRs must cover the prohibited block; addresses that are not globally routable need not be covered when the block
is the whole of IPv4 or IPv6. `max_public_addresses` counts the union instead.

Not a violation: many groups that together open a port to the internet (each group is judged alone).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.evaluation.pieces import Part, Piece, addresses_of, at_ports, pieces_of, ports_of, protocols_of
from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import NOWHERE, AddressSet
from sg_compliance.model.intervals import EMPTY, IntervalSet
from sg_compliance.model.security_group import ALL_PROTOCOLS, CidrPeer, blocks_of
from sg_compliance.model.traffic import Piece as Opening
from sg_compliance.model.traffic import exposure
from sg_compliance.policy.bound import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.evaluation.pieces import Surroundings
    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.intervals import Interval
    from sg_compliance.model.security_group import PrefixLists, SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule


class Found(NamedTuple):
    """Violating ports, the pieces that count there, and those of them that are the cause."""

    ports: IntervalSet
    counted: Sequence[Piece] = ()
    causes: Sequence[Piece] = ()


class Test(NamedTuple):
    """What one source of a rule asks of the pieces of one protocol. `of_addresses`: a prefix list can matter to it."""

    find: Callable[[list[Piece]], Found]
    of_addresses: bool = True


def judge(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings, *, suspect: bool) -> list[Part]:
    """The violating traffic, empty when there is none. `suspect`: an unreadable prefix list may hold anything."""
    if not suspect and _too_little(bound, rules, around.prefix_lists):
        return []
    protocols = protocols_of(bound, rules, around)
    pieces = {protocol: pieces_of(bound, rules, protocol, around, suspect=suspect) for protocol in protocols}
    parts: dict[int, Part] = {}
    tests = [*_tests(bound, around.prefix_lists)]
    if suspect and around.unknown_sources(bound):
        tests.append(Test(_any_address))
    for test in tests:
        for part in _violating(bound, pieces, test, suspect=suspect):
            parts[part.protocol] = _joined(parts.get(part.protocol), part)
    return [parts[protocol] for protocol in protocols if protocol in parts]


def _joined(one: Part | None, other: Part) -> Part:
    if one is None:
        return other
    causes = tuple(dict.fromkeys((*one.causes, *other.causes)))
    return Part(other.protocol, one.ports | other.ports, one.addresses | other.addresses, causes)


def _too_little(bound: BoundRule, rules: Sequence[SecurityGroupRule], prefix_lists: PrefixLists) -> bool:
    """Whether all addresses together, counted twice where they overlap, are fewer than the rule needs."""
    least = bound.floors
    if least is None:
        return False
    total = {4: 0, 6: 0}
    for rule in rules:
        peer = rule.peer
        for block in (peer.block,) if isinstance(peer, CidrPeer) else blocks_of(peer, prefix_lists) or ():
            total[block.version] += block.routable
    return all(total[version] < floor for version, floor in least.items())


def _violating(bound: BoundRule, pieces: dict[int, list[Piece]], test: Test, *, suspect: bool) -> Iterator[Part]:
    """The parts that violate by one test. A rule on every protocol and port violates only as a whole."""
    parts = [_part(protocol, own, test, suspect=suspect) for protocol, own in pieces.items()]
    if bound.port_match is Match.OVERLAP:
        yield from (part for part in parts if part.ports)
        return
    covered = [part for part in parts if part.ports.covers(bound.needed_ports(part.protocol))]
    if bound.protocols is not None:
        yield from covered
    elif len(covered) == len(parts):
        yield from covered[:1] if covered[0].protocol == ALL_PROTOCOLS else covered


def _part(protocol: int, pieces: list[Piece], test: Test, *, suspect: bool) -> Part:
    found = test.find(pieces) if pieces else Found(EMPTY)
    unknown = [piece for piece in pieces if piece.unknown] if suspect and test.of_addresses else []
    ports = found.ports | ports_of(unknown)
    if not ports:
        return Part(protocol, EMPTY, NOWHERE, ())
    causes = tuple(at_ports([*found.causes, *unknown], ports))
    return Part(protocol, ports, addresses_of(at_ports(found.counted, ports)), causes)


def _tests(bound: BoundRule, prefix_lists: PrefixLists) -> Iterator[Test]:
    """One test for each source that the rule names: each prohibits on its own."""
    if bound.max_public_addresses is not None:
        for version in bound.versions():
            yield _counting(version, bound.max_public_addresses + 1)
        return
    sources = bound.sources
    if sources is None:
        yield Test(_everyone)
        return
    for block in sources.blocks:
        whole = block.is_everything() and bound.source_match is not Match.OVERLAP
        yield _all_of_the_internet(block.version) if whole else _source_test(bound, AddressSet.of([block]))
    if sources.internet:
        yield from _internet(bound)
    if sources.groups or sources.prefix_lists or bound.pattern:
        yield _naming(bound)
    known = (prefix_lists.get(prefix_list_id) for prefix_list_id in sorted(sources.prefix_lists))
    for prefix_list in known:
        if prefix_list and prefix_list.blocks:
            yield _source_test(bound, AddressSet.of(prefix_list.blocks))


def _everyone(pieces: list[Piece]) -> Found:
    """Any peer at all; an unreadable prefix list may be empty."""
    causes = [piece for piece in pieces if not piece.unknown]
    return Found(ports_of(causes), causes, causes)


def _any_address(pieces: list[Piece]) -> Found:
    """Any address at all: what is suspected where the rule's own prefix list cannot be read."""
    causes = [piece for piece in pieces if piece.block]
    return Found(ports_of(causes), causes, causes)


def _source_test(bound: BoundRule, addresses: AddressSet) -> Test:
    return _meeting(addresses) if bound.source_match is Match.OVERLAP else _covering(addresses)


def _all_of_the_internet(version: int) -> Test:
    return _counting(version, globally_routable.TOTAL[version])


def _internet(bound: BoundRule) -> Iterator[Test]:
    """`internet` is any globally routable address; with `source_match: cover`, all of one IP version."""
    if bound.source_match is Match.COVER:
        yield from map(_all_of_the_internet, globally_routable.TOTAL)
    else:
        yield Test(_routable)


def _routable(pieces: list[Piece]) -> Found:
    causes = [piece for piece in pieces if piece.block and piece.block.routable]
    return Found(ports_of(causes), pieces, causes)


def _naming(bound: BoundRule) -> Test:
    def named(pieces: list[Piece]) -> Found:
        causes = [piece for piece in pieces if bound.names(piece.rule.peer)]
        return Found(ports_of(causes), causes, causes)

    return Test(named, of_addresses=False)


def _meeting(addresses: AddressSet) -> Test:
    """One of the addresses."""

    def meeting(pieces: list[Piece]) -> Found:
        common = _common(pieces, addresses)
        causes = list(dict.fromkeys(piece for piece, _ in common))
        return Found(ports_of(causes), [inside for _, inside in common], causes)

    return Test(meeting)


def _common(pieces: Sequence[Piece], addresses: AddressSet) -> list[tuple[Piece, Piece]]:
    """Each piece with each part of it that lies inside the addresses."""
    return [
        (piece, piece._replace(block=block))
        for piece in pieces
        if piece.block
        for block in (AddressSet.of([piece.block]) & addresses).cidrs()
    ]


def _counting(version: int, least: int) -> Test:
    """At least so many globally routable addresses of one IP version."""

    def counted(pieces: list[Piece]) -> Found:
        own = [piece for piece in pieces if piece.block and piece.block.version == version]
        ports = _ports_open_to(own, least, routable=True)
        if not ports:
            return Found(EMPTY)
        causes = _outermost(_routable(own).causes, ports)
        whole = least == globally_routable.TOTAL[version]
        return Found(ports, own, causes if whole else _largest(causes, ports, least - 1))

    return Test(counted)


def _covering(addresses: AddressSet) -> Test:
    """All of the addresses."""
    wanted = {4: addresses.v4.count(), 6: addresses.v6.count()}

    def covered(pieces: list[Piece]) -> Found:
        common = _common(pieces, addresses)
        inside = [part for _, part in common]
        every = [
            _ports_open_to([part for part in inside if part.block and part.block.version == version], least)
            for version, least in wanted.items()
            if least
        ]
        ports = every[0] & every[-1]
        causes = list(dict.fromkeys(piece for piece, _ in common))
        return Found(ports, inside, _outermost(causes, ports) if ports else ())

    return Test(covered)


def _ports_open_to(pieces: Sequence[Piece], least: int, *, routable: bool = False) -> IntervalSet:
    """The ports that at least so many addresses can reach. The blocks are of one IP version."""
    openings = [Opening(piece.first, piece.last, piece.block) for piece in pieces if piece.block]
    return IntervalSet([(e.first, e.last) for e in exposure(openings, routable=routable) if e.addresses >= least])


def _outermost(pieces: Sequence[Piece], ports: IntervalSet) -> list[Piece]:
    """Leave out a block that lies inside another one which opens the same violating ports: it adds nothing."""
    pieces = at_ports(pieces, ports)
    opened: dict[Cidr, list[Interval]] = defaultdict(list)
    for piece in pieces:
        if piece.block:
            opened[piece.block] += ports.clip(piece.first, piece.last)
    kept: set[Cidr] = set()
    enclosing: list[tuple[Cidr, IntervalSet]] = []
    for block in sorted(opened, key=_breadth):
        own = IntervalSet(opened[block])
        while enclosing and not _within(block, enclosing[-1][0]):
            enclosing.pop()
        if not any(outer.covers(own) for _, outer in enclosing):
            kept.add(block)
        enclosing.append((block, own))
    return [piece for piece in pieces if piece.block in kept]


def _largest(pieces: Sequence[Piece], ports: IntervalSet, most: int) -> list[Piece]:
    """The fewest of the largest blocks without which no port is open to more than `most` addresses."""
    order = sorted(pieces, key=lambda piece: -piece.block.routable if piece.block else 0)
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        enough = not (_ports_open_to(order[middle:], most + 1, routable=True) & ports)
        low, high = (low, middle) if enough else (middle + 1, high)
    chosen = set(order[:low])
    return [piece for piece in pieces if piece in chosen]


def _breadth(block: Cidr) -> tuple[int, int, int]:
    return block.version, block.first, -block.last


def _within(inner: Cidr, outer: Cidr) -> bool:
    return inner.version == outer.version and outer.first <= inner.first and inner.last <= outer.last
