"""The docs are held to the code: examples run, snippets parse, paths and links exist, tables and lists are complete.

In the docs a block marked `console` is a terminal session in docs/examples: it is run, and what it shows must be what
the commands say, `…` standing for what is left out. A block marked `bash` may need AWS and is not run; the commands and
options in it must exist. `json` and `yaml` blocks are policies, policy tests or IAM policies, and must parse.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import os
import pkgutil
import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

import sg_compliance
import sg_compliance.aws
from sg_compliance.bootstrap import shipped_policies
from sg_compliance.entrypoints.cli import app, main
from sg_compliance.evaluation.expectations import Expectations, PolicyTest, parse_expectations
from sg_compliance.policy.consistency import HYGIENE_RULE_IDS
from sg_compliance.policy.document import AccountConfig, AccountOverride, Document, Environment
from sg_compliance.policy.lint_codes import INFOS, WARNINGS
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import every_rule
from sg_compliance.policy.rule import AllowedRule, Restriction
from sg_compliance.reports import machine, record
from sg_compliance.testing.organisation import demo_organisation
from tools import cli_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PROGRESS = re.compile(r"^\[\d+/\d+\] ")
REPOSITORY_PATH = re.compile(r"^(src|docs|config|tests|tools|benchmarks)/[\w./-]+$")
NOT_YET = "not there yet"


class Block(NamedTuple):
    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.partition(chr(10))[0][:60]}"


class Step(NamedTuple):
    command: str
    shown: list[str]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    return [Block(page, *found) for page in PAGES for found in BLOCK.findall(read(page)) if found[0] in languages]


def prose(page: Path) -> str:
    return BLOCK.sub("", read(page))


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    after = read(page).partition(f"\n{heading}\n")[2]
    assert after, f"{page.name} has no {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", after, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """The code in the first column of every table."""
    rows = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return [code for row in rows for code in CODE.findall(row)]


# ---- examples ----


def steps(block: Block) -> list[Step]:
    found: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ "), []))
        else:
            found[-1].shown.append(line)
    return found


def run(command: str) -> tuple[str, int]:
    """Run the command line in this process: what a terminal would show without the progress, and the exit status."""
    arguments = shlex.split(command)
    assert arguments[0] == "sg-compliance", command
    said = io.StringIO()
    before, sys.argv = sys.argv, arguments
    status: object = 0
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.argv = before
    assert isinstance(status, int)
    lines = [line for line in said.getvalue().splitlines() if not PROGRESS.match(line)]
    return "\n".join(lines), status


def shown_pattern(shown: list[str]) -> re.Pattern[str]:
    """`…` on a line of its own stands for any lines, none among them; inside a line for any text."""
    parts: list[str] = []
    for line in shown:
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(".*".join(map(re.escape, line.split("…"))) + "\n")
    return re.compile("".join(parts))


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_an_example_shows_what_the_command_says(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    status = None
    for step in steps(block):
        if step.command == "echo $?":
            assert step.shown == [str(status)]
            continue
        said, status = run(step.command)
        assert shown_pattern(step.shown).fullmatch(said + "\n"), f"$ {step.command}\n{said}"


def test_there_are_examples_on_every_page_that_promises_some() -> None:
    promised = {page for page in PAGES if "run as they stand in `docs/examples/`" in read(page)}
    assert promised == {block.page for block in blocks("console")}
    assert len(promised) >= 4


def commands_in(block: Block) -> Iterator[list[str]]:
    """Every call of sg-compliance in a shell example, as its arguments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        with contextlib.suppress(ValueError):
            words = shlex.split(line, comments=True)
        call: list[str] | None = None
        for word in [*words, ";"]:
            if word in {"|", ";", "&&", ">"}:
                if call is not None:
                    yield call
                call = None
            elif call is not None:
                call.append(word)
            elif word == "sg-compliance":
                call = []


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test_a_shell_example_uses_commands_and_options_that_exist(block: Block) -> None:
    for arguments in commands_in(block):
        command: Any = get_command(app)
        context: Any = None
        left = list(arguments)
        while getattr(command, "commands", None):
            context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
            command = command.commands[left.pop(0)]
        command.make_context(command.name, left, parent=context)


def test_shell_examples_are_recognised() -> None:
    calls = [call for block in blocks("bash") for call in commands_in(block)]
    assert ["scan", "--from", "-"] in calls
    assert len(calls) > 30


# ---- snippets ----


