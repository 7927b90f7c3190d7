"""Which findings an event makes critical: those that a rule just added is evidence of, where the policy names its kind.

`critical_patterns` are a CIDR and a protocol: the finding's rules together let in all of the CIDR, with that protocol
or every one. As everywhere in the policy, addresses that nobody can be reached from need not be among the whole
internet's. They make nothing a finding that is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.model.addresses import AddressSet, parse_cidr
from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import ALL_PROTOCOLS, Direction, address_set, identity
from sg_compliance.policy.notation import parse_protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import Identity, PrefixLists
    from sg_compliance.policy.reaction import CriticalPattern


def made_critical(
    findings: Iterable[Finding],
    added: AbstractSet[Identity],
    patterns: Sequence[CriticalPattern],
    prefix_lists: PrefixLists,
) -> list[Finding]:
    """The same findings, some of them critical now. Those about no traffic, or about egress, stay as they are."""

    def is_critical(finding: Finding) -> bool:
        inbound = finding.direction is Direction.INGRESS and bool(finding.overlaps)
        is_new = any(identity(rule) in added for rule in finding.evidence)
        return inbound and is_new and any(_fits(finding, pattern, prefix_lists) for pattern in patterns)

    return [replace(each, severity=Severity.CRITICAL) if is_critical(each) else each for each in findings]


def _fits(finding: Finding, pattern: CriticalPattern, prefix_lists: PrefixLists) -> bool:
    protocol, block = parse_protocol(pattern.protocol), parse_cidr(pattern.pattern)
    carrying = [
        rule.peer
        for rule in finding.evidence
        if protocol == ALL_PROTOCOLS or rule.protocol in {protocol, ALL_PROTOCOLS}
    ]
    missing = AddressSet.of([block]) - address_set(carrying, prefix_lists)
    return missing.count_globally_routable() == 0 if block.is_everything() else not missing
