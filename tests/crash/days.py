"""What the bad days have in common: a group that opens SSH to all, and a world to change it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sg_compliance.enforcement.strategies import Strategy
from tests.builders import Json, all_traffic, policy, prohibit, raw_group, tcp
from tests.world import make_world

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.model.outcome import Outcome, Status
    from sg_compliance.model.security_group import Place
    from tests.world import World

POLICY = policy(prohibit(22, severity="critical"))
SHELL = tcp(22, "0.0.0.0/0", description="shell")


def shell_group(*more: Json, group_id: str = "sg-0a1b2c3d", **others: Any) -> Json:  # noqa: ANN401 - JSON
    return raw_group(SHELL, *more, egress=[all_traffic("0.0.0.0/0")], group_id=group_id, **others)


def one(folder: Path, *more: Json, quota: int = 60, **others: Any) -> tuple[World, Place]:  # noqa: ANN401 - JSON
    world = make_world(folder / "state", quota=quota)
    return world, world.put(shell_group(*more, **others))


def lock_down(world: World, *places: Place) -> list[Outcome]:
    return world.apply(world.plan(POLICY, *places, strategy=Strategy.LOCKDOWN))


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def later(world: World, hours: float = 25) -> None:
    world.clock.sleep(hours * 3600)
