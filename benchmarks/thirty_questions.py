"""The thirty questions every tool is asked: is this traffic open to, or from, the whole internet?

A question is data: direction, protocol, ports. The source is always "0.0.0.0/0 or ::/0", the one which all compared
tools can be asked in their own words. 26 ask about ingress, 4 about egress.

Here they become our policy document; each runner in `competitors/` translates the same data for its tool. The answers
are not the same question for question: our rules mean sets of traffic (docs/policy.md), the others match strings and
single permissions. The runners report how many groups each tool flags so that a difference can be seen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Direction = Literal["ingress", "egress"]
SOURCES = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Question:
    """`protocol` is tcp, udp, icmp or -1; `ports` are inclusive ranges, empty for all of them."""

    rule_id: str
    direction: Direction
    protocol: str
    ports: tuple[tuple[int, int], ...] = ()


def _tcp(rule_id: str, *ports: int | tuple[int, int]) -> Question:
    return Question(rule_id, "ingress", "tcp", tuple(p if isinstance(p, tuple) else (p, p) for p in ports))


QUESTIONS: tuple[Question, ...] = (
    _tcp("FTP", (20, 21)),
    _tcp("SSH", 22),
    _tcp("TELNET", 23),
    _tcp("SMTP", 25),
    _tcp("HTTP", 80),
    _tcp("MSRPC", 135),
    _tcp("NETBIOS", (137, 139)),
    _tcp("LDAP", 389, 636),
    _tcp("SMB", 445),
    _tcp("MSSQL", (1433, 1434)),
    _tcp("ORACLE", 1521, 2483),
    _tcp("NFS", 2049),
    _tcp("DOCKER", (2375, 2376)),
    _tcp("MYSQL", 3306),
    _tcp("RDP", 3389),
    _tcp("POSTGRES", 5432),
    _tcp("VNC", (5900, 5903)),
    _tcp("WINRM", (5985, 5986)),
    _tcp("REDIS", 6379),
    _tcp("ELASTICSEARCH", 9200, 9300, 5601),
    _tcp("MONGODB", (27017, 27018)),
    _tcp("CASSANDRA", 7199, 9042, 9160),
    Question("SNMP", "ingress", "udp", ((161, 162),)),
    Question("ICMP", "ingress", "icmp"),
    Question("ALL_TCP", "ingress", "tcp", ((0, 65535),)),
    Question("ALL_TRAFFIC", "ingress", "-1"),
    Question("EGRESS_SMTP", "egress", "tcp", ((25, 25),)),
    Question("EGRESS_SMB", "egress", "tcp", ((445, 445),)),
    Question("EGRESS_IRC", "egress", "tcp", ((6665, 6669),)),
    Question("EGRESS_ALL_TRAFFIC", "egress", "-1"),
)


ALL: Final = tuple(question.rule_id for question in QUESTIONS)


def as_data(rule_ids: Sequence[str] = ALL) -> list[dict[str, Any]]:
    """Return some questions as JSON-ready data, for a runner in another environment."""
    return [asdict(question) | {"sources": list(SOURCES)} for question in QUESTIONS if question.rule_id in rule_ids]


def as_policy_document(rule_ids: Sequence[str] = ALL) -> dict[str, Any]:
    """Return some questions as a policy document: so many prohibited rules and nothing else."""
    sections: dict[str, list[dict[str, Any]]] = {"inbound": [], "outbound": []}
    for question in QUESTIONS:
        if question.rule_id not in rule_ids:
            continue
        sections["inbound" if question.direction == "ingress" else "outbound"].append(_rule(question))
    return {
        "version": "1.0",
        "description": "The thirty questions of the benchmarks",
        "compliance_policies": {"prohibited_rules": sections},
    }


def _rule(question: Question) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "rule_id": question.rule_id,
        "description": f"{question.rule_id} open to the internet",
        "severity": "high",
        "reason": "asked by the benchmarks",
        "protocol": question.protocol,
        "source" if question.direction == "ingress" else "destination": "any",
    }
    if question.ports:
        rule["prohibited_port_ranges"] = [_text(ports) for ports in question.ports]
    return rule


def _text(ports: tuple[int, int]) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"
