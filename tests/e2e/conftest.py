"""What tests of the Lambda share in one process: the emulator, the demo organisation with its trail, the package."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.emulated.deployment import Deployment
from tests.e2e.emulated.emulator import emulator
from tests.e2e.emulated.killed import killed_while_it_revokes
from tests.e2e.emulated.member_accounts import Crier, organisation
from tests.e2e.emulated.places import require, zipped
from tests.e2e.emulated.planned_stage import planned_stage
from tests.e2e.emulated.response_stage import MANUAL, begin_grace_periods, stage
from tests.terraform.paper import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.emulated.member_accounts import MemberAccounts
    from tests.e2e.emulated.planned_stage import PlannedStage
    from tests.e2e.emulated.response_stage import Stage

_NUMBERS: Final = count(1)


@pytest.fixture(scope="session")
def emulated_aws() -> Iterator[str]:
    """The endpoint of all services but EC2 and STS."""
    with emulator() as endpoint_url:
        yield endpoint_url


@pytest.fixture(scope="session")
def member_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberAccounts]:
    """The demo organisation, whose EC2 and STS are those of the tests."""
    trail = tmp_path_factory.mktemp("trail") / "events.jsonl"
    with organisation(trail) as accounts:
        yield accounts


@pytest.fixture(scope="session")
def lambda_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Lambda's package, of the code as it is now."""
    require()
    return zipped(tmp_path_factory.mktemp("package") / "lambda.zip")


@pytest.fixture(scope="session")
def responding(
    emulated_aws: str, member_accounts: MemberAccounts, lambda_package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The deployment that responds, with CloudTrail at its other end."""
    made = stage(Deployment(emulated_aws, "respond"), member_accounts, lambda_package)
    with Crier(member_accounts, made.hear):
        begin_grace_periods(made)
        made.early["is killed"] = killed_while_it_revokes(made, tmp_path_factory.mktemp("killed"))
        yield made


@pytest.fixture(scope="session")
def scan(responding: Stage) -> str:
    """The function that scans, and mends; manual events come to it over the bus."""
    function = responding.deploy("scan", SG_COMPLIANCE_ENABLE_AUTOMATIC_REMEDIATION="true")
    responding.deployment.rule_that_calls("manual", MANUAL, function)
    return function


@pytest.fixture(scope="session")
def planned(lambda_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlannedStage]:
    """What Terraform plans, made in an emulator of its own, which nobody else hears of, with CloudTrail at its end."""
    workshop = Workshop(tmp_path_factory.mktemp("terraform"))
    folder = tmp_path_factory.mktemp("planned")
    with (
        organisation(folder / "events.jsonl") as accounts,
        planned_stage(workshop, accounts, lambda_package, folder) as made,
        Crier(accounts, made.hear),
    ):
        yield made


@pytest.fixture
def deployment(emulated_aws: str) -> Deployment:
    """Nothing deployed yet, under a prefix of the test's own."""
    return Deployment(emulated_aws, f"test-{next(_NUMBERS)}")
