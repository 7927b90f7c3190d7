"""IpPermissions → rules, one for each peer, checked and canonicalised as AWS does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.testing.twin import texts
from sg_compliance.testing.twin.nouns import PEER_KEYS, Group, Json, Peer, PeerKind, Rule
from sg_compliance.testing.twin.refusal import (
    TwinError,
    invalid,
    missing,
    no_source,
    no_such_group,
    no_such_prefix_list,
)
from sg_compliance.testing.twin.traffic import canonical_cidr, traffic
from sg_compliance.testing.twin.world import Scene, checked_group_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLAT: Final = ("CidrIp", "IpProtocol", "FromPort", "ToPort")
_PEERING: Final = ("VpcId", "VpcPeeringConnectionId", "PeeringStatus")
_REQUESTED: Final[dict[str, PeerKind]] = {
    "CidrIpv4": "IpRanges",
    "CidrIpv6": "Ipv6Ranges",
    "PrefixListId": "PrefixListIds",
    "ReferencedGroupId": "UserIdGroupPairs",
}
"""The keys of a SecurityGroupRuleRequest that name the peer."""


class Reader:
    """Reads rules for one group. `must_exist`: peers have to be there, as for a rule that is to be added."""

    def __init__(self, scene: Scene, group: Group, *, must_exist: bool = True) -> None:
        self._scene = scene
        self._group = group
        self._must_exist = must_exist

    def rules(self, params: Json, *, is_egress: bool) -> list[Rule]:
        """The rules that the call names. Raises TwinError for one that AWS would not take."""
        permissions = _permissions(params, is_egress=is_egress)
        return [rule for each in permissions for rule in self._rules(each, is_egress=is_egress)]

    def requested(self, rule: Rule, request: Json) -> Rule:
        """The rule as a SecurityGroupRuleRequest wants it: id and tags stay, all else is as requested."""
        named = [(kind, request[key]) for key, kind in _REQUESTED.items() if request.get(key)]
        if len(named) != 1:
            raise invalid("Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be specified")
        kind, value = named[0]
        peer = self._peer(kind, {PEER_KEYS[kind]: value})
        description = texts.description(request.get("Description"))
        return Rule(rule.is_egress, *traffic(request), peer, description, rule.rule_id, rule.tags)

    def _rules(self, permission: Json, *, is_egress: bool) -> Iterator[Rule]:
        stored = traffic(permission)
        elements = [(kind, each) for kind in PEER_KEYS for each in permission.get(kind) or ()]
        if not elements:
            raise no_source()
        for kind, element in elements:
            description = texts.description(element.get("Description"))
            yield Rule(is_egress, *stored, self._peer(kind, element), description)

    def _peer(self, kind: PeerKind, element: Json) -> Peer:
        if kind == "UserIdGroupPairs":
            return self._referenced_group(element)
        value: Any = element.get(PEER_KEYS[kind])
        if not isinstance(value, str):
            raise missing(PEER_KEYS[kind])
        if kind != "PrefixListIds":
            return Peer(kind, canonical_cidr(value, 4 if kind == "IpRanges" else 6))
        if self._must_exist and self._scene.prefix_list(value) is None:
            raise no_such_prefix_list(value)
        return Peer(kind, value)

    def _referenced_group(self, element: Json) -> Peer:
        """A group of the account, of its shared VPC, or of the account named, where that is known to have it."""
        group_id = self._referenced_id(element)
        owner_id = element.get("UserId") or self._owner_of(group_id)
        found = self._scene.find_group(owner_id, group_id)
        if self._must_exist and found is None and (owner_id, group_id) not in self._scene.world.peers:
            raise no_such_group(group_id)
        others = {key: element[key] for key in _PEERING if key in element}
        if others and found is not None and found.vpc_id and found.vpc_id != self._group.vpc_id:
            others.setdefault("VpcId", found.vpc_id)
        return Peer("UserIdGroupPairs", group_id, owner_id, tuple(others.items()))

    def _referenced_id(self, element: Json) -> str:
        if not element.get("GroupId"):
            if not element.get("GroupName"):
                raise missing("GroupId")
            return self._scene.group_with_name(element["GroupName"]).group_id
        group_id: str = element["GroupId"]
        checked_group_id(group_id)
        return group_id

    def _owner_of(self, group_id: str) -> str:
        """Whose group it is, where the call does not say: the account's, or a neighbour's in the same VPC."""
        if self._scene.find_group(self._scene.account_id, group_id) is None:
            for (account_id, name), region in self._scene.world.regions.items():
                found = region.groups.get(group_id)
                if found and name == self._scene.region_name and found.vpc_id == self._group.vpc_id:
                    return account_id
        return self._scene.account_id


def _permissions(params: Json, *, is_egress: bool) -> Sequence[Json]:
    """`IpPermissions`, or for ingress the one permission written flat into the parameters."""
    permissions: Sequence[Json] = params.get("IpPermissions") or ()
    flat: Json = {key: params[key] for key in _FLAT if key in params}
    if permissions and flat:
        message = "The parameter ipPermissions cannot be used with cidrIp"
        raise TwinError("InvalidParameterCombination", message)
    if permissions:
        return permissions
    if not flat or is_egress:
        raise missing("ipPermissions")
    cidr = flat.pop("CidrIp", None)
    return [{**flat, "IpRanges": [{"CidrIp": cidr}] if cidr else []}]
