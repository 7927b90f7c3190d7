"""There and back: apply a plan, take it back, and compare what AWS shows before, in between and after."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.enforcement.guards import budget, fingerprint
from sg_compliance.model.change import Authorize, Revoke
from sg_compliance.model.outcome import RoundTrip, Status
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.rollback import What, backups_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.enforcement.plan import Plan
    from sg_compliance.interfaces import Inventory
    from sg_compliance.workflows.apply import Applying
    from sg_compliance.workflows.rollback import RollingBack


def there_and_back(
    inventory: Inventory, applying: Applying, rolling_back: RollingBack, plan: Plan, told: Callable[[str], None]
) -> RoundTrip:
    """Apply the plan and take the run back. `told` hears what is being done. Raises SgComplianceError."""
    before = digest(inventory)
    told(f"changing {len(plan.groups)} groups")
    outcomes = [each for each in applying.apply(plan) if each.status is Status.CHANGED]
    changed = digest(inventory)
    told(f"taking {len(outcomes)} changes back")
    steps = list(rolling_back.plan(backups_for(applying.stores, What(run_id=applying.run.id))))
    restored = [each for each in rolling_back.roll_back(steps) if each.status is Status.CHANGED]
    return RoundTrip(
        before,
        changed,
        digest(inventory),
        len(outcomes),
        len(restored),
        sum(len(call.rules) for each in outcomes for call in each.calls if isinstance(call, Revoke)),
        sum(len(call.rules) for each in outcomes for call in each.calls if isinstance(call, Authorize)),
    )


def within_budget(plan: Plan) -> Plan:
    """The part of the plan that is in accounts whose own share is within the budget."""
    few = {
        account
        for account, count in plan.by_account().items()
        if not budget({account: count}, plan.totals, max_groups=len(plan.groups))
    }
    return replace(plan, groups=tuple(each for each in plan.groups if each.group.account_id in few))


def digest(inventory: Inventory) -> str:
    """SHA-256 of all groups that the inventory has: rules, descriptions and tags, in whatever order they come."""
    shards = [shard for shard in inventory.shards() if not isinstance(shard, Skipped)]
    parts = sorted(
        f"{group.place} {fingerprint(group, '')}"
        for shard in shards
        for page in inventory.read(shard)
        if not isinstance(page, Skipped)
        for group in page.groups
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
