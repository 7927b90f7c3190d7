"""Setting a blueprint down in an account and a region: names become ids, rules become IpPermissions, tags appear."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from sg_compliance.testing.organisation.accounts import OWNERS
from sg_compliance.testing.organisation.networks import prefix_list_id, vpc_id
from sg_compliance.testing.organisation.shapes import Group, IpPermission, stable_id

if TYPE_CHECKING:
    from sg_compliance.testing.organisation.blueprint import Blueprint, Peer, PeerKind, Rule, Where
    from sg_compliance.testing.organisation.shapes import Account

_PEER_KINDS: tuple[PeerKind, ...] = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
_TAGS_SELDOM_MISSING = {"Owner": 11, "Purpose": 13, "Project": 17, "Environment": 29}
"""One group in so many lacks the tag."""


@dataclass(frozen=True, slots=True)
class Place:
    """An account's network in one region."""

    account: Account
    region: str

    def group_id(self, name: str, where: Where = "main VPC") -> str:
        """Give the id of the group with this name here."""
        return stable_id("sg", self.account.account_id, self.region, where, name)

    def vpc_id(self, where: Where) -> str | None:
        """Give the id of a VPC here."""
        return None if where == "no VPC" else vpc_id(self.account, self.region, is_default=where == "default VPC")


def placed(blueprint: Blueprint, place: Place, *, vpc_of: Account | None = None) -> Group:
    """Set a group down. `vpc_of` shares its VPC: the group stands there and that account sees it too."""
    own_id = place.group_id(blueprint.name, blueprint.where)
    stands_in = Place(vpc_of or place.account, place.region)
    return Group(
        account_id=place.account.account_id,
        region=place.region,
        vpc_id=stands_in.vpc_id(blueprint.where),
        group_id=own_id,
        name=blueprint.name,
        description=blueprint.description,
        tags=_tags(blueprint, place, own_id),
        ingress=tuple(_permission(rule, place, own_id) for rule in blueprint.ingress),
        egress=tuple(_permission(rule, place, own_id) for rule in blueprint.egress),
        expected=blueprint.expected,
        case=blueprint.case,
        oddity=blueprint.oddity,
        visible_to=(vpc_of.account_id,) if vpc_of else (),
    )


def _permission(rule: Rule, place: Place, own_id: str) -> IpPermission:
    permission = IpPermission(IpProtocol=rule.protocol)
    if rule.ports is not None:
        permission["FromPort"], permission["ToPort"] = rule.ports
    for kind in _PEER_KINDS:
        if kind not in rule.absent:
            permission[kind] = [_peer(peer, place, own_id) for peer in rule.peers if peer.kind == kind]
    return permission


def _peer(peer: Peer, place: Place, own_id: str) -> dict[str, str]:
    description = {"Description": peer.description} if peer.description else {}
    match peer.kind:
        case "IpRanges":
            return {"CidrIp": peer.value, **description}
        case "Ipv6Ranges":
            return {"CidrIpv6": peer.value, **description}
        case "PrefixListIds":
            return {"PrefixListId": prefix_list_id(peer.value, place.region), **description}
        case "UserIdGroupPairs":
            return {**_group_pair(peer, place, own_id), **description}


def _group_pair(peer: Peer, place: Place, own_id: str) -> dict[str, str]:
    if peer.account is None:
        group_id = place.group_id(peer.value) if peer.value else own_id
        return {"GroupId": group_id, "UserId": place.account.account_id}
    there = Place(peer.account, place.region)
    return {
        "GroupId": there.group_id(peer.value),
        "UserId": peer.account.account_id,
        "VpcId": str(there.vpc_id("main VPC")),
        "VpcPeeringConnectionId": stable_id("pcx", place.account.account_id, peer.account.account_id, place.region),
        "PeeringStatus": "active",
    }


def _tags(blueprint: Blueprint, place: Place, own_id: str) -> dict[str, str]:
    if blueprint.untagged:
        return dict(blueprint.extra_tags)
    tags = {
        "Name": blueprint.name,
        "Environment": place.account.environment_tag,
        "Owner": OWNERS.get(blueprint.project, "team-platform"),
        "Project": blueprint.project,
        "Purpose": blueprint.purpose,
    }
    kept = {key: value for key, value in tags.items() if not _is_missing(key, own_id)}
    return {**kept, **blueprint.extra_tags}


def _is_missing(key: str, group_id: str) -> bool:
    one_in = _TAGS_SELDOM_MISSING.get(key)
    number = int.from_bytes(blake2b(f"{key}/{group_id}".encode(), digest_size=4).digest())
    return one_in is not None and number % one_in == 0
