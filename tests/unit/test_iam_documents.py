"""The policies of roles made by hand: what the adapters call, all of it and no more, on as little as can be."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.session import Session
from moto import mock_aws

from sg_compliance.aws import ec2, ec2_lookup, ec2_rules, iam, organizations
from sg_compliance.bootstrap.iam_documents import (
    INLINE_LIMIT,
    LAMBDA,
    MANAGED_LIMIT,
    TRUST_LIMIT,
    RoleKind,
    Scope,
    length,
    permissions,
    trust,
    trust_of_lambda,
)
from sg_compliance.enforcement.guards import PROTECT_TAG
from sg_compliance.entrypoints.cli.iam import Partition
from sg_compliance.errors import InputError
from tests.builders import ACCOUNT

if TYPE_CHECKING:
    from tests.builders import Json

AUDIT: Final = "arn:aws:iam::123456789012:role/security/audit"
EXTERNAL_ID: Final = "0123456789abcdef0123456789abcdef"
ORGANISATION: Final = "o-a1b2c3d4e5"
HOLDS: Final = 23  # accounts, the policy of `remediate`
EVERYTHING: Final = (RoleKind.SCAN, RoleKind.REMEDIATE, RoleKind.CONTAIN)
CALLER: Final = Scope(entered=EVERYTHING, organisation=True, organisation_id=ORGANISATION)
WANTED: Final = {
    RoleKind.SCAN: ec2.IAM_ACTIONS | ec2_lookup.IAM_ACTIONS,
    RoleKind.REMEDIATE: ec2_rules.IAM_ACTIONS,
    RoleKind.CONTAIN: iam.IAM_ACTIONS,
    RoleKind.CALLER: organizations.IAM_ACTIONS | {"sts:AssumeRole"},
}


def scope_of(kind: RoleKind, **given: Any) -> Scope:  # noqa: ANN401  any field
    return Scope(**{**({"entered": EVERYTHING, "organisation": True} if kind is RoleKind.CALLER else {}), **given})


def statements(document: Json, effect: str = "Allow") -> list[Json]:
    return [each for each in document["Statement"] if each["Effect"] == effect]


def actions(document: Json, effect: str = "Allow") -> set[str]:
    return {action for each in statements(document, effect) for action in each["Action"]}


def the(document: Json, sid: str) -> Json:
    (found,) = [each for each in document["Statement"] if each["Sid"] == sid]
    return dict(found)


# ---- which actions, on what ----


@pytest.mark.parametrize("kind", RoleKind)
def test_a_role_may_do_what_its_adapters_call_and_no_more(kind: RoleKind) -> None:
    assert actions(permissions(kind, scope_of(kind))) == WANTED[kind]


@pytest.mark.parametrize("kind", RoleKind)
def test_every_statement_is_whole_and_names_its_actions(kind: RoleKind) -> None:
    document = permissions(kind, scope_of(kind, accounts=(ACCOUNT,)))
    assert document["Version"] == "2012-10-17"
    sids = [each["Sid"] for each in document["Statement"]]
    assert len(set(sids)) == len(sids)
    for each in document["Statement"]:
        assert set(each) - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert re.fullmatch(r"[A-Za-z0-9]+", each["Sid"])
        assert each["Action"]
        assert each["Resource"]
        assert each["Action"] == sorted(set(each["Action"]))
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", action) for action in each["Action"])


@pytest.mark.parametrize("kind", RoleKind)
def test_only_what_knows_no_resources_is_allowed_on_all(kind: RoleKind) -> None:
    for each in statements(permissions(kind, scope_of(kind))):
        if "*" in each["Resource"]:
            assert all(re.fullmatch(r"ec2:Describe\w+|organizations:List\w+", action) for action in each["Action"])


def test_who_scans_may_change_nothing() -> None:
    document = permissions(RoleKind.SCAN, Scope())
    assert all(re.fullmatch(r"ec2:(Describe|Get)\w+", each) for each in actions(document))
    assert the(document, "ReadPrefixLists")["Resource"] == ["arn:aws:ec2:*:*:prefix-list/*"]


def test_who_remediates_may_change_rules_and_tags_of_security_groups_and_nothing_else() -> None:
    document = permissions(RoleKind.REMEDIATE, Scope(accounts=(ACCOUNT,)))
    changing = [each for each in document["Statement"] if "*" not in each["Resource"]]
    assert len(changing) == 4
    for each in changing:
        assert each["Resource"] == [
            f"arn:aws:ec2:*:{ACCOUNT}:security-group/*",
            f"arn:aws:ec2:*:{ACCOUNT}:security-group-rule/*",
        ]


def test_a_protected_group_is_out_of_reach_and_so_is_its_tag() -> None:
    document = permissions(RoleKind.REMEDIATE, Scope())
    protected = {f"aws:ResourceTag/{PROTECT_TAG}": "true"}
    tags = ["ec2:CreateTags", "ec2:DeleteTags"]
    assert the(document, "ChangeSecurityGroups")["Condition"] == {"StringNotEqualsIgnoreCase": protected}
    assert set(the(document, "ChangeSecurityGroups")["Action"]) == ec2_rules.IAM_ACTIONS - {
        *tags,
        *the(document, "DescribeSecurityGroups")["Action"],
    }
    alone = the(document, "LeaveTheProtectingTagAlone")
    assert alone["Effect"] == "Deny"
    assert alone["Action"] == tags
    assert alone["Condition"] == {"ForAnyValue:StringEquals": {"aws:TagKeys": [PROTECT_TAG]}}
    kept = the(document, "LeaveTheTagsOfProtectedGroupsAlone")
    assert kept["Effect"] == "Deny"
    assert kept["Action"] == ["ec2:DeleteTags"]
    assert kept["Condition"] == {"StringEqualsIgnoreCase": protected}


def test_protected_groups_can_be_let_in_and_their_tag_cannot() -> None:
    document = permissions(RoleKind.REMEDIATE, Scope(change_protected_groups=True))
    assert "Condition" not in the(document, "ChangeSecurityGroups")
    assert [each["Sid"] for each in statements(document, "Deny")] == ["LeaveTheProtectingTagAlone"]


def test_who_must_never_be_blocked_is_denied_by_name() -> None:
    scope = Scope(accounts=(ACCOUNT,), name_prefix="sgc-prod", break_glass=("break-glass*", "auditor"))
    (denied,) = statements(permissions(RoleKind.CONTAIN, scope), "Deny")
    assert set(denied["Action"]) == {each for each in iam.IAM_ACTIONS if re.match("iam:(Put|Delete)", each)}
    assert denied["Resource"] == [
        f"arn:aws:iam::{ACCOUNT}:{each}"
        for each in (
            "role/sgc-prod-*",
            "role/aws-service-role/*",
            "role/aws-reserved/*",
            "role/*break-glass*",
            "user/*break-glass*",
            "role/*auditor",
            "user/*auditor",
        )
    ]


def test_the_caller_enters_the_roles_that_are_named() -> None:
    document = permissions(RoleKind.CALLER, CALLER)
    enter = the(document, "EnterTheAccounts")
    assert enter["Action"] == ["sts:AssumeRole"]
    assert enter["Resource"] == [f"arn:aws:iam::*:role/sg-compliance-{each}" for each in EVERYTHING]
    assert enter["Condition"] == {"StringEquals": {"aws:ResourceOrgID": ORGANISATION}}


def test_the_caller_enters_only_what_is_asked_for() -> None:
    (enter,) = permissions(RoleKind.CALLER, Scope(accounts=(ACCOUNT,)))["Statement"]
    assert enter["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/sg-compliance-scan"]
    assert "Condition" not in enter


# ---- who gets in ----


def test_a_role_gets_in_through_its_account_with_the_external_id_and_within_the_organisation() -> None:
    operator = "arn:aws:iam::123456789012:user/ada"
    (statement,) = trust([AUDIT, operator, AUDIT], EXTERNAL_ID, ORGANISATION)["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]},
        "Action": "sts:AssumeRole",
        "Condition": {
            "ArnEquals": {"aws:PrincipalArn": [AUDIT, operator]},
            "StringEquals": {"sts:ExternalId": EXTERNAL_ID, "aws:PrincipalOrgID": ORGANISATION},
        },
    }


def test_an_account_gets_in_as_a_whole_and_lets_no_other_in() -> None:
    one, whole = trust([ACCOUNT, AUDIT], EXTERNAL_ID, partition="aws-cn")["Statement"]
    assert one["Principal"] == {"AWS": ["arn:aws:iam::123456789012:root"]}
    assert one["Condition"]["ArnEquals"] == {"aws:PrincipalArn": [AUDIT]}
    assert whole["Principal"] == {"AWS": [f"arn:aws-cn:iam::{ACCOUNT}:root"]}
    assert whole["Condition"] == {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "*",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:assumed-role/audit/ada",
        "arn:aws:iam::12345678901:role/audit",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/audit\n",
        "1234567890123",
        "ec2.amazonaws.com",
    ],
)
def test_nobody_else_can_be_trusted(wrong: str) -> None:
    with pytest.raises(InputError):
        trust([AUDIT, wrong], EXTERNAL_ID)


def test_nobody_is_not_everybody() -> None:
    with pytest.raises(InputError):
        trust([], EXTERNAL_ID)


def test_a_functions_own_role_is_lambdas_alone() -> None:
    (statement,) = trust_of_lambda()["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"Service": LAMBDA}, "Action": "sts:AssumeRole"}


# ---- what IAM takes ----


@pytest.mark.parametrize("partition", Partition)
@pytest.mark.parametrize("kind", RoleKind)
def test_every_arn_is_of_the_partition(kind: RoleKind, partition: Partition) -> None:
    document = permissions(kind, scope_of(kind, partition=partition.value))
    arns = {each for statement in document["Statement"] for each in statement["Resource"]} - {"*"}
    assert {each.split(":")[1] for each in arns} <= {partition.value}


def test_the_partitions_are_those_of_aws() -> None:
    assert {each.value for each in Partition} == set(Session().get_available_partitions())


@pytest.mark.parametrize("kind", RoleKind)
def test_a_policy_fits_into_a_managed_policy_too(kind: RoleKind) -> None:
    scope = scope_of(
        kind, accounts=(ACCOUNT,), partition="aws-us-gov", name_prefix="x" * 54, break_glass=("y" * 64, "z" * 64)
    )
    assert 0 < length(permissions(kind, scope)) <= MANAGED_LIMIT <= INLINE_LIMIT


def test_white_space_does_not_count() -> None:
    assert length({"a": [1, 2]}) == len('{"a":[1,2]}')


@pytest.mark.parametrize("count", [1, 2, HOLDS, HOLDS + 1, 120])
def test_what_iam_would_not_take_is_refused_and_all_else_is_not(count: int) -> None:
    scope = Scope(accounts=tuple(f"{number:012d}" for number in range(count)))
    document = json.dumps(_unlimited(scope), separators=(",", ":"))
    assert (len(document) <= INLINE_LIMIT) == (count <= HOLDS)
    if count <= HOLDS:
        assert length(permissions(RoleKind.REMEDIATE, scope)) == len(document)
    else:
        with pytest.raises(InputError, match=r"characters, and IAM takes 10,240"):
            permissions(RoleKind.REMEDIATE, scope)


def _unlimited(scope: Scope) -> Json:
    """The policy for so many accounts, made of the one for each: only the lists of resources are longer."""
    each = [permissions(RoleKind.REMEDIATE, Scope(accounts=(account,))) for account in scope.accounts]
    made = each[0]
    for index, statement in enumerate(made["Statement"]):
        if "*" not in statement["Resource"]:
            statement["Resource"] = [arn for one in each for arn in one["Statement"][index]["Resource"]]
    return made


def test_a_trust_policy_that_is_too_long_is_refused() -> None:
    roles = [f"arn:aws:iam::123456789012:role/{number}" for number in range(100)]
    assert length(trust(roles[:30], EXTERNAL_ID)) <= TRUST_LIMIT
    with pytest.raises(InputError, match="2,048"):
        trust(roles, EXTERNAL_ID)


def test_a_policy_may_be_as_long_as_iam_takes_and_not_a_character_longer() -> None:
    longest = "x" * (TRUST_LIMIT - length(trust([AUDIT], "")))
    assert length(trust([AUDIT], longest)) == TRUST_LIMIT
    with pytest.raises(InputError):
        trust([AUDIT], longest + "x")


@pytest.mark.parametrize("kind", RoleKind)
@pytest.mark.parametrize("accounts", [(), (ACCOUNT,), (ACCOUNT, "123456789012")])
def test_iam_takes_the_policies_as_they_are(kind: RoleKind, accounts: tuple[str, ...]) -> None:
    """moto reads the documents by IAM's grammar."""
    document = permissions(kind, scope_of(kind, accounts=accounts, organisation_id=ORGANISATION))
    with mock_aws():
        client = boto3.client("iam", region_name="us-east-1")
        for number, trusted in enumerate((trust([AUDIT, ACCOUNT], EXTERNAL_ID, ORGANISATION), trust_of_lambda())):
            client.create_role(RoleName=f"made-{number}", AssumeRolePolicyDocument=json.dumps(trusted))
        client.put_role_policy(RoleName="made-0", PolicyName="what-it-needs", PolicyDocument=json.dumps(document))
        client.create_policy(PolicyName="managed", PolicyDocument=json.dumps(document))
