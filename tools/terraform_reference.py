"""Writes the reference in terraform/README.md: variables and outputs of the deployment and of the module for accounts.

`python tools/terraform_reference.py` rewrites what stands below the marker and leaves the text above it alone. A test
in tests/terraform fails when the file is not in step.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TERRAFORM: Final = Path(__file__).parents[1] / "terraform"
PAGE: Final = TERRAFORM / "README.md"
MARKER: Final = "<!-- Below: written by tools/terraform_reference.py from variables.tf and outputs.tf. -->"
PARTS: Final = {"The deployment": ".", "An account: modules/member-account": "modules/member-account"}
_BLOCK: Final = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^# ---- (.+) ----$", re.MULTILINE)
_SIMPLE: Final = re.compile(r"^(string|number|bool|(list|set|map)\(string\))$")


class Entry(NamedTuple):
    """A variable or an output. `default` is as it is written, None where one has to be given."""

    name: str
    description: str
    type: str = ""
    default: str | None = None
    heading: str = ""
    messages: tuple[str, ...] = ()


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(in_step(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE}")


def in_step(page: str) -> str:
    """The page with the reference of today."""
    return f"{page.partition(MARKER)[0]}{MARKER}\n\n{reference()}"


def reference() -> str:
    """Every variable and every output."""
    return "\n".join(line for title, folder in PARTS.items() for line in _section(title, TERRAFORM / folder))


def variables(folder: Path) -> list[Entry]:
    """The variables of a module, in their order."""
    return list(_entries(folder / "variables.tf"))


def outputs(folder: Path) -> list[Entry]:
    """The outputs of a module, in their order."""
    return list(_entries(folder / "outputs.tf"))


def _entries(path: Path) -> Iterator[Entry]:
    text = path.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        headings = _HEADING.findall(text, 0, block.start())
        yield Entry(
            name=block[2],
            description=_value(block[3], "description").strip('"').replace('\\"', '"'),
            type=_type(block[3]),
            default=_value(block[3], "default") or None,
            heading=headings[-1] if headings else "",
            messages=tuple(re.findall(r'^    error_message = "(.*)"$', block[3], re.MULTILINE)),
        )


def _value(body: str, key: str) -> str:
    """What stands on the line of an argument."""
    found = re.search(rf"^  {key}\s*= (.+)$", body, re.MULTILINE)
    return found[1] if found else ""


def _type(body: str) -> str:
    """The type where it is one line; else its kind: the file says what is in it."""
    said = _value(body, "type")
    return said if not said or _SIMPLE.match(said) else said.partition("(")[0]


def _section(title: str, folder: Path) -> Iterator[str]:
    yield f"## {title}\n"
    yield "### Inputs\n"
    heading = None
    for each in variables(folder):
        if each.heading != heading:
            if heading is not None:
                yield ""
            heading = each.heading
            if heading:
                yield f"**{heading}**\n"
            yield "| variable | type | default | what it says |"
            yield "|---|---|---|---|"
        default = "needed" if each.default is None else f"`{each.default}`"
        yield f"| `{each.name}` | {each.type} | {default} | {_cell(each.description)} |"
    yield "\n### Outputs\n"
    yield "| output | what it is |"
    yield "|---|---|"
    for each in outputs(folder):
        yield f"| `{each.name}` | {_cell(each.description)} |"
    yield ""


def _cell(text: str) -> str:
    """A description as a cell of a table."""
    return text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


if __name__ == "__main__":
    main()
