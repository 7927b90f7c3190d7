"""The page of operations has every alarm that is made, with its figure and its topic, and names what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tools import terraform_reference

if TYPE_CHECKING:
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
OPERATIONS: Final = (DOCS / "operations.md").read_text(encoding="utf-8")
DEPLOY: Final = (DOCS / "deploy.md").read_text(encoding="utf-8")
PAGES: Final = {"operations.md": OPERATIONS, "deploy.md": DEPLOY, "costs.md": (DOCS / "costs.md").read_text("utf-8")}
PREFIX: Final = "sg-compliance-dev-"


class Row(NamedTuple):
    alarm: str
    figure: str
    topic: str


def rows() -> list[Row]:
    table = OPERATIONS.partition("\n## Alarms\n")[2].partition("\n### ")[0]
    return [
        Row(*found) for found in re.findall(r"^\| `([\w-]+)` \| `(\w+)` \| (\w+) \| .+ \| .+ \|$", table, re.MULTILINE)
    ]


def test_every_alarm_is_on_the_page_and_no_other(least: Applied) -> None:
    topics = {topic["arn"]: name for name, topic in least.of("aws_sns_topic").items()}
    made = [
        Row(each["alarm_name"].removeprefix(PREFIX), each["metric_name"], topics[each["alarm_actions"][0]])
        for each in least.of("aws_cloudwatch_metric_alarm").values()
    ]
    assert len(made) > 15
    assert sorted(rows()) == sorted(made)


def test_only_alarms_to_operations_say_when_it_is_over(least: Applied) -> None:
    """As the page says."""
    for each in least.of("aws_cloudwatch_metric_alarm").values():
        topic = each["alarm_actions"][0].rpartition("-")[2]
        assert bool(each["ok_actions"]) is (topic == "operations"), each["alarm_name"]


def test_the_saved_queries_are_named(least: Applied) -> None:
    for each in least.of("aws_cloudwatch_query_definition").values():
        assert f"`{each['name']}`" in OPERATIONS


def names(applied: Applied) -> set[str]:
    """What is made by name, with the roles that the module makes in accounts."""
    made = {
        str(each["values"][key])
        for each in applied.resources
        for key in ("name", "bucket", "function_name", "alarm_name", "dashboard_name")
        if each["values"].get(key)
    }
    return made | {f"{PREFIX}{role}" for role in ("scan", "remediate", "contain", "forward", "member-account")}


@pytest.mark.parametrize("page", ["operations.md", "deploy.md"])
def test_a_name_of_the_deployment_is_one_that_is_made(page: str, least: Applied) -> None:
    known = {name.rpartition("/")[2] for name in names(least)} | {"sg-compliance-dev"}
    invented = {f"{PREFIX}before", f"{PREFIX}123456789012"}  # a restored table; the bucket, in another account here
    assert least.one("aws_s3_bucket")["bucket"] == f"{PREFIX}111122223333"
    said = set(re.findall(r"\bsg-compliance-dev(?:-[a-z0-9]+)*", PAGES[page]))
    assert len(said) > 5
    assert said - known - invented == set()


def test_parameters_are_those_that_are_made(least: Applied) -> None:
    made = {each["name"] for each in least.of("aws_ssm_parameter").values()}
    assert set(re.findall(r"(/sg-compliance-dev/[\w/-]+)", OPERATIONS)) == made


VARIABLES: Final = {
    each.name
    for folder in (".", "modules/member-account")
    for each in terraform_reference.variables(terraform_reference.TERRAFORM / folder)
}


@pytest.mark.parametrize("page", PAGES)
def test_a_variable_that_is_set_is_one_of_terraform(page: str) -> None:
    said = set(re.findall(r"`(\w+) = ", PAGES[page]))
    for block in re.findall(r"^```text\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE):
        said |= set(re.findall(r"^ *(\w+) += ", block, re.MULTILINE))
    assert said
    assert said - VARIABLES - {"source", "providers"} == set()


def test_outputs_that_are_named_are_there() -> None:
    outputs = {each.name for each in terraform_reference.outputs(terraform_reference.TERRAFORM)}
    said = {
        name for text in PAGES.values() for name in re.findall(r"output (?:-raw\s|-json )?`?([a-z_]+_[a-z_]+)", text)
    }
    assert said >= {"member_account", "command_options", "changing_options"}
    assert said <= outputs


def test_the_parameters_of_the_stack_set_are_all_that_have_no_default() -> None:
    template = (terraform_reference.TERRAFORM / "cloudformation" / "member-account.yaml").read_text(encoding="utf-8")
    parameters = template.partition("\nParameters:\n")[2].partition("\nConditions:\n")[0]
    found = dict(re.findall(r"^  (\w+):\n((?:    .*\n)+)", parameters, re.MULTILINE))
    given = set(re.findall(r'ParameterKey: "(\w+)"', DEPLOY))
    assert given <= set(found)
    assert {name for name, body in found.items() if "Default:" not in body} <= given
    overridden = set(re.findall(r"ParameterKey=(\w+)", DEPLOY)) | {"BreakGlassName"}
    assert overridden <= set(found)


def test_the_plan_is_as_long_as_the_page_says(least: Applied) -> None:
    made = sum(each["mode"] == "managed" for each in least.resources)
    said = re.search(r"a plan of some (\d+) resources to add", DEPLOY)
    assert said
    assert abs(made - int(said[1])) <= 10


def test_options_of_deploy_sh_are_there() -> None:
    script = (ROOT / "deploy.sh").read_text(encoding="utf-8")
    said = {
        option
        for text in PAGES.values()
        for call in re.findall(r"\./deploy\.sh ([^`\n]*)", text)
        for option in re.findall(r"--[\w-]+", call)
    }
    assert said >= {"--dry-run", "--environment", "--region", "--destroy"}
    assert [option for option in sorted(said) if f"    {option}" not in script] == []
