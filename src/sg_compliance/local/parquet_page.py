"""Rows of a snapshot as a page: columns to look at first, and groups that are made when they are asked for.

Nothing goes through Python rule by rule, but peers that are no IPv4 block: each different one is made once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sg_compliance.errors import InputError
from sg_compliance.local import parquet_schema as schema
from sg_compliance.local.parquet_rules import codes, disagreeing, meaning
from sg_compliance.model.addresses import cidr, parse_cidr
from sg_compliance.model.columns import Columns, Made, Whose
from sg_compliance.model.security_group import (
    CidrPeer,
    Direction,
    GroupPeer,
    PrefixListPeer,
    SecurityGroup,
    SecurityGroupRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from sg_compliance.local.parquet_rules import Meaning
    from sg_compliance.model.security_group import Peer

_DIRECTIONS: Final = (Direction.INGRESS, Direction.EGRESS)
_PEER: Final = (
    *("peer_kind", "peer", "peer_account_id", "peer_name", "peer_vpc_id"),
    *("peering_id", "peering_status"),
)
_AS_WRITTEN: Final = ("ip_protocol", "from_port", "to_port", "description", "rule_id")
_QUOTED: Final = 60
REFUSED: Final = "take the snapshot anew: what was written was changed since"


class Translation(Protocol):
    """AWS's JSON → the model. `aws/translate.py` is one."""

    def security_group(self, raw: Mapping[str, Any], *, account_id: str = "", region: str = "") -> SecurityGroup:
        """Read one element of `SecurityGroups`."""

    def rule_ids(self, rules: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], str]:
        """Read elements of `SecurityGroupRules`."""

    def with_rule_ids(self, group: SecurityGroup, ids: Mapping[tuple[Any, ...], str]) -> SecurityGroup:
        """Name the group's rules."""


