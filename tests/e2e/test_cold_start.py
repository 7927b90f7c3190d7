"""What a function loads before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

HEAVY = ("aws_lambda_powertools.utilities.parser", "boto3.resources", "ijson", "moto", "numpy", "rich", "typer")
LOADED = """
import sys
from sg_compliance.entrypoints import lambda_handler
print("\\n".join(sys.modules))
"""


def test_a_cold_start_loads_nothing_that_it_does_not_need() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True).stdout.split()
    assert "sg_compliance.bootstrap.deployed" in loaded
    assert "aws_lambda_powertools.utilities.batch" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []
    assert [name for name in loaded if name.startswith("sg_compliance.") and ".cli" in name] == []
    assert not {"boto3", "botocore.client"} & set(loaded), "settings that are wrong are told without the SDK"


JUDGED = """
import sys
from tests.builders import EVERYONE, group, policy, prohibit, tcp, violated
from sg_compliance.bootstrap import responding
from sg_compliance.workflows import judging, patrol, plan, respond, scan, screening
assert violated(policy(prohibit(22)), group(tcp(22, EVERYONE)))
print("\\n".join(sys.modules))
"""


def test_one_group_is_judged_without_arrays() -> None:
    loaded = subprocess.run([sys.executable, "-c", JUDGED], check=True, capture_output=True, text=True).stdout.split()
    assert "sg_compliance.evaluation.evaluate" in loaded
    arrays = ("numpy", "pyarrow", "sg_compliance.evaluation.screen", "sg_compliance.evaluation.rows")
    assert [name for name in loaded if name.startswith(arrays)] == []
