"""Text from AWS as a cell of a spreadsheet. How it is shown elsewhere is in `model/visible.py`."""

from __future__ import annotations

from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""In full width too: some spreadsheets read these the same."""


def cell(text: str) -> str:
    """The text as a spreadsheet cell that is never a formula (OWASP: CSV injection)."""
    begins = text.lstrip()
    blanks = text[: len(text) - len(begins)]
    is_formula = begins.startswith(_FORMULA_STARTS) or any(map(blanks.count, "\t\r\n"))
    return f"'{text}" if is_formula else text
