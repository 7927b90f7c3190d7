"""AWS's JSON → the model. Whatever can be wrong about the shape of AWS's answers can be wrong here only.

Read as AWS means it (EC2 API reference: IpPermission, SecurityGroupRule): `-1` is every protocol and port, numbers
and names of protocols are the same, CIDRs with host bits are canonicalised, for ICMP FromPort is the type and ToPort
the code. What cannot mean any traffic becomes a MalformedRule with the reason, never an exception and never silence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    CODES,
    ICMP_PROTOCOLS,
    LAST_PORT,
    LAST_PROTOCOL,
    PROTOCOL_NUMBERS,
    WITH_PORTS,
    CidrPeer,
    Direction,
    GroupPeer,
    MalformedRule,
    PrefixList,
    PrefixListPeer,
    SecurityGroup,
    SecurityGroupRule,
    identity,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sg_compliance.model.security_group import Peer

UNKNOWN: Final = "unknown"
_ARN_PARTS: Final = 6
_QUOTED: Final = 60
ATTACHED: Final = "AttachedNetworkInterfaceIds"
MANAGED: Final = "ManagedNetworkInterfaceIds"
"""Not AWS's: what `render_group` writes for a snapshot, so that "none" and "not read" stay apart."""


def security_group(raw: Mapping[str, Any], *, account_id: str = "", region: str = "") -> SecurityGroup:
    """Read one element of `SecurityGroups`. Place is taken from the group's ARN and owner where it says so."""
    rules: list[SecurityGroupRule] = []
    malformed: list[MalformedRule] = []
    for direction, key in ((Direction.INGRESS, "IpPermissions"), (Direction.EGRESS, "IpPermissionsEgress")):
        permissions = raw.get(key)
        for permission in _items(permissions):
            _read_permission(permission, direction, rules, malformed)
        malformed += [MalformedRule(direction, each, "", None, None, "") for each in _strays(key, permissions)]
    return SecurityGroup(
        account_id=_text(raw.get("OwnerId")) or account_id or UNKNOWN,
        region=region_in(str(raw.get("SecurityGroupArn") or ""), region),
        group_id=_text(raw.get("GroupId")),
        name=_text(raw.get("GroupName")),
        description=_text(raw.get("Description")),
        vpc_id=_text(raw.get("VpcId")) or None,
        tags=_tags(raw),
        rules=tuple(rules),
        malformed=tuple(malformed),
        interfaces=_interfaces(raw.get(ATTACHED)),
        managed_interfaces=_interfaces(raw.get(MANAGED)) or (),
    )


def region_in(arn: str, region: str) -> str:
    """The region that the ARN of a group names; else the one that is given, if any."""
    parts = arn.split(":")
    return (parts[3] if len(parts) == _ARN_PARTS else "") or region or UNKNOWN


def _interfaces(value: object) -> tuple[str, ...] | None:
    return tuple(map(str, value)) if isinstance(value, list) else None


def _items(value: object) -> Sequence[Mapping[str, Any]]:
    """A list of objects; null, `{}` and a missing key are empty lists. A list of nothing else comes back itself."""
    if not value or type(value) is not list:
        return ()
    return value if _OBJECTS.issuperset(map(type, value)) else [item for item in value if isinstance(item, dict)]


_OBJECTS: Final = frozenset({dict})


def _strays(key: str, value: object) -> list[str]:
    """What stands under a key where AWS has a list of objects, and is none: one problem each, in words."""
    if not value or _items(value) is value:
        return []
    strays = [item for item in value if not isinstance(item, dict)] if isinstance(value, list) else [value]
    return [f"{key} holds {str(stray)[:_QUOTED]!r}, which is no list of objects" for stray in strays]


def _text(value: object) -> str:
    return value if type(value) is str else "" if value is None else str(value)


def _read_permission(
    permission: Mapping[str, Any],
    direction: Direction,
    rules: list[SecurityGroupRule],
    malformed: list[MalformedRule],
) -> None:
    written = (
        _text(permission.get("IpProtocol")),
        _port_text(permission.get("FromPort")),
        _port_text(permission.get("ToPort")),
    )
    peers: list[_Read] = []
    for key, read in _PEERS:
        value = permission.get(key)
        items = _items(value)
        peers += [read(item) for item in items]
        if value and items is not value:
            malformed += [MalformedRule(direction, each, *written, "") for each in _strays(key, value)]
    try:
        protocol, first, last = ports(*written)
    except ValueError as error:
        problem = str(error)
        malformed += [MalformedRule(direction, problem, *written, text) for text, _, _ in peers or _NOBODY]
        return
    for text, peer, description in peers:
        if peer is None:
            malformed.append(MalformedRule(direction, f"{text!r} is not a CIDR", *written, text))
        else:
            rules.append(SecurityGroupRule(direction, protocol, first, last, peer, *written, description))


