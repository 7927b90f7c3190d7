"""What an account gets, by Terraform and by CloudFormation: the same roles, held to the code, and the same events."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
import pytest
from moto import mock_aws

from sg_compliance.enforcement.guards import PROTECT_TAG
from tests.terraform.adapters import actions_of
from tests.terraform.paper import ACCOUNT, EXTERNAL_ID, REGION, TERRAFORM, actions, listed, statements

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

TEMPLATE: Final = TERRAFORM / "cloudformation" / "member-account.yaml"
PREFIX: Final = "sg-compliance-prod"
PAYMENTS: Final = "module.payments"
WANTED: Final = {
    "scan": actions_of("ec2") | actions_of("ec2_lookup"),
    "remediate": actions_of("ec2_rules"),
    "contain": actions_of("iam"),
}


class Stack(NamedTuple):
    """What a stack made: trust and rights of its roles by what they are for, its rule, and the rule's targets."""

    roles: dict[str, tuple[Json, Json]]
    rule: Json
    targets: list[Json]


def terraform_roles(applied: Applied) -> dict[str, tuple[Json, Json]]:
    """Trust and rights of the roles of an account, by what they are for."""
    trust, rights = applied.of("aws_iam_role", "", PAYMENTS), applied.of("aws_iam_role_policy", "", PAYMENTS)
    return {
        each["name"].removeprefix(f"{PREFIX}-"): (
            json.loads(each["assume_role_policy"]),
            json.loads(rights[key]["policy"]),
        )
        for key, each in trust.items()
    }


@pytest.fixture(scope="module")
def central(member: Applied) -> dict[str, Any]:
    """What the central deployment of the example says of itself."""
    roles = {name: role["arn"] for name, role in member.of("aws_iam_role", "function").items()}
    return {
        "NamePrefix": PREFIX,
        "CentralAccountId": ACCOUNT,
        "ExternalId": EXTERNAL_ID,
        "EventBusArn": member.one("aws_cloudwatch_event_bus")["arn"],
        "Scanners": [roles[name] for name in ("scan", "respond", "recheck")],
        "Remediators": [roles[name] for name in ("scan", "respond", "recheck")],
        "Containers": [roles[name] for name in ("respond", "recheck", "digest")],
        "MainRegion": REGION,
        "AllowRemediation": "true",
        "AllowContainment": "true",
        "BreakGlassName": "break-glass*",
    }


