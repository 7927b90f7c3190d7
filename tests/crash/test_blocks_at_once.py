"""Two who block, unblock or tidy up one principal at once: every order of their steps in which few wait for others.

A step is a look at, or a change of, what they share: the record, and the policy in IAM. Each order is played anew, one
step at a time; none is where one stands still for the other more often than `SWITCHES` times. What must hold in the
end, whatever the order:

the policy in IAM is the one that the record says; nobody is blocked for less long than anybody was told; every reason
is kept; and who was let in by what came last is not kept out.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.errors import BusyError, InputError, SgComplianceError
from sg_compliance.model.block import BlockOutcome, BlockState, BlockStatus
from sg_compliance.realtime.deny_policy import deny_document, standing_of
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.containing import Containing
from sg_compliance.workflows.switching import Board
from tests.blocked_world import ADA, ASKED, DEPLOY, HOUR, MemoryIam, block, person, target, verdict
from tests.world import START, MovableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sg_compliance.model.block import Block
    from sg_compliance.model.notice import Notice

WEEK: Final = timedelta(days=7)
SHORT: Final = timedelta(minutes=10)
SWITCHES: Final = 3
SHARED: Final = frozenset({"all", "keep", "forget", "deny", "denied", "release"})


@dataclass
class MemoryBlocks:
    """The Blocks socket."""

    records: dict[str, Block] = field(default_factory=dict)

    def all(self) -> list[Block]:
        return [self.records[name] for name in sorted(self.records)]

    def keep(self, block: Block, instead_of: Block | None) -> bool:
        if self.records.get(block.id) != instead_of:
            return False
        self.records[block.id] = block
        return True

    def forget(self, block: Block) -> bool:
        if self.records.get(block.id) == block:
            del self.records[block.id]
        return block.id not in self.records


class Quiet:
    """A switch that is on, a log and people that hear everything."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.notices: list[Notice] = []

    def read(self) -> str:
        return ""

    def write(self, _: str) -> None:
        raise AssertionError

    def append(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def lines(self) -> Iterator[str]:
        raise AssertionError

    def send(self, notice: Notice) -> None:
        self.notices.append(notice)


class _StoppedError(BaseException):
    """Who stands here goes no further."""


@dataclass
class Steps:
    """Lets one of several threads take one step at a time: as `plan` says, then the one that is at it."""

    plan: list[int]
    taken: list[int] = field(default_factory=list)
    choices: list[list[int]] = field(default_factory=list)
    _ready: dict[int, threading.Semaphore] = field(default_factory=dict)
    _told: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _ended: set[int] = field(default_factory=set)

    def switches(self, plan: list[int]) -> int:
        """How often one of those who could go on stands still."""
        pairs = zip(plan, plan[1:], self.choices[1:], strict=False)
        return sum(last != who and last in able for last, who, able in pairs)

    def wait(self, who: int) -> None:
        self._told.release()
        self._ready[who].acquire()

    def run(self, acts: Sequence[Callable[[], object]]) -> list[object]:
        results: list[object] = [None] * len(acts)
        self._ready = {who: threading.Semaphore(0) for who in range(len(acts))}

        def play(who: int) -> None:
            self.wait(who)
            try:
                results[who] = acts[who]()
            except SgComplianceError as error:
                results[who] = error
            finally:
                self._ended.add(who)
                self._told.release()

        threads = [threading.Thread(target=play, args=(who,)) for who in range(len(acts))]
        for each in threads:
            each.start()
        for _ in threads:
            self._told.acquire()
        while len(self._ended) < len(acts):
            able = [who for who in range(len(acts)) if who not in self._ended]
            at = len(self.taken)
            last = self.taken[-1] if self.taken else 0
            who = self.plan[at] if at < len(self.plan) else last if last in able else able[0]
            self.choices.append(able)
            self.taken.append(who)
            self._ready[who].release()
            self._told.acquire()
        for each in threads:
            each.join()
        return results


class _Stepping:
    """Anything whose calls are steps of somebody."""

    def __init__(self, inner: object, steps: Steps, who: int) -> None:
        self._inner, self._steps, self._who = inner, steps, who

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._inner, name)
        if name not in SHARED:
            return method

        def call(*arguments: Any) -> Any:  # noqa: ANN401
            self._steps.wait(self._who)
            return method(*arguments)

        return call