_Read: TypeAlias = tuple[str, "Peer | None", str | None]
"""A peer: its text, what it is (None: cannot be read), its description."""

_NOBODY: Final[list[_Read]] = [("", None, None)]


def _port_text(value: object) -> int | str | None:
    """A port as it was written: a number, or text."""
    if value is None or type(value) is int or type(value) is str:
        return value
    return str(value)


def _description(item: Mapping[str, Any]) -> str | None:
    value = item.get("Description")
    return None if value is None else _text(value)


def _ipv4(item: Mapping[str, Any]) -> _Read:
    text = _text(item.get("CidrIp"))
    return text, cidr_peer(text), _description(item)


def _ipv6(item: Mapping[str, Any]) -> _Read:
    text = _text(item.get("CidrIpv6"))
    return text, cidr_peer(text), _description(item)


def _prefix_list(item: Mapping[str, Any]) -> _Read:
    text = _text(item.get("PrefixListId"))
    return text, PrefixListPeer(text), _description(item)


def _referenced_group(item: Mapping[str, Any]) -> _Read:
    peer = group_peer(*[_text(item.get(key)) for key in _PAIR_FIELDS])
    return peer.group_id, peer, _description(item)


_PAIR_FIELDS: Final = ("GroupId", "GroupName", "UserId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus")


def group_peer(  # noqa: PLR0913, PLR0917  the fields of a UserIdGroupPair
    group_id: str, name: str, account_id: str, vpc_id: str, peering_id: str, peering_status: str
) -> GroupPeer:
    """A referenced group, as AWS tells it: what it does not tell is empty."""
    return GroupPeer(
        group_id or name, account_id or None, name or None, vpc_id or None, peering_id or None, peering_status or None
    )


_PEERS: Final[tuple[tuple[str, Callable[[Mapping[str, Any]], _Read]], ...]] = (
    ("IpRanges", _ipv4),
    ("Ipv6Ranges", _ipv6),
    ("PrefixListIds", _prefix_list),
    ("UserIdGroupPairs", _referenced_group),
)


def cidr_peer(text: str) -> CidrPeer | None:
    """The block as a peer; None where the text is no CIDR."""
    try:
        return CidrPeer(parse_cidr(text), text)
    except ValueError:
        return None


def ports(ip_protocol: str, from_port: object, to_port: object) -> tuple[int, int, int]:
    """Protocol number and the span in the port space. Raises ValueError in words."""
    protocol = _protocol(ip_protocol)
    if protocol not in _WITH_NUMBERS:
        return protocol, 0, LAST_PORT
    first, last = _number(from_port, "FromPort"), _number(to_port, "ToPort")
    if protocol in ICMP_PROTOCOLS:
        return (protocol, *_icmp_span(first, last))
    return (protocol, *_port_span(first, last))


_WITH_NUMBERS: Final = WITH_PORTS | ICMP_PROTOCOLS


@lru_cache(maxsize=1024)
def _protocol(text: str) -> int:
    name = text.strip().lower()
    number = ALL_PROTOCOLS if name == "-1" else PROTOCOL_NUMBERS.get(name)
    if number is None and name.isascii() and name.isdigit() and int(name) <= LAST_PROTOCOL:
        number = int(name)
    if number is None:
        message = f"{text!r} is not a protocol"
        raise ValueError(message)
    return number


def _number(value: object, name: str) -> int | None:
    """A port as a number, a text, or nothing."""
    if type(value) is int or value is None:
        return value
    text = str(value).strip()
    if text.isascii() and text.removeprefix("-").isdigit():
        return int(text)
    message = f"{name} {value!r} is not a number"
    raise ValueError(message)


def _port_span(first: int | None, last: int | None) -> tuple[int, int]:
    if first in (None, -1) and last in (None, -1):
        return 0, LAST_PORT
    if first is None or last is None:
        message = f"ports {first}-{last}: one of the two is missing"
        raise ValueError(message)
    if not 0 <= first <= LAST_PORT or not 0 <= last <= LAST_PORT:
        message = f"ports {first}-{last}: not between 0 and {LAST_PORT}"
        raise ValueError(message)
    if last < first:
        message = f"ports {first}-{last}: the range is inverted and lets nothing through"
        raise ValueError(message)
    return first, last


