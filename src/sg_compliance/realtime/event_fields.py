"""Fields of a CloudTrail record, read strictly: what is not shaped as AWS writes it is a RejectedEventError.

Older EC2 calls are recorded in camelCase with lists in `{"items": […]}`, newer ones as their query parameters, in
PascalCase, a list of one as the bare object (CloudTrail, records of ModifySecurityGroupRules and
ModifyManagedPrefixList). An empty list is `{}`, null, or not there. Texts are an attacker's: they are cut, and lone
surrogates, which could not be written down, are replaced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sg_compliance.errors import RejectedEventError

if TYPE_CHECKING:
    from collections.abc import Iterable

Json: TypeAlias = dict[str, Any]

MOST: Final = 10_000
"""Rules, ids or entries in one event. No group has more than 1,000 rules (VPC user guide, quotas)."""
LONGEST_TEXT: Final = 1024
_QUOTED: Final = 60
_HEX: Final = "[0-9a-f]{8,17}"
GROUP_ID: Final = re.compile(f"sg-{_HEX}")
RULE_ID: Final = re.compile(f"sgr-{_HEX}")
PREFIX_LIST_ID: Final = re.compile(f"pl-{_HEX}")
INTERFACE_ID: Final = re.compile(f"eni-{_HEX}")
VPC_ID: Final = re.compile(f"vpc-{_HEX}")
ACCOUNT_ID: Final = re.compile("[0-9]{12}")
REGION: Final = re.compile("[a-z]{2,4}(-[a-z]{2,12}){1,4}-[0-9]{1,2}")
EVENT_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT_NAME: Final = re.compile("[A-Za-z0-9]{1,128}")
EVENT_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
GROUP_NAME: Final = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""What a name in a VPC may hold (EC2 API reference, CreateSecurityGroup)."""
_LIKE: Final = {
    GROUP_ID: "sg-0a1b2c3d4e5f60718",
    RULE_ID: "sgr-0a1b2c3d4e5f60718",
    PREFIX_LIST_ID: "pl-0a1b2c3d4e5f60718",
    INTERFACE_ID: "eni-0a1b2c3d4e5f60718",
    VPC_ID: "vpc-0a1b2c3d4e5f60718",
    ACCOUNT_ID: "111122223333",
    REGION: "eu-west-1",
    EVENT_ID: "6f1d2c3b-0a1b-4c2d-8e3f-0123456789ab",
    EVENT_NAME: "AuthorizeSecurityGroupIngress",
    EVENT_TIME: "2026-01-15T12:00:00Z",
    GROUP_NAME: "web-1, of up to 255 characters",
}
"""What each pattern asks for, for whoever has to mend it."""


def quoted(value: str) -> str:
    """The start of a text, as it may stand in a message."""
    return repr(value if len(value) <= _QUOTED else f"{value[:_QUOTED]}…")


def kept(value: str, longest: int = LONGEST_TEXT) -> str:
    """The text, cut where it is too long; what cannot be written as UTF-8 becomes `?`."""
    cut = value if len(value) <= longest else f"{value[:longest]}…"
    return cut.encode(errors="replace").decode()


def text(value: object, where: str) -> str:
    """A text, empty for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RejectedEventError(f"{where} is no text")
    return kept(value)


def identifier(value: object, pattern: re.Pattern[str], where: str) -> str:
    """A text that matches the pattern as a whole."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        if value is None:
            raise RejectedEventError(f"{where} is missing")
        said = quoted(value) if isinstance(value, str) else "no text"
        raise RejectedEventError(f"{where} is {said}: AWS writes it like {_LIKE[pattern]}")
    return value


def member(raw: Json, name: str) -> object:
    """The value under a key in camelCase or PascalCase; None where there is none."""
    values = [raw[key] for key in (name, name[0].upper() + name[1:]) if raw.get(key) is not None]
    if len(values) > 1:
        raise RejectedEventError(f"{name} stands there twice, in two spellings")
    return values[0] if values else None


def inner(value: object, where: str) -> Json:
    """An object; empty for null."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RejectedEventError(f"{where} is no object")
    return value


def items(value: object, where: str) -> list[object]:
    """A list however it is written: `{"items": […]}`, a bare list, or the one item itself."""
    listed = value["items"] if isinstance(value, dict) and "items" in value else value
    if listed is None or listed == "" or (isinstance(listed, dict) and not listed):
        return []
    if not isinstance(listed, list):
        return [listed]
    if len(listed) > MOST:
        raise RejectedEventError(f"{where} holds {len(listed)} items: more than {MOST}")
    return listed


def objects(value: object, where: str) -> list[Json]:
    """A list of objects."""
    listed = items(value, where)
    if not all(isinstance(item, dict) for item in listed):
        raise RejectedEventError(f"{where} is no list of objects")
    return [item for item in listed if isinstance(item, dict)]


def once(found: Iterable[str], where: str) -> tuple[str, ...]:
    """The texts without repetition, in order."""
    distinct = tuple(dict.fromkeys(found))
    if len(distinct) > MOST:
        raise RejectedEventError(f"the record names {len(distinct)} {where}: more than {MOST}")
    return distinct