@dataclass
class World:
    """What they share."""

    iam: MemoryIam = field(default_factory=MemoryIam)
    blocks: MemoryBlocks = field(default_factory=MemoryBlocks)
    clock: MovableClock = field(default_factory=MovableClock)
    quiet: Quiet = field(default_factory=Quiet)

    def containing(self, by: str = "zoe") -> Containing:
        self.iam.add(ADA)
        self.iam.add(DEPLOY)
        board = Board(self.quiet, self.quiet, self.quiet)
        return Containing(self.iam, self.blocks, board, self.clock, Run(f"run-{by}", by), automatic=True)

    def one_of(self, steps: Steps, who: int) -> Containing:
        made = self.containing(f"person-{who}")
        return replace(
            made,
            containment=_Stepping(self.iam, steps, who),
            blocks=_Stepping(self.blocks, steps, who),
        )

    def check(self, where: object) -> Block | None:
        """The policy is what the record says, and somebody has said that it stands. The record."""
        kept = self.blocks.records.get(target().block_id)
        policy, runs = self.iam.policies.get(target().block_id), kept is not None and kept.runs(self.clock.time)
        if kept and runs:
            assert policy == deny_document(kept), where
            assert (kept.state, kept.lifted) == (BlockState.STANDS, None), where
        else:
            assert policy is None, where
        return kept


def every_order(
    acts: list[Callable[[Containing], object]], before: Callable[[World], object]
) -> Iterator[tuple[World, list[Any], list[int]]]:
    """Each order of the steps once, played to the end: what came of it."""
    plans: list[list[int]] = [[]]
    while plans:
        plan, world = plans.pop(), World()
        before(world)
        steps = Steps(plan)
        yield world, steps.run([partial(act, world.one_of(steps, who)) for who, act in enumerate(acts)]), steps.taken
        for at in range(len(plan), len(steps.taken)):
            others = [[*steps.taken[:at], who] for who in steps.choices[at] if who != steps.taken[at]]
            plans += [each for each in others if steps.switches(each) <= SWITCHES]


def _block(lasting: timedelta, why: str) -> Callable[[Containing], object]:
    return lambda it: it.block(ADA, why, lasting)


def _is(outcome: object, *statuses: BlockStatus) -> bool:
    return isinstance(outcome, BlockOutcome) and outcome.status in statuses


def _blocked(outcome: object) -> bool:
    return _is(outcome, BlockStatus.BLOCKED, BlockStatus.EXTENDED, BlockStatus.UNCHANGED)


@pytest.mark.parametrize("lasting", [(WEEK, SHORT), (SHORT, WEEK)], ids=["long-short", "short-long"])
def test_of_two_blocks_at_once_the_longer_stands_and_both_reasons_are_kept(lasting: tuple[timedelta, ...]) -> None:
    orders = 0
    acts = [_block(each, f"reason {number}") for number, each in enumerate(lasting)]
    for world, outcomes, order in every_order(acts, lambda _: None):
        orders += 1
        assert all(map(_blocked, outcomes)), (order, outcomes)
        kept = world.check(order)
        assert kept, order
        assert kept.expires >= START + WEEK, order
        if not any(_is(each, BlockStatus.UNCHANGED) for each in outcomes):
            assert {kept.reason, *(each.reason for each in kept.earlier)} == {"reason 0", "reason 1"}, order
        assert sum(each.subject.endswith(("blocked", "extended")) for each in world.quiet.notices) >= 1, order
    assert orders > 100


def test_a_block_and_its_undoing_at_once_end_as_one_after_the_other() -> None:
    def before(world: World) -> None:
        world.containing().block(ADA, "first", HOUR)

    seen = set()
    for world, (blocked, undone), order in every_order(
        [_block(WEEK, "again"), lambda it: it.unblock(ADA, "a release")], before
    ):
        kept = world.check(order)
        runs = kept is not None and kept.runs(world.clock.time)
        seen.add((_blocked(blocked), _is(undone, BlockStatus.LIFTED), runs))
        if not _blocked(blocked):
            assert isinstance(blocked, InputError), order
            assert not runs, order
        if not _is(undone, BlockStatus.LIFTED):
            assert isinstance(undone, BusyError), (order, undone)
            assert runs, order
        if runs:
            assert kept, order
            assert kept.expires >= START + WEEK, order
    assert {(True, True, True), (True, True, False), (True, False, True), (False, True, False)} >= seen
    assert len(seen) > 2


