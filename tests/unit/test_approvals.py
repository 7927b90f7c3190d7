"""Where an exemption does not count: what the policy asks of environments, and of accounts with rules of their own."""

from __future__ import annotations

from typing import Any

import pytest

from sg_compliance.policy.approvals import unaccepted, unaccepted_by_account
from tests.builders import ACCOUNT, bind, document

OTHER = "999988887777"


def policy(**keys: Any) -> Any:  # noqa: ANN401 - any key of the document
    return bind({**document(), **keys})


PRODUCTION = {"production": {"required_approvals": ["sec", "ciso"]}, "staging": {"required_approvals": ["zoe"]}}


@pytest.mark.parametrize(
    ("approver", "environments"),
    [("zoe", ["production"]), ("sec", ["staging"]), ("ciso", ["staging"]), ("Sec", ["production", "staging"])],
)
def test_an_environment_accepts_only_what_one_of_its_approvers_approved(approver: str, environments: list[str]) -> None:
    found = unaccepted(policy(environment_specific=PRODUCTION), approver)
    assert [each.environment for each in found] == environments


def test_whose_approval_is_needed_is_said() -> None:
    (found,) = unaccepted(policy(environment_specific=PRODUCTION), "zoe")
    assert str(found) == "production: needs sec or ciso"


def test_a_policy_that_asks_for_nobody_accepts_anybody() -> None:
    assert unaccepted(policy(environment_specific={"production": {}}), "anybody") == ()


def test_a_group_may_be_in_an_account_that_asks_for_more() -> None:
    overrides = {f"account-{ACCOUNT}": {"environment_specific": {"production": {"required_approvals": ["sec"]}}}}
    asked = policy(account_specific_overrides=overrides)
    assert [each.environment for each in unaccepted(asked, "zoe")] == ["production"]
    assert [each.environment for each in unaccepted(asked, "zoe", ACCOUNT)] == ["production"]
    assert unaccepted(asked, "zoe", OTHER) == ()


@pytest.mark.parametrize("written", ["production", "Prod", "PRODUCTION"])
def test_an_account_is_in_the_environment_that_the_policy_says(written: str) -> None:
    config = [
        {"account_id": ACCOUNT, "account_name": "a", "environment": written},
        {"account_id": OTHER, "account_name": "b"},
    ]
    asked = policy(environment_specific=PRODUCTION, accounts_config=config)
    assert unaccepted_by_account(asked, "zoe", ACCOUNT)
    assert unaccepted_by_account(asked, "sec", ACCOUNT) is None
    assert unaccepted_by_account(asked, "zoe", OTHER) is None
