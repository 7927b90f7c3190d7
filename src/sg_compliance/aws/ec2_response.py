"""botocore's parser for EC2's answers, with a fast road for the long ones.

botocore asks its session's `response_parser_factory` for a parser: this one reads the answers of the calls in
FAST by `ec2_xml`, and leaves to botocore what that finds odd, errors, and every other call. Results are the same, save
for the order of keys; what fails, fails as it does with botocore, because botocore fails at it. Of many groups the list
is a sequence that makes them when they are asked for (`ec2_groups`).
"""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from botocore.parsers import EC2QueryParser, ResponseParserFactory

from sg_compliance.aws.ec2_xml import OddXmlError, members_of, structure, tokens
from sg_compliance.aws.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from botocore.model import Shape
    from botocore.parsers import ResponseParser

    from sg_compliance.aws.ec2_groups import Groups
    from sg_compliance.aws.ec2_xml import Members

FAST: Final = frozenset(
    {"DescribeNetworkInterfacesResult", "DescribeSecurityGroupRulesResult", "DescribeSecurityGroupsResult"}
)
"""Output shapes of the service model."""

_GROUPS: Final = "SecurityGroups"
_LONG: Final = 1 << 16
_WORTH_COLUMNS: Final = 1 << 17
_WORTH_NUMPY: Final = 1 << 20
"""Bytes. From here on it takes less time to lay groups out in columns: with NumPy imported, and with its import."""

_METADATA: Final = "ResponseMetadata"
_ROOT: Final = re.compile(
    rb"""(?:<\?xml\ version="1\.0"\ encoding="(?:UTF|utf)-8"\?>)?[ \n\t]*
    <([A-Za-z][A-Za-z0-9]*)(?:\ xmlns="https?://[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?/[A-Za-z0-9/.-]*")?>[ \n\t]*""",
    re.VERBOSE,
).match


class ResponseParsers(ResponseParserFactory):
    """What botocore gets its parsers from: one for each answer."""

    def __init__(self) -> None:
        super().__init__()
        self._known: MutableMapping[Shape, _Reading | None] = WeakKeyDictionary()

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """Return a parser; botocore's own for other protocols than EC2's."""
        if protocol_name != "ec2":
            return super().create_parser(protocol_name)
        return Ec2ResponseParser(self._known, **self._defaults)  # type: ignore[attr-defined]  # not in the stubs


class Ec2ResponseParser(EC2QueryParser):
    """Reads one answer. `known`: how shapes that were met are read, None where a shape cannot be read fast."""

    def __init__(self, known: MutableMapping[Shape, _Reading | None], **defaults: Any) -> None:  # noqa: ANN401  botocore's own
        super().__init__(**defaults)
        self._known = known

    def _do_parse(self, response: Mapping[str, Any], shape: Shape | None) -> Any:  # noqa: ANN401  botocore's
        """Where botocore reads what is no error."""
        body = response["body"]
        reading = self._reading(shape) if shape is not None and type(body) is bytes else None
        if reading is not None:
            try:
                return reading.read(body)
            except (OddXmlError, ValueError):
                pass  # botocore reads it, or says what is wrong with it
        return super()._do_parse(response, shape)  # type: ignore[misc]  # not in the stubs

    def _reading(self, shape: Shape) -> _Reading | None:
        if shape not in self._known:
            self._known[shape] = _reading(shape) if shape.name in FAST else None
        return self._known[shape]


def _reading(shape: Shape) -> _Reading | None:
    try:
        return _Reading(members_of(shape, also={"requestId": _METADATA}))
    except (OddXmlError, RecursionError):
        return None


class _Reading:
    """How the answers of one shape are read."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._pages: Callable[[bytes], tuple[bytes, Groups]] | None = None
        self._may_be_pages = _GROUPS in {name for name, _, _ in members.values()}

    def read(self, body: bytes) -> dict[str, Any]:
        """Read an answer that is no error. Raises OddXmlError, and ValueError where a number or a character is none."""
        if len(body) >= (_WORTH_COLUMNS if "numpy" in sys.modules else _WORTH_NUMPY) and self._may_be_pages:
            with suppress(OddXmlError, ValueError):
                return self._read_page(body)
        return read(body, self._members)

    def _read_page(self, body: bytes) -> dict[str, Any]:
        if self._pages is None:
            self._pages = _pages(self._members)
        if self._pages is None:
            self._may_be_pages = False
            raise OddXmlError
        rest, groups = self._pages(body)
        answer = read(rest, self._members)
        if _GROUPS not in answer:
            raise OddXmlError  # the list stands somewhere else
        return {**answer, _GROUPS: groups}


def _pages(members: Members) -> Callable[[bytes], tuple[bytes, Groups]] | None:
    """What reads long answers; None where NumPy is missing, or the service model is another one."""
    try:
        from sg_compliance.aws.ec2_page import Pages  # noqa: PLC0415  NumPy is slow to import, and need not be there

        return Pages(members).split
    except (ImportError, OddXmlError):
        return None


def read(body: bytes, members: Members) -> dict[str, Any]:
    """Read an answer that is no error. Raises OddXmlError, and ValueError where a number or a character is none."""
    root = _ROOT(body)
    if not root:
        raise OddXmlError
    with uncollected() if len(body) > _LONG else nullcontext():
        found = tokens(body.decode(), root.end())
        answer = structure(members, f"/{root[1].decode()}", found)
    if next(found, None):
        raise OddXmlError
    if _METADATA in answer:
        answer[_METADATA] = {"RequestId": answer[_METADATA] or None}
    return answer
