"""Builds the Lambda's package: `dist/sg-compliance-lambda-<arch>.zip`, the same bytes on every run.

`python tools/package.py --python 3.12 --arch arm64`. What is imported comes from requirements-lambda.lock, by hash, as
wheels for AWS's Linux; boto3 is the runtime's (Lambda developer guide, Python runtimes). `--arch here` is for this
machine and this Python: the tests run it. `--requirements` prints what requirements-lambda.lock is made from.

Left out of the package: what only the command line and the demo need. tests/e2e/test_package.py imports the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src"
LOCK: Final = ROOT / "requirements-lambda.lock"
UNPACKED: Final = ROOT / "build" / "lambda"
HERE: Final = "here"
PLATFORMS: Final = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64", HERE: ""}

NOT_SHIPPED: Final = {
    "boto3": "Lambda's Python runtimes bring it",
    "ijson": "reads snapshots from files",
    "rich": "the terminal's",
    "typer": "the command line's",
}
"""Dependencies of the project that the handlers do not import, and why."""

_OWN_BUT_NOT_SHIPPED: Final = (
    "__main__.py",
    "entrypoints/cli/",
    "local/companions.py",
    "local/documents.py",
    "local/files.py",
    "reports/",
    "testing/",
)
"""What only the command line and the demo import, and what needs a dependency that is not shipped."""
_SHIPPED_ALL_THE_SAME: Final = (
    "reports/__init__.py",
    "reports/machine.py",
    "reports/record.py",
    "reports/untrusted.py",
)
"""The report that `scan` keeps."""
_NOT_RUN: Final = re.compile(
    r"(^|/)(__pycache__|tests?)/|^bin/|\.dist-info/(INSTALLER|RECORD|REQUESTED)$|\.pyi$|\.stamp$"
)
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip can hold."""
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3
_STAMP: Final = ".stamp"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python tools/package.py")
    parser.add_argument("--python", default="3.12", help="the runtime's Python: 3.11, 3.12, … (default: 3.12)")
    parser.add_argument("--arch", choices=PLATFORMS, default="arm64", help="the function's architecture")
    parser.add_argument("--dependencies-only", action="store_true", help="unpack what it imports, build nothing")
    parser.add_argument("--requirements", action="store_true", help="print what requirements-lambda.lock is made from")
    asked = parser.parse_args(arguments)
    if asked.requirements:
        print("\n".join(requirements()))
        return
    imported = fetch(asked.arch, asked.python)
    if asked.dependencies_only:
        return
    output = ROOT / "dist" / f"sg-compliance-lambda-{asked.arch}.zip"
    unpacked = assemble(imported, output)
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    megabytes = output.stat().st_size / 1e6
    print(f"wrote {output.relative_to(ROOT)}: {megabytes:.1f} MB, {unpacked / 1e6:.1f} MB unpacked, sha256 {digest}")


def requirements() -> list[str]:
    """What the package imports, as pyproject.toml asks for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["lambda"]]
    return [each for each in asked if re.split(r"[\[<>=;~! ]", each)[0] not in NOT_SHIPPED]


def folder(arch: str, python: str = "") -> Path:
    """Where the dependencies are unpacked."""
    return UNPACKED / (HERE if arch == HERE else f"{arch}-{python}")


def fetch(arch: str, python: str = "") -> Path:
    """Unpack the locked wheels, unless they are there already. They come from wherever pip is set up to look."""
    target, wanted = folder(arch, python), hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    stamp = target / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    foreign = ["--platform", PLATFORMS[arch], "--python-version", python, "--implementation", "cp"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    locked = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(LOCK), "--target", str(target)]
    subprocess.run([*command, *locked, *([] if arch == HERE else foreign)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return target


def assemble(imported: Path, output: Path) -> int:
    """Zip the dependencies and this project's code; the bytes unpacked. Order, times and modes are always the same."""
    files = dict(sorted([*_files(imported), *_own_files()]))
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f"{output.name}.unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, _MODE, _UNIX
            archive.writestr(entry, path.read_bytes())
    unfinished.replace(output)
    return sum(path.stat().st_size for path in files.values())


def _own_files() -> Iterator[tuple[str, Path]]:
    """This project's code and the policies that ship with it, which are linked into it."""
    package = SOURCE / "sg_compliance"
    shipped = package / "policy" / "shipped"
    for top in (package, shipped):
        for name, path in _files(top):
            whole = (top.relative_to(SOURCE) / name).as_posix()
            own = whole.removeprefix("sg_compliance/")
            if own in _SHIPPED_ALL_THE_SAME or not own.startswith(_OWN_BUT_NOT_SHIPPED):
                yield whole, path


def _files(top: Path) -> Iterator[tuple[str, Path]]:
    for path in top.rglob("*"):
        name = path.relative_to(top).as_posix()
        if path.is_file() and not _NOT_RUN.search(name):
            yield name, path


if __name__ == "__main__":
    main()
