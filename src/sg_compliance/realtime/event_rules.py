"""Rules as an event tells them, in the meaning of the model: one peer each, one space of ports for every protocol.

Read as EC2 means it, and as groups are read elsewhere: `-1` is every protocol and port, a CIDR's host bits are
dropped, for ICMP fromPort is the type and toPort the code (EC2 API reference, IpPermission, SecurityGroupRule).
A rule that cannot mean any traffic is a MalformedRule, never dropped; a shape that AWS does not write is rejected.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.addresses import Cidr, parse_cidr
from sg_compliance.model.security_group import (
    LAST_PORT,
    CidrPeer,
    Direction,
    GroupPeer,
    MalformedRule,
    PrefixListPeer,
    SecurityGroupRule,
    identity,
)
from sg_compliance.realtime.event_fields import GROUP_ID, MOST, PREFIX_LIST_ID, Json, inner, kept, member, objects
from sg_compliance.realtime.event_ports import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sg_compliance.model.security_group import Peer

_LONGEST_VALUE: Final = 60
_LONGEST_TEXT: Final = 255
"""Of a description and of a name (EC2 API reference, IpRange, CreateSecurityGroup)."""
_LARGEST: Final = 10**12


class EventRules(NamedTuple):
    """What could be read, and what means no traffic."""

    rules: tuple[SecurityGroupRule, ...] = ()
    malformed: tuple[MalformedRule, ...] = ()


_One: TypeAlias = "SecurityGroupRule | MalformedRule"
_Written: TypeAlias = "tuple[str, int | str | None, int | str | None]"
_Read: TypeAlias = tuple[str, "Peer | None", str | None]
"""A peer: its text, what it is (None: cannot be read), its description."""


def asked_rules(request: Json, direction: Direction) -> EventRules:
    """The rules that a call to authorize or revoke names: in `ipPermissions`, or flat beside it."""
    permissions = objects(member(request, "ipPermissions"), "ipPermissions")
    return _sorted(one for each in (*permissions, *_flat(request)) for one in _permission(each, direction))


def _flat(request: Json) -> list[Json]:
    """The old parameters as permissions (EC2 API reference, AuthorizeSecurityGroupIngress)."""
    cidr, name = member(request, "cidrIp"), member(request, "sourceSecurityGroupName")
    group = {"groupName": name, "userId": member(request, "sourceSecurityGroupOwnerId")}
    peers = {"ipRanges": [{"cidrIp": cidr}] if cidr else [], "groups": [group] if name else []}
    written = {key: member(request, key) for key in _PORTS}
    if cidr or (name and any(value is not None for value in written.values())):
        return [{**written, **peers}]
    return [{**full, **peers} for full in _FULL_ACCESS] if name else []


_PORTS: Final = ("ipProtocol", "fromPort", "toPort")
_FULL_ACCESS: Final = (
    {"ipProtocol": "tcp", "fromPort": 0, "toPort": LAST_PORT},
    {"ipProtocol": "udp", "fromPort": 0, "toPort": LAST_PORT},
    {"ipProtocol": "icmp", "fromPort": -1, "toPort": -1},
)
"""What a source group without a protocol is given: full TCP, UDP and ICMP access (the same page)."""


def single_rule(item: Json, direction: Direction) -> SecurityGroupRule | MalformedRule:
    """An item of `securityGroupRuleSet`, or the rule in a ModifySecurityGroupRules: one peer, without its id."""
    group = inner(member(item, "referencedGroupInfo"), "referencedGroupInfo")
    peers: dict[str, tuple[str, object]] = {
        "ipRanges": ("cidrIp", member(item, "cidrIpv4")),
        "ipv6Ranges": ("cidrIpv6", member(item, "cidrIpv6")),
        "prefixListIds": ("prefixListId", member(item, "prefixListId")),
        "groups": ("groupId", member(item, "referencedGroupId") or member(group, "groupId")),
    }
    said = {"description": member(item, "description"), **{key: member(group, key) for key in _BESIDE_A_GROUP}}
    ports = {key: member(item, key) for key in _PORTS}
    listed = {key: [{**said, name: value}] for key, (name, value) in peers.items() if value}
    found = list(_permission({**ports, **listed}, direction))
    if len(found) == 1:
        return found[0]
    return MalformedRule(direction, f"the rule names {len(found)} peers", *_written(ports), "")


def _permission(permission: Json, direction: Direction) -> Iterator[_One]:
    """One rule for each peer of the permission."""
    written = _written(permission)
    peers = [read(item) for key, read in _PEERS for item in objects(member(permission, key), key)]
    try:
        protocol, first, last = span(*written)
    except ValueError as error:
        yield from (MalformedRule(direction, str(error), *written, each[0]) for each in peers or _NOBODY)
        return
    for shown, peer, description in peers:
        if peer is None:
            yield MalformedRule(direction, f"{shown!r} is no peer that AWS knows", *written, shown)
        else:
            yield SecurityGroupRule(direction, protocol, first, last, peer, *written, description)


_NOBODY: Final[list[_Read]] = [("", None, None)]


def _sorted(found: Iterable[_One]) -> EventRules:
    rules: list[SecurityGroupRule] = []
    malformed: list[MalformedRule] = []
    for each in found:
        if isinstance(each, SecurityGroupRule):
            rules.append(each)
        else:
            malformed.append(each)
        if len(rules) + len(malformed) > MOST:
            raise RejectedEventError(f"the record names more than {MOST} rules")
    return EventRules(tuple(rules), tuple(malformed))


def _plain(value: object, longest: int = _LONGEST_VALUE) -> str:
    """Whatever stands for a short text, as a short text; a container by its kind alone."""
    if isinstance(value, str):
        return kept(value, longest)
    if isinstance(value, int | float) and -_LARGEST < value < _LARGEST:
        return str(value)
    return "" if value is None else f"({type(value).__name__})"


def _written(permission: Json) -> _Written:
    ports = (member(permission, "fromPort"), member(permission, "toPort"))
    first, last = (
        port if port is None or (type(port) is int and abs(port) < _LARGEST) else _plain(port) for port in ports
    )
    return _plain(member(permission, "ipProtocol")), first, last


def _description(item: Json) -> str | None:
    value = member(item, "description")
    return None if value is None else _plain(value, _LONGEST_TEXT)


def _ipv4(item: Json) -> _Read:
    shown = _plain(member(item, "cidrIp"))
    return shown, _cidr_peer(shown), _description(item)


def _ipv6(item: Json) -> _Read:
    shown = _plain(member(item, "cidrIpv6"))
    return shown, _cidr_peer(shown), _description(item)


def _cidr_peer(shown: str) -> CidrPeer | None:
    block = block_of(shown)
    return CidrPeer(block, shown) if block else None


def block_of(shown: str) -> Cidr | None:
    """The CIDR, None where it is none."""
    try:
        return parse_cidr(shown)
    except ValueError:
        return None


def _prefix_list(item: Json) -> _Read:
    shown = _plain(member(item, "prefixListId"))
    return shown, PrefixListPeer(shown) if PREFIX_LIST_ID.fullmatch(shown) else None, _description(item)


def _referenced_group(item: Json) -> _Read:
    group_id, name = _plain(member(item, "groupId")), _plain(member(item, "groupName"), _LONGEST_TEXT)
    account, *peering = (_plain(member(item, key)) or None for key in _BESIDE_A_GROUP)
    if group_id and not GROUP_ID.fullmatch(group_id):
        return group_id, None, _description(item)
    known = group_id or name
    return known, GroupPeer(known, account, name or None, *peering) if known else None, _description(item)


_BESIDE_A_GROUP: Final = ("userId", "vpcId", "vpcPeeringConnectionId", "peeringStatus")
_PEERS: Final[tuple[tuple[str, Callable[[Json], _Read]], ...]] = (
    ("ipRanges", _ipv4),
    ("ipv6Ranges", _ipv6),
    ("prefixListIds", _prefix_list),
    ("groups", _referenced_group),
)


def joined(asked: Iterable[SecurityGroupRule], answered: Iterable[SecurityGroupRule]) -> tuple[SecurityGroupRule, ...]:
    """The rules as the caller wrote them, with the ids that AWS gave; what AWS alone tells comes after them."""
    wanted, given = tuple(asked), {identity(rule): rule for rule in answered}
    known = set(map(identity, wanted))
    unasked = [given[key] for key in given if key not in known]
    by_span: dict[tuple[object, ...], list[SecurityGroupRule]] = defaultdict(list)
    for rule in unasked:
        if isinstance(rule.peer, GroupPeer):
            by_span[rule[:4]].append(rule)
    rules = [_with_id(rule, given.get(identity(rule)), by_span[rule[:4]]) for rule in wanted]
    said = set(map(identity, rules))
    return (*rules, *(rule for rule in unasked if identity(rule) not in said))


def _with_id(
    rule: SecurityGroupRule, answer: SecurityGroupRule | None, of_groups: list[SecurityGroupRule]
) -> SecurityGroupRule:
    """The rule with its id. A group that was asked for by its name (default VPC) is answered with its own id."""
    if answer:
        return rule._replace(rule_id=answer.rule_id)
    if not isinstance(rule.peer, GroupPeer) or GROUP_ID.fullmatch(rule.peer.group_id) or len(of_groups) != 1:
        return rule
    found = of_groups[0]
    peer = found.peer._replace(name=rule.peer.name) if isinstance(found.peer, GroupPeer) else rule.peer
    return rule._replace(peer=peer, rule_id=found.rule_id)
