"""What people granted, as it is listed: exemptions wherever they stand, and unprotections."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.concession import ConcessionKind
from sg_compliance.policy.approvals import unaccepted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.approvals import Unaccepted
    from sg_compliance.policy.document import Document
    from sg_compliance.policy.resolve import Policy


class Listed(NamedTuple):
    """One grant, wherever it stands: `source` is its id, or its path in the policy document.

    `unaccepted`: the environments that ask for another approver.
    """

    source: str
    subject: str
    rules: tuple[str, ...]
    reason: str
    approved_by: str
    expires: datetime | None
    emergency: bool = False
    created: datetime | None = None
    created_by: str = ""
    unaccepted: tuple[Unaccepted, ...] = ()

    def lapsed(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now

    def days_left(self, now: datetime) -> int | None:
        """Whole days; None for a permanent one."""
        return (self.expires - now).days if self.expires else None


def exemptions(policy: Policy, concessions: Iterable[Concession], account_id: str = "") -> Iterator[Listed]:
    """The exemptions of the document, then those granted outside it, and where they do not count.

    `account_id` is that of the group that they are looked at for, where there is one.
    """
    for each in (*written(policy.document), *stored(concessions, ConcessionKind.EXEMPTION)):
        account = account_id or ("" if each.subject.startswith("sg-") else each.subject)
        yield each._replace(unaccepted=unaccepted(policy, each.approved_by, account))


def stored(concessions: Iterable[Concession], kind: ConcessionKind) -> Iterator[Listed]:
    """Those that were granted outside the policy document."""
    for each in concessions:
        if each.kind is kind:
            yield Listed(
                each.id,
                each.subject,
                each.rules,
                each.reason,
                each.approved_by,
                each.expires,
                each.emergency,
                each.created,
                each.created_by,
            )


def written(document: Document) -> Iterator[Listed]:
    """The exemptions of the policy document."""
    for scope in ("security_group_exemptions", "account_exemptions"):
        for subject, entry in sorted(getattr(document.exemptions, scope).items()):
            rules, path = tuple(entry.exempted_rules), f"exemptions.{scope}.{subject}"
            yield Listed(path, subject, rules, entry.reason, entry.approved_by, entry.expires)
