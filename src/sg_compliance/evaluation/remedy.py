"""The smallest change that makes a group comply with one rule: what to revoke, and what of it may stay.

A rule for one protocol keeps the ports that do not violate and, for restricted traffic, the allowed part of its
addresses. A rule for every protocol (`-1`) keeps nothing: what its users need has to be asked, not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from sg_compliance.evaluation.pieces import addresses_of
from sg_compliance.evaluation.violation import judge_parts
from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.change import Rest, RuleChange
from sg_compliance.model.security_group import ALL_PROTOCOLS, CidrPeer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.evaluation.pieces import Part, Piece, Surroundings
    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule


def smallest_change(
    bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings, parts: Sequence[Part], *, certain: bool
) -> tuple[RuleChange, ...]:
    """Changes after which the rule does not fire any more, on this group and these prefix lists.

    Taking the outermost blocks away can uncover others that violate by themselves: judged again until none do. What is
    certain is mended without touching what is only suspected.
    """
    left = list(rules)
    changes: list[RuleChange] = []
    while parts:
        closed: dict[SecurityGroupRule, list[Piece]] = defaultdict(list)
        for part in parts:
            for piece in part.causes:
                closed[piece.rule] += _at(piece, part.ports)
        changes += [RuleChange(rule, tuple(_rests(rule, closed[rule]))) for rule in left if rule in closed]
        left = [rule for rule in left if rule not in closed]
        parts = judge_parts(bound, left, around, suspect=not certain)
    return tuple(changes)


def _at(piece: Piece, ports: IntervalSet) -> Iterator[Piece]:
    for first, last in ports.clip(piece.first, piece.last):
        yield piece._replace(first=first, last=last)


def _rests(rule: SecurityGroupRule, closed: Sequence[Piece]) -> list[Rest]:
    """What of the rule does not violate, in as few pieces as its peer allows."""
    if rule.protocol == ALL_PROTOCOLS:
        return []
    cuts = sorted({rule.first, rule.last + 1, *(p.first for p in closed), *(p.last + 1 for p in closed)})
    rests: list[Rest] = []
    for first, following in pairwise(cuts):
        for block in _blocks_left(rule, [piece for piece in closed if piece.first <= first <= piece.last]):
            if rests and rests[-1].last + 1 == first and rests[-1].block == block:
                rests[-1] = rests[-1]._replace(last=following - 1)
            else:
                rests.append(Rest(first, following - 1, block))
    return rests


def _blocks_left(rule: SecurityGroupRule, closed: Sequence[Piece]) -> Iterable[Cidr | None]:
    """The blocks of a rule that stay open; None is its own peer, whole."""
    if not closed:
        return (None,)
    if not isinstance(rule.peer, CidrPeer):
        return ()
    return (AddressSet.of([rule.peer.block]) - addresses_of(closed)).cidrs()
