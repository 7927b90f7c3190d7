from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.architecture.imports import Source, complaints, imported_modules, read_layers

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
LONGEST_FILE = 400

LAYERS = read_layers(
    "```layers\nentrypoints\nbootstrap\nworkflows | aws | local | testing | reports\ninterfaces\n"
    "evaluation | enforcement | realtime\npolicy\nmodel\nerrors\n```\n"
)


def sources() -> list[Source]:
    return [_source(path) for path in sorted(SRC.rglob("*.py"))]


def _source(path: Path) -> Source:
    parts = path.relative_to(SRC).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Source(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"), is_package)


def wrongs(module: str, code: str, *, is_package: bool = False) -> list[str]:
    return complaints(Source(f"sg_compliance.{module}", dedent(code), is_package), LAYERS)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.module)
def test_every_file_keeps_to_its_layer(source: Source) -> None:
    layers = read_layers((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert complaints(source, layers) == []


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.module)
def test_every_file_can_be_read_in_one_sitting(source: Source) -> None:
    assert len(source.text.splitlines()) <= LONGEST_FILE, "split it by noun"


def test_the_package_is_there_to_be_checked() -> None:
    assert len(sources()) > 5


# What the checker itself must see. Each of these would otherwise pass unnoticed.


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("model.traffic", "from sg_compliance.policy.document import Rule"),
        ("model.traffic", "import sg_compliance.policy.document"),
        ("model.traffic", "from sg_compliance import policy"),
        ("model.traffic", "from ..policy import document"),
        ("model.traffic", "from .. import policy"),
        ("evaluation.evaluate", "from sg_compliance.enforcement import plan"),
        ("workflows.scan", "from sg_compliance.reports import text"),
        ("reports.text", "from sg_compliance.workflows import scan"),
        ("interfaces", "from sg_compliance.workflows import scan"),
        ("entrypoints.cli.scan", "from sg_compliance.aws import session"),
        ("entrypoints.cli.demo", "from sg_compliance.testing import twin"),
        ("aws.ec2", "from sg_compliance.local import snapshot"),
        ("bootstrap", "from sg_compliance.entrypoints import cli"),
        ("policy.parse", "from sg_compliance.nowhere import thing"),
    ],
)
def test_an_import_upwards_or_sideways_is_seen(module: str, code: str) -> None:
    assert len(wrongs(module, code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "def late():\n    from sg_compliance.workflows import scan",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sg_compliance.workflows.scan import Scan",
        "import importlib\nimportlib.import_module('sg_compliance.workflows')",
        "from importlib import import_module\nimport_module('sg_compliance.workflows')",
        "class C:\n    def f(self):\n        import sg_compliance.workflows",
    ],
)
def test_an_import_is_seen_wherever_it_hides(code: str) -> None:
    assert len(wrongs("policy.resolve", code)) == 1


def test_a_relative_import_in_a_package_starts_at_the_package() -> None:
    code = "from . import scan\nfrom .. import errors\nfrom ..policy.parse import parse"
    source = Source("sg_compliance.workflows", code, is_package=True)
    assert [name for _, name in imported_modules(source)] == [
        "sg_compliance.workflows.scan",
        "sg_compliance.errors",
        "sg_compliance.policy.parse.parse",
    ]


@pytest.mark.parametrize("code", ["import boto3", "from botocore.config import Config", "import mypy_boto3_ec2.client"])
def test_aws_libraries_belong_to_the_aws_room(code: str) -> None:
    assert wrongs("aws.session", code) == []
    assert len(wrongs("local.snapshot", code)) == 1


@pytest.mark.parametrize("room", ["model", "policy", "evaluation", "enforcement", "realtime", "reports"])
@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import os.path",
        "from time import sleep",
        "from pathlib import Path",
        "from importlib import resources",
        "def f():\n    import logging",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "open('policy.json')",
    ],
)
def test_a_pure_room_touches_nothing_of_the_world(room: str, code: str) -> None:
    assert len(wrongs(f"{room}.thing", code)) == 1


def test_a_name_that_only_starts_like_a_forbidden_one_is_fine() -> None:
    assert wrongs("policy.parse", "import timeit\nfrom os_free import thing\nself.open()\nclock.now()") == []


def test_the_nouns_use_the_standard_library_only() -> None:
    assert len(wrongs("model.finding", "import pydantic")) == 1
    assert len(wrongs("errors", "import rich")) == 1


def test_the_nouns_may_name_arrays_in_annotations_and_never_load_them() -> None:
    guarded = "if TYPE_CHECKING:\n    import {0}\n    from {0}.typing import Thing\n"
    assert wrongs("model.columns", guarded.format("numpy")) == []
    assert len(wrongs("model.columns", guarded.format("pandas"))) == 2
    assert len(wrongs("model.columns", guarded.format("numpy") + "else:\n    import numpy")) == 1
    assert len(wrongs("model.columns", "import numpy")) == 1
    assert len(wrongs("model.columns", "def late():\n    import numpy")) == 1


@pytest.mark.parametrize("module", ["utils.text", "aws.helpers", "model.common", "policy.base"])
def test_there_are_no_drawers(module: str) -> None:
    assert any("drawer" in wrong for wrong in wrongs(module, ""))


def test_a_room_that_the_map_does_not_show_is_seen() -> None:
    assert len(wrongs("plugins.loader", "")) == 1


def test_importing_the_package_does_no_work() -> None:
    source = Source("sg_compliance", "from sg_compliance.model import traffic", is_package=True)
    assert len(complaints(source, LAYERS)) == 1


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("__main__", "from sg_compliance.entrypoints.cli import main"),
        ("entrypoints.cli", "from sg_compliance import __version__, bootstrap"),
        ("bootstrap", "from sg_compliance.aws import ec2\nfrom sg_compliance.testing import twin"),
        ("workflows.scan", "from sg_compliance.interfaces import Inventory\nfrom .digest import digest"),
        ("evaluation.evaluate", "from sg_compliance.model.traffic import Traffic\nfrom datetime import datetime"),
    ],
)
def test_what_stands_below_may_be_imported(module: str, code: str) -> None:
    assert wrongs(module, code) == []


def test_a_document_without_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="no ```layers block"):
        read_layers("# Architecture\n")
