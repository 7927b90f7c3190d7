"""The calls that turn a group into what is wanted, in an order that keeps compliant traffic flowing; none where it is.

A rule that is added gets its id from AWS and comes without tags (EC2 API reference, AuthorizeSecurityGroupIngress):
what `exact` wants of its tags is asked for when the group was read again. Such a group is settled after two rounds.
Tags that begin with `aws:` are AWS's own: never set, never deleted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.model.change import Authorize, Describe, Revoke, Tag, Untag
from sg_compliance.model.quota import RULES_PER_DIRECTION, quota_count
from sg_compliance.model.security_group import Direction, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sg_compliance.model.change import Call, Tags, Wanted
    from sg_compliance.model.security_group import Identity, PrefixLists, SecurityGroup, SecurityGroupRule

TAGS_PER_RESOURCE: Final = 50
"""Without AWS's own (EC2 user guide, Tag restrictions)."""
_RESOURCES_PER_CALL: Final = 1000
_RESERVED: Final = "aws:"


def is_reserved(key: str) -> bool:
    """Whether the tag is AWS's own."""
    return key.lower().startswith(_RESERVED)


def calls(
    group: SecurityGroup,
    wanted: Wanted,
    *,
    room: Mapping[Direction, bool] | None = None,
    prefix_lists: PrefixLists | None = None,
    quota: int = RULES_PER_DIRECTION,
) -> tuple[Call, ...]:
    """The calls, in order, from the group as it was read: rules with their ids.

    In each direction rules are added before others are revoked, where the quota has room for both. `room` says so
    where it is known better, as after RulesPerSecurityGroupLimitExceeded. A group that loses all its rules is closed
    first.
    """
    steps = [_step(group, wanted, direction) for direction in Direction]
    early, late = _untagging(group, wanted)
    return (
        *early,
        *_tagging(group, wanted),
        *_rule_calls(group, wanted, steps, room or {}, prefix_lists or {}, quota),
        *(_exact(group, wanted) if wanted.exact else ()),
        *late,
    )


def settled(group: SecurityGroup, wanted: Wanted) -> bool:
    """Whether the group is as wanted already: no call would be made."""
    return not calls(group, wanted)


def after(group: SecurityGroup, wanted: Wanted) -> SecurityGroup:
    """The group when all is done. Rules that are added have no id yet, and tags only where `exact` wants them."""
    named = {identity(rule): rule for rule in wanted.rules}
    kept = [rule for rule in group.rules if not _goes(rule, wanted, named)]
    present = set(map(identity, kept))
    if wanted.exact:
        kept = [_as_named(rule, named.get(identity(rule))) for rule in kept]
    added = [
        rule._replace(rule_id=None, tags=_own(rule.tags) if wanted.exact else ())
        for key, rule in named.items()
        if key not in present
    ]
    doomed = _doomed(wanted)
    tags = {key: value for key, value in group.tags if key not in doomed} | dict(_own(wanted.tags))
    return replace(group, rules=(*kept, *added), tags=tuple(tags.items()))


def _goes(rule: SecurityGroupRule, wanted: Wanted, named: Mapping[Identity, SecurityGroupRule]) -> bool:
    key = identity(rule)
    return key not in named and (wanted.gone is None or key in wanted.gone)


def _as_named(rule: SecurityGroupRule, named: SecurityGroupRule | None) -> SecurityGroupRule:
    if named is None:
        return rule
    described = rule if _same_text(rule, named) else rule._replace(description=named.description)
    reserved = tuple(each for each in rule.tags if is_reserved(each[0]))
    return described._replace(tags=(*reserved, *_own(named.tags)))


def _same_text(one: SecurityGroupRule, other: SecurityGroupRule) -> bool:
    return (one.description or "") == (other.description or "")


def _own(tags: Tags) -> Tags:
    return tuple(each for each in tags if not is_reserved(each[0]))


def _doomed(wanted: Wanted) -> frozenset[str]:
    """Keys to delete. What is to be set is not deleted."""
    kept = {key for key, _ in wanted.tags}
    return frozenset(key for key in wanted.untagged if key not in kept and not is_reserved(key))


