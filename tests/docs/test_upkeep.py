"""The examples in docs/upkeep.md, run one after the other on the state that one run has left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.bootstrap import load_policy
from sg_compliance.local.concessions import SqliteConcessions
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.model.security_group import Place
from sg_compliance.policy.resolve import Policy
from tests.builders import ACCOUNT, EVERYONE, REGION, raw_group, tcp
from tests.docs.test_docs import BLOCK, Block, read, run, shown_pattern, steps
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parents[2] / "docs" / "upkeep.md"
EXAMPLES: Final = [Block(PAGE, *found) for found in BLOCK.findall(read(PAGE)) if found[1].startswith("$ ")]
WRITTEN: Final = "sg-0a1b2c3d-20260115T120000Z-0123456789abcdef"
"""The id of the backup, as the page writes it."""


@pytest.fixture
def backup_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A state in the folder `state`, after one remediation; the id of its backup."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SG_COMPLIANCE_STATE", "state")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    world = make_world(tmp_path / "state", [raw_group(tcp(22, EVERYONE, description="for the move"))])
    monkeypatch.setattr("sg_compliance.bootstrap.enforcement.writer", lambda *_: world.writer)
    plan = world.plan(Policy(load_policy(None).document), Place(ACCOUNT, REGION, "sg-0a1b2c3d"))
    (outcome,) = world.apply(plan)
    yield outcome.backup_id
    for each in (world.stores.journal, world.stores.concessions):
        assert isinstance(each, SqliteJournal | SqliteConcessions)
        each.close()


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_of_upkeep_shows_what_the_command_says(block: Block, backup_id: str) -> None:
    status = None
    for step in steps(block):
        if step.command == "echo $?":
            assert step.shown == [str(status)]
            continue
        said, status = run(step.command.replace(WRITTEN, backup_id))
        shown = [line.replace(WRITTEN, backup_id) for line in step.shown]
        assert shown_pattern(shown).fullmatch(said + "\n"), f"$ {step.command}\n{said}"


def test_every_command_of_upkeep_is_shown_at_work() -> None:
    shown = {" ".join(step.command.split()[1:3]) for block in EXAMPLES for step in steps(block)}
    promised = re.findall(r"^\| [^|]+ \| ((?:`[^`|]+`(?:, )?)+) \|$", read(PAGE), re.MULTILINE)
    commands = [command for cell in promised for command in re.findall(r"`([^`]+)`", cell)]
    assert len(commands) >= 13
    assert [command for command in commands if not any(f"{each} ".startswith(f"{command} ") for each in shown)] == []
