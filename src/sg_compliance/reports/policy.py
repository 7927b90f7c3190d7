"""Policies for a person and as JSON values: what lint found, and the rules that bind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sg_compliance.evaluation.explain import rule_traffic
from sg_compliance.evaluation.wording import count_text
from sg_compliance.model.visible import visible
from sg_compliance.policy.bound import Kind, Match
from sg_compliance.reports.record import policy_record
from sg_compliance.reports.text import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.evaluation.expectations import Result
    from sg_compliance.policy.bound import BoundRule, RuleSet
    from sg_compliance.policy.lint import Lint
    from sg_compliance.policy.parse import ParsedPolicy


def lint_lines(parsed: ParsedPolicy, found: Sequence[Lint]) -> Iterator[Text]:
    """Each warning with its place and the next step; then the verdict."""
    for each in found:
        yield Text.assemble(
            (each.level, "bold yellow"), f": {visible(each.path)}: {visible(each.message)} [{each.code}]"
        )
        if each.hint:
            yield Text.assemble(("  help: ", "cyan"), visible(each.hint))
    version = f" version {visible(parsed.version)}" if parsed.version else ""
    count = f"{len(found)} remark{'s' if len(found) != 1 else ''}" if found else "nothing to remark"
    yield Text.assemble((f"{visible(parsed.source)}{version}", "bold"), f": a valid policy, {count}")


def check_record(parsed: ParsedPolicy, found: Sequence[Lint]) -> dict[str, Any]:
    """The same as JSON values."""
    remarks = [
        {"level": each.level, "code": each.code, "path": each.path, "message": each.message, "hint": each.hint}
        for each in found
    ]
    return {"policy": policy_record(parsed), "valid": True, "remarks": remarks}


def rule_set_lines(parsed: ParsedPolicy, rule_set: RuleSet) -> Iterator[Text]:
    """The rules that bind, by kind."""
    place = f"account {rule_set.account_id or 'any'}, environment {rule_set.environment or 'not known'}"
    yield Text.assemble((visible(parsed.source), "bold"), f": {place}")
    for rule in (*rule_set.rules, *rule_set.allowances):
        yield Text()
        yield Text.assemble((rule.rule_id, "bold"), "  ", (rule.severity.value, STYLES[rule.severity]))
        yield Text(f"  {rule.kind.value} {rule.direction.value}: {rule_traffic(rule)} {peers_text(rule)}")
        if rule.reason or rule.description:
            yield Text(f"  {visible(rule.reason or rule.description)}", style="dim")
        yield Text(f"  from {visible(rule.path)}", style="dim")
    yield Text()
    yield from _hygiene_lines(rule_set)


def _hygiene_lines(rule_set: RuleSet) -> Iterator[Text]:
    hygiene = rule_set.hygiene
    if hygiene.required_tags:
        yield Text(f"GLOBAL_REQUIRED_TAGS: {visible(', '.join(hygiene.required_tags))}")
    if hygiene.min_description is not None:
        yield Text(f"GLOBAL_REQUIRE_DESCRIPTIONS: at least {hygiene.min_description} characters")
    if hygiene.max_rules is not None:
        yield Text(f"GLOBAL_MAX_RULES: at most {hygiene.max_rules} a direction and IP version")
    if rule_set.required_approvals:
        yield Text(f"exemptions count only when approved by: {visible(', '.join(rule_set.required_approvals))}")


def peers_text(rule: BoundRule) -> str:
    """Whom the rule is about."""
    preposition = "from" if rule.direction == "ingress" else "to"
    if rule.max_public_addresses is not None:
        return f"{preposition} more than {count_text(rule.max_public_addresses)} public addresses"
    named = _named_peers(rule)
    if rule.kind is Kind.RESTRICTED:
        return f"only {preposition} {named or 'nobody'}"
    some = "any of " if rule.source_match is Match.OVERLAP and rule.sources and rule.sources.blocks else ""
    return f"{preposition} {some}{named or 'anyone'}"


def _named_peers(rule: BoundRule) -> str:
    names: list[str] = []
    if rule.sources:
        names += [str(block) for block in rule.sources.blocks]
        names += ["the internet"] if rule.sources.internet else []
        names += sorted(rule.sources.prefix_lists | rule.sources.groups)
    if rule.pattern:
        names.append(f"groups named {visible(rule.pattern.pattern)}")
    return ", ".join(names)


def rule_set_record(parsed: ParsedPolicy, rule_set: RuleSet) -> dict[str, Any]:
    """The same as JSON values."""
    hygiene = rule_set.hygiene
    return {
        "policy": policy_record(parsed),
        "account_id": rule_set.account_id or None,
        "environment": rule_set.environment,
        "rules": [_rule_record(rule) for rule in (*rule_set.rules, *rule_set.allowances)],
        "required_tags": list(hygiene.required_tags),
        "min_description_length": hygiene.min_description,
        "max_rules_per_sg": hygiene.max_rules,
        "required_approvals": list(rule_set.required_approvals),
    }


def _rule_record(rule: BoundRule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "kind": rule.kind.value,
        "direction": rule.direction.value,
        "severity": rule.severity.value,
        "traffic": rule_traffic(rule),
        "peers": peers_text(rule),
        "reason": rule.reason or rule.description,
        "references": list(rule.references),
        "path": rule.path,
    }


def test_lines(parsed: ParsedPolicy, results: Sequence[Result]) -> Iterator[Text]:
    """Each failed test with its differences and what was found, then the count."""
    for result in results:
        if result.passed:
            yield Text.assemble(("ok    ", "green"), visible(result.name))
            continue
        yield Text.assemble(("FAILED", "bold red"), f" {visible(result.name)}")
        for said, rule_ids in _differences(result):
            yield Text(f"       {said}: {visible(', '.join(rule_ids))}")
        for finding in result.findings:
            if finding.rule_id in (*result.unexpected, *result.unexpected_exempt):
                yield Text(f"       {finding.rule_id}: {visible(finding.message)}", style="dim")
    failed = sum(not result.passed for result in results)
    yield Text.assemble(
        (f"{len(results) - failed} passed, {failed} failed", "bold"), (f"  policy {visible(parsed.source)}", "dim")
    )


def _differences(result: Result) -> Iterator[tuple[str, tuple[str, ...]]]:
    for said, rule_ids in (
        ("expected and not found", result.missing),
        ("found and not expected", result.unexpected),
        ("expected as exempt and not found so", result.missing_exempt),
        ("exempt and not expected to be", result.unexpected_exempt),
    ):
        if rule_ids:
            yield said, rule_ids


def results_record(parsed: ParsedPolicy, results: Sequence[Result]) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "policy": policy_record(parsed),
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "tests": [
            {
                "name": result.name,
                "passed": result.passed,
                "missing": list(result.missing),
                "unexpected": list(result.unexpected),
                "missing_exempt": list(result.missing_exempt),
                "unexpected_exempt": list(result.unexpected_exempt),
            }
            for result in results
        ],
    }