def actions_of(document: dict[str, Any]) -> set[str]:
    actions = [statement["Action"] for statement in document["Statement"]]
    return {each for action in actions for each in ([action] if isinstance(action, str) else action)}


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_a_json_snippet_is_what_it_seems(block: Block) -> None:
    document = json.loads(block.text)
    if "Statement" in document:
        assert actions_of(document) <= iam_actions()
    elif "tests" in document:
        parse_expectations(block.text, "snippet.json")
    else:
        parse_policy(block.text, "snippet.json")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_yaml_snippet_is_a_file_of_policy_tests(block: Block) -> None:
    assert "tests" in yaml.safe_load(block.text)
    parse_expectations(block.text, "snippet.yaml")


def test_blocks_are_of_known_languages() -> None:
    fences = {language for page in PAGES for language, _ in BLOCK.findall(read(page))}
    assert fences <= {"console", "bash", "json", "yaml", "text", "python", "layers"}


def test_every_example_file_is_used() -> None:
    used = " ".join(block.text for block in blocks("console"))
    files = [file.relative_to(EXAMPLES) for file in EXAMPLES.rglob("*") if file.is_file()]
    assert len(files) >= 9
    assert [str(file) for file in files if file.parts[0] not in used and file.name != "policy.json"] == []


# ---- links and paths ----


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file == ROOT or ROOT in file.parents, target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    lines = [line for line in prose(page).splitlines() if NOT_YET not in line]
    named = {code for line in lines for code in CODE.findall(line) if REPOSITORY_PATH.match(code)}
    in_original_design = set(first_cells(section(ROOT / "README.md", "### Names from the original design")))
    assert [path for path in sorted(named - in_original_design) if not (ROOT / path).exists()] == []


def test_the_table_of_rooms_is_complete() -> None:
    text = section(ROOT / "README.md", "## Where things are").partition("### ")[0]
    package = ROOT / "src" / "sg_compliance"
    inside = {child for child in package.iterdir() if child.name != "py.typed" and not child.name.startswith("_")}
    beside = {ROOT / name for name in ("config", "docs", "tests", "benchmarks", "terraform", "tools")}
    rows = re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\)", text, re.MULTILINE)
    assert {ROOT / row for row in rows} == inside | beside


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES.rglob("*.*")], ids=lambda page: page.name)
def test_the_docs_name_no_machine_and_no_registry(page: Path) -> None:
    # Written in pieces, so that this file does not hold what it looks for.
    places = ["/ho" + "me/", "/ro" + "ot/", "/wor" + "k/", "/Us" + "ers/", "pypi" + ".", "pythonhos" + "ted"]
    assert [place for place in places if place in read(page)] == []


# ---- the command reference ----


def test_the_command_reference_is_in_step_with_help() -> None:
    page = read(cli_reference.PAGE)
    assert page == cli_reference.in_step(page), "run: python tools/cli_reference.py"


def test_the_command_reference_names_every_command_and_option() -> None:
    page = read(cli_reference.PAGE)
    seen = 0
    for name, command, context in cli_reference.commands():
        own = section(cli_reference.PAGE, f"## {name}")
        for parameter in command.get_params(context):
            wanted = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
            assert [text for text in wanted if text not in own] == [], name
            seen += 1
    assert page.count("\n## sg-compliance") == len(list(cli_reference.commands()))
    assert seen > 50


# ---- what tables and lists promise ----


@functools.cache
def iam_actions(*names: str) -> frozenset[str]:
    """What the adapters declare: these, or all of them."""
    known = [info.name for info in pkgutil.iter_modules(sg_compliance.aws.__path__)]
    assert set(names) <= set(known)
    modules = [importlib.import_module(f"sg_compliance.aws.{name}") for name in names or known]
    return frozenset().union(*(getattr(module, "IAM_ACTIONS", frozenset()) for module in modules))


READING = ("ec2", "ec2_lookup", "organizations", "session")
CHANGING = ("ec2_rules",)
CONTAINING = ("iam",)
KEEPING = ("blocks", "dynamodb", "history", "once", "s3", "s3_audit", "s3_reports", "slots", "sns", "ssm", "windows")
RESPONDING = ("documents", "sqs")


def test_every_adapter_that_declares_actions_is_on_a_page() -> None:
    assert iam_actions(*READING, *CHANGING, *CONTAINING, *KEEPING, *RESPONDING) == iam_actions()


