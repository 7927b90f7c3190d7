"""Rules held against each other: does one find all that another finds, would an allowance set another rule off?

Every answer is on the safe side: yes only where it follows from the sets (ports, peers, who is bound), whatever the
group. Left open, and answered with no: what prefix lists hold, and which names a regular expression matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import BITS, EVERYWHERE, INTERNET, NOWHERE, AddressSet, Cidr
from sg_compliance.policy.bound import Kind, Match, SourceType
from sg_compliance.policy.notation import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import Direction
    from sg_compliance.policy.bound import BoundRule


@dataclass(frozen=True, slots=True)
class Anyone:
    """Fires on every peer."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Fires on so many globally routable addresses of one IP version."""

    version: int
    addresses: int


@dataclass(frozen=True, slots=True)
class AllOf:
    """Fires when every address of the block is admitted."""

    block: Cidr


@dataclass(frozen=True, slots=True)
class SomeOf:
    """Fires on one address of the block."""

    block: Cidr


@dataclass(frozen=True, slots=True)
class Public:
    """Fires on one globally routable address."""


@dataclass(frozen=True, slots=True)
class Named:
    """Fires on a group or prefix list by id, or on a group by pattern."""

    name: str


Trigger: TypeAlias = Anyone | AtLeast | AllOf | SomeOf | Public | Named


def triggers(rule: BoundRule) -> Iterator[Trigger]:
    """What sets off a prohibited rule: each of these alone."""
    sources = rule.sources
    if rule.max_public_addresses is not None:
        versions = {block.version for block in sources.blocks} if sources else set()
        yield from (AtLeast(version, rule.max_public_addresses + 1) for version in sorted(versions or {4, 6}))
        return
    if sources is None:
        yield Anyone()
        return
    for block in sources.blocks:
        yield SomeOf(block) if rule.source_match is Match.OVERLAP else _all_of(block)
    if sources.internet and rule.source_match is Match.COVER:
        yield from (AtLeast(version, total) for version, total in globally_routable.TOTAL.items())
    elif sources.internet:
        yield Public()
    yield from (Named(name) for name in sorted(sources.groups | sources.prefix_lists))
    if rule.pattern:
        yield Named(rule.pattern.pattern)


def _all_of(block: Cidr) -> Trigger:
    """Of the whole internet only the routable addresses are asked for."""
    return AtLeast(block.version, globally_routable.TOTAL[block.version]) if _is_whole(block) else AllOf(block)


def _is_whole(block: Cidr) -> bool:
    return _size(block) == 1 << BITS[block.version]


def _size(block: Cidr) -> int:
    return block.last - block.first + 1


def implies(one: Trigger, other: Trigger) -> bool:  # noqa: PLR0911 - one answer for each pair
    """Whether whatever fires the one fires the other."""
    match one, other:
        case (_, Anyone()):
            return True
        case AtLeast(), AtLeast():
            return one.version == other.version and one.addresses >= other.addresses
        case AtLeast(), Public():
            return one.addresses >= 1
        case AtLeast(), SomeOf():
            elsewhere = globally_routable.TOTAL[one.version] - other.block.routable
            return one.version == other.block.version and one.addresses > elsewhere
        case AllOf(), (AllOf() | SomeOf()):
            mine, theirs = AddressSet.of([one.block]), AddressSet.of([other.block])
            return mine.covers(theirs) if isinstance(other, AllOf) else mine.overlaps(theirs)
        case AllOf(), AtLeast():
            return one.block.version == other.version and one.block.routable >= other.addresses
        case AllOf(), Public():
            return one.block.routable > 0
        case SomeOf(), SomeOf():
            return AddressSet.of([other.block]).covers(AddressSet.of([one.block]))
        case SomeOf(), Public():
            return one.block.routable == _size(one.block)
        case _:
            return one == other


def finds_all_of(other: BoundRule, one: BoundRule) -> bool:
    """Whether `other` fires, on the same ports at least, wherever `one` fires. Who is bound is not looked at."""
    if one.direction is not other.direction or other.source_type not in (SourceType.ANY, one.source_type):
        return False
    if other.after_allowances and not one.after_allowances:
        return False
    return _on_its_ports(other, one) and _from_its_peers(other, one)


def _on_its_ports(other: BoundRule, one: BoundRule) -> bool:
    if not traffic_within(one, other):
        return False
    if other.port_match is Match.OVERLAP:
        return True
    every_protocol = (one.protocols is None) == (other.protocols is None)
    return one.port_match is Match.COVER and one.ports == other.ports and every_protocol


