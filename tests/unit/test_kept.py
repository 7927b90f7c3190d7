"""Sockets in memory do what those that keep do, and keep nothing."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sg_compliance.errors import AwsError
from sg_compliance.local.kept import MemoryWindows, NoWriter
from sg_compliance.local.windows import SqliteWindows
from sg_compliance.model.change import Untag
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.mass_operations import Limits, take
from tests.builders import ACCOUNT, NOW, REGION
from tests.properties.test_windows_against_an_oracle import START, Event, operation

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

PLACE = Place(ACCOUNT, REGION, "sg-1")


class Standing:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""


def test_windows_in_memory_say_what_those_in_a_file_say(tmp_path: Path) -> None:
    rolled = random.Random(7)  # noqa: S311 - no secret
    events = [
        Event(f"e-{rolled.randrange(150)}", rolled.choice(["ada", "zoë"]), START + rolled.randrange(200))
        for _ in range(200)
    ]
    memory, kept = MemoryWindows(), SqliteWindows(tmp_path / "windows.sqlite", Standing())
    said = []
    for each in map(operation, events):
        decide = partial(take, operation=each, limits=Limits(10, 50, 20))
        one, other = memory.take(each, decide), kept.take(each, decide)
        assert one == other
        said.append(one)
    assert any(said)
    assert {each.principal for each in memory.all()} == {"ada", "zoë"}
    assert {(each.account_id, each.principal) for each in memory.all()} == {
        (each.account_id, each.principal) for each in kept.all()
    }
    kept.close()


def test_nothing_can_be_changed() -> None:
    with pytest.raises(AwsError, match="nothing can be changed"):
        NoWriter().do(PLACE, Untag((PLACE.group_id,), ("a",)))
    with pytest.raises(AwsError):
        NoWriter().read(PLACE)
