"""A page of DescribeSecurityGroups, laid out in levels → the columns of its groups.

What a rule means is what `translate` says of it: protocols and ports are asked there once for each different one, peers
that are no plain IPv4 block too. A group whose rules cannot be read so, or have oddly written ports, is doubtful.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_paths import (
    DIRECTIONS,
    FIELDS,
    GROUP,
    IPV4,
    IPV6,
    PAIR,
    PEERS,
    PORTS,
    PREFIX_LIST,
    TAG,
    where,
)
from sg_compliance.model.columns import Columns, Whose
from sg_compliance.model.security_group import PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from sg_compliance.aws.ec2_layout import Level, Path, Places, Positions
    from sg_compliance.aws.ec2_texts import Texts
    from sg_compliance.model.security_group import Peer

_BIAS: Final = 1 << 20
_PORT_BITS: Final = 22


class Laid(NamedTuple):
    """A page: its levels, texts and numbers. `numbers`: for each element the number that it holds, where it is one."""

    places: Places
    levels: Sequence[Level]
    texts: Texts
    numbers: NDArray[np.int64]
    plain: NDArray[np.bool_]


class _Rules(NamedTuple):
    """One row a peer, in the order of `SecurityGroup.rules`."""

    row: Positions
    """In the level of peers."""
    kind: NDArray[np.int8]
    permission: Positions
    group: Positions
    egress: NDArray[np.bool_]


def columns(laid: Laid, account_id: str, region: str) -> Columns:
    """The columns of a page's groups; account and region where the groups do not say so themselves."""
    return _Reading(laid).columns(account_id, region)


