"""Kill the program before and after every call that it makes, let every call fail in every way, and run it again.

What must hold (the numbers are those of docs/enforcement.md):

I1 nothing is revoked before a verified backup of it exists;
I2 running again reaches the state that one clean run reaches, and the backup is that of the original group;
I3 rollback restores the group exactly;
I4 a further run changes nothing.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.backup import decode_backup
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.errors import InputError, SgComplianceError
from sg_compliance.model.security_group import identity
from sg_compliance.workflows.rollback import What
from sg_compliance.workflows.transaction import LEASE
from tests.builders import all_traffic, icmp, policy, prohibit, raw_group, restrict, tcp
from tests.crash.boundary import FAULTS, LASTING, Boundary, Fault, KilledError, watch
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place
    from sg_compliance.testing.twin import Call
    from tests.world import World

GROUP = "sg-0a1b2c3d"
NEIGHBOUR = "sg-00000001"
POLICY = policy(prohibit(22, severity="critical"), restricted=[restrict(3306, "10.0.0.0/8", rule_id="DB")])


def groups() -> list[dict[str, Any]]:
    """A group with something of everything: descriptions, tags of rules, ICMP, references, both directions."""
    return [
        raw_group(group_id=NEIGHBOUR, GroupName="neighbour"),
        raw_group(
            tcp("20-25", "0.0.0.0/0", description="files"),
            tcp(22, "203.0.113.0/24"),
            tcp(3306, "0.0.0.0/0", "10.1.0.0/16", description="database"),
            tcp(443, "::/0"),
            icmp(8, -1, "0.0.0.0/0"),
            tcp(8080, NEIGHBOUR),
            egress=[all_traffic("0.0.0.0/0"), tcp(443, "0.0.0.0/0", description="out")],
            tags={"Owner": "payments", "Environment": "production"},
            group_id=GROUP,
        ),
    ]


@dataclass(frozen=True)
class Scene:
    """A world, the group, what it looked like, and what is done to it."""

    world: World
    place: Place
    before: Any
    act: Callable[[], list[Outcome]]


def remediation(strategy: Strategy) -> Callable[[Path], Scene]:
    def scene(folder: Path) -> Scene:
        world, place = _world(folder)
        before = world.shown()
        plan = world.plan(POLICY, place, strategy=strategy)
        assert [each.strategy for each in plan.groups] == [strategy.value]
        return Scene(world, place, before, lambda: world.apply(plan))

    return scene


def rollback(strategy: Strategy) -> Callable[[Path], Scene]:
    def scene(folder: Path) -> Scene:
        world, place = _world(folder)
        world.apply(world.plan(POLICY, place, strategy=strategy))
        (entry,) = world.stores.journal.entries()
        before = world.shown()
        return Scene(world, place, before, lambda: world.roll_back(What(backup_id=entry.backup_id)))

    return scene


def _world(folder: Path) -> tuple[World, Place]:
    world = make_world(folder)
    *others, raw = groups()
    for each in others:
        world.put(each)
    tags = {"203.0.113.0/24": {"ticket": "OPS-1"}, "::/0": {"ticket": "OPS-2"}}
    place = world.put(raw, **tags)
    return world, place


SCENES = {
    **{f"remediate-{each}": remediation(each) for each in Strategy},
    **{f"rollback-{each}": rollback(each) for each in Strategy},
}


def points_of(scene: Callable[[Path], Scene], folder: Path) -> tuple[list[str], Any, Scene]:
    """The calls of a clean run, and what it leaves."""
    played = scene(folder)
    boundary = Boundary()
    watch(played.world, boundary)
    played.act()
    boundary.over()
    return boundary.names, settled(played), played


def settled(scene: Scene) -> Any:  # noqa: ANN401 - the twin's own form
    """What AWS shows, the id of the backup put aside: it has the time in it."""
    shown = scene.world.shown()
    for group in shown.values():
        group_tags = group["tags"]
        if "COMPLIANCE_BACKUP_ID" in group_tags:
            group_tags["COMPLIANCE_BACKUP_ID"] = "…"
    return shown


def guard_revocations(scene: Scene, seen: Counter[str]) -> None:
    """I1: whatever is revoked is in a backup that can be read."""
    folder_backups = scene.world.stores.backups

    def check(call: Call) -> None:
        if call.operation.startswith("Revoke"):
            kept = [decode_backup(folder_backups.get(name), name) for name in list(folder_backups.ids(GROUP))]
            known = {identity(rule) for backup in kept for rule in backup.group.rules}
            revoked = set(call.params["SecurityGroupRuleIds"])
            rules = scene.world.twin.call(
                scene.place.account_id,
                scene.place.region,
                "DescribeSecurityGroupRules",
                {"SecurityGroupRuleIds": list(revoked)},
            )
            seen["revocations"] += 1
            assert len(rules["SecurityGroupRules"]) == len(revoked)
            assert {_identity(raw) for raw in rules["SecurityGroupRules"]} <= known

    scene.world.twin.faults.before(check)


def _identity(raw: dict[str, Any]) -> Any:  # noqa: ANN401 - what the model says it is
    from sg_compliance.aws.translate import security_group_rule  # noqa: PLC0415

    return identity(security_group_rule(raw))  # type: ignore[arg-type] # the twin writes no malformed rule


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_whatever_goes_wrong_at_any_call_running_again_ends_well(name: str, fault: Fault, tmp_path: Path) -> None:
    scene = SCENES[name]
    names, clean, first = points_of(scene, tmp_path / "clean")
    for number in range(1, len(names) + 1):
        played = scene(tmp_path / str(number))
        strike(played, number, fault)
        where = f"{fault} at {number} ({names[number - 1]}) of {name}"
        again(played)
        assert settled(played) == clean, where
        mutations = len(played.world.mutations())
        again(played)
        assert len(played.world.mutations()) == mutations, f"I4: {where}"
        if name.startswith("remediate"):
            played.world.roll_back(What(group_id=GROUP))
            assert played.world.shown() == played.before, f"I3: {where}"
    assert first.world.mutations()


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("fault", LASTING, ids=str)
def test_whatever_aws_refuses_for_good_leaves_nothing_open_and_can_be_taken_back(
    name: str, fault: Fault, tmp_path: Path
) -> None:
    scene = SCENES[name]
    names, clean, _ = points_of(scene, tmp_path / "clean")
    for number in range(1, len(names) + 1):
        if "." in names[number - 1]:  # a store, which has no such codes
            continue
        played = scene(tmp_path / str(number))
        strike(played, number, fault)
        where = f"{fault} at {number} ({names[number - 1]}) of {name}"
        again(played)
        assert played.world.stores.journal.unfinished() == [], where
        if name.startswith("remediate"):
            with suppress(InputError):  # nothing was done
                played.world.roll_back(What(group_id=GROUP))
            assert played.world.shown() == played.before, f"I3: {where}"
        else:
            played.act()
            assert settled(played) == clean, where


def strike(played: Scene, number: int, fault: Fault) -> None:
    """Run into the fault."""
    boundary = Boundary(number, fault)
    seen: Counter[str] = Counter()
    stores = played.world.stores
    guard_revocations(played, seen)
    watch(played.world, boundary)
    with suppress(KilledError, SgComplianceError):  # a store that fails before the first change ends the run
        played.act()
    boundary.over()
    played.world.stores = stores
    played.world.twin.faults.clear()
    played.world.clock.sleep((LEASE + timedelta(seconds=1)).total_seconds())


def again(played: Scene) -> None:
    """Run once more, nothing in the way."""
    played.act()
