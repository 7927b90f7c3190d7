"""Reading AWS CLI output as a stream: one JSON document, several in a row, arrays of them, or JSON Lines.

Elements are handed out one at a time, so memory does not grow with the file. Which lists a file holds is found by
looking for their names in the bytes first: a list that is not there costs no pass over the file.

Not read: lists below the top of a document, such as the `SecurityGroups` of an instance, and, outside of JSON Lines,
bare elements that follow a document with lists.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ijson

from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

GROUPS: Final = "SecurityGroups"
RULES: Final = "SecurityGroupRules"
PREFIX_LISTS: Final = "PrefixLists"
ENTRIES: Final = "Entries"
INTERFACES: Final = "NetworkInterfaces"
NEXT_PAGE: Final = "NextToken"
SKIPPED: Final = "Skipped"
"""What a snapshot lacks: written by `snapshot`, not by AWS."""

_LISTS: Final = frozenset({GROUPS, RULES, PREFIX_LISTS, ENTRIES, INTERFACES, SKIPPED})
_IDENTIFYING: Final = {
    "SecurityGroupRuleId": RULES,
    "NetworkInterfaceId": INTERFACES,
    "GroupId": GROUPS,
    "PrefixListId": PREFIX_LISTS,
}
"""What names a bare element, the most telling first: a rule has the id of its group too, and maybe a prefix list's."""

