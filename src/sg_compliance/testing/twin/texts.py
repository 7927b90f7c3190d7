"""Names, descriptions and tags as AWS takes them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.twin.refusal import TwinError, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sg_compliance.testing.twin.nouns import Json, Tags

MOST_TAGS: Final = 50
_LONGEST_TEXT: Final = 255
_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256
_RESERVED: Final = "aws:"
_ALPHABET: Final = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
_WRITABLE: Final = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*").fullmatch


def description(text: str | None) -> str | None:
    """The description of a rule; an empty one is none."""
    _check("rule description", text or "")
    return text or None


def group_name(text: str) -> str:
    """The name of a new group, without the spaces at its end."""
    _check("security group name", text)
    name = text.rstrip(" ")
    if not name:
        raise missing("GroupName")
    if name.lower().startswith("sg-"):
        raise invalid(f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*.")
    if name == "default":
        raise invalid("Cannot use reserved security group name: default")
    return name


def group_description(text: str) -> str:
    """The description of a new group, which must have one."""
    if not text:
        raise missing("GroupDescription")
    _check("security group description", text)
    return text


def _check(what: str, text: str) -> None:
    if len(text) > _LONGEST_TEXT or not _WRITABLE(text):
        valid = f"strings less than {_LONGEST_TEXT + 1} characters from the following set: {_ALPHABET}"
        raise invalid(f"Invalid {what}. Valid descriptions are {valid}")


def tags_for(resource_type: str, specifications: Iterable[Json]) -> Tags:
    """The tags that TagSpecifications give to what a call makes."""
    found: list[Json] = []
    for each in specifications:
        if each.get("ResourceType") != resource_type:
            raise invalid(f"'{each.get('ResourceType')}' is not a valid taggable resource type for this operation.")
        found += each.get("Tags", ())
    return with_tags((), found)


def with_tags(present: Tags, added: Sequence[Json]) -> Tags:
    """The tags after these were set. A key that is there gets the new value."""
    keys = [checked_key(tag) for tag in added]
    for key in keys:
        if keys.count(key) > 1:
            raise invalid(f"Duplicate tag key '{key}' specified.")
    for tag in added:
        if len(tag.get("Value") or "") > _LONGEST_VALUE:
            raise invalid(f"Tag value exceeds the maximum length of {_LONGEST_VALUE} characters")
    merged = {**dict(present), **{tag["Key"]: tag.get("Value") or "" for tag in added}}
    if sum(not key.startswith(_RESERVED) for key in merged) > MOST_TAGS:
        raise TwinError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return tuple(merged.items())


def without_tags(present: Tags, removed: Sequence[Json]) -> Tags:
    """The tags after these were deleted: with a value only where it is the same; none given means all but `aws:`."""
    if not removed:
        return tuple((key, value) for key, value in present if key.startswith(_RESERVED))
    for tag in removed:
        checked_key(tag)
    gone = {(tag["Key"], tag.get("Value")) for tag in removed}
    return tuple((key, value) for key, value in present if not gone & {(key, value), (key, None)})


def checked_key(tag: Json) -> str:
    """The tag's key. Raises TwinError where a user may not set it."""
    key: str = tag.get("Key") or ""
    if not key:
        raise invalid("Tag key cannot be null or empty")
    if len(key) > _LONGEST_KEY:
        raise invalid(f"Tag key exceeds the maximum length of {_LONGEST_KEY} characters")
    if key.lower().startswith(_RESERVED):
        reserved = f"Tag keys starting with '{_RESERVED}' are reserved for internal use"
        raise invalid(f"Value ( {key} ) for parameter key is invalid. {reserved}")
    return key
