"""Commands in hints are completed: with the options that were given, as far as each command takes them."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from sg_compliance.entrypoints.cli import app
from sg_compliance.reports.again import TAKEN, completed

ALL = (
    " --state 'my state' --table t --kms-key k --pause-parameter /p --topic arn --profile p"
    " --endpoint-url http://x --external-id 'x y' --change-role-name r"
)


def options_of(name: str) -> set[str]:
    command: Any = get_command(app)
    for part in name.split():
        command = command.commands[part]
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("command", TAKEN)
def test_a_command_is_given_every_option_that_it_takes_and_no_other(command: str) -> None:
    mentioned = {part for part in completed(f"sg-compliance {command}", ALL).split() if part.startswith("--")}
    assert mentioned == options_of(command) & {part for part in ALL.split() if part.startswith("--")}


def test_a_hint_stays_a_sentence() -> None:
    again = " --state 'my state'"
    assert completed("find out who does: sg-compliance history sg-1, and CloudTrail", again) == (
        "find out who does: sg-compliance history sg-1 --state 'my state', and CloudTrail"
    )
    assert completed(
        "finish it (sg-compliance apply) or take it back: sg-compliance rollback sg-1-2026Z-0a", again
    ) == (
        "finish it (sg-compliance apply --state 'my state') or take it back: "
        "sg-compliance rollback sg-1-2026Z-0a --state 'my state'"
    )
    assert completed("make a new plan: sg-compliance plan --output FILE", again) == (
        "make a new plan: sg-compliance plan --state 'my state' --output FILE"
    )


def test_what_only_a_person_can_say_has_its_place() -> None:
    assert (
        completed("sg-compliance unprotect sg-1", "") == "sg-compliance unprotect sg-1 --reason TEXT --approved-by NAME"
    )


@pytest.mark.parametrize("hint", ["", "plan again", "sg-compliance policy check FILE", "sg-compliance planet"])
def test_what_shows_no_such_command_stays_as_it_is(hint: str) -> None:
    assert completed(hint, ALL) == hint
