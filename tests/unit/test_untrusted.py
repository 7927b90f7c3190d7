"""Names and descriptions are text that an attacker chooses."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.model.visible import visible
from sg_compliance.reports.untrusted import cell

anything = st.text(st.characters(), max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with [markup] and \\ backslash", "plain, with [markup] and \\ backslash"),
        ("Zürich 日本 ✓ 🙂 e\u0301", "Zürich 日本 ✓ 🙂 e\u0301"),
        ("", ""),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "\\x1b]8;;http://x\\x07link\\x1b]8;;\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\r\nc\td\0", "a\\x0ab\\x0d\\x0ac\\x09d\\x00"),
        ("\u202egpj.exe\u202c", "\\u202egpj.exe\\u202c"),
        ("\u2066x\u2069\u200f\u200b\ufeff", "\\u2066x\\u2069\\u200f\\u200b\\ufeff"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud800x\udfff", "\\ud800x\\udfff"),
        ("\U000e0041\U000f0000", "\\U000e0041\\U000f0000"),
        ("\x7f\xad", "\\x7f\\xad"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown_as_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(anything)
def test_what_is_shown_has_no_control_characters_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "   ", "\u00a0", " \u00a0 ", "\u2003", "\t", "\n "])
def test_a_cell_is_never_a_formula(start: str, before: str) -> None:
    assert cell(f"{before}{start}1+1") == f"'{before}{start}1+1"


@pytest.mark.parametrize("text", ["", "a=1", "1", "'=1", "sg-1", "(=1)", " a", "10.0.0.0/8"])
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert cell(text) == text
