from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

import sg_compliance

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-lambda.lock", "requirements-emulator.lock")
NOT_OURS = {"__pycache__", "build", "dist", "htmlcov", "node_modules"}

# Written in pieces, so that this file does not hold what it looks for.
PLACES = [
    "/wor" + "k/",
    "/far" + "m/",
    "/opt/py" + "pi",
    "/opt/whe" + "els",
    "pythonhos" + "ted",
    "pypi" + ".org",
    "registry.npm" + "js",
    "deb.deb" + "ian",
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^\]]*\])?==(\S+)", read(lock), re.MULTILINE))


def normalised(requirement: str) -> str:
    return re.split(r"[\[<>=;~! ]", requirement)[0].lower().replace("_", "-")


def our_files() -> list[Path]:
    tops = [p for p in ROOT.iterdir() if p.name not in NOT_OURS and (not p.name.startswith(".") or p.name == ".ci")]
    inside = [found for top in tops if top.is_dir() for found in top.rglob("*")]
    files = [*(ROOT.glob(".*")), *tops, *inside]
    return [f for f in files if f.is_file() and not NOT_OURS & set(f.parts) and not f.name.startswith(".coverage")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_and_hashed(lock: str) -> None:
    entries = re.findall(r"^[^\s#].*(?:\n[ ].*)*", read(lock), re.MULTILINE)
    assert len(entries) > 5
    assert [e.split()[0] for e in entries if "==" not in e.split()[0] or "--hash=sha256:" not in e] == []


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("word", ["://", "file:", " @ ", "--index-url", "--extra-index-url", "--find-links", "-e "])
def test_a_lock_names_no_place(lock: str, word: str) -> None:
    assert word not in read(lock)


def test_both_locks_agree() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_every_declared_dependency_is_locked() -> None:
    document = tomllib.loads(read("pyproject.toml"))
    project, build = document["project"], document["build-system"]["requires"]
    demo, dev = (project["optional-dependencies"][extra] for extra in ("demo", "dev"))
    needed = {normalised(requirement) for requirement in [*project["dependencies"], *demo, *build]}
    assert needed <= pins("requirements.lock").keys()
    assert {normalised(requirement) for requirement in dev} - {"sg-compliance"} <= pins("requirements-dev.lock").keys()


def test_the_changelog_knows_this_version() -> None:
    assert re.search(rf"^## \[?{re.escape(sg_compliance.__version__)}\b", read("CHANGELOG.md"), re.MULTILINE)


def test_the_licence_is_mit() -> None:
    assert read("LICENSE").startswith("MIT License\n")
    assert tomllib.loads(read("pyproject.toml"))["project"]["license"] == "MIT"


@pytest.mark.parametrize("place", PLACES)
def test_no_file_names_a_machine_or_a_registry(place: str) -> None:
    files = our_files()
    assert ROOT / "pyproject.toml" in files
    assert [str(f.relative_to(ROOT)) for f in files if place.encode() in f.read_bytes()] == []


def test_the_shipped_policy_is_found_in_a_checkout() -> None:
    shipped = resources.files("sg_compliance.policy") / "shipped" / "security_policies.json"
    assert shipped.read_text(encoding="utf-8") == read("config/security_policies.json")


def test_the_wheel_carries_the_policies_and_the_command(tmp_path: Path) -> None:
    build = f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("sg_compliance-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    policies = {p.relative_to(ROOT / "config").as_posix() for p in (ROOT / "config").rglob("*.json")}
    assert {f"sg_compliance/policy/shipped/{policy}" for policy in policies} <= names
    assert "sg_compliance/py.typed" in names
    assert "sg-compliance = sg_compliance.__main__:main" in entry_points


def test_what_a_locked_package_needs_with_an_extra_is_locked_with_it() -> None:
    """Else pip asks for the newest release of it, and refuses it for want of a hash, the day there is a newer one."""
    locked = pins("requirements-dev.lock")
    needed = {
        match[1].lower()
        for distribution in metadata.distributions()
        if normalised(distribution.metadata["Name"]) in locked
        for requirement in distribution.requires or ()
        if "extra ==" not in requirement and (match := re.match(r"([\w.-]+\[[\w,.-]+\])", requirement))
    }
    assert "coverage[toml]" in needed
    assert [each for each in needed if f"\n{each}==" not in read("requirements-dev.lock")] == []
