"""The demo organisation's security groups inside moto, with the prefix lists and interfaces around them.

The objects are put into moto's EC2 backends directly, past its API, because the API would refuse some of them: other
accounts' groups as peers, inverted ranges, protocols without ports. What is put in comes out of the describe calls as
it was written, odd forms too. Rules that a client authorizes or revokes afterwards are moto's to keep.

moto declares some methods of its resources abstract and never defines them: hence the ignored `abstract` errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moto.ec2 import urls as ec2_urls
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.availability_zones_and_regions import Region, RegionsAndZonesBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.managed_prefixes import ManagedPrefixList
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC

from sg_compliance.testing.organisation import demo_organisation, stable_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from sg_compliance.testing.organisation import Group, Interface, IpPermission, Organisation, PrefixList, Vpc
    from sg_compliance.testing.organisation.blueprint import PeerKind

_PEER_KINDS: Final[tuple[PeerKind, ...]] = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
_DELETED_DEFAULT_VPC: Final = "vpc-00000000000000000"
"""moto wants one. It is in no list, as where its owner has deleted it."""


def play_networks(organisation: Organisation) -> None:
    """Make moto's EC2 that of the organisation, in each account and region."""
    ec2_backends.backend = DemoEc2Backend
    for account in organisation.accounts:
        for region in organisation.regions:
            _ = ec2_backends[account.account_id][region]  # made by being asked for


class DemoEc2Backend(EC2Backend):
    """The demo organisation's EC2 in one account and region. Other regions are there, empty and not enabled."""

    regions = [  # noqa: RUF012  moto's class attribute
        Region(name, f"ec2.{name}.amazonaws.com", "opt-in-not-required") for name in demo_organisation().regions
    ]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        organisation = demo_organisation()
        for group in organisation.groups_of(account_id, region_name):
            self.groups[group.vpc_id or ""][group.group_id] = _DemoGroup(self, group)  # type: ignore[abstract]
        for interface in organisation.interfaces_of(account_id, region_name):
            self.enis[interface.interface_id] = _interface(self, interface)

    @property
    def _url_module(self) -> ModuleType:
        return ec2_urls  # moto looks for it beside the module of the class

    def create_default_vpc(self) -> VPC:
        """Create the organisation's VPCs, in place of moto's; its default group does not come with it."""
        for vpc in demo_organisation().vpcs_of(self.account_id, self.region_name):
            self.vpcs[vpc.vpc_id] = self._vpc(vpc.vpc_id, vpc.cidr, is_default=vpc.is_default)
            self._create_subnet(vpc)
        defaults = (vpc for vpc in self.vpcs.values() if vpc.is_default)
        return next(defaults, self._vpc(_DELETED_DEFAULT_VPC, "172.31.0.0/16", is_default=True))

    def _vpc(self, vpc_id: str, cidr: str, *, is_default: bool) -> VPC:
        return VPC(self, vpc_id, cidr, is_default=is_default)  # type: ignore[abstract]

    def _create_subnet(self, vpc: Vpc) -> None:
        zone = RegionsAndZonesBackend.zones[vpc.region][0]
        self.subnets[zone.name][vpc.subnet_id] = Subnet(  # type: ignore[abstract]
            self,
            vpc.subnet_id,
            vpc.vpc_id,
            vpc.subnet_cidr,
            None,
            zone,
            default_for_az=vpc.is_default,
            map_public_ip_on_launch=vpc.is_default,
        )

    def create_default_pls(self) -> None:
        """Create the prefix lists that the account sees, in place of moto's."""
        for each in demo_organisation().prefix_lists_of(self.account_id, self.region_name):
            self.managed_prefix_lists[each.prefix_list_id] = _prefix_list(self, each)

    def get_managed_prefix_list_entries(self, prefix_list_id: str) -> ManagedPrefixList:
        """Refuse a list that the account does not see, where moto would say that it is empty."""
        found = super().get_managed_prefix_list_entries(prefix_list_id)
        if found is None:
            code = "InvalidPrefixListID.NotFound"
            raise EC2ClientError(code, f"The prefix list ID '{prefix_list_id}' does not exist")
        return found


