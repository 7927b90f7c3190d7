"""What was begun in answer to an event and is finished by others is told as what it is: who, why, how urgent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sg_compliance.model.finding import Severity
from sg_compliance.model.metric import MetricName
from sg_compliance.realtime.response import Reaction
from sg_compliance.workflows.transaction import Transactions
from tests.crash.boundary import Boundary, Fault, KilledError, watch
from tests.response_world import MALLORY, WEB, ResponseWorld, close_response_stores, make_response_world
from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHANGE = "RevokeSecurityGroupIngress"


@pytest.fixture(params=["before", "after"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ResponseWorld, str]]:
    """SSH was opened, and the response was killed before or after it revoked the rules; and the event."""
    counted, boundary = make_response_world(tmp_path / "counted"), Boundary()
    body = counted.open_ssh(WEB)
    watch(counted.world, boundary)
    counted.one(body)
    at = next(number for number, name in enumerate(boundary.names, 1) if _CHANGE in name)
    world = make_response_world(tmp_path / "killed")
    body = world.open_ssh(WEB)
    boundary = Boundary(at, Fault("kill", after=request.param == "after"))
    watch(world.world, boundary)
    with pytest.raises(KilledError):
        world.respond(body)
    boundary.over()
    assert not world.told.notices
    world.world.clock.sleep(80)
    yield world, body
    close_response_stores()
    close_stores()


def test_the_same_event_finishes_it_and_says_so(killed: tuple[ResponseWorld, str]) -> None:
    world, body = killed
    (handled,) = [
        world.responding().batch([received]).handle(received.id) for received in [world.received(body, again=True)]
    ]
    (response,) = handled.responses
    assert response.reaction is Reaction.CHANGED
    assert response.emergency
    assert response.outcome
    assert response.outcome.backup_id
    assert response.closed
    begun_in = world.world.stores.journal.entries()[0].run_id
    assert response.done.startswith(f"finished what {begun_in} had begun: changed")
    assert f"sg-compliance rollback {response.outcome.backup_id}" in response.done
    assert world.figures.of(MetricName.EMERGENCY_REMEDIATIONS_PERFORMED) == [1]
    assert world.figures.of(MetricName.REMEDIATION_ACTIONS) == [1]
    (latency,) = world.figures.of(MetricName.CONTAINMENT_LATENCY)
    assert latency >= 80
    is_told(world)


def test_another_event_finishes_it_for_the_one_that_began_it(killed: tuple[ResponseWorld, str]) -> None:
    world, _ = killed
    other = MALLORY._replace(arn=MALLORY.arn.replace("mallory", "bob"))
    response = world.one(world.open_ssh(WEB, "10.9.0.0/16", who=other))
    assert response.done.startswith("finished what ")
    is_told(world)


def test_a_run_that_knows_nothing_of_events_tells_it_all_the_same(killed: tuple[ResponseWorld, str]) -> None:
    world, _ = killed
    (entry,) = world.world.stores.journal.unfinished()
    stores = replace(world.world.stores, notifier=world.told)
    Transactions(world.world.writer, stores, world.world.clock, world.world.run()).resume(entry)
    is_told(world)


def is_told(world: ResponseWorld) -> None:
    """Once, as an emergency, with who did it, by which call, what it violates, and how to undo what was done."""
    (notice,) = [each for each in world.told.notices if each.record["kind"] == "remediation"]
    assert notice.severity is Severity.CRITICAL
    assert notice.subject.startswith("EMERGENCY remediation of ")
    assert notice.record["emergency"] is True
    assert notice.record["cause"]["principal"] == MALLORY.arn
    assert [each["severity"] for each in notice.record["findings"]] == ["critical"]
    for said in (MALLORY.arn, MALLORY.source_ip, "AuthorizeSecurityGroupIngress", "sg-compliance rollback "):
        assert said in notice.text
