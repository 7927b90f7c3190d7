"""The Lambda's package: it runs where there is nothing but it and AWS's runtime, and it is always the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.imports import PACKAGE, Source, imported_modules
from tests.e2e.emulated.places import ROOT, clean_command, runtime_packages, unpacked
from tools.package import HERE, LOCK, NOT_SHIPPED, assemble, fetch, folder, main, requirements

pytestmark = pytest.mark.e2e

IMPORT_ALL: Final = """
import importlib, json, pathlib, sys
top, failed, names = pathlib.Path(sys.argv[1]), {}, []
for path in sorted((top / "sg_compliance").rglob("*.py")):
    name = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
    names.append(name)
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
import aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.batch
from sg_compliance.bootstrap import load_policy, shipped_policies
for policy in shipped_policies():
    load_policy(policy)
print(json.dumps({"names": names, "failed": failed, "policies": len(shipped_policies()), "path": sys.path}))
"""
"""Run in a Python of its own: imports everything of ours that is in the package, and reads every policy."""
FASTER: Final = (
    *(f"sg_compliance.aws.ec2_{each}" for each in ("columns", "layout", "page", "paths", "texts")),
    *(f"sg_compliance.evaluation.{each}" for each in ("rows", "screen", "sieve")),
    *(f"sg_compliance.local.parquet_{each}" for each in ("file", "page", "rules", "schema", "snapshot")),
)
ARRAYS: Final = ("numpy", "pyarrow")
"""What looks at many groups at once with NumPy, which is not in the package: without it all is done, one by one."""
FILES_AND_DEMO: Final = {
    ("sg_compliance.bootstrap", "sg_compliance.local.files"),
    ("sg_compliance.bootstrap", "sg_compliance.testing.moto_server"),
    ("sg_compliance.bootstrap", "sg_compliance.testing.organisation"),
}
"""What is left out and yet imported, by functions of `bootstrap` that only the command line calls."""
LARGEST: Final = 30_000_000


def entries(package: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(package) as archive:
        return archive.infolist()


def names(package: Path) -> set[str]:
    return {entry.filename for entry in entries(package)}


def test_all_that_is_in_the_package_can_be_imported_where_there_is_only_awss_runtime(
    lambda_package: Path, tmp_path: Path
) -> None:
    code, runtime = unpacked(lambda_package, tmp_path / "code"), runtime_packages(tmp_path / "runtime")
    command, environment = clean_command(code, runtime, arguments=["-c", IMPORT_ALL, str(code)])
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert set(said["failed"]) == set(FASTER)
    assert set(said["failed"].values()) <= {repr(ModuleNotFoundError(f"No module named {each!r}")) for each in ARRAYS}
    handlers = [each for each in (ROOT / "src/sg_compliance/entrypoints").glob("*.py") if each.stem != "__init__"]
    assert {f"sg_compliance.entrypoints.{each.stem}" for each in handlers} <= set(said["names"])
    assert {"sg_compliance.aws.session", "sg_compliance.bootstrap", "sg_compliance.workflows.apply"} <= set(
        said["names"]
    )
    assert said["policies"] == 1 + len(list((ROOT / "config" / "policies").glob("*.json")))
    assert not [path for path in said["path"] if path.endswith(("site-packages", "/src"))]


def test_nothing_in_it_imports_what_was_left_out_but_what_reads_files_and_the_demo(
    lambda_package: Path, tmp_path: Path
) -> None:
    """Imports inside functions count too: those are what a handler would miss first in production."""
    shipped, ours = modules(unpacked(lambda_package, tmp_path / "code")), modules(ROOT / "src")
    assert {"sg_compliance.entrypoints.lambda_handler", "sg_compliance.reports.machine"} <= shipped.keys()
    missing = {
        (name, module)
        for name, path in shipped.items()
        for _, imported in imported_modules(Source(name, path.read_text("utf-8"), path.stem == "__init__"))
        if (module := imported if imported in ours else imported.rpartition(".")[0]) in ours.keys() - shipped.keys()
    }
    assert missing == FILES_AND_DEMO


def modules(top: Path) -> dict[str, Path]:
    """Our modules in a folder, by their names."""
    files = (top / PACKAGE).rglob("*.py")
    return {".".join(each.relative_to(top).with_suffix("").parts).removesuffix(".__init__"): each for each in files}


def test_it_is_the_same_on_every_run_wherever_and_whenever_it_is_built(lambda_package: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "again.zip"
    assemble(folder(HERE), again)
    assert again.read_bytes() == lambda_package.read_bytes()
    order = [entry.filename for entry in entries(again)]
    assert order == sorted(set(order))
    assert {(entry.date_time, entry.external_attr >> 16, entry.create_system) for entry in entries(again)} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, 3)
    }


def test_times_and_modes_of_the_files_do_not_matter(tmp_path: Path) -> None:
    def made(name: str, when: int, mode: int, *, backwards: bool) -> bytes:
        top = tmp_path / name
        top.mkdir()
        for each in sorted("ab", reverse=backwards):
            (top / f"{each}.py").write_text(each, encoding="utf-8")
            (top / f"{each}.py").chmod(mode)
            os.utime(top / f"{each}.py", (when, when))
        assemble(top, tmp_path / f"{name}.zip")
        return (tmp_path / f"{name}.zip").read_bytes()

    assert made("one", 0, 0o600, backwards=False) == made("two", 1_700_000_000, 0o755, backwards=True)


def test_it_is_small_and_holds_no_more_than_it_needs(lambda_package: Path) -> None:
    assert sum(entry.file_size for entry in entries(lambda_package)) < LARGEST
    tops = {name.partition("/")[0] for name in names(lambda_package)}
    brought = {"boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six.py"}
    assert not tops & (brought | {"rich", "typer", "ijson", "click", "moto", "bin"})
    assert {"sg_compliance", "pydantic", "pydantic_core", "aws_lambda_powertools", "jmespath", "yaml"} <= tops
    unwanted = re.compile(r"__pycache__|\.pyc$|(^|/)tests?/|sg_compliance/(testing|entrypoints/cli)/|/RECORD$|\.stamp$")
    assert [name for name in names(lambda_package) if unwanted.search(name)] == []


def test_it_holds_our_code_and_policies_as_they_are(lambda_package: Path) -> None:
    with zipfile.ZipFile(lambda_package) as archive:
        session = archive.read("sg_compliance/aws/session.py")
        policy = archive.read("sg_compliance/policy/shipped/security_policies.json")
    assert session == (ROOT / "src/sg_compliance/aws/session.py").read_bytes()
    assert policy == (ROOT / "config/security_policies.json").read_bytes()


def test_the_lock_is_what_the_project_asks_for_without_what_is_not_shipped() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    asked = {re.split(r"[<>=]", each)[0].lower() for each in requirements()}
    assert "aws-lambda-powertools" in asked
    assert asked <= locked
    assert not locked & set(NOT_SHIPPED)


def test_it_is_for_the_same_versions_as_those_that_the_tests_import() -> None:
    pinned = [
        dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
        for lock in ("requirements-lambda.lock", "requirements-dev.lock")
    ]
    assert pinned[0].items() <= pinned[1].items()


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that would have been run; nothing is fetched, and what is there stays."""
    asked: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> None:
        assert check
        asked.append(command)
        Path(command[command.index("--target") + 1]).mkdir(parents=True)

    monkeypatch.setattr("tools.package.UNPACKED", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    return asked


@pytest.mark.parametrize(("arch", "platform"), [("arm64", "manylinux2014_aarch64"), ("x86_64", "manylinux2014_x86_64")])
def test_wheels_are_asked_for_by_hash_for_awss_linux_and_python(
    arch: str, platform: str, pip: list[list[str]], tmp_path: Path
) -> None:
    assert fetch(arch, "3.12") == tmp_path / f"{arch}-3.12"
    (command,) = pip
    pairs = set(pairwise(command))
    assert {("--platform", platform), ("--python-version", "3.12"), ("--only-binary", ":all:")} <= pairs
    assert {("-r", str(LOCK)), ("--implementation", "cp")} <= pairs
    assert {"--require-hashes", "--no-deps"} <= set(command)


def test_for_this_machine_pip_chooses_the_wheels(pip: list[list[str]]) -> None:
    fetch(HERE)
    assert "--require-hashes" in pip[0]
    assert not {"--platform", "--python-version"} & set(pip[0])


def test_what_is_unpacked_is_fetched_again_only_when_the_lock_has_changed(
    pip: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = fetch("arm64", "3.12") / "left over"
    left.touch()
    fetch("arm64", "3.12")
    assert len(pip) == 1
    other = tmp_path / "requirements.lock"
    other.write_text("changed", encoding="utf-8")
    monkeypatch.setattr("tools.package.LOCK", other)
    fetch("arm64", "3.12")
    assert len(pip) == 2
    assert not left.exists()


def test_the_requirements_are_printed_for_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--requirements"])
    assert capsys.readouterr().out.splitlines() == requirements()


def test_the_tool_runs_by_path() -> None:
    ran = subprocess.run([sys.executable, "tools/package.py", "--help"], cwd=ROOT, capture_output=True, check=True)
    assert b"--arch" in ran.stdout
