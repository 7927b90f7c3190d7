"""Two runs on one group: one changes it, the other says so. Threads on one twin; processes on one journal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.model.outcome import Status
from sg_compliance.workflows.rollback import What
from tests.crash.days import POLICY, one, shell_group
from tests.world import folder_stores, make_world

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.outcome import Outcome
    from sg_compliance.testing.twin import Call


def test_while_one_run_changes_a_group_another_one_leaves_it_alone(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    other: list[Outcome] = []

    def second_run(_: Call) -> None:
        other.extend(world.apply(plan))

    world.twin.faults.after(second_run, operation="RevokeSecurityGroupIngress", nth=1)
    (first,) = world.apply(plan)
    assert first.status is Status.CHANGED
    assert [outcome.status for outcome in other] == [Status.LOCKED]
    assert "run-1" in other[0].reason or "run-2" in other[0].reason


def test_many_runs_at_once_change_each_group_once(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    places = [world.put(shell_group(group_id=f"sg-{number:08x}")) for number in range(4)]
    before = world.shown()
    plan = world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN)
    outcomes: list[Outcome] = []
    runs = [world.applying(stores=folder_stores(tmp_path)) for _ in range(6)]
    threads = [threading.Thread(target=lambda run=run: outcomes.extend(run.apply(plan))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changed = [outcome.place for outcome in outcomes if outcome.status is Status.CHANGED]
    assert sorted(changed) == sorted(places)
    assert {outcome.status for outcome in outcomes} <= {Status.CHANGED, Status.LOCKED, Status.UNCHANGED}
    assert world.mutations().count("AuthorizeSecurityGroupIngress") == len(places)
    for place in places:
        world.roll_back(What(group_id=place.group_id))
    assert world.shown() == before


def test_a_run_that_slept_through_its_lease_stops_before_it_changes_anything(tmp_path: Path) -> None:
    world, place = one(tmp_path)
    plan = world.plan(POLICY, place, strategy=Strategy.LOCKDOWN)
    sleeper = world.applying()
    other: list[Outcome] = []

    def sleep(_: Call) -> None:
        world.clock.sleep(600)
        other.extend(world.apply(plan))

    world.twin.faults.after(sleep, operation="CreateTags", nth=1)
    (outcome,) = sleeper.apply(plan)
    assert [each.status for each in other] == [Status.CHANGED]
    assert outcome.status is Status.INCOMPLETE
    assert world.mutations().count("RevokeSecurityGroupIngress") == 1
    assert world.stores.journal.unfinished() == []
