"""The rules of a page's groups as arrays, and sums over them by group: the ground under the screen.

A number of addresses is a float here: exact for IPv4, rounded for IPv6, and infinite where a prefix list that cannot be
read may hold any of them.
"""

from __future__ import annotations

from math import inf
from operator import attrgetter, sub
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sg_compliance.model.quota import weights
from sg_compliance.model.security_group import (
    ALL_PORTS,
    ALL_PROTOCOLS,
    LAST_PORT,
    CidrPeer,
    Direction,
    GroupPeer,
    PrefixListPeer,
    blocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from sg_compliance.model.columns import Columns
    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import Peer, PrefixLists

CIDR: Final = 0
LIST: Final = 1
GROUP: Final = 2
_KINDS: Final[dict[type, int]] = {CidrPeer: CIDR, PrefixListPeer: LIST, GroupPeer: GROUP}

_FEW_RANGES: Final = 3
_HEAVIEST: Final = 1 << 40
"""More than any bound on rules, and exact as a float."""


class _Ranges(NamedTuple):
    """Some rows, and the ports of each."""

    at: NDArray[np.intp]
    first: NDArray[np.int32]
    last: NDArray[np.int32]


class Members:
    """A set of addresses of one IP version, to be counted in many blocks."""

    def __init__(self, version: int, intervals: IntervalSet) -> None:
        self.version = version
        self.intervals = intervals
        edges, below, total = [0], [0], 0
        for first, last in intervals:
            size = last - first + 1
            edges += [first, last + 1]
            below += [total, total + size]
            total += size
        start = 1 if intervals else 0
        self._edges, self._below = np.array(edges[start:], float), np.array(below[start:], float)

    def in_blocks(self, low: NDArray[np.uint32], high: NDArray[np.uint32]) -> NDArray[np.float64]:
        """How many members each IPv4 block [low, high] has, exactly."""
        return self._up_to(high.astype(float) + 1) - self._up_to(low.astype(float))

    def _up_to(self, addresses: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many members lie below each address: a line that rises by one inside the set and is flat outside."""
        return np.asarray(np.interp(addresses, self._edges, self._below), float)


class Ports:
    """A set of ports, to be met with many ranges."""

    def __init__(self, intervals: IntervalSet) -> None:
        self._ranges = intervals.intervals
        self._all = intervals == ALL_PORTS
        if len(self._ranges) > _FEW_RANGES:
            members = np.concatenate([np.arange(first, last + 1) for first, last in intervals])
            places = np.searchsorted(members, np.arange(LAST_PORT + 1))
            self._next = np.append(members, LAST_PORT + 1)[places].astype(np.int32)

    def meet(self, first: NDArray[np.int32], last: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each range [first, last] has a port of the set."""
        if self._all:
            return np.ones(len(first), bool)
        if len(self._ranges) > _FEW_RANGES:
            return np.asarray(self._next[first] <= last, bool)
        met = np.zeros(len(first), bool)
        for low, high in self._ranges:
            met |= (first <= high) & (last >= low)
        return met


class Rows:
    """One row a rule of a group. Rows of doubtful groups, which may hold anything, are left out."""

    def __init__(self, columns: Columns, prefix_lists: PrefixLists) -> None:
        self.groups = len(columns.group_ids)
        self.prefix_lists = prefix_lists
        self.peers = columns.peers
        kept: slice | NDArray[np.bool_] = slice(None)
        if columns.doubtful.any():
            kept = ~columns.doubtful[columns.group]
        self.group = columns.group[kept]
        self.described = columns.described[kept]
        self._egress = columns.egress[kept]
        self._protocol = columns.protocol[kept]
        self._first, self._last = columns.first[kept], columns.last[kept]
        self._low, self._high = columns.low[kept], columns.high[kept]
        self.peer = columns.peer[kept]
        self._own = self.peer < 0
        kinds = np.fromiter(map(_KINDS.__getitem__, map(type, self.peers)), np.int8, len(self.peers))
        self._kinds = np.append(kinds, np.int8(CIDR))  # the last is that of peer -1
        self.kind = self._kinds[self.peer]
        self._size = self._sizes()
        self.unreadable = np.isinf(self._size[4])
        self._of_traffic: dict[tuple[Direction, frozenset[int] | None], _Ranges] = {}

    def touching(self, direction: Direction, protocols: frozenset[int] | None, ports: Ports) -> NDArray[np.intp]:
        """The rows of this direction that open one of the ports in one of the protocols; None is all of them."""
        key = (direction, protocols)
        known = self._of_traffic.get(key)
        if known is None:
            wanted = self._egress == (direction is Direction.EGRESS)
            if protocols is not None:
                wanted &= self._any_of({*protocols, ALL_PROTOCOLS})
            at = np.flatnonzero(wanted)
            known = self._of_traffic[key] = _Ranges(at, self._first[at], self._last[at])
        return known.at[ports.meet(known.first, known.last)]

    def _any_of(self, protocols: Iterable[int]) -> NDArray[np.bool_]:
        found = np.zeros(len(self._protocol), bool)
        for protocol in protocols:
            found |= self._protocol == protocol
        return found

    def any(self, at: NDArray[np.intp] | NDArray[np.bool_]) -> NDArray[np.bool_]:
        """By group: whether it has one of the rows."""
        found = np.zeros(self.groups, bool)
        found[self.group[at]] = True
        return found

    def where(self, at: NDArray[np.intp], is_so: Callable[[Peer], bool]) -> NDArray[np.bool_]:
        """For each of the rows: whether it is so of its peer; of an IPv4 block it is not. Each peer is asked once."""
        found = np.zeros(len(at), bool)
        others = np.flatnonzero(~self._own[at])
        if others.size:
            positions, which = np.unique(self.peer[at[others]], return_inverse=True)
            found[others] = np.array([is_so(self.peers[each]) for each in positions.tolist()])[which]
        return found

    def reach(self, at: NDArray[np.intp], members: Members, least: float) -> NDArray[np.bool_]:
        """By group: whether its rows among these admit so many of the addresses, counted twice where they overlap."""
        version = members.version
        if least > 1:  # looks first at how large the blocks are, whatever is in them
            at = at[(self._summed(at, self._size[version][at]) >= least)[self.group[at]]]
        if not at.size:
            return np.zeros(self.groups, bool)
        return self._summed(at, self._admitted(at, members)) >= least

    def _summed(self, at: NDArray[np.intp], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(self.group[at], amounts, self.groups), float)

    def _admitted(self, at: NDArray[np.intp], members: Members) -> NDArray[np.float64]:
        """How many of the addresses each of the rows admits."""
        found = np.zeros(len(at))
        if members.version == 4:  # noqa: PLR2004 - the IP version
            own = np.flatnonzero(self._own[at])
            found[own] = members.in_blocks(self._low[at[own]], self._high[at[own]])
        others = np.flatnonzero(~self._own[at] & (self._size[members.version][at] > 0))
        if others.size:
            positions, which = np.unique(self.peer[at[others]], return_inverse=True)
            amounts = [self._in_peer(self.peers[each], members) for each in positions.tolist()]
            found[others] = np.array(amounts)[which]
        return found

    def _in_peer(self, peer: Peer, members: Members) -> float:
        blocks = blocks_of(peer, self.prefix_lists)
        if blocks is None:
            return inf
        own = (block for block in blocks if block.version == members.version)
        return float(sum(members.intervals.clip(block.first, block.last).count() for block in own))

    def _sizes(self) -> dict[int, NDArray[np.float64]]:
        """How many addresses each row admits at all, by IP version."""
        sizes = {4: np.zeros(len(self._kinds)), 6: np.zeros(len(self._kinds))}
        alone = np.flatnonzero(self._kinds[:-1] == CIDR)
        blocks = [*map(attrgetter("block"), map(self.peers.__getitem__, alone.tolist()))]
        first, last, version_of = (map(attrgetter(each), blocks) for each in ("first", "last", "version"))
        versions = np.fromiter(version_of, np.int8, len(blocks))
        amounts = np.fromiter(map(sub, last, first), float, len(blocks)) + 1
        for version, size in sizes.items():
            size[alone] = np.where(versions == version, amounts, 0)
        for each in np.flatnonzero(self._kinds[:-1] == LIST).tolist():
            listed = blocks_of(self.peers[each], self.prefix_lists)
            sizes[4][each] = sizes[6][each] = inf if listed is None else 0
            for block in listed or ():
                sizes[block.version][each] += float(block.last - block.first + 1)
        own = self._high.astype(float) - self._low + 1
        return {4: np.where(self._own, own, sizes[4][self.peer]), 6: sizes[6][self.peer]}

    def weights(self, direction: Direction) -> list[NDArray[np.float64]]:
        """By IP version, by group: what its rules of the direction count against AWS's quota, or more."""
        at = np.flatnonzero(self._egress == (direction is Direction.EGRESS))
        heavy = {4: np.zeros(len(self._kinds)), 6: np.zeros(len(self._kinds))}
        heavy[4][-1] = 1
        for position, peer in enumerate(self.peers):
            for version, weight in weights(peer, self.prefix_lists):
                heavy[version][position] = min(max(weight, 0), _HEAVIEST)
        return [self._summed(at, each[self.peer[at]]) for each in heavy.values()]
