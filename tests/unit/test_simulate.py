"""What `simulate` asks of the world: nothing that changes it; and what it says where the world does not answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.errors import AwsError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.local.history import SqliteHistory
from sg_compliance.local.kept import KeptLetters, KeptNotices, MemoryWindows, NoSlots, NoWriter
from sg_compliance.local.metrics import NoMetrics
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.response import Reaction
from sg_compliance.realtime.second_look import SecondLook
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.case import Surroundings
from sg_compliance.workflows.simulate import Simulating
from tests.builders import ACCOUNT, EVERYONE, REGION, tcp
from tests.response_world import TERMS, ResponseWorld, close_response_stores, make_response_world
from tests.world import TwinSessions, close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.interfaces import Lookup

WEB = Place(ACCOUNT, REGION, "sg-0a1b2c3d")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ResponseWorld]:
    yield make_response_world(tmp_path)
    close_response_stores()
    close_stores()


def simulating(world: ResponseWorld, lookup: Lookup | None = None) -> Simulating:
    history, clock = SqliteHistory(Path(":memory:")), world.world.clock
    around = Surroundings(
        lookup=lookup or Ec2Lookup(TwinSessions(world.world.twin)),  # type: ignore[arg-type]
        writer=NoWriter(),
        stores=world.world.stores,
        history=history,
        later=world.later,
        dead_letters=KeptLetters(),
        metrics=NoMetrics(),
        slots=NoSlots(),
        clock=clock,
        run=Run("run-1", "a simulation"),
        terms=TERMS,
    )
    return Simulating(
        around,
        MemoryWindows(),
        KeptNotices(),
        lambda time: Evaluator(world.policy, time),
        ours=world.ours,
        now=clock.now(),
    )


def test_terms_that_let_it_act_are_not_believed(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    calls = len(world.world.twin.log)
    found = simulating(world).simulate(body)
    assert found.handled
    assert [each.reaction for each in found.handled.responses] == [Reaction.WOULD_CHANGE]
    assert not [each for each in world.world.twin.log[calls:] if each.mutating]
    assert world.world.stores.journal.entries() == []
    assert world.told.notices == []
    assert len(found.notices) == 1


class Refusing:
    """A Lookup that AWS refuses."""

    def group(self, place: Place) -> object:
        raise AwsError(f"{place}: denied", code="UnauthorizedOperation", hint="allow it")


def test_what_cannot_be_read_is_a_result(world: ResponseWorld) -> None:
    found = simulating(world, Refusing()).simulate(world.open_ssh(WEB))  # type: ignore[arg-type]
    assert found.handled is None
    assert "denied" in str(found.error)
    assert list(found.unseen) == [WEB]


def test_a_second_look_is_taken_at_its_own_time(world: ResponseWorld) -> None:
    event = json.loads(world.open_ssh(WEB))
    due = world.world.clock.now() + timedelta(minutes=3)
    look = SecondLook(WEB, world.world.clock.now(), due, 1, event)
    found = simulating(world).simulate(look.encode())
    assert found.at == due
    assert found.handled
    assert [each.place for each in found.handled.responses] == [WEB]
    broken = replace(look, event={"detail": {}})
    rejected = simulating(world).simulate(broken.encode()).handled
    assert rejected
    assert rejected.rejected


def test_rules_are_supposed_only_where_they_are_missing(world: ResponseWorld) -> None:
    body = world.open_ssh(WEB)
    assert simulating(world).simulate(body).supposed == frozenset()
    world.call("RevokeSecurityGroupIngress", {"GroupId": WEB.group_id, "IpPermissions": [tcp(22, EVERYONE)]})
    found = simulating(world).simulate(body)
    assert found.supposed == {WEB}
    assert list(found.plans) == [WEB]
