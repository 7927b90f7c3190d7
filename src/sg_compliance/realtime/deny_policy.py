"""The policy that blocks a user or a role, and how one that stands there is read.

It denies everything on everything. A narrower one would be walked around: who may start a stack, a function or a
command, pass a role or make a key changes security groups through those, and who may change IAM takes the policy off
again. It is how AWS does it too (AWSDenyAll; AWSRevokeOlderSessions, IAM user guide, "Revoking IAM role temporary
security credentials"). Being undone does not depend on whom it is put on: another role does that, and ours, the
caller and the break-glass list are never blocked.

It ends by itself: its one statement holds until a time (`aws:CurrentTime`), whether we are still there or not. Of a
role it denies sessions issued before a time (`aws:TokenIssueTime`): who may still assume the role gets in again. Both
conditions must hold (IAM user guide, conditions with several keys).

Not cut off: sessions of other roles that the principal has already. `sts:GetCallerIdentity` cannot be denied.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.model.block import TargetKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.model.block import Block, Target

POLICY_NAME: Final = "sg-compliance-block"
ON_ITS_WAY: Final = timedelta(seconds=30)
"""How long IAM may take to spread a policy: sessions issued meanwhile are denied too, as AWS's console does it."""

_SECOND: Final = timedelta(seconds=1)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NOW, _ISSUED = "aws:CurrentTime", "aws:TokenIssueTime"


class Standing(NamedTuple):
    """A policy of ours that stands on somebody: until when, and for a role the sessions issued before which time."""

    expires: datetime
    before: datetime | None

    def covers(self, block: Block) -> bool:
        """Whether it keeps out as much as the block is to."""
        old_enough = self.before is None or self.before >= block.before
        return self.expires >= block.expires and old_enough


def whole(time: datetime) -> datetime:
    """The time in UTC, up to the next whole second: a policy holds no more of it."""
    time = time.astimezone(UTC)
    return time if not time.microsecond else time.replace(microsecond=0) + _SECOND


def deny_document(block: Block) -> dict[str, Any]:
    """The policy of a block: some 250 characters of the 2,048 that a user has for inline policies, a role has 10,240.

    (IAM user guide, "IAM and AWS STS quotas".)
    """
    return _document(block.target, Standing(block.expires, block.before))


def _document(target: Target, standing: Standing) -> dict[str, Any]:
    times = {_NOW: whole(standing.expires).strftime(_TIME)}
    if target.kind is TargetKind.ROLE and standing.before is not None:
        times[_ISSUED] = whole(standing.before).strftime(_TIME)
    statement = {
        "Sid": f"SgCompliance{target.block_id.title().replace('-', '')}",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": times},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def standing_of(document: Mapping[str, Any] | None, target: Target) -> Standing | None:
    """What a policy that stands there means, if it is one of ours for that target, to the letter; else None."""
    try:
        times = (document or {})["Statement"][0]["Condition"]["DateLessThan"]
        expires = _read(times[_NOW])
        before = _read(times[_ISSUED]) if target.kind is TargetKind.ROLE else None
    except (LookupError, TypeError, ValueError):
        return None
    found = Standing(expires, before)
    return found if document == _document(target, found) else None


def _read(text: object) -> datetime:
    if not isinstance(text, str):
        raise TypeError(text)
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
