"""Each function's role allows what the function's adapters call, on what is its own, and no more."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.enforcement.guards import PROTECT_TAG
from tests.terraform.adapters import FUNCTIONS, NOT_CALLED, adapters_of, needed_by
from tests.terraform.paper import ACCOUNT, TERRAFORM, actions, listed, statements

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

WITHOUT_RESOURCES: Final = re.compile(r"ec2:Describe\w+|organizations:List\w+")
"""Actions that know no resources (Service Authorization Reference)."""
DENY_ALL: Final = frozenset({"s3:*", "sqs:*"})
"""Denied without TLS: a denial can only be too narrow."""


def role_of(applied: Applied, function: str) -> Json:
    document: Json = json.loads(applied.of("aws_iam_role_policy", "function")[function]["policy"])
    return document


def the(document: Json, sid: str) -> Json:
    (found,) = [each for each in document["Statement"] if each.get("Sid") == sid]
    return dict(found)


def blocked(document: Json) -> set[str]:
    return set(the(document, "NeverBlock")["Resource"])


# ---- which actions ----


def test_the_adapters_are_read_from_the_code() -> None:
    assert {"ec2", "organizations", "s3_reports"} <= adapters_of("scan")
    assert {"ec2_lookup", "sqs", "slots", "iam"} <= adapters_of("respond")
    assert adapters_of("respond") == adapters_of("recheck")
    assert not {"ec2", "ec2_rules", "ec2_lookup", "sqs"} & adapters_of("digest")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_with_all_switches_on_a_role_allows_what_the_function_calls_and_no_more(
    everything: Applied, function: str
) -> None:
    assert actions(role_of(everything, function)) == needed_by(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_by_default_a_role_may_change_nothing_and_enter_no_account(least: Applied, function: str) -> None:
    wanted = needed_by(function, "ec2_rules", "iam", "organizations", "session")
    assert actions(role_of(least, function)) == wanted
    assert not [each for each in wanted if each.startswith("ec2:") and not re.match("ec2:(Describe|Get)", each)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_where_only_other_accounts_are_watched_a_role_touches_nothing_at_home(member: Applied, function: str) -> None:
    allowed = actions(role_of(member, function))
    assert not [each for each in allowed if each.startswith(("ec2:", "iam:", "organizations:"))]
    assert ("sts:AssumeRole" in allowed) == (function != "digest")  # nobody is blocked in the example


def test_dry_run_is_in_the_roles_too(member: Applied) -> None:
    """The example is a dry run that is told to remediate at once."""
    settings = member.of("aws_lambda_function")["respond"]["environment"][0]["variables"]
    assert settings["SG_COMPLIANCE_IMMEDIATE_REMEDIATION_ENABLED"] == "true"
    assert settings["SG_COMPLIANCE_DRY_RUN_MODE"] == "true"
    entered = listed(the(role_of(member, "respond"), "EnterTheAccounts")["Resource"])
    assert entered == ["arn:aws:iam::*:role/sg-compliance-prod-scan"]


def test_nothing_that_is_not_called_is_allowed(everything: Applied) -> None:
    for function in FUNCTIONS:
        assert not actions(role_of(everything, function)) & NOT_CALLED.keys()


# ---- on what ----


@pytest.mark.parametrize("name", ["least", "everything", "multi-account", "organisation"])
def test_no_policy_allows_an_action_by_a_pattern(applied: dict[str, Applied], name: str) -> None:
    seen = 0
    for address, document in applied[name].documents():
        for statement in document["Statement"]:
            seen += 1
            wild = {action for action in listed(statement["Action"]) if "*" in action}
            assert wild <= (DENY_ALL if statement["Effect"] == "Deny" else set()), address
            assert "NotAction" not in statement
            assert "NotResource" not in statement
    assert seen > 30


@pytest.mark.parametrize("name", ["least", "everything", "multi-account", "organisation"])
def test_every_resource_is_named_where_aws_knows_resources(applied: dict[str, Applied], name: str) -> None:
    for address, document in applied[name].documents():
        if "aws_kms_key" in address:  # there `*` is the key
            continue
        for statement in statements(document):
            if "*" in listed(statement.get("Resource", [])):
                unknown = [each for each in listed(statement["Action"]) if not WITHOUT_RESOURCES.fullmatch(each)]
                assert unknown == [], address


def test_every_star_in_the_files_has_its_reason_beside_it() -> None:
    seen = 0
    for path in TERRAFORM.rglob("*.tf"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.search(r'resources\s*=\s*\["\*"\]', line) and path.name != "kms-key.tf":
                seen += 1
                assert any("`*`:" in each for each in lines[max(0, number - 12) : number]), f"{path.name}:{number + 1}"
    assert seen >= 4
    assert "In a key policy `*` is this key" in (TERRAFORM / "kms-key.tf").read_text(encoding="utf-8")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_bound_to_what_is_deployed(everything: Applied, function: str) -> None:
    document = role_of(everything, function)
    assert the(document, "KeepTheJournal")["Resource"] == everything.one("aws_dynamodb_table")["arn"]
    assert the(document, "UseTheKey")["Resource"] == everything.one("aws_kms_key")["arn"]
    topics = {each["arn"] for each in everything.of("aws_sns_topic").values()}
    assert set(the(document, "TellPeople")["Resource"]) == topics
    assert the(document, "WriteItsLog")["Resource"].endswith(f":/aws/lambda/sg-compliance-dev-{function}:*")
    parameters = {f"parameter{each['name']}" for each in everything.of("aws_ssm_parameter").values()}
    switches = the(document, "ReadTheSwitches")["Resource"]
    assert {each.rpartition(":")[2] for each in switches} == parameters


@pytest.mark.parametrize(
    ("function", "folders"),
    [
        ("scan", {"audit", "backups", "reports"}),
        ("respond", {"audit", "backups"}),
        ("recheck", {"audit", "backups"}),
        ("digest", {"audit"}),
    ],
)
def test_a_role_writes_into_its_own_folders_and_not_the_policy(
    everything: Applied, function: str, folders: set[str]
) -> None:
    bucket = everything.one("aws_s3_bucket", "this")["arn"]
    wanted = {f"{bucket}/state/{folder}/*" for folder in folders}
    document = role_of(everything, function)
    assert set(listed(the(document, "WriteState")["Resource"])) == wanted
    policy = f"{bucket}/{everything.one('aws_s3_object', 'policy')['key']}"
    assert set(listed(the(document, "ReadPolicyAndState")["Resource"])) == {*wanted, policy}


def test_a_role_takes_from_its_own_queue_only(everything: Applied) -> None:
    queues = {name: queue["arn"] for name, queue in everything.of("aws_sqs_queue").items()}
    for function, queue in (("respond", "events"), ("recheck", "rechecks")):
        document = role_of(everything, function)
        assert the(document, "LambdaTakesMessages")["Resource"] == queues[queue]
        sent = the(document, "SendSecondLooksAndDeadLetters")["Resource"]
        assert set(sent) == {queues["rechecks"], queues["dead"]}


def test_accounts_are_entered_by_our_roles_and_in_our_accounts_only(everything: Applied, member: Applied) -> None:
    wide = the(role_of(everything, "respond"), "EnterTheAccounts")
    assert {each.partition("role/")[2] for each in wide["Resource"]} == {
        "legacy-audit",
        "sg-compliance-dev-contain",
        "sg-compliance-dev-remediate",
        "sg-compliance-dev-scan",
    }
    assert wide["Condition"] == {"StringEquals": {"aws:ResourceOrgID": "o-a1b2c3d4e5"}}
    listed_accounts = the(role_of(member, "scan"), "EnterTheAccounts")["Condition"]["StringEquals"]
    assert set(listed_accounts["aws:ResourceAccount"]) == {"222233334444", "444455556666"}
    assert "contain" not in str(the(role_of(everything, "scan"), "EnterTheAccounts"))
    digest = the(role_of(everything, "digest"), "EnterTheAccounts")["Resource"]
    assert set(digest) == {"arn:aws:iam::*:role/sg-compliance-dev-contain", "arn:aws:iam::*:role/legacy-audit"}


def test_the_names_of_the_roles_are_those_that_the_functions_are_told(everything: Applied) -> None:
    told = everything.of("aws_lambda_function")["respond"]["environment"][0]["variables"]
    names = {told[f"SG_COMPLIANCE_{kind}_ROLE_NAME"] for kind in ("SCAN", "CHANGE", "CONTAIN")}
    entered = the(role_of(everything, "respond"), "EnterTheAccounts")["Resource"]
    assert names <= {each.partition("role/")[2] for each in entered}


# ---- protected groups, and people who are never blocked ----


@pytest.mark.parametrize("function", ["scan", "respond", "recheck"])
def test_only_groups_at_home_are_changed_and_not_the_protected_ones(everything: Applied, function: str) -> None:
    document = role_of(everything, function)
    change, tag = the(document, "ChangeSecurityGroups"), the(document, "TagSecurityGroups")
    own = {f"arn:aws:ec2:*:{ACCOUNT}:security-group/*", f"arn:aws:ec2:*:{ACCOUNT}:security-group-rule/*"}
    assert set(change["Resource"]) == set(tag["Resource"]) == own
    assert change["Condition"] == {"StringNotEqualsIgnoreCase": {f"aws:ResourceTag/{PROTECT_TAG}": "true"}}


@pytest.mark.parametrize("function", ["scan", "respond", "recheck"])
def test_the_tag_that_protects_cannot_be_taken_off(everything: Applied, function: str) -> None:
    document = role_of(everything, function)
    alone, tags = the(document, "LeaveTheProtectingTagAlone"), the(document, "LeaveTheTagsOfProtectedGroupsAlone")
    assert (alone["Effect"], tags["Effect"]) == ("Deny", "Deny")
    assert set(alone["Action"]) == {"ec2:CreateTags", "ec2:DeleteTags"}
    assert alone["Condition"] == {"ForAnyValue:StringEquals": {"aws:TagKeys": PROTECT_TAG}}
    assert tags["Action"] == "ec2:DeleteTags"  # without keys it would delete all


@pytest.mark.parametrize("function", ["respond", "recheck", "digest"])
def test_our_roles_and_break_glass_are_never_blocked(everything: Applied, function: str) -> None:
    home = f"arn:aws:iam::{ACCOUNT}"
    assert blocked(role_of(everything, function)) == {
        f"{home}:role/sg-compliance-dev-*",
        f"{home}:role/aws-service-role/*",
        f"{home}:role/aws-reserved/*",
        f"{home}:role/legacy-audit",
        f"{home}:role/*break-glass*",
        f"{home}:user/*break-glass*",
        f"{home}:role/auditors",
        "arn:aws:iam::*:user/root-of-all",
    }
    changing = {each for each in needed_by(function) if re.match("iam:(Put|Delete)", each)}
    assert set(the(role_of(everything, function), "NeverBlock")["Action"]) == changing


def test_the_scan_blocks_nobody(everything: Applied) -> None:
    assert not [each for each in actions(role_of(everything, "scan")) if each.startswith("iam:")]


def test_every_role_has_the_boundary_that_was_asked_for(everything: Applied) -> None:
    roles = everything.of("aws_iam_role")
    assert len(roles) == len(FUNCTIONS) + 1  # and the one that forwards events
    assert {each["permissions_boundary"] for each in roles.values()} == {f"arn:aws:iam::{ACCOUNT}:policy/boundary"}


def test_inline_policies_are_within_iams_quota(applied: dict[str, Applied]) -> None:
    """10,240 characters for all inline policies of a role, blanks not counted (IAM user guide, quotas)."""
    for each in applied.values():
        for policy in each.of("aws_iam_role_policy").values():
            assert len(re.sub(r"\s", "", policy["policy"])) < 10_240
