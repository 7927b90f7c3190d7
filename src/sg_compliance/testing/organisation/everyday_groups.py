"""The clean majority: each project's tiers, where every tier admits the tier before it and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.organisation.accounts import RECOVERY_REGION
from sg_compliance.testing.organisation.blueprint import (
    ANYWHERE_IPV6,
    HTTPS_OUT,
    INTERNAL,
    ITSELF,
    OFFICES,
    Blueprint,
    cidr,
    every_protocol,
    listed,
    neighbour,
    tcp,
)
from sg_compliance.testing.organisation.networks import vpc_cidr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.organisation.blueprint import Peer
    from sg_compliance.testing.organisation.shapes import Account

_PUBLIC: Final = frozenset({"checkout", "orders", "search"})
_BEHIND_CLOUDFRONT: Final = frozenset({"catalogue", "media"})

_APP_PORT: Final = 8443
_POSTGRESQL: Final = 5432
_REDIS: Final = 6379


def everyday_groups(account: Account, region: str) -> Iterator[Blueprint]:
    """Yield the groups of every project of the account, then the one for its VPC endpoints."""
    for project in account.projects:
        yield _load_balancer(project)
        yield _application(project)
        yield _database(project)
        yield _cache(project)
        if region != RECOVERY_REGION:
            yield _worker(project, account)
    yield _vpc_endpoints(account, region)


def _clients(project: str) -> tuple[Peer, ...]:
    if project in _PUBLIC:
        return (cidr("0.0.0.0/0", "public HTTPS"), ANYWHERE_IPV6._replace(description="public HTTPS over IPv6"))
    if project in _BEHIND_CLOUDFRONT:
        return (listed("com.amazonaws.global.cloudfront.origin-facing", "CloudFront only"),)
    return (OFFICES, INTERNAL)


def _load_balancer(project: str) -> Blueprint:
    return Blueprint(
        name=f"{project}-alb",
        description=f"Load balancer of {project}",
        project=project,
        purpose="load-balancer",
        ingress=(tcp(443, *_clients(project)),),
        egress=(tcp(_APP_PORT, neighbour(f"{project}-app", "targets")),),
    )


def _application(project: str) -> Blueprint:
    return Blueprint(
        name=f"{project}-app",
        description=f"Application servers of {project}",
        project=project,
        purpose="application",
        ingress=(tcp(_APP_PORT, neighbour(f"{project}-alb", "from the load balancer")),),
        egress=(
            HTTPS_OUT,
            tcp(_POSTGRESQL, neighbour(f"{project}-db", "database")),
            tcp(_REDIS, neighbour(f"{project}-cache", "cache")),
        ),
    )


def _database(project: str) -> Blueprint:
    return Blueprint(
        name=f"{project}-db",
        description=f"Aurora PostgreSQL of {project}",
        project=project,
        purpose="database",
        ingress=(tcp(_POSTGRESQL, neighbour(f"{project}-app", "application servers")),),
        egress=(),
    )


def _cache(project: str) -> Blueprint:
    return Blueprint(
        name=f"{project}-cache",
        description=f"ElastiCache of {project}",
        project=project,
        purpose="cache",
        ingress=(tcp((_REDIS, _REDIS + 1), neighbour(f"{project}-app", "application servers")),),
        egress=(),
    )


def _worker(project: str, account: Account) -> Blueprint:
    worker = Blueprint(
        name=f"{project}-worker",
        description=f"Queue workers of {project}: nothing comes in",
        project=project,
        purpose="worker",
    )
    return worker.with_untouched_egress() if account.environment == "development" else worker


def _vpc_endpoints(account: Account, region: str) -> Blueprint:
    block = vpc_cidr(account, region)
    return Blueprint(
        name="vpc-endpoints",
        description="Interface endpoints of AWS services",
        project="network",
        purpose="vpc-endpoints",
        ingress=(tcp(443, cidr(block, "the VPC")),),
        egress=(),
        extra_tags={
            "aws:cloudformation:stack-name": "network-baseline",
            "aws:cloudformation:logical-id": "EndpointsSecurityGroup",
        },
    )


def locked_default_group() -> Blueprint:
    """Give the default group of a VPC whose owner has taken its rules away."""
    return Blueprint(
        name="default",
        description="default VPC security group",
        project="network",
        purpose="default",
        egress=(),
        untagged=True,
    )


def untouched_default_group() -> Blueprint:
    """Give the default group as AWS makes it, in the default VPC."""
    untouched = replace(locked_default_group(), where="default VPC", ingress=(every_protocol(ITSELF),))
    return untouched.with_untouched_egress()
