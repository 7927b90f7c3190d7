"""Text that an attacker may have chosen, made safe to show: names, descriptions, tags, user agents."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

_SHOWN_AS_CODE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@lru_cache(maxsize=4096)
def visible(text: str) -> str:
    r"""The text without anything that a terminal or a log would act on.

    Control characters, escape sequences, bidirectional overrides, line separators and lone surrogates are shown as
    their code points: `\\x1b`, `\\u202e`.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _SHOWN_AS_CODE else char for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004
