"""What is remembered of a finding after the scan that found it: enough to tell people, and to count its age."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from sg_compliance.model.finding import Finding, FindingState, Severity
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER: Final = -1
"""The rank of a severity at which nobody was told."""

REOPENED_WITHIN: Final = timedelta(hours=24)
"""What is there again before it was gone for so long is as old as it was: opening and closing buys nobody time."""

_LONGEST_PART: Final = 64
"""Of a place: far more than any of AWS's, and three of them are a key that DynamoDB takes (2,048 bytes)."""

_LONGEST_NAME: Final = 255
_LONGEST_TEXT: Final = 1_000
_ANY_TIME: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Remembered:
    """An open finding. `direction` is empty where it is a matter of the group as a whole. Long texts are cut."""

    id: str
    place: Place
    group_name: str
    rule_id: str
    severity: Severity
    direction: str
    reason: str
    message: str
    first_seen: datetime
    last_seen: datetime

    def sort_key(self) -> tuple[str, ...]:
        """The order of reports: by place, then the worst first."""
        return (*self.place, str(9 - self.severity.rank), self.rule_id, self.direction)


Dated: TypeAlias = Finding | Remembered
"""A finding with its place, severity and first time: of two findings with one id, the later may not be the same."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a history keeps of a finding. `told` is the rank of the worst severity that people were told of.

    `gone` is when it was last found to be gone; it is there again if it was seen after that.
    """

    finding: Remembered
    exempt: bool = False
    told: int = NEVER
    told_at: datetime | None = None
    gone: datetime | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it was not seen since it was found to be gone."""
        return self.gone is not None and self.finding.last_seen <= self.gone

    @property
    def waits(self) -> bool:
        """Whether people are to be told: it is open, and worse than what they were told of, if they were."""
        return not self.exempt and not self.is_gone and self.finding.severity.rank > self.told

    def once_told(self, telling: Dated, now: datetime) -> Kept:
        """After people were told of it as `telling` has it: not of what became worse or began anew since then."""
        known = remembered(telling)
        was_gone = self.gone is not None and known.last_seen <= self.gone
        if was_gone or known.first_seen < self.finding.first_seen or known.severity.rank <= self.told:
            return self
        return replace(self, told=known.severity.rank, told_at=now)

    def once_gone(self, as_of: datetime) -> Kept:
        """After it was found to be gone by who looked at that time: not if it was seen later, or was gone before."""
        return self if self.is_gone or self.finding.last_seen > as_of else replace(self, gone=as_of)


def sighted(before: Kept | None, finding: Finding, now: datetime) -> Kept:
    """What is kept once the finding is seen. A time before the last one is noted, and what was seen then is not.

    What was gone for less than a day is as old as before, and nobody was told of it; after that it is new.
    """
    is_exempt = finding.state is FindingState.EXEMPT
    if before is None or (before.is_gone and before.gone and now - before.gone >= REOPENED_WITHIN):
        return Kept(_remembered(finding, now, now), is_exempt)
    first, last = min(before.finding.first_seen, now), before.finding.last_seen
    if before.is_gone and before.gone:
        seen = max(now, before.gone + _MOMENT)  # who comes late with an earlier time may have seen it later
        return Kept(_remembered(finding, first, seen), is_exempt, gone=before.gone)
    if now < last:
        return replace(before, finding=replace(before.finding, first_seen=first))
    return Kept(_remembered(finding, first, now), is_exempt, before.told, before.told_at, before.gone)


def remembered(finding: Dated) -> Remembered:
    """The finding as it is remembered. One that has no dates was never seen: it stands for itself at any time."""
    if isinstance(finding, Remembered):
        return finding
    return _remembered(finding, finding.first_seen or _ANY_TIME, finding.last_seen or _ANY_TIME)


def _remembered(finding: Finding, first_seen: datetime, last_seen: datetime) -> Remembered:
    group = finding.group
    return Remembered(
        id=finding.id,
        place=kept_place(group.place),
        group_name=_kept(group.name, _LONGEST_NAME),
        rule_id=_kept(finding.rule_id, _LONGEST_NAME),
        severity=finding.severity,
        direction=finding.direction.value if finding.direction else "",
        reason=_kept(finding.reason, _LONGEST_TEXT),
        message=_kept(finding.message, _LONGEST_TEXT),
        first_seen=first_seen,
        last_seen=last_seen,
    )


def kept_place(place: Place) -> Place:
    """The place as it is remembered: a file may say anything."""
    return Place(*(_kept(part, _LONGEST_PART) for part in place))


def in_order(findings: Iterable[Remembered]) -> list[Remembered]:
    """In the order of reports."""
    return sorted(findings, key=Remembered.sort_key)


def _kept(text: str, most: int) -> str:
    """The text so that every store takes it, of bounded length. Half a character is shown as its code."""
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"
