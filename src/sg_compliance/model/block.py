"""Who is blocked, for how long, and why: a deny policy that stands on an IAM user or a role for a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class TargetKind(StrEnum):
    """What has inline policies of its own and makes calls (IAM user guide, IAM identities)."""

    USER = "user"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Target:
    """An IAM user or role. `path` is as IAM has it (`/`, `/team/`); empty where it is not known, as in a session's ARN.

    A name is unique in its account whatever the path (IAM user guide, IAM identifiers).
    """

    partition: str
    account_id: str
    kind: TargetKind
    name: str
    path: str = ""

    @property
    def arn(self) -> str:
        """Its ARN, with the path where that is known."""
        return f"arn:{self.partition}:iam::{self.account_id}:{self.kind}{self.path or '/'}{self.name}"

    @property
    def block_id(self) -> str:
        """The id of its block: always the same one, so that a block that is begun again is no second one.

        Case is no part of a name in IAM.
        """
        who = f"{self.partition}:{self.account_id}:{self.kind}:{self.name.lower()}"
        return f"block-{hashlib.sha256(who.encode()).hexdigest()[:12]}"


class BlockState(StrEnum):
    """`BEGUN`: the policy may stand or not, people may know or not. `STANDS`: it was read back, and people were told.

    `LIFTED`: a person took it away; until `expires` it is not put back without a person.
    """

    BEGUN = "begun"
    STANDS = "stands"
    LIFTED = "lifted"


class Because(NamedTuple):
    """Why something was done, and by whom."""

    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `before`: of a role, sessions issued before this time are denied; of a user it has no meaning.

    `reason` and `by` are those of the last time that it was asked for, `earlier` those of the times before. `causes`
    are the keys of the verdicts that it was made for, so that none is answered twice. `lifted` says who took it away;
    while the state is not `LIFTED` yet, who is about to.
    """

    target: Target
    reason: str
    by: str
    created: datetime
    expires: datetime
    before: datetime
    state: BlockState = BlockState.BEGUN
    causes: tuple[str, ...] = ()
    earlier: tuple[Because, ...] = ()
    lifted: Because | None = None

    @property
    def id(self) -> str:
        """Under which it is kept, and undone."""
        return self.target.block_id

    def runs(self, now: datetime) -> bool:
        """Whether it keeps anybody out, as far as is known."""
        return self.state is not BlockState.LIFTED and self.expires > now


class BlockStatus(StrEnum):
    """How it ended that somebody was to be blocked, or unblocked."""

    BLOCKED = "blocked"
    WOULD_BLOCK = "would be blocked"
    EXTENDED = "blocked for longer"
    WOULD_EXTEND = "would be blocked for longer"
    UNCHANGED = "blocked already"
    REFUSED = "not blocked"
    LIFTED = "unblocked"
    EXPIRED = "over"
    NOT_BLOCKED = "not blocked, nothing to undo"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What came of it. `reason` says why it ended as it did, `hint` what to do next, `notes` what a person should know.

    `block` is None where it is refused, or where nobody is known under what was given.
    """

    status: BlockStatus
    block: Block | None = None
    reason: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
