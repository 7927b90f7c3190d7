"""The traffic of a group as one policy rule sees it, cut into pieces: ports × one block (or one other peer).

A piece remembers the security group rule that it comes from. Allowed traffic can be taken out of the pieces; what is
left of a block is cut into CIDRs again, so that blocks stay nested or disjoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.addresses import EVERYWHERE, AddressSet, Cidr
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    LAST_PROTOCOL,
    PrefixListPeer,
    SecurityGroupRule,
    blocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.model.security_group import Peer, PrefixLists
    from sg_compliance.policy.bound import BoundRule


class Piece(NamedTuple):
    """Ports [first, last] open to a block; without a block, to a referenced group or an unreadable prefix list."""

    first: int
    last: int
    block: Cidr | None
    rule: SecurityGroupRule
    unknown: bool = False


class Part(NamedTuple):
    """Violating traffic of one protocol (-1: every protocol that is not named) and the pieces that are its cause.

    `addresses` is all that gets through on the ports and counts for the rule: it does not depend on how the traffic is
    cut into rules. The causes do: a block inside another one is no cause of its own.
    """

    protocol: int
    ports: IntervalSet
    addresses: AddressSet
    causes: tuple[Piece, ...]


class Surroundings(NamedTuple):
    """What a rule is judged with besides the group: prefix lists of the region, allowed traffic of the rule set."""

    prefix_lists: PrefixLists
    allowances: Sequence[BoundRule] = ()

    def cannot_read(self, peer: Peer) -> bool:
        """Whether the peer is a prefix list whose entries are unknown."""
        return isinstance(peer, PrefixListPeer) and self.is_unknown(peer.prefix_list_id)

    def is_unknown(self, prefix_list_id: str) -> bool:
        """Whether the entries of the prefix list are unknown."""
        known = self.prefix_lists.get(prefix_list_id)
        return known is None or known.blocks is None

    def unknown_to(self, bound: BoundRule) -> frozenset[str]:
        """The prefix lists that the policy rule and the allowances before it name and whose entries are unknown."""
        before = self.allowances if bound.after_allowances else ()
        own = (each for each in before if each.direction is bound.direction)
        return self.unknown_sources(bound).union(*map(self.unknown_sources, own))

    def unknown_sources(self, bound: BoundRule) -> frozenset[str]:
        """The prefix lists that the policy rule itself names and whose entries are unknown."""
        named = bound.sources.prefix_lists if bound.sources else frozenset()
        return frozenset(each for each in named if self.is_unknown(each))


def protocols_of(bound: BoundRule, rules: Iterable[SecurityGroupRule], around: Surroundings) -> list[int]:
    """The protocols to judge one by one; -1 stands for all that nobody names. -1 comes first."""
    if bound.protocols is not None:
        return sorted(bound.protocols)
    named = {rule.protocol for rule in rules if rule.protocol != ALL_PROTOCOLS}
    if bound.after_allowances:
        named.update(*(allowance.protocols or () for allowance in around.allowances))
    return sorted(named) if len(named) > LAST_PROTOCOL else [ALL_PROTOCOLS, *sorted(named)]


def pieces_of(
    bound: BoundRule, rules: Iterable[SecurityGroupRule], protocol: int, around: Surroundings, *, suspect: bool = False
) -> list[Piece]:
    """The pieces of the rules' traffic that the bound rule looks at, in one protocol.

    An allowance whose own prefix list cannot be read may allow anyone; `suspect`: it allows nobody.
    """
    pieces = [
        piece
        for rule in rules
        if rule.protocol in (protocol, ALL_PROTOCOLS) and bound.looks_at(rule.peer)
        for piece in _pieces(rule, bound.ports, around.prefix_lists)
    ]
    if not bound.after_allowances:
        return pieces
    for allowance in around.allowances:
        if allowance.direction is bound.direction and _about(allowance, protocol):
            unsure = around.unknown_sources(allowance) and not suspect
            addresses = EVERYWHERE if unsure else named_addresses(allowance, around.prefix_lists)
            pieces = [left for piece in pieces for left in _without(piece, allowance, addresses)]
    return pieces


def named_addresses(bound: BoundRule, prefix_lists: PrefixLists) -> AddressSet:
    """The addresses that the rule's sources name, those in named prefix lists among them."""
    if bound.sources is None:
        return AddressSet()
    lists = (prefix_lists.get(name) for name in bound.sources.prefix_lists)
    return bound.sources.addresses | AddressSet.of(block for known in lists if known for block in known.blocks or ())


def _pieces(rule: SecurityGroupRule, ports: IntervalSet, prefix_lists: PrefixLists) -> Iterator[Piece]:
    known = blocks_of(rule.peer, prefix_lists)
    for first, last in ports:
        if first <= rule.last and last >= rule.first:
            low, high = max(first, rule.first), min(last, rule.last)
            if known:
                for block in known:
                    yield Piece(low, high, block, rule)
            elif known is None or not _has_addresses(rule):
                yield Piece(low, high, None, rule, unknown=known is None)


def _has_addresses(rule: SecurityGroupRule) -> bool:
    """A readable prefix list without entries lets nobody through; a referenced group does."""
    return not hasattr(rule.peer, "group_id")


def _about(allowance: BoundRule, protocol: int) -> bool:
    return allowance.protocols is None or protocol in allowance.protocols


def _without(piece: Piece, allowance: BoundRule, addresses: AddressSet) -> Iterator[Piece]:
    """What is left of a piece when the allowed traffic is taken out."""
    common = allowance.ports.clip(piece.first, piece.last)
    left = _blocks_left(piece, allowance, addresses) if common else [piece.block]
    if left == [piece.block]:
        yield piece
        return
    for first, last in IntervalSet([(piece.first, piece.last)]) - common:
        yield piece._replace(first=first, last=last)
    for first, last in common:
        for block in left:
            yield piece._replace(first=first, last=last, block=block)


def _blocks_left(piece: Piece, allowance: BoundRule, addresses: AddressSet) -> list[Cidr | None]:
    if not allowance.looks_at(piece.rule.peer):
        return [piece.block]
    if allowance.sources is None or allowance.names(piece.rule.peer):
        return []
    if piece.block is None or not addresses:
        return [piece.block]
    return list((AddressSet.of([piece.block]) - addresses).cidrs())


def ports_of(pieces: Iterable[Piece]) -> IntervalSet:
    """The union of the pieces' ports."""
    return IntervalSet([(piece.first, piece.last) for piece in pieces])


def at_ports(pieces: Iterable[Piece], ports: IntervalSet) -> list[Piece]:
    """The pieces that open one of the ports."""
    return [piece for piece in pieces if ports.clip(piece.first, piece.last)]


def addresses_of(pieces: Iterable[Piece]) -> AddressSet:
    """The union of the pieces' blocks."""
    return AddressSet.of(piece.block for piece in pieces if piece.block)
