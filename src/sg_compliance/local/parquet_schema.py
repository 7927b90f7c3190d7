"""The columns of a snapshot as Parquet: one row a group. Imported only where such a file is read or written.

What AWS wrote stands beside what it means. A scan reads what was written and works the meaning out anew: the columns
that tell it (`protocol`, `first`, `last`, `low`, `high`) are for whoever asks the file in SQL.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

FORMAT: Final = 1
"""A reader refuses a file of another number. It goes up when a column changes its meaning, its type or its name."""

HEADER: Final = "sg-compliance"
"""The key in the file's metadata under which stands, as JSON, what is true of the whole snapshot."""

ROWS: Final = 10_000
"""Groups in a row group: what a reader has in memory at a time."""

INGRESS: Final = "ingress"
EGRESS: Final = "egress"
IPV4: Final = "ipv4"
IPV6: Final = "ipv6"
PREFIX_LIST: Final = "prefix_list"
GROUP: Final = "group"

PROTOCOLS: Final = {"-1": -1, "tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, **{str(each): each for each in range(256)}}
"""How AWS writes protocols. A group with any other spelling stands in `as_json`."""


def _text(name: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, pa.string(), nullable=null)


def _whole(name: str, kind: pa.DataType, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null)


def _list(name: str, *fields: pa.Field, null: bool = False) -> pa.Field:
    return pa.field(name, pa.list_(pa.field("element", pa.struct(fields), nullable=False)), nullable=null)


def _texts(name: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, pa.list_(_text("element")), nullable=null)


WRITTEN: Final = (
    _text("direction"),
    _text("ip_protocol"),
    _whole("from_port", pa.int32(), null=True),
    _whole("to_port", pa.int32(), null=True),
    _text("peer_kind"),
    _text("peer"),
    _text("peer_account_id", null=True),
    _text("peer_name", null=True),
    _text("peer_vpc_id", null=True),
    _text("peering_id", null=True),
    _text("peering_status", null=True),
    _text("description", null=True),
    _text("rule_id", null=True),
)
MEANT: Final = (
    _whole("protocol", pa.int32()),
    _whole("first", pa.int32()),
    _whole("last", pa.int32()),
    _whole("low", pa.int64(), null=True),
    _whole("high", pa.int64(), null=True),
)
MALFORMED: Final = (
    *(_text("direction"), _text("problem"), _text("ip_protocol")),
    *(_text("from_port", null=True), _text("to_port", null=True), _text("peer")),
)

SCHEMA: Final = pa.schema(
    [
        _text("account_id"),
        _text("region"),
        _text("group_id"),
        _text("name"),
        _text("description"),
        _text("vpc_id", null=True),
        _list("tags", _text("key"), _text("value")),
        _texts("interfaces", null=True),
        _texts("managed_interfaces"),
        _list("rules", *WRITTEN, *MEANT),
        _list("malformed", *MALFORMED),
        _text("as_json", null=True),
    ]
)
