"""Columns of groups that are values already: the contract of `model/columns.py`, one line for each word of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sg_compliance.interfaces import Page
from sg_compliance.model.columns import Columns, Made, Whose
from sg_compliance.model.security_group import CidrPeer, Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.model.security_group import Peer, PrefixLists, SecurityGroup, SecurityGroupRule

Thing = TypeVar("Thing")


def columns_of(groups: Sequence[SecurityGroup]) -> Columns:
    """What columns tell of the groups."""
    peers: dict[Peer, int] = {}
    owners: dict[Whose, int] = {}
    rows = [(position, rule) for position, group in enumerate(groups) for rule in group.rules]
    rules = [rule for _, rule in rows]
    blocks = [_ipv4(rule) for rule in rules]
    return Columns(
        group=np.array([position for position, _ in rows], np.int32),
        egress=np.array([rule.direction is Direction.EGRESS for rule in rules], np.bool_),
        protocol=np.array([rule.protocol for rule in rules], np.int16),
        first=np.array([rule.first for rule in rules], np.int32),
        last=np.array([rule.last for rule in rules], np.int32),
        low=np.array([low for low, _ in blocks], np.uint32),
        high=np.array([high for _, high in blocks], np.uint32),
        peer=np.array([-1 if is_ipv4(rule.peer) else _number(peers, rule.peer) for rule in rules], np.int32),
        described=np.array([len((rule.description or "").strip()) for rule in rules], np.int32),
        group_ids=[group.group_id for group in groups],
        names=[group.name for group in groups],
        whose=np.array([_number(owners, Whose(each.account_id, each.region, each.tags)) for each in groups], np.int32),
        own_described=np.array([len(group.description.strip()) for group in groups], np.int32),
        doubtful=np.array([bool(group.malformed) for group in groups], np.bool_),
        peers=[*peers],
        owners=[*owners],
    )


def page_of(groups: Sequence[SecurityGroup], prefix_lists: PrefixLists) -> Page:
    """The same groups as a page with columns, each handed out when it is asked for."""
    return Page(Made(len(groups), groups.__getitem__), prefix_lists, columns_of(groups))


def is_ipv4(peer: Peer) -> bool:
    """Whether columns hold the peer's block themselves."""
    return isinstance(peer, CidrPeer) and peer.block.version == 4


def _ipv4(rule: SecurityGroupRule) -> tuple[int, int]:
    """The ends of the peer's block; nobody looks at those of another peer."""
    peer = rule.peer
    return (peer.block.first, peer.block.last) if isinstance(peer, CidrPeer) and is_ipv4(peer) else (0, 0)


def _number(known: dict[Thing, int], each: Thing) -> int:
    return known.setdefault(each, len(known))
