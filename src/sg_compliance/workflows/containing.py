"""Block a user or a role for a time, and let it go again: the record first, then the policy, read back, then people.

So no policy of ours stands without a record of it, and what was cut short is begun again or cleaned up by whoever comes
next: `block`, `unblock` or `release_expired`. The policy ends by itself, even if nobody comes. What was said before a
crash may be said twice.

Several may be at one principal at once: see `standing_policy`. Where another got there first it is decided anew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.enforcement.guards import paused
from sg_compliance.errors import AwsError, BusyError, InputError, SgComplianceError
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
from sg_compliance.realtime.deny_policy import Standing, standing_of
from sg_compliance.realtime.verdict import Level
from sg_compliance.workflows.standing_policy import ATTEMPTS, OvertakenError, StandingPolicy, not_ours
from sg_compliance.workflows.telling import audited, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from sg_compliance.interfaces import Blocks, Clock, Containment
    from sg_compliance.policy.reaction import MassOperations
    from sg_compliance.realtime.principals import Principal
    from sg_compliance.realtime.verdict import Verdict
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.switching import Board

_GONE: Final = "NoSuchEntity"
"""IAM's code (IAM API reference, common errors)."""


class _Prepared(NamedTuple):
    """What would be done now, what is kept, whether that runs, and the policy of ours that stands there already."""

    block: Block
    kept: Block | None
    running: Block | None
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
        wanted = blocking.new_block(target, why, self.run.by, self.clock.now(), lasting)
        outcome = self._in_turn(lambda: self._would_or_put(self._prepared(wanted), dry_run=dry_run))
        if outcome.status is BlockStatus.REFUSED:
            raise InputError(outcome.reason, hint="see who: sg-compliance blocks list; then block again if need be")
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
        return self._in_turn(lambda: self._contained(verdict, who, target, dry_run=dry_run))

    def _contained(self, verdict: Verdict, who: Principal, target: Target, *, dry_run: bool) -> BlockOutcome:
        found, now = self._standing.kept(target), self.clock.now()
        if found and _is_let_go(found) and found.expires > now:
            until = f"{found.expires:%Y-%m-%d %H:%M} UTC"
            reason = f"{_lifter(found)} has lifted a block of {target.arn}: until {until} only a person blocks it again"
            return BlockOutcome(BlockStatus.REFUSED, found, reason)
        why = blocking.evidence(verdict)
        wanted = blocking.new_block(target, why, self.run.by, now, blocking.AUTOMATIC, verdict.key)
        try:
            prepared = self._prepared(wanted, found)
        except InputError as error:
            return self._refused(verdict, who, Refusal(str(error), error.hint), dry_run=dry_run)
        running = prepared.running
        if running and running.state is BlockState.STANDS and verdict.key in running.causes:
            return BlockOutcome(BlockStatus.UNCHANGED, running, "this verdict was answered already")
        return self._would_or_put(prepared, dry_run=dry_run)

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

    def _in_turn(self, act: Callable[[], BlockOutcome]) -> BlockOutcome:
        """Act, and once more on what is kept then where another got there first. Raises BusyError."""
        for _ in range(ATTEMPTS - 1):
            with suppress(OvertakenError):
                return act()
        return act()

    def _prepared(self, wanted: Block, kept: Block | None = None) -> _Prepared:
        """Raises InputError where a policy of that name stands there that is none of ours."""
        kept = kept or self._standing.kept(wanted.target)
        running = kept if kept and kept.runs(wanted.created) else None
        document = self.containment.denied(wanted.target)
        standing = standing_of(document, wanted.target)
        if document is not None and standing is None:
            raise not_ours(wanted.target)
        return _Prepared(blocking.merged(wanted, running, standing), kept, running, standing)

    def _would_or_put(self, prepared: _Prepared, *, dry_run: bool) -> BlockOutcome:
        if _is_as_wanted(prepared):
            return BlockOutcome(BlockStatus.UNCHANGED, prepared.running, "it is blocked for as long already")
        if dry_run:
            status = BlockStatus.WOULD_EXTEND if prepared.running else BlockStatus.WOULD_BLOCK
            return BlockOutcome(status, prepared.block)
        return self._put(prepared)

    def _put(self, prepared: _Prepared) -> BlockOutcome:
        """Raises OvertakenError where nothing was done."""
        block, running = prepared.block, prepared.running
        event = self._timed(blocking.blocked_event(block, self.run.id, extended=running is not None))
        with audited(self.board.audit, event):
            self._keep(block, prepared.kept)
            try:
                self._standing.put(block)
                found = self._standing.settled(block.target, block)
            except SgComplianceError as error:
                if not _was_begun(prepared):
                    tell(self.board.notifier, blocking.failed_notice(block, event, str(error)))
                raise
        if found is None or _is_let_go(found):
            by = _lifter(found) if found else "another run"
            return BlockOutcome(BlockStatus.REFUSED, found, f"{by} let {block.target.arn} in again at this moment")
        notes = tell(self.board.notifier, blocking.blocked_notice(block, event))
        if not notes:  # else it is told once more; where another is kept by now, that is told by others
            stands = replace(block, state=BlockState.STANDS)
            found = stands if self.blocks.keep(stands, block) else found
        return BlockOutcome(BlockStatus.EXTENDED if running else BlockStatus.BLOCKED, found, notes=notes)

    def _keep(self, block: Block, instead_of: Block | None) -> None:
        """Raises OvertakenError where another is kept by now."""
        if not self.blocks.keep(block, instead_of):
            raise OvertakenError(block.target)

    @property
    def _standing(self) -> StandingPolicy:
        return StandingPolicy(self.containment, self.blocks, self.clock)

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
        return self._in_turn(lambda: self._let_go(target, " ".join(why.split())))

    def _let_go(self, target: Target, why: str) -> BlockOutcome:
        """Say in the record that it is let go, then do it. Raises OvertakenError where nothing was done."""
        kept = self._standing.kept(target)
        document = self.containment.denied(target)
        standing = standing_of(document, target)
        notes = () if document is None or standing else (str(not_ours(target)),)
        if standing is None and (kept is None or kept.state is BlockState.LIFTED):
            if notes:  # whoever asks wants it let in, and it is not
                raise not_ours(target)
            return BlockOutcome(BlockStatus.NOT_BLOCKED, kept, f"{target.arn} is not blocked")
        block = kept or self._unrecorded(target, standing)
        event = self._timed(blocking.lifted_event(block, why, self.run.by, self.run.id))
        ending = blocking.ending(block, why, self.run.by)
        with audited(self.board.audit, event):
            self._keep(ending, kept)
            if standing_of(self.containment.denied(target), target):  # it may have been put since
                self._standing.take_away(target)
            if self._standing.wanted(self._standing.settled(target, ending)):
                hint = "see who: sg-compliance blocks list; then unblock again if need be"
                raise BusyError(f"{target.arn}: it was let in, and blocked again at this moment", hint=hint)
        notes = (*notes, *tell(self.board.notifier, blocking.over_notice(block, event)))
        gone = blocking.lifted(block, why, self.run.by, self.clock.now())
        self.blocks.keep(gone, ending)  # where another is kept by now, it is theirs
        return BlockOutcome(BlockStatus.LIFTED, gone, notes=notes)

    def _unrecorded(self, target: Target, standing: Standing | None) -> Block:
        """A block of which only the policy is left."""
        now = self.clock.now()
        expires = standing.expires if standing else now
        before = (standing and standing.before) or now
        return Block(target, "no record of it is left", "unknown", now, expires, before)

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
        document = self.containment.denied(block.target)
        standing = standing_of(document, block.target)
        if block.state is BlockState.LIFTED:
            if standing:
                self._standing.take_away(block.target)
            return self._forgotten(block, (), "it was lifted, and may be put again")
        if standing and standing.expires > self.clock.now() and not block.lifted:
            longer = replace(block, expires=standing.expires)
            self.blocks.keep(longer, block)  # where another is kept by now, it is theirs
            return BlockOutcome(BlockStatus.UNCHANGED, longer, "the policy that stands there lasts longer")
        event = self._timed(blocking.expired_event(block, self.run.by, self.run.id))
        with audited(self.board.audit, event):
            if standing:
                self._standing.take_away(block.target)
        notes = tell(self.board.notifier, blocking.over_notice(block, event))
        return self._forgotten(block, notes)

    def _forgotten(self, block: Block, notes: tuple[str, ...], reason: str = "") -> BlockOutcome:
        """Forget the block, unless it was put again meanwhile: then its policy may just have been taken away."""
        found = self._standing.settled(block.target, None)
        if self._standing.wanted(found) is None and self.blocks.forget(block):
            return BlockOutcome(BlockStatus.EXPIRED, block, reason, notes=notes)
        return BlockOutcome(BlockStatus.UNCHANGED, found, "it was blocked again meanwhile")

    def _timed(self, event: blocking.Event) -> blocking.Event:
        return {"time": self.clock.now().isoformat(), **event}


