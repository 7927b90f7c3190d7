"""What came of a transaction on one group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sg_compliance.model.change import Call
    from sg_compliance.model.security_group import Place


class Status(StrEnum):
    """How it ended. `INCOMPLETE`: it was begun, could not be finished, and the next run goes on from there."""

    CHANGED = "changed"
    WOULD_CHANGE = "would change"
    UNCHANGED = "nothing to do"
    PARTIAL = "partly restored"
    REFUSED = "refused"
    LOCKED = "locked"
    GONE = "gone"
    FAILED = "failed"
    INCOMPLETE = "incomplete"

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for is so now."""
        return self in {Status.CHANGED, Status.WOULD_CHANGE, Status.UNCHANGED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done to a group. `calls` took effect as far as AWS said so, or would be made.

    `backup_id` takes it back. `reason` says why it ended as it did, `notes` what a person should know.
    """

    place: Place
    name: str
    status: Status
    reason: str = ""
    hint: str = ""
    backup_id: str = ""
    calls: tuple[Call, ...] = ()
    notes: tuple[str, ...] = ()


class RoundTrip(NamedTuple):
    """Digests of all groups at three times, how many groups were changed and restored, and how many rules went."""

    before: str
    changed: str
    after: str
    groups: int
    restored: int
    revoked: int
    authorized: int

    @property
    def is_exact(self) -> bool:
        """Whether everything is as it was, and something was different in between."""
        return self.before == self.after != self.changed
