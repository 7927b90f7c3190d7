"""Which adapters a function of the deployment can reach, read from the code: so the roles are held to what is called.

A name counts for every function and method of that name in the files that wire a deployment. That is more than is
really called, never less.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.terraform.paper import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTIONS: Final = ("scan", "respond", "recheck", "digest")
_ROOM: Final = "sg_compliance.aws."
_FILES: Final = (
    "entrypoints/lambda_handler.py",
    "bootstrap/deployed.py",
    "bootstrap/__init__.py",
    "bootstrap/board.py",
)

ONLY_SENT: Final = "SENDING"
"""Of `sqs`: messages are taken by Lambda, and second looks and dead letters are sent by us."""
NOT_CALLED: Final[Mapping[str, str]] = {
    "ssm:PutParameter": "people pause and resume by the command: a function that was taken over could not resume",
    "sts:GetCallerIdentity": "needs no permission",
}
OF_LAMBDA: Final = frozenset({"logs:CreateLogStream", "logs:PutLogEvents"})
OF_A_QUEUE: Final = frozenset({"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"})
"""What Lambda asks of an execution role (Lambda developer guide, CloudWatch Logs, SQS)."""
TAKES_MESSAGES: Final = ("respond", "recheck")


@cache
def _named() -> dict[str, list[ast.FunctionDef]]:
    found: dict[str, list[ast.FunctionDef]] = {}
    for name in _FILES:
        tree = ast.parse((ROOT / "src" / "sg_compliance" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


@cache
def adapters_of(function: str) -> frozenset[str]:
    """The modules of aws/ that the function can reach."""
    waiting, seen, modules = ["_function", f"_{function}"], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in (inner for each in _named().get(name, ()) for inner in ast.walk(each)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_ROOM):
                modules.add(str(node.module).removeprefix(_ROOM))
            elif isinstance(node, ast.Name):
                waiting.append(node.id)
            elif isinstance(node, ast.Attribute):
                waiting.append(node.attr)
    return frozenset(modules)


def actions_of(module: str) -> frozenset[str]:
    """What an adapter calls, as a function of the deployment uses it."""
    found = importlib.import_module(f"{_ROOM}{module}")
    declared: frozenset[str] = getattr(found, ONLY_SENT if module == "sqs" else "IAM_ACTIONS", frozenset())
    return declared


def needed_by(function: str, *without: str) -> frozenset[str]:
    """The actions that the function's role has to allow; `without` adapters that its switches leave unused."""
    modules = adapters_of(function) - set(without)
    called = frozenset().union(*map(actions_of, modules)) - NOT_CALLED.keys()
    return called | OF_LAMBDA | (OF_A_QUEUE if function in TAKES_MESSAGES else frozenset())
