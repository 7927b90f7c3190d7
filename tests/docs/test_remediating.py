"""docs/remediating.md: its examples are one story, played on the groups of docs/examples; its tables are complete."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.model.outcome import Status
from sg_compliance.testing.twin import Twin
from tests.docs.test_docs import (
    BLOCK,
    EXAMPLES,
    ROOT,
    Block,
    first_cells,
    read,
    run,
    section,
    shown_pattern,
    steps,
)
from tests.e2e.test_cli_enforcement import Sessions

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "remediating.md"
STORY: Final = [Block(PAGE, *found) for found in BLOCK.findall(read(PAGE)) if found[1].startswith("$ ")]
PLAN: Final = "sg-compliance plan --from aws --policy policy.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples, in the folder and in AWS."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SG_COMPLIANCE_STATE", "state")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    sessions = Sessions(estate())
    monkeypatch.setattr("sg_compliance.bootstrap.enforcement.sessions_of", lambda *_, **__: sessions)
    return tmp_path


def estate() -> Twin:
    twin = Twin(time.time)
    for each in json.loads(read(EXAMPLES / "aws" / "prefix-lists.json"))["PrefixLists"]:
        twin.put_prefix_list(each.get("OwnerId", "111122223333"), "eu-west-1", each, ["10.0.1.0/24", "10.0.2.0/24"])
    for each in json.loads(read(EXAMPLES / "aws" / "groups.json"))["SecurityGroups"]:
        twin.put_group(each["OwnerId"], "eu-west-1", each)
    return twin


def test_the_story_of_the_page_plays_as_it_is_told(folder: Path) -> None:
    del folder
    status = None
    for block in STORY:
        for step in steps(block):
            if step.command == "echo $?":
                assert step.shown == [str(status)]
                continue
            said, status = run(step.command)
            assert shown_pattern(step.shown).fullmatch(said + "\n"), f"$ {step.command}\n{said}"
    assert len(STORY) >= 8


def told(command: str) -> Any:  # noqa: ANN401 - JSON
    said, _ = run(command)
    return json.loads(said[said.index("{") :])


def test_every_key_of_a_plan_is_documented_and_no_other(folder: Path) -> None:
    del folder
    record = told(f"{PLAN} --json")
    (skipped_or_left,) = told(f"{PLAN} --level monitor --json")["left_alone"]
    parts = {
        "plan": record,
        "plan: plan": record["plan"],
        "plan: groups": record["groups"][0],
        "plan: change": record["groups"][0]["change"],
        "plan: left_alone": skipped_or_left,
        "plan: budget": record["budget"],
    }
    for heading, part in parts.items():
        assert set(first_cells(section(PAGE, f"### {heading}"))) == set(part), heading


def test_every_key_of_a_run_is_documented_and_no_other(folder: Path) -> None:
    del folder
    run(f"{PLAN} -o plan.json")
    record = told("sg-compliance apply plan.json --yes --max-percent 100 --json")
    assert set(first_cells(section(PAGE, "### run"))) == set(record)
    assert set(first_cells(section(PAGE, "### run: outcomes"))) == set(record["outcomes"][0])
    dry = told("sg-compliance rollback --group sg-0a1b2c3d4e5f60002 --dry-run --json")["outcomes"][0]
    assert set(dry) - set(record["outcomes"][0]) == {"change"}
    assert set(first_cells(section(PAGE, "## What came of a group"))) == {status.value for status in Status}


def test_every_strategy_is_explained() -> None:
    assert set(first_cells(section(PAGE, "## Strategies"))) == {strategy.value for strategy in Strategy}
