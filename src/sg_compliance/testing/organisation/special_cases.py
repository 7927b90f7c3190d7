"""Where the special cases stand, and those that turn on who the peer is: itself, a neighbour, a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.testing.organisation.accounts import (
    AUDIT,
    DEVELOPMENT,
    MANAGEMENT,
    PAYMENTS,
    STAGING,
    STOREFRONT,
)
from sg_compliance.testing.organisation.blueprint import (
    ANYWHERE,
    IPV6_ALL,
    ITSELF,
    OUTBOUND,
    RDP,
    SSH,
    cidr,
    every_protocol,
    listed,
    neighbour,
    special_case,
    tcp,
)
from sg_compliance.testing.organisation.evasions import ADDRESSES, HALVES, PORTS, PROTOCOLS
from sg_compliance.testing.organisation.networks import WITHDRAWN_LIST

if TYPE_CHECKING:
    from sg_compliance.testing.organisation.blueprint import Blueprint
    from sg_compliance.testing.organisation.shapes import Account

_PEERS: Final = (
    special_case(
        "shell-self-and-world", "a self reference beside 0.0.0.0/0", tcp(22, ITSELF, ANYWHERE), expected=(SSH,)
    ),
    special_case("shell-from-siem", "decoy: a reference to a group only", tcp(22, neighbour("siem-app", "collectors"))),
    special_case(
        "shell-without-ipv6-key",
        "a missing Ipv6Ranges key",
        tcp(22, ANYWHERE)._replace(absent=frozenset({"Ipv6Ranges"})),
        expected=(SSH,),
        oddity="AWS gives the key with an empty list",
    ),
    special_case(
        "desktop-classic",
        "a group without VPC",
        tcp(3389, ANYWHERE),
        expected=(RDP,),
        oddity="EC2-Classic is gone; files of its time are not",
        where="no VPC",
    ),
)
_IN_PAYMENTS: Final = (
    special_case(
        "partner-sftp",
        "a prefix list that holds 0.0.0.0/0",
        tcp(22, listed("partner-allowlist", "partners")),
        expected=(SSH,),
    ),
    special_case(
        "partner-withdrawn",
        "a prefix list that cannot be read",
        tcp(22, listed(WITHDRAWN_LIST, "former partner")),
        expected=(SSH,),
    ),
    special_case(
        "ledger-from-orders",
        "decoy: a reference to another account's group",
        tcp(8443, neighbour("orders-app", "orders, in the storefront account", STOREFRONT)),
    ),
)
_IN_STOREFRONT: Final = (
    special_case(
        "cdn-shell",
        "one half in a prefix list, the other in a rule",
        tcp(22, listed("cdn-lower-half", "edge locations"), cidr("128.0.0.0/1", "edge locations, second part")),
        expected=(SSH,),
    ),
)
_IN_STAGING: Final = (
    special_case(
        "ipv6-clients-all",
        "an IPv6 prefix list that holds ::/0",
        every_protocol(listed("ipv6-clients", "clients")),
        expected=(IPV6_ALL,),
    ),
    special_case(
        "batch-halves-out",
        "two halves of the internet, outbound",
        egress=(every_protocol(*HALVES),),
        expected=(OUTBOUND,),
    ),
)

SPECIAL_CASES: Final[tuple[tuple[Account, str, tuple[Blueprint, ...]], ...]] = (
    (DEVELOPMENT, "us-east-1", PORTS[:5]),
    (DEVELOPMENT, "eu-west-1", ADDRESSES[:4]),
    (DEVELOPMENT, "ap-southeast-2", PROTOCOLS[:3]),
    (STAGING, "us-east-1", ADDRESSES[4:8]),
    (STAGING, "eu-west-1", (*_IN_STAGING, *PORTS[5:7])),
    (STAGING, "ap-southeast-2", PROTOCOLS[3:6]),
    (STOREFRONT, "us-east-1", (*_IN_STOREFRONT, *ADDRESSES[8:10])),
    (STOREFRONT, "eu-west-1", PROTOCOLS[6:]),
    (PAYMENTS, "us-east-1", _IN_PAYMENTS),
    (PAYMENTS, "eu-west-1", ADDRESSES[10:]),
    (AUDIT, "us-east-1", _PEERS[:2]),
    (AUDIT, "ap-southeast-2", PORTS[7:]),
    (MANAGEMENT, "us-east-1", _PEERS[2:]),
)
