"""Holds source code to the layers that docs/architecture.md draws: text in, complaints out.

Every import counts: inside functions, relative, for type checkers only, and `import_module("…")` with a literal name.
Not seen: a module name that is computed at run time.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "sg_compliance"
PURE = frozenset({"model", "policy", "evaluation", "enforcement", "realtime", "reports"})
STANDARD_LIBRARY_ONLY = frozenset({"errors", "model"})
FOR_TYPES_ONLY = frozenset({"numpy"})
"""What rooms of the standard library may name in annotations, and never load."""
EFFECTS = frozenset(
    {
        *("asyncio", "boto3", "http", "importlib.resources", "logging", "multiprocessing", "os", "pathlib", "random"),
        *("requests", "secrets", "shutil", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time"),
        *("urllib.request", "urllib3"),
    }
)
CLOCKS = frozenset({"now", "utcnow", "today"})
AWS_LIBRARIES = ("boto3", "botocore", "mypy_boto3_")
WIRED_BY_BOOTSTRAP = frozenset({"aws", "local", "testing"})
DRAWERS = frozenset({"utils", "util", "helpers", "helper", "common", "shared", "base", "core", "misc"})


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the package: `module` is its dotted name, `sg_compliance.aws.ec2`."""

    module: str
    text: str
    is_package: bool = False

    @property
    def room(self) -> str:
        """The layer it belongs to; empty for the package's own `__init__`."""
        return room_of(self.module)


def room_of(module: str) -> str:
    """The second part of a dotted name: `aws` for `sg_compliance.aws.ec2`."""
    return [*module.split("."), ""][1]


def read_layers(document: str) -> dict[str, int]:
    """Room → how deep it stands, 0 on top, from the ```layers block."""
    block = re.search(r"^```layers\n(.+?)^```", document, re.MULTILINE | re.DOTALL)
    if not block:
        message = "docs/architecture.md has no ```layers block"
        raise ValueError(message)
    lines = block[1].splitlines()
    return {room.strip(): depth for depth, line in enumerate(lines) for room in line.split("|")}


def imported_modules(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a file imports; `from a import b` is `a.b`."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(source, node)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _name(node.func).endswith(("import_module", "__import__")):
            literals = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield from ((node.lineno, literal) for literal in literals)


def complaints(source: Source, layers: dict[str, int]) -> list[str]:
    """All that a file does that its room may not do."""
    found = [*_misplaced(source, layers)]
    annotating = _lines_for_type_checkers(source)
    for line, module in imported_modules(source):
        if not (module.split(".")[0] in FOR_TYPES_ONLY and line in annotating):
            found += [f"{source.module}:{line}: {text}" for text in _import_complaints(source, module, layers)]
    if source.room in PURE:
        found += [f"{source.module}:{line}: {call} in the pure room {source.room}" for line, call in _effects(source)]
    return found


def _lines_for_type_checkers(source: Source) -> frozenset[int]:
    """The lines that stand under `if TYPE_CHECKING:`."""
    return frozenset(
        line
        for node in ast.walk(ast.parse(source.text))
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"
        for each in node.body
        for line in range(each.lineno, (each.end_lineno or each.lineno) + 1)
    )


def _misplaced(source: Source, layers: dict[str, int]) -> Iterator[str]:
    for part in source.module.split("."):
        if part in DRAWERS:
            yield f"{source.module}: a drawer called {part}: put each thing beside its noun"
    if source.room not in {"", "__main__"} and source.room not in layers:
        yield f"{source.module}: {source.room} is no layer of docs/architecture.md"


def _import_complaints(source: Source, module: str, layers: dict[str, int]) -> Iterator[str]:
    room, top = source.room, module.split(".", maxsplit=1)[0]
    if top == PACKAGE:
        yield from _layer_complaints(room, room_of(module), layers)
    elif room in STANDARD_LIBRARY_ONLY and top not in sys.stdlib_module_names:
        yield f"{room} imports {top}: standard library only"
    if module.startswith(AWS_LIBRARIES) and room != "aws":
        yield f"{module} is imported outside aws/"
    if room in PURE and any(f"{module}.".startswith(f"{effect}.") for effect in EFFECTS):
        yield f"the pure room {room} imports {module}"


def _layer_complaints(room: str, target: str, layers: dict[str, int]) -> Iterator[str]:
    if target in {"", "__version__", room}:
        return
    if room == "":
        yield f"the package's __init__ imports {target}: importing it must do no work"
    elif target not in layers:
        yield f"{room} imports {target}, which is no layer of docs/architecture.md"
    elif target in WIRED_BY_BOOTSTRAP and room != "bootstrap":
        yield f"{room} imports {target}: only bootstrap wires adapters"
    elif room in layers and layers[target] <= layers[room]:
        yield f"{room} imports {target}, which does not stand below it"


def _effects(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source.text)):
        if not isinstance(node, ast.Call):
            continue
        owner, _, name = _name(node.func).rpartition(".")
        if (name == "open" and not owner) or (name in CLOCKS and owner.split(".")[-1] in {"date", "datetime"}):
            yield node.lineno, f"{owner}.{name}()".lstrip(".")


def _origin(source: Source, node: ast.ImportFrom) -> str:
    """The absolute name of what stands after `from`."""
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    kept = parts[: len(parts) - node.level + source.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _name(node: ast.expr) -> str:
    """The dotted name of an expression, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
