"""What the docs ask of the AWS CLI is there: services, operations, and options, by the SDK's models of the services."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from botocore import xform_name
from botocore.session import get_session

from tests.docs.test_docs import BLOCK, CODE, PAGES, prose, read

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_CLI: Final = {
    ("logs", "tail"): frozenset({"--follow"}),
    ("s3", "sync"): frozenset[str](),
    ("s3", "cp"): frozenset[str](),
    ("s3", "ls"): frozenset[str](),
    ("sso", "login"): frozenset[str](),
    ("configure", "list-profiles"): frozenset[str](),
}
"""Commands that are no operation of AWS, and what the docs give them (AWS CLI command reference)."""
GLOBAL: Final = frozenset(
    {"--cli-binary-format", "--endpoint-url", "--no-paginate", "--output", "--profile", "--query", "--region"}
)
"""Options of every command."""
PAGED: Final = frozenset({"--max-items"})
SHORT: Final = {"authorize-security-group-ingress": frozenset({"--protocol", "--port", "--cidr"})}
"""Options that the AWS CLI makes others of."""


class Call(NamedTuple):
    page: str
    service: str
    operation: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: aws {self.service} {self.operation} {' '.join(self.options)}"


def texts(page: str) -> Iterator[str]:
    """Every line that may hold a call: of blocks for a shell, and code in the text."""
    for language, block in BLOCK.findall(page):
        if language in {"bash", "text", "console"}:
            yield from block.replace("\\\n", " ").splitlines()


def calls() -> Iterator[Call]:
    for page in PAGES:
        lines = [*texts(read(page)), *CODE.findall(prose(page))]
        for line in lines:
            for said in re.findall(r"(?:^|[\s(])aws ([a-z][\w-]+) ([a-z][\w-]+)([^|`\n]*)", line):
                yield Call(page.name, said[0], said[1], tuple(re.findall(r"(?<=\s)--[a-z][\w-]*", _bare(said[2]))))


def _bare(text: str) -> str:
    """Without what stands in quotes."""
    try:
        return " ".join(word if word.startswith("--") else "x" for word in ["", *shlex.split(text)])
    except ValueError:
        return text.partition("'")[0]


CALLS: Final = sorted(set(calls()))


@cache
def options_of(service: str, operation: str) -> frozenset[str]:
    """What the operation takes. Raises where there is none."""
    model = get_session().get_service_model("s3" if service == "s3api" else service)
    (name,) = [each for each in model.operation_names if xform_name(each, "-") == operation]
    shape = model.operation_model(name).input_shape
    members = [xform_name(each, "-") for each in shape.members] if shape else []
    return frozenset(f"--{prefix}{each}" for each in members for prefix in ("", "no-"))


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_command_of_aws_is_there_with_its_options(call: Call) -> None:
    known = OF_THE_CLI.get((call.service, call.operation))
    if known is None:
        known = options_of(call.service, call.operation) | PAGED | SHORT.get(call.operation, frozenset())
    assert [option for option in call.options if option not in known | GLOBAL] == []


def test_commands_are_found_and_one_that_is_not_there_is_seen() -> None:
    assert len(CALLS) > 30
    assert {call.page for call in CALLS} >= {"deploy.md", "operations.md", "scanning.md"}
    assert "--queue-url" in options_of("sqs", "receive-message")
    assert "--queue-name" not in options_of("sqs", "receive-message")
    with pytest.raises(ValueError, match="unpack"):
        options_of("sqs", "receive-messages")
