"""The texts of many elements at once: as words, as lengths, as numbers, as IPv4 blocks.

An element is its position in `Elements`; -1 is none, and has no text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sg_compliance.aws.ec2_layout import KEPT
from sg_compliance.aws.ec2_xml import unescaped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sg_compliance.aws.ec2_layout import Elements, Positions

_ZERO, _MINUS, _DOT, _SLASH, _SPACE = b"0-./ "
_DIGITS: Final = 10
_LONGEST_NUMBER, _LONGEST_CIDR = 6, 18
_OCTETS, _BITS, _OCTET_DIGITS = 4, 32, 3
_LARGEST: Final = np.array([255, 255, 255, 255, _BITS])
_WEIGHTS: Final = np.array([1 << 24, 1 << 16, 1 << 8, 1])
_WORD: Final = 8


class Numbers(NamedTuple):
    """Numbers, and which of the texts are plain ones: at most six digits, and a sign."""

    values: NDArray[np.int64]
    plain: NDArray[np.bool_]


class Blocks(NamedTuple):
    """IPv4 blocks with both ends, and which of the texts are plain ones: `10.0.0.0/8`."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    plain: NDArray[np.bool_]


class Texts:
    """The texts of a page's elements."""

    def __init__(self, body: bytes, found: Elements) -> None:
        self._body = body
        self._bytes = np.frombuffer(body, np.uint8)
        self._starts, self._ends = np.append(found.starts, 0), np.append(found.ends, 0)
        self._text = body.decode("ascii") if body.isascii() else None
        self.special = np.zeros(len(self._starts), bool)
        self.special[found.special] = True
        self._any_special = bool(found.special.size)

    def words(self, elements: Positions) -> list[str]:
        """The texts."""
        spans = zip(self._starts[elements].tolist(), self._ends[elements].tolist(), strict=True)
        if self._text is not None:
            text = self._text
            words = [text[start:end] for start, end in spans]
        else:
            body = self._body
            words = [body[start:end].decode() for start, end in spans]
        return [unescaped(word) if "&" in word else word for word in words] if self._any_special else words

    def lengths(self, elements: Positions) -> NDArray[np.int64]:
        """How many characters each has, white space at both ends left out."""
        starts, ends = self._starts[elements], self._ends[elements]
        lengths = ends - starts
        spaced = (self._bytes[starts] <= _SPACE) | (self._bytes[ends - 1] <= _SPACE)
        odd = np.flatnonzero((lengths > 0) & (spaced | self.special[elements]))
        lengths[odd] = [len(word.strip()) for word in self.words(elements[odd])]
        return np.asarray(lengths, np.int64)

    def short(self, elements: Positions) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Each text's first eight bytes as one word, and which of the texts have no more."""
        starts = self._starts[elements]
        lengths = self._ends[elements] - starts
        words = np.ndarray((len(self._body) - 7,), "<u8", self._body, strides=(1,))
        return words[starts] & KEPT[np.minimum(lengths, _WORD)], lengths <= _WORD

    def numbers(self, elements: Positions) -> Numbers:
        """The texts as decimal numbers; 0 where a text is not written plainly."""
        chars, lengths = self._chars(elements, _LONGEST_NUMBER + 1)
        negative = chars[:, 0] == _MINUS
        values, plain = (
            np.zeros(len(elements), np.int64),
            (lengths > negative) & (lengths <= _LONGEST_NUMBER + negative),
        )
        for place, row in enumerate(chars.T):
            here = (place < lengths) & ~negative if place == 0 else place < lengths
            digits = row - _ZERO
            plain &= ~here | (digits < _DIGITS)
            values = np.where(here, values * _DIGITS + digits, values)
        return Numbers(np.where(plain, np.where(negative, -values, values), 0), plain)

    def blocks(self, elements: Positions) -> Blocks:
        """The texts as IPv4 blocks, canonicalised as AWS does."""
        low, high = np.zeros(len(elements), np.int64), np.zeros(len(elements), np.int64)
        plain = np.zeros(len(elements), bool)
        chars, lengths = self._chars(elements, _LONGEST_CIDR)
        marks = (chars - _ZERO >= _DIGITS) & (np.arange(_LONGEST_CIDR) < lengths[:, None])
        some = np.flatnonzero((lengths <= _LONGEST_CIDR) & (marks.sum(1, np.int8) == _OCTETS))
        if some.size:
            octets, length, is_plain = _parts(chars[some], marks[some], lengths[some])
            size = np.left_shift(1, np.where(is_plain, _BITS - length, 0))
            plain[some], low[some] = is_plain, (octets @ _WEIGHTS) & -size
            high[some] = low[some] + size - 1
        return Blocks(low, high, plain)

    def _chars(self, elements: Positions, width: int) -> tuple[NDArray[np.uint8], Positions]:
        """The first characters of each in a row, and the lengths. What follows a text is in its row too."""
        starts = self._starts[elements]
        pieces = np.ndarray((len(self._body) - width,), f"V{width}", self._body, strides=(1,))
        return pieces[starts].view(np.uint8).reshape(-1, width), self._ends[elements] - starts


def _parts(
    chars: NDArray[np.uint8], marks: NDArray[np.bool_], lengths: Positions
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Rows with four marks that are no digits → the numbers before them, the last one, and which are as AWS writes."""
    width = chars.shape[1]
    at = np.flatnonzero(marks).reshape(-1, _OCTETS) % width
    begins = np.hstack([np.zeros((len(at), 1), np.intp), at + 1])
    ends = np.hstack([at, lengths[:, None]])
    digits = ends - begins
    row = np.arange(len(at))[:, None] * width
    flat = chars.reshape(-1)
    values = np.zeros_like(digits)
    for place in range(_OCTET_DIGITS):
        value = flat[np.maximum(row + ends - 1 - place, 0)].astype(np.int64) - _ZERO
        values += np.where(digits > place, value * _DIGITS**place, 0)
    is_mark = flat[row + at] == [_DOT, _DOT, _DOT, _SLASH]
    leading = (digits > 1) & (flat[row + np.minimum(begins, width - 1)] == _ZERO)
    fine = (digits >= 1) & (digits <= _OCTET_DIGITS) & ~leading & (values <= _LARGEST)
    return values[:, :_OCTETS], values[:, _OCTETS], fine.all(1) & is_mark.all(1)
