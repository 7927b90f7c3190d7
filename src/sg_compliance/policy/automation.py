"""Known automation (`x_automation`): principals that may change more than people do, found by ARN or role name.

A `*` in a pattern stands for any text without a `/`, a `?` for one character but `/`. So the name of a session, which
whoever assumes a role chooses, cannot pass for the name of a role.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import AfterValidator, WithJsonSchema, model_validator

from sg_compliance.policy.rule import Count, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PATTERN: Final = r"^[A-Za-z0-9_+=,.@:/*?-]*[A-Za-z0-9][A-Za-z0-9_+=,.@:/*?-]*$"
_ASSUMED: Final = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)(?:/.*)?", re.ASCII)
_ROLE: Final = re.compile(r"arn:[\w-]+:iam::\d{12}:role/(?:.*/)?([^/]+)", re.ASCII)
_WILD: Final = {"*": "[^/]*", "?": "[^/]"}


def check_pattern(text: str) -> str:
    """The pattern as it is given. Raises ValueError where it is none, or names everybody."""
    if not re.fullmatch(_PATTERN, text):
        message = 'expected an ARN or the name of a role, with * and ? for what varies ("*" alone names everybody)'
        raise ValueError(message)
    return text


PrincipalPattern: TypeAlias = Annotated[
    str,
    AfterValidator(check_pattern),
    WithJsonSchema(
        {"description": "An ARN or the name of a role, with * and ?.", "type": "string", "pattern": _PATTERN}
    ),
]


class Automation(Section):
    """How many changes are too many of a principal that is known to make many. What is left out is as for everybody."""

    threshold_per_minute: Count | None = None
    threshold_per_hour: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_keys_of_the_user(cls, value: Any) -> Any:  # noqa: ANN401 - JSON
        return {key: each for key, each in value.items() if key[:2] != "x_"} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.threshold_per_minute is None and self.threshold_per_hour is None:
            message = "expected threshold_per_minute, threshold_per_hour, or both"
            raise ValueError(message)
        return self


class Known(NamedTuple):
    """The pattern that names a principal, and what it may do."""

    pattern: str
    automation: Automation


def automation_of(principal: str, known: Mapping[str, Automation]) -> Known | None:
    """What is said of the principal (its ARN): by the longest of the patterns that name it, the most exact one."""
    pattern = naming(known, names_of(principal))
    return Known(pattern, known[pattern]) if pattern else None


def naming(patterns: Iterable[str], names: Iterable[str], *, in_any_case: bool = False) -> str:
    """The longest of the patterns that has one of the names; empty where none has.

    `in_any_case`: names of users and roles are no two that differ by case alone (IAM user guide, quotas and names).
    """
    asked = set(names)
    flags = re.IGNORECASE if in_any_case else re.NOFLAG
    found = [pattern for pattern in patterns if any(_matcher(pattern, flags).fullmatch(name) for name in asked)]
    return max(found, key=lambda each: (len(each), each), default="")


def names_of(principal: str) -> Iterator[str]:
    """The ARN; of a role also its name, and of a role's session the two ARNs of the role."""
    yield principal
    if assumed := _ASSUMED.fullmatch(principal):
        partition, account, role = assumed.groups()
        yield from (role, f"arn:{partition}:sts::{account}:assumed-role/{role}")
        yield f"arn:{partition}:iam::{account}:role/{role}"
    elif role_arn := _ROLE.fullmatch(principal):
        yield role_arn[1]


def _matcher(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile("".join(_WILD.get(char) or re.escape(char) for char in pattern), flags)
