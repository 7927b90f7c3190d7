"""The demo organisation's networks inside moto, and its security groups in the EC2 twin.

VPCs, prefix lists and interfaces are put into moto's EC2 backends directly, past its API. The groups are put into the
twin past all validation, because AWS would refuse some of them: inverted ranges, protocols without ports. What is put
in comes out of the describe calls as it was written, odd forms too; what a client changes obeys AWS's rules.

moto declares some methods of its resources abstract and never defines them: hence the ignored `abstract` errors.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from moto.ec2 import urls as ec2_urls
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.availability_zones_and_regions import Region, RegionsAndZonesBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.managed_prefixes import ManagedPrefixList
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC

from sg_compliance.testing.moto_twin import responses_of
from sg_compliance.testing.organisation import demo_organisation, stable_id
from sg_compliance.testing.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.testing.moto_trail import MotoTrail
    from sg_compliance.testing.organisation import Group, Interface, IpPermission, Organisation, PrefixList, Vpc
    from sg_compliance.testing.organisation.blueprint import PeerKind

_PEER_KINDS: Final[tuple[PeerKind, ...]] = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
_DELETED_DEFAULT_VPC: Final = "vpc-00000000000000000"
"""moto wants one. It is in no list, as where its owner has deleted it."""


def play_networks(organisation: Organisation, trail: MotoTrail | None = None) -> None:
    """Make moto's EC2 that of the organisation, in each account and region; changes to groups go into the trail."""
    ec2_backends.backend = DemoEc2Backend
    DemoEc2Backend.trail = trail
    for account in organisation.accounts:
        for region in organisation.regions:
            _ = ec2_backends[account.account_id][region]  # made by being asked for


_RAISED_QUOTA: Final = 1000
"""The most rules of a group that AWS raises the quota to; some of the organisation's groups need it."""


@cache
def demo_twin() -> Twin:
    """The twin that holds the organisation's security groups, and what they need to know of the rest."""
    organisation = demo_organisation()
    twin = Twin(quota=_RAISED_QUOTA, regions=organisation.regions)
    for vpc in organisation.vpcs:
        users = {group.account_id for group in organisation.groups if group.vpc_id == vpc.vpc_id}
        twin.vpc(
            vpc.account_id,
            vpc.region,
            vpc.vpc_id,
            is_default=vpc.is_default,
            shared_with=users - {vpc.account_id},
            with_default_group=False,
        )
    for each in organisation.prefix_lists:
        for account_id in each.visible_to:
            twin.put_prefix_list(account_id, each.region, _as_described(each), [block for block, _ in each.entries])
    for group in organisation.groups:
        twin.put_group(group.account_id, group.region, _as_written(group))
    for interface in organisation.interfaces:
        place = (interface.account_id, interface.region)
        twin.put_interface(*place, *interface.group_ids, NetworkInterfaceId=interface.interface_id)
    return twin


def _as_described(each: PrefixList) -> dict[str, Any]:
    most = {} if each.is_aws_managed else {"MaxEntries": each.weight}
    return {"PrefixListId": each.prefix_list_id, "PrefixListName": each.name, "OwnerId": each.owner_id, **most}


def _as_written(group: Group) -> dict[str, Any]:
    """The group in AWS's JSON, each of its rules with an id that is always the same."""
    return {
        "OwnerId": group.account_id,
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()],
        "IpPermissions": list(_with_rule_ids(group, "ingress", group.ingress)),
        "IpPermissionsEgress": list(_with_rule_ids(group, "egress", group.egress)),
    }


def _with_rule_ids(group: Group, direction: str, permissions: Iterable[IpPermission]) -> Iterator[dict[str, Any]]:
    numbers = count()
    for permission in permissions:
        peers: dict[str, Any] = {
            kind: [
                {**peer, "SecurityGroupRuleId": stable_id("sgr", group.group_id, direction, str(next(numbers)))}
                for peer in permission[kind]
            ]
            for kind in _PEER_KINDS
            if kind in permission
        }
        yield {**permission, **peers}


class DemoEc2Backend(EC2Backend):
    """The demo organisation's EC2 in one account and region. Other regions are there, empty and not enabled."""

    regions = [  # noqa: RUF012  moto's class attribute
        Region(name, f"ec2.{name}.amazonaws.com", "opt-in-not-required") for name in demo_organisation().regions
    ]

    trail: MotoTrail | None = None

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        organisation = demo_organisation()
        for interface in organisation.interfaces_of(account_id, region_name):
            self.enis[interface.interface_id] = _interface(self, interface)

    @property
    def _url_module(self) -> SimpleNamespace:
        answering = responses_of(demo_twin(), self.trail)
        return SimpleNamespace(url_bases=ec2_urls.url_bases, url_paths={"{0}/": answering.dispatch})

    def get_security_group_from_id(self, group_id: str) -> SecurityGroup | None:
        """Give what an interface shows of a group. Its rules are in the twin."""
        found = demo_twin().snapshot(self.account_id, self.region_name).get(group_id)
        if found is None:
            return None
        return SecurityGroup(self, group_id, found["name"], found["description"])  # type: ignore[abstract]

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
