"""`scan`: read groups, judge them, report."""

from __future__ import annotations

import gc
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.bootstrap import Judge, Where
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Summary
    from sg_compliance.workflows.scan import Selection

_GARBAGE_THRESHOLD: Final = 10_000
EXAMPLES: Final = """Examples:

sg-compliance scan --from groups.json

aws ec2 describe-security-groups | sg-compliance scan --from -

sg-compliance scan --org --external-id ID --regions eu-west-1,us-east-1 --format json > findings.json

sg-compliance scan --accounts 111122223333 --severity high --fail-on critical

Exit status: 0 clean, 1 findings at or above --fail-on, 2 could not do it or not all of it."""


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    BRIEF = "brief"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class FailOn(StrEnum):
    """The severity from which on the exit status is 1."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    NEVER = "never"


def scan(
    sources: options.From = None,
    policy: options.Policy = None,
    environment: options.Environment = None,
    format_: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.TEXT,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    severity: Annotated[
        options.SeverityName, typer.Option(help="Only findings of this severity or worse.")
    ] = options.SeverityName.INFO,
    rules: Annotated[
        list[str] | None, typer.Option("--rule", metavar="RULE_ID", help="Only this rule. Can be repeated.")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this severity on.")] = FailOn.INFO,
    accounts: options.Accounts = None,
    organization: options.Organization = False,
    units: options.Units = None,
    excluded: options.Excluded = None,
    regions: options.Regions = None,
    role_name: options.RoleName = options.ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    workers: options.Workers = options.WORKERS,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FILE", help="Remember in this SQLite file when findings were first seen."),
    ] = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """Find what security groups really open, against a policy. Reads only: never changes anything.

    Without --from, AWS is asked with the credentials that boto3 finds: the caller's own account, or --org, or
    --accounts. Accounts and regions that cannot be read are reported and never stop the others.
    """
    from sg_compliance.entrypoints.cli.exit import status_of
    from sg_compliance.entrypoints.cli.planning import read_policy
    from sg_compliance.model.finding import Severity
    from sg_compliance.workflows.scan import Selection

    if json_ and format_ not in {Format.TEXT, Format.JSON}:
        raise typer.BadParameter(f"--json and --format {format_} contradict each other: use one of them")
    place = options.where(
        sources=sources,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=organization,
        units=units,
        excluded=excluded,
        regions=regions,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
        workers=workers,
    )
    judge = read_policy(place, options.state(state, table), policy, environment)
    selection = Selection(
        frozenset(place.accounts),
        known_rules(judge, rules or []),
        Severity(severity.value),
        frozenset(place.regions),
    )
    summary = run(place, judge, selection, Format.JSON if json_ else format_, history, quiet=quiet)
    raise typer.Exit(status_of(summary, None if fail_on is FailOn.NEVER else Severity(fail_on.value)))


def known_rules(judge: Judge, wanted: list[str]) -> frozenset[str]:
    """The rule ids, each of which must be in the policy: a misspelt one would select nothing and look clean."""
    from difflib import get_close_matches

    from sg_compliance.policy.consistency import HYGIENE_RULE_IDS

    known = {*HYGIENE_RULE_IDS, *(rule.rule_id for rule in judge.evaluator.policy.rules())}
    for rule_id in wanted:
        if rule_id not in known:
            nearest = get_close_matches(rule_id, known, n=1)
            also = f"; did you mean {nearest[0]}?" if nearest else ""
            raise typer.BadParameter(f"{rule_id!r} is not a rule of {judge.parsed.source}{also}", param_hint="--rule")
    return frozenset(wanted)


def run(
    place: Where, judge: Judge, selection: Selection, format_: Format, history: Path | None = None, *, quiet: bool
) -> Summary:
    """Scan and report.

    A scan makes many small objects and no cycles: looking for garbage less often takes up to half of the time off.
    """
    gc.set_threshold(_GARBAGE_THRESHOLD)
    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.terminal import ScanProgress
    from sg_compliance.workflows import scan as workflow

    with (
        bootstrap.inventory(place, judge.parsed) as inventory,
        bootstrap.findings() as found,
        bootstrap.history(history) as remembered,
    ):
        with ScanProgress(quiet=quiet) as progress:
            workers = bootstrap.workers(place)
            summary = workflow.scan(
                inventory, judge.evaluator, found, progress, selection, workers=workers, history=remembered
            )
        report(judge, summary, found, format_)
    return summary


def report(judge: Judge, summary: Summary, findings: Iterable[Finding], format_: Format) -> None:
    """Write the findings in the wanted format."""
    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports import machine
    from sg_compliance.reports.text import brief_report, text_report

    for_people = {Format.TEXT: text_report, Format.BRIEF: brief_report}
    if format_ in for_people:
        write(for_people[format_](judge.parsed, summary, findings))
        return
    reports = {Format.JSON: machine.json_report, Format.JSONL: machine.jsonl_report, Format.CSV: machine.csv_report}
    write_text(reports[format_](judge.parsed, summary, findings))
    if not summary.complete:
        talk_about(summary)


def talk_about(summary: Summary) -> None:
    """Say on stderr what a machine-readable report says in its own way: that it is partial, and why."""
    from sg_compliance.entrypoints.cli.terminal import talk
    from sg_compliance.reports.text import partial_lines

    console = talk()
    for line in partial_lines(summary):
        console.print(line)
