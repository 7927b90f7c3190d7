"""Every error that this package raises on purpose. `hint` is the next step, as a command or an action.

SgComplianceError
├── PolicyError           the policy document is wrong: carries every problem, not the first
├── InputError            a file, a folder or an argument cannot be used
├── AwsError              AWS refused, or could not be reached
├── DemoUnavailableError  the embedded demo organisation cannot start
├── GroupLockedError      another run is changing the group
├── BusyError             another is at the same thing at this moment, or the time is over: it comes again
├── LockLostError         the lock on a group ran out, and another run has it now
├── BackupNotFoundError   there is no such backup
├── BackupDamagedError    a backup is not what was written
├── StoreError            where backups, journal and audit log are kept cannot be read or written
├── UnforeseenError       this program has failed at a message, and goes on with the others
└── EventError            an event cannot be used
    └── RejectedEventError  it is not what AWS would write, or not for us: it goes to the dead letter queue
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class SgComplianceError(Exception):
    """Something the user can act on. `str()` says what and where, `hint` what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One thing wrong in a policy document.

    `path` is a JSON path such as `compliance_policies.prohibited_rules.inbound[0].severity`.
    """

    path: str
    expected: str
    got: str
    suggestion: str = ""

    def __str__(self) -> str:
        """One line for a person."""
        nearest = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        line = f"{self.path or '(document)'}: expected {self.expected}, got {self.got}{nearest}"
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


class PolicyError(SgComplianceError):
    """A policy document that cannot be used. `problems` holds all that is wrong with it."""

    def __init__(self, source: str, problems: Sequence[PolicyProblem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            f"{source}: {count} problem{'s' if count != 1 else ''} in the policy{lines}",
            hint="mend the document and try it with: sg-compliance policy check FILE",
        )


class InputError(SgComplianceError):
    """A file, a folder, or an argument that cannot be used."""


class AwsError(SgComplianceError):
    """AWS refused a call, or could not be reached. `code` is AWS's error code when there is one."""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class DemoUnavailableError(SgComplianceError):
    """The embedded demo organisation cannot start."""


class GroupLockedError(SgComplianceError):
    """Another run is changing the group."""


class BusyError(SgComplianceError):
    """Another is at the same thing at this moment, or there is no time left for it: it comes again by itself."""


class LockLostError(SgComplianceError):
    """The lock on a group ran out, and another run has it now."""


class BackupNotFoundError(SgComplianceError):
    """There is no such backup."""


class BackupDamagedError(SgComplianceError):
    """A backup is not what was written: cut off, edited, or of a version that is not known."""


class StoreError(SgComplianceError):
    """Where backups, journal and audit log are kept cannot be read or written."""


class UnforeseenError(SgComplianceError):
    """This program has failed at a message in a way that nobody foresaw; it goes on with the others."""


class EventError(SgComplianceError):
    """An event that cannot be used."""


class RejectedEventError(EventError):
    """An event that is not what AWS would write, or is not for us: never guessed at."""

    USUAL_HINT: Final = "look at it in the dead letter queue; the next scan judges the group anyway"

    def __init__(self, message: str, *, hint: str = USUAL_HINT) -> None:
        super().__init__(message, hint=hint)
