"""A world to block people in: IAM in memory, stores in a folder, a clock that tests move."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sg_compliance.errors import AwsError
from sg_compliance.local.audit import FileAuditLog
from sg_compliance.local.blocks import SqliteBlocks
from sg_compliance.local.notices import FileNotifier
from sg_compliance.local.switch import FileSwitch
from sg_compliance.model.block import Block, Target
from sg_compliance.policy.reaction import MassOperations
from sg_compliance.realtime.containment import Bounds, named
from sg_compliance.realtime.principals import Ours, Principal
from sg_compliance.realtime.verdict import Level, Mark, Verdict
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.containing import Containing
from sg_compliance.workflows.switching import Board
from tests.builders import ACCOUNT
from tests.world import START, MovableClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADA = f"arn:aws:iam::{ACCOUNT}:user/team/ada"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/pipelines/deploy"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/laptop"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/sec/zoe"
HOUR = timedelta(hours=1)
ASKED = MassOperations(block_suspicious_users=True)


def target(arn: str = ADA) -> Target:
    found = named(arn)
    assert found
    return found


def person(arn: str = ADA) -> Principal:
    return Principal("IAMUser", arn, arn.rpartition("/")[2], ACCOUNT)


def session(arn: str = SESSION, issuer: str = DEPLOY) -> Principal:
    return Principal("AssumedRole", arn, "deploy", ACCOUNT, "laptop", issuer)


def verdict(level: Level = Level.CRITICAL, *, hour: int = 12, **changes: Any) -> Verdict:  # noqa: ANN401
    first = datetime(2026, 1, 15, hour, 0, tzinfo=UTC)
    made = Verdict(
        level=level,
        account_id=ACCOUNT,
        principal=ADA,
        event_id="e-1",
        window=timedelta(minutes=1),
        threshold=10,
        count=25,
        failed=3,
        first=first,
        last=first + timedelta(seconds=30),
        groups=12,
        some_groups=("sg-1",),
        regions=1,
        some_regions=("eu-west-1",),
        at_least=False,
        automation="",
        marks=(Mark(level, first),),
    )
    return replace(made, **changes)


def block(arn: str = ADA, **changes: Any) -> Block:  # noqa: ANN401
    made = Block(target(arn), "too many", "zoe", START, START + HOUR, START + timedelta(seconds=30))
    return replace(made, **changes)


@dataclass
class MemoryIam:
    """The Containment socket. `shown_late`: so many reads show what was there before a change."""

    there: dict[str, Target] = field(default_factory=dict)
    policies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    shown_late: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    _before: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _late: int = 0

    def add(self, arn: str) -> None:
        self.there[target(arn).block_id] = target(arn)

    def identify(self, target: Target) -> Target:
        self.calls["identify"] += 1
        return self._known(target)

    def deny(self, target: Target, document: Mapping[str, Any]) -> None:
        self.calls["deny"] += 1
        self._known(target)
        self._changing()
        self.policies[target.block_id] = json.loads(json.dumps(document))

    def release(self, target: Target) -> None:
        self.calls["release"] += 1
        self._changing()
        self.policies.pop(target.block_id, None)

    def denied(self, target: Target) -> Mapping[str, Any] | None:
        self.calls["denied"] += 1
        late, self._late = self._late > 0 and self.shown_late > 0, max(0, self._late - 1)
        return (self._before if late else self.policies).get(target.block_id)

    def _known(self, target: Target) -> Target:
        if target.block_id not in self.there:
            raise AwsError(f"there is no {target.kind} {target.name}", code="NoSuchEntity", hint="check the name")
        return self.there[target.block_id]

    def _changing(self) -> None:
        if not (self._late and self.shown_late):
            self._before, self._late = dict(self.policies), self.shown_late


_OPEN: list[SqliteBlocks] = []


def close_blocks() -> None:
    while _OPEN:
        _OPEN.pop().close()


@dataclass
class Scene:
    """Somebody who blocks, and whom."""

    iam: MemoryIam
    clock: MovableClock
    folder: Path
    containing: Containing

    def policy(self, arn: str = ADA) -> Mapping[str, Any] | None:
        return self.iam.policies.get(target(arn).block_id)

    def events(self) -> list[dict[str, Any]]:
        return _lines(self.folder / "audit.jsonl")

    def notices(self) -> list[dict[str, Any]]:
        return _lines(self.folder / "notices.jsonl")

    def again(self, **changes: Any) -> Containing:  # noqa: ANN401
        """Another run of the same."""
        return replace(self.containing, **changes)


def scene(folder: Path, **changes: Any) -> Scene:  # noqa: ANN401
    folder.mkdir(exist_ok=True)
    iam, clock = MemoryIam(), MovableClock()
    for arn in (ADA, DEPLOY):
        iam.add(arn)
    blocks = SqliteBlocks(folder / "journal.sqlite")
    _OPEN.append(blocks)
    board = Board(
        FileSwitch(folder / "paused.json"), FileAuditLog(folder / "audit.jsonl"), FileNotifier(folder / "notices.jsonl")
    )
    bounds = Bounds(Ours(frozenset({"sg-compliance-contain"})), ("break-glass*",), CALLER)
    made = Containing(iam, blocks, board, clock, Run("run-1", "zoe"), bounds, automatic=True)
    return Scene(iam, clock, folder, replace(made, **changes))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