def _is_as_wanted(prepared: _Prepared) -> bool:
    """Whether it is certain that nothing is left to do, people being told too."""
    block, _, running, standing = prepared
    if running is None or running.state is not BlockState.STANDS or _is_let_go(running):
        return False
    return running.expires >= block.expires and standing is not None and standing.covers(block)


def _is_let_go(block: Block) -> bool:
    """Whether a person has taken it away, or is about to."""
    return block.state is BlockState.LIFTED or block.lifted is not None


def _lifter(block: Block) -> str:
    return block.lifted.by if block.lifted else block.by


def _was_begun(prepared: _Prepared) -> bool:
    """Whether the same verdict has begun the block before: people were told then that it is not certain."""
    block, _, running, _ = prepared
    return (
        running is not None
        and running.state is BlockState.BEGUN
        and bool(block.causes)
        and running.causes == block.causes
    )


def _accepted(found: Target | Refusal) -> Target:
    """Raises InputError."""
    if isinstance(found, Refusal):
        raise InputError(found.reason, hint=found.instead)
    return found


def _unknown(named_by: str) -> InputError:
    never = no_target(named_by)
    if never:
        hint = "this tool never blocks it: see which SCPs deny it something, in AWS Organizations"
        return InputError(f"nothing is to be undone: {never.reason}", hint=hint)
    return InputError(
        f"there is no block {named_by!r}, and it is the ARN of no user or role",
        hint="see which there are: sg-compliance blocks list; or give the ARN",
    )
