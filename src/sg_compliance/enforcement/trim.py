"""The compliant rest of a rule, as rules that AWS takes; and when there is none to be had.

Rests are spans in the port space. AWS writes ICMP as one type and one code, or all of them (EC2 API reference,
IpPermission), so a span of ICMP becomes a rule for each type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    CODES,
    ICMP_PROTOCOLS,
    LAST_PORT,
    PROTOCOL_NAMES,
    WITH_PORTS,
    CidrPeer,
    Direction,
    GroupPeer,
    blocks_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.change import Rest, RuleChange
    from sg_compliance.model.security_group import Peer, PrefixLists, SecurityGroupRule


class _Span(NamedTuple):
    first: int
    last: int
    from_port: int | str | None
    to_port: int | str | None


def rest_rules(change: RuleChange) -> tuple[SecurityGroupRule, ...]:
    """The rules to authorize in place of the one that is revoked: its description, no id and no tags."""
    rule = change.rule
    return tuple(
        rule._replace(**span._asdict(), peer=_peer_of(rule, rest), rule_id=None, tags=())
        for rest in change.keep
        for span in _spans(rule, rest)
    )


def _peer_of(rule: SecurityGroupRule, rest: Rest) -> Peer:
    return rule.peer if rest.block is None else CidrPeer(rest.block, str(rest.block))


def _spans(rule: SecurityGroupRule, rest: Rest) -> Iterator[_Span]:
    if rule.protocol in WITH_PORTS:
        yield _Span(rest.first, rest.last, rest.first, rest.last)
    elif (rest.first, rest.last) == (rule.first, rule.last):
        yield _Span(rest.first, rest.last, rule.from_port, rule.to_port)
    elif rule.protocol in ICMP_PROTOCOLS:
        yield from _icmp_spans(rest.first, rest.last)


def _icmp_spans(first: int, last: int) -> Iterator[_Span]:
    """Whole types where the span holds them, else code by code."""
    if (first, last) == (0, LAST_PORT):
        yield _Span(first, last, -1, -1)
        return
    while first <= last:
        kind, code = divmod(first, CODES)
        whole = code == 0 and first + CODES - 1 <= last
        end = first + CODES - 1 if whole else first
        yield _Span(first, end, kind, -1 if whole else code)
        first = end + 1


def untrimmable(rule: SecurityGroupRule, prefix_lists: PrefixLists) -> str:
    """Why nothing of the rule can be kept, in words; empty where it can be trimmed."""
    if rule.protocol == ALL_PROTOCOLS:
        return "it opens every protocol, and which of them are needed has to be asked"
    if blocks_of(rule.peer, prefix_lists) is None:
        return f"what {_peer_text(rule.peer)} holds could not be read"
    return ""


def rule_text(rule: SecurityGroupRule) -> str:
    """`rule sgr-1 (tcp 20-25 from 0.0.0.0/0)`, as notes name it."""
    preposition = "from" if rule.direction is Direction.INGRESS else "to"
    text = f"{_traffic_text(rule)} {preposition} {_peer_text(rule.peer)}"
    return f"rule {rule.rule_id} ({text})" if rule.rule_id else f"rule {text}"


def _traffic_text(rule: SecurityGroupRule) -> str:
    if rule.protocol == ALL_PROTOCOLS:
        return "all traffic"
    name = PROTOCOL_NAMES.get(rule.protocol, f"protocol {rule.protocol}")
    if rule.protocol in WITH_PORTS:
        return f"{name} {rule.first}" if rule.first == rule.last else f"{name} {rule.first}-{rule.last}"
    whole = (rule.first, rule.last) == (0, LAST_PORT)
    return name if whole else f"{name} type {rule.from_port} code {rule.to_port}"


def _peer_text(peer: Peer) -> str:
    if isinstance(peer, CidrPeer):
        return str(peer.block)
    return peer.group_id if isinstance(peer, GroupPeer) else peer.prefix_list_id
