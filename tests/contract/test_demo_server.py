"""The demo server gives the definition back through boto3, faithfully, and behaves as AWS where a scan would notice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sg_compliance.errors import DemoUnavailableError
from sg_compliance.realtime.cloudtrail import parse
from sg_compliance.realtime.principals import Ours
from sg_compliance.realtime.record import Change, Skipped
from sg_compliance.testing import moto_server
from sg_compliance.testing.moto_server import DemoServer, demo_organisation_process
from sg_compliance.testing.organisation import demo_organisation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_sts import STSClient

    from sg_compliance.testing.organisation import Group, IpPermission

pytestmark = pytest.mark.e2e

ORGANISATION = demo_organisation()
SHARDS = [(account.account_id, region) for account in ORGANISATION.accounts for region in ORGANISATION.regions]
DIRECT = Config(proxies={}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
OF_NOBODY = boto3.Session(aws_access_key_id="AKIADEMO", aws_secret_access_key="demo")

COMMAND = [sys.executable, "-m", "sg_compliance.testing.moto_server"]
CHILD_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_organisation_process() as started:
        yield started


@pytest.fixture(scope="module")
def sts(server: DemoServer) -> Iterator[STSClient]:
    client = OF_NOBODY.client("sts", "us-east-1", endpoint_url=server.endpoint_url, config=DIRECT)
    yield client
    client.close()


@pytest.fixture(scope="module")
def organizations(server: DemoServer) -> Iterator[OrganizationsClient]:
    client = OF_NOBODY.client("organizations", "us-east-1", endpoint_url=server.endpoint_url, config=DIRECT)
    yield client
    client.close()


@pytest.fixture(scope="module")
def ec2_of(server: DemoServer, sts: STSClient) -> Iterator[dict[tuple[str, str], EC2Client]]:
    """An EC2 client for each account and region, with credentials of the account's role."""
    clients: dict[tuple[str, str], EC2Client] = {}
    for account in ORGANISATION.accounts:
        arn = f"arn:aws:iam::{account.account_id}:role/{server.role_name}"
        given = sts.assume_role(RoleArn=arn, RoleSessionName="contract")["Credentials"]
        session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        for region in ORGANISATION.regions:
            client = session.client("ec2", region, endpoint_url=server.endpoint_url, config=DIRECT)
            clients[account.account_id, region] = client
    yield clients
    for client in clients.values():
        client.close()


def plain(permissions: object) -> dict[tuple[object, ...], Any]:
    """Permissions by protocol and ports: AWS promises no order of permissions."""
    assert isinstance(permissions, (list, tuple))
    return {(each["IpProtocol"], each.get("FromPort"), each.get("ToPort")): dict(each) for each in permissions}


def as_described(group: Group) -> dict[str, Any]:
    return {
        "OwnerId": group.account_id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "Tags": dict(group.tags),
        "IpPermissions": plain(group.ingress),
        "IpPermissionsEgress": plain(group.egress),
    }


# --- What there is


@pytest.mark.parametrize("shard", SHARDS, ids=":".join)
def test_security_groups_come_back_as_they_are_defined(
    ec2_of: dict[tuple[str, str], EC2Client], shard: tuple[str, str]
) -> None:
    pages = ec2_of[shard].get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 100})
    described = {each["GroupId"]: each for page in pages for each in page["SecurityGroups"]}
    defined = {group.group_id: group for group in ORGANISATION.groups_of(*shard)}
    assert described.keys() == defined.keys()
    for group_id, group in defined.items():
        got = described[group_id]
        assert {
            "OwnerId": got["OwnerId"],
            "GroupName": got["GroupName"],
            "Description": got["Description"],
            "VpcId": got.get("VpcId"),
            "Tags": {tag["Key"]: tag["Value"] for tag in got.get("Tags", [])},
            "IpPermissions": plain(got["IpPermissions"]),
            "IpPermissionsEgress": plain(got["IpPermissionsEgress"]),
        } == as_described(group)


@pytest.mark.parametrize("shard", SHARDS, ids=":".join)
def test_security_group_rules_come_back_one_for_each_peer(
    ec2_of: dict[tuple[str, str], EC2Client], shard: tuple[str, str]
) -> None:
    pages = ec2_of[shard].get_paginator("describe_security_group_rules").paginate()
    described = [each for page in pages for each in page["SecurityGroupRules"]]
    ids = [each["SecurityGroupRuleId"] for each in described]
    assert len(ids) == len(set(ids))
    defined = [rule for group in ORGANISATION.groups_of(*shard) for rule in rules_of(group)]
    assert sorted(map(repr, map(as_text, described))) == sorted(map(repr, defined))


