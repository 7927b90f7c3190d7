"""An explanation of one group, for a person and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.evaluation.explain import rule_traffic
from sg_compliance.evaluation.wording import change_text, rule_text
from sg_compliance.model.finding import FindingState
from sg_compliance.model.visible import visible
from sg_compliance.reports.record import finding_record, rule_record
from sg_compliance.reports.text import STYLES, exemption_text, group_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.evaluation.explain import Explanation, Opening
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroupRule
    from sg_compliance.policy.bound import BoundRule
    from sg_compliance.policy.parse import ParsedPolicy


def explanation_lines(explanation: Explanation) -> Iterator[Text]:
    """What is open to whom, what violates and why, the smallest change, and why the rest does not fire."""
    yield group_line(explanation.group)
    yield Text(
        f"environment: {visible(explanation.environment or 'not known (no Environment tag, none for the account)')}"
    )
    yield Text()
    yield Text("What is open", style="bold")
    for opening in explanation.openings:
        yield from _opening_lines(opening)
    if not explanation.openings:
        yield Text("  nothing: the group lets no traffic through")
    yield Text()
    yield Text("What violates the policy", style="bold")
    for finding in explanation.findings:
        yield from _finding_lines(finding, explanation.rules.get(finding.rule_id))
    if not explanation.findings:
        yield Text("  nothing")
    yield Text()
    yield Text("Rules that bind this group and do not fire", style="bold")
    for silence in explanation.silent:
        yield Text.assemble(f"  {silence.rule.rule_id}: ", (visible(silence.because), "dim"))


def _opening_lines(opening: Opening) -> Iterator[Text]:
    arrow = "from" if opening.direction == "ingress" else "to"
    public = f"  ({opening.public})" if opening.public else ""
    yield Text(f"  {opening.direction.value:<7} {opening.traffic} {arrow} {visible(opening.peers)}{public}")
    for rule in opening.rules:
        yield Text(f"          by {_rule(rule)}", style="dim")


def _rule(rule: SecurityGroupRule) -> str:
    said = f"  {visible(rule.description)}" if rule.description else ""
    return f"{rule.rule_id or 'rule'}: {visible(rule_text(rule))}{said}"


def _finding_lines(finding: Finding, rule: BoundRule | None) -> Iterator[Text]:
    exempt = finding.state is FindingState.EXEMPT
    label = f"{finding.severity.value}{', exempt' if exempt else ''}"
    yield Text.assemble("  ", (label, STYLES[finding.severity]), f"  {finding.rule_id}: {visible(finding.message)}")
    if rule:
        wanted = f"{rule.kind.value} {rule.direction.value}: {rule_traffic(rule)}"
        yield Text(f"    policy    {wanted}, in {visible(rule.path)}")
    if finding.reason:
        yield Text(f"    why       {visible(finding.reason)}")
    for evidence in finding.evidence:
        yield Text(f"    caused by {_rule(evidence)}")
    for malformed in finding.malformed:
        yield Text(
            f"    caused by {visible(malformed.problem)} ({malformed.direction.value}, {visible(malformed.peer)})"
        )
    for change in finding.change:
        yield Text.assemble(("    fix       ", "green"), visible(change_text(change)))
    if finding.advice:
        yield Text.assemble(("    fix       ", "green"), visible(finding.advice))
    if finding.exemption:
        yield Text(f"    exemption {exemption_text(finding.exemption)}")
    if finding.references:
        yield Text(f"    see       {visible(', '.join(finding.references))}")


def explanation_record(explanation: Explanation, policy: ParsedPolicy) -> dict[str, Any]:
    """The same as JSON values."""
    group = explanation.group
    return {
        "account_id": group.account_id,
        "region": group.region,
        "vpc_id": group.vpc_id,
        "group_id": group.group_id,
        "group_name": group.name,
        "environment": explanation.environment,
        "open": [_opening_record(opening) for opening in explanation.openings],
        "findings": [
            {**finding_record(finding, policy), "policy_rule": _policy_rule(explanation.rules.get(finding.rule_id))}
            for finding in explanation.findings
        ],
        "silent": [
            {"rule_id": silence.rule.rule_id, "because": silence.because, "path": silence.rule.path}
            for silence in explanation.silent
        ],
    }


def _opening_record(opening: Opening) -> dict[str, Any]:
    return {
        "direction": opening.direction.value,
        "traffic": opening.traffic,
        "peers": opening.peers,
        "public_addresses": opening.public_addresses,
        "rules": [rule_record(rule) for rule in opening.rules],
    }


def _policy_rule(rule: BoundRule | None) -> dict[str, Any] | None:
    return {"path": rule.path, "kind": rule.kind.value, "traffic": rule_traffic(rule)} if rule else None
