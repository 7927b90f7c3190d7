"""The rules that bind one group: what `resolve` makes of the document, and all that the evaluation needs of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sg_compliance.model import globally_routable
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import ALL_PORTS, WITH_PORTS, CidrPeer, GroupPeer, PrefixListPeer

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from sg_compliance.model.finding import Severity
    from sg_compliance.model.security_group import Direction, Peer
    from sg_compliance.policy.notation import Sources


class Kind(StrEnum):
    """What a rule says about its traffic."""

    PROHIBITED = "prohibited"
    RESTRICTED = "restricted"
    ALLOWED = "allowed"


class Match(StrEnum):
    """Whether one common member is enough, or all are needed."""

    OVERLAP = "overlap"
    COVER = "cover"


class SourceType(StrEnum):
    """Which peers a rule looks at."""

    ANY = "any"
    CIDR = "cidr"
    SECURITY_GROUP = "security_group"
    PREFIX_LIST = "prefix_list"


_PEER_TYPES = {
    SourceType.CIDR: (CidrPeer, PrefixListPeer),
    SourceType.SECURITY_GROUP: (GroupPeer,),
    SourceType.PREFIX_LIST: (PrefixListPeer,),
}


@dataclass(frozen=True, slots=True)
class BoundRule:
    """One rule, ready to be judged. `protocols` is None for all of them; `sources` is None for every peer.

    `path` is where the rule stands in the document. For a prohibited rule `sources` are the prohibited peers, else
    the allowed ones. `source_match` None is cover for blocks, overlap for `internet`. `after_allowances`: allowed
    traffic is taken out before the rule looks.
    """

    rule_id: str
    kind: Kind
    direction: Direction
    severity: Severity
    path: str
    description: str = ""
    reason: str = ""
    protocols: frozenset[int] | None = None
    ports: IntervalSet = ALL_PORTS
    port_match: Match = Match.OVERLAP
    sources: Sources | None = None
    source_match: Match | None = None
    source_type: SourceType = SourceType.ANY
    pattern: re.Pattern[str] | None = None
    max_public_addresses: int | None = None
    after_allowances: bool = False
    references: tuple[str, ...] = ()
    strategy: str | None = None
    floors: Mapping[int, int] | None = field(init=False, default=None)
    """The fewest routable addresses by IP version without which the rule cannot fire; None: there is no such floor."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "floors", self._floors())

    def _floors(self) -> Mapping[int, int] | None:
        if self.kind is not Kind.PROHIBITED:
            return None
        if self.max_public_addresses is not None:
            return dict.fromkeys(self.versions(), self.max_public_addresses + 1)
        named = self.sources
        if named is None or named.internet or named.groups or named.prefix_lists or self.pattern:
            return None
        if self.source_match is Match.OVERLAP or not all(block.is_everything() for block in named.blocks):
            return None
        return {block.version: globally_routable.TOTAL[block.version] for block in named.blocks}

    def versions(self) -> list[int]:
        """The IP versions of the sources; both where they name none."""
        return sorted({block.version for block in self.sources.blocks} if self.sources else ()) or [4, 6]

    def looks_at(self, peer: Peer) -> bool:
        """Whether the rule is about this kind of peer. A restricted rule looks at all: its type is that of the allowed.

        CIDRs are looked at wherever they stand, in a prefix list too.
        """
        wanted = _PEER_TYPES.get(self.source_type)
        return wanted is None or self.kind is Kind.RESTRICTED or isinstance(peer, wanted)

    def names(self, peer: Peer) -> bool:
        """Whether the rule names this referenced group or prefix list, by id or by pattern."""
        if isinstance(peer, GroupPeer):
            by_id = self.sources is not None and peer.group_id in self.sources.groups
            return by_id or self._matches(peer)
        return (
            isinstance(peer, PrefixListPeer)
            and self.sources is not None
            and (peer.prefix_list_id in self.sources.prefix_lists)
        )

    def _matches(self, peer: GroupPeer) -> bool:
        if self.pattern is None:
            return False
        return any(self.pattern.fullmatch(text) for text in (peer.name, peer.group_id) if text)

    def needed_ports(self, protocol: int) -> IntervalSet:
        """The ports that must all be open for `port_match: cover`. Port 0 is reserved: leaving it out is no escape."""
        return self.ports - _PORT_ZERO if protocol in WITH_PORTS else self.ports


_PORT_ZERO = IntervalSet([(0, 0)])


@dataclass(frozen=True, slots=True)
class Hygiene:
    """What is asked of every group; None where nothing is asked."""

    required_tags: tuple[str, ...] = ()
    max_rules: int | None = None
    min_description: int | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All that binds the groups of one account and environment."""

    account_id: str
    environment: str | None
    rules: tuple[BoundRule, ...] = ()
    allowances: tuple[BoundRule, ...] = ()
    hygiene: Hygiene = field(default_factory=Hygiene)
    required_approvals: tuple[str, ...] = ()
