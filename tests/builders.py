"""One-line builders: groups and permissions in AWS's shape, policies as documents, and their judgement.

`violated(prohibit(22), group(tcp(22, "0.0.0.0/0")))` is a whole case. Everything goes in the way that
a user's data does: AWS's JSON through the translation, the policy's text through the parser.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sg_compliance.aws.translate import prefix_list, security_group
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import PrefixList, SecurityGroup

Json: TypeAlias = dict[str, Any]

NOW: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
EVERYONE: Final = "0.0.0.0/0"
EVERYONE_V6: Final = "::/0"


def peers(*texts: str, account: str = ACCOUNT, description: str | None = None) -> Json:
    """The peer lists of a permission: CIDRs of both families, `pl-…` and `sg-…` ids, each where AWS puts it."""
    said: Json = {} if description is None else {"Description": description}
    return {
        "IpRanges": [{"CidrIp": text, **said} for text in texts if "." in text and ":" not in text],
        "Ipv6Ranges": [{"CidrIpv6": text, **said} for text in texts if ":" in text],
        "PrefixListIds": [{"PrefixListId": text, **said} for text in texts if text.startswith("pl-")],
        "UserIdGroupPairs": [{"GroupId": text, "UserId": account, **said} for text in texts if text.startswith("sg-")],
    }


def permission(protocol: object, first: object, last: object, *texts: str, description: str | None = None) -> Json:
    """One IpPermission as written: nothing is checked or corrected."""
    return {
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last,
        **peers(*texts, description=description),
    }


def _ends(ports: int | str) -> tuple[int, int]:
    first, _, last = str(ports).partition("-")
    return int(first), int(last or first)


def tcp(ports: int | str, *texts: str, description: str | None = None) -> Json:
    """A tcp permission: `tcp(22, "0.0.0.0/0")`, `tcp("20-25", "sg-1")`."""
    return permission("tcp", *_ends(ports), *texts, description=description)


def udp(ports: int | str, *texts: str) -> Json:
    """A udp permission."""
    return permission("udp", *_ends(ports), *texts)


def icmp(kind: int, code: int, *texts: str) -> Json:
    """An ICMP permission: type and code, -1 for every one."""
    return permission("icmp", kind, code, *texts)


def all_traffic(*texts: str) -> Json:
    """Every protocol and port, as AWS returns it: without ports."""
    return {"IpProtocol": "-1", **peers(*texts)}


def raw_group(
    *ingress: Json,
    egress: Sequence[Json] = (),
    group_id: str = "sg-0a1b2c3d",
    account: str = ACCOUNT,
    tags: Mapping[str, str] | None = None,
    **others: object,
) -> Json:
    """One element of DescribeSecurityGroups."""
    return {
        "OwnerId": account,
        "GroupId": group_id,
        "GroupName": "web",
        "Description": "the group of the test",
        "VpcId": "vpc-1",
        "IpPermissions": list(ingress),
        "IpPermissionsEgress": list(egress),
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        **others,
    }


def read(raw: Mapping[str, Any]) -> SecurityGroup:
    """AWS's JSON as the model."""
    return security_group(raw, region=REGION)


def group(
    *ingress: Json,
    egress: Sequence[Json] = (),
    tags: Mapping[str, str] | None = None,
    **others: Any,  # noqa: ANN401 - JSON
) -> SecurityGroup:
    """A group with these ingress permissions."""
    return read(raw_group(*ingress, egress=egress, tags=tags, **others))


def lists(entries: Mapping[str, Sequence[str] | None]) -> dict[str, PrefixList]:
    """Prefix lists by id; None for one that could not be read."""
    return {
        name: prefix_list({"PrefixListId": name}, None if cidrs is None else [{"Cidr": cidr} for cidr in cidrs])
        for name, cidrs in entries.items()
    }


def prohibit(ports: int | str | None = None, *sources: str, **keys: object) -> Json:
    """A prohibited rule on tcp: by default everyone on IPv4, id `RULE`."""
    return _rule(ports, {"sources": list(sources or (EVERYONE,))}, keys)


def prohibit_every_peer(ports: int | str | None = None, **keys: object) -> Json:
    """A prohibited rule on tcp that names no source."""
    return _rule(ports, {}, keys)


def restrict(ports: int | str | None, *allowed: str, **keys: object) -> Json:
    """A restricted rule on tcp."""
    return _rule(ports, {"allowed_sources": list(allowed)}, keys)


def allow(ports: int | str | None = None, *sources: str, **keys: object) -> Json:
    """An allowed rule on tcp: from every peer where no source is named."""
    return _rule(ports, {"sources": list(sources)} if sources else {}, {"rule_id": "ALLOWED", **keys})


