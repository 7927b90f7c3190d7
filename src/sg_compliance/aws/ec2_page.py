"""A long answer of DescribeSecurityGroups, all of it looked at at once.

Reading it holds the whole answer to what botocore would find in it; nothing can be wrong with it afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sg_compliance.aws.ec2_columns import Laid, columns
from sg_compliance.aws.ec2_groups import Groups
from sg_compliance.aws.ec2_layout import Places, elements, levels
from sg_compliance.aws.ec2_paths import suits
from sg_compliance.aws.ec2_texts import Texts
from sg_compliance.aws.ec2_xml import SCALAR, OddXmlError, as_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sg_compliance.aws.ec2_layout import Elements, Level
    from sg_compliance.aws.ec2_xml import Members
    from sg_compliance.model.columns import Columns

_BEGIN: Final = b"<securityGroupInfo>"
_OPENS: Final = b"<securityGroupInfo"
_END: Final = b"</securityGroupInfo>"
GROUPS: Final = "SecurityGroups"


class Pages:
    """Reads such answers. `members`: of the answer. Raises OddXmlError where the service model is another one."""

    def __init__(self, members: Members) -> None:
        name, _, self._items = members[_BEGIN[1:-1].decode()]
        self._places = Places(self._items)
        times = as_time in self._places.conversions.values()  # which could be odd in a group that is read later
        if name != GROUPS or times or not suits(self._places):
            raise OddXmlError(name)

    def split(self, body: bytes) -> tuple[bytes, Groups]:
        """The answer without its groups, and the groups. Raises OddXmlError, ValueError."""
        start, end = body.find(_BEGIN) + len(_BEGIN), body.rfind(_END)
        if start < len(_BEGIN) or end < start or body.find(_OPENS, start) >= 0:
            raise OddXmlError
        found = elements(body, start, end, self._places.tags)
        laid = self._laid(body, found)
        top = found.opens[laid.levels[0].elements]
        spans = [*zip(top.tolist(), found.closes.tolist(), strict=True)]

        def lay_again() -> Laid:
            return self._laid(body, elements(body, start, end, self._places.tags))

        return body[:start] + body[end:], Groups(body, spans, self._items, _Columns(laid, lay_again))

    def _laid(self, body: bytes, found: Elements) -> Laid:
        laid, texts = levels(found, self._places, body), Texts(body, found)
        values, plain = np.zeros(len(found.tags), np.int64), np.zeros(len(found.tags), bool)
        owner = self._places.at["", "OwnerId"]
        for level in laid:
            if (found.ends[level.elements[level.places == owner]] == 0).any():
                raise OddXmlError  # whoever that is
            some = np.flatnonzero(self._places.kind[level.places] == SCALAR)
            if some.size:
                self._read_numbers(level, some, texts, values, plain)
        return Laid(self._places, laid, texts, values, plain)

    def _read_numbers(
        self, level: Level, some: NDArray[np.intp], texts: Texts, values: NDArray[np.int64], plain: NDArray[np.bool_]
    ) -> None:
        """Read the scalars; what is no plain number as botocore would, which may fail."""
        chosen = level.elements[some]
        values[chosen], plain[chosen] = texts.numbers(chosen)
        odd = some[~plain[chosen]]
        for place, word in zip(level.places[odd].tolist(), texts.words(level.elements[odd]), strict=True):
            self._places.conversions[place](word)


class _Columns:
    """Makes columns; what that is made from takes three times the memory of the answer, and is not kept for longer."""

    def __init__(self, laid: Laid, lay_again: Callable[[], Laid]) -> None:
        self._laid: Laid | None = laid
        self._lay_again = lay_again

    def __call__(self, account_id: str, region: str) -> Columns:
        laid, self._laid = self._laid or self._lay_again(), None
        return columns(laid, account_id, region)