class _Reading:
    """One reading of a page, in levels: groups, members, permissions and tags, members, peers, members."""

    def __init__(self, laid: Laid) -> None:
        self._laid, self._texts, self._places = laid, laid.texts, laid.places
        self._where = where(laid.places)
        self._levels = [*laid.levels]
        self._groups = len(self._levels[0].elements)
        self._doubtful = np.zeros(self._groups, bool)

    def columns(self, account_id: str, region: str) -> Columns:
        rules = self._rules()
        protocol, first, last = self._ports(rules)
        low, high, peer, peers = self._peers(rules)
        owners, whose = self._owners(account_id, region)
        return Columns(
            group=rules.group.astype(np.int32),
            egress=rules.egress,
            protocol=protocol,
            first=first,
            last=last,
            low=low.astype(np.uint32),
            high=high.astype(np.uint32),
            peer=peer,
            described=self._texts.lengths(self._described(rules)).astype(np.int32),
            group_ids=self._texts.words(self._of_groups("GroupId")),
            names=self._texts.words(self._of_groups("GroupName")),
            whose=whose,
            own_described=self._texts.lengths(self._of_groups("Description")).astype(np.int32),
            doubtful=self._doubtful,
            peers=peers,
            owners=owners,
        )

    def _members(self, depth: int, rows: Positions, path: Path) -> Positions:
        """The members at this path of the structures in these rows of a level."""
        slot = self._places.slots[self._places.at[path]]
        if len(self._levels) <= depth + 1 or slot >= self._levels[depth + 1].slots.shape[1]:
            return np.full(len(rows), -1, np.intp)
        return np.asarray(self._levels[depth + 1].slots[rows, slot], np.intp)

    def _of_groups(self, name: str) -> Positions:
        return self._members(0, np.arange(self._groups), (*GROUP, name))

    def _group_of(self, depth: int, rows: Positions) -> Positions:
        for level in range(depth, 0, -1):
            rows = self._levels[level].parents[rows]
        return rows

    def _doubt(self, groups: Positions) -> None:
        self._doubtful[groups] = True

    def _rules(self) -> _Rules:
        """The peers, and whose they are."""
        none = np.zeros(0, np.intp)
        if len(self._levels) <= 4:  # noqa: PLR2004  the level of peers
            return _Rules(none, np.zeros(0, np.int8), none, none, np.zeros(0, bool))
        peers = self._levels[4]
        row = np.flatnonzero(self._where.kind[peers.places] >= 0)
        kind = self._where.kind[peers.places[row]]
        permission = self._levels[3].parents[peers.parents[row]]
        group = self._group_of(2, permission)
        egress = self._where.egress[self._levels[2].places[permission]]
        order = np.argsort(
            ((group * 2 + egress) * len(self._levels[2].elements) + permission) * 4 + kind, kind="stable"
        )
        return _Rules(row[order], kind[order], permission[order], group[order], egress[order] == 1)

    def _ports(self, rules: _Rules) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int32]]:
        """What each rule's protocol and ports mean: `translate` is asked once for each different permission."""
        if len(self._levels) <= 2:  # noqa: PLR2004  the level of permissions
            return np.zeros(0, np.int16), np.zeros(0, np.int32), np.zeros(0, np.int32)
        permissions = np.flatnonzero(self._where.egress[self._levels[2].places] >= 0)
        named, first, last = (self._written(permissions, name) for name in PORTS)
        words, fits = self._texts.short(named)
        written, which = np.unique(words, return_inverse=True)
        plain = fits & self._is_plain(first) & self._is_plain(last)
        keys = (which << _PORT_BITS | self._coded(first)) << _PORT_BITS | self._coded(last)
        different, of_permission = np.unique(keys, return_inverse=True)
        meant = [_meaning(written, key) for key in different.tolist()]
        meaning = np.array([each or (0, 0, 0) for each in meant], np.int32).reshape(-1, 3)
        wrong = np.array([each is None for each in meant], bool)
        self._doubt(self._group_of(2, permissions[~plain | wrong[of_permission]]))
        of_level = np.zeros(len(self._levels[2].elements), np.intp)
        of_level[permissions] = of_permission
        found = meaning[of_level[rules.permission]]
        return found[:, 0].astype(np.int16), found[:, 1], found[:, 2]

    def _written(self, permissions: Positions, name: str) -> Positions:
        """What stands under the name in each permission, of either direction."""
        ingress, egress = (self._members(2, permissions, (*GROUP, way, "", name)) for way in DIRECTIONS)
        return np.where(self._where.egress[self._levels[2].places[permissions]] == 1, egress, ingress)

    def _is_plain(self, elements: Positions) -> NDArray[np.bool_]:
        return (elements < 0) | self._laid.plain[elements]

    def _coded(self, elements: Positions) -> NDArray[np.int64]:
        """A number above zero for each port; zero where there is none."""
        return np.where(elements < 0, 0, self._laid.numbers[elements] + _BIAS)

    def _described(self, rules: _Rules) -> Positions:
        return self._of_peers(
            rules.row, self._where.described[self._levels[4].places[rules.row]] if rules.row.size else rules.kind
        )

    def _of_peers(self, rows: Positions, slot: NDArray[np.int8]) -> Positions:
        if not rows.size or len(self._levels) <= 5:  # noqa: PLR2004  the level of the members of peers
            return np.full(len(rows), -1, np.intp)
        slots = self._levels[5].slots
        within = slot < slots.shape[1]
        return np.where(within, slots[rows, np.where(within, slot, 0)], -1).astype(np.intp)

    def _field(self, rules: _Rules, at: Positions, kind: int, name: str) -> Positions:
        """A member of these rules' peers, all of one kind."""
        places = [self._places.at[*GROUP, way, "", PEERS[kind][0], "", name] for way in DIRECTIONS]
        slots = np.array([self._places.slots[place] for place in places], np.int8)
        return self._of_peers(rules.row[at], slots[rules.egress[at].view(np.int8)])

    def _peers(self, rules: _Rules) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], list[Peer]]:
        low, high = np.zeros(len(rules.row), np.int64), np.zeros(len(rules.row), np.int64)
        peer = np.full(len(rules.row), -1, np.int32)
        at = np.flatnonzero(rules.kind == IPV4)
        low[at], high[at] = self._ipv4(rules, at)
        peers: list[Peer] = []
        for kind, read in _READ.items():
            at = np.flatnonzero(rules.kind == kind)
            peer[at] = _numbered(self._fields(rules, at, kind), peers, read)
        self._doubt(rules.group[(peer < 0) & (rules.kind != IPV4)])
        return low, high, peer, peers

    def _ipv4(self, rules: _Rules, at: Positions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        written = self._field(rules, at, IPV4, "CidrIp")
        blocks = self._texts.blocks(written)
        odd = np.flatnonzero(~blocks.plain)
        for row, word in zip(odd.tolist(), self._texts.words(written[odd]), strict=True):
            peer = translate.cidr_peer(word)
            if peer is None or peer.block.version != 4:  # noqa: PLR2004  the IP version
                self._doubt(rules.group[at[[row]]])
            else:
                blocks.low[row], blocks.high[row] = peer.block.first, peer.block.last
        return blocks.low, blocks.high

    def _fields(self, rules: _Rules, at: Positions, kind: int) -> list[Sequence[str] | None]:
        """What these rules' peers, all of one kind, are made of: the first of all, others where one of them has it."""
        first, *others = (self._field(rules, at, kind, name) for name in FIELDS[kind])
        return [self._texts.words(first), *(self._texts.words(x) if (x >= 0).any() else None for x in others)]

    def _owners(self, account_id: str, region: str) -> tuple[list[Whose], NDArray[np.int32]]:
        owner_ids = self._texts.words(self._of_groups("OwnerId"))
        arns = self._texts.words(self._of_groups("SecurityGroupArn"))
        known: dict[Whose, int] = {}
        whose = [
            known.setdefault(
                Whose(owner or account_id or translate.UNKNOWN, translate.region_in(arn, region), tuple(tags)),
                len(known),
            )
            for owner, arn, tags in zip(owner_ids, arns, self._tags(), strict=True)
        ]
        return [*known], np.array(whose, np.int32)

    def _tags(self) -> list[list[tuple[str, str]]]:
        found: list[list[tuple[str, str]]] = [[] for _ in range(self._groups)]
        if len(self._levels) > 2:  # noqa: PLR2004  the level of tags
            rows = np.flatnonzero(self._levels[2].places == self._places.at[TAG])
            keys, values = (self._texts.words(self._members(2, rows, (*TAG, name))) for name in ("Key", "Value"))
            for group, tag in zip(self._group_of(2, rows).tolist(), zip(keys, values, strict=True), strict=True):
                found[group].append(tag)
        return found


def _meaning(written: NDArray[np.uint64], key: int) -> tuple[int, int, int] | None:
    """Protocol, first and last port of a key of `_Reading._ports`; None where it cannot mean any traffic."""
    mask = (1 << _PORT_BITS) - 1
    word, first, last = key >> 2 * _PORT_BITS, key >> _PORT_BITS & mask, key & mask
    text = written[word].tobytes().rstrip(b"\0").decode("ascii", "replace")
    try:
        return translate.ports(text, first - _BIAS if first else None, last - _BIAS if last else None)
    except ValueError:
        return None


def _numbered(
    fields: Sequence[Sequence[str] | None], peers: list[Peer], read: Callable[..., Peer | None]
) -> NDArray[np.int32]:
    """The position of each peer among the peers, where new ones are added; -1 where it cannot be read.

    `fields`: what the peers are made of; None for what none of them has.
    """
    known: dict[tuple[str, ...], int] = {}
    told = [each for each in fields if each is not None]
    numbers = [known.setdefault(key, len(known)) for key in zip(*told, strict=True)]
    different = zip(*known, strict=True)
    made = [*map(read, *(repeat("") if each is None else next(different, ()) for each in fields))]
    readable = np.array([each is not None for each in made], bool)
    positions = np.where(readable, np.cumsum(readable) - 1 + len(peers), -1).astype(np.int32)
    peers += [each for each in made if each is not None]
    return positions[numbers]


def _ipv6(text: str) -> Peer | None:
    peer = translate.cidr_peer(text)
    return peer if peer is not None and peer.block.version == 6 else None  # noqa: PLR2004  the IP version


_READ: Final[Mapping[int, Callable[..., Peer | None]]] = {
    IPV6: _ipv6,
    PREFIX_LIST: PrefixListPeer,
    PAIR: translate.group_peer,
}
