"""Many groups as columns: what a screen looks at before a single group is made.

A page of groups that comes as bytes can be laid out in arrays much faster than it can be made into values. Columns say
no more than a screen needs to know that a group is in order; whatever has a finding is made and judged as a value.
Arrays are NumPy's, which is imported by who makes columns and by who looks at them, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, overload

from sg_compliance.model.security_group import GroupPeer, Place, SecurityGroup, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sg_compliance.model.security_group import Peer


class Whose(NamedTuple):
    """What decides which policy rules bind a group, and whether it is wanted at all."""

    account_id: str
    region: str
    tags: tuple[tuple[str, str], ...]

    def tag(self, key: str) -> str | None:
        """As `SecurityGroup.tag`."""
        return value_of(self.tags, key)


class Head(NamedTuple):
    """A group without its rules: who it is, and whose. The first fields are those of `Whose`."""

    account_id: str
    region: str
    tags: tuple[tuple[str, str], ...]
    group_id: str
    name: str

    @property
    def place(self) -> Place:
        """As `SecurityGroup.place`."""
        return Place(self.account_id, self.region, self.group_id)

    def tag(self, key: str) -> str | None:
        """As `SecurityGroup.tag`."""
        return value_of(self.tags, key)


@dataclass(frozen=True, slots=True)
class Columns:
    """The groups of a page, and their rules: one row a rule, one rule a peer, as in `SecurityGroup.rules`.

    Of a rule: `group`, the position of its group, ascending; `egress`; `protocol`, `first`, `last` as in
    `SecurityGroupRule`; `low` and `high`, the IPv4 block of its peer with both ends; `peer`, the peer's position in
    `peers`, -1 where the peer is an IPv4 block; `described`, how many characters its description has at least, white
    space at both ends left out.

    Of a group: `group_ids`, `names`; `whose`, the position in `owners`; `own_described`, as `described`; `doubtful`:
    something about it is not told by columns (a malformed rule, an odd text), so that it must be looked at as a value.
    The rows of a doubtful group may be missing or wrong, but for `group`; who and whose it is, is right in any case.
    """

    group: NDArray[np.int32]
    egress: NDArray[np.bool_]
    protocol: NDArray[np.int16]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    low: NDArray[np.uint32]
    high: NDArray[np.uint32]
    peer: NDArray[np.int32]
    described: NDArray[np.int32]
    group_ids: Sequence[str]
    names: Sequence[str]
    whose: NDArray[np.int32]
    own_described: NDArray[np.int32]
    doubtful: NDArray[np.bool_]
    peers: Sequence[Peer]
    owners: Sequence[Whose]

    def heads(self) -> list[Head]:
        """The groups without their rules, in order."""
        owners = [self.owners[at] for at in self.whose.tolist()]
        return [
            Head(account_id, region, tags, group_id, name)
            for (account_id, region, tags), group_id, name in zip(owners, self.group_ids, self.names, strict=True)
        ]

    def sure_peers(self) -> list[Peer]:
        """The peers in the table that groups have which are not doubtful."""
        sure = self.peer[~self.doubtful[self.group]]
        return [self.peers[at] for at in sorted(set(sure[sure >= 0].tolist()))]

    def with_names(self, names: Mapping[str, str]) -> Columns:
        """The same, referenced groups named where the name is known."""
        named = [
            peer._replace(name=names[peer.group_id])
            if isinstance(peer, GroupPeer) and not peer.name and peer.group_id in names
            else peer
            for peer in self.peers
        ]
        return replace(self, peers=named)


class Made(Sequence[SecurityGroup]):
    """The groups of a page, each made when it is asked for: `make` takes its position."""

    def __init__(self, count: int, make: Callable[[int], SecurityGroup]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> SecurityGroup: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[SecurityGroup]: ...

    def __getitem__(self, at: int | slice) -> SecurityGroup | Sequence[SecurityGroup]:
        positions = range(self._count)[at]
        return self._make(positions) if isinstance(positions, int) else [self._make(each) for each in positions]

    def with_names(self, names: Mapping[str, str]) -> Made:
        """The same groups, referenced groups named where the name is known."""
        make = self._make
        return Made(self._count, lambda at: make(at).with_names(names))