@pytest.mark.parametrize(
    ("page", "adapters"),
    [
        ("README.md", (*READING, *CHANGING, *CONTAINING, *KEEPING, *RESPONDING)),
        ("docs/scanning.md", READING),
        ("docs/permissions.md", (*CHANGING, *CONTAINING, *KEEPING, *RESPONDING)),
    ],
)
def test_every_iam_action_is_listed_and_no_other(page: str, adapters: tuple[str, ...]) -> None:
    text = BLOCK.sub(_json_only, read(ROOT / page))
    listed = set(re.findall(r"\b(?:dynamodb|ec2|iam|kms|organizations|s3|sns|sqs|ssm|sts):[A-Z]\w+", text))
    assert listed - {"sts:ExternalId"} == iam_actions(*adapters)  # a condition key


@pytest.mark.parametrize(
    ("page", "adapters"),
    [("scanning.md", READING), ("permissions.md", (*CHANGING, *CONTAINING, *KEEPING, *RESPONDING))],
)
def test_the_iam_policies_to_copy_allow_all_that_is_needed(page: str, adapters: tuple[str, ...]) -> None:
    documents = [json.loads(block.text) for block in blocks("json") if block.page.name == page]
    allowed = set().union(*(actions_of(document) for document in documents))
    assert allowed == iam_actions(*adapters) - {"sts:GetCallerIdentity"}  # which needs no permission


def test_every_bad_day_on_the_page_is_a_test() -> None:
    named = set(re.findall(r"`(test_\w+)`", read(ROOT / "docs" / "enforcement.md")))
    crash = "".join(read(path) for path in (ROOT / "tests" / "crash").glob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in crash} == set()


def _json_only(block: re.Match[str]) -> str:
    return block[2] if block[1] == "json" else ""