def rules_of(group: Group) -> Iterator[tuple[object, ...]]:
    for is_egress, direction in ((False, group.ingress), (True, group.egress)):
        for permission in direction:
            for peer in peers_of(permission):
                ports = (permission.get("FromPort", -1), permission.get("ToPort", -1))
                yield (group.group_id, group.account_id, is_egress, permission["IpProtocol"], ports, *peer)


def peers_of(permission: IpPermission) -> Iterator[tuple[str, str | None]]:
    keys = ("CidrIp", "CidrIpv6", "PrefixListId", "GroupId")
    lists = [value for value in permission.values() if isinstance(value, list)]
    for peer in (peer for peers in lists for peer in peers):
        yield next(peer[key] for key in keys if key in peer), peer.get("Description")


def as_text(rule: Mapping[str, Any]) -> tuple[object, ...]:
    peers = (rule.get("CidrIpv4"), rule.get("CidrIpv6"), rule.get("PrefixListId"))
    (peer,) = {*peers, rule.get("ReferencedGroupInfo", {}).get("GroupId")} - {None}
    ports = (rule["FromPort"], rule["ToPort"])
    owner = (rule["GroupId"], rule["GroupOwnerId"], rule["IsEgress"])
    return (*owner, rule["IpProtocol"], ports, peer, rule.get("Description"))


@pytest.mark.parametrize("shard", SHARDS, ids=":".join)
def test_prefix_lists_and_their_entries_come_back(
    ec2_of: dict[tuple[str, str], EC2Client], shard: tuple[str, str]
) -> None:
    client = ec2_of[shard]
    described = {each["PrefixListId"]: each for each in client.describe_managed_prefix_lists()["PrefixLists"]}
    defined = {each.prefix_list_id: each for each in ORGANISATION.prefix_lists_of(*shard)}
    assert described.keys() == defined.keys()
    for list_id, each in defined.items():
        got = described[list_id]
        assert (got["PrefixListName"], got["OwnerId"]) == (each.name, each.owner_id)
        assert got["AddressFamily"] == each.address_family
        assert got.get("MaxEntries") == (None if each.is_aws_managed else each.weight)
        assert got.get("Version") == (None if each.is_aws_managed else 1)
        entries = client.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"]
        assert [(entry["Cidr"], entry.get("Description", "")) for entry in entries] == list(each.entries)


def test_a_prefix_list_that_is_not_shared_is_an_error_and_not_empty(
    ec2_of: dict[tuple[str, str], EC2Client],
) -> None:
    with pytest.raises(ClientError) as caught:
        ec2_of[SHARDS[0]].get_managed_prefix_list_entries(PrefixListId="pl-0123456789abcdef0")
    assert caught.value.response["Error"]["Code"] == "InvalidPrefixListID.NotFound"


@pytest.mark.parametrize("shard", SHARDS, ids=":".join)
def test_network_interfaces_come_back(ec2_of: dict[tuple[str, str], EC2Client], shard: tuple[str, str]) -> None:
    pages = ec2_of[shard].get_paginator("describe_network_interfaces").paginate()
    described = {each["NetworkInterfaceId"]: each for page in pages for each in page["NetworkInterfaces"]}
    defined = {each.interface_id: each for each in ORGANISATION.interfaces_of(*shard)}
    assert described.keys() == defined.keys()
    for interface_id, interface in defined.items():
        got = described[interface_id]
        assert [each["GroupId"] for each in got["Groups"]] == list(interface.group_ids)
        assert got.get("Association", {}).get("PublicIp") == interface.public_ip
        assert got["RequesterManaged"] == (interface.requester_id is not None)
        assert (got["Description"], got["Status"]) == (interface.description, "in-use")
        assert (got["SubnetId"], got["PrivateIpAddress"]) == (interface.subnet_id, interface.private_ip)


def test_only_the_regions_of_the_organisation_are_enabled(ec2_of: dict[tuple[str, str], EC2Client]) -> None:
    for client in ec2_of.values():
        regions = client.describe_regions()["Regions"]
        assert [each["RegionName"] for each in regions] == list(ORGANISATION.regions)
        assert {each["OptInStatus"] for each in regions} == {"opt-in-not-required"}


def test_a_region_outside_the_organisation_is_empty(server: DemoServer) -> None:
    client = OF_NOBODY.client("ec2", "us-west-2", endpoint_url=server.endpoint_url, config=DIRECT)
    assert client.describe_security_groups()["SecurityGroups"] == []
    assert len(client.describe_regions()["Regions"]) == 3
    client.close()


# --- Security groups obey AWS's rules


