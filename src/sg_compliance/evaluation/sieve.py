"""One policy rule as a condition on columns that every group which violates it meets, and few others.

What the exact test asks of the union of all blocks at one port is asked here of their sum over all ports, which is
never less. Allowed traffic only ever takes away, so it is not looked at. A prefix list that cannot be read holds
everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sg_compliance.evaluation.pieces import Surroundings, named_addresses
from sg_compliance.evaluation.rows import CIDR, GROUP, LIST, Members, Ports
from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import EVERYWHERE, AddressSet, cidr
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import CidrPeer, GroupPeer, PrefixListPeer
from sg_compliance.policy.bound import Kind, Match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sg_compliance.evaluation.rows import Rows
    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.security_group import Peer, PrefixLists
    from sg_compliance.policy.bound import BoundRule

_ROUNDED: Final = 1 - 1e-9
"""Sums of floats may come out too low by less than this."""
_UNCOMMON: Final = 253
"""A protocol number that no rule names but to experiment (RFC 3692): what is open in all protocols is open in it."""
_OF_EACH_KIND: Final[dict[int, Peer]] = {
    CIDR: CidrPeer(cidr(4, 0, 0), ""),
    LIST: PrefixListPeer(""),
    GROUP: GroupPeer(""),
}
_ROUTABLE: Final = {
    version: Members(version, routable)
    for version, routable in ((4, globally_routable.IPV4), (6, globally_routable.IPV6))
}


class Test(NamedTuple):
    """A group can violate the rule that admits at least so many of these addresses."""

    members: Members
    least: int


class Sieve:
    """Looks for the groups that can violate one rule. `prefix_lists` are those that the rule itself may name."""

    def __init__(self, bound: BoundRule, prefix_lists: PrefixLists) -> None:
        self.bound = bound
        self._restricts = bound.kind is Kind.RESTRICTED
        self._any_peer = not self._restricts and _is_about_every_peer(bound, prefix_lists)
        self._tests = [*(_outside(bound, prefix_lists) if self._restricts else _inside(bound, prefix_lists))]
        self._names = _names_peers(bound)
        self._looked_at = np.array([bound.looks_at(peer) for peer in _OF_EACH_KIND.values()])
        self._protocols = bound.protocols
        self._places = [Ports(bound.ports)]
        if bound.port_match is Match.COVER and not self._restricts:
            self._look_at_the_ends(bound)

    def _look_at_the_ends(self, bound: BoundRule) -> None:
        """Where all ports must be open, so must be the first and the last; port 0 need not, and never stands alone.

        What must be open in every protocol must be in one that nobody names.
        """
        needed = (bound.ports - IntervalSet([(0, 0)])).intervals
        self._places = [Ports(IntervalSet([(end, end)])) for end in dict.fromkeys((needed[0][0], needed[-1][1]))]
        if bound.protocols is None:
            self._protocols = frozenset({_UNCOMMON})

    def caught(self, rows: Rows) -> NDArray[np.bool_]:
        """By group: whether it can violate the rule."""
        found = np.ones(rows.groups, bool)
        for place in self._places:
            at = rows.touching(self.bound.direction, self._protocols, place)
            found &= self._violating(rows, at)
        return found

    def _violating(self, rows: Rows, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """By group: whether these of its rows can violate the rule by their peers."""
        at = at[self._looked_at[rows.kind[at]]]
        if self._any_peer:
            return rows.any(at)
        named = rows.where(at, self.bound.names) if self._names else np.zeros(len(at), bool)
        if self._restricts:
            at = at[~named]
            found = rows.any(at[(rows.kind[at] == GROUP) | rows.unreadable[at]])
        else:
            found = rows.any(at[named])
        for members, least in self._tests:
            found |= rows.reach(at, members, least * _ROUNDED)
        return found


def _is_about_every_peer(bound: BoundRule, prefix_lists: PrefixLists) -> bool:
    """Whether a prohibited rule names nobody, or names a list that cannot be read and may hold anybody."""
    if bound.sources is None:
        return bound.max_public_addresses is None
    return bool(Surroundings(prefix_lists).unknown_sources(bound))


def _names_peers(bound: BoundRule) -> bool:
    """Whether the rule can name a referenced group or a prefix list; a budget counts addresses only."""
    if bound.kind is Kind.PROHIBITED and bound.max_public_addresses is not None:
        return False
    named = bound.sources
    return bool(bound.pattern or (named and (named.groups or named.prefix_lists)))


def _outside(bound: BoundRule, prefix_lists: PrefixLists) -> Iterator[Test]:
    """Restricted: one address outside of the allowed ones is enough."""
    yield from _one_of(EVERYWHERE - named_addresses(bound, prefix_lists))


def _inside(bound: BoundRule, prefix_lists: PrefixLists) -> Iterator[Test]:
    """Prohibited: as `prohibited.py` tests each source."""
    if bound.max_public_addresses is not None:
        for version in bound.versions():
            yield _counting(version, bound.max_public_addresses + 1)
        return
    sources = bound.sources
    if sources is None:
        return
    if bound.source_match is Match.OVERLAP:
        yield from _one_of(named_addresses(bound, prefix_lists))
        return
    for version in {block.version for block in sources.blocks if block.is_everything()}:
        yield _counting(version, globally_routable.TOTAL[version])
    yield from _all_of_one([block for block in sources.blocks if not block.is_everything()])
    if sources.internet:
        cover = bound.source_match is Match.COVER
        yield from (_counting(version, total if cover else 1) for version, total in globally_routable.TOTAL.items())
    for name in sources.prefix_lists:
        known = prefix_lists.get(name)
        if known and known.blocks:
            yield from _all_of(AddressSet.of(known.blocks))


def _counting(version: int, least: int) -> Test:
    return Test(_ROUTABLE[version], least)


def _one_of(addresses: AddressSet) -> Iterator[Test]:
    for version, intervals in ((4, addresses.v4), (6, addresses.v6)):
        if intervals:
            yield Test(Members(version, intervals), 1)


def _all_of_one(blocks: list[Cidr]) -> Iterator[Test]:
    """All of one of the blocks: at least as much of their union as the smallest of them has."""
    union = AddressSet.of(blocks)
    for version, intervals in ((4, union.v4), (6, union.v6)):
        sizes = [block.last - block.first + 1 for block in blocks if block.version == version]
        if sizes:
            yield Test(Members(version, intervals), min(sizes))


def _all_of(addresses: AddressSet) -> Iterator[Test]:
    """All of the addresses: all of one IP version at least."""
    version, intervals = (4, addresses.v4) if addresses.v4 else (6, addresses.v6)
    yield Test(Members(version, intervals), intervals.count())
