"""Text → Document, or one PolicyError with everything that is wrong, each with its JSON path and the nearest key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from sg_compliance.errors import PolicyError, PolicyProblem
from sg_compliance.policy.consistency import inconsistencies
from sg_compliance.policy.document import Document
from sg_compliance.policy.reading import UnreadableError, json_path, read_object, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

_MEANINGFUL = frozenset({"x_networks", "x_automation"})
_FREE = frozenset({"metadata", "notification_settings", "monitoring_settings"})
_SCHEMA = "$schema"  # where an editor finds the JSON Schema: no part of the policy
_SHOWN_KEY = 200
_WORDS = {
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "String should match pattern": "text of the form",
    "String should have ": "text of ",
    "List should have ": "a list of ",
}


@dataclass(frozen=True, slots=True)
class ParsedPolicy:
    """A document with the name of its source and the SHA-256 of its text."""

    document: Document
    source: str
    sha256: str

    @property
    def version(self) -> str | None:
        """The version that the document gives itself."""
        return self.document.version


def parse_policy(text: str, source: str) -> ParsedPolicy:
    """Read a policy in JSON, or in YAML where the source's name ends in .yaml or .yml. Raises PolicyError."""
    try:
        raw = without_user_keys(read_object(text, source))
    except UnreadableError as error:
        raise PolicyError(source, error.problems) from None
    problems = [*_section_twice(raw), *inconsistencies(raw)]
    document = None
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        problems += problems_of(error, Document)
    if document is None or problems:
        raise PolicyError(source, in_order(problems))
    return ParsedPolicy(document, source, hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())


def without_user_keys(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what belongs to the user: keys that start with `x_`, save the two that have a meaning.

    The name of the schema, for editors, goes as well.
    """
    return {
        key: value if key in _FREE or key in _MEANINGFUL else _stripped(value)
        for key, value in raw.items()
        if key != _SCHEMA and (key in _MEANINGFUL or not key.startswith("x_"))
    }


def _stripped(raw: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(raw, list):
        return [_stripped(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    return {key: value if key in _FREE else _stripped(value) for key, value in raw.items() if not key.startswith("x_")}


def _section_twice(raw: Mapping[str, Any]) -> Iterator[PolicyProblem]:
    inside = raw.get("compliance_policies")
    if not isinstance(inside, dict):
        return
    for name in Document.section_names():
        if name in raw and name in inside:
            yield PolicyProblem(name, "the section in one place", "it stands here and in compliance_policies")


def in_order(problems: Iterable[PolicyProblem]) -> list[PolicyProblem]:
    """Each problem once, by place."""
    return sorted(set(problems), key=lambda problem: (problem.path, problem.expected, problem.got))


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[PolicyProblem]:
    """What pydantic found wrong, in our words, with the nearest known key or value."""
    return [_problem(detail, model) for detail in error.errors()]


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> PolicyProblem:
    place = tuple(part for part in detail["loc"] if part != "[key]")  # pydantic's mark for the key of a mapping
    path, key = json_path(place), str(place[-1]) if place else ""
    if detail["type"] == "extra_forbidden":
        known = _known_keys(place[:-1], model)
        nearest = next(iter(get_close_matches(key[:_SHOWN_KEY], known, n=1, cutoff=0.5)), "")
        return PolicyProblem(path, "a known key" if nearest else f"one of {', '.join(known)}", f"{key!r}", nearest)
    if detail["type"] == "missing":
        return PolicyProblem(path, "a value, for this key is required", "nothing")
    expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    return PolicyProblem(path, _in_words(detail["type"], expected), shown(detail["input"]), _nearest_value(detail))


def _in_words(kind: str, expected: str) -> str:
    """Pydantic speaks of Python's types; a policy is JSON."""
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return "an object"
    if kind == "list_type":
        return "a list"
    plain = expected.partition(" after validation")[0]
    for pydantic, ours in _WORDS.items():
        plain = plain.replace(pydantic, ours)
    return plain


def _nearest_value(detail: ErrorDetails) -> str:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    written = str(detail["input"])[:_SHOWN_KEY].lower()
    return next(iter(get_close_matches(written, choices, n=1, cutoff=0.6)), "")


def _known_keys(parts: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys of the model that stands at a path."""
    models: list[type[BaseModel]] = [model]
    for part in parts:
        found = [annotation for each in models if (annotation := _annotation(each, part)) is not None]
        models = [inner for annotation in found for inner in _inside(annotation)] or models
    return sorted({key for each in models for key in each.model_fields})


def _annotation(model: type[BaseModel], key: int | str) -> Any:  # noqa: ANN401 - a type expression
    field = model.model_fields.get(str(key))
    if field or isinstance(key, int):
        return field.annotation if field else None
    return get_type_hints(model).get("__pydantic_extra__")


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type expression
    """The models in a type expression such as `list[Rule]` or `dict[str, X] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)
