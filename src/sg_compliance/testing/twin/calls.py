"""The operations of the twin, and the record of a call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.twin import changes, describe, groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sg_compliance.testing.twin.nouns import Json
    from sg_compliance.testing.twin.world import Scene

READING: Final[Mapping[str, Callable[[Scene, Json], Json]]] = {
    "DescribeManagedPrefixLists": describe.managed_prefix_lists,
    "DescribeNetworkInterfaces": describe.network_interfaces,
    "DescribeRegions": describe.regions,
    "DescribeSecurityGroupRules": describe.security_group_rules,
    "DescribeSecurityGroups": describe.security_groups,
    "GetManagedPrefixListAssociations": describe.managed_prefix_list_associations,
    "GetManagedPrefixListEntries": describe.managed_prefix_list_entries,
}
MUTATING: Final[Mapping[str, Callable[[Scene, Json], Json]]] = {
    "AuthorizeSecurityGroupEgress": partial(changes.authorize, is_egress=True),
    "AuthorizeSecurityGroupIngress": partial(changes.authorize, is_egress=False),
    "CreateSecurityGroup": groups.create,
    "CreateTags": groups.create_tags,
    "DeleteSecurityGroup": groups.delete,
    "DeleteTags": groups.delete_tags,
    "ModifySecurityGroupRules": changes.modify,
    "RevokeSecurityGroupEgress": partial(changes.revoke, is_egress=True),
    "RevokeSecurityGroupIngress": partial(changes.revoke, is_egress=False),
    "UpdateSecurityGroupRuleDescriptionsEgress": partial(changes.update_descriptions, is_egress=True),
    "UpdateSecurityGroupRuleDescriptionsIngress": partial(changes.update_descriptions, is_egress=False),
}
OPERATIONS: Final[Mapping[str, Callable[[Scene, Json], Json]]] = {**READING, **MUTATING}


@dataclass(slots=True)
class Call:
    """One call as the log keeps it. `number` counts all calls from 1, `nth` those of the same operation.

    `error` is None where it went well, else the error code, or the name of the exception that a fault raised.
    """

    number: int
    nth: int
    account_id: str
    region: str
    operation: str
    params: Json
    mutating: bool
    error: str | None = None
