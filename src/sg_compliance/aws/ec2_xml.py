"""The XML that EC2 writes, read by the service model's shapes: six times faster than the SDK reads any XML.

What EC2 writes is plain: elements without attributes, text, white space between elements. That is read here, with
the same result as botocore's parser has. Everything else is odd and raises OddXmlError, for botocore to read:
attributes, comments, CDATA, other entities than XML's own, text beside elements, an element twice, and whatever is not
well-formed.
Elements that the model does not name are passed over, as botocore does.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.model import Shape

Token: TypeAlias = "tuple[str, str]"  # noqa: S105  no secret
"""A tag and the white space after it: `a` opens, `/a` closes, `a/` is both; with text it is a whole element.

An element without text is two tokens. The tag is empty where something odd stands.
"""

Inside: TypeAlias = "tuple[int, Any]"
"""What an element holds: how it is read, and what that needs."""

Members: TypeAlias = "dict[str, tuple[str, int, Any]]"
"""A structure's elements: tag → member, and what it holds."""

TEXT, SCALAR, EMPTY, LIST, STRUCTURE = range(5)

_TOKENS: Final = re.compile(
    r"(?:<(/?[A-Za-z][A-Za-z0-9]*+/?)>(?:([^<>\x00-\x08\x0b-\x1f]++)</(?!/)\1(?<!/)>)?+[ \n\t]*+|.)", re.DOTALL
).findall
_CUT: Final = 1 << 16
"""So many characters are made into tokens at once: all of a page would be as large as the answer."""

_HOLD_NO_CHARACTERS: Final = ("\ufffe", "\uffff")
_ENTITIES: Final[Mapping[str, str]] = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NUMBER: Final = re.compile(r"#(?:([0-9]{1,7})|x([0-9A-Fa-f]{1,6}))").fullmatch
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII).fullmatch
_FIRST_PLAIN: Final = 0x20
_NO_CHARACTERS: Final = (range(0xD800, 0xE000), range(0xFFFE, 0x10000))


class OddXmlError(Exception):
    """Not what EC2 usually writes: botocore must read it."""


def members_of(shape: Shape, also: Mapping[str, str]) -> Members:
    """How to read a structure of the service model. Raises OddXmlError where it has what cannot be read here.

    `also`: tags of elements with text that are not in the model, and as what they are read.
    """
    kind, members = _inside(shape)
    more: Members = _with_tags({tag: (name, TEXT, None) for tag, name in also.items()})
    names = {name for name, _, _ in members.values()} if kind == STRUCTURE else None
    if names is None or more.keys() & members.keys() or names & set(also.values()):
        raise OddXmlError(shape.name)
    return {**members, **more}


def _inside(shape: Any) -> Inside:  # noqa: ANN401  kinds of shapes have no type in common that says what they have
    kind = shape.type_name
    if kind in _CONVERSIONS:
        return (SCALAR, _CONVERSIONS[kind]) if _CONVERSIONS[kind] else (TEXT, None)
    if kind == "list" and not shape.serialization.get("flattened"):
        return LIST, _with_tags({shape.member.serialization.get("name", "member"): ("", *_inside(shape.member))})
    if kind == "structure" and not (shape.is_tagged_union or shape.metadata.get("exception")):
        found: Members = {}
        for name, member in shape.members.items():
            tag = member.serialization.get("name", name)
            if tag in found or _UNUSUAL & member.serialization.keys():
                raise OddXmlError(name)
            found[tag] = (name, *_inside(member))
        return STRUCTURE, _with_tags(found)
    raise OddXmlError(shape.name)


def as_time(text: str) -> datetime:
    """A time as EC2 writes it. Raises OddXmlError, ValueError."""
    if not _TIME(text):
        raise OddXmlError(text)
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


_CONVERSIONS: Final[Mapping[str, Callable[[str], Any] | None]] = {
    "string": None,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": "true".__eq__,
    "timestamp": as_time,
}
_UNUSUAL: Final = frozenset({"eventheader", "location", "streaming", "xmlAttribute"})
_NOTHING: Final[Mapping[int, Callable[[], Any]]] = {TEXT: str, LIST: list, STRUCTURE: dict}


