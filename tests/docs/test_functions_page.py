"""The page about the functions is held to the code. (PAGE and HEADING levels as the page has them.)"""

from __future__ import annotations

import re
from pathlib import Path

from sg_compliance.bootstrap.settings import VARIABLES, settings_of
from sg_compliance.model.metric import MetricName
from tests.unit.test_settings import LEAST

PAGE = Path(__file__).parents[2] / "docs" / "realtime.md"


def rows(heading: str) -> list[list[str]]:
    """The rows of the tables under a heading, without their heads."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, heading
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def test_every_variable_is_in_the_table_and_no_other() -> None:
    assert [row[0].strip("`") for row in rows("Settings")] == list(
        dict.fromkeys(row[0].strip("`") for row in rows("Settings"))
    )
    assert {row[0].strip("`") for row in rows("Settings")} == set(VARIABLES)


def test_what_is_left_out_is_as_the_table_says() -> None:
    settings = settings_of(LEAST)
    for variable, _, default in rows("Settings"):
        value = getattr(settings, variable.strip("`").removeprefix("SG_COMPLIANCE_").lower())
        said = re.fullmatch(r"`([^`]+)`", default.strip())
        if said and not variable.strip("`").endswith("LOG_LEVEL_PARAMETER"):
            shown = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
            assert said[1] in {shown, "5m"}, variable
        elif "needed" in default and "real time" not in default:
            assert variable.strip("`") in LEAST


def test_every_figure_is_in_the_table_with_its_unit_and_no_other() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows("Figures")}
    assert listed == {name.value: name.unit.value for name in MetricName}
