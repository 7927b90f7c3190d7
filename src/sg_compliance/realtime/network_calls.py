"""What calls on prefix lists and network interfaces say that they changed, as far as security groups are concerned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.security_group import Direction, MalformedRule
from sg_compliance.realtime.event_fields import (
    GROUP_ID,
    GROUP_NAME,
    INTERFACE_ID,
    PREFIX_LIST_ID,
    VPC_ID,
    Json,
    identifier,
    inner,
    member,
    objects,
    once,
    text,
)
from sg_compliance.realtime.event_rules import block_of
from sg_compliance.realtime.group_calls import Call, change, ids_under
from sg_compliance.realtime.record import Change, ChangeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.addresses import Cidr

_TO_ADD = ("addEntry", "addEntries", "entry", "entries")
_TO_REMOVE = ("removeEntry", "removeEntries")


def prefix_list(call: Call) -> Change:
    """CreateManagedPrefixList, ModifyManagedPrefixList, RestoreManagedPrefixListVersion: which list, which entries."""
    answered = inner(member(call.response, "prefixList"), "prefixList")
    lists = once(
        (each for raw in (call.request, answered) for each in ids_under(raw, "prefixListId", PREFIX_LIST_ID)), "lists"
    )
    if len(lists) != 1:
        raise RejectedEventError(f"the record names {len(lists)} prefix lists where one is changed")
    added, odd = _entries(call.request, *_TO_ADD)
    removed, strange = _entries(call.request, *_TO_REMOVE)
    return replace(
        change(call, ChangeKind.PREFIX_LIST),
        prefix_lists=lists,
        entries_added=added,
        entries_removed=removed,
        malformed=(*odd, *strange),
    )


def _entries(request: Json, *keys: str) -> tuple[tuple[Cidr, ...], tuple[MalformedRule, ...]]:
    """CIDRs of entries, and what is none: a list has no direction of its own, so that is noted as ingress."""
    listed = [entry for key in keys for entry in objects(member(request, key), key)]
    read = [(said, block_of(said)) for said in (text(member(entry, "cidr"), "cidr") for entry in listed)]
    odd = [said for said, block in read if block is None]
    return (
        tuple(block for _, block in read if block),
        tuple(MalformedRule(Direction.INGRESS, "an entry is not a CIDR", "", None, None, said[:60]) for said in odd),
    )


def attachment(call: Call) -> Change:
    """RunInstances, CreateNetworkInterface: groups that came to be on new interfaces, as asked and as answered."""
    holders = list(_holders(call))
    sets = [each for raw in holders for each in objects(member(raw, "groupSet"), "groupSet")]
    groups = once((found for each in sets for found in ids_under(each, "groupId", GROUP_ID)), "groups")
    unnumbered = [each for each in sets if member(each, "groupId") is None]
    names = once((found for each in unnumbered for found in ids_under(each, "groupName", GROUP_NAME)), "groups")
    return replace(
        change(call, ChangeKind.ATTACHMENT),
        groups=groups,
        group_names=() if groups else names,
        vpc_ids=once((found for raw in holders for found in ids_under(raw, "vpcId", VPC_ID)), "VPCs"),
        interfaces=once(
            (found for raw in holders for found in ids_under(raw, "networkInterfaceId", INTERFACE_ID)), "interfaces"
        ),
        complete=bool(groups or names),
    )


def _holders(call: Call) -> Iterator[Json]:
    """Every object in which EC2 writes groups of an interface (EC2 API reference, Instance, NetworkInterface)."""
    yield call.request
    yield inner(member(call.response, "networkInterface"), "networkInterface")
    instances = objects(member(call.response, "instancesSet"), "instancesSet")
    yield from instances
    for raw in (call.request, *instances):
        yield from objects(member(raw, "networkInterfaceSet"), "networkInterfaceSet")


def regrouped(call: Call) -> Change | None:
    """ModifyNetworkInterfaceAttribute: None where another attribute than the groups was changed."""
    if not objects(member(call.request, "groupSet"), "groupSet"):
        return None
    found = attachment(call)
    if not found.interfaces:
        identifier(None, INTERFACE_ID, "networkInterfaceId")
    return found


def instance_regrouped(call: Call) -> Change | None:
    """ModifyInstanceAttribute: None where another attribute than the groups was changed.

    The groups come to be on the instance's first interface, which is not named (EC2 API reference).
    """
    return attachment(call) if objects(member(call.request, "groupSet"), "groupSet") else None
