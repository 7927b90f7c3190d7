"""What the commands share that look after the state: their shape, and what they say where nothing is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.errors import InputError


def commands(about: str) -> typer.Typer:
    """Several commands under one name."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def there(state: State) -> State:
    """The state, which must be there: what is asked for by its id is looked for nowhere else. Raises InputError."""
    from sg_compliance.bootstrap.upkeep import anything_kept

    if not anything_kept(state):
        raise nothing_kept(state)
    return state


def nothing_kept(state: State, what: str = "nothing") -> InputError:
    """That it is not there, or nothing is in it: what was to be checked is probably somewhere else."""
    from sg_compliance.errors import InputError

    said = f"{what} is kept in {state.place()}: is that the right place?"
    return InputError(said, hint="say where it is kept: --state PLACE")


def named(text: str | None, option: str) -> str:
    """What a list is narrowed to; all where it is left out. An empty value would be taken for "all of them"."""
    if text is not None and not text.strip():
        raise typer.BadParameter("an empty value; leave it out to ask for all of them", param_hint=option)
    return text or ""


def write_json(value: Any) -> None:  # noqa: ANN401 - JSON
    """Write a result as JSON."""
    import json

    from sg_compliance.entrypoints.cli.terminal import write_text

    write_text([json.dumps(value, indent=2), "\n"])


def write_nothing_kept(state: State, *, as_json: bool) -> None:
    """Say that nothing is kept: as the result for people, beside it for machines."""
    from rich.text import Text

    from sg_compliance.entrypoints.cli.terminal import out, talk
    from sg_compliance.model.visible import visible

    console = talk() if as_json else out()
    console.print(Text(f"nothing is kept in {visible(state.place())} yet"))


def write_no_journal(state: State, what: str, *, as_json: bool) -> None:
    """Say that there is no record of this, which is not the same as that nothing happened."""
    from rich.text import Text

    from sg_compliance.bootstrap.upkeep import JOURNAL
    from sg_compliance.entrypoints.cli.terminal import out, talk
    from sg_compliance.model.visible import visible

    place = visible(state.place())
    if state.exists():
        has_file = (Path(state.place()) / JOURNAL).exists()
        why = f"its {JOURNAL} is empty" if has_file else f"there is no {JOURNAL} in it"
        said = f"no record {what} is kept in {place} yet: {why}"
    else:
        said = f"nothing is kept in {place} yet: there is no such folder"
    console = talk() if as_json else out()
    console.print(Text(said))
    talk().print(Text.assemble(("help: ", "cyan"), "if it is kept somewhere else, say where: --state PLACE"))
