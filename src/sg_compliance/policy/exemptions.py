"""Which findings an exemption covers at a given time, and which it did until it expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.finding import Exemption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.document import ExemptionEntry, Exemptions


def exemption_of(
    finding: Finding, exemptions: Exemptions, required_approvals: Sequence[str], now: datetime
) -> Exemption | None:
    """The exemption that applies; else one that would, had it not expired or lacked an approval; else None.

    In an environment with `required_approvals` only an exemption approved by one of them counts.
    """
    found = [_exemption(path, entry, required_approvals, now) for path, entry in _entries(finding, exemptions)]
    return min(found, key=lambda each: (each.lapsed, each.path), default=None)


def _entries(finding: Finding, exemptions: Exemptions) -> Iterator[tuple[str, ExemptionEntry]]:
    group = finding.group
    for scope, entries, key in (
        ("security_group_exemptions", exemptions.security_group_exemptions, group.group_id),
        ("account_exemptions", exemptions.account_exemptions, group.account_id),
    ):
        entry = entries.get(key)
        if entry and finding.rule_id in entry.exempted_rules:
            yield f"exemptions.{scope}.{key}", entry


def _exemption(path: str, entry: ExemptionEntry, required_approvals: Sequence[str], now: datetime) -> Exemption:
    expires = entry.expires
    expired = expires is not None and expires <= now
    unapproved = bool(required_approvals) and entry.approved_by not in required_approvals
    lapsed = "expired" if expired else f"approved by none of {', '.join(required_approvals)}" if unapproved else ""
    days_left = (expires - now).days if expires else None
    return Exemption(path, entry.reason, entry.approved_by, expires, days_left, lapsed)
