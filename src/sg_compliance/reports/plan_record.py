"""A plan as plain JSON values: what `plan --json` and `remediate --json` write. The file of a plan is `Plan.encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sg_compliance.reports.again import completed
from sg_compliance.reports.diff import diff_of, diff_record
from sg_compliance.reports.record import SCHEMA_VERSION, skipped_record

if TYPE_CHECKING:
    from sg_compliance.enforcement.plan import NotPlanned, Plan, PlannedGroup
    from sg_compliance.reports.plan import Reading
    from sg_compliance.reports.plan_figures import Limits


def plan_record(plan: Plan, reading: Reading, limits: Limits, file: str = "", again: str = "") -> dict[str, Any]:
    """One document; `file` is where the plan was written, if it was; `again`: options for commands in it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": {
            "id": plan.id,
            "created": plan.created.isoformat(),
            "by": plan.by,
            "automatic": plan.automatic,
            "file": file or None,
        },
        "policy": {
            "version": plan.policy_version or None,
            "hash": plan.policy_hash,
            "source": plan.policy_source,
        },
        "complete": reading.complete,
        "interrupted": reading.interrupted,
        "groups": [planned_record(planned) for planned in plan.groups],
        "left_alone": [left_alone_record(each, again) for each in plan.not_planned],
        "budget": _budget(plan, limits),
        "skipped": [skipped_record(skipped) for skipped in reading.skipped],
    }


def planned_record(planned: PlannedGroup) -> dict[str, Any]:
    """One element of `groups`."""
    group = planned.group
    return {
        "account_id": group.account_id,
        "region": group.region,
        "vpc_id": group.vpc_id,
        "group_id": group.group_id,
        "group_name": group.name,
        "strategy": planned.strategy,
        "change": diff_record(diff_of(group, planned.wanted)),
        "closes": list(planned.closed),
        "remains": list(planned.remaining),
        "network_interfaces": None if planned.interfaces is None else list(planned.interfaces),
        "managed_network_interfaces": list(group.managed_interfaces),
        "reasons": list(planned.reasons),
        "notes": list(planned.notes),
        "fingerprint": planned.fingerprint,
    }


def left_alone_record(each: NotPlanned, again: str) -> dict[str, Any]:
    """One element of `left_alone`."""
    return {
        "account_id": each.place.account_id,
        "region": each.place.region,
        "group_id": each.place.group_id,
        "group_name": each.name,
        "rules": list(each.rules),
        "reason": each.reason,
        "next_step": completed(each.hint, again) or None,
    }


def _budget(plan: Plan, limits: Limits) -> dict[str, Any]:
    problems = limits.problems(plan)
    return {
        "within": not problems,
        "problems": list(problems),
        "max_groups": limits.max_groups,
        "max_percent": limits.max_percent,
        "accounts": [
            {"account_id": account, "planned": number, "groups": plan.totals.get(account, 0)}
            for account, number in sorted(plan.by_account().items())
        ],
    }
