"""The options of the commands that plan: which findings and groups, and how they are decided about."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from sg_compliance.entrypoints.cli.options import SeverityName


class StrategyName(StrEnum):
    """How findings are closed, the strongest first."""

    LOCKDOWN = "lockdown"
    REVOKE_VIOLATING = "revoke_violating"
    TRIM = "trim"


class Level(StrEnum):
    """The enforcement levels as words."""

    DISABLED = "disabled"
    MONITOR = "monitor"
    WARN = "warn"
    ENFORCE = "enforce"


Severity = Annotated[SeverityName, typer.Option(help="Only findings of this severity or worse are acted on.")]
Rules = Annotated[list[str] | None, typer.Option("--rule", metavar="RULE_ID", help="Only this rule. Can be repeated.")]


def _named(values: list[str] | None) -> list[str]:
    """Ids or names. An empty one is an error: it would select nothing, or be taken for all of them."""
    if values and "" in map(str.strip, values):
        raise typer.BadParameter("an empty value; leave the option out to ask for all groups")
    return values or []


Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group", metavar="GROUP", callback=_named, help="Only this group: its id (sg-…) or name. Can be repeated."
    ),
]
Strategy = Annotated[
    StrategyName | None, typer.Option("--strategy", help="In place of what rule, account and policy say.")
]
Automatic = Annotated[
    bool, typer.Option("--automatic", help="As an unattended run decides: grace periods and approvals count.")
]
LevelOption = Annotated[Level | None, typer.Option("--level", help="In place of each account's enforcement_level.")]
DespiteHold = Annotated[
    bool, typer.Option("--despite-hold", help="Groups too that were rolled back a short while ago.")
]
History = Annotated[
    Path | None,
    typer.Option("--history", metavar="FILE", help="SQLite file of `scan --history`: ages count from there."),
]
MaxGroups = Annotated[int, typer.Option("--max-groups", min=1, help="Most groups that one run may change.")]
MaxPercent = Annotated[
    float, typer.Option("--max-percent", min=0, max=100, help="Most of an account's groups, in percent.")
]
MAX_GROUPS: Final = 25
MAX_PERCENT: Final = 10.0
