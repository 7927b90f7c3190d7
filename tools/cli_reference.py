"""Writes the command reference in docs/cli.md: all that `--help` says of every command, as Markdown.

`python tools/cli_reference.py` rewrites what stands below the marker and leaves the text above it alone. A test in
tests/docs fails when the file is not in step.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typer.main import get_command

from sg_compliance.entrypoints.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parents[1] / "docs" / "cli.md"
MARKER: Final = "<!-- Below: written by tools/cli_reference.py from --help. -->"
NAME: Final = "sg-compliance"
_PLACEHOLDERS: Final = {"<str>": "TEXT", "<path>": "FILE", "<int range>": "N"}


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(in_step(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE}")


def in_step(page: str) -> str:
    """The page with the reference of today."""
    return f"{page.partition(MARKER)[0]}{MARKER}\n\n{reference()}"


def reference() -> str:
    """Every command with its arguments, options and examples."""
    sections = ["\n".join(_section(name, command, context)) for name, command, context in commands()]
    return "\n\n".join(sections) + "\n"


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Each command: what is typed for it, the command, and its context. Groups of commands come first."""
    yield from _below(NAME, get_command(app), None)


def _below(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    context = command.make_context(name.rpartition(" ")[2], [], parent=parent, resilient_parsing=True)
    yield name, command, context
    for below, inner in getattr(command, "commands", {}).items():
        yield from _below(f"{name} {below}", inner, context)


def _section(name: str, command: Any, context: Any) -> Iterator[str]:
    yield f"## {name}\n"
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n"))
    yield ""
    for below, inner in getattr(command, "commands", {}).items():
        yield f"- [`{name} {below}`](#{f'{name} {below}'.replace(' ', '-')}): {_first(inner.help)}"
    if getattr(command, "commands", {}):
        yield ""
    yield "| option | meaning |"
    yield "|---|---|"
    for parameter in command.get_params(context):
        written, meaning = parameter.get_help_record(context)
        yield f"| `{_option(parameter, written)}` | {_cell(meaning)} |"
    examples = (command.epilog or "").partition("Examples:")[2]
    lines = [" ".join(part.split()) for part in examples.split("\n\n") if f"{NAME} " in part]
    if lines:
        yield "\n```bash\n" + "\n".join(lines) + "\n```"


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n", maxsplit=1)[0].split())


def _option(parameter: Any, written: str) -> str:
    """`--from FILE`; an argument under the name that `--help` gives it."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    for typed, plain in _PLACEHOLDERS.items():
        written = written.replace(typed, plain)
    return written.replace("<", "").replace(">", "").replace("|", "\\|")


def _cell(text: str) -> str:
    """Help as a cell of a table: `1<=x<=64` is said in words."""
    said = re.sub(r"(\d+)<=x<=(\d+)", r"\1 to \2", " ".join(text.split()))
    said = re.sub(r"x>=(\d+)", r"\1 or more", said)
    return said.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


if __name__ == "__main__":
    main()
