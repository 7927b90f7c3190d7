"""Rules, tags and groups as plain JSON values, and back: what backups, plans and the journal are written in.

Version 1. A backup that is written today must be readable for ever: golden files hold this. Read strictly: what is not
as it was written raises ValueError with the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.change import Tag, Untag, Wanted
from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    LAST_PORT,
    LAST_PROTOCOL,
    CidrPeer,
    Direction,
    GroupPeer,
    PrefixListPeer,
    SecurityGroup,
    SecurityGroupRule,
    identity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sg_compliance.model.change import Call, Tags
    from sg_compliance.model.security_group import Identity, Peer

_Kind = TypeVar("_Kind")


def rule_record(rule: SecurityGroupRule) -> dict[str, Any]:
    """A rule with all that restoring it needs."""
    return {
        "rule_id": rule.rule_id,
        "direction": rule.direction.value,
        "protocol": rule.protocol,
        "first": rule.first,
        "last": rule.last,
        "peer": _peer_record(rule.peer),
        "ip_protocol": rule.ip_protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "description": rule.description,
        "tags": tag_record(rule.tags),
    }


def _peer_record(peer: Peer) -> dict[str, Any]:
    if isinstance(peer, CidrPeer):
        return {"cidr": peer.text}
    if isinstance(peer, PrefixListPeer):
        return {"prefix_list_id": peer.prefix_list_id}
    return {key: value for key, value in peer._asdict().items() if value is not None}


def rule_of(record: object) -> SecurityGroupRule:
    """The rule that was written. Raises ValueError."""
    raw = _a(record, dict, "a rule")
    protocol, first, last = (_a(raw.get(key), int, key) for key in ("protocol", "first", "last"))
    if not (ALL_PROTOCOLS <= protocol <= LAST_PROTOCOL and 0 <= first <= last <= LAST_PORT):
        message = f"protocol {protocol} with ports {first}-{last} is not possible"
        raise ValueError(message)
    return SecurityGroupRule(
        Direction(_a(raw.get("direction"), str, "direction")),
        protocol,
        first,
        last,
        _peer_of(_a(raw.get("peer"), dict, "peer")),
        _a(raw.get("ip_protocol"), str, "ip_protocol"),
        _port(raw.get("from_port")),
        _port(raw.get("to_port")),
        _optional(raw.get("description"), "description"),
        _optional(raw.get("rule_id"), "rule_id"),
        tags_of(raw.get("tags", {})),
    )


def _peer_of(raw: dict[str, Any]) -> Peer:
    if "cidr" in raw:
        text = _a(raw["cidr"], str, "cidr")
        return CidrPeer(parse_cidr(text), text)
    if "prefix_list_id" in raw:
        return PrefixListPeer(_a(raw["prefix_list_id"], str, "prefix_list_id"))
    known = {key: _optional(raw.get(key), key) for key in GroupPeer._fields[1:]}
    return GroupPeer(_a(raw.get("group_id"), str, "group_id"), **known)


def tag_record(tags: Tags) -> dict[str, str]:
    """Tags as an object."""
    return dict(tags)


def tags_of(record: object) -> Tags:
    """The tags that were written. Raises ValueError."""
    return tuple((key, _a(value, str, f"tag {key!r}")) for key, value in _a(record, dict, "tags").items())


def group_record(group: SecurityGroup) -> dict[str, Any]:
    """A group that was read whole: there is nothing malformed in it."""
    return {
        "account_id": group.account_id,
        "region": group.region,
        "group_id": group.group_id,
        "name": group.name,
        "description": group.description,
        "vpc_id": group.vpc_id,
        "tags": tag_record(group.tags),
        "rules": [rule_record(rule) for rule in group.rules],
    }


def group_of(record: object) -> SecurityGroup:
    """The group that was written. Raises ValueError."""
    raw = _a(record, dict, "a group")
    return SecurityGroup(
        account_id=_a(raw.get("account_id"), str, "account_id"),
        region=_a(raw.get("region"), str, "region"),
        group_id=_a(raw.get("group_id"), str, "group_id"),
        name=_a(raw.get("name"), str, "name"),
        description=_a(raw.get("description"), str, "description"),
        vpc_id=_optional(raw.get("vpc_id"), "vpc_id"),
        tags=tags_of(raw.get("tags")),
        rules=tuple(rule_of(each) for each in _a(raw.get("rules"), list, "rules")),
    )


def wanted_record(wanted: Wanted, before: Sequence[SecurityGroupRule]) -> dict[str, Any]:
    """What a group is to become. What is to go is written as the rules of `before` that it means, no more of each."""
    going = [each._replace(description=None, tags=()) for each in before if identity(each) in (wanted.gone or ())]
    gone = None if wanted.gone is None else [rule_record(each) for each in going]
    return {
        "rules": [rule_record(rule) for rule in wanted.rules],
        "gone": gone,
        "tags": tag_record(wanted.tags),
        "untagged": sorted(wanted.untagged),
        "exact": wanted.exact,
    }


def wanted_of(record: object) -> Wanted:
    """What was wanted. Raises ValueError."""
    raw = _a(record, dict, "what is wanted")
    gone = raw.get("gone")
    return Wanted(
        rules=tuple(rule_of(each) for each in _a(raw.get("rules"), list, "rules")),
        gone=None if gone is None else _identities(gone),
        tags=tags_of(raw.get("tags")),
        untagged=frozenset(_a(key, str, "untagged") for key in _a(raw.get("untagged"), list, "untagged")),
        exact=_a(raw.get("exact"), bool, "exact"),
    )


def _identities(rules: object) -> frozenset[Identity]:
    return frozenset(identity(rule_of(each)) for each in _a(rules, list, "gone"))


def _a(value: object, kind: type[_Kind], name: str) -> _Kind:
    """The value, if it is of the kind."""
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is int):
        return value
    message = f"{name} is {str(value)[:60]!r}"
    raise ValueError(message)


def _optional(value: object, name: str) -> str | None:
    return None if value is None else _a(value, str, name)


def _port(value: object) -> int | str | None:
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    message = f"a port is {str(value)[:60]!r}"
    raise ValueError(message)


def call_record(call: Call) -> dict[str, Any]:
    """A call as the audit log keeps it."""
    record: dict[str, Any] = {"call": type(call).__name__.lower()}
    if isinstance(call, Tag):
        return {**record, "resources": list(call.resources), "tags": tag_record(call.tags)}
    if isinstance(call, Untag):
        return {**record, "resources": list(call.resources), "keys": list(call.keys)}
    return {**record, "direction": call.direction.value, "rules": [rule_record(rule) for rule in call.rules]}