def deploy(parameters: dict[str, Any], region: str = REGION) -> Stack:
    """The stack in moto. Under `mock_aws`."""
    given = {key: ",".join(value) if isinstance(value, list) else value for key, value in parameters.items()}
    boto3.client("cloudformation", region_name=region).create_stack(
        StackName="member",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    iam, events = boto3.client("iam"), boto3.client("events", region_name=region)
    roles = {
        role["RoleName"].removeprefix(f"{PREFIX}-"): (
            role["AssumeRolePolicyDocument"],
            read(iam.get_role_policy(RoleName=role["RoleName"], PolicyName="what-it-needs")["PolicyDocument"]),
        )
        for role in iam.list_roles()["Roles"]
    }
    rules = events.list_rules()["Rules"]
    targets = events.list_targets_by_rule(Rule=rules[0]["Name"])["Targets"] if rules else []
    return Stack(roles, dict(rules[0]) if rules else {}, [dict(each) for each in targets])


def read(document: Any) -> Json:  # noqa: ANN401  JSON
    """A policy of a stack: moto gives it as Python writes it."""
    found: Json = ast.literal_eval(document) if isinstance(document, str) else document
    return found


@pytest.fixture(scope="module")
def stack(central: dict[str, Any]) -> Stack:
    with mock_aws():
        return deploy(central)


def sorted_policy(value: Any) -> Any:  # noqa: ANN401  JSON
    """A policy in one notation: IAM takes one text for a list of one, in any order; the accounts are not compared."""
    if isinstance(value, dict):
        return {key: sorted_policy(each) for key, each in value.items() if each or key != "Sid"}
    if isinstance(value, list):
        return (
            sorted((sorted_policy(each) for each in value), key=json.dumps)
            if len(value) > 1
            else sorted_policy(value[0])
        )
    return re.sub(r":(\d{12}|):(?=security-group|role/|user/|rule/)", ":ACCOUNT:", value).replace(
        "123456789012", ACCOUNT
    )


# ---- rights ----


def test_each_role_has_what_its_adapter_calls_and_no_more(member: Applied, stack: Stack) -> None:
    made = {name: rights for name, (_, rights) in terraform_roles(member).items()}
    assert set(made) == {"scan", "remediate", "forward"}
    for name in ("scan", "remediate"):
        assert actions(made[name]) == WANTED[name]
    for name, wanted in WANTED.items():
        assert actions(stack.roles[name][1]) == wanted


def test_who_reads_can_change_nothing(member: Applied, stack: Stack) -> None:
    for _, rights in (terraform_roles(member)["scan"], stack.roles["scan"]):
        assert all(re.fullmatch(r"ec2:(Describe|Get)\w+", each) for each in actions(rights))


def test_who_changes_groups_changes_nothing_else_and_no_protected_group(member: Applied) -> None:
    _, rights = terraform_roles(member)["remediate"]
    changing = {"ec2:" + each for each in ("CreateTags", "DeleteTags")}
    for statement in statements(rights):
        if statement["Sid"] == "DescribeSecurityGroups":
            continue
        assert all(re.search(r":security-group(-rule)?/\*$", each) for each in statement["Resource"])
        if not set(listed(statement["Action"])) <= changing:
            assert statement["Condition"] == {"StringNotEqualsIgnoreCase": {f"aws:ResourceTag/{PROTECT_TAG}": "true"}}
    assert actions(rights, "Deny") == changing


def test_the_other_account_of_the_example_is_out_of_reach(member: Applied) -> None:
    roles = {each["name"] for each in member.of("aws_iam_role", "", "module.shop").values()}
    assert roles == {f"{PREFIX}-scan", f"{PREFIX}-forward"}


# ---- trust ----


def test_only_named_roles_of_the_functions_come_in_with_the_external_id(
    member: Applied, central: dict[str, Any]
) -> None:
    roles = terraform_roles(member)
    for name, who in (("scan", "Scanners"), ("remediate", "Remediators")):
        (statement,) = roles[name][0]["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        assert statement["Condition"] == {
            "ArnEquals": {"aws:PrincipalArn": central[who]},
            "StringEquals": {"sts:ExternalId": EXTERNAL_ID},
        }


def test_who_comes_in_is_who_goes_out(everything: Applied) -> None:
    """With all switches on, every function that may assume a role in an account is let in by it, and no other."""
    central, roles = everything.outputs["member_account"], everything.of("aws_iam_role", "function")
    policies = everything.of("aws_iam_role_policy", "function")
    for name, who in (("scan", "scanners"), ("remediate", "remediators"), ("contain", "containers")):
        going = {
            roles[function]["arn"]
            for function, policy in policies.items()
            if f"arn:aws:iam::*:role/{central['name_prefix']}-{name}" in policy["policy"]
        }
        assert going == set(central[who]), name


def test_the_central_deployment_says_what_the_accounts_are_told(everything: Applied) -> None:
    central = everything.outputs["member_account"]
    assert (central["account_id"], central["external_id"]) == (ACCOUNT, EXTERNAL_ID)
    assert central["organization_id"] == "o-a1b2c3d4e5"
    assert central["event_bus_arn"] == everything.one("aws_cloudwatch_event_bus")["arn"]


def test_the_functions_are_told_the_names_that_the_roles_have(member: Applied) -> None:
    told = member.of("aws_lambda_function")["respond"]["environment"][0]["variables"]
    names = {each["name"] for each in member.of("aws_iam_role", "", PAYMENTS).values()}
    assert {told["SG_COMPLIANCE_SCAN_ROLE_NAME"], told["SG_COMPLIANCE_CHANGE_ROLE_NAME"]} <= names
    assert told["SG_COMPLIANCE_CONTAIN_ROLE_NAME"] == f"{PREFIX}-contain"


def test_only_its_own_rule_forwards(member: Applied) -> None:
    trust, rights = terraform_roles(member)["forward"]
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":rule/{PREFIX}-forward")
    assert actions(rights) == {"events:PutEvents"}
    assert statements(rights)[0]["Resource"] == member.one("aws_cloudwatch_event_bus")["arn"]


