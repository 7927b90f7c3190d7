"""`policy`: check a document, show what binds, print the schema, test a policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options

if TYPE_CHECKING:
    from sg_compliance.policy.lint import Lint

CHECK_EXAMPLES: Final = """Examples:

sg-compliance policy check config/security_policies.json

sg-compliance policy check policy.yaml --strict"""
SHOW_EXAMPLES: Final = """Examples:

sg-compliance policy show --environment production

sg-compliance policy show --policy mine.json --account 111122223333 --json"""
SCHEMA_EXAMPLES: Final = """Examples:

sg-compliance policy schema > policy.schema.json"""
TEST_EXAMPLES: Final = """Examples:

sg-compliance policy test policy-tests.yaml

sg-compliance policy test policy-tests.json --policy strict"""

app = typer.Typer(
    help="Check, show and test policies.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog=CHECK_EXAMPLES)
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Policy document, or the name of one that ships.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    soon: Annotated[int, typer.Option(min=0, metavar="DAYS", help="Exemptions that end within so many days.")] = 30,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say everything that is wrong with a policy document, and what in it is surely not meant.

    Exit status: 0 good, 1 warnings with --strict, 2 not a policy.
    """
    import json

    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.policy.lint import lint
    from sg_compliance.reports.policy import check_record, lint_lines

    parsed = bootstrap.load_policy(file)
    found = lint(parsed.document, bootstrap.now(), soon)
    if json_:
        write_text([json.dumps(check_record(parsed, found), indent=2), "\n"])
    else:
        write(lint_lines(parsed, found))
    raise typer.Exit(1 if strict and _warnings(found) else 0)


def _warnings(found: list[Lint]) -> list[Lint]:
    return [each for each in found if each.level == "warning"]


@app.command(epilog=SHOW_EXAMPLES)
def show(
    policy: options.Policy = None,
    account: Annotated[str | None, typer.Option(metavar="ID", help="The rules that bind in this account.")] = None,
    environment: Annotated[str | None, typer.Option(help="The rules that bind in this environment.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the rules that bind a group in an account and environment, and where each comes from."""
    import json

    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.terminal import warn_of_unknown_environment, write, write_text
    from sg_compliance.policy.notation import environment_name
    from sg_compliance.policy.resolve import Policy
    from sg_compliance.reports.policy import rule_set_lines, rule_set_record

    parsed = bootstrap.load_policy(policy)
    account_id = options.account_id(account) if account else ""
    warn_of_unknown_environment(parsed.document, environment)
    resolved = Policy(parsed.document, environment)
    of_account = resolved.environment_of_account(account_id)
    rule_set = resolved.rule_set(account_id, environment_name(environment) if environment else of_account)
    if json_:
        write_text([json.dumps(rule_set_record(parsed, rule_set), indent=2), "\n"])
    else:
        write(rule_set_lines(parsed, rule_set))


@app.command(epilog=SCHEMA_EXAMPLES)
def schema() -> None:
    """Print the JSON Schema of policy documents, for editors and CI."""
    from sg_compliance.entrypoints.cli.terminal import write_text
    from sg_compliance.policy.schema import schema_text

    write_text([schema_text()])


@app.command("test", epilog=TEST_EXAMPLES)
def run_tests(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Groups, and the findings that each must have.")],
    policy: options.Policy = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Run a file of tests against a policy: each is a group and the rules that it must, or must not, violate.

    The file names the policy; --policy takes another. Exit status: 0 all passed, 1 some failed, 2 could not run.
    """
    import json

    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.policy import results_record, test_lines

    parsed, results = bootstrap.run_policy_tests(file, policy)
    if json_:
        write_text([json.dumps(results_record(parsed, results), indent=2), "\n"])
    else:
        write(test_lines(parsed, results))
    raise typer.Exit(0 if all(result.passed for result in results) else 1)