def _with_tags(members: Members) -> Members:
    """The same, with the tags of empty elements."""
    return members | {
        f"{tag}/": (name, EMPTY, partial(inside, "") if kind == SCALAR else _NOTHING[kind])
        for tag, (name, kind, inside) in members.items()
    }


def element(members: Members, found: Iterator[Token]) -> Any:  # noqa: ANN401  a dict, a list, a number …
    """Read one of a list's elements. Raises OddXmlError, ValueError."""
    tag, text = next(found, ("", ""))
    known = members.get(tag)
    if known is None:
        raise OddXmlError(tag)
    return _value(known[1], known[2], tag, text, found)


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens of the text from a tag on. Raises OddXmlError where a character is none in XML."""
    if any(each in text for each in _HOLD_NO_CHARACTERS):
        raise OddXmlError
    return chain.from_iterable(_TOKENS(text, begin, end) for begin, end in _pieces(text, start))


def _pieces(text: str, begin: int) -> Iterator[tuple[int, int]]:
    """Cut before the tag that follows an item's end, where no element that holds text can be cut in two."""
    while begin < len(text):
        item = text.find("</item>", begin + _CUT)
        end = text.find("<", item + 1) if item >= 0 else -1
        yield begin, end if end >= 0 else len(text)
        begin = end if end >= 0 else len(text)


def structure(members: Members, end: str, found: Iterator[Token]) -> dict[str, Any]:
    """Read a structure up to the tag that ends it. Raises OddXmlError, and ValueError for a number that is none."""
    read: dict[str, Any] = {}
    for tag, text in found:
        if tag == end:
            return read
        known = members.get(tag)
        if known is None:
            _pass_over(tag, text, found)
            continue
        name, kind, inside = known
        if name in read:
            raise OddXmlError(tag)
        if kind == TEXT and text and "&" not in text:
            read[name] = text
        else:
            read[name] = _value(kind, inside, tag, text, found)
    raise OddXmlError(end)


def _value(kind: int, inside: Any, tag: str, text: str, found: Iterator[Token]) -> Any:  # noqa: ANN401  a dict, a list, a number …
    if kind == EMPTY:
        return inside()
    if kind in {LIST, STRUCTURE}:
        if text:  # which botocore does not look at
            unescaped(text)
            return _NOTHING[kind]()
        return (_list if kind == LIST else structure)(inside, f"/{tag}", found)
    if not text and next(found, None) != (f"/{tag}", ""):
        raise OddXmlError(tag)
    plain = unescaped(text) if "&" in text else text
    return plain if kind == TEXT else inside(plain)


def _list(members: Members, end: str, found: Iterator[Token]) -> list[Any]:
    read: list[Any] = []
    for tag, text in found:
        if tag == end:
            return read
        known = members.get(tag)
        if known is None:
            raise OddXmlError(tag)
        read.append(_value(known[1], known[2], tag, text, found))
    raise OddXmlError(end)


def _pass_over(tag: str, text: str, found: Iterator[Token]) -> None:
    """Read an element that the model does not name, as closely as any other."""
    within: list[str] = []
    while True:
        if "&" in text:
            unescaped(text)
        if not tag or (tag[0] == "/" and (not within or within.pop() != tag)):
            raise OddXmlError(tag)
        if tag[0] != "/" and tag[-1] != "/" and not text:
            within.append(f"/{tag}")
        if not within:
            return
        tag, text = next(found, ("", ""))


def unescaped(text: str) -> str:
    """The text with its entities read. Raises OddXmlError for others than XML has by itself."""
    first, *others = text.split("&")
    return first + "".join(map(_without_entity, others))


def _without_entity(text: str) -> str:
    name, end, after = text.partition(";")
    char = _ENTITIES.get(name) or _numbered(name)
    if not end:
        raise OddXmlError(text)
    return char + after


def _numbered(name: str) -> str:
    number = _NUMBER(name)
    code = (int(number[1]) if number[1] else int(number[2], 16)) if number else 0
    if code < _FIRST_PLAIN and code not in {9, 10, 13}:
        raise OddXmlError(name)
    if any(code in each for each in _NO_CHARACTERS):
        raise OddXmlError(name)
    return chr(code)
