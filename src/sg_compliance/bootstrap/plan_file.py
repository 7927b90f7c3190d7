"""The file of a plan: written whole or not at all, never over what is no file, and read with what is wrong in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sg_compliance.bootstrap import read_text
from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from sg_compliance.enforcement.plan import Plan

_STDOUT: Final = "-"
_MAKE: Final = "make a new plan: sg-compliance plan --output FILE"


def check_target(path: Path, *, replace: bool) -> None:
    """Refuse a path that cannot be written, or not without --force: said before the work, not after it."""
    from sg_compliance.local.durable import no_file

    if str(path) == _STDOUT:
        message = "a plan is written to a file, not to standard output"
        raise InputError(message, hint="give the file a name; --json shows the plan to programs")
    if what := no_file(path):
        message = f"{path}: cannot be written: it is {what}, and no file"
        raise InputError(message, hint="choose another name")
    if not replace and (path.exists() or path.is_symlink()):
        message = f"{path}: there is a file already"
        raise InputError(message, hint="choose another name, or replace it with --force")


def save_plan(plan: Plan, path: Path, *, replace: bool) -> None:
    """Write the plan to a file that only its owner may read, whole or not at all. Raises InputError."""
    from sg_compliance.local import durable

    hint = "choose a folder that can be written to and has room"
    check_target(path, replace=replace)
    if not path.parent.is_dir():
        message = f"{path}: cannot be written: there is no folder {path.parent}"
        raise InputError(message, hint=hint)
    try:
        (durable.replace if replace else durable.write_new)(path, plan.encode().encode())
    except FileExistsError:
        check_target(path, replace=replace)
        raise
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise InputError(message, hint=hint) from error


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises InputError."""
    from sg_compliance.enforcement.plan import decode_plan

    text = read_text(path)
    if problem := _problem(text):
        message = f"{path} cannot be used as a plan: {problem}"
        raise InputError(message, hint=_MAKE)
    try:
        return decode_plan(text, str(path))
    except InputError as error:
        if isinstance(error.__cause__, TypeError | RecursionError):
            message = f"{path} cannot be used as a plan: it is not built as this program writes it"
            raise InputError(message, hint=_MAKE) from error
        raise


def _problem(text: str) -> str:
    """Why the text can be no plan; empty where it may be one."""
    try:
        document = json.loads(text)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return f"it is no JSON: {error}"
    if not isinstance(document, dict):
        return "it is no JSON object"
    if "schema" not in document and "plan" in document:
        return "that is the output of plan --json, which is for other programs; use --output"
    return ""
