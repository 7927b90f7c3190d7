"""The elements of a list in EC2's XML, found in its bytes all at once, and held to what the service model says of them.

A list of structures is laid out in levels: its items, their elements, the items of those, and so on. Every element has
a place: the place of the element around it, and its tag. What `ec2_xml` would find odd is odd here too; numbers are for
whoever reads them. NumPy is needed here: import this where there is much to read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from sg_compliance.aws.ec2_xml import EMPTY, LIST, SCALAR, STRUCTURE, TEXT, OddXmlError, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sg_compliance.aws.ec2_xml import Members

Positions: TypeAlias = "NDArray[np.intp]"
Path: TypeAlias = "tuple[str, ...]"
"""Names of members from the list on; an item is ``."""

TOP, UNKNOWN = 0, 1
"""Places: the list itself, and all that the model does not name."""

_NOWHERE: Final = -1
_LONGEST_NAME: Final = 24
_DEEPEST: Final = 30
_MOST_NAMES: Final = 200
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9]*").fullmatch
_LESS, _GREATER, _SLASH, _SPACE, _AMPERSAND = 0x3C, 0x3E, 0x2F, 0x20, 0x26
_TAB_AND_NEWLINE: Final = (0x09, 0x0A)
_FACTORS: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_SHIFT: Final = np.uint64(52)
KEPT: Final = np.array([(1 << 8 * each) - 1 for each in range(8)] + [(1 << 64) - 1], np.uint64)
"""Masks that keep so many bytes of a word."""


class Places:
    """Every place that the model knows within a list: what it holds and in which column of its structure it stands."""

    def __init__(self, items: Members) -> None:
        tags: dict[bytes, int] = {}
        self.at: dict[Path, int] = {}
        self.conversions: dict[int, Callable[[str], object]] = {}
        self.kinds, self.slots = [LIST, _NOWHERE], [_NOWHERE, _NOWHERE]
        links: list[tuple[int, int, int]] = []
        waiting: list[tuple[Path, int, Members]] = [((), TOP, items)]
        while waiting:
            path, parent, members = waiting.pop()
            named = [(tag, member) for tag, member in members.items() if member[1] != EMPTY]
            for slot, (tag, (name, kind, inside)) in enumerate(named):
                place = self.at[*path, name] = len(self.kinds)
                self.kinds.append(kind)
                self.slots.append(slot if self.kinds[parent] == STRUCTURE else _NOWHERE)
                links.append((parent, tags.setdefault(tag.encode(), len(tags)), place))
                if kind == SCALAR:
                    self.conversions[place] = inside
                elif kind != TEXT:
                    waiting.append(((*path, name), place, inside))
        self.tags = Tags([*tags])
        self.kind, self.slot = np.array(self.kinds, np.int8), np.array(self.slots, np.int8)
        self.within = np.full((len(self.kinds), len(tags) + 1), _NOWHERE, np.int16)
        self.within[self.kind == STRUCTURE] = self.within[UNKNOWN] = UNKNOWN
        for parent, tag_id, place in links:
            self.within[parent, tag_id] = place


class Tags:
    """Names of elements, each found by its bytes as three words. Raises OddXmlError where one is too long."""

    def __init__(self, names: list[bytes]) -> None:
        if any(len(name) > _LONGEST_NAME for name in names):
            raise OddXmlError
        self.count = len(names)
        padded = b"".join(name.ljust(_LONGEST_NAME, b"\0") for name in [*names, b""])
        self._words = np.ascontiguousarray(np.frombuffer(padded, "<u8").reshape(-1, 3).T)
        self._lengths = np.array([*map(len, names), 0])
        self._table = np.full(1 << 12, self.count, np.int16)
        hashed = np.bitwise_xor.reduce(self._words * _FACTORS[:, None])[:-1] >> _SHIFT
        if len(np.unique(hashed)) < self.count:
            raise OddXmlError
        self._table[hashed] = np.arange(self.count)

    def ids(self, body: bytes, starts: Positions, ends: Positions) -> NDArray[np.int16]:
        """The number of each name; those that are not known are numbered from `count` on."""
        words = np.ndarray((len(body) - 7,), "<u8", body, strides=(1,))
        lengths = ends - starts
        first = words[starts] & KEPT[np.minimum(lengths, 8)]
        mixed = first * _FACTORS[0]
        more: list[tuple[Positions, NDArray[np.uint64]]] = []
        for number in (1, 2):
            longer = np.flatnonzero(lengths > 8 * number)
            word = words[starts[longer] + 8 * number] & KEPT[np.minimum(lengths[longer] - 8 * number, 8)]
            mixed[longer] ^= word * _FACTORS[number]
            more.append((longer, word))
        found: NDArray[np.int16] = self._table[mixed >> _SHIFT]
        same = (self._words[0][found] == first) & (self._lengths[found] == lengths)
        for known, (longer, word) in zip(self._words[1:], more, strict=True):
            same[longer] &= known[found[longer]] == word
        unknown = np.flatnonzero(~same)
        found[unknown] = self._numbered([body[start:end] for start, end in _spans(starts[unknown], ends[unknown])])
        return found

    def _numbered(self, names: list[bytes]) -> list[int]:
        numbers: dict[bytes, int] = {}
        found = [numbers.setdefault(name, self.count + len(numbers)) for name in names]
        if len(numbers) > _MOST_NAMES or not all(map(_NAME, numbers)):
            raise OddXmlError
        return found


def _spans(starts: Positions, ends: Positions) -> zip[tuple[int, int]]:
    return zip(starts.tolist(), ends.tolist(), strict=True)


class Elements(NamedTuple):
    """All elements, in the order in which they begin: tag, depth, the span of their text (none: 0, 0)."""

    tags: NDArray[np.int16]
    depths: NDArray[np.int16]
    starts: Positions
    ends: Positions
    inner: NDArray[np.bool_]
    """Whether it holds elements."""
    opens: Positions
    """Where its tag begins."""
    closes: Positions
    """Where each element of the first level ends."""
    special: Positions
    """The elements that have an entity, or a character that is not ASCII, in their text."""


class Level(NamedTuple):
    """Elements of one depth: which ones, their place, and the position of the element around them in its level.

    `slots`: for each element of the level above, the element in each column of its structure; -1 where there is none.
    """

    elements: Positions
    places: NDArray[np.int16]
    parents: Positions
    slots: NDArray[np.int32]


def elements(body: bytes, start: int, end: int, tags: Tags) -> Elements:
    """Find the elements between two places where a tag begins or ends. Raises OddXmlError, UnicodeDecodeError.

    Another tag of 20 bytes must follow, so that all of a name can be looked at in words of eight.
    """
    piece = np.frombuffer(body, np.uint8, end - start, start)
    _check_characters(body, piece)
    marks = np.flatnonzero((piece | (_LESS ^ _GREATER)) == _GREATER)
    less, greater = marks[::2].copy(), marks[1::2].copy()
    if not marks.size or marks.size % 2 or (piece[less] != _LESS).any() or (piece[greater] != _GREATER).any():
        raise OddXmlError
    ending, empty = piece[less + 1] == _SLASH, piece[greater - 1] == _SLASH
    names, names_end = less + 1 + ending, greater - empty
    if (ending & empty).any():
        raise OddXmlError
    ids = tags.ids(body, names + start, names_end + start)
    opening = ~(ending | empty)
    after = np.cumsum(opening.view(np.int8) - ending.view(np.int8), dtype=np.int32)
    if after[-1] or after.min() < 0 or after.max() > _DEEPEST:
        raise OddXmlError
    leaf = np.zeros(len(less), bool)
    leaf[:-1] = opening[:-1] & ending[1:]
    _check_ends(ids, opening, ending, leaf, after)
    gaps_end = np.append(less[1:], len(piece))
    texts = leaf & (gaps_end > greater + 1)
    _check_spaces(piece, greater + 1, gaps_end, ~texts)
    if less[0]:
        _check_spaces(piece, np.zeros(1, np.intp), less[:1], np.ones(1, bool))
    begins = np.flatnonzero(~ending)
    texts = texts[begins]
    return Elements(
        tags=ids[begins],
        depths=(after - opening)[begins].astype(np.int16),
        starts=np.where(texts, greater[begins] + 1 + start, 0),
        ends=np.where(texts, gaps_end[begins] + start, 0),
        inner=(opening & ~leaf)[begins],
        opens=less[begins] + start,
        closes=greater[(after == 0) & ~opening] + 1 + start,
        special=_special(body, piece, less, begins, start),
    )


def _check_characters(body: bytes, piece: NDArray[np.uint8]) -> None:
    if not body.isascii():
        text = body.decode()
        if "\ufffe" in text or "\uffff" in text:
            raise OddXmlError
    control = np.count_nonzero(piece < _SPACE) if piece.size and piece.min() < _SPACE else 0
    if control and control != sum(np.count_nonzero(piece == each) for each in _TAB_AND_NEWLINE):
        raise OddXmlError


def _check_ends(
    ids: NDArray[np.int16],
    opening: NDArray[np.bool_],
    ending: NDArray[np.bool_],
    leaf: NDArray[np.bool_],
    after: NDArray[np.int32],
) -> None:
    """Each end has the name of its beginning: of those of one depth, the next."""
    leaves = np.flatnonzero(leaf)
    outer = opening & ~leaf
    ends = ending.copy()
    ends[leaves + 1] = False
    begins, finishes = np.flatnonzero(outer), np.flatnonzero(ends)
    begins = begins[np.argsort((after[begins] - 1).astype(np.int8), kind="stable")]
    finishes = finishes[np.argsort(after[finishes].astype(np.int8), kind="stable")]
    if (ids[leaves] != ids[leaves + 1]).any() or (ids[begins] != ids[finishes]).any():
        raise OddXmlError


def _check_spaces(piece: NDArray[np.uint8], starts: Positions, ends: Positions, which: NDArray[np.bool_]) -> None:
    """Nothing but white space stands in these spans."""
    some = np.flatnonzero(which & (ends > starts))
    if some.size:
        bounds = np.stack([starts[some], ends[some]], axis=1).ravel()
        if bounds[-1] == len(piece):
            bounds = bounds[:-1]
        if np.maximum.reduceat(piece, bounds)[::2].max() > _SPACE:
            raise OddXmlError


def _special(body: bytes, piece: NDArray[np.uint8], less: Positions, begins: Positions, start: int) -> Positions:
    if body.isascii() and body.find(b"&", start, start + len(piece)) < 0:
        return np.zeros(0, np.intp)
    odd = np.flatnonzero((piece == _AMPERSAND) | (piece > 0x7F))  # noqa: PLR2004  the last of ASCII
    tags_before = np.unique(np.searchsorted(less, odd)) - 1
    return np.asarray(np.searchsorted(begins, tags_before, side="right") - 1, np.intp)


def levels(found: Elements, places: Places, body: bytes) -> list[Level]:
    """Hold the elements to the model, level by level. Raises OddXmlError."""
    laid: list[Level] = []
    rest = np.arange(len(found.tags))
    depths, above = found.depths, np.zeros(len(rest), np.intp)
    around = np.zeros(1, np.int16)
    while rest.size:
        here = depths == len(laid)
        chosen, parents = rest[here], above[here]
        inside = places.within[around[parents], np.minimum(found.tags[chosen], places.tags.count)]
        _check_places(found, chosen, inside, places)
        laid.append(Level(chosen, inside, parents, _slotted(chosen, places.slot[inside], parents, len(around))))
        deeper = np.flatnonzero(~here)
        above = (np.cumsum(here) - 1)[deeper]
        rest, depths, around = rest[deeper], depths[deeper], inside
    for each in found.special.tolist():
        unescaped(body[found.starts[each] : found.ends[each]].decode())
    return laid


def _check_places(found: Elements, chosen: Positions, inside: NDArray[np.int16], places: Places) -> None:
    if (inside == _NOWHERE).any():
        raise OddXmlError
    kind = places.kind[inside]
    if (found.inner[chosen] & ((kind == TEXT) | (kind == SCALAR))).any():
        raise OddXmlError


def _slotted(chosen: Positions, slot: NDArray[np.int8], parents: Positions, rows: int) -> NDArray[np.int32]:
    """The elements by the element around them and their column in it. Raises OddXmlError where two are in one."""
    slots = np.full((rows, int(slot.max()) + 1), -1, np.int32)
    some = slot >= 0
    slots[parents[some], slot[some]] = chosen[some]
    if np.count_nonzero(slots >= 0) != np.count_nonzero(some):
        raise OddXmlError
    return slots
