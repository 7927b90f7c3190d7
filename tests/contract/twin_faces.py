"""One world behind three faces for the contract: the twin behind a client, the twin over HTTP, and plain moto."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import BackendRequest
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from sg_compliance.testing.moto_twin import TwinResponses, responses_of
from sg_compliance.testing.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ACCOUNT: Final = "123456789012"
PARTNER: Final = "210987654321"
REGION: Final = "us-east-1"
NOBODY: Final = "sg-0123456789abcdef0"
NO_RULE: Final = "sgr-0123456789abcdef0"
DIRECT: Final = Config(proxies={}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
SESSION: Final = boto3.Session("AKIADEMO", "demo", region_name=REGION)


@dataclass
class Aws:
    """A region in which each test has a VPC of its own, a default VPC, a prefix list of ten, a partner's group."""

    client: Any
    vpc: str
    ipv6_vpc: str
    default_vpc: str
    ten: str
    partners_group: str
    attached: Any
    numbers: list[int] = field(default_factory=list)

    def group(self, name: str = "", vpc: str = "", **others: Any) -> str:  # noqa: ANN401  parameters of the API
        self.numbers.append(1)
        made = self.client.create_security_group(
            GroupName=name or f"group {len(self.numbers)} of {self.vpc}",
            Description="of the test",
            VpcId=vpc or self.vpc,
            **others,
        )
        return str(made["GroupId"])

    def allow(self, group_id: str, *permissions: dict[str, Any], **others: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        answer = self.client.authorize_security_group_ingress(
            GroupId=group_id, IpPermissions=list(permissions), **others
        )
        return list(answer["SecurityGroupRules"])

    def allow_out(self, group_id: str, *permissions: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.client.authorize_security_group_egress(GroupId=group_id, IpPermissions=list(permissions))
        return list(answer["SecurityGroupRules"])

    def revoke(self, group_id: str, *permissions: dict[str, Any]) -> dict[str, Any]:
        return dict(self.client.revoke_security_group_ingress(GroupId=group_id, IpPermissions=list(permissions)))

    def revoke_ids(self, group_id: str, *rule_ids: str) -> dict[str, Any]:
        return dict(self.client.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=list(rule_ids)))

    def shown(self, group_id: str) -> dict[str, Any]:
        (found,) = self.client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        return dict(found)

    def rules(self, group_id: str, *, is_egress: bool = False) -> list[dict[str, Any]]:
        wanted = [{"Name": "group-id", "Values": [group_id]}]
        found = self.client.describe_security_group_rules(Filters=wanted)["SecurityGroupRules"]
        return [each for each in found if each["IsEgress"] is is_egress]

    def ids(self, group_id: str, *, is_egress: bool = False) -> set[str]:
        return {each["SecurityGroupRuleId"] for each in self.rules(group_id, is_egress=is_egress)}


@contextmanager
def refused(code: str) -> Iterator[None]:
    """AWS refuses with this code."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code


def attached_client() -> Any:  # noqa: ANN401  the client's own type is not of use here
    return SESSION.client("ec2")


def in_twin(client: Any, twin: Twin) -> Aws:  # noqa: ANN401
    """A twin set up for one test."""
    vpc = twin.vpc(ACCOUNT, REGION)
    partners = twin.put_group(PARTNER, REGION, {"GroupName": "partner"})
    ten = twin.put_prefix_list(ACCOUNT, REGION, {"PrefixListName": "ten", "MaxEntries": 10}, ["10.0.0.0/8"])
    ipv6, default = twin.vpc(ACCOUNT, REGION, has_ipv6=True), twin.vpc(ACCOUNT, REGION, is_default=True)

    def attached(group_id: str) -> None:
        twin.put_interface(ACCOUNT, REGION, group_id)

    return Aws(client, vpc, ipv6, default, ten, partners, attached)


def in_moto(shared: Aws) -> Aws:
    """The same in moto, which goes on from test to test: only the VPC is new."""
    client = shared.client
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def attached(group_id: str) -> None:
        subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        client.create_network_interface(SubnetId=subnet, Groups=[group_id])

    return replace(shared, vpc=vpc, attached=attached, numbers=[])


def _shared_in_moto(client: Any) -> Aws:  # noqa: ANN401
    ipv6 = client.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    (default,) = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    ten = client.create_managed_prefix_list(
        PrefixListName="ten", MaxEntries=10, AddressFamily="IPv4", Entries=[{"Cidr": "10.0.0.0/8"}]
    )["PrefixList"]["PrefixListId"]
    partners = ec2_backends[PARTNER][REGION].create_security_group("partner", "partner")
    return Aws(client, "", ipv6, default["VpcId"], ten, partners.id, attached=None)


@contextmanager
def over_http() -> Iterator[tuple[Any, type[TwinResponses]]]:
    """A client, and the class that answers it: its `twin` may be changed for another."""
    responses = responses_of(Twin())

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401  WSGI's
        request = BackendRequest(environ)
        status, headers, body = responses.dispatch(request, request.url, request.headers)
        return Response(body, status, headers)(environ, start_response)

    class Quiet(WSGIRequestHandler):
        def log_request(self, *_: object) -> None: ...

    server = make_server("127.0.0.1", 0, application, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    client = SESSION.client("ec2", endpoint_url=f"http://127.0.0.1:{server.port}", config=DIRECT)
    yield client, responses
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def plain_moto() -> Iterator[Aws]:
    """What all tests share in moto's own server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = SESSION.client("ec2", endpoint_url=f"http://{host}:{port}", config=DIRECT)
    yield _shared_in_moto(client)
    client.close()
    server.stop()
