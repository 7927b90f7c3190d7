"""Groups that AWS services and Kubernetes controllers keep: taking a rule from one of these starts a fight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.testing.organisation.accounts import (
    DEVELOPMENT,
    MANAGEMENT,
    PAYMENTS,
    STAGING,
    STOREFRONT,
)
from sg_compliance.testing.organisation.blueprint import (
    ANYWHERE,
    HTTP,
    ITSELF,
    RDP,
    Blueprint,
    Rule,
    cidr,
    every_protocol,
    neighbour,
    tcp,
)
from sg_compliance.testing.organisation.networks import vpc_cidr
from sg_compliance.testing.organisation.shapes import stable_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.organisation.blueprint import Peer
    from sg_compliance.testing.organisation.shapes import Account

_CLUSTERS: Final = (
    (PAYMENTS, "us-east-1", "payments"),
    (PAYMENTS, "eu-west-1", "payments-eu"),
    (STOREFRONT, "us-east-1", "storefront"),
    (STOREFRONT, "eu-west-1", "storefront-eu"),
    (STAGING, "us-east-1", "staging"),
    (DEVELOPMENT, "us-east-1", "playground"),
)
_WITH_PLAIN_HTTP: Final = frozenset({"storefront", "staging"})
"""Clusters whose load balancer listens on port 80 to redirect to HTTPS."""

_OLD_DIRECTORY: Final = (MANAGEMENT, "eu-west-1", "d-9367a1b2c4")
_DIRECTORIES: Final = ((MANAGEMENT, "us-east-1", "d-9067a1b2c3"), _OLD_DIRECTORY)


def controller_groups(account: Account, region: str) -> Iterator[Blueprint]:
    """Yield the groups of the clusters and directories that run here."""
    for owner, where, cluster in _CLUSTERS:
        if (owner, where) == (account, region):
            yield from _cluster_groups(cluster)
    for owner, where, directory in _DIRECTORIES:
        if (owner, where) == (account, region):
            yield _directory_controllers(owner, where, directory)


def _cluster_groups(cluster: str) -> Iterator[Blueprint]:
    control_plane = f"eks-cluster-sg-{cluster}-{_number(cluster)}"
    yield _cluster_group(control_plane, cluster)
    yield _node_group(control_plane, cluster)
    yield _shared_backend_group(cluster)
    yield _managed_load_balancer_group(cluster)


def _number(cluster: str) -> int:
    return 10**8 + int(stable_id("eks", cluster, digits=6).removeprefix("eks-"), 16)


def _cluster_group(name: str, cluster: str) -> Blueprint:
    return Blueprint(
        name=name,
        description="EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
        "as well as any managed workloads.",
        project="kubernetes",
        purpose="eks-control-plane",
        ingress=(every_protocol(ITSELF),),
        untagged=True,
        extra_tags={
            "Name": name,
            "aws:eks:cluster-name": cluster,
            f"kubernetes.io/cluster/{cluster}": "owned",
        },
    ).with_untouched_egress()


def _node_group(control_plane: str, cluster: str) -> Blueprint:
    return Blueprint(
        name=f"{cluster}-nodes",
        description=f"Worker nodes of the cluster {cluster}",
        project="kubernetes",
        purpose="eks-nodes",
        ingress=(
            tcp(10250, neighbour(control_plane, "kubelet")),
            tcp((1025, 10249), neighbour(control_plane, "webhooks"), ITSELF),
        ),
        extra_tags={f"kubernetes.io/cluster/{cluster}": "owned"},
    )


def _shared_backend_group(cluster: str) -> Blueprint:
    name = f"k8s-traffic-{cluster}-{stable_id('k8s', cluster, digits=10).removeprefix('k8s-')}"
    return Blueprint(
        name=name,
        description="[k8s] Shared Backend SecurityGroup for LoadBalancer",
        project="kubernetes",
        purpose="load-balancer",
        untagged=True,
        extra_tags={"elbv2.k8s.aws/cluster": cluster, "elbv2.k8s.aws/resource": "backend-sg"},
    ).with_untouched_egress()


def _managed_load_balancer_group(cluster: str) -> Blueprint:
    ports = (80, 443) if cluster in _WITH_PLAIN_HTTP else (443,)
    return Blueprint(
        name=f"k8s-web-ingress-{stable_id('k8s', cluster, 'web', digits=10).removeprefix('k8s-')}",
        description="[k8s] Managed SecurityGroup for LoadBalancer",
        project="kubernetes",
        purpose="load-balancer",
        ingress=tuple(tcp(port, ANYWHERE) for port in ports),
        expected=(HTTP,) if cluster in _WITH_PLAIN_HTTP else (),
        case="a load balancer's group that its controller keeps",
        untagged=True,
        extra_tags={
            "elbv2.k8s.aws/cluster": cluster,
            "ingress.k8s.aws/stack": "web/ingress",
            "ingress.k8s.aws/resource": "ManagedLBSecurityGroup",
        },
    ).with_untouched_egress()


def _directory_controllers(account: Account, region: str, directory: str) -> Blueprint:
    is_old = (account, region, directory) == _OLD_DIRECTORY
    clients = ANYWHERE if is_old else cidr(vpc_cidr(account, region))
    return Blueprint(
        name=f"{directory}_controllers",
        description=f"AWS created security group for {directory} directory controllers",
        project="identity",
        purpose="directory-service",
        ingress=(*_directory_rules(clients), every_protocol(ITSELF)),
        expected=(RDP,) if is_old else (),
        case="a directory's controllers, open to the world as AWS once made them" if is_old else "",
        untagged=True,
    ).with_untouched_egress()


def _directory_rules(clients: Peer) -> tuple[Rule, ...]:
    udp_ports = (53, 88, 123, 138, 389, 445, 464)
    tcp_ports = ((53, 53), (88, 88), (135, 135), (389, 389), (445, 445), (464, 464), (636, 636), (1024, 65535))
    return (
        *(tcp(ports, clients) for ports in tcp_ports),
        *(Rule("udp", (port, port), (clients,)) for port in udp_ports),
        Rule("icmp", (-1, -1), (clients,)),
    )
