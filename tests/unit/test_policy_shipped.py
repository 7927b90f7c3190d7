from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from sg_compliance.model.addresses import parse_cidr
from sg_compliance.policy.bound import BoundRule, Kind
from sg_compliance.policy.lint import lint
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy, every_rule
from sg_compliance.policy.schema import schema_text
from tests.builders import EVERYONE, EVERYONE_V6, all_traffic, fired, group, permission, tcp, udp

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = [CONFIG / "security_policies.json", *sorted((CONFIG / "policies").glob("*.json"))]
TODAY = datetime(2026, 1, 15, tzinfo=UTC)
TAGS = dict.fromkeys(("Environment", "Owner", "Purpose", "Project"), "x")


def load(path: Path) -> Policy:
    return Policy(parse_policy(path.read_text(encoding="utf-8"), path.name).document)


def default() -> Policy:
    return load(SHIPPED[0])


def rule(rule_id: str) -> BoundRule:
    (found,) = (each for each in default().rules() if each.rule_id == rule_id)
    return found


def findings(name: str, *ingress: Json, environment: str = "production", egress: Sequence[Json] = ()) -> set[str]:
    policy = load(CONFIG / name)
    tags = {**TAGS, "Environment": environment}
    found = fired(policy, group(*ingress, tags=tags, egress=egress))
    return {rule_id for rule_id in found if not rule_id.startswith("GLOBAL")}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_policy_has_nothing_to_remark(path: Path) -> None:
    parsed = parse_policy(path.read_text(encoding="utf-8"), path.name)
    assert lint(parsed.document, TODAY) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_policy_keeps_to_the_schema_that_it_names(path: Path) -> None:
    written = json.loads(path.read_text(encoding="utf-8"))
    named = (path.parent / written["$schema"]).read_text(encoding="utf-8")
    assert list(Draft202012Validator(json.loads(named)).iter_errors(written)) == []
    assert named == schema_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_rule_says_why_and_every_policy_what_it_is(path: Path) -> None:
    document = load(path).document
    assert document.version
    assert document.description
    for found in every_rule(document):
        assert found.rule.description, found.path
        assert found.rule.reason or bound_kind(found.path) is Kind.ALLOWED, found.path


