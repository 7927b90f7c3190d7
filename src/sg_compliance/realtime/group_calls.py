"""What calls on a security group and its rules say that they changed: one reader for each kind of call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroupRule, identity
from sg_compliance.realtime.event_fields import (
    GROUP_ID,
    GROUP_NAME,
    RULE_ID,
    VPC_ID,
    Json,
    identifier,
    inner,
    items,
    member,
    objects,
    once,
)
from sg_compliance.realtime.event_rules import EventRules, asked_rules, joined, single_rule
from sg_compliance.realtime.record import Change, ChangeKind, ModifiedRule, Record

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping


class Call(NamedTuple):
    """A call that succeeded: what was asked, what was answered. Either is empty where CloudTrail left it out."""

    record: Record
    request: Json
    response: Json


def change(call: Call, kind: ChangeKind) -> Change:
    """A change of this kind, to be filled in."""
    return Change(**call.record.said(), kind=kind)


def of_one_group(call: Call, kind: ChangeKind) -> Change:
    """A change of the one group that the call names, by its id or, in a default VPC, by its name.

    Also DeleteSecurityGroup, AssociateSecurityGroupVpc and DisassociateSecurityGroupVpc, which say no more.
    """
    told = [*_answered(call, "securityGroupRuleSet"), *_answered(call, "revokedSecurityGroupRuleSet")]
    groups = once(
        (found for each in (call.request, call.response, *told) for found in ids_under(each, "groupId", GROUP_ID)),
        "groups",
    )
    vpcs = once(ids_under(call.request, "vpcId", VPC_ID), "VPCs")
    if len(groups) > 1:
        raise RejectedEventError(f"the record names {len(groups)} groups where one is changed: {', '.join(groups[:5])}")
    if groups:
        return replace(change(call, kind), groups=groups, vpc_ids=vpcs)
    name = identifier(member(call.request, "groupName"), GROUP_NAME, "groupName, with no groupId beside it,")
    return replace(change(call, kind), group_names=(name,), vpc_ids=vpcs)


def _answered(call: Call, key: str) -> list[Json]:
    return objects(member(call.response, key), key)


def ids_under(raw: Json, key: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """The id under a key, if there is one."""
    value = member(raw, key)
    if value is not None:
        yield identifier(value, pattern, key)


def created(call: Call) -> Change:
    """CreateSecurityGroup: the id is in the response alone."""
    group_id = identifier(member(call.response, "groupId"), GROUP_ID, "responseElements.groupId")
    return replace(
        change(call, ChangeKind.CREATED),
        groups=(group_id,),
        vpc_ids=once(ids_under(call.request, "vpcId", VPC_ID), "VPCs"),
    )


def added(call: Call, direction: Direction) -> Change:
    """AuthorizeSecurityGroupIngress and …Egress."""
    asked, answered = asked_rules(call.request, direction), _told(call, "securityGroupRuleSet", direction)
    rules = joined(asked.rules, answered.rules)
    malformed = (*asked.malformed, *answered.malformed)
    return replace(
        of_one_group(call, ChangeKind.RULES_ADDED),
        rules_added=rules,
        malformed=malformed,
        complete=bool(rules or malformed),
    )


def removed(call: Call, direction: Direction) -> Change:
    """RevokeSecurityGroupIngress and …Egress.

    In a default VPC rules that were not there come back as unknown, without an error (EC2 API reference).
    """
    asked, answered = asked_rules(call.request, direction), _told(call, "revokedSecurityGroupRuleSet", direction)
    unknown = asked_rules({"ipPermissions": member(call.response, "unknownIpPermissionSet")}, direction).rules
    absent = set(map(identity, unknown))
    rules = joined((rule for rule in asked.rules if identity(rule) not in absent), answered.rules)
    told = {rule.rule_id for rule in rules}
    named = _rule_ids(call.request, "securityGroupRuleIds", "securityGroupRuleId")
    ids = tuple(each for each in named if each not in told)
    malformed = (*asked.malformed, *answered.malformed)
    return replace(
        of_one_group(call, ChangeKind.RULES_REMOVED),
        rules_removed=rules,
        rule_ids=ids,
        malformed=malformed,
        complete=bool(rules or ids or malformed or unknown),
    )


def _told(call: Call, key: str, direction: Direction) -> EventRules:
    """The rules of a response, with their ids where AWS gave any."""
    read = [_identified(item, direction) for item in _answered(call, key)]
    return EventRules(
        tuple(each for each in read if isinstance(each, SecurityGroupRule)),
        tuple(each for each in read if isinstance(each, MalformedRule)),
    )


def _identified(item: Json, direction: Direction) -> SecurityGroupRule | MalformedRule:
    is_egress = member(item, "isEgress")
    if is_egress is not None and is_egress not in _SAYS[direction]:
        raise RejectedEventError(f"isEgress of a rule contradicts the call, which is about {direction}")
    rule_id = next(ids_under(item, "securityGroupRuleId", RULE_ID), None)
    rule = single_rule(item, direction)
    return rule._replace(rule_id=rule_id) if isinstance(rule, SecurityGroupRule) else rule


_SAYS: Final[Mapping[Direction, tuple[object, ...]]] = {
    Direction.INGRESS: (False, "false"),
    Direction.EGRESS: (True, "true"),
}


def _rule_ids(request: Json, *keys: str) -> tuple[str, ...]:
    """Ids of rules, as texts or in objects."""
    found = [item for key in keys for item in items(member(request, key), key)]
    ids = (member(item, "securityGroupRuleId") if isinstance(item, dict) else item for item in found)
    return once((identifier(each, RULE_ID, "securityGroupRuleId") for each in ids), "rules")


def modified(call: Call) -> Change:
    """ModifySecurityGroupRules: each item names a rule by its id, with what it has become."""
    listed = ("securityGroupRule", "securityGroupRules")
    updates = [item for key in listed for item in objects(member(call.request, key), key)]
    read = [(_rule_id(update), _becomes(update)) for update in updates]
    modified = tuple(ModifiedRule(rule_id, rule) for rule_id, rule in read if isinstance(rule, SecurityGroupRule))
    return replace(
        of_one_group(call, ChangeKind.RULES_MODIFIED),
        rules_modified=modified,
        rule_ids=once((rule_id for rule_id, rule in read if not isinstance(rule, SecurityGroupRule)), "rules"),
        malformed=tuple(rule for _, rule in read if isinstance(rule, MalformedRule)),
        complete=bool(read) and all(rule for _, rule in read),
    )


def _rule_id(update: Json) -> str:
    return identifier(member(update, "securityGroupRuleId"), RULE_ID, "securityGroupRuleId")


def _becomes(update: Json) -> SecurityGroupRule | MalformedRule | None:
    rule = inner(member(update, "securityGroupRule"), "SecurityGroupRule")
    if not rule:
        return None
    read = single_rule(rule, Direction.INGRESS)
    return read._replace(rule_id=_rule_id(update)) if isinstance(read, SecurityGroupRule) else read


def described(call: Call) -> Change:
    """UpdateSecurityGroupRuleDescriptionsIngress and …Egress: traffic stays as it is."""
    ids = _rule_ids(call.request, "securityGroupRuleDescription", "securityGroupRuleDescriptions")
    return replace(of_one_group(call, ChangeKind.DESCRIBED), rule_ids=ids)
