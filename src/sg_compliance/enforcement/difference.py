"""What is different between two states of a group: rules, their descriptions and tags, the tags of the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.security_group import identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.change import Tags
    from sg_compliance.model.security_group import MalformedRule, SecurityGroup, SecurityGroupRule


class TagChange(NamedTuple):
    """A tag's value before and after; None where there was none."""

    key: str
    before: str | None
    after: str | None


class Altered(NamedTuple):
    """The same rule, with another description, or with other tags."""

    rule: SecurityGroupRule
    before: str | None
    after: str | None
    tags: tuple[TagChange, ...]

    @property
    def described_anew(self) -> bool:
        """Whether the description is another. AWS knows no difference between an empty one and none."""
        return (self.before or "") != (self.after or "")


@dataclass(frozen=True, slots=True)
class Difference:
    """Rules that went and came, rules that are described or tagged otherwise, tags of the group."""

    removed: tuple[SecurityGroupRule, ...] = ()
    added: tuple[SecurityGroupRule, ...] = ()
    changed: tuple[Altered, ...] = ()
    tags: tuple[TagChange, ...] = ()
    malformed: tuple[MalformedRule, ...] = ()
    """Rules of the later state that cannot mean any traffic; a backup has none."""

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.changed or self.tags or self.malformed)


def difference(before: SecurityGroup, after: SecurityGroup) -> Difference:
    """What is different. Ids of rules do not count: a rule that was added again has a new one."""
    old, new = ({identity(rule): rule for rule in group.rules} for group in (before, after))
    both = [_change(rule, new[name]) for name, rule in old.items() if name in new]
    return Difference(
        removed=tuple(rule for name, rule in old.items() if name not in new),
        added=tuple(rule for name, rule in new.items() if name not in old),
        changed=tuple(change for change in both if change.described_anew or change.tags),
        tags=_tags(before.tags, after.tags),
        malformed=after.malformed,
    )


def _change(old: SecurityGroupRule, new: SecurityGroupRule) -> Altered:
    return Altered(old, old.description, new.description, _tags(old.tags, new.tags))


def _tags(before: Tags, after: Tags) -> tuple[TagChange, ...]:
    old, new = dict(before), dict(after)
    keys: Iterable[str] = dict.fromkeys((*old, *new))
    return tuple(TagChange(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))
