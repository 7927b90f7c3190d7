"""The groups of a long answer, which stay bytes until one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from sg_compliance.aws.ec2_xml import element, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.aws.ec2_xml import Members
    from sg_compliance.model.columns import Columns


class Groups(Sequence[dict[str, Any]]):
    """Security groups by where they stand in an answer, each made into a dict when it is asked for.

    Equal to a list of the same dicts. `columns` lays out what a screen looks at; account and region are for groups that
    do not say so themselves.
    """

    def __init__(
        self, body: bytes, spans: Sequence[tuple[int, int]], items: Members, columns: Callable[[str, str], Columns]
    ) -> None:
        self._body = body
        self._spans = spans
        self._items = items
        self.columns = columns

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return [*map(self._made, self._spans[at])] if isinstance(at, slice) else self._made(self._spans[at])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._made, self._spans)

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, list | Groups) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"<{len(self)} security groups>"

    def _made(self, span: tuple[int, int]) -> dict[str, Any]:
        start, end = span
        made: dict[str, Any] = element(self._items, tokens(self._body[start:end].decode()))
        return made
