"""Changes as data: what would be done to a group, before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.security_group import Direction, Identity, SecurityGroupRule

Tags: TypeAlias = "tuple[tuple[str, str], ...]"


class Rest(NamedTuple):
    """Traffic that stays: ports [first, last] of the rule's protocol, from one block, or from the rule's own peer."""

    first: int
    last: int
    block: Cidr | None


class RuleChange(NamedTuple):
    """Revoke the rule and, where something of it is compliant, authorize the rest in its place."""

    rule: SecurityGroupRule
    keep: tuple[Rest, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a group is to become. What is not named here stays as it is.

    `rules` must be there in the end. `gone` must not be there; None: no rule but `rules`. `tags` are set on the group,
    `untagged` are keys that it must not have. `exact`: descriptions and tags of the rules must be as in `rules` too.
    """

    rules: tuple[SecurityGroupRule, ...] = ()
    gone: frozenset[Identity] | None = frozenset()
    tags: Tags = ()
    untagged: frozenset[str] = frozenset()
    exact: bool = False


class Revoke(NamedTuple):
    """Take rules of one direction away, by their ids."""

    direction: Direction
    rules: tuple[SecurityGroupRule, ...]


class Authorize(NamedTuple):
    """Add rules of one direction."""

    direction: Direction
    rules: tuple[SecurityGroupRule, ...]


class Describe(NamedTuple):
    """Give rules of one direction, by their ids, the descriptions that they carry here."""

    direction: Direction
    rules: tuple[SecurityGroupRule, ...]


class Tag(NamedTuple):
    """Set tags on the group (`sg-…`) or on rules (`sgr-…`)."""

    resources: tuple[str, ...]
    tags: Tags


class Untag(NamedTuple):
    """Delete tags from the group or from rules."""

    resources: tuple[str, ...]
    keys: tuple[str, ...]


Call: TypeAlias = Revoke | Authorize | Describe | Tag | Untag
"""One call to AWS. Each is atomic there: it takes effect as a whole, or not at all."""
