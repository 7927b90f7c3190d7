"""JSON, JSON Lines and CSV, written piece by piece: a report may be larger than memory. JSON is all ASCII."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.model.finding import FindingState
from sg_compliance.model.visible import visible
from sg_compliance.reports.record import SCHEMA_VERSION, finding_record, policy_record, skipped_record, summary_record
from sg_compliance.reports.untrusted import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Summary
    from sg_compliance.policy.parse import ParsedPolicy

COLUMNS: Final = (
    "id",
    "account_id",
    "region",
    "vpc_id",
    "group_id",
    "group_name",
    "rule_id",
    "severity",
    "direction",
    "state",
    "message",
    "reason",
    "advice",
    "public_addresses",
    "rule_ids",
    "network_interfaces",
    "references",
    "certain",
    "unknown_peers",
    "exempt_until",
    "first_seen",
    "last_seen",
    "policy_version",
    "policy_hash",
)


def json_report(policy: ParsedPolicy, summary: Summary, findings: Iterable[Finding]) -> Iterator[str]:
    """One document: `schema_version`, `policy`, `summary`, `findings`, `skipped`."""
    yield f'{{\n"schema_version": "{SCHEMA_VERSION}",\n"policy": {json.dumps(policy_record(policy))},\n'
    yield f'"summary": {json.dumps(summary_record(summary))},\n"findings": ['
    separator = "\n"
    for finding in findings:
        yield f"{separator}{json.dumps(finding_record(finding, policy))}"
        separator = ",\n"
    yield f'\n],\n"skipped": {json.dumps([skipped_record(skipped) for skipped in summary.skipped])}\n}}\n'


def jsonl_report(policy: ParsedPolicy, summary: Summary, findings: Iterable[Finding]) -> Iterator[str]:
    """One object a line, each with its `kind`: first every `finding`, then every `skipped`, last the `summary`."""
    for finding in findings:
        yield _line("finding", finding_record(finding, policy))
    for skipped in summary.skipped:
        yield _line("skipped", skipped_record(skipped))
    yield _line("summary", {"policy": policy_record(policy), **summary_record(summary)})


def _line(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record}) + "\n"


def csv_report(policy: ParsedPolicy, summary: Summary, findings: Iterable[Finding]) -> Iterator[str]:
    """One row a finding under the names in COLUMNS; text that a spreadsheet would run as a formula is quoted."""
    del summary
    yield _row(COLUMNS)
    for finding in findings:
        record = finding_record(finding, policy)
        record["public_addresses"] = max((overlap.public_addresses for overlap in finding.overlaps), default=0)
        record["exempt_until"] = record["exemption"]["expires"] if finding.state is FindingState.EXEMPT else None
        record["rule_ids"] = [rule.rule_id for rule in finding.evidence if rule.rule_id]
        yield _row(_value(record[column]) for column in COLUMNS)


def _value(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def _row(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([cell(visible(value)) for value in values])
    return buffer.getvalue()