def _icmp_span(kind: int | None, code: int | None) -> tuple[int, int]:
    if kind in (None, -1):
        return 0, LAST_PORT
    if kind is None or not 0 <= kind < CODES or (code is not None and not -1 <= code < CODES):
        message = f"ICMP type {kind} code {code}: not between 0 and {CODES - 1}"
        raise ValueError(message)
    start = kind * CODES
    return (start, start + CODES - 1) if code in (None, -1) else (start + (code or 0), start + (code or 0))


def security_group_rule(raw: Mapping[str, Any]) -> SecurityGroupRule | MalformedRule:
    """Read one element of `SecurityGroupRules`: one peer, with id, description and tags."""
    direction = Direction.EGRESS if raw.get("IsEgress") else Direction.INGRESS
    referenced = raw.get("ReferencedGroupInfo")
    in_permission = {
        "IpRanges": [{"CidrIp": raw["CidrIpv4"]}] if raw.get("CidrIpv4") else [],
        "Ipv6Ranges": [{"CidrIpv6": raw["CidrIpv6"]}] if raw.get("CidrIpv6") else [],
        "PrefixListIds": [{"PrefixListId": raw["PrefixListId"]}] if raw.get("PrefixListId") else [],
        "UserIdGroupPairs": [referenced] if isinstance(referenced, dict) and referenced.get("GroupId") else [],
    }
    rules: list[SecurityGroupRule] = []
    malformed: list[MalformedRule] = []
    permission = {key: raw.get(key) for key in ("IpProtocol", "FromPort", "ToPort")}
    _read_permission({**permission, **in_permission}, direction, rules, malformed)
    if len(rules) != 1:
        problem = malformed[0].problem if malformed else "the rule names no peer"
        return MalformedRule(direction, problem, _text(raw.get("IpProtocol")), None, None, "")
    return rules[0]._replace(
        description=_description(raw), rule_id=_text(raw.get("SecurityGroupRuleId")) or None, tags=_tags(raw)
    )


def _tags(raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple([(_text(tag.get("Key")), _text(tag.get("Value"))) for tag in _items(raw.get("Tags"))])


def rule_ids(rules: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], str]:
    """Elements of `SecurityGroupRules` → (direction, protocol, first, last, peer) → rule id (`sgr-…`)."""
    found: dict[tuple[Any, ...], str] = {}
    for raw in rules:
        key = _rule_key(raw)
        if key:
            found[key] = _text(raw.get("SecurityGroupRuleId"))
    return found


def _rule_key(raw: Mapping[str, Any]) -> tuple[Any, ...] | None:
    direction = Direction.EGRESS if raw.get("IsEgress") else Direction.INGRESS
    group = raw.get("ReferencedGroupInfo") or {}
    try:
        span = ports(_text(raw.get("IpProtocol")), raw.get("FromPort"), raw.get("ToPort"))
        cidr = raw.get("CidrIpv4") or raw.get("CidrIpv6")
        peer = parse_cidr(cidr) if cidr else raw.get("PrefixListId") or group.get("GroupId")
    except ValueError:
        return None
    return (direction, *span, peer) if peer else None


def with_rule_ids(group: SecurityGroup, ids: Mapping[tuple[Any, ...], str]) -> SecurityGroup:
    """The same group, its rules named by their ids where they are known."""
    rules = tuple(rule._replace(rule_id=ids.get(identity(rule), rule.rule_id)) for rule in group.rules)
    return replace(group, rules=rules)


def prefix_list(raw: Mapping[str, Any], entries: Iterable[Mapping[str, Any]] | None) -> PrefixList:
    """One element of `PrefixLists` and its `Entries`; entries None or with a CIDR that cannot be read: unknown."""
    blocks = None
    if entries is not None:
        peers = [cidr_peer(_text(entry.get("Cidr"))) if isinstance(entry, dict) else None for entry in entries]
        blocks = None if None in peers else tuple(peer.block for peer in peers if peer)
    most = raw.get("MaxEntries")
    return PrefixList(
        _text(raw.get("PrefixListId")),
        _text(raw.get("PrefixListName")),
        blocks,
        most if isinstance(most, int) else None,
    )


class Attachment(NamedTuple):
    """An interface that has a group. `managed`: an AWS service made it and looks after it."""

    group_id: str
    interface_id: str
    vpc_id: str
    managed: bool


def attached_groups(interface: Mapping[str, Any]) -> Iterator[Attachment]:
    """One element of `NetworkInterfaces` → an attachment for each of its groups."""
    operator = interface.get("Operator")
    managed = interface.get("RequesterManaged") is True or (
        isinstance(operator, dict) and operator.get("Managed") is True
    )
    for group in _items(interface.get("Groups")):
        ids = (_text(group.get("GroupId")), _text(interface.get("NetworkInterfaceId")), _text(interface.get("VpcId")))
        yield Attachment(*ids, managed)
