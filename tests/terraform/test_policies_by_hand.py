"""The roles that `sg-compliance iam` prints are those that Terraform makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance.bootstrap.iam_documents import RoleKind, Scope, permissions, trust
from tests.terraform.paper import ACCOUNT, EXTERNAL_ID, ORGANIZATION, REGION

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied, Workshop

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

PREFIX: Final = "sg-compliance-prod"
PEOPLE: Final = f"arn:aws:iam::{ACCOUNT}:role/operators"
CENTRAL: Final[Json] = {
    "name_prefix": PREFIX,
    "account_id": ACCOUNT,
    "external_id": EXTERNAL_ID,
    "organization_id": ORGANIZATION,
    "event_bus_arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{PREFIX}",
    "scanners": [f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-scan-function"],
    "remediators": [f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-respond-function"],
    "containers": [f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-digest-function"],
}
ROLES: Final = ("scan", "remediate", "contain")


@pytest.fixture(scope="module", params=[False, True], ids=["protected", "changeable"])
def changeable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def made(workshop: Workshop, changeable: bool) -> Applied:
    """An account with all three roles."""
    variables = {
        "central": CENTRAL,
        "allow_remediation": True,
        "allow_containment": True,
        "change_protected_groups": changeable,
        "break_glass_principals": ["break-glass*", "auditor"],
        "operator_role_arns": [PEOPLE],
    }
    return workshop.apply(f"by-hand-{changeable}", variables, "modules/member-account")


def in_one_notation(value: Any) -> Any:  # noqa: ANN401  JSON
    """IAM takes one text for a list of one, and lists in any order."""
    if isinstance(value, dict):
        return {key: in_one_notation(each) for key, each in value.items() if key != "Sid" or each}
    if isinstance(value, list):
        return sorted(map(in_one_notation, value), key=json.dumps) if len(value) > 1 else in_one_notation(value[0])
    return value


@pytest.mark.parametrize("role", ROLES)
def test_a_role_by_hand_may_do_what_terraforms_may(made: Applied, changeable: bool, role: str) -> None:
    planned = json.loads(made.of("aws_iam_role_policy")[role]["policy"])
    account = made.of("aws_iam_role")[role]["arn"].split(":")[4]
    scope = Scope(
        accounts=(account,),
        name_prefix=PREFIX,
        break_glass=("auditor", "break-glass*"),
        change_protected_groups=changeable,
    )
    assert in_one_notation(permissions(RoleKind(role), scope)) == in_one_notation(planned)


@pytest.mark.parametrize(
    ("role", "who"), [("scan", "scanners"), ("remediate", "remediators"), ("contain", "containers")]
)
def test_a_role_by_hand_lets_in_whom_terraforms_does(made: Applied, role: str, who: str) -> None:
    planned = json.loads(made.of("aws_iam_role")[role]["assume_role_policy"])
    by_hand = trust([*CENTRAL[who], PEOPLE], EXTERNAL_ID, ORGANIZATION)
    assert in_one_notation(by_hand) == in_one_notation(planned)
