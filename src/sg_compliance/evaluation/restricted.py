"""Restricted traffic: open only to the listed peers. Whatever else gets through is a violation, peer by peer.

A referenced group is outside unless it is named by id or pattern. A prefix list is inside when it is named or all its
entries are; one that cannot be read is outside, and said to be unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.evaluation.pieces import (
    Part,
    Piece,
    addresses_of,
    named_addresses,
    pieces_of,
    ports_of,
    protocols_of,
)
from sg_compliance.model.addresses import AddressSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.evaluation.pieces import Surroundings
    from sg_compliance.model.security_group import SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule


def judge(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings, *, suspect: bool) -> list[Part]:
    """The traffic from peers outside the allowed ones.

    `suspect`: prefix lists that cannot be read count as outside, and as empty where they are among the allowed.
    """
    allowed = named_addresses(bound, around.prefix_lists)
    unsure = bool(around.unknown_sources(bound)) and not suspect
    parts = []
    for protocol in protocols_of(bound, rules, around):
        outside = [
            left
            for piece in pieces_of(bound, rules, protocol, around, suspect=suspect)
            if suspect or not (piece.unknown or (unsure and piece.block))
            for left in _outside(piece, bound, allowed)
        ]
        if outside:
            parts.append(Part(protocol, ports_of(outside), addresses_of(outside), tuple(outside)))
    return parts


def _outside(piece: Piece, bound: BoundRule, allowed: AddressSet) -> Iterator[Piece]:
    """What of a piece is not allowed."""
    if bound.names(piece.rule.peer):
        return
    if piece.block is None:
        yield piece
        return
    for block in (AddressSet.of([piece.block]) - allowed).cidrs():
        yield piece._replace(block=block)