# ---- CloudFormation is the same ----


@pytest.mark.parametrize("name", ["scan", "remediate", "forward"])
def test_the_stack_makes_the_roles_of_the_module(member: Applied, stack: Stack, name: str) -> None:
    made, wanted = stack.roles[name], terraform_roles(member)[name]
    assert sorted_policy(made[0]) == sorted_policy(wanted[0])
    assert sorted_policy(made[1]) == sorted_policy(wanted[1])


def test_the_stacks_role_that_blocks_is_that_of_the_module(stack: Stack, containing: Applied) -> None:
    policy = json.loads(containing.of("aws_iam_role_policy")["contain"]["policy"])
    trust = json.loads(containing.of("aws_iam_role")["contain"]["assume_role_policy"])
    assert sorted_policy(stack.roles["contain"][1]) == sorted_policy(policy)
    assert sorted_policy(stack.roles["contain"][0]) == sorted_policy(trust)
    denied = {each for statement in statements(policy, "Deny") for each in listed(statement["Resource"])}
    assert {each.partition(":role/")[2] or each.partition(":user/")[2] for each in denied} == {
        f"{PREFIX}-*",
        "*break-glass*",
        "aws-reserved/*",
        "aws-service-role/*",
    }


@pytest.fixture(scope="module")
def containing(workshop: Any, central: dict[str, Any]) -> Applied:  # noqa: ANN401  it is imported for types only
    variable = {
        "name_prefix": PREFIX,
        "account_id": ACCOUNT,
        "external_id": EXTERNAL_ID,
        "organization_id": "",
        "event_bus_arn": central["EventBusArn"],
        "scanners": central["Scanners"],
        "remediators": central["Remediators"],
        "containers": central["Containers"],
    }
    made: Applied = workshop.apply(
        "containing", {"central": variable, "allow_containment": True}, "modules/member-account"
    )
    return made


def test_the_stacks_rule_is_that_of_the_module(member: Applied, stack: Stack, central: dict[str, Any]) -> None:
    rules = member.of("aws_cloudwatch_event_rule", "forward", PAYMENTS)
    assert set(rules) == {"eu-west-1", "eu-central-1"}
    rule, (target,) = stack.rule, stack.targets
    for each in rules.values():
        assert json.loads(each["event_pattern"]) == json.loads(rule["EventPattern"])
        assert each["name"] == rule["Name"]
    assert target["Arn"] == central["EventBusArn"]
    assert target["RoleArn"].endswith(f":role/{PREFIX}-forward")


def test_the_roles_are_made_in_one_region_and_the_rule_in_all(central: dict[str, Any]) -> None:
    with mock_aws():
        roles, rule, _ = deploy({**central, "MainRegion": "eu-west-1"})
    assert roles == {}
    assert rule["Name"] == f"{PREFIX}-forward"


def test_by_default_the_stack_makes_nothing_that_changes(central: dict[str, Any]) -> None:
    little = {key: value for key, value in central.items() if not key.startswith("Allow")}
    with mock_aws():
        roles, _, _ = deploy({**little, "OrganizationId": "o-a1b2c3d4e5"})
    assert set(roles) == {"scan", "forward"}
    (statement,) = roles["scan"][0]["Statement"]
    assert statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] == "o-a1b2c3d4e5"


def test_the_stack_set_of_the_example_gives_all_that_the_template_asks_for(applied: dict[str, Applied]) -> None:
    stack_set = applied["organisation"].one("aws_cloudformation_stack_set")
    text = TEMPLATE.read_text(encoding="utf-8")
    asked = set(re.findall(r"^  (\w+):\n    Type: (?:String|CommaDelimitedList)$", text, re.MULTILINE))
    assert len(asked) == 14
    assert set(stack_set["parameters"]) <= asked
    assert stack_set["template_body"] == text
    with mock_aws():
        deploy({**stack_set["parameters"], "NamePrefix": PREFIX})


def test_the_template_is_clean() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    if not linter.is_file():
        pytest.skip("cfn-lint is not installed in this environment")
    done = subprocess.run([str(linter), str(TEMPLATE)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout + done.stderr == ""
