"""A made-up estate of security groups, shaped as DescribeSecurityGroups returns them.

Deterministic: group number i of a seed is always the same, on any machine and for any size of estate, so two tools
asked about "the first 1,000 groups" see the same bytes. Each group has 8 permissions (6 ingress, 2 egress) with 1 to 4
peers each; about 5 % of the groups let 0.0.0.0/0 in somewhere.

The mix of port ranges matters, because one of the compared tools expands every range into a set: 5 % of permissions
here are wider than 10,000 ports (ephemeral and all-port ranges). A recorded sample of 156 real permissions had 6.4 %.

Not modelled: evasions (split ranges, odd protocol numbers), malformed groups, groups with hundreds of rules. Those are
questions of correctness, and the tests ask them.
"""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

Group: TypeAlias = dict[str, Any]
Permission: TypeAlias = dict[str, Any]
PortSpec: TypeAlias = tuple[str, int, int]

SEED = 20_240_601
INGRESS_PERMISSIONS, EGRESS_PERMISSIONS = 6, 2
OPEN_SHARE = 0.05
OWNER, REGION = "111122223333", "us-east-1"
ANY_IPV4, ANY_IPV6 = "0.0.0.0/0", "::/0"
PREFIX_LISTS = {
    "pl-63a5400b": ("com.amazonaws.us-east-1.s3", ("3.5.0.0/19", "16.15.192.0/18", "52.216.0.0/15", "54.231.0.0/16")),
    "pl-02cd2c6b": ("com.amazonaws.us-east-1.dynamodb", ("3.218.180.0/22", "52.94.0.0/22", "52.119.224.0/20")),
}

_TIERS = ("web", "api", "worker", "db", "cache", "queue", "batch", "admin", "edge", "metrics")
_ENVIRONMENTS = ("prod", "staging", "dev")
_TCP_PORTS = (
    *(22, 25, 53, 80, 443, 389, 445, 636, 1433, 1521, 2049, 2181, 2375, 3000, 3306, 3389, 4317, 5000, 5044, 5432, 5601),
    *(5672, 5985, 6379, 6443, 8000, 8080, 8443, 9000, 9042, 9090, 9092, 9100, 9200, 9443, 10250, 11211, 15672, 27017),
)
_UDP_PORTS = (53, 67, 123, 161, 500, 514, 4500, 4789, 8125, 8472)
_SMALL_RANGES = ((20, 21), (2379, 2380), (5900, 5903), (7000, 7001), (8000, 8010), (9090, 9100), (9300, 9400))
_FIXED_SPECS: dict[str, PortSpec] = {
    "node ports": ("tcp", 30000, 32767),
    "ephemeral": ("tcp", 1024, 65535),
    "all tcp": ("tcp", 0, 65535),
    "icmp": ("icmp", -1, -1),
    "all traffic": ("-1", -1, -1),
    "esp": ("50", -1, -1),
}
# Percent of permissions, of peers, and of IPv4 peers.
_PORT_MIX = {
    "tcp": 58,
    "udp": 12,
    "small range": 12,
    "node ports": 5,
    "ephemeral": 4,
    "all tcp": 1,
    "icmp": 3,
    "all traffic": 4,
    "esp": 1,
}
_PEER_MIX = {"ipv4": 65, "ipv6": 10, "own group": 7, "other group": 16, "prefix list": 2}
_IPV4_MIX = {"private /16": 25, "private /24": 40, "private /32": 10, "public": 25}
_PUBLIC_FIRST_OCTETS = (3, 13, 18, 34, 44, 52, 54, 63, 99, 185, 203)


def groups(count: int, *, start: int = 0, open_share: float = OPEN_SHARE, seed: int = SEED) -> Iterator[Group]:
    """Yield groups number `start` to `start + count - 1`; memory does not grow with `count`."""
    for index in range(start, start + count):
        yield group(index, open_share=open_share, seed=seed)


def group(index: int, *, open_share: float = OPEN_SHARE, seed: int = SEED) -> Group:
    """Return group number `index`, as one item of `SecurityGroups`."""
    rng = random.Random(seed * 1_000_003 + index)  # noqa: S311  nothing secret is drawn
    tier, environment = rng.choice(_TIERS), rng.choice(_ENVIRONMENTS)
    group_id = _id("sg", index)
    ingress = _permissions(rng, INGRESS_PERMISSIONS, group_id)
    egress = _permissions(rng, EGRESS_PERMISSIONS, group_id)
    if rng.random() < open_share:
        _open(rng, rng.choice(ingress))
    return {
        "GroupId": group_id,
        "IpPermissionsEgress": egress,
        "Tags": [
            {"Key": "Name", "Value": f"{environment}-{tier}-{index}"},
            {"Key": "Environment", "Value": environment},
            {"Key": "Owner", "Value": f"team-{index % 23}"},
        ],
        "VpcId": _id("vpc", index % 40),
        "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{OWNER}:security-group/{group_id}",
        "OwnerId": OWNER,
        "GroupName": f"{environment}-{tier}-{index}",
        "Description": f"{tier} tier of service {index % 97}",
        "IpPermissions": ingress,
    }


