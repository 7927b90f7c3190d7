"""What people granted for a time: exemptions from rules, and leave to change a protected group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ConcessionKind(StrEnum):
    """`exemption`: findings of `rules` count as exempt. `unprotection`: a protected group may be changed."""

    EXEMPTION = "exemption"
    UNPROTECTION = "unprotection"


@dataclass(frozen=True, slots=True)
class Concession:
    """One grant. `subject` is a group id (`sg-…`) or a 12-digit account id. `expires` None is permanent.

    `emergency`: granted in haste, for hours, to be looked at again.
    """

    kind: ConcessionKind
    subject: str
    rules: tuple[str, ...]
    reason: str
    approved_by: str
    expires: datetime | None
    created: datetime
    created_by: str
    emergency: bool = False

    @property
    def id(self) -> str:
        """`exemption/sg-…` and so on: one for each kind and subject."""
        return f"{self.kind}/{self.subject}"
