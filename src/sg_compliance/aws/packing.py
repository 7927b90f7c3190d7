"""Records as an attribute of an item, which has 400 KB at most (DynamoDB API reference, Limits): long ones packed."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN: Final = 8_000
"""Characters that are left readable for people who look at the table."""

_LARGEST: Final = 350_000
_LARGEST_PLAIN: Final = 30_000_000


def packed(record: Mapping[str, Any], where: str) -> str | bytes:
    """The record as text, a long one compressed. Raises StoreError where an item cannot hold it."""
    text = json.dumps(record, sort_keys=True)
    if len(text) <= _PLAIN:
        return text
    small = zlib.compress(text.encode(), 9)
    if len(small) > _LARGEST or len(text) > _LARGEST_PLAIN:
        raise StoreError(
            f"{where}: what is to be written down has {len(text):,} bytes, {len(small):,} packed, and an item holds "
            f"{_LARGEST:,}: nothing was written",
            hint="change the group by hand, or in parts: fewer rules at a time",
        )
    return small


def unpacked(kept: str | bytes) -> dict[str, Any]:
    """The record that was written. Raises ValueError for what is none."""
    found = json.loads(_inflated(kept) if isinstance(kept, bytes) else kept)
    if not isinstance(found, dict):
        message = "it is no record"
        raise ValueError(message)  # noqa: TRY004 - what is read is wrong, whatever its type
    return found


def _inflated(kept: bytes) -> str:
    """At most as much as is ever written. Raises ValueError."""
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(kept, _LARGEST_PLAIN)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflating.eof:
        message = "it is cut short, or larger than anything that is written"
        raise ValueError(message)
    return plain.decode()