def test_a_first_block_and_its_undoing_at_once_end_as_one_after_the_other() -> None:
    acts = [_block(WEEK, "first"), lambda it: it.unblock(ADA, "a release")]
    for world, (blocked, undone), order in every_order(acts, lambda _: None):
        kept = world.check(order)
        runs = kept is not None and kept.runs(world.clock.time)
        assert _blocked(blocked) or (isinstance(blocked, InputError) and not runs), (order, blocked)
        assert _is(undone, BlockStatus.LIFTED, BlockStatus.NOT_BLOCKED) or isinstance(undone, BusyError), order
        assert runs or _is(undone, BlockStatus.LIFTED), order


def test_who_blocks_by_itself_at_the_same_time_does_not_undo_what_a_person_lifts() -> None:
    def before(world: World) -> None:
        world.containing().block(ADA, "first", HOUR)

    acts: list[Callable[[Containing], object]] = [
        lambda it: it.contain(verdict(), person(), ASKED),
        lambda it: it.unblock(ADA, "a release"),
    ]
    for world, (contained, undone), order in every_order(acts, before):
        assert world.check(order), order
        assert isinstance(contained, BlockOutcome), (order, contained)
        assert _is(undone, BlockStatus.LIFTED), (order, undone)
        assert world.iam.policies == {}, order


def test_what_is_over_and_blocked_again_at_the_same_time_stays_blocked() -> None:
    def before(world: World) -> None:
        world.containing().block(ADA, "first", HOUR)
        world.clock.sleep(3700)

    acts: list[Callable[[Containing], object]] = [_block(SHORT, "again"), lambda it: list(it.release_expired())]
    for world, (blocked, over), order in every_order(acts, before):
        assert _blocked(blocked), (order, blocked)
        assert not isinstance(over, Exception), order
        kept = world.check(order)
        assert kept, order
        assert kept.runs(world.clock.time), order


def test_of_two_who_unblock_at_once_both_come_to_it_and_it_is_gone() -> None:
    def before(world: World) -> None:
        world.containing().block(ADA, "first", HOUR)

    act: Callable[[Containing], object] = lambda it: it.unblock(ADA, "a release")  # noqa: E731
    for world, outcomes, order in every_order([act, act], before):
        assert all(_is(each, BlockStatus.LIFTED, BlockStatus.NOT_BLOCKED) for each in outcomes), (order, outcomes)
        kept = world.check(order)
        assert kept, order
        assert kept.state is BlockState.LIFTED, order


class _Killing:
    """Anything whose calls end at some step."""

    def __init__(self, inner: object, left: list[int], *, after: bool) -> None:
        self._inner, self._left, self._after = inner, left, after

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        def call(*arguments: Any) -> Any:  # noqa: ANN401
            self._left[0] -= 1
            if not self._left[0] and not self._after:
                raise _StoppedError
            result = getattr(self._inner, name)(*arguments)
            if not self._left[0]:
                raise _StoppedError
            return result

        return call


def _killed(world: World, act: Callable[[Containing], object], at: int, *, after: bool) -> None:
    left = [at]
    ways = {
        name: _Killing(each, left, after=after) for name, each in (("containment", world.iam), ("blocks", world.blocks))
    }
    with suppress(_StoppedError):
        act(replace(world.containing(), **ways))  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [False, True])
def test_whom_a_killed_run_was_about_to_let_in_is_blocked_where_a_person_asks_for_it(after: bool) -> None:
    for at in range(1, 12):
        world = World()
        world.containing().block(ADA, "first", HOUR)
        _killed(world, lambda it: it.unblock(ADA, "a release"), at, after=after)
        assert _blocked(world.containing().block(ADA, "second", SHORT)), at
        kept = world.check(at)
        assert kept, at
        assert kept.runs(world.clock.time), at


def test_a_policy_that_came_after_its_undoing_goes_with_the_record() -> None:
    world = World()
    made = world.containing().block(ADA, "first", WEEK).block
    world.containing().unblock(ADA)
    assert made
    world.iam.deny(made.target, deny_document(made))
    world.clock.sleep(25 * 3600)
    assert [each.status for each in world.containing().release_expired()] == [BlockStatus.EXPIRED]
    assert (world.iam.policies, world.blocks.records) == ({}, {})


@pytest.mark.parametrize("after", [False, True])
def test_where_one_is_killed_at_any_step_who_comes_next_gets_what_was_asked_for(after: bool) -> None:
    for at in range(1, 12):
        world = World()
        _killed(world, _block(SHORT, "first"), at, after=after)
        assert _blocked(world.containing().block(ADA, "second", WEEK)), at
        kept = world.check(at)
        assert kept, at
        assert kept.expires >= START + WEEK, at
        standing = standing_of(world.iam.policies[target().block_id], target())
        assert standing, at
        assert standing.covers(block(expires=START + WEEK)), at
