"""Terraform on paper: configurations applied against the provider's schema with no AWS behind it, and what came of it.

The provider on paper is set up by `../shared/terraform/setup.sh` beside the repository. Where that, or Terraform, is
absent, these tests are skipped and say so: `terraform validate` and `terraform test` need nothing of it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.builders import Json

ROOT: Final = Path(__file__).parents[2]
TERRAFORM: Final = ROOT / "terraform"
SETUP: Final = ROOT.parent / "shared" / "terraform" / "setup.sh"
ACCOUNT: Final = "111122223333"
REGION: Final = "us-east-1"
EXTERNAL_ID: Final = "0123456789abcdef0123456789abcdef"
ORGANIZATION: Final = "o-a1b2c3d4e5"
_SECONDS: Final = 120


@dataclass(frozen=True)
class Applied:
    """What Terraform has in its state after an apply."""

    resources: tuple[Json, ...]
    outputs: Json

    def of(self, kind: str, name: str = "", module: str = "") -> dict[str, Json]:
        """The values of the resources of a type by their key in `for_each`, or by their name where they have none."""
        return {
            str(each["index"]): each["values"]
            for each in self.resources
            if each["mode"] == "managed"
            and each["type"] == kind
            and name in {"", each["name"]}
            and each["address"].startswith(module)
        }

    def one(self, kind: str, name: str = "", module: str = "") -> Json:
        """The only one."""
        (found,) = self.of(kind, name, module).values()
        return found

    def documents(self) -> Iterator[tuple[str, Json]]:
        """Every policy document of IAM's kind that is set on a resource, by the resource's address."""
        for each in self.resources:
            for key in ("policy", "assume_role_policy"):
                text = each["values"].get(key)
                if each["mode"] == "managed" and text and each["type"] != "aws_sqs_queue_redrive_allow_policy":
                    yield each["address"], json.loads(text)


class Workshop:
    """A copy of the folder, in which Terraform works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = {**_clean(), "TF_CLI_CONFIG_FILE": _provider(), "CHECKPOINT_DISABLE": "1"}
        left_out = shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars")
        shutil.copytree(TERRAFORM, folder / "terraform", ignore=left_out)
        (folder / "config").mkdir()
        shutil.copy(ROOT / "config" / "security_policies.json", folder / "config")
        (folder / "dist").mkdir()
        for architecture in ("arm64", "x86_64"):
            with zipfile.ZipFile(folder / "dist" / f"sg-compliance-lambda-{architecture}.zip", "w") as package:
                package.writestr("nothing.txt", "nothing")

    def run(self, *arguments: str, where: str = "", fails: bool = False, account: str = ACCOUNT) -> str:
        """Run Terraform in a folder below, as somebody in the account; what it said."""
        done = subprocess.run(
            [str(shutil.which("terraform")), *arguments],
            cwd=self.folder / "terraform" / where,
            env={**self._environment, "PAPER_ACCOUNT": account},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert bool(done.returncode) is fails, said
        return said if fails else done.stdout

    def apply(self, state: str, variables: Mapping[str, object], where: str = "", account: str = ACCOUNT) -> Applied:
        """Apply a configuration on paper."""
        place = self.folder / f"{state}.tfstate"
        given = [f"-var={name}={_written(value)}" for name, value in variables.items()]
        self.run("get", "-no-color", where=where)
        options = ("-no-color", "-auto-approve", "-lock=false", f"-state={place}")
        self.run("apply", *options, *given, where=where, account=account)
        return _applied(json.loads(place.read_text(encoding="utf-8")))


def _applied(state: Json) -> Applied:
    outputs = {name: each["value"] for name, each in state["outputs"].items()}
    return Applied(tuple(_resources(state)), outputs)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _resources(state: Json) -> Iterator[Json]:
    """What is in a state file, of all modules (Terraform's own format, version 4)."""
    for each in state["resources"]:
        place = f"{each['module']}." if "module" in each else ""
        for instance in each["instances"]:
            yield {
                "mode": each["mode"],
                "type": each["type"],
                "name": each["name"],
                "index": instance.get("index_key", each["name"]),
                "address": f"{place}{each['type']}.{each['name']}",
                "values": instance["attributes"],
            }


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_", "PAPER_"))}


def _provider() -> str:
    """Where Terraform finds the provider on paper. Skips the tests where there is none."""
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed here: nothing of terraform/ is tested")
    if not SETUP.is_file():
        pytest.skip("the provider on paper is not here (../shared/terraform/setup.sh): terraform/ is not applied")
    done = subprocess.run(
        [str(shutil.which("bash")), str(SETUP)], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        pytest.skip(f"the provider on paper could not be set up: {done.stderr[-300:]}")
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("export TF_CLI_CONFIG_FILE=")]
    return shlex.split(line.removeprefix("export "))[0].partition("=")[2]


def statements(document: Json, effect: str = "Allow") -> list[Json]:
    """The statements of a policy with this effect."""
    return [each for each in document["Statement"] if each["Effect"] == effect]


def listed(value: Any) -> list[str]:  # noqa: ANN401  JSON
    """A list, where IAM takes one text for a list of one."""
    return [value] if isinstance(value, str) else list(value)


def actions(document: Json, effect: str = "Allow") -> frozenset[str]:
    """All actions that a policy allows, or denies."""
    return frozenset(action for each in statements(document, effect) for action in listed(each["Action"]))
