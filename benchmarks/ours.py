"""The only file of the benchmarks that knows our tool: how it is asked, as a library and as a command.

The judge is timed with everything that stands between AWS's dicts and findings: translation, resolving the policy for
the group's account and environment, evaluation, the findings with their evidence and smallest change. Reading and
printing are not in it; the file and live cases measure the command as a whole.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.groups import PREFIX_LISTS, Group

Judge = Callable[[Sequence[Group]], Counter[str]]


_PAGE = 500
_NEEDED = {
    "evaluation": "sg_compliance.evaluation.evaluate",
    "file": "sg_compliance.entrypoints.cli.scan",
    "snapshot": "sg_compliance.local.parquet_file",
    "live": "sg_compliance.entrypoints.cli.scan",
    "start": "sg_compliance.__main__",
}


def missing(section: str) -> str | None:
    """Say what the package lacks for a section, or None; imports no more than packages: who measures stays small."""
    module = _NEEDED[section]
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return None if all(find_spec(name) for name in names) else f"no {module} yet"


def version() -> str:
    """Return the version of the package under measurement."""
    if find_spec("sg_compliance") is None:
        return "not installed"
    from sg_compliance import __version__  # noqa: PLC0415  the other cases run without it

    return __version__


def judge(policy_document: dict[str, Any]) -> Judge:
    """Return a function from a page of AWS's dicts to the number of findings by rule id."""
    from sg_compliance.aws import translate  # noqa: PLC0415  the measuring process never judges
    from sg_compliance.evaluation.evaluate import Evaluator  # noqa: PLC0415
    from sg_compliance.policy.parse import parse_policy  # noqa: PLC0415
    from sg_compliance.policy.resolve import Policy  # noqa: PLC0415

    policy = Policy(parse_policy(json.dumps(policy_document), "thirty-questions.json").document)
    evaluator = Evaluator(policy, datetime.now(tz=UTC))
    prefix_lists = _prefix_lists()

    def judged(page: Sequence[Group]) -> Counter[str]:
        translated = map(translate.security_group, page)
        return Counter(finding.rule_id for group in translated for finding in evaluator.evaluate(group, prefix_lists))

    return judged


def write_snapshot(path: Path, items: Iterable[Group]) -> None:
    """Write the groups, and the prefix lists that they refer to, as `snapshot --output NAME.parquet` does."""
    from sg_compliance.aws import render, translate  # noqa: PLC0415  the measuring process stays small
    from sg_compliance.interfaces import Page  # noqa: PLC0415
    from sg_compliance.local.snapshot_file import open_parquet  # noqa: PLC0415

    prefix_lists = _prefix_lists()
    translated = map(translate.security_group, items)
    with open_parquet(path, render, {}, replace=True) as snapshot:
        while page := list(islice(translated, _PAGE)):
            snapshot.add(Page(page, prefix_lists))


def _prefix_lists() -> dict[str, Any]:
    from sg_compliance.aws import translate  # noqa: PLC0415

    return {
        list_id: translate.prefix_list(
            {"PrefixListId": list_id, "PrefixListName": name}, [{"Cidr": cidr} for cidr in cidrs]
        )
        for list_id, (name, cidrs) in PREFIX_LISTS.items()
    }


def help_command() -> list[str]:
    """Return the command whose start-up is measured."""
    return _command("--help")


def file_command(file: Path, lists: Path, policy: Path) -> list[str]:
    """Return the command that judges a file of groups, with the prefix lists that they refer to."""
    return _command(
        "scan", "--from", str(file), "--from", str(lists), "--policy", str(policy), "--format", "jsonl", "--quiet"
    )


def snapshot_command(file: Path, policy: Path) -> list[str]:
    """Return the command that judges a snapshot in Parquet, which holds its prefix lists."""
    return _command("scan", "--from", str(file), "--policy", str(policy), "--format", "jsonl", "--quiet")


def live_command(endpoint: str, policy: Path) -> list[str]:
    """Return the command that scans an account behind `endpoint`."""
    return _command("scan", "--endpoint-url", endpoint, "--policy", str(policy), "--format", "jsonl", "--quiet")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sg_compliance", *arguments]
