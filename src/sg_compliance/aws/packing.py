"""Records as the text of an item, which may have 400 KB in all (DynamoDB API reference, Limits): long ones packed."""

from __future__ import annotations

import base64
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
_OPENING: Final = "{"
"""A record that is not packed begins with it; base64 never does."""


def packed(record: Mapping[str, Any], where: str) -> str:
    """The record as text. Raises StoreError where an item cannot hold it, before anything is written."""
    text = json.dumps(record, sort_keys=True)
    if len(text) > _PLAIN:
        text = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(text) > _LARGEST:
        raise StoreError(
            f"{where}: what is to be written down is {len(text):,} bytes packed, and an item holds {_LARGEST:,}",
            hint="change the group by hand, or in parts: fewer rules at a time",
        )
    return text


def unpacked(text: str) -> dict[str, Any]:
    """The record that was written, by an older version too. Raises ValueError for what is none."""
    if not text.startswith(_OPENING):
        inflating = zlib.decompressobj()
        try:
            plain = inflating.decompress(base64.b64decode(text, validate=True), _LARGEST_PLAIN)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not inflating.eof:
            message = "it is cut short, or larger than anything that is written"
            raise ValueError(message)
        text = plain.decode()
    found = json.loads(text)
    if not isinstance(found, dict):
        message = "it is no record"
        raise ValueError(message)  # noqa: TRY004 - what is read is wrong, whatever its type
    return found
