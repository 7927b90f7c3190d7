"""Filters and pages of the describe calls.

A filter's values are alternatives and may hold `*` and `?`, a backslash before one that is meant; case counts. Filters
must all match.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sg_compliance.testing.twin.refusal import TwinError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sg_compliance.testing.twin.nouns import Json

_Item = TypeVar("_Item")
_MOST_VALUES: Final = 200
_PART: Final = re.compile(r"\\.|.", re.DOTALL)
_WILD: Final = {"*": ".*", "?": "."}


def matching(
    items: Iterable[_Item],
    filters: Sequence[Json],
    values_of: Mapping[str, Callable[[_Item], Iterable[str | None]]],
    tags_of: Callable[[_Item], Iterable[tuple[str, str]]] = lambda _: (),
) -> list[_Item]:
    """The items that all filters let through. Raises TwinError for a filter that the operation does not have."""
    found = list(items)
    for each in filters:
        name, wanted = each.get("Name", ""), each.get("Values") or []
        if len(wanted) > _MOST_VALUES:
            message = f"The maximum number of filter values specified on a single call is {_MOST_VALUES}"
            raise TwinError("FilterLimitExceeded", message)
        read = values_of.get(name) or _of_tags(name, tags_of)
        patterns = [_pattern(value) for value in wanted]
        found = [item for item in found if any(p(value or "") for p in patterns for value in read(item))]
    return found


def _of_tags(name: str, tags_of: Callable[[_Item], Iterable[tuple[str, str]]]) -> Callable[[_Item], Iterable[str]]:
    if name == "tag-key":
        return lambda item: [key for key, _ in tags_of(item)]
    if name.startswith("tag:"):
        return lambda item: [value for key, value in tags_of(item) if f"tag:{key}" == name]
    raise invalid(f"The filter '{name}' is invalid")


@lru_cache(maxsize=4096)
def _pattern(value: str) -> Callable[[str], Any]:
    return re.compile(_PART.sub(_as_regex, value), re.DOTALL).fullmatch


def _as_regex(part: re.Match[str]) -> str:
    text = part[0]
    return _WILD.get(text) or re.escape(text.removeprefix("\\") or text)


def paged(  # noqa: PLR0913  what a page is made of
    key: str,
    items: Iterable[_Item],
    params: Json,
    id_of: Callable[[_Item], str],
    show: Callable[[_Item], Json],
    *,
    bounds: tuple[int, int] = (5, 1000),
) -> Json:
    """One page of the items as AWS shows them, in the order of their ids, and the token of the next one."""
    most = params.get("MaxResults")
    if most is not None and not bounds[0] <= most <= bounds[1]:
        expected = f"Expecting a value between {bounds[0]} and {bounds[1]}."
        raise invalid(f"Value ( {most} ) for parameter maxResults is invalid. {expected}")
    after = _read(params.get("NextToken"))
    left = sorted((each for each in items if id_of(each) > after), key=id_of)
    if most is None or len(left) <= most:
        return {key: [show(each) for each in left]}
    page = left[:most]
    return {key: [show(each) for each in page], "NextToken": _token(id_of(page[-1]))}


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(f"after {last}".encode()).decode()


def _read(token: str | None) -> str:
    if not token:
        return ""
    try:
        word, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
    except ValueError:
        word, last = "", ""
    if word != "after":
        raise TwinError("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")
    return last
