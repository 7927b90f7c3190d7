"""The deny policy in IAM, held to the record of the block, however many are at it at once.

The record is only ever written over what was read of it; IAM knows no such condition. So the record is written first,
and whoever has changed the policy then reads the record once more, and makes the policy what it says, until it says the
same before and after. Thus who changes the policy last makes it what the record says in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.enforcement.refusals import IN_FLUX
from sg_compliance.errors import AwsError, BusyError, InputError
from sg_compliance.realtime.deny_policy import POLICY_NAME, deny_document, standing_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.interfaces import Blocks, Clock, Containment
    from sg_compliance.model.block import Block, Target

ATTEMPTS: Final = 20
"""How often others may get there first: each time one of them has come further."""
_READ_AGAIN: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look at what was put: IAM may show it a moment later."""


class OvertakenError(BusyError):
    """Another run changed the record since it was read."""

    def __init__(self, target: Target) -> None:
        super().__init__(f"{target.arn}: another run changed its block at this moment", hint="try again in a minute")


class StandingPolicy(NamedTuple):
    """The policies, and the records that they are to follow."""

    containment: Containment
    blocks: Blocks
    clock: Clock

    def kept(self, target: Target) -> Block | None:
        """What is kept of the target."""
        return next((each for each in self.blocks.all() if each.id == target.block_id), None)

    def wanted(self, block: Block | None) -> Mapping[str, Any] | None:
        """The policy that is to stand for what is kept. None where none is: it is over, or let go."""
        return deny_document(block) if block and block.runs(self.clock.now()) and not block.lifted else None

    def settled(self, target: Target, made_for: Block | None) -> Block | None:
        """What is kept, once the policy that was made for something is made for that.

        Whoever changes the record later makes the policy later. Raises BusyError, and what `put` raises.
        """
        made = self.wanted(made_for)
        for _ in range(ATTEMPTS):
            found = self.kept(target)
            wanted = self.wanted(found)
            if wanted == made:
                return found
            if found and wanted:
                self.put(found)
            elif standing_of(self.containment.denied(target), target):
                self.take_away(target)
            made = wanted
        raise BusyError(f"{target.arn}: other runs kept changing its block", hint="try again in a minute")

    def put(self, block: Block) -> None:
        """Put the policy, more than once if need be, until it is seen, or another is wanted.

        Raises InputError where another's stands there, AwsError where it is not seen.
        """
        target = block.target
        ours, document = deny_document(block), None
        self.containment.deny(target, ours)
        for pause in _READ_AGAIN:
            if pause:
                self.clock.sleep(pause)
            document = self.containment.denied(target)
            standing = standing_of(document, target)
            if standing and standing.covers(block):
                return
            if document is not None and standing is None:
                continue
            if self.wanted(self.kept(target)) != ours:
                return  # see `settled`
            if standing or pause:  # IAM is late, or another run was
                self.containment.deny(target, ours)
        if document is not None and standing_of(document, target) is None:
            raise not_ours(target)
        raise AwsError(
            f"{target.arn}: IAM does not show the policy {POLICY_NAME} that was put there",
            code=IN_FLUX,
            hint="look at it in a minute, and block again if it is not there",
        )

    def take_away(self, target: Target) -> None:
        """Take the policy away, more than once if need be, until it is not seen, or one is wanted again.

        Raises AwsError where it may still stand.
        """
        self.containment.release(target)
        for pause in _READ_AGAIN:
            if pause:
                self.clock.sleep(pause)
            if standing_of(self.containment.denied(target), target) is None or self.wanted(self.kept(target)):
                return
            if pause:  # IAM is late, or another run was
                self.containment.release(target)
        raise AwsError(
            f"{target.arn}: IAM still shows the policy {POLICY_NAME} that was taken away",
            code=IN_FLUX,
            hint=f"try again in a minute: sg-compliance unblock {target.block_id}",
        )


def not_ours(target: Target) -> InputError:
    """A policy of that name stands there that this tool did not write."""
    message = f"{target.arn} has a policy {POLICY_NAME} that this tool did not write: it was left alone"
    name = target.kind.value
    return InputError(
        message, hint=f"look at it: aws iam get-{name}-policy --{name}-name {target.name} --policy-name {POLICY_NAME}"
    )
