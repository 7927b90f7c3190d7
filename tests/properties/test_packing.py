"""Records that are packed for an item come back as they were; what was damaged is said to be."""

from __future__ import annotations

import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.packing import packed, unpacked
from sg_compliance.errors import StoreError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.text(), VALUES, max_size=5)
FILLS = st.sampled_from(["", "x" * 7_000, "\U0001f600" * 900, "\ud800" * 2_000, "long " * 20_000])


def noise(size: int) -> str:
    return random.Random(size).randbytes(size // 2).hex()  # noqa: S311 - what does not pack well


@given(RECORDS, FILLS)
def test_a_record_comes_back_as_it_was(record: dict[str, Any], fill: str) -> None:
    whole = {**record, "fill": fill}
    kept = packed(whole, "here")
    assert unpacked(kept) == whole
    assert isinstance(kept, bytes) == (len(json.dumps(whole)) > 8_000)
    assert len(kept) <= 8_000 or isinstance(kept, bytes)


@pytest.mark.parametrize(("length", "kind"), [(7_991, str), (7_992, bytes)])
def test_up_to_eight_thousand_characters_stay_readable(length: int, kind: type) -> None:
    record = {"a": "x" * length}
    assert len(json.dumps(record)) == length + 9
    assert isinstance(packed(record, "here"), kind)


def test_what_is_too_long_is_refused_with_what_to_do() -> None:
    assert 340_000 < len(packed({"a": noise(600_000)}, "here")) <= 350_000
    with pytest.raises(StoreError, match=r"353,\d{3} packed, and an item holds 350,000: nothing was written"):
        packed({"a": noise(620_000)}, "here")
    with pytest.raises(StoreError, match=r"^here: what is to be written down has 800,\d{3} bytes") as refused:
        packed({"a": noise(800_000)}, "here")
    assert "fewer rules" in refused.value.hint


def test_what_could_not_be_unpacked_is_not_packed() -> None:
    with pytest.raises(StoreError, match="30,000,009 bytes"):
        packed({"a": "x" * 30_000_000}, "here")


BOMB = zlib.compress(b'{"a": "' + b"x" * 30_000_000 + b'"}', 9)


@pytest.mark.parametrize(
    "kept",
    ["", "x", "[]", b"", b"x", b"no stream", zlib.compress(b"[]"), zlib.compress(b"\xff"), BOMB],
    ids=lambda kept: repr(kept[:9]),
)
def test_what_was_not_packed_here_is_said_to_be_unreadable(kept: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpacked(kept)


@given(st.integers(0, 1_000))
def test_what_was_cut_is_said_to_be_unreadable(cut: int) -> None:
    kept = packed({"a": noise(20_000)}, "here")
    assert isinstance(kept, bytes)
    with pytest.raises(ValueError, match="cut short"):
        unpacked(kept[: len(kept) * cut // 1_001])
