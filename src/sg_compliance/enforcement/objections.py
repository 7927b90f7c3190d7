"""What speaks against changing a group as planned, once it is about to be: it has changed, or people's minds have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement.calls import settled
from sg_compliance.enforcement.guards import fingerprint, protections, unprotected
from sg_compliance.model.concession import ConcessionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sg_compliance.enforcement.plan import PlannedGroup
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.security_group import Place, SecurityGroup


class Since(NamedTuple):
    """What people did after a plan was made: groups that were rolled back, and what was granted."""

    rolled_back: frozenset[Place] = frozenset()
    granted: tuple[Concession, ...] = ()

    def against(self, planned: PlannedGroup, now: datetime) -> str:
        """Why the group is not changed as planned."""
        place = planned.place
        if place in self.rolled_back:
            return "rolled back since the plan was made"
        rules = {each["rule_id"] for each in planned.closed}
        for each in self.granted:
            running = each.expires is None or each.expires > now
            about = each.subject in {place.group_id, place.account_id} and not rules.isdisjoint(each.rules)
            if each.kind is ConcessionKind.EXEMPTION and running and about:
                return f"exempt since the plan was made: {each.id}, approved by {each.approved_by}"
        return ""


def refusal(  # noqa: PLR0913, PLR0917 - all that speaks against a change
    group: SecurityGroup,
    planned: PlannedGroup,
    prefix: str,
    since: Since,
    granted: Callable[[], Iterable[Concession]],
    now: datetime,
) -> tuple[str, str]:
    """Why the group is not changed as planned, and what to do about it; empty where nothing speaks against it."""
    again = "look at it and plan again: sg-compliance plan"
    if fingerprint(group, prefix) != planned.fingerprint:
        return "changed since the plan was made", again
    against = since.against(planned, now)
    if against:
        return against, again
    return protected(group, granted, now), f"to let it be changed: sg-compliance unprotect {group.group_id}"


def protected(group: SecurityGroup, granted: Callable[[], Iterable[Concession]], now: datetime) -> str:
    """Why the group is to be left alone, unless people gave leave. `granted` is asked only where it matters."""
    reasons = protections(group)
    if not reasons or unprotected(granted(), group.place, now):
        return ""
    return f"protected: {'; '.join(reasons)}"


def is_done(group: SecurityGroup, planned: PlannedGroup) -> bool:
    """Whether the group is as planned: its rules, where rules were to be changed; else its tags."""
    rules_only = replace(planned.wanted, tags=(), untagged=frozenset())
    return settled(group, rules_only if planned.changes_rules else planned.wanted)
