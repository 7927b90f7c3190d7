"""The tags that say what is wrong with a group and what was done to it, within AWS's limits for tags.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.enforcement.calls import TAGS_PER_RESOURCE, is_reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.model.change import Tags
    from sg_compliance.model.finding import Finding

_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256
_ALLOWED: Final = frozenset("+-=._:/@")
"""Besides letters, digits and spaces."""


class Marks(NamedTuple):
    """Tags to set on a group, and the keys that it has no free slot for."""

    tags: Tags
    missing: tuple[str, ...]


def marks(findings: Sequence[Finding], prefix: str, backup_id: str, *, emergency: bool, existing: Tags) -> Marks:
    """The marks of a group that is remediated for these findings."""
    reason, count = _verdict(findings)
    wanted = {
        "STATUS": "NON_COMPLIANT",
        "BACKUP_ID": backup_id,
        "REMEDIATED": "true",
        "VIOLATION_REASON": reason,
        "VIOLATION_COUNT": count,
        **({"EMERGENCY": "true"} if emergency else {}),
    }
    return _fitting(wanted, prefix, existing)


def warning_marks(findings: Sequence[Finding], prefix: str, *, existing: Tags) -> Marks:
    """The marks of a group that is only tagged."""
    reason, count = _verdict(findings)
    wanted = {"STATUS": "NON_COMPLIANT", "VIOLATION_COUNT": count, "VIOLATION_REASON": reason}
    return _fitting(wanted, prefix, existing)


def worst_of(findings: Sequence[Finding]) -> Finding | None:
    """The finding that a group is named after: the worst, then the first in the order of reports."""
    return min(findings, key=lambda finding: (-finding.severity.rank, finding.sort_key()), default=None)


def _verdict(findings: Sequence[Finding]) -> tuple[str, str]:
    """The reason of the worst finding, and how many there are."""
    worst = worst_of(findings)
    return (worst.reason or worst.message if worst else ""), str(len(findings))


def _fitting(wanted: dict[str, str], prefix: str, existing: Tags) -> Marks:
    """As many new keys as there are free slots, the first first. A key that is there already needs none."""
    present = {key for key, _ in existing if not is_reserved(key)}
    free = TAGS_PER_RESOURCE - len(present)
    tags: list[tuple[str, str]] = []
    missing: list[str] = []
    for name, value in wanted.items():
        key = _key(prefix, name)
        if is_reserved(key) or (key not in present and free <= 0):
            missing.append(key)
            continue
        free -= key not in present
        tags.append((key, clean_value(value)))
    return Marks(tuple(tags), tuple(missing))


def _key(prefix: str, name: str) -> str:
    """The key; a prefix that leaves no room for the name is cut, so that keys stay apart."""
    return _clean(prefix)[: _LONGEST_KEY - len(name)] + name


def clean_value(text: str) -> str:
    """The text in AWS's alphabet for tags: letters, digits, spaces and `+ - = . _ : / @`."""
    return _clean(text)[:_LONGEST_VALUE].rstrip()


def _clean(text: str) -> str:
    return " ".join("".join(char if char.isalnum() or char in _ALLOWED else " " for char in text).split())
