"""What is asked of every group whatever it opens: tags, descriptions, a bound on rules, and rules that make sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.finding import Finding, Severity
from sg_compliance.model.quota import quota_count
from sg_compliance.model.security_group import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.columns import Whose
    from sg_compliance.model.security_group import PrefixLists, SecurityGroup
    from sg_compliance.policy.bound import Hygiene


def hygiene_findings(group: SecurityGroup, hygiene: Hygiene, prefix_lists: PrefixLists) -> Iterator[Finding]:
    """At most one finding for each hygiene rule and, where the rule has one, direction."""
    if hygiene.required_tags:
        yield from _missing_tags(group, hygiene.required_tags)
    if hygiene.min_description is not None:
        yield from _short_descriptions(group, hygiene.min_description)
    if hygiene.max_rules is not None and len(group.rules):
        yield from _too_many_rules(group, hygiene.max_rules, prefix_lists)
    if group.malformed:
        yield from _malformed(group)


def lacking(group: SecurityGroup | Whose, required: tuple[str, ...]) -> list[str]:
    """The required tags that are missing or empty."""
    return [key for key in required if not (group.tag(key) or "").strip()]


def _missing_tags(group: SecurityGroup, required: tuple[str, ...]) -> Iterator[Finding]:
    missing = lacking(group, required)
    if missing:
        yield Finding(
            group,
            "GLOBAL_REQUIRED_TAGS",
            Severity.MEDIUM,
            None,
            "Every security group must carry the required tags",
            f"missing or empty: {', '.join(missing)}",
            advice=f"tag the group with {', '.join(missing)}",
        )


def _short_descriptions(group: SecurityGroup, least: int) -> Iterator[Finding]:
    short = tuple(rule for rule in group.rules if len((rule.description or "").strip()) < least)
    own = len(group.description.strip()) < least
    if short or own:
        subjects = [
            *(["the group itself"] if own else []),
            *([f"{len(short)} of {len(group.rules)} rules"] if short else []),
        ]
        yield Finding(
            group,
            "GLOBAL_REQUIRE_DESCRIPTIONS",
            Severity.LOW,
            None,
            "Every security group and rule must say what it is for",
            f"description shorter than {least} characters: {' and '.join(subjects)}",
            evidence=short,
            advice="describe what each rule is for and who needs it",
        )


def _too_many_rules(group: SecurityGroup, most: int, prefix_lists: PrefixLists) -> Iterator[Finding]:
    for direction in Direction:
        counts = quota_count(group.rules, direction, prefix_lists)
        version = max(counts, key=lambda each: (counts[each], -each))
        if counts[version] > most:
            yield Finding(
                group,
                "GLOBAL_MAX_RULES",
                Severity.MEDIUM,
                direction,
                "Groups with very many rules are not reviewed any more",
                f"{counts[version]} {direction} rules for IPv{version} as AWS counts its quota, at most {most} wanted",
                advice="merge neighbouring CIDRs, or move them to a prefix list or a second group",
            )


def _malformed(group: SecurityGroup) -> Iterator[Finding]:
    for direction in Direction:
        own = tuple(rule for rule in group.malformed if rule.direction is direction)
        if own:
            yield Finding(
                group,
                "GLOBAL_MALFORMED_RULE",
                Severity.MEDIUM,
                direction,
                "A rule that cannot be read is a rule that nobody has judged",
                "; ".join(rule.problem for rule in own),
                malformed=own,
                advice="correct or remove the rule, or report where the data came from",
            )
