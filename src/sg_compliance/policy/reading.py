"""JSON or YAML text → plain JSON values, read strictly: what two readers could understand differently is refused.

Refused: a key that stands twice in one object (one of the two would be lost in silence), keys that are not text (an
unquoted account id in YAML is a number, and loses its leading zeros), NaN and infinities, values that JSON does not
have, and documents that are too deep or, through YAML aliases, too large to be meant.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import yaml

from sg_compliance.errors import PolicyProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path: TypeAlias = tuple[int | str, ...]

_DEEPEST: Final = 64
_MOST_VALUES: Final = 1_000_000
_LARGEST: Final = 1 << 128  # there are no more addresses than that, and nothing else to count
_SHOWN: Final = 60
_MERGE: Final = "tag:yaml.org,2002:merge"


class UnreadableError(ValueError):
    """A text that is no document. `problems` says all that is wrong with it."""

    def __init__(self, *problems: PolicyProblem) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


def read_object(text: str, source: str) -> dict[str, Any]:
    """Read one object: JSON, or YAML where the source's name ends in .yaml or .yml. Raises UnreadableError."""
    try:
        raw = _yaml(text) if source.lower().endswith((".yaml", ".yml")) else _json(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableError(PolicyProblem("", "a well-formed document", " ".join(str(error).split()))) from None
    problems = list(_awkward(raw))
    if problems:
        raise UnreadableError(*problems)
    if not isinstance(raw, dict):
        raise UnreadableError(PolicyProblem("", "an object", shown(raw)))
    return raw


def json_path(parts: Path) -> str:
    """`("a", 0, "b")` → `a[0].b`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def shown(value: object) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not a number in JSON"
    raise ValueError(message)


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            message = f"the key {key!r} stands twice in one object"
            raise ValueError(message)
        found[key] = value
    return found


class _StrictLoader(yaml.SafeLoader):
    """YAML that means what the same text means in JSON, without keys that stand twice.

    Timestamps stay text; so does what only YAML 1.1 takes for a number, such as `022` (18) or `22:30` (1350).
    """


_OWN_MEANING = {
    "tag:yaml.org,2002:timestamp": None,
    "tag:yaml.org,2002:int": re.compile(r"-?(?:0|[1-9][0-9]*)\Z"),
}
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, meaning) for tag, pattern in resolvers if (meaning := _OWN_MEANING.get(tag, pattern)) is not None]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    own = sum(key.tag != _MERGE for key, _ in node.value)
    loader.flatten_mapping(node)  # puts what `<<` merges in before the mapping's own pairs
    pairs = [(_key(loader, key), loader.construct_object(value, deep=True)) for key, value in node.value]
    return {**dict(pairs[: len(pairs) - own]), **_unique(pairs[len(pairs) - own :])}


def _key(loader: _StrictLoader, node: yaml.Node) -> object:
    if not isinstance(node, yaml.ScalarNode):
        message = "a key that is not text"
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
    return loader.construct_object(node)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _yaml(text: str) -> object:
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, stricter


def _awkward(raw: object) -> Iterator[PolicyProblem]:
    """What is well formed and yet no JSON that could be meant. Walks without recursion: the depth is not known yet."""
    left: list[tuple[Path, object]] = [((), raw)]
    for _ in range(_MOST_VALUES):
        if not left:
            return
        path, value = left.pop()
        if len(path) > _DEEPEST:
            yield PolicyProblem(json_path(path[:3]), f"at most {_DEEPEST} levels", "more")
            return
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    yield PolicyProblem(json_path(path), "keys that are text", f"{key!r}: put it in quotes")
            left += [((*path, str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [((*path, index), inner) for index, inner in enumerate(value)]
        else:
            yield from _awkward_scalar(path, value)
    yield PolicyProblem("", f"at most {_MOST_VALUES} values", "more")


def _awkward_scalar(path: Path, value: object) -> Iterator[PolicyProblem]:
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            yield PolicyProblem(json_path(path), "text", "half of a surrogate pair")
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            yield PolicyProblem(json_path(path), "a number up to 2 ** 128", "a larger one")
    elif isinstance(value, float):
        if not isfinite(value):
            yield PolicyProblem(json_path(path), "a finite number", str(value))
    elif value is not None:
        yield PolicyProblem(json_path(path), "a value that JSON has", type(value).__name__)