def _rule(ports: int | str | None, own: Json, keys: Mapping[str, object]) -> Json:
    named = {} if ports is None else {"port_range": str(ports)}
    return {"rule_id": "RULE", "protocol": "tcp", **named, **own, **keys}


def document(  # noqa: PLR0913 - the sections of the document
    *prohibited: Json,
    outbound: Sequence[Json] = (),
    restricted: Sequence[Json] = (),
    restricted_outbound: Sequence[Json] = (),
    allowed: Sequence[Json] = (),
    allowed_outbound: Sequence[Json] = (),
    environments: Mapping[str, Json] | None = None,
    **sections: object,
) -> Json:
    """A policy document with these inbound prohibited rules."""
    return {
        "prohibited_rules": {"inbound": list(prohibited), "outbound": list(outbound)},
        "restricted_rules": {"inbound": list(restricted), "outbound": list(restricted_outbound)},
        "allowed_rules": {"inbound": list(allowed), "outbound": list(allowed_outbound)},
        "environment_specific": dict(environments or {}),
        **sections,
    }


def policy(*prohibited: Json, environment: str | None = None, **sections: Any) -> Policy:  # noqa: ANN401 - JSON
    """A policy that is ready to bind."""
    return bind(document(*prohibited, **sections), environment)


def bind(written: Json, environment: str | None = None) -> Policy:
    """A document as the policy that it means."""
    return Policy(parse_policy(json.dumps(written), "test.json").document, environment)


def judge(
    bound: Policy | Json, judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None
) -> list[Finding]:
    """The findings of a group. One inbound rule, prohibited or restricted, may stand for a policy that has no other."""
    return Evaluator(_as_policy(bound), NOW).evaluate(judged, lists(prefix_lists or {}))


def _as_policy(bound: Policy | Json) -> Policy:
    if isinstance(bound, Policy):
        return bound
    return policy(restricted=[bound]) if "allowed_sources" in bound else policy(bound)


def fired(
    bound: Policy | Json, judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None
) -> set[str]:
    """The rule ids of the findings."""
    return {finding.rule_id for finding in judge(bound, judged, prefix_lists)}


def violated(
    bound: Policy | Json, judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None
) -> bool:
    """Whether there is any finding."""
    return bool(judge(bound, judged, prefix_lists))


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding, where there is exactly one."""
    (finding,) = findings
    return finding


BASELINE: Final = document(
    {
        "rule_id": "PROHIBIT_HTTP",
        "protocol": "tcp",
        "port_range": "80",
        "source": EVERYONE,
        "severity": "high",
    },
    {
        "rule_id": "PROHIBIT_ALL_TRAFFIC_SSH",
        "protocol": "tcp",
        "port_range": "22",
        "sources": ["any"],
        "severity": "critical",
    },
    {"rule_id": "PROHIBIT_RDP", "protocol": "tcp", "port_range": "3389", "sources": ["any"], "severity": "critical"},
    {
        "rule_id": "PROHIBIT_ALL_TRAFFIC_IPV4",
        "protocol": "-1",
        "port_range": "*",
        "source": EVERYONE,
        "severity": "critical",
    },
    {"rule_id": "PROHIBIT_ALL_TRAFFIC_IPV6", "protocol": "-1", "source": EVERYONE_V6, "severity": "critical"},
    {
        "rule_id": "PROHIBIT_WIDE_SSH",
        "protocol": "tcp",
        "port_range": "22",
        "source": EVERYONE,
        "severity": "high",
        "max_public_addresses": 65536,
    },
    outbound=[
        {
            "rule_id": "PROHIBIT_ALL_OUTBOUND",
            "protocol": "-1",
            "port_range": "*",
            "destination": EVERYONE,
            "severity": "medium",
        }
    ],
)
"""The rules every team starts from: web, shell and desktop open to all, everything open to all, everything out."""

HTTP: Final = "PROHIBIT_HTTP"
SSH: Final = "PROHIBIT_ALL_TRAFFIC_SSH"
RDP: Final = "PROHIBIT_RDP"
ALL_V4: Final = "PROHIBIT_ALL_TRAFFIC_IPV4"
ALL_V6: Final = "PROHIBIT_ALL_TRAFFIC_IPV6"
WIDE_SSH: Final = "PROHIBIT_WIDE_SSH"
ALL_OUT: Final = "PROHIBIT_ALL_OUTBOUND"


def baseline(judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None) -> set[str]:
    """The rule ids that fire under the baseline."""
    return fired(bind(BASELINE), judged, prefix_lists)
