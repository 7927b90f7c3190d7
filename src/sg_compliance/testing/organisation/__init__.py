"""The demo organisation: six accounts in three OUs, three regions, about 400 security groups, all as plain data.

Groups are first written as blueprints, which name their neighbours (`blueprint`), then set down in an account, a region
and a VPC, where names become ids and rules take the shape of AWS's IpPermissions (`placement`). The same definition
gives the same ids on any machine.

Most groups are clean. The others carry `case`, what is special about them. Each group carries `expected`: which of the
six `PROHIBIT_…` rules of the default policy it violates, all of them and no other; peers behind a prefix list that
cannot be read count as everybody, for they may be. Where a group cannot exist in AWS as it stands, because AWS would
refuse it or would store it in another form, `oddity` says so.
"""

from sg_compliance.testing.organisation.assembly import demo_organisation
from sg_compliance.testing.organisation.shapes import (
    Account,
    Group,
    Interface,
    IpPermission,
    Organisation,
    OrganizationalUnit,
    PrefixList,
    Vpc,
    stable_id,
)

__all__ = [
    "Account",
    "Group",
    "Interface",
    "IpPermission",
    "Organisation",
    "OrganizationalUnit",
    "PrefixList",
    "Vpc",
    "demo_organisation",
    "stable_id",
]
