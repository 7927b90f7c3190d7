"""The page of operations is held to the code: errors, figures, and the fields that queries ask the log for."""

from __future__ import annotations

import ast
import inspect
import io
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from sg_compliance import errors
from sg_compliance.entrypoints import lambda_handler, telemetry
from sg_compliance.entrypoints.telemetry import logger
from sg_compliance.model.metric import MetricName
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import Place
from sg_compliance.realtime.response import Handled, Reaction, Response
from tests.builders import EVERYONE, NOW, group, judge, prohibit, tcp
from tests.event_builders import asked, changed, record
from tools.cli_reference import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SAVED: Final = (ROOT / "terraform" / "cloudwatch-logs.tf").read_text(encoding="utf-8")
QUERIES: Final = [
    text.replace("\n", " ").strip()
    for text in re.findall(r"^```text\n((?:fields|filter) .*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
]
SAVED_QUERIES: Final = [
    text.replace('\\"', '"') for text in re.findall(r'^    \w+ += "(fields .*)"$', SAVED, re.MULTILINE)
]
NOTATION: Final = frozenset(
    [
        "fields",
        "filter",
        "sort",
        "stats",
        "by",
        "asc",
        "desc",
        "as",
        "like",
        "and",
        "or",
        "count",
        "count_distinct",
        "max",
    ]
)
"""Words of CloudWatch Logs Insights."""
SAYING: Final = {f"logger.{name}" for name in ("info", "warning", "error", "exception", "append_context_keys")}
OF_CLOUDWATCH: Final = frozenset({"@timestamp", "@message", "@log", "@type", "@duration", "@maxMemoryUsed"})
"""Fields that CloudWatch finds in any log, and in those of Lambda (CloudWatch Logs user guide, supported logs)."""


def section(heading: str) -> str:
    level = len(heading) - len(heading.lstrip("#"))
    after = PAGE.partition(f"\n{heading}\n")[2]
    assert after, heading
    return re.split(rf"^#{{1,{level}}} ", after, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


# ---- errors and figures ----


def test_every_error_is_on_the_page_and_no_other() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and name.endswith("Error")}
    table = section("## Errors").partition("\n### ")[0]
    assert set(first_cells(table)) == classes
    assert len(first_cells(table)) == len(classes)


def test_every_figure_is_on_the_page_and_no_other() -> None:
    assert sorted(first_cells(section("### Figures"))) == sorted(name.value for name in MetricName)


@pytest.mark.parametrize(
    "said",
    [
        "the time was over before everything was read",
        "the time was over before all that was mended was noted",
        "the time is nearly over",
        "another is at it",
        "others kept writing it at the same time",
        "what the table holds cannot be read",
        "reads back as something else than was written",
        "its content does not match its checksum",
        "this is no line of the audit log: nothing is added after it",
        "has left it half done",
        "left half done by",
        "changed since the plan was made",
        "somebody adds rules as fast as they are removed",
        "is not there any more",
        "tags could not be changed",
        "no free tag slot",
        "who has it locked",
        "does not belong in this queue",
        "is none of ours",
        "no event that asks for a scan",
        "no batch of messages from SQS",
        "a manual scan can only narrow what is deployed",
        "all changes are paused",
        "sg-compliance/second-look",
    ],
)
def test_a_message_that_the_page_explains_is_one_that_the_code_says(said: str) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert said in re.sub(r'"\s*\n\s*f?"', "", code)
    assert said in PAGE.replace("\n", " ")


def test_the_options_that_terraform_prints_are_those_of_the_commands_that_the_page_names() -> None:
    said = re.search(r"has all five options, as (.+?)\s+take them", PAGE, re.DOTALL)
    assert said
    options = {
        name: {each for parameter in command.params for each in parameter.opts} for name, command, _ in commands()
    }
    wanted = {"--state", "--table", "--kms-key", "--pause-parameter", "--topic"}
    named = re.findall(r"`([\w-]+)`", said[1])
    assert len(named) >= 6
    assert [name for name in named if not wanted <= options[f"sg-compliance {name}"]] == []


def test_nothing_is_written_at_the_level_debug() -> None:
    """The page says so: where a line comes, it has to say what."""
    assert "writes nothing at `DEBUG`" in PAGE.replace("\n", " ")
    sources = [path for path in (ROOT / "src").rglob("*.py") if re.search(r"\.debug\(", path.read_text("utf-8"))]
    assert sources == []


# ---- the log ----


@pytest.fixture(scope="module")
def written() -> frozenset[str]:
    """Every key that a line of the log can have at its top."""
    return frozenset(key for line in _lines() for key in line) | _keys_in_the_handlers()


def _lines() -> Iterator[dict[str, Any]]:
    """What telemetry writes of one thing of each kind, inside an invocation."""
    heard = io.StringIO()
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(heard)
    try:
        logger.inject_lambda_context(_invocation, correlation_id_path="id", clear_state=True)({"id": "1"}, _context())
    finally:
        handler.setStream(before or handler.stream)
        logger.clear_state()
    return map(json.loads, heard.getvalue().splitlines())


def _invocation(called_with: dict[str, Any], context: object) -> None:
    del called_with, context
    (finding,) = judge(prohibit(22), group(tcp(22, EVERYONE)))
    telemetry.violation(replace(finding, first_seen=NOW))
    telemetry.skipped(Skipped("security groups", "denied", "allow it", "111122223333", "eu-west-1"))
    read = changed(record(request=asked(tcp(22, EVERYONE))))
    response = Response(Place("111122223333", "eu-west-1", "sg-0a1b2c3d"), Reaction.COMPLIANT, "nothing", "web")
    telemetry.handled(Handled(read, "no event", (response,), notes=("a note",)), set())
    telemetry.failure(errors.StoreError("table: gone", hint="deploy it"), "scan failed")
    try:
        raise ZeroDivisionError  # noqa: TRY301  as nobody foresees
    except ZeroDivisionError:
        logger.exception("scan failed")


def _context() -> SimpleNamespace:
    return SimpleNamespace(
        function_name="sg-compliance-dev-scan",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:sg-compliance-dev-scan",
        aws_request_id="1",
    )


def _keys_in_the_handlers() -> frozenset[str]:
    """The names of what handlers and telemetry give to the logger beside the text."""
    found: set[str] = set()
    for module in (lambda_handler, telemetry):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SAYING:
                found |= {each.arg for each in node.keywords if each.arg and each.arg != "extra"}
                found |= {
                    str(key.value)
                    for each in node.keywords
                    if each.arg == "extra" and isinstance(each.value, ast.Dict)
                    for key in each.value.keys
                    if isinstance(key, ast.Constant)
                }
    return frozenset(found)


def fields_of(query: str) -> set[str]:
    """The fields of a query: what is neither a text, nor a pattern, nor a number, nor CloudWatch's own word."""
    names = set(re.findall(r"\bas (\w+)", query))
    plain = re.sub(r'"[^"]*"|/[^/|]*(?:\|[^/]*)*/(?= )', " ", query)
    words = re.findall(r"@?[A-Za-z_][\w.]*", plain)
    return {word for word in words if word not in NOTATION | names}


@pytest.mark.parametrize("query", [*QUERIES, *SAVED_QUERIES])
def test_a_query_asks_for_fields_that_are_written(query: str, written: frozenset[str]) -> None:
    fields = fields_of(query)
    assert fields
    assert {field.partition(".")[0] for field in fields} <= written | OF_CLOUDWATCH


def test_queries_are_there_and_a_field_that_nobody_writes_is_seen(written: frozenset[str]) -> None:
    assert len(QUERIES) >= 10
    assert len(SAVED_QUERIES) == 2
    assert fields_of("fields @timestamp, acount_id | filter message like /^x|y/ | sort n") == {
        "@timestamp",
        "acount_id",
        "message",
        "n",
    }
    assert not {"acount_id", "n", "extra"} & written


def test_the_parts_of_a_result_are_those_of_a_scan() -> None:
    parts = {part for query in QUERIES for part in re.findall(r"result\.(\w+)", query)}
    source = inspect.getsource(lambda_handler)
    assert len(parts) >= 5
    assert [part for part in sorted(parts) if f'"{part}": ' not in source] == []


@pytest.mark.parametrize("query", [each for each in QUERIES if "message = " in each])
def test_a_message_that_is_filtered_for_is_said(query: str) -> None:
    source = inspect.getsource(lambda_handler) + inspect.getsource(telemetry)
    for said in re.findall(r'\bmessage = "([^"]+)"', query):
        assert f'"{said}"' in source


def test_every_field_that_the_page_explains_is_written(written: frozenset[str]) -> None:
    explained = set(first_cells(section("## The log").partition("\n### ")[0]))
    assert explained <= written
    assert written - explained <= {"function_arn", "function_memory_size", "key", "stack_trace"}
