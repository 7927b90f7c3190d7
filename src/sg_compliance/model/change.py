"""Changes as data: what would be done to a group, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.security_group import SecurityGroupRule


class Rest(NamedTuple):
    """Traffic that stays: ports [first, last] of the rule's protocol, from one block, or from the rule's own peer."""

    first: int
    last: int
    block: Cidr | None


class RuleChange(NamedTuple):
    """Revoke the rule and, where something of it is compliant, authorize the rest in its place."""

    rule: SecurityGroupRule
    keep: tuple[Rest, ...]
