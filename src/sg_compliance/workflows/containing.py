"""Block a user or a role for a time, and let it go again: the record first, then the policy, read back, then people.

So no policy of ours stands without a record of it, and what was cut short is begun again or cleaned up by whoever comes
next: `block`, `unblock` or `release_expired`. The policy ends by itself, even if nobody comes. What was said before a
crash may be said twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.enforcement.guards import paused
from sg_compliance.enforcement.refusals import IN_FLUX
from sg_compliance.errors import AwsError, InputError, SgComplianceError
from sg_compliance.model.block import Block, BlockOutcome, BlockState, BlockStatus, Target
from sg_compliance.realtime import blocking
from sg_compliance.realtime.containment import (
    Bounds,
    Refusal,
    elsewhere,
    named,
    no_target,
    refusal,
    target_of,
    target_of_arn,
)
from sg_compliance.realtime.deny_policy import POLICY_NAME, Standing, deny_document, standing_of
from sg_compliance.realtime.verdict import Level
from sg_compliance.workflows.telling import audited, tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from sg_compliance.interfaces import Blocks, Clock, Containment
    from sg_compliance.policy.reaction import MassOperations
    from sg_compliance.realtime.principals import Principal
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.switching import Board

_GONE: Final = "NoSuchEntity"
"""IAM's code (IAM API reference, common errors)."""
_READ_AGAIN: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look at what was put: IAM may show it a moment later."""


class _Prepared(NamedTuple):
    """What would be done now, the block that runs already, and the policy of ours that stands there already."""

    block: Block
    kept: Block | None
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Containing:
    """The world of blocks. `automatic`: this deployment may block by itself, where the policy says so, too."""

    containment: Containment
    blocks: Blocks
    board: Board
    clock: Clock
    run: Run
    bounds: Bounds = field(default_factory=Bounds)
    automatic: bool = False
    despite_pause: bool = False

    # ---- blocking ----

    def block(self, arn: str, reason: str, lasting: timedelta, *, dry_run: bool = False) -> BlockOutcome:
        """Block as a person asks: for so long from now, or as long as it is blocked already, whichever is longer.

        Raises InputError where that is refused; SgComplianceError where it is not certain that it took effect, of
        which people were told.
        """
        why, lasting = blocking.checked_reason(reason), blocking.checked_lasting(lasting)
        target = self._identified(_accepted(target_of_arn(arn, self.bounds)))
        pause = "" if self.despite_pause else paused(self.board.switch.read(), self.clock.now())
        if pause and not dry_run:
            hint = "let changes go on: sg-compliance resume; or block all the same: --despite-pause"
            raise InputError(f"nobody was blocked: {pause}", hint=hint)
        prepared = self._prepared(blocking.new_block(target, why, self.run.by, self.clock.now(), lasting))
        outcome = _would(prepared) if dry_run else self._put(prepared)
        return replace(outcome, notes=(*outcome.notes, f"a real run would be stopped: {pause}")) if pause else outcome

    def contain(self, verdict: Verdict, who: Principal, mass: MassOperations, *, dry_run: bool = False) -> BlockOutcome:
        """Block whom a verdict is about, by itself: a critical one only, and where both switches are on.

        Never twice for one verdict, and not where a person has lifted a block of late. Refusals are an outcome. Raises
        SgComplianceError where it could not be done, or it is not certain that it was: call it once more then. People
        are told of that the first time.
        """
        held = self._held_back(verdict, mass)
        if held:
            return BlockOutcome(BlockStatus.REFUSED, reason=held)
        target = self._for_an_event(target_of(who, self.bounds))
        if isinstance(target, Refusal):
            return self._refused(verdict, who, target, dry_run=dry_run)
        found = self._kept(target)
        if found and found.state is BlockState.LIFTED and found.expires > self.clock.now():
            until = f"{found.expires:%Y-%m-%d %H:%M} UTC"
            lifter = found.lifted.by if found.lifted else found.by
            reason = f"{lifter} has lifted a block of {target.arn}: until {until} only a person blocks it again"
            return BlockOutcome(BlockStatus.REFUSED, found, reason)
        why, now = blocking.evidence(verdict), self.clock.now()
        try:
            prepared = self._prepared(
                blocking.new_block(target, why, self.run.by, now, blocking.AUTOMATIC, verdict.key)
            )
        except InputError as error:
            return self._refused(verdict, who, Refusal(str(error), error.hint), dry_run=dry_run)
        if prepared.kept and prepared.kept.state is BlockState.STANDS and verdict.key in prepared.kept.causes:
            return BlockOutcome(BlockStatus.UNCHANGED, prepared.kept, "this verdict was answered already")
        return _would(prepared) if dry_run else self._put(prepared)

    def _held_back(self, verdict: Verdict, mass: MassOperations) -> str:
        """Why nobody is blocked by itself; empty where somebody may be."""
        if verdict.level is not Level.CRITICAL:
            return "only a critical verdict blocks"
        if not (mass.enabled and mass.block_suspicious_users):
            return "the policy does not ask for it: block_suspicious_users is off"
        if not self.automatic:
            return "this deployment does not block by itself"
        return paused(self.board.switch.read(), self.clock.now())

    def _for_an_event(self, target: Target | Refusal) -> Target | Refusal:
        """The target as IAM has it. That it is out of bounds, or not there any more, is no failure. Raises AwsError."""
        if isinstance(target, Refusal):
            return target
        try:
            return self._identified(target)
        except InputError as error:
            return Refusal(str(error), error.hint)
        except AwsError as error:
            if error.code != _GONE:
                raise
            return Refusal(str(error), error.hint)

    def _refused(self, verdict: Verdict, who: Principal, why: Refusal, *, dry_run: bool) -> BlockOutcome:
        if not dry_run:
            cause, run = blocking.evidence(verdict), self.run
            event = blocking.refused_event(who.arn, verdict.account_id, why.reason, cause, run.by, run.id)
            self.board.audit.append({**event, "time": self.clock.now().isoformat()})
        return BlockOutcome(BlockStatus.REFUSED, None, why.reason, why.instead)

    def _identified(self, target: Target) -> Target:
        """The target with its path, and refused if that is out of bounds. Raises InputError, AwsError."""
        found = self.containment.identify(target)
        return _accepted(refusal(found, self.bounds) or found)

    def _prepared(self, wanted: Block) -> _Prepared:
        """Raises InputError where a policy of that name stands there that is none of ours."""
        kept = self._kept(wanted.target)
        running = kept if kept and kept.runs(wanted.created) else None
        document = self.containment.denied(wanted.target)
        standing = standing_of(document, wanted.target)
        if document is not None and standing is None:
            raise _not_ours(wanted.target)
        return _Prepared(blocking.merged(wanted, running, standing), running, standing)

    def _put(self, prepared: _Prepared) -> BlockOutcome:
        block, kept = prepared.block, prepared.kept
        if _is_as_wanted(prepared):
            return BlockOutcome(BlockStatus.UNCHANGED, kept, "it is blocked for as long already")
        event = self._timed(blocking.blocked_event(block, self.run.id, extended=kept is not None))
        with audited(self.board.audit, event):
            self.blocks.keep(block)
            try:
                self._put_and_read(block)
            except SgComplianceError as error:
                if not _was_begun(prepared):
                    tell(self.board.notifier, blocking.failed_notice(block, event, str(error)))
                raise
        notes = tell(self.board.notifier, blocking.blocked_notice(block, event))
        if not notes:  # else it is told once more when it is asked for once more
            block = replace(block, state=BlockState.STANDS)
            self.blocks.keep(block)
        return BlockOutcome(BlockStatus.EXTENDED if kept else BlockStatus.BLOCKED, block, notes=notes)

    def _put_and_read(self, block: Block) -> None:
        """Put the policy until it is seen. Where another run puts a shorter one meanwhile, put it again."""
        target = block.target
        self.containment.deny(target, deny_document(block))
        document = None
        for pause in _READ_AGAIN:
            if pause:
                self.clock.sleep(pause)
            document = self.containment.denied(target)
            standing = standing_of(document, target)
            if standing and standing.covers(block):
                return
            if standing:
                self.containment.deny(target, deny_document(blocking.merged(block, None, standing)))
        if document is not None and standing_of(document, target) is None:
            raise _not_ours(target)
        raise AwsError(
            f"{target.arn}: IAM does not show the policy {POLICY_NAME} that was put there",
            code=IN_FLUX,
            hint="look at it in a minute, and block again if it is not there",
        )

    # ---- letting go ----

    def unblock(self, named_by: str, why: str = "") -> BlockOutcome:
        """Take away the block with this id, or of this ARN: our policy only, whether a record of it is there or not.

        Once more is fine. Raises InputError for what is neither; SgComplianceError where it may still stand.
        """
        named_by = named_by.strip()
        block = next((each for each in self.blocks.all() if named_by == each.id), None)
        target = block.target if block else named(named_by)
        if target is None:
            raise _unknown(named_by)
        _accepted(elsewhere(target, self.bounds.caller) or target)
        block = block or self._kept(target)
        document = self.containment.denied(target)
        standing = standing_of(document, target)
        notes = () if document is None or standing else (str(_not_ours(target)),)
        if standing is None and (block is None or block.state is BlockState.LIFTED):
            if notes:  # whoever asks wants it let in, and it is not
                raise _not_ours(target)
            return BlockOutcome(BlockStatus.NOT_BLOCKED, block, f"{target.arn} is not blocked")
        block = block or self._unrecorded(target, standing)
        why = " ".join(why.split())
        event = self._timed(blocking.lifted_event(block, why, self.run.by, self.run.id))
        with audited(self.board.audit, event):
            if standing:
                self._take_away(target)
        notes = (*notes, *tell(self.board.notifier, blocking.over_notice(block, event)))
        gone = blocking.lifted(block, why, self.run.by, self.clock.now())
        self.blocks.keep(gone)
        return BlockOutcome(BlockStatus.LIFTED, gone, notes=notes)

    def _unrecorded(self, target: Target, standing: Standing | None) -> Block:
        """A block of which only the policy is left."""
        now = self.clock.now()
        expires = standing.expires if standing else now
        before = (standing and standing.before) or now
        return Block(target, "no record of it is left", "unknown", now, expires, before)

    def _take_away(self, target: Target) -> None:
        """Raises SgComplianceError where it may still stand."""
        self.containment.release(target)
        for pause in _READ_AGAIN:
            if pause:
                self.clock.sleep(pause)
            if standing_of(self.containment.denied(target), target) is None:
                return
        raise AwsError(
            f"{target.arn}: IAM still shows the policy {POLICY_NAME} that was taken away",
            code=IN_FLUX,
            hint=f"try again in a minute: sg-compliance unblock {target.block_id}",
        )

    def release_expired(self) -> Iterator[BlockOutcome]:
        """Take away what is over, one by one. One that fails is an outcome, and stays for the next time.

        What is over denies nothing any more: this only tidies up.
        """
        for block in self.blocks.all():
            if block.expires > self.clock.now():
                continue
            try:
                yield self._over(block)
            except SgComplianceError as error:
                yield BlockOutcome(BlockStatus.FAILED, block, str(error), error.hint)

    def _over(self, block: Block) -> BlockOutcome:
        if block.state is BlockState.LIFTED:
            self.blocks.forget(block.id)
            return BlockOutcome(BlockStatus.EXPIRED, block, "it was lifted, and may be put again")
        document = self.containment.denied(block.target)
        standing = standing_of(document, block.target)
        if standing and standing.expires > self.clock.now():
            longer = replace(block, expires=standing.expires)
            self.blocks.keep(longer)
            return BlockOutcome(BlockStatus.UNCHANGED, longer, "the policy that stands there lasts longer")
        event = self._timed(blocking.expired_event(block, self.run.by, self.run.id))
        with audited(self.board.audit, event):
            if standing:
                self._take_away(block.target)
        notes = tell(self.board.notifier, blocking.over_notice(block, event))
        return self._forgotten(block, notes)

    def _forgotten(self, block: Block, notes: tuple[str, ...]) -> BlockOutcome:
        """Forget the block, unless it was put again meanwhile: then its policy may just have been taken away."""
        found = self._kept(block.target)
        if found and found.runs(self.clock.now()):
            self._put_and_read(found)
            return BlockOutcome(BlockStatus.UNCHANGED, found, "it was blocked again meanwhile")
        self.blocks.forget(block.id)
        return BlockOutcome(BlockStatus.EXPIRED, block, notes=notes)

    def _kept(self, target: Target) -> Block | None:
        return next((each for each in self.blocks.all() if each.id == target.block_id), None)

    def _timed(self, event: blocking.Event) -> blocking.Event:
        return {"time": self.clock.now().isoformat(), **event}


def _would(prepared: _Prepared) -> BlockOutcome:
    if _is_as_wanted(prepared):
        return BlockOutcome(BlockStatus.UNCHANGED, prepared.kept, "it is blocked for as long already")
    return BlockOutcome(BlockStatus.WOULD_EXTEND if prepared.kept else BlockStatus.WOULD_BLOCK, prepared.block)


def _is_as_wanted(prepared: _Prepared) -> bool:
    """Whether it is certain that nothing is left to do, people being told too."""
    block, kept, standing = prepared
    told = kept is not None and kept.state is BlockState.STANDS and kept.expires >= block.expires
    return told and standing is not None and standing.covers(block)


def _was_begun(prepared: _Prepared) -> bool:
    """Whether the same verdict has begun the block before: people were told then that it is not certain."""
    block, kept, _ = prepared
    return kept is not None and kept.state is BlockState.BEGUN and bool(block.causes) and kept.causes == block.causes


def _accepted(found: Target | Refusal) -> Target:
    """Raises InputError."""
    if isinstance(found, Refusal):
        raise InputError(found.reason, hint=found.instead)
    return found


def _not_ours(target: Target) -> InputError:
    message = f"{target.arn} has a policy {POLICY_NAME} that this tool did not write: it was left alone"
    name = target.kind.value
    return InputError(
        message, hint=f"look at it: aws iam get-{name}-policy --{name}-name {target.name} --policy-name {POLICY_NAME}"
    )


def _unknown(named_by: str) -> InputError:
    never = no_target(named_by)
    if never:
        hint = "this tool never blocks it: see which SCPs deny it something, in AWS Organizations"
        return InputError(f"nothing is to be undone: {never.reason}", hint=hint)
    return InputError(
        f"there is no block {named_by!r}, and it is the ARN of no user or role",
        hint="see which there are: sg-compliance blocks list; or give the ARN",
    )
