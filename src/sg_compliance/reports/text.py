"""Findings for a person at a terminal: one block a group, the worst rule first, and what to do about it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from sg_compliance.evaluation.wording import change_text, listed
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.model.finding import Exemption, Finding
    from sg_compliance.model.scan import Skipped, Summary
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.policy.parse import ParsedPolicy

STYLES: Final = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_WIDEST: Final = max(len(severity.value) for severity in Severity)


def text_report(policy: ParsedPolicy, summary: Summary, findings: Iterable[Finding]) -> Iterator[Text]:
    """Every group with findings, then what was skipped, then the figures. One line each."""
    for _, of_group in groupby(findings, key=lambda finding: finding.sort_key()[:3]):
        yield from _group_block(list(of_group))
        yield Text()
    yield from _skipped_block(summary)
    yield from summary_lines(policy, summary)


def brief_report(policy: ParsedPolicy, summary: Summary, findings: Iterable[Finding]) -> Iterator[Text]:
    """One line for every group with findings: how bad, who, where, which rules. Then the figures."""
    for _, of_group in groupby(findings, key=lambda finding: finding.sort_key()[:3]):
        still_open = [finding for finding in of_group if finding.state is FindingState.OPEN]
        if still_open:
            yield _brief_line(still_open)
    yield Text()
    yield from _skipped_block(summary)
    yield from summary_lines(policy, summary)


def _brief_line(findings: list[Finding]) -> Text:
    """The findings come worst first."""
    group, worst = findings[0].group, findings[0].severity
    place = f"{group.account_id}/{group.region}"
    rules = listed(list(dict.fromkeys(finding.rule_id for finding in findings)), 2)
    return Text.assemble(
        (f"{worst.value:<{_WIDEST}}", STYLES[worst]),
        (f"  {visible(place):<27}", "dim"),
        f"  {visible(group.group_id):<20}  ",
        (visible(group.name), "bold"),
        f"  {rules}",
    )


def _group_block(findings: list[Finding]) -> Iterator[Text]:
    yield group_line(findings[0].group)
    for finding in findings:
        yield _finding_line(finding)
        for note in _notes(finding):
            yield Text(f"{'':{_WIDEST + 4}}{note}", style="dim")


def group_line(group: SecurityGroup) -> Text:
    """Who the group is, where it is, and what hangs on it."""
    place = f"{group.account_id}/{group.region}" + (f"/{group.vpc_id}" if group.vpc_id else "")
    count = None if group.interfaces is None else len(group.interfaces)
    attached = "" if count is None else f"  {count or 'no'} interface{'s' if count != 1 else ''} attached"
    return Text.assemble(
        (visible(group.group_id), "bold"), f"  {visible(group.name)}  ", (visible(place), "dim"), (attached, "dim")
    )


def _finding_line(finding: Finding) -> Text:
    exempt = finding.state is FindingState.EXEMPT
    style = "dim" if exempt else STYLES[finding.severity]
    label = "exempt" if exempt else finding.severity.value
    shown = visible(finding.message)
    return Text.assemble("  ", (f"{label:<{_WIDEST}}", style), f"  {finding.rule_id}: {shown}")


def _notes(finding: Finding) -> Iterator[str]:
    if finding.exemption:
        yield exemption_text(finding.exemption)
    if finding.first_seen and finding.last_seen and finding.first_seen != finding.last_seen:
        yield f"first seen {finding.first_seen:%Y-%m-%d %H:%M} UTC"
    if finding.state is FindingState.OPEN:
        advice = finding.advice or listed([change_text(change) for change in finding.change], 3, "; ")
        if advice:
            yield f"fix: {visible(advice)}"


def exemption_text(exemption: Exemption) -> str:
    """The exemption in words: who, why, how long."""
    if exemption.lapsed:
        return f"no longer exempt ({visible(exemption.path)}): {visible(exemption.lapsed)}"
    left = "permanent" if exemption.days_left is None else f"{exemption.days_left} days left"
    return f"exempt: {visible(exemption.reason)} (approved by {visible(exemption.approved_by)}, {left})"


def _skipped_block(summary: Summary) -> Iterator[Text]:
    for skipped in summary.skipped:
        yield from skipped_lines(skipped)
    if summary.skipped:
        yield Text()


def skipped_lines(skipped: Skipped) -> Iterator[Text]:
    """What was not read, why, and the next step."""
    label = "not read" if skipped.wanted else "left out"
    place = "/".join(part for part in (skipped.account_id, skipped.region) if part)
    where = f" {visible(place)}" if place and place not in skipped.reason else ""
    yield Text.assemble((label, "bold yellow" if skipped.wanted else "dim"), f"{where}: {visible(skipped.reason)}")
    if skipped.hint:
        yield Text.assemble(("  help: ", "cyan"), visible(skipped.hint))


def summary_lines(policy: ParsedPolicy, summary: Summary) -> Iterator[Text]:
    """The figures, and whether they are the whole truth."""
    counts = [
        (f"{summary.open[severity]} {severity.value}", STYLES[severity])
        for severity in reversed(Severity)
        if summary.open[severity]
    ]
    found: list[str | tuple[str, str]] = []
    for count in counts:
        found += [", " if found else "", count]
    total = sum(summary.open.values())
    yield Text.assemble(
        (f"{total} open finding{'s' if total != 1 else ''}", "bold"),
        *([": ", *found] if found else []),
        f"; {summary.exempt} exempt" if summary.exempt else "",
    )
    accounts = f"{len(summary.accounts)} account{'s' if len(summary.accounts) != 1 else ''}"
    violating = f"{summary.noncompliant_groups:,} with open findings"
    groups = f"{summary.groups:,} group{'s' if summary.groups != 1 else ''}"
    yield Text(f"{groups} in {accounts} read, {violating}")
    version = f" version {visible(policy.version)}" if policy.version else ""
    judged_by = f"  policy {visible(policy.source)}{version} sha256:{policy.sha256[:12]}"
    score = "none, for there was no group" if summary.score is None else f"{summary.score:g} of 100"
    yield Text.assemble("compliance score ", (score, "bold"), (judged_by, "dim"))
    yield from _partial(summary)


def partial_lines(summary: Summary) -> Iterator[Text]:
    """What is missing from a partial result; nothing for a complete one."""
    for skipped in summary.skipped:
        if skipped.wanted:
            yield from skipped_lines(skipped)
    yield from _partial(summary)


def _partial(summary: Summary) -> Iterator[Text]:
    if not summary.complete:
        why = "interrupted" if summary.interrupted else "something could not be read"
        yield Text(f"PARTIAL RESULT: {why}; what is not listed here is not known to be compliant", style="bold yellow")