_LOOKED_FOR: Final = frozenset({*_LISTS, *_IDENTIFYING, NEXT_PAGE, "GroupName", "IpPermissions", "PrefixListName"})
_OTHER_ENCODINGS: Final = (
    (b"\xff\xfe", "encoded in UTF-16, and JSON is UTF-8", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "encoded in UTF-16, and JSON is UTF-8", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\x1f\x8b", "compressed", "unpack it: gunzip, or gzip -dc FILE | sg-compliance scan --from -"),
)
_BUFFER: Final = 1 << 18
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONGEST_LINE: Final = 1 << 22
_LOOKED_AT: Final = 1_000_000
"""So many JSON events are looked at to find out what the first document is."""


class Pages(NamedTuple):
    """Documents that hold a list, and those of them (`NextToken`) after which another one must come."""

    documents: int = 0
    going_on: int = 0

    def __add__(self, other: object) -> Pages:
        if not isinstance(other, Pages):
            return NotImplemented
        return Pages(self.documents + other.documents, self.going_on + other.going_on)

    def lacks_the_last(self) -> bool:
        """Whether no document is one that ends the list."""
        return self.going_on >= self.documents > 0


class JsonFile:
    """One file. `name` is what people know it by: standard input is read through a temporary file."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self._mentioned: frozenset[str] | None = None

    def mentions(self, key: str) -> bool:
        """Whether the key, one of those that are looked for, stands somewhere in the file."""
        if self._mentioned is None:
            self._mentioned = self._look()
        return key in self._mentioned

    def _look(self) -> frozenset[str]:
        """The keys that stand in the file, in one pass: no more of it is in memory than two pieces."""
        missing = {key: f'"{key}"'.encode() for key in _LOOKED_FOR}
        longest = max(map(len, missing.values()))
        before = b""
        with self._open() as file:
            self._refuse_other_encodings(file.read(2))
            file.seek(0)
            while missing and (piece := file.read(_BUFFER)):
                piece = before + piece
                missing = {key: quoted for key, quoted in missing.items() if quoted not in piece}
                before = piece[-longest:]
        return _LOOKED_FOR - missing.keys()

    def _refuse_other_encodings(self, start: bytes) -> None:
        """Say what the file is where its first bytes do: it would only seem to hold nothing."""
        for mark, said, hint in _OTHER_ENCODINGS:
            if start == mark:
                raise InputError(f"{self.name}: {said}", hint=hint)

    def elements(self, key: str) -> Iterator[Any]:
        """The elements of every list under the key, wherever a document of the file has one at its top.

        Without such a list: the bare elements, recognised by their id, of an array or one after the other.
        """
        with self._open() as file:
            if self._is_json_lines(file):
                yield from self._from_lines(file, key)
            else:
                yield from self._from_documents(file, key)

    def pages(self, key: str) -> Pages:
        """How many documents have a list under the key, and how many say that another page follows."""
        documents = going_on = 0
        with self._open() as file, self._explained():
            inside = self._enter(file)
            for place, event, value in ijson.parse(file, multiple_values=True, buf_size=_BUFFER):
                documents += place == f"{inside}{key}" and event == "start_array"
                going_on += place == f"{inside}{NEXT_PAGE}" and bool(value)
        return Pages(documents, going_on)

    def has_list(self, key: str) -> bool:
        """Whether a document of the file has a list under the key at its top. For keys whose lists are short."""
        with self._open() as file, self._explained():
            found = ijson.items(file, f"{self._enter(file)}{key}", multiple_values=True, buf_size=_BUFFER)
            return any(isinstance(value, list) for value in found)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            message = f"{self.name}: cannot be read: {error.strerror}"
            raise InputError(message, hint="give a readable file, a folder, or - for standard input") from error

    @staticmethod
    def _is_json_lines(file: BinaryIO) -> bool:
        """Whether the first line that is not blank is a whole JSON object by itself."""
        line = b"\n"
        while line.isspace():
            line = file.readline(_LONGEST_LINE)
        file.seek(0)
        if not line.endswith(b"\n") and len(line) == _LONGEST_LINE:
            return False
        try:
            return isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            return False

    def _from_lines(self, file: BinaryIO, key: str) -> Iterator[Any]:
        position = 0
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    document = json.loads(line)
                except (ValueError, RecursionError):
                    file.seek(position)
                    yield from self._from_documents(file, key, f"line {number} on: ")
                    return
                yield from elements_of(document, key)
            position += len(line)

    def _from_documents(self, file: BinaryIO, key: str, place: str = "") -> Iterator[Any]:
        """From where the file stands."""
        with self._explained(place):
            inside = self._enter(file)
            bare = self._starts_bare(file)
            prefix = inside.removesuffix(".") if bare else f"{inside}{key}.item"
            found = ijson.items(file, prefix, use_float=True, multiple_values=True, buf_size=_BUFFER)
            if not bare:
                yield from found
                return
            for element in found:
                yield from elements_of(element, key)

    @staticmethod
    def _enter(file: BinaryIO) -> str:
        """Step over a byte order mark, and say where ijson finds the documents: in an array, or one after the other."""
        start = file.tell()
        start += len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0
        file.seek(start)
        is_array = file.read(_BUFFER).lstrip().startswith(b"[")
        file.seek(start)
        return "item." if is_array else ""

    @staticmethod
    def _starts_bare(file: BinaryIO) -> bool:
        """Whether the first object that says what it is is an element itself, and no document with lists."""
        start = file.tell()
        try:
            return _first_named(ijson.basic_parse(file, multiple_values=True, buf_size=_BUFFER)) in _IDENTIFYING
        finally:
            file.seek(start)

    @contextmanager
    def _explained(self, place: str = "") -> Iterator[None]:
        try:
            yield
        except (ijson.JSONError, ValueError, RecursionError, SystemError) as error:
            # SystemError: how the C parser fails, on some Pythons, at a number of more digits than Python converts
            message = f"{self.name}: not the JSON that was expected: {place}{_first_line(error)}"
            raise InputError(message, hint="give the output of: aws ec2 describe-security-groups") from error


def _first_line(error: Exception) -> str:
    """What the parser says; the lines below point at the place with blanks and arrows. Some of it comes as bytes."""
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(error)
    return text.partition("\n")[0].strip()


def elements_of(document: object, key: str) -> Iterator[Any]:
    """The elements under the key of one document; a bare element is one itself."""
    if not isinstance(document, dict):
        return
    found = document.get(key)
    if isinstance(found, list):
        yield from found
    elif next((kind for name, kind in _IDENTIFYING.items() if name in document), None) == key:
        yield document


def _first_named(events: Iterable[tuple[str, Any]]) -> str | None:
    """The first key of an object, an array around it apart, that says what the object is."""
    depth = top = 0
    for event, value in islice(events, _LOOKED_AT):
        if event in {"start_map", "start_array"}:
            depth += 1
            top = top or (depth if event == "start_map" else 0)
        elif event in {"end_map", "end_array"}:
            depth -= 1
        elif event == "map_key" and depth == top and (value in _LISTS or value in _IDENTIFYING):
            return str(value)
    return None
