"""A snapshot as Parquet: pages of groups become row groups. Memory holds one row group, in columns.

A group that columns do not hold to the letter (text that is no UTF-8, a malformed rule, a port that is no number, a
spelling that AWS does not use) stands in `as_json` as well, as AWS's JSON, and is read from there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sg_compliance.local import parquet_schema as schema
from sg_compliance.local.parquet_rules import disagreeing, meaning
from sg_compliance.model.security_group import CidrPeer, GroupPeer, PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

    from sg_compliance.interfaces import Page
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import (
        MalformedRule,
        Peer,
        PrefixList,
        SecurityGroup,
        SecurityGroupRule,
    )

_AT_ONCE: Final = 1_000
_COMPRESSION_LEVEL: Final = 3
_NO_PLACE: Final = (UnicodeEncodeError, OverflowError, pa.ArrowInvalid, pa.ArrowTypeError)
"""What pyarrow says of a value that its column cannot hold."""


class Rendering(Protocol):
    """The model → AWS's JSON. `aws/render.py` is one."""

    def render_group(self, group: SecurityGroup) -> dict[str, Any]:
        """One element of `SecurityGroups`."""

    def render_prefix_list(self, prefix_list: PrefixList) -> dict[str, Any]:
        """One element of `PrefixLists`, with its `Entries`."""

    def render_rules(self, group: SecurityGroup) -> list[dict[str, Any]]:
        """Elements of `SecurityGroupRules` for the rules of one group whose ids are known."""


class ParquetSnapshot:
    """Takes one page after the other, and what is missing. `about` goes into the header: when, and by what.

    The file is one after `finish`; `abandon` gives it up.
    """

    def __init__(self, file: BinaryIO, rendering: Rendering, about: Mapping[str, str]) -> None:
        self._rendering = rendering
        self._about = dict(about)
        self._groups = 0
        self._prefix_lists: dict[str, dict[str, Any]] = {}
        self._skipped: list[dict[str, Any]] = []
        self._waiting: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(
            file,
            schema.SCHEMA,
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            store_schema=False,
            write_page_checksum=True,
        )

    def add(self, page: Page) -> None:
        """Write the page's groups, and remember its prefix lists for the header."""
        for name in page.prefix_lists.keys() - self._prefix_lists.keys():
            self._prefix_lists[name] = self._rendering.render_prefix_list(page.prefix_lists[name])
        for start in range(0, len(page.groups), _AT_ONCE):
            groups = page.groups[start : start + _AT_ONCE]
            self._waiting.append(rows_of(groups, self._rendering))
            self._groups += len(groups)
            if sum(batch.num_rows for batch in self._waiting) >= schema.ROWS:
                self._flush()

    def lacks(self, skipped: Sequence[Skipped]) -> None:
        """Note what could not be read: whoever reads the snapshot is told so."""
        self._skipped += [each._asdict() for each in skipped]

    def finish(self) -> None:
        """Write what is waiting, and the header."""
        self._flush()
        header = {
            "format": schema.FORMAT,
            **self._about,
            "groups": self._groups,
            "PrefixLists": [self._prefix_lists[name] for name in sorted(self._prefix_lists)],
            "Skipped": self._skipped,
        }
        self._writer.add_key_value_metadata({schema.HEADER: json.dumps(header)})
        self._writer.close()

    def abandon(self) -> None:
        """Write nothing more: a writer that is left open would, when it is collected."""
        self._writer.is_open = False

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema.SCHEMA)
            self._waiting = []
            self._writer.write_table(table, row_group_size=table.num_rows)


def rows_of(groups: Sequence[SecurityGroup], rendering: Rendering) -> pa.RecordBatch:
    """The groups as rows of `parquet_schema.SCHEMA`."""
    odd = np.array([bool(group.malformed) for group in groups], np.bool_)
    fitted = groups
    try:
        rules = _rules(groups)
        batch = _columns(groups, rules)
    except _NO_PLACE:
        odd |= np.array([not _fits(group) for group in groups], np.bool_)
        fitted = [_fitted(group) if is_odd else group for group, is_odd in zip(groups, odd.tolist(), strict=True)]
        rules = _rules(fitted)
        batch = _columns(fitted, rules)
    counts = [len(group.rules) for group in fitted]
    odd[np.repeat(np.arange(len(fitted)), counts)[disagreeing(rules, meaning(rules))]] = True
    as_json = [
        _as_json(group, rendering) if is_odd else None for group, is_odd in zip(groups, odd.tolist(), strict=True)
    ]
    return pa.RecordBatch.from_arrays([*batch, pa.array(as_json, pa.string())], schema=schema.SCHEMA)


_OF_A_GROUP: Final = ("account_id", "region", "group_id", "name", "description", "vpc_id")


def _as_json(group: SecurityGroup, rendering: Rendering) -> str:
    document = {"SecurityGroups": [rendering.render_group(group)], "SecurityGroupRules": rendering.render_rules(group)}
    return json.dumps(document, separators=(",", ":"))


