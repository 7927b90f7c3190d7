"""Find one group by its id or name, and explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sg_compliance.errors import InputError, SgComplianceError
from sg_compliance.evaluation.explain import Explanation, explain
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.interfaces import Inventory


@dataclass(frozen=True, slots=True)
class Found:
    """The explanations of the groups that bear the id or name, and what could not be searched."""

    explanations: tuple[Explanation, ...]
    skipped: tuple[Skipped, ...]


def explain_group(inventory: Inventory, evaluator: Evaluator, wanted: str) -> Found:
    """Explain every group with this id or name. Raises InputError where there is none."""
    explanations: list[Explanation] = []
    skipped: list[Skipped] = []
    for shard in inventory.shards():
        if isinstance(shard, Skipped):
            skipped.append(shard)
            continue
        try:
            explanations += _in_shard(inventory, evaluator, shard, wanted, skipped)
        except SgComplianceError as error:
            skipped.append(Skipped("security groups", str(error), error.hint, shard.account_id, shard.region))
        if explanations and wanted.startswith("sg-"):
            break
    if not explanations:
        unread = [each for each in skipped if each.wanted and each.what == "security groups"]
        count = f"{len(unread)} place{'s' if len(unread) != 1 else ''}"
        places = f" (and {count} could not be searched: {unread[0].reason})" if unread else ""
        message = f"{wanted}: no security group has this id or name{places}"
        raise InputError(message, hint="list the groups with findings: sg-compliance scan, with the same options")
    return Found(tuple(explanations), tuple(skipped))


def _in_shard(
    inventory: Inventory, evaluator: Evaluator, shard: Shard, wanted: str, skipped: list[Skipped]
) -> list[Explanation]:
    found = []
    for page in inventory.read(shard):
        if isinstance(page, Page):
            heads = enumerate(page.heads())
            groups = [page.groups[at] for at, head in heads if wanted in (head.group_id, head.name)]
            named = inventory.with_rule_ids(shard, groups) if groups else groups
            found += [explain(evaluator, group, page.prefix_lists) for group in named]
            if found and wanted.startswith("sg-"):
                break
        else:
            skipped.append(page)
    return found
