"""Groups open by haste rather than by cunning, in the places where such groups are found."""

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
    ALL_IPV4,
    ANYWHERE,
    ANYWHERE_IPV6,
    HTTP,
    INTERNAL,
    IPV6_ALL,
    RDP,
    SSH,
    Blueprint,
    Rule,
    cidr,
    cidrs,
    every_protocol,
    listed,
    neighbour,
    tcp,
)

if TYPE_CHECKING:
    from sg_compliance.testing.organisation.shapes import Account

_WIZARD = "launch-wizard-{} created 2021-03-04T10:11:12.000Z"

BASTION: Final = Blueprint(
    "bastion-temporary",
    "Bastion for the migration weekend",
    "network",
    "bastion",
    ingress=(tcp(22, cidr("0.0.0.0/0", "remove after migration")), tcp(3389, ANYWHERE)),
    expected=(SSH, RDP),
)
JENKINS: Final = Blueprint(
    "jenkins-legacy",
    "Build server",
    "build",
    "ci",
    ingress=(tcp(8080, ANYWHERE), tcp(22, ANYWHERE)),
    expected=(SSH,),
).with_untouched_egress()
JUMP_HOST: Final = Blueprint(
    "windows-jump-host",
    "Remote desktop for the finance team",
    "billing",
    "remote-desktop",
    ingress=(tcp(3389, cidr("0.0.0.0/0", "home office"), ANYWHERE_IPV6),),
    expected=(RDP,),
)
WIZARD_SSH: Final = Blueprint(
    "launch-wizard-1",
    _WIZARD.format(1),
    "sandbox",
    "",
    ingress=(tcp(22, ANYWHERE),),
    expected=(SSH,),
    untagged=True,
    where="default VPC",
).with_untouched_egress()
WIZARD_RDP: Final = Blueprint(
    "launch-wizard-2",
    _WIZARD.format(2),
    "sandbox",
    "",
    ingress=(tcp(3389, ANYWHERE), tcp(80, ANYWHERE)),
    expected=(HTTP, RDP),
    untagged=True,
    where="default VPC",
).with_untouched_egress()
ALLOW_ALL: Final = Blueprint(
    "allow-all",
    "Debugging, to be deleted",
    "sandbox",
    "debugging",
    ingress=(every_protocol(ANYWHERE),),
    expected=ALL_IPV4,
).with_untouched_egress()
OLD_WEBSITE: Final = Blueprint(
    "old-website",
    "Marketing site before the move to CloudFront",
    "media",
    "web",
    ingress=(tcp(80, ANYWHERE, ANYWHERE_IPV6), tcp(443, ANYWHERE, ANYWHERE_IPV6)),
    expected=(HTTP,),
)
IPV6_LAB: Final = Blueprint(
    "ipv6-lab",
    "IPv6 experiments",
    "network",
    "lab",
    ingress=(every_protocol(ANYWHERE_IPV6),),
    expected=(IPV6_ALL,),
)
IPV6_SSH: Final = Blueprint(
    "ipv6-maintenance",
    "Maintenance over IPv6",
    "network",
    "maintenance",
    ingress=(tcp(22, ANYWHERE_IPV6),),
)
PUBLIC_POSTGRESQL: Final = Blueprint(
    "reporting-db-public",
    "Reporting database for the dashboard vendor",
    "billing",
    "database",
    ingress=(tcp(5432, cidr("0.0.0.0/0", "vendor has no fixed address")),),
)
OPEN_DATA_STORES: Final = Blueprint(
    "data-stores-debug",
    "Elasticsearch, MongoDB and Redis while debugging",
    "search",
    "database",
    ingress=(tcp(9200, ANYWHERE), tcp(27017, ANYWHERE), tcp(6379, ANYWHERE)),
)
DOCKER_API: Final = Blueprint(
    "docker-builders",
    "Docker daemons of the build fleet",
    "build",
    "ci",
    ingress=(tcp((2375, 2376), ANYWHERE), tcp(445, ANYWHERE)),
).with_untouched_egress()
VENDOR_SUPPORT: Final = Blueprint(
    "vendor-support",
    "SSH for the three addresses of a vendor",
    "network",
    "support",
    ingress=(tcp(22, *cidrs(("8.8.4.4/32", "9.9.9.9/32", "1.1.1.1/32"), "vendor support")),),
)
BATCH_EGRESS: Final = Blueprint(
    "batch-jobs",
    "Nightly batch jobs",
    "ledger",
    "batch",
).with_untouched_egress()
MONITORING: Final = Blueprint(
    "network-monitoring",
    "Ping and SNMP from the monitoring hosts",
    "network",
    "monitoring",
    ingress=(Rule("icmp", (8, -1), (INTERNAL,)), Rule("udp", (161, 162), (INTERNAL,))),
)
CONTRACTORS: Final = Blueprint(
    "contractor-access",
    "SSH for contractors, by prefix list",
    "sandbox",
    "support",
    ingress=(tcp(22, listed("contractor-homes", "contractors")),),
)
CONSOLE_DATABASE: Final = Blueprint(
    "rds-ec2-1",
    "Security group attached to database-1 to allow EC2 instances with specific security groups to connect.",
    "sandbox",
    "",
    ingress=(tcp(5432, neighbour("ec2-rds-1", "Rule to allow connections from EC2 instances")),),
    egress=(),
    untagged=True,
)
CONSOLE_INSTANCE: Final = Blueprint(
    "ec2-rds-1",
    "Security group attached to instances to securely connect to database-1.",
    "sandbox",
    "",
    egress=(tcp(5432, neighbour("rds-ec2-1", "Rule to allow connections to database-1")),),
    untagged=True,
)

CARELESS: Final[tuple[tuple[Account, str, tuple[Blueprint, ...]], ...]] = (
    (MANAGEMENT, "us-east-1", (JUMP_HOST,)),
    (AUDIT, "us-east-1", (MONITORING,)),
    (AUDIT, "eu-west-1", (MONITORING, VENDOR_SUPPORT)),
    (PAYMENTS, "us-east-1", (PUBLIC_POSTGRESQL, BATCH_EGRESS)),
    (PAYMENTS, "ap-southeast-2", (BASTION,)),
    (STOREFRONT, "us-east-1", (OLD_WEBSITE, MONITORING)),
    (STOREFRONT, "eu-west-1", (OLD_WEBSITE, OPEN_DATA_STORES)),
    (STAGING, "us-east-1", (JENKINS, BASTION, WIZARD_SSH)),
    (STAGING, "eu-west-1", (IPV6_LAB, VENDOR_SUPPORT)),
    (DEVELOPMENT, "us-east-1", (ALLOW_ALL, WIZARD_SSH, WIZARD_RDP, DOCKER_API, CONSOLE_DATABASE, CONSOLE_INSTANCE)),
    (DEVELOPMENT, "eu-west-1", (WIZARD_SSH, IPV6_SSH, CONTRACTORS)),
    (DEVELOPMENT, "ap-southeast-2", (ALLOW_ALL, OPEN_DATA_STORES)),
)
