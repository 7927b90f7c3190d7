"""Does a policy rule fire on some rules of a group? The one place where a kind of rule meets its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.evaluation import prohibited, restricted
from sg_compliance.model.security_group import ALL_PROTOCOLS
from sg_compliance.policy.bound import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.evaluation.pieces import Part, Surroundings
    from sg_compliance.model.addresses import AddressSet
    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import Peer, SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule


def violation(bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings) -> tuple[list[Part], bool]:
    """The violating traffic, and whether it is certain or only cannot be ruled out.

    Judged first without the prefix lists that cannot be read. If nothing violates, they are held to admit everyone.
    """
    parts = judge_parts(bound, rules, around, suspect=False)
    unsure = around.unknown_to(bound) or any(around.cannot_read(rule.peer) for rule in rules)
    if parts or not unsure:
        return parts, True
    return judge_parts(bound, rules, around, suspect=True), False


def judge_parts(
    bound: BoundRule, rules: Sequence[SecurityGroupRule], around: Surroundings, *, suspect: bool
) -> list[Part]:
    """The violating traffic by protocol. `suspect`: prefix lists that cannot be read are held to admit everyone.

    A protocol of its own that violates just like all others says nothing more, and is left out.
    """
    judge = restricted.judge if bound.kind is Kind.RESTRICTED else prohibited.judge
    parts = judge(bound, rules, around, suspect=suspect)
    if not parts or parts[0].protocol != ALL_PROTOCOLS:
        return parts
    return [parts[0], *(part for part in parts[1:] if _traffic(part) != _traffic(parts[0]))]


def _traffic(part: Part) -> tuple[IntervalSet, AddressSet, frozenset[Peer]]:
    others = frozenset(piece.rule.peer for piece in part.causes if piece.block is None)
    return part.ports, part.addresses, others