def keys_of(*models: type[BaseModel]) -> set[str]:
    """The keys of the models and of all models inside."""
    found: set[str] = set()
    waiting, seen = list(models), set[type[BaseModel]]()
    while waiting:
        model = waiting.pop()
        if model not in seen:
            seen.add(model)
            found |= model.model_fields.keys()
            waiting += [inner for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def test_every_key_of_the_policy_is_documented() -> None:
    text = read(ROOT / "docs" / "policy.md")
    keys = keys_of(Document, AccountOverride, AccountConfig, Environment, Restriction, AllowedRule)
    assert len(keys) > 100
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def test_the_tree_of_keys_names_every_key_but_those_of_a_rule() -> None:
    (tree,) = [block.text for block in blocks("text") if block.text.startswith("version ")]
    of_rules = keys_of(Restriction, AllowedRule)
    of_document = keys_of(Document, AccountOverride, AccountConfig, Environment)
    assert [key for key in sorted(of_document - of_rules) if not re.search(rf"\b{key}\b", tree)] == []


def test_every_key_of_a_rule_is_explained() -> None:
    explained = set(CODE.findall(section(ROOT / "docs" / "policy.md", "## A rule")))
    other = {"max_public_addresses", "port_match", "source_match"}
    assert keys_of(Restriction, AllowedRule) - other <= explained
    assert [key for key in other if f"`{key}" not in section(ROOT / "docs" / "policy.md", "## Prohibited rules")] == []


def test_every_remark_of_lint_is_listed() -> None:
    listed = re.findall(
        r"^\| `([\w-]+)` \| (warning|info) \| (.*) \|$",
        section(ROOT / "docs" / "policy.md", "## Checking a policy"),
        re.MULTILINE,
    )
    wanted = [*((code, "warning", said) for code, said in WARNINGS.items())]
    wanted += [(code, "info", said) for code, said in INFOS.items()]
    assert sorted(listed) == sorted(wanted)


@pytest.mark.parametrize("name", shipped_policies())
def test_every_rule_of_a_shipped_policy_is_listed_and_no_other(name: str) -> None:
    path = shipped_policies()[name]
    document = parse_policy(read(path), path.name).document
    own = section(ROOT / "docs" / "policy.md", f"### {name}")
    listed = re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \|", own, re.MULTILINE)
    assert sorted(listed) == sorted((found.rule.rule_id, found.rule.severity.value) for found in every_rule(document))
    assert f"`config/{path.parent.name + '/' if path.parent.name == 'policies' else ''}{path.name}`" in own


def test_every_hygiene_rule_is_listed() -> None:
    assert set(first_cells(section(ROOT / "docs" / "policy.md", "## Hygiene: global_rules"))) == set(HYGIENE_RULE_IDS)


@functools.cache
def reported() -> dict[str, Any]:
    """The JSON report of the examples."""
    policy = EXAMPLES / "policy.json"
    said, _ = run(
        shlex.join(["sg-compliance", "scan", "--from", str(EXAMPLES / "aws"), "--policy", str(policy), "--json"])
    )
    found: dict[str, Any] = json.loads(said)
    return found


def test_every_key_of_the_json_report_is_documented_and_no_other() -> None:
    page = ROOT / "docs" / "findings.md"
    report = reported()
    open_finding = next(finding for finding in report["findings"] if finding["state"] == "open")
    exempt_finding = next(finding for finding in report["findings"] if finding["state"] == "exempt")
    parts = {
        "document": report,
        "policy": report["policy"],
        "summary": report["summary"],
        "finding": open_finding,
        "overlap": open_finding["overlap"][0],
        "change": open_finding["change"][0],
        "exemption": exempt_finding["exemption"],
    }
    for heading, part in parts.items():
        assert set(first_cells(section(page, f"### {heading}"))) == set(part), heading
    evidence = set(open_finding["evidence"][0]) | {"CidrIpv6", "PrefixListId", "ReferencedGroupInfo"}
    assert set(first_cells(section(page, "### evidence"))) == evidence


def test_the_keys_of_a_skip_are_documented() -> None:
    said, status = run(shlex.join(["sg-compliance", "scan", "--from", str(EXAMPLES / "policy.json"), "--json"]))
    report, _ = json.JSONDecoder().raw_decode(said)
    (skipped,) = report["skipped"]
    assert status == 2
    assert set(first_cells(section(ROOT / "docs" / "findings.md", "### skipped"))) == set(skipped)


def test_the_version_of_the_json_report_is_the_documented_one() -> None:
    assert f'"schema_version": "{record.SCHEMA_VERSION}"' in read(ROOT / "docs" / "findings.md")


def test_the_columns_of_csv_are_documented() -> None:
    assert tuple(first_cells(section(ROOT / "docs" / "findings.md", "## csv"))) == machine.COLUMNS


def test_the_keys_of_a_file_of_policy_tests_are_documented() -> None:
    listed = set(first_cells(section(ROOT / "docs" / "testing-policies.md", "## The file")))
    assert listed == {*Expectations.model_fields, *PolicyTest.model_fields}


def test_every_odd_group_of_the_demo_is_described() -> None:
    listed = first_cells(read(ROOT / "docs" / "demo.md"))
    prefixes = tuple(name.removesuffix("…") for name in listed if name.endswith("…"))
    odd = {group.name for group in demo_organisation().groups if group.case}
    assert [name for name in sorted(odd) if name not in listed and not name.startswith(prefixes)] == []
    names = {group.name for group in demo_organisation().groups}
    assert [name for name in listed if name not in names and not name.endswith("…")] == []


def test_the_figures_of_the_demo_are_right() -> None:
    organisation = demo_organisation()
    for page in (ROOT / "README.md", ROOT / "docs" / "demo.md"):
        assert f"{len(organisation.groups)} groups" in read(page)
    accounts = {account.account_id for account in (*organisation.accounts, *organisation.suspended_accounts)}
    assert set(re.findall(r"^\| (\d{12}) \|", read(ROOT / "docs" / "demo.md"), re.MULTILINE)) == accounts


def test_the_groups_that_the_readme_names_are_in_the_demo() -> None:
    rows = re.findall(r"\| `([\w-]+)` \|$", read(ROOT / "README.md"), re.MULTILINE)
    assert len(rows) >= 8
    assert set(rows) <= {group.name for group in demo_organisation().groups if group.case}


def test_the_glossary_is_sorted() -> None:
    words = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", read(ROOT / "docs" / "glossary.md"), re.MULTILINE)[1:]
    assert len(words) >= 30
    assert [(one, other) for one, other in pairwise(words) if one.lower() > other.lower()] == []


def test_the_picture_is_a_picture_that_loads_nothing() -> None:
    picture = read(ROOT / "docs" / "demo.svg")
    assert picture.startswith("<svg ")
    assert "sftp-partners" in picture
    assert "url(http" not in picture
    assert "<script" not in picture


def test_the_readme_says_which_python() -> None:
    wanted = re.search(r'requires-python = ">=([\d.]+)"', read(ROOT / "pyproject.toml"))
    assert wanted
    assert f"Python {wanted[1]} or newer" in read(ROOT / "README.md")
    assert os.path.commonpath([sg_compliance.__file__, str(ROOT)]) == str(ROOT)
