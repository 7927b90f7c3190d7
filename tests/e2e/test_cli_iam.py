"""`sg-compliance iam`, as its user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from typer.testing import CliRunner

from sg_compliance.entrypoints.cli import app

if TYPE_CHECKING:
    from pathlib import Path

AUDIT: Final = "arn:aws:iam::123456789012:role/audit"
EXTERNAL_ID: Final = "0123456789abcdef"
ROLES: Final = ("scan", "remediate", "contain", "caller")
BEYOND: Final = re.compile(r'arn:(?!aws-cn:)|:ec2:\*:\*:(?!prefix-list)|:iam::\*:|"aws:')


class Ended(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  JSON
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """What was said, without the breaks of lines."""
        return " ".join(self.err.split())


def iam(*arguments: str) -> Ended:
    done = CliRunner().invoke(app, ["iam", *arguments])
    return Ended(done.exit_code, done.stdout, done.stderr)


def trust(*arguments: str) -> Ended:
    return iam("trust", *arguments)


@pytest.mark.parametrize("role", ROLES)
def test_a_policy_is_json_and_nothing_else(role: str) -> None:
    ended = iam("policy", "--role", role)
    assert (ended.status, ended.err) == (0, "")
    assert ended.json["Version"] == "2012-10-17"


@pytest.mark.parametrize("role", ROLES)
def test_compact_is_the_same_in_one_line(role: str) -> None:
    ended, compact = iam("policy", "--role", role), iam("policy", "--role", role, "--format", "compact")
    assert compact.json == ended.json
    assert compact.out.count("\n") == 1
    assert " " not in compact.out


@pytest.mark.parametrize("role", ROLES)
def test_account_and_partition_are_in_every_arn(role: str) -> None:
    ended = iam("policy", "--role", role, "--account", "111122223333", "--partition", "aws-cn")
    arns = re.findall(r'"(arn:[^"]+)"', ended.out)
    assert arns
    assert [each for each in arns if BEYOND.search(each)] == []


def test_several_accounts_are_given_one_by_one_or_with_commas() -> None:
    one = iam("policy", "--role", "remediate", "--account", "111122223333", "--account", "444455556666")
    other = iam("policy", "--role", "remediate", "--accounts", "111122223333,444455556666,111122223333")
    assert one.json == other.json
    assert len(one.json["Statement"][1]["Resource"]) == 4


def test_names_of_our_roles_and_of_those_who_are_never_blocked_can_be_given() -> None:
    ended = iam(
        "policy", "--role", "contain", "--name-prefix", "sgc-dev", "--break-glass", "ada", "--break-glass", "b?b"
    )
    denied = ended.json["Statement"][1]["Resource"]
    assert "arn:aws:iam::*:role/sgc-dev-*" in denied
    assert {"arn:aws:iam::*:user/*ada", "arn:aws:iam::*:role/*b?b"} <= set(denied)
    assert "break-glass" not in ended.out


def test_protected_groups_can_be_let_in() -> None:
    ended = iam("policy", "--role", "remediate", "--change-protected-groups")
    assert "ResourceTag" not in ended.out
    assert "ResourceTag" in iam("policy", "--role", "remediate").out


def test_a_caller_enters_what_is_asked_for() -> None:
    ended = iam("policy", "--role", "caller", "--enter", "contain", "--org", "--organization-id", "o-a1b2c3d4e5")
    enter, ask = ended.json["Statement"]
    assert enter["Resource"] == ["arn:aws:iam::*:role/sg-compliance-contain"]
    assert enter["Condition"] == {"StringEquals": {"aws:ResourceOrgID": "o-a1b2c3d4e5"}}
    assert all(each.startswith("organizations:List") for each in ask["Action"])


def test_a_trust_policy_names_who_gets_in() -> None:
    ended = trust("--principal", AUDIT, "--external-id", EXTERNAL_ID, "--organization-id", "o-a1b2c3d4e5")
    (statement,) = ended.json["Statement"]
    assert statement["Condition"]["ArnEquals"] == {"aws:PrincipalArn": [AUDIT]}
    assert statement["Condition"]["StringEquals"] == {
        "sts:ExternalId": EXTERNAL_ID,
        "aws:PrincipalOrgID": "o-a1b2c3d4e5",
    }


def test_an_account_by_its_id_is_of_the_partition() -> None:
    ended = trust("--principal", "123456789012", "--external-id", EXTERNAL_ID, "--partition", "aws-us-gov")
    assert ended.json["Statement"][0]["Principal"] == {"AWS": ["arn:aws-us-gov:iam::123456789012:root"]}


def test_a_functions_own_role_is_lambdas() -> None:
    ended = trust("--principal", "lambda.amazonaws.com")
    assert ended.json["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--role'"),
        (("--role", "admin"), "'admin' is not one of"),
        (("--role", "scan", "--account", "11112222333"), "'11112222333' is not a 12-digit account id"),
        (("--role", "scan", "--account", ""), "an empty value"),
        (("--role", "scan", "--partition", "aws-moon"), "'aws-moon' is not one of"),
        (("--role", "scan", "--break-glass", "ada"), "is for --role contain, and this is scan"),
        (("--role", "scan", "--change-protected-groups"), "is for --role remediate, and this is scan"),
        (("--role", "contain", "--org"), "is for --role caller, and this is contain"),
        (("--role", "contain", "--enter", "scan"), "is for --role caller"),
        (("--role", "contain", "--organization-id", "o-a1b2c3d4e5"), "is for --role caller"),
        (("--role", "caller", "--enter", "caller"), "caller is who enters"),
        (("--role", "caller", "--organization-id", "a1b2c3d4e5"), "is not the id of an organisation"),
        (("--role", "contain", "--break-glass", "*"), "is not the name of a user or role"),
        (("--role", "contain", "--break-glass", "arn:aws:iam::1:user/ada"), "is not the name of a user or role"),
        (("--role", "contain", "--name-prefix", ""), "is not the beginning of a role's name"),
        (("--role", "contain", "--name-prefix", "*"), "is not the beginning of a role's name"),
        (("--role", "scan", "--format", "yaml"), "'yaml' is not one of"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(arguments: tuple[str, ...], said: str) -> None:
    ended = iam("policy", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--principal'"),
        (
            ("--principal", AUDIT),
            "expected 16 to 256 letters, digits and _+=,.@:/-; make one with: openssl rand -hex 24",
        ),
        (("--principal", AUDIT, "--external-id", ""), "16 to 256 letters"),
        (("--principal", AUDIT, "--external-id", "short"), "16 to 256 letters"),
        (("--principal", AUDIT, "--external-id", EXTERNAL_ID, "--organization-id", ""), "the id of an organisation"),
        (("--principal", "lambda.amazonaws.com", "--external-id", EXTERNAL_ID), "stands alone"),
        (("--principal", "lambda.amazonaws.com", "--organization-id", "o-a1b2c3d4e5"), "stands alone"),
        (("--principal", "lambda.amazonaws.com", "--principal", AUDIT), "stands alone"),
    ],
)
def test_a_trust_that_cannot_be_meant_is_refused(arguments: tuple[str, ...], said: str) -> None:
    ended = trust(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.said


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trust", "--principal", "*", "--external-id", EXTERNAL_ID], "a trust policy names roles, users and accounts"),
        (
            ["policy", "--role", "remediate", *(f"--account={number:012d}" for number in range(99))],
            "characters, and IAM takes 10,240",
        ),
    ],
)
def test_what_iam_would_not_take_is_an_error_with_a_next_step(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sg_compliance", "iam", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "\nhelp: " in done.stderr
