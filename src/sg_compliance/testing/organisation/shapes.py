"""What the definition is made of, as an account's owner would see it: resources with ids, rules as IpPermissions."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID_DIGITS = 17
"""AWS's long resource ids: a prefix, a dash and 17 hexadecimal digits."""


def stable_id(prefix: str, *parts: str, digits: int = _ID_DIGITS) -> str:
    """Give the id that these parts always have: `stable_id("sg", …)` is `sg-` and 17 hexadecimal digits."""
    return f"{prefix}-{blake2b('/'.join(parts).encode()).hexdigest()[:digits]}"


class IpPermission(TypedDict, total=False):
    """A permission as DescribeSecurityGroups returns it: all peers of one protocol and port range together."""

    IpProtocol: str
    FromPort: int
    ToPort: int
    IpRanges: list[dict[str, str]]
    Ipv6Ranges: list[dict[str, str]]
    PrefixListIds: list[dict[str, str]]
    UserIdGroupPairs: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class OrganizationalUnit:
    """An OU. `parent_id` is another OU or the root."""

    ou_id: str
    name: str
    parent_id: str


@dataclass(frozen=True, slots=True)
class Account:
    """A member account. `environment_tag` is how its teams spell `environment` in tags."""

    account_id: str
    name: str
    email: str
    ou_id: str
    environment: str
    environment_tag: str
    joined: str
    projects: tuple[str, ...] = ()
    status: Literal["ACTIVE", "SUSPENDED"] = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC and its one subnet."""

    vpc_id: str
    account_id: str
    region: str
    cidr: str
    subnet_id: str
    subnet_cidr: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list. `owner_id` is an account or `AWS`; `weight` is what a reference costs of the quota."""

    prefix_list_id: str
    name: str
    owner_id: str
    region: str
    address_family: Literal["IPv4", "IPv6"]
    entries: tuple[tuple[str, str], ...]
    weight: int
    visible_to: frozenset[str]

    @property
    def is_aws_managed(self) -> bool:
        """Whether AWS keeps the list: it then has neither a version nor a maximum of entries."""
        return self.owner_id == "AWS"


@dataclass(frozen=True, slots=True)
class Group:
    """A security group. `account_id` owns it; `visible_to` are accounts that see it as owners of its shared VPC."""

    account_id: str
    region: str
    vpc_id: str | None
    group_id: str
    name: str
    description: str
    tags: Mapping[str, str]
    ingress: tuple[IpPermission, ...]
    egress: tuple[IpPermission, ...]
    expected: tuple[str, ...] = ()
    case: str = ""
    oddity: str = ""
    visible_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface with the groups attached to it. `requester_id` is set where an AWS service made it."""

    interface_id: str
    account_id: str
    region: str
    subnet_id: str
    description: str
    private_ip: str
    group_ids: tuple[str, ...]
    requester_id: str | None = None
    public_ip: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """The whole definition. The methods give what one account sees in one region."""

    organization_id: str
    root_id: str
    management_account_id: str
    role_name: str
    regions: tuple[str, ...]
    organizational_units: tuple[OrganizationalUnit, ...]
    accounts: tuple[Account, ...]
    suspended_accounts: tuple[Account, ...]
    vpcs: tuple[Vpc, ...]
    prefix_lists: tuple[PrefixList, ...]
    groups: tuple[Group, ...]
    interfaces: tuple[Interface, ...]

    def vpcs_of(self, account_id: str, region: str) -> tuple[Vpc, ...]:
        """List the VPCs that DescribeVpcs would give."""
        return tuple(vpc for vpc in self.vpcs if (vpc.account_id, vpc.region) == (account_id, region))

    def prefix_lists_of(self, account_id: str, region: str) -> tuple[PrefixList, ...]:
        """List the prefix lists of the account, those shared with it, and AWS's own."""
        return tuple(each for each in self.prefix_lists if each.region == region and account_id in each.visible_to)

    def groups_of(self, account_id: str, region: str) -> tuple[Group, ...]:
        """List the groups that DescribeSecurityGroups would give, those of other owners in a shared VPC included."""
        return tuple(
            group
            for group in self.groups
            if group.region == region and account_id in (group.account_id, *group.visible_to)
        )

    def interfaces_of(self, account_id: str, region: str) -> tuple[Interface, ...]:
        """List the interfaces that DescribeNetworkInterfaces would give."""
        return tuple(each for each in self.interfaces if (each.account_id, each.region) == (account_id, region))
