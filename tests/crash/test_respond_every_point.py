"""Kill a response before and after every call that it makes, let every call fail, and let the message come again.

Once nothing comes any more: the group is locked, its backup is of the group as it was, people were told who did it and
how to undo what was done, what waits to be told was, the call was counted once, and nothing is open in the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.backup import decode_backup
from sg_compliance.errors import SgComplianceError
from sg_compliance.model.finding import Severity
from sg_compliance.model.journal import EntryKind
from sg_compliance.model.security_group import CidrPeer, Place
from tests.builders import ACCOUNT, EVERYONE, REGION
from tests.crash.boundary import FAULTS, Boundary, KilledError, watch, watched
from tests.response_world import MALLORY, ResponseWorld, close_response_stores, make_response_world
from tests.world import close_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.model.notice import Notice

WEB = Place(ACCOUNT, REGION, "sg-0a1b2c3d")
_ENOUGH = 30


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    close_response_stores()
    close_stores()


def scene(folder: Path, boundary: Boundary) -> tuple[ResponseWorld, str]:
    """A group that somebody has just opened, and the event; every call from now on crosses the boundary."""
    world = make_response_world(folder)
    body = world.open_ssh(WEB)
    watch(world.world, boundary)
    for name in ("history", "windows", "told", "later"):
        setattr(world, name, watched(getattr(world, name), boundary))
    return world, body


def notices(world: ResponseWorld) -> list[Notice]:
    """What people were told."""
    told: Any = world.told
    found: list[Notice] = told._store.notices  # noqa: SLF001 - behind the boundary
    return found


def waiting(world: ResponseWorld) -> bool:
    """Whether a second look is to come."""
    later: Any = world.later
    return later._store.next_at() is not None  # noqa: SLF001 - behind the boundary


def deliver(world: ResponseWorld, bodies: list[str], *, again: bool) -> list[str]:
    """Handle the messages as one function would; those that come again."""
    received = [world.received(body, again=again) for body in bodies]
    batch = world.responding().batch(received)
    left = []
    for each in received:
        try:
            batch.handle(each.id)
        except SgComplianceError:
            left.append(each.body)
    return left


def until_nothing_comes(world: ResponseWorld, boundary: Boundary, body: str) -> None:
    """The message comes until it is handled, and second looks as they are due."""
    try:
        queue = deliver(world, [body], again=False)
    except KilledError:
        queue = [body]
    boundary.over()
    for _ in range(_ENOUGH):
        world.world.clock.sleep(80)
        looks = [look.encode() for look in world.later.come()]
        if not queue and not looks and not waiting(world):
            return
        queue = deliver(world, [*queue, *looks], again=True)
    pytest.fail("it never ends")


def holds(world: ResponseWorld) -> None:
    shown = world.world.read(WEB)
    assert [rule.peer.text for rule in shown.rules if isinstance(rule.peer, CidrPeer)] == ["127.0.0.1/32"]
    assert shown.tag("COMPLIANCE_EMERGENCY") == "true"
    stores = world.world.stores
    assert stores.journal.unfinished() == []
    done = [each for each in stores.journal.entries() if each.kind is EntryKind.REMEDIATION]
    backup = decode_backup(stores.backups.get(done[0].backup_id), done[0].backup_id)
    peers = {rule.peer.text for rule in backup.group.rules if isinstance(rule.peer, CidrPeer)}
    assert {EVERYONE, "10.0.0.0/8"} <= peers
    undo = f"sg-compliance rollback {done[0].backup_id}"
    told = [each for each in notices(world) if each.severity is Severity.CRITICAL and MALLORY.arn in each.text]
    assert any(undo in each.text for each in told), [each.subject for each in notices(world)]
    assert list(world.history.waiting(Severity)) == []


def points(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    boundary = Boundary()
    world, body = scene(tmp_path_factory.mktemp("clean"), boundary)
    until_nothing_comes(world, boundary, body)
    holds(world)
    close_response_stores()
    close_stores()
    return boundary.names


def test_every_call_of_a_response_can_fail_or_be_its_last(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = points(tmp_path_factory)
    assert len(names) > 25
    failures = []
    for number in range(1, len(names) + 1):
        for fault in FAULTS:
            boundary = Boundary(number, fault)
            world, body = scene(tmp_path_factory.mktemp("killed"), boundary)
            try:
                until_nothing_comes(world, boundary, body)
                holds(world)
            except (AssertionError, SgComplianceError, pytest.fail.Exception) as error:
                failures.append(f"{fault} at {number} {names[number - 1]}: {str(error)[:300]}")
            finally:
                close_response_stores()
                close_stores()
    assert not failures, "\n".join(failures)
