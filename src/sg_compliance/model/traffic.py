"""The traffic that a group allows in one direction: (protocol, ports) → peers. What everything else is defined on.

`Traffic` is canonical: two groups that allow the same traffic have equal `Traffic`, however it is cut into rules.
`exposure` answers the one question that needs the union of many rules at once, "how many addresses can reach each
port", in one sweep over the ports: near-linear in the number of rules whatever their shape.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.addresses import AddressSet, Cidr
from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    LAST_PROTOCOL,
    GroupPeer,
    PrefixListPeer,
    blocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.model.intervals import Interval
    from sg_compliance.model.security_group import Peer, PrefixLists, SecurityGroupRule


@dataclass(frozen=True, slots=True)
class PeerSet:
    """Who is let through: addresses, members of referenced groups, and prefix lists whose entries are unknown."""

    addresses: AddressSet = field(default_factory=AddressSet)
    groups: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, peers: Sequence[Peer], prefix_lists: PrefixLists) -> PeerSet:
        """The union of the peers."""
        blocks: list[Cidr] = []
        unreadable: set[str] = set()
        for peer in peers:
            known = blocks_of(peer, prefix_lists)
            if known is not None:
                blocks.extend(known)
            elif isinstance(peer, PrefixListPeer):
                unreadable.add(peer.prefix_list_id)
        groups = frozenset(peer.group_id for peer in peers if isinstance(peer, GroupPeer))
        return cls(AddressSet.of(blocks), groups, frozenset(unreadable))


class Segment(NamedTuple):
    """Consecutive ports that are open to the same peers."""

    first: int
    last: int
    peers: PeerSet


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic of one direction. The key -1 stands for every protocol that has no key of its own."""

    segments: tuple[tuple[int, tuple[Segment, ...]], ...]

    @classmethod
    def of(cls, rules: Iterable[SecurityGroupRule], prefix_lists: PrefixLists) -> Traffic:
        """The union of the rules, which must all be of one direction."""
        by_protocol: dict[int, list[SecurityGroupRule]] = defaultdict(list)
        for rule in rules:
            by_protocol[rule.protocol].append(rule)
        of_every = by_protocol.pop(ALL_PROTOCOLS, [])
        rest = _segments(of_every, prefix_lists)
        found = {number: _segments([*own, *of_every], prefix_lists) for number, own in by_protocol.items()}
        return cls._canonical(found, rest)

    @classmethod
    def _canonical(cls, found: dict[int, tuple[Segment, ...]], rest: tuple[Segment, ...]) -> Traffic:
        """Give the key -1 to what most of the 256 protocols have in common, and leave those protocols out."""
        tally: dict[tuple[Segment, ...], int] = defaultdict(int, {rest: LAST_PROTOCOL + 1 - len(found)})
        for segments in found.values():
            tally[segments] += 1
        common = max(tally, key=lambda segments: (tally[segments], repr(segments)))
        everyone = {number: found.get(number, rest) for number in range(LAST_PROTOCOL + 1)}
        differing = sorted((number, segments) for number, segments in everyone.items() if segments != common)
        return cls((*(((ALL_PROTOCOLS, common),) if common else ()), *differing))

    def of_protocol(self, protocol: int) -> tuple[Segment, ...]:
        """The open ports of one protocol and their peers, in order."""
        known = dict(self.segments)
        return known.get(protocol, known.get(ALL_PROTOCOLS, ()))

    def peers(self, protocol: int, port: int) -> PeerSet:
        """Who can use this protocol and port."""
        return next((s.peers for s in self.of_protocol(protocol) if s.first <= port <= s.last), PeerSet())


def _segments(rules: Sequence[SecurityGroupRule], prefix_lists: PrefixLists) -> tuple[Segment, ...]:
    merged: list[Segment] = []
    for first, last, active in _cut([(rule.first, rule.last) for rule in rules]):
        peers = PeerSet.of([rules[index].peer for index in active], prefix_lists)
        if peers == PeerSet():
            continue
        if merged and merged[-1].last + 1 == first and merged[-1].peers == peers:
            merged[-1] = Segment(merged[-1].first, last, peers)
        else:
            merged.append(Segment(first, last, peers))
    return tuple(merged)


def _cut(spans: Sequence[Interval]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Cut the port space wherever a span begins or ends: (first, last, indexes of the spans active there)."""
    starts, ends = defaultdict(list), defaultdict(list)
    for index, (first, last) in enumerate(spans):
        starts[first].append(index)
        ends[last + 1].append(index)
    cuts = sorted({*starts, *ends})
    active: set[int] = set()
    for first, following in pairwise(cuts):  # at the last cut every span has ended
        active.difference_update(ends[first])
        active.update(starts[first])
        if active:
            yield first, following - 1, tuple(sorted(active))


class Piece(NamedTuple):
    """Ports [first, last] open to one block of addresses."""

    first: int
    last: int
    block: Cidr


class Exposure(NamedTuple):
    """How many addresses reach each of the ports [first, last]."""

    first: int
    last: int
    addresses: int


def exposure(pieces: Sequence[Piece], *, routable: bool) -> list[Exposure]:
    """Count, for every port, the addresses in the union of the blocks: all, or the globally routable ones.

    All blocks must be of one IP version. CIDR blocks are nested or disjoint, so they form a forest in which a
    block's count follows from its children; opening or closing a block touches its ancestors only (at most 32, or
    128 for IPv6). Cost: O(n log n + n · depth), for nested and overlapping port ranges as well.
    """
    forest = _Forest(sorted({piece.block for piece in pieces}, key=lambda block: (block.first, -block.last)), routable)
    changes: dict[int, list[tuple[Cidr, int]]] = defaultdict(list)
    for piece in pieces:
        changes[piece.first].append((piece.block, 1))
        changes[piece.last + 1].append((piece.block, -1))
    cuts = sorted(changes)
    found: list[Exposure] = []
    for first, following in pairwise(cuts):
        for block, step in changes[first]:
            forest.change(block, step)
        if forest.total:
            found.append(Exposure(first, following - 1, forest.total))
    return found


class _Forest:
    """Nested CIDR blocks, each open so many times; `total` is the number of addresses in an open block."""

    def __init__(self, blocks: Sequence[Cidr], routable: bool) -> None:  # noqa: FBT001 - private
        self.total = 0
        self._index = {block: index for index, block in enumerate(blocks)}
        self._size = [block.routable if routable else block.last - block.first + 1 for block in blocks]
        self._parent = _parents(blocks)
        self._open = [0] * len(blocks)
        self._inside = [0] * len(blocks)

    def change(self, block: Cidr, step: int) -> None:
        """Open the block once more (1) or once less (-1)."""
        index = self._index[block]
        was_open = self._open[index] > 0
        self._open[index] += step
        is_open = self._open[index] > 0
        if was_open == is_open:
            return
        gained = self._size[index] - self._inside[index]
        self._pass_up(self._parent[index], gained if is_open else -gained)

    def _pass_up(self, index: int, gained: int) -> None:
        while index >= 0:
            self._inside[index] += gained
            if self._open[index] > 0:
                return
            index = self._parent[index]
        self.total += gained


def _parents(blocks: Sequence[Cidr]) -> list[int]:
    """The index of the smallest enclosing block, or -1. The blocks come sorted, enclosing ones first."""
    parents: list[int] = []
    enclosing: list[int] = []
    for block in blocks:
        while enclosing and blocks[enclosing[-1]].last < block.first:
            enclosing.pop()
        parents.append(enclosing[-1] if enclosing else -1)
        enclosing.append(len(parents) - 1)
    return parents
