"""What rules mean, worked out for many at once from what AWS wrote: the same as `aws/translate.py` rule by rule.

Only how AWS itself writes rules is understood here (`parquet_schema.PROTOCOLS`, ports as numbers). The rest is `wrong`:
who writes a snapshot keeps such a group as AWS's JSON beside its columns, who reads one refuses it without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa

from sg_compliance.local import parquet_schema as schema
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.security_group import CODES, ICMP_PROTOCOLS, LAST_PORT, WITH_PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_NOT_KNOWN: Final = -2
_DIRECTIONS: Final = {schema.INGRESS: 0, schema.EGRESS: 1}
_KINDS: Final = {schema.IPV4: 0, schema.IPV6: 1, schema.PREFIX_LIST: 2, schema.GROUP: 3}
_ZERO, _DOT, _SLASH = b"0./"
_PIECES: Final = 5
_LEAST: Final = np.array([0, 10, 100], np.uint32)
_MASKS: Final = np.array([(0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF for length in range(33)], np.uint32)


class Meaning(NamedTuple):
    """One row a rule: as in `model/columns.py`; `low` and `high` are 0 where the peer is no IPv4 block.

    `wrong`: the rule is not how AWS writes rules, and the other columns say nothing about it.
    """

    egress: NDArray[np.bool_]
    protocol: NDArray[np.int16]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    is_ipv4: NDArray[np.bool_]
    low: NDArray[np.uint32]
    high: NDArray[np.uint32]
    wrong: NDArray[np.bool_]


def meaning(rules: pa.StructArray) -> Meaning:
    """What the rules mean, from the columns of `parquet_schema.WRITTEN`."""
    direction = _looked_up(rules.field("direction"), _DIRECTIONS)
    kind = _looked_up(rules.field("peer_kind"), _KINDS)
    protocol = _looked_up(rules.field("ip_protocol"), schema.PROTOCOLS)
    first, last, fit = _ports(protocol, _numbers(rules.field("from_port")), _numbers(rules.field("to_port")))
    is_ipv4 = kind == _KINDS[schema.IPV4]
    low = np.zeros(len(kind), np.uint32)
    high = np.zeros(len(kind), np.uint32)
    low[is_ipv4], high[is_ipv4], unread = ipv4_blocks(rules.field("peer").filter(pa.array(is_ipv4)))
    wrong = (direction == _NOT_KNOWN) | (kind == _NOT_KNOWN) | (protocol == _NOT_KNOWN) | ~fit
    wrong[is_ipv4] |= unread
    return Meaning(direction == 1, protocol, first, last, is_ipv4, low, high, wrong)


def disagreeing(rules: pa.StructArray, meant: Meaning) -> NDArray[np.bool_]:
    """Where the columns that tell the meaning (`parquet_schema.MEANT`) tell another one."""
    low, high = rules.field("low"), rules.field("high")
    differs: NDArray[np.bool_] = meant.wrong | (low.is_valid().to_numpy(zero_copy_only=False) != meant.is_ipv4)
    differs |= high.is_valid().to_numpy(zero_copy_only=False) != meant.is_ipv4
    for name, values in (("protocol", meant.protocol), ("first", meant.first), ("last", meant.last)):
        differs |= rules.field(name).to_numpy(zero_copy_only=False) != values
    differs |= low.fill_null(0).to_numpy(zero_copy_only=False) != meant.low
    differs |= high.fill_null(0).to_numpy(zero_copy_only=False) != meant.high
    return differs


def codes(texts: pa.Array) -> tuple[NDArray[np.int32], list[str]]:
    """Texts as positions among the different ones, -1 for null; and these."""
    coded = texts.dictionary_encode()
    return coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def _looked_up(texts: pa.Array, known: Mapping[str, int]) -> NDArray[np.int16]:
    """What each text stands for; _NOT_KNOWN for a text that is none of the known."""
    positions, values = codes(texts)
    return np.array([known.get(value, _NOT_KNOWN) for value in values], np.int16)[positions]


def _numbers(ports: pa.Array) -> NDArray[np.int32]:
    """The ports; -1, which AWS writes for every port too, for none."""
    found: NDArray[np.int32] = ports.fill_null(-1).to_numpy(zero_copy_only=False)
    return found


def _ports(
    protocol: NDArray[np.int16], start: NDArray[np.int32], end: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """First and last in the port space, and whether they fit: see `aws/translate.py`, `_port_span` and `_icmp_span`."""
    ported = np.isin(protocol, list(WITH_PORTS)) & ~((start == -1) & (end == -1))
    icmp = np.isin(protocol, list(ICMP_PROTOCOLS)) & (start != -1)
    fit = np.where(ported, (start >= 0) & (start <= end) & (end <= LAST_PORT), True)  # noqa: FBT003
    fit &= np.where(icmp, (start >= 0) & (start < CODES) & (end >= -1) & (end < CODES), True)  # noqa: FBT003
    kind = np.where(icmp & fit, start, 0) * CODES
    every_code = end == -1
    first = np.where(ported, start, np.where(icmp, kind + np.where(every_code, 0, end), 0))
    last = np.where(ported, end, np.where(icmp, kind + np.where(every_code, CODES - 1, end), LAST_PORT))
    return first.astype(np.int32), last.astype(np.int32), fit


def ipv4_blocks(
    texts: pa.StringArray,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.bool_]]:
    """First and last address of blocks as AWS writes them (`10.0.0.0/8`), and which of the texts are no IPv4 block.

    Reads dots, slashes and digits for all at once; a text of another form is read by itself (`10.1.2.3`, no IPv4).
    """
    count = len(texts)
    low, high = np.zeros(count, np.uint32), np.zeros(count, np.uint32)
    unread = np.ones(count, np.bool_)
    if not count:
        return low, high, unread
    plain, low[:], high[:] = _plain_blocks(*_bytes_of(texts))
    unread &= ~plain
    for at in np.flatnonzero(unread).tolist():
        try:
            block = parse_cidr(texts[at].as_py())
        except ValueError:
            continue
        if block.version == 4:  # noqa: PLR2004 - the IP version
            low[at], high[at], unread[at] = block.first, block.last, False
    return low, high, unread


def _bytes_of(texts: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The bytes of all texts, three bytes before them that are no digits of any, and where each of them begins."""
    _, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return np.concatenate([np.zeros(3, np.uint8), held[offsets[0] : offsets[-1]]]), offsets - offsets[0] + 3