def test_groups_come_in_pages(ec2_of: dict[tuple[str, str], EC2Client]) -> None:
    client, defined = ec2_of[SHARDS[0]], ORGANISATION.groups_of(*SHARDS[0])
    pages = list(client.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 7}))
    assert [len(page["SecurityGroups"]) for page in pages[:-1]] == [7] * (len(pages) - 1)
    assert sum(len(page["SecurityGroups"]) for page in pages) == len(defined)


def test_what_a_client_changes_obeys_the_rules_of_aws(ec2_of: dict[tuple[str, str], EC2Client]) -> None:
    client = ec2_of[SHARDS[-1]]
    vpc = next(each for each in ORGANISATION.vpcs_of(*SHARDS[-1]) if not each.is_default)
    group_id = client.create_security_group(GroupName="of-the-test", Description="made", VpcId=vpc.vpc_id)["GroupId"]
    (rule,) = client.authorize_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "6", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/0"}]}],
    )["SecurityGroupRules"]
    assert (rule["IpProtocol"], rule["CidrIpv4"]) == ("tcp", "0.0.0.0/0")
    client.create_tags(Resources=[group_id, rule["SecurityGroupRuleId"]], Tags=[{"Key": "k", "Value": "<&>"}])
    (group,) = client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    assert group["Tags"] == [{"Key": "k", "Value": "<&>"}]
    both = [rule["SecurityGroupRuleId"], "sgr-0123456789abcdef0"]
    with pytest.raises(ClientError, match=r"InvalidSecurityGroupRuleId\.NotFound"):
        client.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=both)
    client.delete_tags(Resources=[group_id, vpc.vpc_id], Tags=[{"Key": "k"}])
    client.delete_security_group(GroupId=group_id)


def test_a_group_in_use_cannot_be_deleted(ec2_of: dict[tuple[str, str], EC2Client]) -> None:
    interface = ORGANISATION.interfaces[0]
    client = ec2_of[interface.account_id, interface.region]
    with pytest.raises(ClientError, match="DependencyViolation"):
        client.delete_security_group(GroupId=interface.group_ids[0])


# --- Organizations


def test_organizations_lists_the_accounts_with_the_closed_one_suspended(organizations: OrganizationsClient) -> None:
    pages = organizations.get_paginator("list_accounts").paginate()
    listed = {each["Id"]: (each["Name"], each["Status"]) for page in pages for each in page["Accounts"]}
    assert listed == {
        account.account_id: (account.name, account.status)
        for account in (*ORGANISATION.accounts, *ORGANISATION.suspended_accounts)
    }


def test_accounts_are_found_by_walking_the_units_from_the_root(organizations: OrganizationsClient) -> None:
    (root,) = organizations.list_roots()["Roots"]
    found: dict[str, str] = {}
    parents = [root["Id"]]
    for parent in parents:
        units = organizations.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
        parents += [unit["Id"] for unit in units]
        accounts = organizations.list_accounts_for_parent(ParentId=parent)["Accounts"]
        found |= {account["Id"]: parent for account in accounts}
    assert len(parents) == 4
    everyone = (*ORGANISATION.accounts, *ORGANISATION.suspended_accounts)
    assert found == {account.account_id: account.ou_id for account in everyone}


def test_one_account_and_the_organization_are_described(organizations: OrganizationsClient) -> None:
    account = ORGANISATION.accounts[2]
    described = organizations.describe_account(AccountId=account.account_id)["Account"]
    assert (described["Name"], described["Email"], described["Status"]) == (account.name, account.email, "ACTIVE")
    assert organizations.describe_organization()["Organization"]["MasterAccountId"] == (
        ORGANISATION.management_account_id
    )


# --- STS


def test_keys_of_nobody_are_those_of_the_management_account(server: DemoServer, sts: STSClient) -> None:
    assert sts.get_caller_identity()["Account"] == server.management_account


@pytest.mark.parametrize(
    "role_arn",
    [
        f"arn:aws:iam::{ORGANISATION.accounts[1].account_id}:role/sg-complaince-scan",
        f"arn:aws:iam::{ORGANISATION.suspended_accounts[0].account_id}:role/{ORGANISATION.role_name}",
        "arn:aws:iam::999999999999:role/OrganizationAccountAccessRole",
        "arn:aws:iam::999999999999:role/<&>",
    ],
)
def test_a_role_that_does_not_exist_is_refused_as_aws_refuses(sts: STSClient, role_arn: str) -> None:
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=role_arn, RoleSessionName="contract")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["Error"]["Code"] == "AccessDenied"
    assert response["Error"]["Message"].startswith("User: arn:aws:sts::123456789012:")
    assert response["Error"]["Message"].endswith(
        f" is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
    )


