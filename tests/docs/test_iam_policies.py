"""The policies of roles on the pages are those that `sg-compliance iam` prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

from sg_compliance.entrypoints.cli import app

if TYPE_CHECKING:
    from tests.builders import Json

DOCS: Final = Path(__file__).parents[2] / "docs"
AUDIT: Final = "arn:aws:iam::123456789012:role/security-audit"


def documents(page: str, heading: str) -> list[Json]:
    """The JSON under a heading."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    own = re.split(r"^#{1,3} ", text, flags=re.MULTILINE)[0]
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", own, re.DOTALL | re.MULTILINE)]


def printed(options: str) -> Any:  # noqa: ANN401  JSON
    done = CliRunner().invoke(app, ["iam", *shlex.split(options)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("page", "heading", "commands"),
    [
        ("permissions.md", "## To change groups", ["policy --role remediate"]),
        ("permissions.md", "## To contain", ["policy --role contain"]),
        (
            "scanning.md",
            "### The role in each account",
            [f"trust --principal {AUDIT} --external-id a-long-random-text-of-your-own", "policy --role scan"],
        ),
    ],
)
def test_a_policy_on_the_page_is_what_is_printed(page: str, heading: str, commands: list[str]) -> None:
    assert documents(page, heading) == [printed(each) for each in commands]
