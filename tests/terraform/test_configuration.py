"""The files themselves: in form, valid, with inputs that refuse what is wrong, and a page that is in step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.terraform.paper import TERRAFORM
from tools import terraform_reference
from tools.terraform_reference import outputs, variables

if TYPE_CHECKING:
    from tests.terraform.paper import Workshop

OF_THE_BRIEF: Final = {
    "aws_region": '"us-east-1"',
    "block_suspicious_users": "false",
    "compliance_schedule": '"rate(24 hours)"',
    "dry_run_mode": "true",
    "enable_automatic_remediation": "false",
    "enable_cloudtrail": "false",
    "environment": '"dev"',
    "immediate_remediation_enabled": "false",
    "kms_key_deletion_window": "30",
    "lambda_memory_size": "512",
    "lambda_timeout": "900",
    "log_retention_days": "90",
    "mass_operations_alert_threshold": "null",
    "max_operations_per_minute": "null",
    "notification_email": '""',
    "project_name": '"sg-compliance"',
    "real_time_scanning_enabled": "false",
    "s3_bucket_name": '""',
    "tags": "{}",
    "target_accounts": "[]",
    "violation_severity_threshold": '"critical"',
}
FILES: Final = (
    "main.tf variables.tf outputs.tf iam-roles.tf lambda-function.tf s3-bucket.tf cloudwatch-logs.tf "
    "eventbridge-rules.tf sns-notifications.tf kms-key.tf ssm-parameters.tf"
)


def test_the_files_of_the_design_are_there() -> None:
    assert [name for name in FILES.split() if not (TERRAFORM / name).is_file()] == []


def test_the_variables_of_the_design_are_there_with_their_defaults() -> None:
    found = {each.name: each.default for each in variables(TERRAFORM)}
    assert {name: found.get(name) for name in OF_THE_BRIEF} == OF_THE_BRIEF


@pytest.mark.parametrize("folder", [".", "modules/member-account", "modules/event-forwarding"])
def test_every_input_says_what_it_is_and_of_which_type(folder: str) -> None:
    path = TERRAFORM / folder
    found = variables(path) if (path / "variables.tf").is_file() else []
    assert found or folder == "modules/event-forwarding"
    for each in found:
        assert each.description.endswith((".", ")", "]")), each.name
        assert each.type, each.name


def test_every_output_says_what_it_is() -> None:
    assert all(each.description for each in [*outputs(TERRAFORM), *outputs(TERRAFORM / "modules" / "member-account")])


def test_the_page_is_in_step() -> None:
    page = terraform_reference.PAGE.read_text(encoding="utf-8")
    assert page == terraform_reference.in_step(page), "run: python tools/terraform_reference.py"


def test_every_file_that_the_page_names_is_there() -> None:
    page = terraform_reference.PAGE.read_text(encoding="utf-8").partition(terraform_reference.MARKER)[0]
    named = set(re.findall(r"`((?:[\w-]+/)*[\w.-]+(?:\.tf|\.tftpl|\.yaml|/))`", page)) - {"backend.tf"}
    named |= set(re.findall(r"`(examples/[\w-]+)`", page))
    assert len(named) > 15
    assert [name for name in named if not (TERRAFORM / name).exists()] == []
    for path in TERRAFORM.glob("*.tf"):
        assert f"`{path.name}`" in page


def test_every_input_of_the_example_is_one() -> None:
    text = (TERRAFORM / "terraform.tfvars.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?(\w+)\s+= ", text, re.MULTILINE)) - {"Owner"}
    known = {each.name for each in variables(TERRAFORM)}
    assert len(named) > 15
    assert named <= known
    for name, default in re.findall(r"^(\w+)\s+= (\S+)", text, re.MULTILINE):
        if name in {"dry_run_mode", "enable_automatic_remediation"} or name.endswith(("_enabled", "_users")):
            assert default == OF_THE_BRIEF[name], name


def test_only_the_aws_provider_is_needed() -> None:
    for path in TERRAFORM.rglob("*.tf"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r'source\s*= "(hashicorp/\w+)"', text)) <= {"hashicorp/aws"}, path.name
        assert set(re.findall(r'^(?:resource|data) "([a-z]+)_', text, re.MULTILINE)) <= {"aws"}, path.name


def test_no_file_is_too_long_to_read() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in TERRAFORM.rglob("*.tf")}
    assert {name: length for name, length in lines.items() if length > 480} == {}


# ---- with Terraform ----


@pytest.mark.e2e
@pytest.mark.xdist_group("terraform")
def test_the_files_are_in_form(workshop: Workshop) -> None:
    assert workshop.run("fmt", "-check", "-recursive", "-diff") == ""


@pytest.mark.e2e
@pytest.mark.xdist_group("terraform")
def test_the_least_example_is_valid(workshop: Workshop) -> None:
    """The others, and the modules with them, are applied."""
    workshop.run("get", "-no-color", where="examples/minimal")
    assert "Success" in workshop.run("validate", "-no-color", where="examples/minimal")


@pytest.mark.e2e
@pytest.mark.xdist_group("terraform")
def test_terraforms_own_tests_pass(workshop: Workshop) -> None:
    workshop.run("get", "-no-color")
    said = workshop.run("test", "-no-color")
    passed = re.search(r"Success! (\d+) passed, 0 failed", said)
    assert passed
    assert int(passed[1]) >= 13


def refused(name: str) -> str:
    """The wrong values of a run in refused_values.tftest.hcl."""
    text = (TERRAFORM / "tests" / "refused_values.tftest.hcl").read_text(encoding="utf-8")
    run = re.search(rf'^run "{name}" \{{\n(.*?)^\}}', text, re.DOTALL | re.MULTILINE)
    assert run
    return run[1].partition("variables {\n")[2].partition("\n  }")[0]


@pytest.mark.e2e
@pytest.mark.xdist_group("terraform")
def test_what_is_wrong_is_refused_with_what_was_expected(workshop: Workshop) -> None:
    wrong = refused("every_variable_refuses_what_is_wrong")
    file = workshop.folder / "wrong.tfvars"
    file.write_text(re.sub("^    ", "", wrong, flags=re.MULTILINE), encoding="utf-8")
    workshop.run("get", "-no-color")
    said = " ".join(workshop.run("plan", "-no-color", "-lock=false", f"-var-file={file}", fails=True).split())
    names = set(re.findall(r"^    (\w+)\s+=", wrong, re.MULTILINE))
    assert len(names) > 30
    for each in variables(TERRAFORM):
        if each.name in names:
            assert any(" ".join(message.split()) in said for message in each.messages), each.name


def test_every_input_that_is_checked_is_refused_somewhere() -> None:
    text = (TERRAFORM / "tests" / "refused_values.tftest.hcl").read_text(encoding="utf-8")
    expected = set(re.findall(r"\bvar\.(\w+)", text))
    assert expected == {each.name for each in variables(TERRAFORM) if each.messages}


def test_every_message_begins_with_the_input_and_says_what_was_expected() -> None:
    for each in variables(TERRAFORM):
        for message in each.messages:
            assert message.startswith(f"{each.name}: expected "), each.name