def bound_kind(path: str) -> Kind | None:
    return Kind.ALLOWED if "allow" in path else None


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_shipped_policy_names_an_account_or_exempts_anything(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = load(path).document
    assert not re.search(r"(?<![0-9])[0-9]{12}(?![0-9])", text)
    assert not document.exemptions.security_group_exemptions
    assert not document.exemptions.account_exemptions
    assert not document.policies().compliance_actions.remediation_settings.automatic_remediation


@pytest.mark.parametrize(
    ("rule_id", "protocol", "ports", "source", "severity"),
    [
        ("PROHIBIT_ALL_TRAFFIC_HTTP", 6, [(80, 80)], EVERYONE, "critical"),
        ("PROHIBIT_ALL_TRAFFIC_SSH", 6, [(22, 22)], EVERYONE, "critical"),
        ("PROHIBIT_ALL_TRAFFIC_RDP", 6, [(3389, 3389)], EVERYONE, "critical"),
        ("PROHIBIT_ALL_TRAFFIC_ANY_PORT", None, [(0, 65535)], EVERYONE, "critical"),
        ("PROHIBIT_IPV6_ALL_TRAFFIC", None, [(0, 65535)], EVERYONE_V6, "critical"),
        ("PROHIBIT_OUTBOUND_ALL_TRAFFIC", None, [(0, 65535)], EVERYONE, "high"),
    ],
)
def test_the_default_policy_keeps_the_prohibited_rules_that_people_know(
    rule_id: str, protocol: int | None, ports: list[tuple[int, int]], source: str, severity: str
) -> None:
    found = rule(rule_id)
    assert found.kind is Kind.PROHIBITED
    assert found.protocols == (None if protocol is None else {protocol})
    assert list(found.ports) == ports
    assert found.sources is not None
    assert found.sources.blocks == (parse_cidr(source),)
    assert found.severity == severity
    assert found.direction == ("egress" if "OUTBOUND" in rule_id else "ingress")


def test_the_default_policy_keeps_the_other_rules_that_people_know() -> None:
    databases, management = rule("RESTRICT_DATABASE_PORTS"), rule("RESTRICT_MANAGEMENT_PORTS")
    assert [first for first, _ in databases.ports] == [1433, 1521, 3306, 5432, 27017]
    assert list(management.ports) == [(22, 22), (3389, 3389), (5985, 5986)]
    assert management.sources is not None
    assert [str(block) for block in management.sources.blocks] == ["10.0.1.0/24", "10.0.2.0/24"]
    severities = {each.rule_id: each.severity.value for each in default().rules()}
    assert severities["RESTRICT_DATABASE_PORTS"] == severities["RESTRICT_MANAGEMENT_PORTS"] == "high"
    assert severities["PROD_NO_EPHEMERAL_PORTS"] == "medium"
    assert severities["STAGING_LIMIT_DEBUG_PORTS"] == "low"
    assert severities["DEV_ALLOW_DEBUG_PORTS"] == "info"
    assert rule("ALLOW_HTTP_FROM_ALB").pattern == rule("ALLOW_HTTPS_FROM_ALB").pattern
    assert rule("ALLOW_INTERNAL_VPC_COMMUNICATION").kind is Kind.ALLOWED


def test_a_public_load_balancer_on_https_is_no_finding() -> None:
    assert findings("security_policies.json", tcp(443, EVERYONE, EVERYONE_V6)) == set()


def test_an_application_that_admits_the_group_before_it_is_no_finding() -> None:
    assert findings("security_policies.json", tcp(5432, "sg-app"), tcp(22, "10.0.1.0/24"), tcp(8443, "sg-alb")) == set()


def test_a_cluster_that_admits_itself_on_every_port_is_no_finding() -> None:
    assert findings("security_policies.json", all_traffic("sg-0a1b2c3d")) == set()


@pytest.mark.parametrize("source", ["0.0.0.0/1", "2.0.0.0/7", "1.0.0.0/21"])
@pytest.mark.parametrize("port", [22, 3389, 5432, 6379, 2375, 445])
def test_a_wide_public_range_on_a_sensitive_port_is_found_though_it_is_not_the_internet(port: int, source: str) -> None:
    assert "PROHIBIT_WIDE_IPV4_SENSITIVE_PORTS" in findings("security_policies.json", tcp(port, source))


def test_a_wide_ipv6_range_is_found_too() -> None:
    assert "PROHIBIT_WIDE_IPV6_SENSITIVE_PORTS" in findings("security_policies.json", tcp(22, "2a00::/12"))
    assert findings("security_policies.json", tcp(8443, "2a00:1450:1::/48")) == set()


def test_an_office_range_on_another_port_is_no_finding() -> None:
    assert findings("security_policies.json", tcp(8443, "52.94.76.0/24")) == set()


def test_any_other_port_that_is_open_to_most_of_the_internet_is_found() -> None:
    assert findings("security_policies.json", udp(1194, "0.0.0.0/2")) == {"PROHIBIT_WIDE_IPV4_OTHER_PORTS"}


def test_everything_open_violates_everything_that_looks_at_it() -> None:
    found = findings("security_policies.json", all_traffic(EVERYONE, EVERYONE_V6), egress=[all_traffic(EVERYONE)])
    prohibited = {each.rule_id for each in default().rules() if each.kind is Kind.PROHIBITED}
    assert found >= prohibited - {"PROHIBIT_IPV6_OUTBOUND_ALL_TRAFFIC"}


def test_ping_from_anywhere_is_fine_and_all_of_icmp_is_not() -> None:
    assert findings("security_policies.json", permission("icmp", 8, -1, EVERYONE)) == set()
    assert findings("security_policies.json", permission("icmp", -1, -1, EVERYONE)) == {"PROHIBIT_PUBLIC_ICMP"}


def test_a_locked_group_complies_with_the_default_policy_in_every_environment() -> None:
    for environment in ("production", "staging", "development"):
        assert findings("security_policies.json", tcp(65535, "127.0.0.1/32"), environment=environment) == set()


def test_environments_differ_as_their_rules_say() -> None:
    ephemeral, debug = tcp(40000, "52.94.76.0/24"), tcp(8001, "52.94.76.0/24")
    assert findings("security_policies.json", ephemeral) == {"PROD_NO_EPHEMERAL_PORTS"}
    assert findings("security_policies.json", ephemeral, environment="staging") == set()
    assert findings("security_policies.json", debug, environment="staging") == {"STAGING_LIMIT_DEBUG_PORTS"}
    assert findings("security_policies.json", debug, environment="development") == set()


def test_the_cis_policy_finds_remote_administration_on_tcp_udp_and_every_protocol() -> None:
    name = "policies/cis-aws-foundations.json"
    for open_to_all in (tcp(22, EVERYONE), udp(3389, EVERYONE), all_traffic(EVERYONE)):
        assert "CIS_REMOTE_ADMINISTRATION_IPV4" in findings(name, open_to_all)
    assert findings(name, tcp(22, EVERYONE_V6)) == {"CIS_REMOTE_ADMINISTRATION_IPV6"}
    assert findings(name, tcp(445, "52.94.76.0/24")) == {"CIS_FILE_SHARING"}
    assert findings(name, tcp(445, "10.1.0.0/16"), tcp(443, EVERYONE)) == set()


def test_the_fsbp_policy_lets_the_web_in_and_nothing_else() -> None:
    name = "policies/fsbp.json"
    assert findings(name, tcp(80, EVERYONE), tcp(443, EVERYONE_V6)) == set()
    assert findings(name, tcp(8443, EVERYONE)) == {"EC2_18_AUTHORIZED_TCP_PORTS"}
    assert findings(name, udp(443, EVERYONE)) == {"EC2_18_AUTHORIZED_UDP_PORTS"}
    assert findings(name, tcp(22, EVERYONE)) == {
        *("EC2_13_SSH", "EC2_18_AUTHORIZED_TCP_PORTS", "EC2_19_HIGH_RISK_PORTS", "EC2_53_REMOTE_ADMINISTRATION_IPV4")
    }
    assert all(each.references for each in load(CONFIG / name).rules())


def test_the_strict_policy_finds_a_single_public_address() -> None:
    name = "policies/strict.json"
    assert findings(name, tcp(8443, "52.94.76.1/32")) == {"STRICT_INTERNET_HTTPS_ONLY"}
    assert findings(name, tcp(8443, "10.0.0.0/8")) == {"STRICT_NO_WHOLE_PRIVATE_NETWORK"}
    assert findings(name, tcp(22, "sg-bastion")) == {"STRICT_MANAGEMENT_PORTS"}
    assert findings(name, tcp(443, EVERYONE), tcp(5432, "sg-app"), tcp(22, "10.0.1.0/24")) == set()


def test_the_minimal_policy_is_three_rules() -> None:
    assert findings("policies/minimal.json", all_traffic(EVERYONE_V6)) == {
        *("NO_PUBLIC_SSH", "NO_PUBLIC_RDP", "NO_PUBLIC_ALL_TRAFFIC")
    }
    assert findings("policies/minimal.json", tcp(80, EVERYONE)) == set()