class Rows:
    """Rows of `parquet_schema.SCHEMA`. Raises InputError where they are not what a snapshot holds."""

    def __init__(self, batch: pa.RecordBatch, translation: Translation) -> None:
        self._batch = batch
        self._translation = translation
        self._doubtful: NDArray[np.bool_] = batch.column("as_json").is_valid().to_numpy(zero_copy_only=False)
        self._check_malformed()
        self._known = {at: self._as_aws_wrote(at) for at in np.flatnonzero(self._doubtful).tolist()}
        self._take_rules()
        self._peer, self._peers = _table_of_peers(self._rules, self._meant.is_ipv4)
        self._fields = {name: self._rules.field(name) for name in ("peer", *_AS_WRITTEN)}
        self._take_texts()
        self._whose, self._owners = self._table_of_owners()

    def _check_malformed(self) -> None:
        """A group with malformed rules is written whole beside the columns: without that, its rules would be lost."""
        lost = (np.diff(self._batch.column("malformed").offsets.to_numpy()) > 0) & ~self._doubtful
        if lost.any():
            group_id = self._batch.column("group_id")[int(np.flatnonzero(lost)[0])].as_py()
            raise InputError(f"{group_id[:_QUOTED]} has malformed rules, and as_json is not there", hint=REFUSED)

    def _take_rules(self) -> None:
        """The rules of all groups but the doubtful, and where those of each group begin and end."""
        column = self._batch.column("rules")
        offsets = column.offsets.to_numpy()
        counts = np.diff(offsets)
        rules = column.values[int(offsets[0]) : int(offsets[-1])]
        group = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        if self._known:
            sure = ~self._doubtful[group]
            rules, group = rules.filter(pa.array(sure)), group[sure]
            counts = np.where(self._doubtful, 0, counts)
        ends = np.cumsum(counts)
        self._rules, self._group = rules, group
        self._starts, self._ends = (ends - counts).tolist(), ends.tolist()
        self._meant = self._checked(meaning(rules))

    def _checked(self, meant: Meaning) -> Meaning:
        """The meaning, which the file must tell as it is worked out from what AWS wrote."""
        if (wrong := np.flatnonzero(disagreeing(self._rules, meant))).size:
            group_id = self._batch.column("group_id")[int(self._group[wrong[0]])].as_py()
            message = f"a rule of {group_id[:_QUOTED]} means something else than its columns say"
            raise InputError(message, hint=REFUSED)
        return meant

    def _take_texts(self) -> None:
        self._ids, self._names, self._descriptions, self._vpcs = (
            self._batch.column(name).to_pylist() for name in ("group_id", "name", "description", "vpc_id")
        )
        places = (self._batch.column(name).to_pylist() for name in ("account_id", "region"))
        self._places = [*zip(*places, strict=True)]
        for at, group in self._known.items():
            self._ids[at], self._names[at] = group.group_id, group.name
            self._places[at] = group.account_id, group.region
        if not all(self._ids):
            message = "a row has no group_id"
            raise InputError(message, hint=REFUSED)

    def _table_of_owners(self) -> tuple[NDArray[np.int32], list[Whose]]:
        """For each group the position in the table, and the table."""
        column = self._batch.column("tags")
        offsets = column.offsets.to_numpy()
        tags = column.values[int(offsets[0]) : int(offsets[-1])]
        pairs = [*zip(tags.field("key").to_pylist(), tags.field("value").to_pylist(), strict=True)]
        starts = (offsets - offsets[0]).tolist()
        table: dict[tuple[Any, ...], int] = {}
        whose = []
        for at, place in enumerate(self._places):
            own = self._known[at].tags if at in self._known else tuple(pairs[starts[at] : starts[at + 1]])
            whose.append(table.setdefault((*place, own), len(table)))
        return np.array(whose, np.int32), [Whose(*each) for each in table]

    def columns(self) -> Columns:
        """What a screen looks at."""
        meant = self._meant
        return Columns(
            group=self._group,
            egress=meant.egress,
            protocol=meant.protocol,
            first=meant.first,
            last=meant.last,
            low=meant.low,
            high=meant.high,
            peer=self._peer,
            described=_lengths(self._rules.field("description")),
            group_ids=self._ids,
            names=self._names,
            whose=self._whose,
            own_described=_lengths(self._batch.column("description")),
            doubtful=self._doubtful,
            peers=self._peers,
            owners=self._owners,
        )

    def groups(self) -> Made:
        """The groups, each made when it is asked for."""
        return Made(len(self._ids), self._made)

    def places(self) -> list[tuple[str, str, str]]:
        """Account, region and id of each group."""
        return [(*place, group_id) for place, group_id in zip(self._places, self._ids, strict=True)]

    def _made(self, at: int) -> SecurityGroup:
        if at in self._known:
            return self._known[at]
        account_id, region, tags = self._owners[self._whose[at]]
        interfaces, managed = (self._batch.column(name)[at].as_py() for name in ("interfaces", "managed_interfaces"))
        return SecurityGroup(
            account_id=account_id,
            region=region,
            group_id=self._ids[at],
            name=self._names[at],
            description=self._descriptions[at],
            vpc_id=self._vpcs[at],
            tags=tags,
            rules=self._made_rules(self._starts[at], self._ends[at]),
            interfaces=None if interfaces is None else tuple(interfaces),
            managed_interfaces=tuple(managed),
        )

    def _made_rules(self, start: int, end: int) -> tuple[SecurityGroupRule, ...]:
        def written(name: str) -> Sequence[Any]:
            texts: list[Any] = self._fields[name].slice(start, end - start).to_pylist()
            return texts

        meant = self._meant
        table = self._peers
        low, high, numbers = (each[start:end].tolist() for each in (meant.low, meant.high, self._peer))
        peers = [
            CidrPeer(cidr(4, first, last), text) if at < 0 else table[at]
            for at, first, last, text in zip(numbers, low, high, written("peer"), strict=True)
        ]
        return tuple(
            map(
                SecurityGroupRule,
                [_DIRECTIONS[is_egress] for is_egress in meant.egress[start:end].tolist()],
                meant.protocol[start:end].tolist(),
                meant.first[start:end].tolist(),
                meant.last[start:end].tolist(),
                peers,
                *map(written, _AS_WRITTEN),
            )
        )

    def _as_aws_wrote(self, at: int) -> SecurityGroup:
        """The group as it stands in `as_json`."""
        try:
            document = json.loads(self._batch.column("as_json")[at].as_py())
            (raw,) = document["SecurityGroups"]
            group = self._translation.security_group(raw)
            return self._translation.with_rule_ids(group, self._translation.rule_ids(document["SecurityGroupRules"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            group_id = self._batch.column("group_id")[at].as_py()
            message = f"as_json of {group_id[:_QUOTED]} is not what a snapshot holds"
            raise InputError(message, hint=REFUSED) from error


def _lengths(texts: pa.StringArray) -> NDArray[np.int32]:
    """Characters of each text without white space at both ends; none for null."""
    lengths = pc.utf8_length(pc.utf8_trim_whitespace(texts)).fill_null(0)
    found: NDArray[np.int32] = lengths.to_numpy(zero_copy_only=False)
    return found


def _table_of_peers(rules: pa.StructArray, is_ipv4: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[Peer]]:
    """For each rule the position of its peer in the table, -1 for an IPv4 block; and the table."""
    positions = np.full(len(is_ipv4), -1, np.int32)
    others = np.flatnonzero(~is_ipv4)
    if not others.size:
        return positions, []
    wanted = pa.array(others)
    columns = [rules.field(name).take(wanted) for name in _PEER]
    same, first = _distinct(columns)
    positions[others] = same
    chosen = pa.array(first)
    kinds, *named = (_listed(column.take(chosen)) for column in columns)
    return positions, [*map(_peer, kinds, *named)]


def _listed(texts: pa.Array) -> list[Any]:
    if texts.null_count == len(texts):
        return [None] * len(texts)
    found: list[Any] = texts.to_pylist()
    return found


def _distinct(columns: Sequence[pa.Array]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row the number of its combination of texts, and for each combination a row that has it."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if column.null_count < len(column):
            positions, values = codes(column)
            _, key = np.unique(key * (len(values) + 1) + positions + 1, return_inverse=True)
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    return same, first


def _peer(kind: str, text: str, *others: str | None) -> Peer:
    if kind == schema.GROUP:
        return GroupPeer(text, *others)
    return PrefixListPeer(text) if kind == schema.PREFIX_LIST else _ipv6_peer(text)


def _ipv6_peer(text: str) -> CidrPeer:
    try:
        block = parse_cidr(text)
    except ValueError:
        block = None
    if block is None or block.version != 6:  # noqa: PLR2004 - the IP version
        message = f"{text[:_QUOTED]!r} is no IPv6 block"
        raise InputError(message, hint=REFUSED)
    return CidrPeer(block, text)
