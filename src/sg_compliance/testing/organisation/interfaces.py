"""A few network interfaces, so that some groups are seen in use: by load balancers, instances and databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.testing.organisation.accounts import (
    DEVELOPMENT,
    MANAGEMENT,
    PAYMENTS,
    STAGING,
    STOREFRONT,
)
from sg_compliance.testing.organisation.networks import vpc_cidr, vpc_id
from sg_compliance.testing.organisation.placement import Place
from sg_compliance.testing.organisation.shapes import Interface, stable_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.organisation.shapes import Account


class _Use(NamedTuple):
    """Who uses which groups. `requester` is the AWS service that made the interface."""

    description: str
    groups: tuple[str, ...]
    requester: str | None = None
    public_ip: str | None = None


_LOAD_BALANCER: Final = "amazon-elb"
_DATABASE: Final = "amazon-rds"

_USES: Final[tuple[tuple[Account, str, tuple[_Use, ...]], ...]] = (
    (
        PAYMENTS,
        "us-east-1",
        (
            _Use("ELB app/checkout/50dc6c495c0c9188", ("checkout-alb",), _LOAD_BALANCER, "52.4.10.21"),
            _Use("ELB app/checkout/50dc6c495c0c9188", ("checkout-alb",), _LOAD_BALANCER, "52.4.10.22"),
            _Use("", ("checkout-app",)),
            _Use("RDSNetworkInterface", ("checkout-db",), _DATABASE),
            _Use("RDSNetworkInterface", ("reporting-db-public",), _DATABASE, "52.4.10.23"),
            _Use("SFTP server", ("partner-sftp", "checkout-worker"), None, "52.4.10.24"),
        ),
    ),
    (
        STOREFRONT,
        "us-east-1",
        (
            _Use("ELB app/orders/8a1b2c3d4e5f6071", ("orders-alb",), _LOAD_BALANCER, "52.20.7.4"),
            _Use("", ("orders-app",)),
            _Use("", ("old-website",), None, "52.20.7.5"),
        ),
    ),
    (STOREFRONT, "eu-west-1", (_Use("", ("old-website", "data-stores-debug"), None, "52.30.1.9"),)),
    (
        STAGING,
        "us-east-1",
        (_Use("Jenkins", ("jenkins-legacy",), None, "52.44.3.2"), _Use("", ("bastion-temporary",), None, "52.44.3.3")),
    ),
    (
        DEVELOPMENT,
        "us-east-1",
        (
            _Use("", ("allow-all",), None, "52.61.8.8"),
            _Use("", ("loadtest-targets", "loadtest-clients"), None, "52.61.8.9"),
            _Use("", ("ec2-rds-1",)),
            _Use("RDSNetworkInterface", ("rds-ec2-1",), _DATABASE),
        ),
    ),
    (DEVELOPMENT, "eu-west-1", (_Use("SFTP server", ("sftp-partners",), None, "52.211.5.6"),)),
    (MANAGEMENT, "us-east-1", (_Use("", ("windows-jump-host",), None, "52.70.2.2"),)),
)
_FIRST_FREE_ADDRESS: Final = 10
"""AWS keeps the first four addresses of a subnet."""


def interfaces() -> Iterator[Interface]:
    """All interfaces, each in the subnet of its account's own VPC."""
    for account, region, uses in _USES:
        for number, use in enumerate(uses):
            yield _interface(use, Place(account, region), number)


def _interface(use: _Use, place: Place, number: int) -> Interface:
    return Interface(
        interface_id=stable_id("eni", place.account.account_id, place.region, str(number)),
        account_id=place.account.account_id,
        region=place.region,
        subnet_id=stable_id("subnet", vpc_id(place.account, place.region)),
        description=use.description,
        private_ip=vpc_cidr(place.account, place.region).replace("0.0/16", f"0.{_FIRST_FREE_ADDRESS + number}"),
        group_ids=tuple(place.group_id(name) for name in use.groups),
        requester_id=use.requester,
        public_ip=use.public_ip,
    )
