"""Which findings an exemption covers at a given time, and which it did until it expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.concession import ConcessionKind
from sg_compliance.model.finding import Exemption
from sg_compliance.policy.document import ExemptionEntry, Granted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sg_compliance.model.concession import Concession
    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.document import Document, Exemptions


def exemption_of(
    finding: Finding, exemptions: Exemptions, required_approvals: Sequence[str], now: datetime
) -> Exemption | None:
    """The exemption that applies; else one that would, had it not expired or lacked an approval; else None.

    In an environment with `required_approvals` only an exemption approved by one of them counts.
    """
    found = [
        _exemption(each.path, each.entry, required_approvals, now)
        for each in exemptions.of(finding.group.group_id, finding.group.account_id)
        if finding.rule_id in each.entry.exempted_rules
    ]
    return min(found, key=lambda each: (each.lapsed, each.path), default=None)


def _exemption(path: str, entry: ExemptionEntry, required_approvals: Sequence[str], now: datetime) -> Exemption:
    expires = entry.expires
    expired = expires is not None and expires <= now
    unapproved = bool(required_approvals) and entry.approved_by not in required_approvals
    lapsed = "expired" if expired else f"approved by none of {', '.join(required_approvals)}" if unapproved else ""
    days_left = (expires - now).days if expires else None
    return Exemption(path, entry.reason, entry.approved_by, expires, days_left, lapsed)


def exempting(document: Document, concessions: Iterable[Concession]) -> Document:
    """The document with the exemptions that were granted outside it beside its own.

    Each counts by itself, until its own time: one that has expired gains nothing from another that has not. What nobody
    approved, or names no rule, does not count.
    """
    granted = [
        Granted(each.id, each.subject, _entry(each))
        for each in concessions
        if each.kind is ConcessionKind.EXEMPTION and each.rules and each.approved_by.strip()
    ]
    return document.model_copy(update={"exemptions": document.exemptions.with_granted(granted)})


def _entry(concession: Concession) -> ExemptionEntry:
    return ExemptionEntry.model_validate(
        {
            "reason": concession.reason.strip() or "no reason was given",
            "exempted_rules": list(concession.rules),
            "expiry_date": concession.expires.isoformat() if concession.expires else "permanent",
            "approved_by": concession.approved_by,
        }
    )
