"""Blocking and letting go: what is done in which order, and what stands after a kill or a failure at every call.

What must hold:

B1 a policy of ours never stands without a record and a line in the audit log that came before it;
B2 running again ends as one clean run does;
B3 `unblock`, and `release_expired` when it is over, leave no policy, whatever came before;
B4 a policy that is none of ours is never touched;
B5 nobody is ever blocked for less long than was said.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.guards import Pause
from sg_compliance.errors import AwsError, InputError, SgComplianceError, StoreError
from sg_compliance.model.block import BlockOutcome, BlockState, BlockStatus
from sg_compliance.model.metric import MetricName
from sg_compliance.realtime.deny_policy import deny_document, standing_of
from sg_compliance.realtime.record import Skipped, SkipReason
from sg_compliance.realtime.verdict import Level
from sg_compliance.workflows.holding_back import HoldingBack
from sg_compliance.workflows.switching import Board
from tests.blocked_world import (
    ADA,
    ASKED,
    CALLER,
    DEPLOY,
    HOUR,
    SESSION,
    Scene,
    block,
    close_blocks,
    person,
    scene,
    session,
    target,
    verdict,
)
from tests.builders import ACCOUNT, REGION
from tests.crash.boundary import Boundary, Fault, KilledError
from tests.response_world import Figures
from tests.world import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sg_compliance.realtime.deny_policy import Standing
    from sg_compliance.workflows.containing import Containing

FOREIGN = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_blocks()


@pytest.fixture
def here(tmp_path: Path) -> Scene:
    return scene(tmp_path)


def standing(here: Scene, arn: str = ADA) -> Standing | None:
    return standing_of(here.policy(arn), target(arn))


def names(here: Scene) -> list[str]:
    return [each["event"] for each in here.events()]


# ---- a person blocks ----


def test_a_block_is_audited_kept_put_read_back_and_told(here: Scene) -> None:
    outcome = here.containing.block(ADA, "opens\nports", HOUR)
    assert (outcome.status, outcome.notes) == (BlockStatus.BLOCKED, ())
    (kept,) = here.containing.blocks.all()
    assert kept == outcome.block
    assert (kept.state, kept.reason, kept.by) == (BlockState.STANDS, "opens ports", "zoe")
    assert kept.expires - here.clock.time >= HOUR - timedelta(seconds=1)
    assert here.policy() == deny_document(kept)
    (event,) = here.events()
    assert (event["event"], event["principal"], event["account_id"], event["why"]) == (
        "blocked",
        ADA,
        ACCOUNT,
        "opens ports",
    )
    (notice,) = here.notices()
    assert (notice["kind"], notice["severity"]) == ("block", "critical")
    assert f"sg-compliance unblock {kept.id}" in notice["text"]
    assert here.iam.calls == {"identify": 1, "denied": 2, "deny": 1}


def test_a_session_is_blocked_by_its_role_until_what_is_issued_has_spread(here: Scene) -> None:
    outcome = here.containing.block(SESSION, "x", HOUR)
    assert outcome.block
    assert outcome.block.target.arn == DEPLOY
    found = standing(here, DEPLOY)
    assert found
    assert found.before
    assert timedelta(seconds=30) <= found.before - START <= timedelta(seconds=31)


def test_a_dry_run_says_it_and_changes_nothing(here: Scene) -> None:
    outcome = here.containing.block(ADA, "x", HOUR, dry_run=True)
    assert outcome.status is BlockStatus.WOULD_BLOCK
    assert outcome.block
    assert here.iam.calls == {"identify": 1, "denied": 1}
    assert (here.events(), here.notices(), here.containing.blocks.all()) == ([], [], [])
    real = here.containing.block(ADA, "x", HOUR)
    assert real.block
    assert real.block.expires - outcome.block.expires <= timedelta(seconds=1)
    again = here.containing.block(ADA, "x", 2 * HOUR, dry_run=True)
    assert again.status is BlockStatus.WOULD_EXTEND
    assert here.containing.block(ADA, "x", HOUR / 2, dry_run=True).status is BlockStatus.UNCHANGED


def test_a_block_that_runs_is_made_longer_and_never_shorter(here: Scene) -> None:
    first = here.containing.block(ADA, "x", 3 * HOUR).block
    shorter = here.containing.block(ADA, "y", HOUR)
    assert (shorter.status, shorter.block) == (BlockStatus.UNCHANGED, first)
    here.clock.sleep(600)
    longer = here.containing.block(ADA, "y", 5 * HOUR)
    assert (longer.status, longer.block and longer.block.created) == (BlockStatus.EXTENDED, first and first.created)
    found = standing(here)
    assert found
    assert found.expires - here.clock.time > 5 * HOUR - timedelta(seconds=1)
    assert names(here) == ["blocked", "block extended"]
    assert len(here.containing.blocks.all()) == 1


def test_a_shorter_block_of_a_role_holds_for_new_sessions_and_ends_no_sooner(here: Scene) -> None:
    here.containing.block(DEPLOY, "x", 3 * HOUR)
    before = standing(here, DEPLOY)
    here.clock.sleep(600)
    assert here.containing.block(DEPLOY, "x", HOUR).status is BlockStatus.EXTENDED
    after = standing(here, DEPLOY)
    assert before
    assert after
    assert after.expires == before.expires
    assert after.before
    assert before.before
    assert after.before - before.before >= timedelta(seconds=600)


def test_a_policy_that_is_gone_is_put_again(here: Scene) -> None:
    here.containing.block(ADA, "x", 3 * HOUR)
    here.iam.policies.clear()
    assert here.containing.block(ADA, "x", HOUR).status is BlockStatus.EXTENDED
    assert standing(here)


def test_a_policy_whose_record_is_lost_is_taken_over_and_not_shortened(here: Scene) -> None:
    first = here.containing.block(ADA, "x", 3 * HOUR).block
    assert first
    here.containing.blocks.forget(first)
    outcome = here.containing.block(ADA, "x", HOUR)
    assert outcome.block
    assert outcome.block.expires == first.expires
    found = standing(here)
    assert found
    assert found.expires == first.expires


def test_a_policy_of_that_name_that_is_none_of_ours_is_left_alone(here: Scene) -> None:
    here.iam.policies[target().block_id] = FOREIGN
    for dry_run in (True, False):
        with pytest.raises(InputError, match="did not write") as refused:
            here.containing.block(ADA, "x", HOUR, dry_run=dry_run)
        assert "aws iam get-user-policy --user-name ada" in refused.value.hint
    with pytest.raises(InputError, match="did not write"):
        here.containing.unblock(ADA)
    assert here.policy() == FOREIGN
    assert here.events() == []


def test_unblocking_where_another_policy_took_the_place_of_ours_leaves_that(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.iam.policies[target().block_id] = FOREIGN
    outcome = here.containing.unblock(ADA)
    assert outcome.status is BlockStatus.LIFTED
    assert "did not write" in outcome.notes[0]
    assert here.policy() == FOREIGN


@pytest.mark.parametrize("arn", [CALLER, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:role/break-glass-1"])
def test_who_is_out_of_bounds_is_refused_before_any_call(arn: str, here: Scene) -> None:
    with pytest.raises(InputError) as refused:
        here.containing.block(arn, "x", HOUR)
    assert refused.value.hint
    assert not here.iam.calls


def test_a_path_that_is_out_of_bounds_is_found_out_from_iam(here: Scene) -> None:
    here.iam.add(f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/quiet")
    with pytest.raises(InputError, match="service-linked"):
        here.containing.block(f"arn:aws:sts::{ACCOUNT}:assumed-role/quiet/x", "x", HOUR)
    assert here.iam.calls == {"identify": 1}


def test_somebody_who_is_not_there_is_no_block(here: Scene) -> None:
    with pytest.raises(AwsError, match="there is no user eve"):
        here.containing.block(f"arn:aws:iam::{ACCOUNT}:user/eve", "x", HOUR)
    assert here.events() == []


def test_a_pause_stops_blocks_and_not_their_undoing(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.containing.board.switch.write(Pause("release", "kim", START, None).encode())
    with pytest.raises(InputError, match=r"nobody was blocked: .*release") as stopped:
        here.containing.block(DEPLOY, "x", HOUR)
    assert "--despite-pause" in stopped.value.hint
    rehearsed = here.containing.block(DEPLOY, "x", HOUR, dry_run=True)
    assert "a real run would be stopped" in rehearsed.notes[0]
    assert here.again(despite_pause=True).block(DEPLOY, "x", HOUR).status is BlockStatus.BLOCKED
    assert here.containing.unblock(ADA).status is BlockStatus.LIFTED
    held = here.containing.contain(verdict(), session(), ASKED)
    assert held.status is BlockStatus.REFUSED
    assert "release" in held.reason


def test_iam_that_shows_a_policy_late_is_waited_for(here: Scene) -> None:
    here.iam.shown_late = 3
    assert here.containing.block(ADA, "x", HOUR).status is BlockStatus.BLOCKED
    assert here.containing.unblock(ADA).status is BlockStatus.LIFTED
    assert here.policy() is None


def test_iam_that_does_not_show_it_at_all_is_no_success(here: Scene) -> None:
    here.iam.shown_late = 99
    with pytest.raises(AwsError, match="does not show the policy"):
        here.containing.block(ADA, "x", HOUR)
    assert [(each["event"], each.get("status")) for each in here.events()] == [("blocked", None), ("blocked", "failed")]
    (notice,) = here.notices()
    assert notice["subject"].endswith("could not be blocked")
    (kept,) = here.containing.blocks.all()
    assert kept.state is BlockState.BEGUN
    here.iam.shown_late = 0
    assert here.containing.block(ADA, "x", HOUR).status is BlockStatus.EXTENDED
    here.iam.shown_late = 99
    with pytest.raises(AwsError, match="still shows the policy"):
        here.containing.unblock(ADA)


def test_a_shorter_policy_of_another_run_is_not_left_in_the_place_of_ours(here: Scene) -> None:
    deny = here.iam.deny
    done: list[int] = []

    def race(who: Any, document: Any) -> None:  # noqa: ANN401
        deny(who, document)
        if not done:
            done.append(1)
            deny(who, deny_document(block(expires=START + timedelta(minutes=5))))

    here.iam.deny = race  # type: ignore[method-assign, assignment]
    outcome = here.containing.block(ADA, "x", HOUR)
    found = standing(here)
    assert found
    assert outcome.block
    assert found.covers(outcome.block)


# ---- unblock ----


def test_unblocking_takes_the_policy_away_and_tells(here: Scene) -> None:
    made = here.containing.block(ADA, "x", HOUR).block
    assert made
    outcome = here.containing.unblock(made.id, "it was\na release")
    assert outcome.status is BlockStatus.LIFTED
    assert here.policy() is None
    assert [(each["event"], each["why"]) for each in here.events()] == [
        ("blocked", "x"),
        ("unblocked", "it was a release"),
    ]
    assert here.notices()[-1]["subject"] == f"user ada in {ACCOUNT}: unblocked"
    again = here.containing.unblock(made.id)
    assert again.status is BlockStatus.NOT_BLOCKED
    assert here.containing.unblock(ADA).status is BlockStatus.NOT_BLOCKED
    assert len(here.events()) == 2


def test_unblocking_by_arn_works_where_the_record_is_lost_or_the_list_is_longer_now(here: Scene) -> None:
    made = here.containing.block(SESSION, "x", HOUR).block
    assert made
    here.containing.blocks.forget(made)
    bounds = replace(here.containing.bounds, break_glass=("deploy",))
    assert here.again(bounds=bounds).unblock(SESSION).status is BlockStatus.LIFTED
    assert here.policy(DEPLOY) is None


def test_unblocking_what_is_no_block_and_nobody_is_refused(here: Scene) -> None:
    for name in ("block-000000000000", "ada", ""):
        with pytest.raises(InputError, match="there is no block"):
            here.containing.unblock(name)


def test_after_a_person_has_lifted_it_nobody_but_a_person_blocks_for_a_day(here: Scene) -> None:
    assert here.containing.contain(verdict(), person(), ASKED).status is BlockStatus.BLOCKED
    here.containing.unblock(ADA)
    for hour in (12, 13):
        held = here.containing.contain(verdict(hour=hour), person(), ASKED)
        assert held.status is BlockStatus.REFUSED
        assert "zoe has lifted a block" in held.reason
    assert here.policy() is None
    here.clock.sleep(25 * 3600)
    assert [each.status for each in here.containing.release_expired()] == [BlockStatus.EXPIRED]
    assert here.containing.blocks.all() == []
    assert here.containing.contain(verdict(hour=14), person(), ASKED).status is BlockStatus.BLOCKED
    here.containing.unblock(ADA)
    assert here.containing.block(ADA, "x", HOUR).status is BlockStatus.BLOCKED
    here.containing.unblock(ADA)
    here.clock.sleep(25 * 3600)
    assert here.containing.contain(verdict(hour=15), person(), ASKED).status is BlockStatus.BLOCKED


# ---- what is over ----


def test_what_is_over_is_taken_away_and_forgotten_and_told_once(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.containing.block(DEPLOY, "x", 2 * HOUR)
    assert list(here.containing.release_expired()) == []
    here.clock.sleep(3700)
    (outcome,) = here.containing.release_expired()
    assert outcome.status is BlockStatus.EXPIRED
    assert (here.policy(), standing(here, DEPLOY) is not None) == (None, True)
    assert here.notices()[-1]["subject"].endswith("block is over")
    assert names(here)[-1] == "block expired"
    assert list(here.containing.release_expired()) == []


def test_one_that_fails_does_not_keep_the_others(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.containing.block(DEPLOY, "x", HOUR)
    here.clock.sleep(3700)
    release = here.iam.release

    def denied(who: Any) -> None:  # noqa: ANN401
        if who.name == "ada":
            raise AwsError("no", code="AccessDenied", hint="allow it")
        release(who)

    here.iam.release = denied  # type: ignore[method-assign, assignment]
    found = {each.block.target.name: each.status for each in here.containing.release_expired() if each.block}
    assert found == {"ada": BlockStatus.FAILED, "deploy": BlockStatus.EXPIRED}
    assert [each.target.name for each in here.containing.blocks.all()] == ["ada"]


def test_a_policy_that_lasts_longer_than_its_record_is_left_until_then(here: Scene) -> None:
    made = here.containing.block(ADA, "x", 3 * HOUR).block
    assert made
    assert here.containing.blocks.keep(replace(made, expires=START + HOUR), made)
    here.clock.sleep(3700)
    assert [each.status for each in here.containing.release_expired()] == [BlockStatus.UNCHANGED]
    assert here.containing.blocks.all() == [made]
    assert standing(here)


def test_a_policy_that_is_none_of_ours_is_left_when_the_time_is_over(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.iam.policies[target().block_id] = FOREIGN
    here.clock.sleep(3700)
    assert [each.status for each in here.containing.release_expired()] == [BlockStatus.EXPIRED]
    assert here.policy() == FOREIGN
    assert here.iam.calls["release"] == 0


def test_a_record_that_says_less_than_the_policy_is_put_right(here: Scene) -> None:
    made = here.containing.block(ADA, "x", 3 * HOUR).block
    assert made
    assert here.containing.blocks.keep(replace(made, expires=START + HOUR), made)
    outcome = here.containing.block(ADA, "x", 2 * HOUR)
    assert outcome.block
    assert outcome.block.expires == made.expires
    assert [each.expires for each in here.containing.blocks.all()] == [made.expires]


def test_one_that_is_blocked_again_meanwhile_stays_blocked(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.clock.sleep(3700)
    release = here.iam.release
    done: list[int] = []

    def race(who: Any) -> None:  # noqa: ANN401
        if not done:
            done.append(1)
            here.again().block(ADA, "y", HOUR)
        release(who)

    here.iam.release = race  # type: ignore[method-assign, assignment]
    assert [each.status for each in here.containing.release_expired()] == [BlockStatus.UNCHANGED]
    found, (kept,) = standing(here), here.containing.blocks.all()
    assert found
    assert found.covers(kept)
    assert kept.runs(here.clock.time)


# ---- by itself ----


def test_a_critical_verdict_blocks_for_an_hour_with_its_evidence(here: Scene) -> None:
    outcome = here.containing.contain(verdict(), person(), ASKED)
    assert outcome.status is BlockStatus.BLOCKED
    assert outcome.block
    assert outcome.block.reason.startswith("25 operations within a minute")
    assert outcome.block.causes == (verdict().key,)
    assert timedelta(minutes=59) < outcome.block.expires - here.clock.time < HOUR + timedelta(seconds=2)


def test_a_verdict_that_comes_again_does_nothing_more_and_another_extends(here: Scene) -> None:
    here.containing.contain(verdict(), person(), ASKED)
    here.clock.sleep(900)
    calls = here.iam.calls["deny"]
    assert here.containing.contain(verdict(), person(), ASKED).status is BlockStatus.UNCHANGED
    assert here.iam.calls["deny"] == calls
    extended = here.containing.contain(verdict(hour=13), person(), ASKED)
    assert extended.status is BlockStatus.EXTENDED
    assert extended.block
    assert extended.block.causes == (verdict().key, verdict(hour=13).key)


@pytest.mark.parametrize(
    ("changes", "mass", "level"),
    [
        ({"automatic": False}, ASKED, Level.CRITICAL),
        ({}, ASKED.model_copy(update={"block_suspicious_users": False}), Level.CRITICAL),
        ({}, ASKED.model_copy(update={"enabled": False}), Level.CRITICAL),
        ({}, ASKED, Level.ALERT),
    ],
)
def test_nobody_is_blocked_by_itself_unless_all_want_it(changes: Any, mass: Any, level: Level, here: Scene) -> None:  # noqa: ANN401
    outcome = here.again(**changes).contain(verdict(level), person(), mass)
    assert outcome.status is BlockStatus.REFUSED
    assert outcome.reason
    assert not here.iam.calls
    assert (here.events(), here.notices()) == ([], [])


def test_a_refusal_by_itself_is_audited_and_no_failure(here: Scene) -> None:
    root = person(f"arn:aws:iam::{ACCOUNT}:root")
    gone = person(f"arn:aws:iam::{ACCOUNT}:user/gone")
    here.iam.policies[target().block_id] = FOREIGN
    for who in (root, gone, person()):
        assert here.containing.contain(verdict(), who, ASKED, dry_run=True).status is BlockStatus.REFUSED
    assert here.events() == []
    for who in (root, gone, person()):
        assert here.containing.contain(verdict(), who, ASKED).status is BlockStatus.REFUSED
    assert names(here) == ["block refused"] * 3
    assert [each["principal"] for each in here.events()] == [root.arn, gone.arn, ADA]
    assert here.policy() == FOREIGN


def test_that_it_is_not_certain_is_told_once_for_a_verdict(here: Scene) -> None:
    def fail(*_: object) -> None:
        raise AwsError("it went wrong", code="Throttling", hint="wait")

    usual, here.iam.deny = here.iam.deny, fail  # type: ignore[method-assign, assignment]
    for _ in range(3):
        with pytest.raises(AwsError):
            here.containing.contain(verdict(), person(), ASKED)
    assert len(here.notices()) == 1
    with pytest.raises(AwsError):
        here.containing.contain(verdict(hour=13), person(), ASKED)
    assert len(here.notices()) == 2
    here.iam.deny = usual  # type: ignore[method-assign]
    assert here.containing.contain(verdict(), person(), ASKED).status is BlockStatus.EXTENDED
    assert len(here.notices()) == 3


def test_what_was_done_is_said_in_one_line(here: Scene) -> None:
    record = _record(person())
    figures = Figures()
    holding = HoldingBack(here.containing, ASKED, figures)
    assert replace(holding, dry_run=True).contain(verdict(), record).startswith("would be blocked until ")
    assert here.policy() is None
    said = holding.contain(verdict(), record)
    assert said.startswith("blocked until ")
    assert said.endswith(f"{ADA}; to undo it: sg-compliance unblock {target().block_id}")
    assert holding.contain(verdict(), record).startswith("blocked already until ")
    assert figures.of(MetricName.PRINCIPALS_BLOCKED) == [1.0]
    refused = holding.contain(verdict(), _record(person(f"arn:aws:iam::{ACCOUNT}:root")))
    assert refused.startswith("not blocked: ")
    assert "; instead: " in refused


@pytest.mark.parametrize(("code", "again"), [("AccessDenied", False), ("NoRole", False), ("Throttling", True)])
def test_what_only_a_person_can_mend_is_said_and_the_rest_is_tried_again(code: str, again: bool, here: Scene) -> None:
    def fail(_: object) -> None:
        raise AwsError("it went wrong", code=code, hint="mend it")

    here.iam.identify = fail  # type: ignore[method-assign, assignment]
    holding, record = HoldingBack(here.containing, ASKED, Figures()), _record(person())
    if again:
        with pytest.raises(AwsError):
            holding.contain(verdict(), record)
    else:
        assert holding.contain(verdict(), record) == "could not be blocked: it went wrong; mend it"


def _record(who: Any) -> Skipped:  # noqa: ANN401
    return Skipped(
        account_id=ACCOUNT,
        region=REGION,
        event_id="e-1",
        event_name="AuthorizeSecurityGroupIngress",
        event_time=START,
        principal=who,
        source_ip="",
        user_agent="",
        own=False,
        impostor=False,
        reason=SkipReason.FAILED_CALL,
        note="",
        change=None,
    )


# ---- every point ----

FAULTS = (
    Fault("kill"),
    Fault("kill", after=True),
    Fault("refuse", code="Throttling"),
    Fault("refuse", code="AccessDenied"),
    Fault("lose", after=True),
)


class _Counted:
    """Anything whose calls cross the boundary."""

    def __init__(self, inner: Any, boundary: Boundary, failed: Callable[[str], Exception]) -> None:  # noqa: ANN401
        self._inner, self._boundary, self._failed = inner, boundary, failed

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self._boundary.before(f"{type(self._inner).__name__}.{name}", self._failed)
            result = getattr(self._inner, name)(*arguments, **named)
            self._boundary.after(self._failed)
            return result

        return call


def _store_failed(code: str) -> StoreError:
    return StoreError(f"the store failed: {code or 'no answer'}")


def _aws_failed(code: str) -> AwsError:
    return AwsError(f"refused with {code}" if code else "the answer was lost", code=code)


def watched(here: Scene, boundary: Boundary) -> Containing:
    made = here.containing
    store = [_Counted(each, boundary, _store_failed) for each in (made.blocks, *made.board)]
    return replace(
        made,
        containment=_Counted(made.containment, boundary, _aws_failed),
        blocks=store[0],
        board=Board(*store[1:]),
    )


@dataclass(frozen=True)
class Act:
    """What is begun, after what, and what a clean run leaves."""

    do: Callable[[Containing], object]
    before: Callable[[Scene], object]
    blocked: bool


def _extended(here: Scene) -> None:
    here.containing.block(ADA, "x", 3 * HOUR)
    here.clock.sleep(60)


def _over(here: Scene) -> None:
    here.containing.block(ADA, "x", HOUR)
    here.clock.sleep(3700)


ACTS = {
    "block": Act(lambda it: it.block(ADA, "x", HOUR), lambda _: None, blocked=True),
    "extend": Act(lambda it: it.block(ADA, "x", 5 * HOUR), _extended, blocked=True),
    "contain": Act(lambda it: it.contain(verdict(), person(), ASKED), lambda _: None, blocked=True),
    "unblock": Act(lambda it: it.unblock(ADA), _extended, blocked=False),
    "expire": Act(lambda it: _raised(it.release_expired()), _over, blocked=False),
}


def _raised(outcomes: Iterable[BlockOutcome]) -> None:
    failed = [each.reason for each in outcomes if each.status is BlockStatus.FAILED]
    if failed:
        raise StoreError(failed[0])


def points(act: Act, folder: Path) -> list[str]:
    here, boundary = scene(folder), Boundary()
    act.before(here)
    act.do(watched(here, boundary))
    return boundary.names


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("name", ACTS)
def test_whatever_goes_wrong_at_whatever_call_the_next_run_puts_it_right(
    name: str, fault: Fault, tmp_path: Path
) -> None:
    act = ACTS[name]
    passed = points(act, tmp_path / "clean")
    assert len(passed) > 5
    for at, point in enumerate(passed, 1):
        here = scene(tmp_path / f"{at}")
        act.before(here)
        was = standing(here)
        boundary = Boundary(at, fault)
        with suppress(KilledError, SgComplianceError):
            act.do(watched(here, boundary))
        where = f"{point} ({at}), {fault}"
        check_b1(here, where)
        if act.blocked and was:
            now = standing(here)
            assert now, where
            assert now.expires >= was.expires, where
        boundary.over()
        if at % 2 or not act.blocked:
            act.do(here.again())
            assert (standing(here) is not None) is act.blocked, where
            (*kept,) = (each for each in here.containing.blocks.all() if each.runs(here.clock.time))
            assert [each.state for each in kept] == [BlockState.STANDS] * act.blocked, where
            assert here.notices(), where
        check_b3(here, where)


def check_b1(here: Scene, where: str) -> None:
    if standing(here):
        assert [each.target for each in here.containing.blocks.all()] == [target()], where
        assert "blocked" in names(here), where


def check_b3(here: Scene, where: str) -> None:
    """Half of the scenes are let go by a person, half by time."""
    if len(here.events()) % 2:
        here.containing.unblock(ADA)
    else:
        here.clock.sleep(6 * 3600)
        assert all(each.status is BlockStatus.EXPIRED for each in here.containing.release_expired()), where
    assert here.policy() is None, where
    here.clock.sleep(25 * 3600)
    list(here.containing.release_expired())
    assert here.containing.blocks.all() == [], where


def test_the_line_comes_first_then_the_record_then_the_policy_then_people(tmp_path: Path) -> None:
    order = points(ACTS["block"], tmp_path)
    wanted = [
        "FileAuditLog.append",
        "SqliteBlocks.keep",
        "MemoryIam.deny",
        "MemoryIam.denied",
        "SqliteBlocks.all",
        "FileNotifier.send",
        "SqliteBlocks.keep",
    ]
    assert order[-len(wanted) :] == wanted
    order = points(ACTS["unblock"], tmp_path / "2")
    wanted = [
        "FileAuditLog.append",
        "SqliteBlocks.keep",
        "MemoryIam.denied",
        "MemoryIam.release",
        "MemoryIam.denied",
        "SqliteBlocks.all",
        "FileNotifier.send",
        "SqliteBlocks.keep",
    ]
    assert order[-len(wanted) :] == wanted


def test_a_block_without_its_line_in_the_log_is_not_put(here: Scene) -> None:
    class Broken:
        def append(self, event: object) -> None:
            raise StoreError(json.dumps(str(event)))

    board = here.containing.board._replace(audit=Broken())  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        here.again(board=board).block(ADA, "x", HOUR)
    assert here.policy() is None
    assert here.containing.blocks.all() == []


def test_a_block_that_nobody_was_told_of_says_so(here: Scene) -> None:
    class Mute:
        def send(self, _: object) -> None:
            raise StoreError("no topic")

    board = here.containing.board._replace(notifier=Mute())
    outcome = here.again(board=board).block(ADA, "x", HOUR)
    assert outcome.notes == ("nobody was told: no topic",)
    assert standing(here)
    (kept,) = here.containing.blocks.all()
    assert kept.state is BlockState.BEGUN
    here.containing.block(ADA, "x", HOUR)
    assert len(here.notices()) == 1
