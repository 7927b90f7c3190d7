"""Who changed how much of late, by the windows that are kept and the limits of the policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.realtime.activity import activity
from sg_compliance.realtime.mass_operations import limits_of

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.interfaces import OperationWindows
    from sg_compliance.policy.document import Document
    from sg_compliance.realtime.activity import Activity


class Wanted(NamedTuple):
    """Whom to look at: in these accounts (none: in all), with this text in the ARN, where `*` is any text."""

    accounts: frozenset[str] = frozenset()
    principal: str = ""

    def has(self, account_id: str, principal: str) -> bool:
        """Whether it is one of them."""
        pattern = ".*".join(map(re.escape, self.principal.split("*")))
        in_account = not self.accounts or account_id in self.accounts
        return in_account and re.search(pattern, principal, re.DOTALL) is not None


def activities(windows: OperationWindows, document: Document, wanted: Wanted, now: datetime) -> list[Activity]:
    """Everybody's figures, the one who is nearest to or furthest beyond a limit first. Raises StoreError."""
    mass = document.policies().real_time_scanning.detection_rules.mass_operations_detected
    found = [
        activity(each, limits_of(mass, document.x_automation, each.principal), now)
        for each in windows.all()
        if wanted.has(each.account_id, each.principal)
    ]
    return sorted((each for each in found if each), key=_worst_first)


def _worst_first(each: Activity) -> tuple[float, str, str]:
    shares = (span.densest / (span.limit + 1) for span in (each.minute, each.hour))
    return -max(shares), each.account_id, each.principal