def _plain_blocks(
    data: NDArray[np.uint8], offsets: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.uint32], NDArray[np.uint32]]:
    """Which texts are four numbers and a length, without leading zeros; and their blocks."""
    separators = np.flatnonzero((data == _DOT) | (data == _SLASH))
    before = np.searchsorted(separators, offsets)
    plain = np.diff(before) == _PIECES - 1
    rows = np.flatnonzero(plain)
    low, high = np.zeros(len(plain), np.uint32), np.zeros(len(plain), np.uint32)
    at = before[rows]
    starts: NDArray[np.intp] = offsets[rows].astype(np.intp)
    address: NDArray[np.uint32] = np.zeros(len(rows), np.uint32)
    value, good = address, np.ones(len(rows), np.bool_)
    for piece in range(_PIECES):
        is_length = piece == _PIECES - 1
        ends: NDArray[np.intp] = offsets[rows + 1].astype(np.intp) if is_length else separators[at + piece]
        value, fits = _numbers_between(data, starts, ends)
        good &= fits & (value <= (32 if is_length else 255))
        if not is_length:
            good &= data[ends] == (_SLASH if piece == _PIECES - 2 else _DOT)
            address = address * np.uint32(256) + value
            starts = ends + 1
    plain[rows] = good
    masks = _MASKS[np.where(good, value, 0)]
    low[rows] = address & masks
    high[rows] = low[rows] | ~masks
    return plain, low, high


def _numbers_between(
    data: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The numbers in these places, and whether there are such: one to three digits, the first of several no zero."""
    digits = ends - starts
    last, middle, first = (data[ends - place] - _ZERO for place in (1, 2, 3))  # what is no digit is more than 9
    two, three = digits > 1, digits > 2  # noqa: PLR2004 - digits
    middle *= two
    first *= three
    value = first.astype(np.uint32) * 100 + middle.astype(np.uint32) * 10 + last
    fits = (digits > 0) & (digits < 4) & (last < 10) & (middle < 10) & (first < 10)  # noqa: PLR2004 - digits
    return value, fits & (value >= _LEAST[three * 2 + (two & ~three)])
