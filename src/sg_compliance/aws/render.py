"""The model → AWS's JSON, for snapshots: what `translate` reads back is the same group.

Not written down: what stood in a file where AWS has an object, for it has no place in AWS's JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws.translate import ATTACHED, MANAGED
from sg_compliance.model.security_group import (
    CODES,
    ICMP,
    ICMP_PROTOCOLS,
    ICMPV6,
    LAST_PORT,
    TCP,
    UDP,
    WITH_PORTS,
    CidrPeer,
    Direction,
    PrefixListPeer,
)

if TYPE_CHECKING:
    from sg_compliance.model.security_group import Peer, PrefixList, SecurityGroup, SecurityGroupRule


def render_group(group: SecurityGroup) -> dict[str, Any]:
    """The group as an element of `SecurityGroups`: read back, it is the same group, down to its malformed rules."""
    return {
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.account_id,
        **({"VpcId": group.vpc_id} if group.vpc_id else {}),
        **({} if group.interfaces is None else {ATTACHED: list(group.interfaces)}),
        **({MANAGED: list(group.managed_interfaces)} if group.managed_interfaces else {}),
        "SecurityGroupArn": _arn(group),
        "Tags": [{"Key": key, "Value": value} for key, value in group.tags],
        "IpPermissions": _render_rules(group, Direction.INGRESS),
        "IpPermissionsEgress": _render_rules(group, Direction.EGRESS),
    }


def _arn(group: SecurityGroup) -> str:
    """The partition follows from the region (AWS General Reference, Amazon Resource Names)."""
    region = group.region
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    return f"arn:{partition}:ec2:{region}:{group.account_id}:security-group/{group.group_id}"


def _render_rules(group: SecurityGroup, direction: Direction) -> list[dict[str, Any]]:
    rendered = [
        _permission(rule.ip_protocol, rule.from_port, rule.to_port, *_render_peer(rule.peer), rule.description)
        for rule in group.rules
        if rule.direction is direction
    ]
    return rendered + [
        _permission(rule.ip_protocol, rule.from_port, rule.to_port, *_render_text(rule.peer), None)
        for rule in group.malformed
        if rule.direction is direction
    ]


def _permission(  # noqa: PLR0913, PLR0917 - the fields of an IpPermission with one peer
    protocol: str, first: object, last: object, key: str, peer: dict[str, str], description: str | None
) -> dict[str, Any]:
    ports = {name: port for name, port in (("FromPort", first), ("ToPort", last)) if port is not None}
    peers = [{**peer, **({} if description is None else {"Description": description})}] if peer else []
    return {"IpProtocol": protocol, **ports, **({key: peers} if key else {})}


def _render_peer(peer: Peer) -> tuple[str, dict[str, str]]:
    if isinstance(peer, CidrPeer):
        return _render_text(peer.text)
    if isinstance(peer, PrefixListPeer):
        return "PrefixListIds", {"PrefixListId": peer.prefix_list_id}
    named = {
        "GroupId": peer.group_id,
        "UserId": peer.account_id,
        "GroupName": peer.name,
        "VpcId": peer.vpc_id,
        "VpcPeeringConnectionId": peer.peering_id,
        "PeeringStatus": peer.peering_status,
    }
    return "UserIdGroupPairs", {key: value for key, value in named.items() if value}


def render_permission(rule: SecurityGroupRule) -> dict[str, Any]:
    """The rule as an IpPermission with one peer, to be authorized: AWS's canonical form, not what was written once."""
    ports = dict(zip(("FromPort", "ToPort"), _from_and_to(rule), strict=False))
    peer = rule.peer
    key, named = _render_peer(peer._replace(text=str(peer.block)) if isinstance(peer, CidrPeer) else peer)
    # A name beside the id is only for groups outside a VPC, and a status is AWS's to tell (EC2 API, UserIdGroupPair).
    given = {name: value for name, value in named.items() if name not in {"GroupName", "PeeringStatus"}}
    said = {"Description": rule.description} if rule.description else {}
    protocol = _PROTOCOLS.get(rule.protocol, str(rule.protocol))
    return {"IpProtocol": protocol, **ports, key: [{**given, **said}]}


_PROTOCOLS: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


def _from_and_to(rule: SecurityGroupRule) -> tuple[int, ...]:
    """FromPort and ToPort; type and code for ICMP; nothing where there are no ports."""
    if rule.protocol in WITH_PORTS:
        return rule.first, rule.last
    if rule.protocol not in ICMP_PROTOCOLS:
        return ()
    if (rule.first, rule.last) == (0, LAST_PORT):
        return -1, -1
    kind, code = divmod(rule.first, CODES)
    return kind, (code if rule.first == rule.last else -1)


def _render_text(text: str) -> tuple[str, dict[str, str]]:
    """A peer that is known by its text alone."""
    if text.startswith("pl-"):
        return "PrefixListIds", {"PrefixListId": text}
    if text.startswith("sg-"):
        return "UserIdGroupPairs", {"GroupId": text}
    if ":" in text:
        return "Ipv6Ranges", {"CidrIpv6": text}
    return ("IpRanges", {"CidrIp": text}) if text else ("", {})


def render_prefix_list(prefix_list: PrefixList) -> dict[str, Any]:
    """The prefix list as an element of `PrefixLists`, with its `Entries` where they are known."""
    entries = None if prefix_list.blocks is None else [{"Cidr": str(block)} for block in prefix_list.blocks]
    return {
        "PrefixListId": prefix_list.prefix_list_id,
        "PrefixListName": prefix_list.name,
        **({"MaxEntries": prefix_list.max_entries} if prefix_list.max_entries else {}),
        **({} if entries is None else {"Entries": entries}),
    }


def render_rules(group: SecurityGroup) -> list[dict[str, Any]]:
    """Elements of `SecurityGroupRules` for the rules whose ids are known."""
    return [
        {
            "SecurityGroupRuleId": rule.rule_id,
            "GroupId": group.group_id,
            "GroupOwnerId": group.account_id,
            "IsEgress": rule.direction is Direction.EGRESS,
            "IpProtocol": rule.ip_protocol,
            **{
                name: port
                for name, port in (("FromPort", rule.from_port), ("ToPort", rule.to_port))
                if port is not None
            },
            **_rule_peer(rule.peer),
        }
        for rule in group.rules
        if rule.rule_id
    ]


def _rule_peer(peer: Peer) -> dict[str, Any]:
    if isinstance(peer, CidrPeer):
        return {"CidrIpv4" if peer.block.version == 4 else "CidrIpv6": peer.text}  # noqa: PLR2004 - the IP version
    if isinstance(peer, PrefixListPeer):
        return {"PrefixListId": peer.prefix_list_id}
    return {"ReferencedGroupInfo": {"GroupId": peer.group_id}}
