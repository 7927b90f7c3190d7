"""What `make test` has set up for tests of the Lambda: the emulator's Python, and the wheels of the package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tools.package import HERE, assemble, folder

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[3]
PYTHON: Final = ROOT / ".venv-emulator" / "bin" / "python"
OF_THE_RUNTIME: Final = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "simplejson",
    "six.py",
    "snapshot_restore_py.py",
    "urllib3",
)
"""What AWS's Python runtimes bring to a function, next to the standard library."""


def require() -> None:
    """Skip the test where `make test` has not been run here; where CI runs it, fail."""
    if PYTHON.is_file() and folder(HERE).is_dir():
        return
    reason = "no emulator of AWS here: `make test` makes .venv-emulator and build/lambda"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def zipped(output: Path) -> Path:
    """The package of the code as it is now, for this machine."""
    assemble(folder(HERE), output)
    return output


def runtime_packages(target: Path) -> Path:
    """A folder with what AWS's runtime brings, and nothing that only the emulator needs."""
    (site,) = (ROOT / ".venv-emulator" / "lib").glob("python3.*/site-packages")
    target.mkdir()
    for found in (*(site / name for name in OF_THE_RUNTIME), *site.glob("runtime_client*.so")):
        (target / found.name).symlink_to(found)
    return target


def unpacked(package: Path, target: Path) -> Path:
    """The package as the runtime unpacks it."""
    shutil.unpack_archive(package, target, "zip")
    return target


def clean_command(*paths: Path, arguments: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a Python that sees the standard library and these folders, and nothing else."""
    search = os.pathsep.join(map(str, paths))
    environment = {"PATH": os.defpath, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    return [str(PYTHON), "-S", *arguments], environment