class _DemoRule(SecurityGroupRule):
    """A rule as the definition writes it. `absent` are the keys that its permission lacks."""

    def __init__(  # noqa: PLR0913  a rule is all of these
        self,
        backend: EC2Backend,
        group: Group,
        permission: IpPermission,
        peer: dict[str, str],
        rule_id: str,
        *,
        is_egress: bool,
    ) -> None:
        super().__init__(backend, "-1", group.group_id, None, None, None, is_egress=is_egress)
        self.id = rule_id
        self.group_owner_id = group.account_id
        self.ip_protocol = permission["IpProtocol"]
        self.from_port = permission.get("FromPort")
        self.to_port = permission.get("ToPort")
        self.absent = frozenset(_PEER_KINDS) - permission.keys()
        self._description = peer.get("Description")
        self.ip_range = peer if "CidrIp" in peer or "CidrIpv6" in peer else {}
        self.source_group = peer if "GroupId" in peer else {}
        self.prefix_list_id = peer.get("PrefixListId")

    @property
    def description(self) -> str | None:
        return self._description

    @property
    def owner_id(self) -> str:
        return self.group_owner_id


class _DemoGroup(SecurityGroup):
    """A group as the definition writes it."""

    def __init__(self, backend: EC2Backend, group: Group) -> None:
        super().__init__(backend, group.group_id, group.name, group.description, tags=dict(group.tags))
        self.vpc_id = group.vpc_id
        self.owner_id = group.account_id
        self.arn = f"arn:aws:ec2:{group.region}:{group.account_id}:security-group/{group.group_id}"
        self.is_default = group.name == "default"
        self.ingress_rules = list(_rules(backend, group, is_egress=False))
        self.egress_rules = list(_rules(backend, group, is_egress=True))

    def _flattened_rules(self, rules: Sequence[SecurityGroupRule]) -> list[Any]:
        """Group the rules into permissions with all that the definition says, where moto loses some of it."""
        permissions: dict[tuple[object, ...], dict[str, Any]] = {}
        for rule in rules:
            key = (rule.ip_protocol, rule.from_port, rule.to_port)
            kind, peer = _peer(rule)
            permissions.setdefault(key, _empty_permission(rule))[kind].append(peer)
        return list(permissions.values())


def _rules(backend: EC2Backend, group: Group, *, is_egress: bool) -> Iterator[_DemoRule]:
    direction, permissions = ("egress", group.egress) if is_egress else ("ingress", group.ingress)
    peers = (
        (permission, peer) for permission in permissions for kind in _PEER_KINDS for peer in permission.get(kind, ())
    )
    for number, (permission, peer) in enumerate(peers):
        rule_id = stable_id("sgr", group.group_id, direction, str(number))
        yield _DemoRule(backend, group, permission, peer, rule_id, is_egress=is_egress)


def _empty_permission(rule: SecurityGroupRule) -> dict[str, Any]:
    absent = rule.absent if isinstance(rule, _DemoRule) else frozenset()
    permission: dict[str, Any] = {kind: [] for kind in _PEER_KINDS if kind not in absent}
    return {**permission, "IpProtocol": rule.ip_protocol, "FromPort": rule.from_port, "ToPort": rule.to_port}


def _peer(rule: SecurityGroupRule) -> tuple[str, dict[str, Any]]:
    if rule.prefix_list_id:
        return "PrefixListIds", {"PrefixListId": rule.prefix_list_id, "Description": rule.description}
    if rule.source_group:
        return "UserIdGroupPairs", rule.source_group
    return ("Ipv6Ranges" if "CidrIpv6" in rule.ip_range else "IpRanges"), rule.ip_range


def _prefix_list(backend: EC2Backend, each: PrefixList) -> ManagedPrefixList:
    in_moto = ManagedPrefixList(
        backend,
        each.region,
        address_family=each.address_family,
        entry=[{"Cidr": block, "Description": text} if text else {"Cidr": block} for block, text in each.entries],
        max_entries=None if each.is_aws_managed else str(each.weight),
        prefix_list_name=each.name,
        owner_id=each.owner_id,
    )
    in_moto.id = each.prefix_list_id
    in_moto.prefix_list_arn = in_moto.arn(each.region, each.owner_id.lower())
    if each.is_aws_managed:
        in_moto.version = None
    return in_moto


def _interface(backend: EC2Backend, interface: Interface) -> NetworkInterface:
    in_moto = NetworkInterface(  # type: ignore[abstract]
        backend,
        interface.subnet_id,
        interface.private_ip,
        group_ids=list(interface.group_ids),
        description=interface.description,
    )
    in_moto.id = interface.interface_id
    in_moto.public_ip = interface.public_ip
    in_moto.requester_managed = interface.requester_id is not None
    in_moto.requester_id = interface.requester_id or interface.account_id
    in_moto.status = "in-use"
    return in_moto