# --- The process


def test_it_starts_in_a_few_seconds_and_is_gone_afterwards() -> None:
    started = time.monotonic()
    with demo_organisation_process() as running:
        took = time.monotonic() - started
        port = int(running.endpoint_url.rpartition(":")[2])
        assert running.endpoint_url == f"http://127.0.0.1:{port}"
    assert took < 15  # about 2 s on a quiet machine
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_port_that_is_taken_is_an_error_with_what_the_server_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoUnavailableError, match="in use") as caught, demo_organisation_process(port):
            pytest.fail("the server started on a port that is taken")
    assert "python -m sg_compliance.testing.moto_server" in caught.value.hint


def test_a_missing_moto_is_an_error_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto_server, "find_spec", lambda name: None if name == "moto" else object())
    with pytest.raises(DemoUnavailableError, match="needs moto") as caught, demo_organisation_process():
        pytest.fail("the server started without moto")
    assert caught.value.hint == "pip install 'sg-compliance[demo]'"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_quietly(number: signal.Signals) -> None:
    with start() as process:
        process.send_signal(number)
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_closing_its_standard_input_ends_it_quietly() -> None:
    with start() as process:
        _, said = process.communicate(timeout=15)
        assert (process.returncode, said) == (0, "")


def test_settings_of_the_user_do_not_reach_it(tmp_path: Path) -> None:
    with start(AWS_PROFILE="nobody", MOTO_ACCOUNT_ID="000000000000", HOME=str(tmp_path)) as process:
        process.communicate(timeout=15)
        assert process.returncode == 0


def start(**environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        COMMAND,
        env={**CHILD_ENVIRONMENT, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "endpoint_url" in process.stdout.readline()
    return process


def test_its_trail_tells_who_changed_what_and_from_where(tmp_path: Path) -> None:
    group = next(each for each in ORGANISATION.groups if each.account_id != ORGANISATION.management_account_id)
    trail = tmp_path / "events.jsonl"
    with demo_organisation_process(trail=trail) as running:

        def client(keys: boto3.Session, service: str) -> Any:  # noqa: ANN401
            make: Any = keys.client
            return make(service, region_name=group.region, endpoint_url=running.endpoint_url, config=DIRECT)

        arn = f"arn:aws:iam::{group.account_id}:role/{running.role_name}"
        given = client(OF_NOBODY, "sts").assume_role(RoleArn=arn, RoleSessionName="night")["Credentials"]
        assumed = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        client(assumed, "iam").create_user(UserName="mallory", Path="/people/")
        key = client(assumed, "iam").create_access_key(UserName="mallory")["AccessKey"]
        mallory = client(boto3.Session(key["AccessKeyId"], key["SecretAccessKey"]), "ec2")

        def elsewhere(request: Any, **_: object) -> None:  # noqa: ANN401
            request.headers["X-Forwarded-For"] = "198.51.100.7"

        mallory.meta.events.register("before-sign.ec2", elsewhere)
        named = {"GroupName": "trail", "Description": "of a test"}
        made = client(assumed, "ec2").create_security_group(VpcId=group.vpc_id, **named)["GroupId"]
        opened = {"GroupId": made, "CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
        mallory.authorize_security_group_ingress(**opened)
        mallory.describe_security_groups()
        with pytest.raises(ClientError):
            mallory.authorize_security_group_ingress(**opened)
        with pytest.raises(ClientError):
            client(OF_NOBODY, "ec2").delete_security_group(GroupId=made)
    calls = [parse(json.loads(line), Ours()) for line in trail.read_text(encoding="utf-8").splitlines()]
    mallorys, management = f"arn:aws:iam::{group.account_id}:user/people/mallory", ORGANISATION.management_account_id
    assert [(each.event_name, each.principal.arn, each.source_ip, each.account_id) for each in calls] == [
        (
            "CreateSecurityGroup",
            f"arn:aws:sts::{group.account_id}:assumed-role/{running.role_name}/night",
            "127.0.0.1",
            group.account_id,
        ),
        ("AuthorizeSecurityGroupIngress", mallorys, "198.51.100.7", group.account_id),
        ("AuthorizeSecurityGroupIngress", mallorys, "198.51.100.7", group.account_id),
        ("DeleteSecurityGroup", f"arn:aws:iam::{management}:user/moto", "127.0.0.1", management),
    ]
    assert [type(each) for each in calls] == [Change, Change, Skipped, Skipped]
    assert calls[0].principal.session_issuer == arn
    assert all(each.user_agent.startswith("Boto3/") for each in calls)
    assert len({each.event_id for each in calls}) == 4