def write_aws_cli_json(path: Path, items: Iterable[Group]) -> None:
    """Write what `aws ec2 describe-security-groups` prints, one group in memory at a time."""
    encoder = json.JSONEncoder(indent=4)
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n    "SecurityGroups": [')
        for number, item in enumerate(items):
            file.write(",\n" if number else "\n")
            file.write(" " * 8 + encoder.encode(item).replace("\n", "\n" + " " * 8))
        file.write("\n    ]\n}\n")


def write_json_lines(path: Path, items: Iterable[Group]) -> None:
    """Write one group a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)


def prefix_lists() -> dict[str, list[dict[str, Any]]]:
    """Return what describes the prefix lists of the estate, with their entries."""
    found = [
        {"PrefixListId": list_id, "PrefixListName": name, "Entries": [{"Cidr": cidr} for cidr in cidrs]}
        for list_id, (name, cidrs) in PREFIX_LISTS.items()
    ]
    return {"PrefixLists": found}


def _id(prefix: str, number: int) -> str:
    return f"{prefix}-0{number:016x}"


def _permissions(rng: random.Random, count: int, own_id: str) -> list[Permission]:
    """Distinct in protocol and ports, because AWS merges permissions which share both."""
    specs: dict[PortSpec, None] = {}
    while len(specs) < count:
        specs[_port_spec(rng)] = None
    return [_permission(rng, spec, own_id) for spec in specs]


def _port_spec(rng: random.Random) -> PortSpec:
    kind = rng.choices(tuple(_PORT_MIX), tuple(_PORT_MIX.values()))[0]
    if kind == "tcp":
        return ("tcp", *_twice(rng.choice(_TCP_PORTS)))
    if kind == "udp":
        return ("udp", *_twice(rng.choice(_UDP_PORTS)))
    return ("tcp", *rng.choice(_SMALL_RANGES)) if kind == "small range" else _FIXED_SPECS[kind]


def _twice(port: int) -> tuple[int, int]:
    return port, port


def _permission(rng: random.Random, spec: PortSpec, own_id: str) -> Permission:
    protocol, first, last = spec
    permission: Permission = {"IpProtocol": protocol}
    if protocol in {"tcp", "udp", "icmp"}:
        permission |= {"FromPort": first, "ToPort": last}
    permission |= {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
    for _ in range(rng.randint(1, 4)):
        _add_peer(rng, permission, own_id)
    return permission


def _add_peer(rng: random.Random, permission: Permission, own_id: str) -> None:
    kind = rng.choices(tuple(_PEER_MIX), tuple(_PEER_MIX.values()))[0]
    if kind == "ipv4":
        described = {"Description": f"change {rng.randrange(10_000)}"} if rng.getrandbits(1) else {}
        permission["IpRanges"].append(described | {"CidrIp": _ipv4(rng)})
    elif kind == "ipv6":
        permission["Ipv6Ranges"].append({"CidrIpv6": f"2600:1f18:{rng.randrange(0x1000, 0xFFFF):x}::/48"})
    elif kind == "prefix list":
        permission["PrefixListIds"].append({"PrefixListId": rng.choice(tuple(PREFIX_LISTS))})
    else:
        peer = own_id if kind == "own group" else _id("sg", rng.randrange(1_000_000))
        permission["UserIdGroupPairs"].append({"UserId": OWNER, "GroupId": peer})


def _ipv4(rng: random.Random) -> str:
    kind = rng.choices(tuple(_IPV4_MIX), tuple(_IPV4_MIX.values()))[0]
    second, third = rng.randrange(1, 256), rng.randrange(1, 256)
    if kind == "private /16":
        return f"10.{second}.0.0/16"
    if kind == "private /24":
        return f"10.{second}.{third}.0/24"
    if kind == "private /32":
        return f"172.{16 + second % 16}.{third}.{rng.randrange(256)}/32"
    return f"{rng.choice(_PUBLIC_FIRST_OCTETS)}.{second}.{third}.{rng.choice(('0/24', '16/28', '7/32'))}"


def _open(rng: random.Random, permission: Permission) -> None:
    """Let the whole internet in, in place of the permission's first IPv4 peer."""
    permission["IpRanges"][:1] = [{"CidrIp": ANY_IPV4}]
    if rng.random() < 1 / 3:
        permission["Ipv6Ranges"][:1] = [{"CidrIpv6": ANY_IPV6}]