def _from_its_peers(other: BoundRule, one: BoundRule) -> bool:
    if other.kind is Kind.RESTRICTED:
        if one.kind is Kind.RESTRICTED:
            return _lets_through_no_more(other, one)
        return all(_needs_an_outsider(trigger, other) for trigger in triggers(one))
    theirs = list(triggers(other))
    if one.kind is Kind.RESTRICTED:
        return Anyone() in theirs
    if one.sources and one.sources.prefix_lists and one.source_match is not other.source_match:
        return False
    mine = list(triggers(one))
    return bool(mine) and all(any(implies(trigger, their) for their in theirs) for trigger in mine)


def _lets_through_no_more(other: BoundRule, one: BoundRule) -> bool:
    """Whether every peer that one restricted rule lets through, the stricter one (`other`), the other does as well."""
    mine, theirs = one.sources or Sources(), other.sources or Sources()
    return (
        mine.addresses.covers(theirs.addresses)
        and theirs.groups <= mine.groups
        and theirs.prefix_lists <= mine.prefix_lists
        and (other.pattern is None or other.pattern == one.pattern)
    )


def _needs_an_outsider(trigger: Trigger, restricted: BoundRule) -> bool:
    """Whether nothing can fire the trigger without a peer that the restricted rule keeps out."""
    inside = restricted.sources or Sources()
    if inside.prefix_lists:
        return False
    match trigger:
        case AtLeast(version, least):
            return _of_version(inside.addresses, version).count_globally_routable() < least
        case AllOf(block):
            return not inside.addresses.covers(AddressSet.of([block]))
        case SomeOf(block):
            return not inside.addresses.overlaps(AddressSet.of([block]))
        case Public():
            return not inside.addresses.overlaps(INTERNET)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Opening:
    """Traffic that someone may come to open in full. `protocols` None is all of them, `sources` None every peer."""

    direction: Direction
    protocols: frozenset[int] | None
    ports: IntervalSet
    sources: Sources | None
    source_type: SourceType = SourceType.ANY
    pattern: str | None = None

    @property
    def addresses(self) -> AddressSet:
        """The addresses that are let through, as far as they are known."""
        if self.sources is not None:
            return self.sources.addresses
        return EVERYWHERE if self.source_type in (SourceType.ANY, SourceType.CIDR) else NOWHERE


def opening_of(rule: BoundRule) -> Opening:
    """What an allowed or a restricted rule lets through."""
    pattern = rule.pattern.pattern if rule.pattern else None
    return Opening(rule.direction, rule.protocols, rule.ports, rule.sources, rule.source_type, pattern)


def sets_off(opening: Opening, prohibited: BoundRule) -> bool:
    """Whether a group that opens all of the traffic violates the prohibited rule. Who is bound is not looked at."""
    if opening.direction is not prohibited.direction or not _shares_ports(opening, prohibited):
        return False
    if prohibited.source_type not in (SourceType.ANY, opening.source_type):
        return False
    return any(_fires(trigger, opening) for trigger in triggers(prohibited))


def steps_outside(opening: Opening, restricted: BoundRule) -> bool:
    """Whether some address of the traffic is one that the restricted rule keeps out."""
    if opening.direction is not restricted.direction or not _shares_ports(opening, restricted):
        return False
    inside = restricted.sources or Sources()
    return restricted.source_type in (SourceType.ANY, SourceType.CIDR) and not inside.addresses.covers(
        opening.addresses
    )


def traffic_within(one: BoundRule | Opening, other: BoundRule) -> bool:
    """Whether every protocol and port of the one are the other's as well."""
    protocols = other.protocols is None or (one.protocols is not None and one.protocols <= other.protocols)
    return protocols and other.ports.covers(one.ports)


def _shares_ports(opening: Opening, rule: BoundRule) -> bool:
    mine, theirs = opening.protocols, rule.protocols
    if rule.port_match is Match.OVERLAP:
        common = mine is None or theirs is None or bool(mine & theirs)
        return common and opening.ports.overlaps(rule.ports)
    if theirs is None:
        return mine is None and opening.ports.covers(rule.ports)
    common_protocols = theirs if mine is None else mine & theirs
    return any(opening.ports.covers(rule.needed_ports(protocol)) for protocol in common_protocols)


def _fires(trigger: Trigger, opening: Opening) -> bool:
    addresses = opening.addresses
    match trigger:
        case Anyone():
            return True
        case AtLeast(version, least):
            return _of_version(addresses, version).count_globally_routable() >= least
        case AllOf(block):
            return addresses.covers(AddressSet.of([block]))
        case SomeOf(block):
            return addresses.overlaps(AddressSet.of([block]))
        case Public():
            return addresses.overlaps(INTERNET)
        case Named(name):
            sources = opening.sources
            return sources is None or name == opening.pattern or name in sources.groups | sources.prefix_lists


def _of_version(addresses: AddressSet, version: int) -> AddressSet:
    return AddressSet(v4=addresses.v4) if version == 4 else AddressSet(v6=addresses.v6)  # noqa: PLR2004 - the IP version
