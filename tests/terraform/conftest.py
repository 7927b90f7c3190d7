"""The configurations that these tests look at, each applied once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.terraform.paper import ACCOUNT, EXTERNAL_ID, ORGANIZATION, Applied, Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYTHING: Final[Mapping[str, object]] = {
    "dry_run_mode": False,
    "enable_automatic_remediation": True,
    "real_time_scanning_enabled": True,
    "immediate_remediation_enabled": True,
    "block_suspicious_users": True,
    "enable_cloudtrail": True,
    "external_id": EXTERNAL_ID,
    "organization_id": ORGANIZATION,
    "watched_regions": ["us-east-1", "eu-west-1", "eu-central-1"],
    "notification_email": "security-team@example.com",
    "contacts": ["security-team@example.com", "#security"],
    "break_glass_principals": ["break-glass*", "arn:aws:iam::*:user/root-of-all", "role/auditors"],
    "cross_account_role_names": ["legacy-audit"],
    "max_operations_per_minute": 12,
    "mass_operations_alert_threshold": 60,
    "violation_severity_threshold": "high",
    "object_lock_days": 30,
    "operator_role_arns": [f"arn:aws:iam::{ACCOUNT}:role/operators"],
    "permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "compliance_schedule": "cron(0 3 * * ? *)",
}
MEMBER: Final[Mapping[str, object]] = {"external_id": EXTERNAL_ID}
ORGANISATION: Final[Mapping[str, object]] = {
    "external_id": EXTERNAL_ID,
    "organization_id": ORGANIZATION,
    "organizational_unit_ids": ["r-abcd"],
}


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def applied(workshop: Workshop) -> dict[str, Applied]:
    """`least`: the defaults. `everything`: all switches on, for an organisation. And two of the examples."""
    configurations = {
        "least": ("", {}),
        "everything": ("", {**EVERYTHING, "organization_wide": True}),
        "multi-account": ("examples/multi-account", MEMBER),
        "organisation": ("examples/organisation", ORGANISATION),
    }
    workshop.run("get", "-no-color")  # once: two at a time would write the same file
    with ThreadPoolExecutor(2) as pool:
        made = {
            name: pool.submit(workshop.apply, name, variables, where)
            for name, (where, variables) in configurations.items()
        }
        return {name: each.result() for name, each in made.items()}


@pytest.fixture(scope="session")
def least(applied: dict[str, Applied]) -> Applied:
    return applied["least"]


@pytest.fixture(scope="session")
def everything(applied: dict[str, Applied]) -> Applied:
    return applied["everything"]


@pytest.fixture(scope="session")
def member(applied: dict[str, Applied]) -> Applied:
    """The example of several accounts: the module `payments` has all that an account can have, but for containment."""
    return applied["multi-account"]