def _columns(groups: Sequence[SecurityGroup], rules: pa.StructArray) -> list[pa.Array]:
    """All columns but the last."""
    tags = [tag for group in groups for tag in group.tags]
    malformed = [rule for group in groups for rule in group.malformed]
    return [
        *(_array(name, [getattr(group, name) for group in groups]) for name in _OF_A_GROUP),
        _listed("tags", [len(group.tags) for group in groups], _struct("tags", [*zip(*tags, strict=True)] or [(), ()])),
        _array("interfaces", [group.interfaces for group in groups]),
        _array("managed_interfaces", [group.managed_interfaces for group in groups]),
        _listed("rules", [len(group.rules) for group in groups], rules),
        _listed("malformed", [len(group.malformed) for group in groups], _malformed(malformed)),
    ]


def _array(name: str, values: Sequence[object]) -> pa.Array:
    return pa.array(values, schema.SCHEMA.field(name).type)


def _struct(name: str, columns: Sequence[Sequence[object]]) -> pa.StructArray:
    """The elements of a column of lists, field by field."""
    fields = list(schema.SCHEMA.field(name).type.value_type)
    arrays = [pa.array(values, field.type) for field, values in zip(fields, columns, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=fields)


def _listed(name: str, counts: Iterable[int], elements: pa.Array) -> pa.ListArray:
    offsets = pa.array(accumulate(counts, initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, elements, type=schema.SCHEMA.field(name).type)


def _rules(groups: Sequence[SecurityGroup]) -> pa.StructArray:
    rules = [rule for group in groups for rule in group.rules]
    peers = [_peer(rule.peer) for rule in rules]
    return _struct(
        "rules",
        [
            [rule.direction.value for rule in rules],
            [rule.ip_protocol for rule in rules],
            [rule.from_port for rule in rules],
            [rule.to_port for rule in rules],
            *([*zip(*peers, strict=True)] or [()] * 7),
            [rule.description for rule in rules],
            [rule.rule_id for rule in rules],
            [rule.protocol for rule in rules],
            [rule.first for rule in rules],
            [rule.last for rule in rules],
            *([*zip(*(_ends(rule.peer) for rule in rules), strict=True)] or [()] * 2),
        ],
    )


def _peer(peer: Peer) -> tuple[str | None, ...]:
    """Kind and text; of a group its account, name, VPC, peering connection and status."""
    if isinstance(peer, CidrPeer):
        kind = schema.IPV4 if peer.block.version == 4 else schema.IPV6  # noqa: PLR2004 - the IP version
        return kind, peer.text, *_NOTHING
    if isinstance(peer, PrefixListPeer):
        return schema.PREFIX_LIST, peer.prefix_list_id, *_NOTHING
    return schema.GROUP, *peer


_NOTHING: Final = (None,) * (len(GroupPeer._fields) - 1)


def _ends(peer: Peer) -> tuple[int | None, int | None]:
    """First and last address of an IPv4 block."""
    if isinstance(peer, CidrPeer) and peer.block.version == 4:  # noqa: PLR2004 - the IP version
        return peer.block.first, peer.block.last
    return None, None


def _malformed(rules: Sequence[MalformedRule]) -> pa.StructArray:
    rows = [(*rule[:3], _port_text(rule.from_port), _port_text(rule.to_port), rule.peer) for rule in rules]
    return _struct("malformed", [*zip(*rows, strict=True)] or [()] * len(schema.MALFORMED))


def _port_text(port: int | str | None) -> str | None:
    return None if port is None else str(port)


def _fits(group: SecurityGroup) -> bool:
    try:
        _columns([group], _rules([group]))
    except _NO_PLACE:
        return False
    return True


def _fitted(group: SecurityGroup) -> SecurityGroup:
    """The group with a question mark for what UTF-8 cannot say, and without ports that are no numbers."""
    return replace(
        group,
        account_id=_told(group.account_id),
        region=_told(group.region),
        group_id=_told(group.group_id),
        name=_told(group.name),
        description=_told(group.description),
        vpc_id=_told_or_none(group.vpc_id),
        tags=tuple((_told(key), _told(value)) for key, value in group.tags),
        rules=tuple(map(_fitted_rule, group.rules)),
        malformed=tuple(
            rule._replace(
                problem=_told(rule.problem),
                ip_protocol=_told(rule.ip_protocol),
                from_port=_told_or_none(_port_text(rule.from_port)),
                to_port=_told_or_none(_port_text(rule.to_port)),
                peer=_told(rule.peer),
            )
            for rule in group.malformed
        ),
        interfaces=None if group.interfaces is None else tuple(map(_told, group.interfaces)),
        managed_interfaces=tuple(map(_told, group.managed_interfaces)),
    )


def _fitted_rule(rule: SecurityGroupRule) -> SecurityGroupRule:
    return rule._replace(
        peer=_fitted_peer(rule.peer),
        ip_protocol=_told(rule.ip_protocol),
        from_port=_number(rule.from_port),
        to_port=_number(rule.to_port),
        description=_told_or_none(rule.description),
        rule_id=_told_or_none(rule.rule_id),
    )


def _fitted_peer(peer: Peer) -> Peer:
    if isinstance(peer, CidrPeer):
        return peer._replace(text=_told(peer.text))
    if isinstance(peer, PrefixListPeer):
        return PrefixListPeer(_told(peer.prefix_list_id))
    return GroupPeer(_told(peer.group_id), *(_told_or_none(each) for each in peer[1:]))


def _number(port: int | str | None) -> int | None:
    return port if isinstance(port, int) and -(1 << 31) <= port < 1 << 31 else None


def _told(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _told_or_none(text: str | None) -> str | None:
    return None if text is None else _told(text)