class _Step(NamedTuple):
    """What happens to the rules of one direction."""

    direction: Direction
    stays: tuple[SecurityGroupRule, ...]
    goes: tuple[SecurityGroupRule, ...]
    comes: tuple[SecurityGroupRule, ...]

    def revoke(self) -> Iterator[Call]:
        if self.goes:
            yield Revoke(self.direction, self.goes)

    def authorize(self) -> Iterator[Call]:
        if self.comes:
            yield Authorize(self.direction, self.comes)


def _step(group: SecurityGroup, wanted: Wanted, direction: Direction) -> _Step:
    named = {identity(rule): rule for rule in wanted.rules if rule.direction is direction}
    own = [rule for rule in group.rules if rule.direction is direction]
    present = set(map(identity, own))
    return _Step(
        direction,
        tuple(rule for rule in own if not _goes(rule, wanted, named)),
        tuple(rule for rule in own if _goes(rule, wanted, named)),
        tuple(rule._replace(rule_id=None) for key, rule in named.items() if key not in present),
    )


def _rule_calls(  # noqa: PLR0913, PLR0917 - private
    group: SecurityGroup,
    wanted: Wanted,
    steps: Sequence[_Step],
    room: Mapping[Direction, bool],
    prefix_lists: PrefixLists,
    quota: int,
) -> Iterator[Call]:
    if wanted.gone is None and not any(step.stays for step in steps):
        for step in steps:
            yield from step.revoke()
        for step in steps:
            yield from step.authorize()
        return
    for step in steps:
        fits = room.get(step.direction, _fits(group, step, prefix_lists, quota))
        yield from (*step.authorize(), *step.revoke()) if fits else (*step.revoke(), *step.authorize())


def _fits(group: SecurityGroup, step: _Step, prefix_lists: PrefixLists, quota: int) -> bool:
    """Whether the quota has room for the rules that come beside all that are there."""
    now = quota_count(group.rules, step.direction, prefix_lists)
    more = quota_count(step.comes, step.direction, prefix_lists)
    return all(not more[version] or count + more[version] <= quota for version, count in now.items())


def _tagging(group: SecurityGroup, wanted: Wanted) -> Iterator[Call]:
    changed = tuple((key, value) for key, value in _own(wanted.tags) if group.tag(key) != value)
    if changed:
        yield Tag((group.group_id,), changed)


def _untagging(group: SecurityGroup, wanted: Wanted) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """The call that deletes tags of the group: first where the new ones have no room otherwise, else last."""
    own = {key for key, _ in _own(group.tags)}
    doomed = tuple(sorted(_doomed(wanted) & own))
    if not doomed:
        return (), ()
    call = Untag((group.group_id,), doomed)
    crowded = len(own | {key for key, _ in _own(wanted.tags)}) > TAGS_PER_RESOURCE
    return ((call,), ()) if crowded else ((), (call,))


def _exact(group: SecurityGroup, wanted: Wanted) -> Iterator[Call]:
    """Descriptions and tags of the rules that stay. Tags are deleted first: there may be no room for the new ones."""
    named = {identity(rule): rule for rule in wanted.rules}
    pairs = [(rule, named[identity(rule)]) for rule in group.rules if identity(rule) in named]
    for direction in Direction:
        described = [
            rule._replace(description=new.description)
            for rule, new in pairs
            if rule.direction is direction and not _same_text(rule, new)
        ]
        if described:
            yield Describe(direction, tuple(described))
    yield from _rule_tags(pairs)


def _rule_tags(pairs: Sequence[tuple[SecurityGroupRule, SecurityGroupRule]]) -> Iterator[Call]:
    """Rules that need the same change of their tags share a call."""
    untag: dict[tuple[str, ...], list[str]] = defaultdict(list)
    tag: dict[Tags, list[str]] = defaultdict(list)
    for rule, new in pairs:
        if rule.rule_id:
            old, own = dict(_own(rule.tags)), dict(_own(new.tags))
            untag[tuple(sorted(old.keys() - own.keys()))].append(rule.rule_id)
            tag[tuple(sorted(own.items() - old.items()))].append(rule.rule_id)
    for keys, ids in untag.items():
        for resources in _in_calls(ids if keys else []):
            yield Untag(resources, keys)
    for tags, ids in tag.items():
        for resources in _in_calls(ids if tags else []):
            yield Tag(resources, tags)


def _in_calls(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), _RESOURCES_PER_CALL):
        yield tuple(ids[start : start + _RESOURCES_PER_CALL])
