"""Where things stand in an answer of DescribeSecurityGroups that columns are made of, by names of the service model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sg_compliance.aws.ec2_layout import Places

DIRECTIONS: Final = ("IpPermissions", "IpPermissionsEgress")
GROUP, TAG, PORTS = ("",), ("", "Tags", ""), ("IpProtocol", "FromPort", "ToPort")
IPV4, IPV6, PREFIX_LIST, PAIR = range(4)
PEERS: Final = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)
"""In the order of `translate`."""
PAIR_FIELDS: Final = ("GroupId", "GroupName", "UserId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus")
FIELDS: Final = {IPV6: ("CidrIpv6",), PREFIX_LIST: ("PrefixListId",), PAIR: PAIR_FIELDS}
_EXPECTED: Final = frozenset(
    [
        *[(*GROUP, name) for name in ("OwnerId", "GroupId", "GroupName", "Description", "SecurityGroupArn")],
        *[(*TAG, name) for name in ("Key", "Value")],
        *[(*GROUP, way, "", name) for way in DIRECTIONS for name in PORTS],
        *[
            (*GROUP, way, "", peers, "", name)
            for way in DIRECTIONS
            for peers, id_ in PEERS
            for name in (id_, "Description")
        ],
        *[(*GROUP, way, "", "UserIdGroupPairs", "", name) for way in DIRECTIONS for name in PAIR_FIELDS],
    ]
)


def suits(places: Places) -> bool:
    """Whether the service model has all that columns are made of."""
    return places.at.keys() >= _EXPECTED


class Where(NamedTuple):
    """What a place is, each by place; -1 is none."""

    egress: NDArray[np.int8]
    """Of the items of permissions: 1 for egress, 0 for ingress."""
    kind: NDArray[np.int8]
    """Of the items that are peers."""
    described: NDArray[np.int8]
    """Of the items that are peers: the column of their description."""


def where(places: Places) -> Where:
    """What the places of a service model are that `suits`."""
    egress, kind, described = (np.full(len(places.kinds), -1, np.int8) for _ in range(3))
    for is_egress, way in enumerate(DIRECTIONS):
        egress[places.at[*GROUP, way, ""]] = is_egress
        for number, (peers, _) in enumerate(PEERS):
            item = (*GROUP, way, "", peers, "")
            kind[places.at[item]] = number
            described[places.at[item]] = places.slots[places.at[*item, "Description"]]
    return Where(egress, kind, described)
