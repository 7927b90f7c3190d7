"""Remarks on policies that are well formed: each by the smallest document that earns it, and one that just does not."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sg_compliance.policy.lint import INFOS, WARNINGS, Level, Lint, lint
from sg_compliance.policy.parse import parse_policy
from tests.builders import ACCOUNT, EVERYONE, allow, document, prohibit, prohibit_every_peer, restrict

Json = dict[str, Any]
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
OTHER = "444455556666"
FINE = prohibit(3389, rule_id="FINE", reason="r")


def remarks(written: Json, soon_days: int = 30) -> list[Lint]:
    return lint(parse_policy(json.dumps(written), "p.json").document, NOW, soon_days)


def codes(written: Json) -> set[str]:
    return {each.code for each in remarks(written)}


def rules(*prohibited: Json, **sections: Any) -> Json:  # noqa: ANN401 - JSON
    """A document whose rules all say why, under ids of their own."""
    made = document(*prohibited, **sections)
    return explained(made)


def explained(written: Json) -> Json:
    made = copy.deepcopy(written)
    _explain(made, [0])
    return made


def _explain(value: object, count: list[int]) -> None:
    if isinstance(value, dict):
        if "rule_id" in value and value["rule_id"] in {"RULE", "ALLOWED"}:
            count[0] += 1
            value["rule_id"] = f"R{count[0]}"
            value.setdefault("reason", "r")
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        _explain(item, count)


def production(*restrictions: Json, **keys: object) -> Json:
    return {"production": {"additional_restrictions": list(restrictions), **keys}}


def override(account: str = ACCOUNT, **keys: object) -> Json:
    return {"account_specific_overrides": {f"account_{account}": keys}}


def config(account: str = ACCOUNT, **keys: object) -> Json:
    return {"accounts_config": [{"account_id": account, **keys}]}


def exemption(scope: str = "account_exemptions", key: str = ACCOUNT, **keys: object) -> Json:
    entry = {"reason": "r", "exempted_rules": ["FINE"], "expiry_date": "2027-01-01T00:00:00Z", "approved_by": "ciso"}
    return {"exemptions": {scope: {key: {**entry, **keys}}}}


def scanning(**keys: object) -> Json:
    return {"real_time_scanning": {"enabled": True, **keys}}


def handling(**keys: object) -> Json:
    return {"compliance_actions": {"violation_handling": keys}}


def dummy(**keys: object) -> Json:
    return handling(dummy_rule_config=keys)


def escalation(**keys: object) -> Json:
    return scanning(notification_escalation=keys)


def remediation(name: str, **keys: object) -> Json:
    return scanning(remediation_settings={name: {"enabled": True, **keys}})


def networks(**named: list[str]) -> Json:
    return {"x_networks": named}


# code, a document that earns it, where, and a near miss that does not
CASES: list[tuple[str, Json, str, Json]] = [
    ("no-rules", rules(allowed=[allow(443)]), "", rules(FINE)),
    ("no-rules", rules(prohibit(22, enabled=False)), "", rules(restricted=[restrict(22, "10.0.0.0/8")])),
    (
        "never-binds",
        rules(FINE, environments=production(prohibit(22, environments=["staging"]))),
        "environment_specific.production.additional_restrictions[0].environments",
        rules(FINE, environments=production(prohibit(22, environments=["prod"]))),
    ),
    (
        "unknown-environment",
        rules(prohibit(22, environments=["prodution"])),
        "prohibited_rules.inbound[0].environments",
        rules(prohibit(22, environments=["prod"])),
    ),
    (
        "unknown-environment",
        rules(prohibit(22, environments=["sandbx"]), **config(environment="sandbox")),
        "prohibited_rules.inbound[0].environments",
        rules(prohibit(22, environments=["Sandbox"]), **config(environment="sandbox")),
    ),
    (
        "environment-undescribed",
        rules(prohibit(22, environments=["lab"])),
        "prohibited_rules.inbound[0].environments",
        rules(prohibit(22, environments=["lab"]), environments={"lab": {}}),
    ),
    (
        "environment-undescribed",
        rules(prohibit(22, environments=["lab"]), **override(environment_specific={"sandbox": {}})),
        "prohibited_rules.inbound[0].environments",
        rules(prohibit(22, environments=["lab"]), **override(environment_specific={"lab": {}})),
    ),
    (
        "never-matches",
        rules(prohibit(22, source_type="security_group")),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, "sg-1", source_type="security_group")),
    ),
    (
        "never-matches",
        rules(prohibit(22, "sg-1", source_type="cidr")),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, "internet", source_type="cidr")),
    ),
    (
        "never-matches",
        rules(prohibit(22, "sg-1", source_type="prefix_list")),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, "pl-1", source_type="prefix_list")),
    ),
    (
        "never-matches",
        rules(prohibit_every_peer(22, source_type="security_group", max_public_addresses=1)),
        "prohibited_rules.inbound[0]",
        rules(prohibit_every_peer(22, source_type="security_group")),
    ),
    (
        "never-matches",
        rules(FINE, allowed=[allow(22, "10.0.0.0/8", source_type="security_group")]),
        "allowed_rules.inbound[0]",
        rules(FINE, allowed=[allow(22, source_type="security_group", source_pattern=".*")]),
    ),
    (
        "never-matches",
        rules(prohibit(22, "office"), **networks(office=[])),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, "office"), **networks(office=["52.0.0.0/8"])),
    ),
    (
        "budget-never-exceeded",
        rules(prohibit(22, max_public_addresses=2**32)),
        "prohibited_rules.inbound[0].max_public_addresses",
        rules(prohibit(22, "any", max_public_addresses=2**32)),
    ),
    (
        "source-ignored",
        rules(prohibit(22, "52.0.0.0/8", max_public_addresses=5)),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, "any", max_public_addresses=5)),
    ),
    (
        "source-ignored",
        rules(prohibit(22, max_public_addresses=5, source_match="overlap")),
        "prohibited_rules.inbound[0].source_match",
        rules(prohibit(22, "internet", max_public_addresses=5)),
    ),
    (
        "restriction-allows-all",
        rules(restricted=[restrict(22, "any")]),
        "restricted_rules.inbound[0]",
        rules(restricted=[restrict(22, EVERYONE)]),
    ),
    (
        "restriction-allows-nobody",
        rules(restricted=[restrict(22)]),
        "restricted_rules.inbound[0]",
        rules(restricted=[restrict(22, source_pattern="bastion-.*")]),
    ),
    (
        "allowance-prohibited",
        rules(prohibit(22), allowed=[allow(22)]),
        "allowed_rules.inbound[0]",
        rules(prohibit(22), allowed=[allow(22, "10.0.0.0/8")]),
    ),
    (
        "allowance-prohibited",
        rules(prohibit(22, max_public_addresses=10), allowed=[allow(22, "52.0.0.0/24")]),
        "allowed_rules.inbound[0]",
        rules(prohibit(22, max_public_addresses=1000), allowed=[allow(22, "52.0.0.0/24")]),
    ),
    (
        "allowance-prohibited",
        rules(prohibit(22, "sg-1"), allowed=[allow(22, "sg-1", "sg-2")]),
        "allowed_rules.inbound[0]",
        rules(prohibit(22, "sg-1"), allowed=[allow("22-23", "sg-1")]),
    ),
    (
        "allowance-prohibited",
        rules(prohibit(22, environments=["prod"]), allowed=[allow(22, environments=["production"])]),
        "allowed_rules.inbound[0]",
        rules(prohibit(22, environments=["prod"]), allowed=[allow(22)]),
    ),
    (
        "allowance-prohibited",
        rules(prohibit(), allowed=[allow()]),
        "allowed_rules.inbound[0]",
        rules(prohibit(), allowed=[allow("1-1000")]),
    ),
    (
        "restriction-prohibited",
        rules(prohibit(22, "10.0.0.0/8"), restricted=[restrict("20-25", "10.0.0.0/8")]),
        "restricted_rules.inbound[0]",
        rules(prohibit(22, "10.0.0.0/8"), restricted=[restrict("20-25", "10.0.0.0/9")]),
    ),
    (
        "restriction-prohibited",
        rules(
            environments=production(prohibit_every_peer(50000)),
            restricted=[restrict(50000, "10.0.0.0/8", environments=["prod"])],
        ),
        "restricted_rules.inbound[0]",
        rules(
            environments=production(prohibit_every_peer(50000)),
            restricted=[restrict(50000, "10.0.0.0/8", environments=["staging"])],
        ),
    ),
    (
        "restriction-allowed",
        rules(restricted=[restrict(8080, "10.0.0.0/8")], allowed=[allow("8000-9000")]),
        "restricted_rules.inbound[0]",
        rules(restricted=[restrict(8080, "10.0.0.0/8")], allowed=[allow("8000-9000", "192.168.0.0/16")]),
    ),
    (
        "restriction-allowed",
        rules(FINE, environments=production(prohibit(22)), allowed=[allow(22, environments=["prod"])]),
        "environment_specific.production.additional_restrictions[0]",
        rules(FINE, environments=production(prohibit(22)), allowed=[allow(22, environments=["staging"])]),
    ),
    (
        "duplicate-rule",
        rules(prohibit(22), prohibit(22, severity="high", port_match="overlap")),
        "prohibited_rules.inbound[1]",
        rules(prohibit(22), prohibit(22, environments=["prod"], severity="high")),
    ),
    (
        "shadowed-rule",
        rules(prohibit(22), **override(additional_prohibited_rules=[prohibit(22)], inherit_global_rules=True)),
        f"account_specific_overrides.account_{ACCOUNT}.additional_prohibited_rules[0]",
        rules(prohibit(22), **override(additional_prohibited_rules=[prohibit(22)], inherit_global_rules=False)),
    ),
    (
        "duplicate-rule",
        rules(FINE, allowed=[allow(22, "10.0.0.0/8"), allow(22, "10.0.0.0/8")]),
        "allowed_rules.inbound[1]",
        rules(FINE, allowed=[allow(22, "10.0.0.0/8"), allow(22, "10.0.0.0/9")]),
    ),
    (
        "shadowed-rule",
        rules(prohibit(22, severity="high"), prohibit("20-25", "any", severity="high")),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, severity="critical"), prohibit("20-25", "any", severity="high")),
    ),
    (
        "shadowed-rule",
        rules(prohibit(22), prohibit(22, max_public_addresses=5)),
        "prohibited_rules.inbound[0]",
        rules(prohibit(22, references=["EC2.13"]), prohibit(22, max_public_addresses=5)),
    ),
    (
        "shadowed-rule",
        rules(prohibit(22, "any"), environments=production(prohibit(22))),
        "environment_specific.production.additional_restrictions[0]",
        rules(prohibit(22, "any", environments=["staging"]), environments=production(prohibit(22))),
    ),
    ("rule-disabled", rules(FINE, prohibit(22, enabled=False)), "prohibited_rules.inbound[1]", rules(FINE)),
    (
        "rule-unexplained",
        document({"rule_id": "A", "source": "any"}),
        "prohibited_rules.inbound[0]",
        document({"rule_id": "A", "source": "any", "description": "why"}),
    ),
    (
        "exemption-expired",
        rules(FINE, **exemption(expiry_date="2026-01-15T12:00:00Z")),
        f"exemptions.account_exemptions.{ACCOUNT}.expiry_date",
        rules(FINE, **exemption(expiry_date="2026-01-15T12:00:01Z")),
    ),
    (
        "exemption-expires-soon",
        rules(FINE, **exemption("security_group_exemptions", "sg-1", expiry_date="2026-02-14T12:00:00Z")),
        "exemptions.security_group_exemptions.sg-1.expiry_date",
        rules(FINE, **exemption("security_group_exemptions", "sg-1", expiry_date="2026-02-14T12:00:01Z")),
    ),
    (
        "exemption-permanent",
        rules(FINE, **exemption(expiry_date="permanent")),
        f"exemptions.account_exemptions.{ACCOUNT}.expiry_date",
        rules(FINE, **exemption()),
    ),
    (
        "exemption-unapproved",
        rules(FINE, **exemption(), **config(environment="prod"), environments=production(required_approvals=["board"])),
        f"exemptions.account_exemptions.{ACCOUNT}.approved_by",
        rules(FINE, **exemption(), **config(environment="dev"), environments=production(required_approvals=["board"])),
    ),
    (
        "exemption-disabled-account",
        rules(FINE, **exemption(), **config(enforcement_level="disabled")),
        f"exemptions.account_exemptions.{ACCOUNT}",
        rules(FINE, **exemption(), **config(enforcement_level="monitor")),
    ),
    (
        "exempts-disabled-rule",
        rules({**FINE, "enabled": False}, **exemption()),
        f"exemptions.account_exemptions.{ACCOUNT}.exempted_rules[0]",
        rules(FINE, **exemption()),
    ),
    (
        "unknown-account",
        rules(FINE, **config(OTHER), **override(inherit_global_rules=True)),
        f"account_specific_overrides.account_{ACCOUNT}",
        rules(FINE, **override(inherit_global_rules=True)),
    ),
    (
        "unknown-account",
        rules(FINE, **config(OTHER), **exemption()),
        f"exemptions.account_exemptions.{ACCOUNT}",
        rules(FINE, **config(ACCOUNT), **exemption()),
    ),
    (
        "network-unused",
        rules(FINE, **networks(office=["52.0.0.0/8"])),
        "x_networks.office",
        rules(FINE, restricted=[restrict(22, "office")], **networks(office=["52.0.0.0/8"])),
    ),
    (
        "network-empty",
        rules(FINE, **networks(office=[])),
        "x_networks.office",
        rules(FINE, **networks(office=["52.0.0.0/8"])),
    ),
    (
        "severity-told-twice",
        rules(FINE, **escalation(hourly_digest_severities=["critical", "high"])),
        "real_time_scanning.notification_escalation",
        rules(FINE, **escalation(hourly_digest_severities=["high"])),
    ),
    (
        "threshold-never-reached",
        rules(FINE, **scanning(detection_rules={"mass_operations_detected": {"threshold_per_hour": 9}})),
        "real_time_scanning.detection_rules.mass_operations_detected.threshold_per_minute",
        rules(FINE, **scanning(detection_rules={"mass_operations_detected": {"threshold_per_hour": 10}})),
    ),
    (
        "no-backup",
        rules(FINE, **remediation("emergency_remediation", backup_before_action=False)),
        "real_time_scanning.remediation_settings.emergency_remediation.backup_before_action",
        rules(FINE, **remediation("emergency_remediation", enabled=False, backup_before_action=False)),
    ),
    (
        "no-backup",
        rules(
            FINE,
            compliance_actions={
                "violation_handling": {"backup_rules_before_remediation": False},
                "remediation_settings": {"automatic_remediation": True},
            },
        ),
        "compliance_actions.violation_handling.backup_rules_before_remediation",
        rules(FINE, **handling(backup_rules_before_remediation=False)),
    ),
    (
        "real-time-off",
        rules(FINE, real_time_scanning={"remediation_settings": {"immediate_remediation": {"enabled": True}}}),
        "real_time_scanning.remediation_settings.immediate_remediation.enabled",
        rules(FINE, **remediation("immediate_remediation")),
    ),
    (
        "dummy-rule-public",
        rules(FINE, **dummy(cidr_blocks=["52.0.0.1/32"])),
        "compliance_actions.violation_handling.dummy_rule_config.cidr_blocks",
        rules(FINE, **dummy(cidr_blocks=["10.0.0.1/32", "127.0.0.1/32"])),
    ),
    (
        "dummy-rule-violates",
        rules(FINE, environments=production(prohibit_every_peer("32768-65535"))),
        "compliance_policies.compliance_actions.violation_handling.dummy_rule_config",
        rules(
            FINE, environments=production(prohibit_every_peer("32768-65535")), allowed=[allow(65535, "127.0.0.1/32")]
        ),
    ),
    (
        "dummy-rule-violates",
        rules(FINE, restricted=[restrict(None, "10.0.0.0/8")]),
        "compliance_policies.compliance_actions.violation_handling.dummy_rule_config",
        rules(FINE, restricted=[restrict(None, "10.0.0.0/8")], **handling(create_dummy_rule=False)),
    ),
    (
        "dummy-rule-violates",
        rules(FINE, **dummy(from_port=3389, to_port=3389, cidr_blocks=[EVERYONE])),
        "compliance_actions.violation_handling.dummy_rule_config",
        rules(FINE, **dummy(from_port=3389, to_port=3389)),
    ),
    (
        "dummy-rule-description",
        rules(FINE, **dummy(description="x" * 256)),
        "compliance_actions.violation_handling.dummy_rule_config.description",
        rules(FINE, **dummy(description="x" * 240 + "{violation_reason}")),
    ),
    (
        "dummy-rule-description",
        rules(FINE, **dummy(description="Locked – {violation_reason}")),
        "compliance_actions.violation_handling.dummy_rule_config.description",
        rules(FINE, **dummy(description="Locked - {violation_reason}")),
    ),
]


@pytest.mark.parametrize(("code", "written", "path", "near_miss"), CASES, ids=[case[0] for case in CASES])
def test_each_code_is_earned_and_just_missed(code: str, written: Json, path: str, near_miss: Json) -> None:
    found = [each for each in remarks(explained(written)) if each.code == code]
    assert [each.path for each in found] == [path]
    assert found[0].level == (Level.WARNING if code in WARNINGS else Level.INFO)
    assert found[0].message
    assert code not in codes(explained(near_miss))


def test_every_code_is_documented_and_earned_by_a_case() -> None:
    assert {case[0] for case in CASES} == {*WARNINGS, *INFOS}
    assert not set(WARNINGS) & set(INFOS)


def test_a_policy_of_one_good_rule_has_nothing_to_remark() -> None:
    assert remarks(rules(FINE)) == []


def test_how_soon_is_soon_is_for_the_caller_to_say() -> None:
    written = rules(FINE, **exemption(expiry_date="2026-01-25T12:00:00Z"))
    assert [each.code for each in remarks(written, 10)] == ["exemption-expires-soon"]
    assert remarks(written, 9) == []
    (found,) = remarks(written, 10)
    assert found.message == "expires in 10 days"


def test_a_remark_says_which_rule_and_what_to_do() -> None:
    (found,) = remarks(rules({**FINE, "rule_id": "A"}, {**FINE, "rule_id": "B"}))
    assert found == Lint(
        Level.WARNING, "duplicate-rule", "prohibited_rules.inbound[1]", "B says what A says", "delete one of them"
    )


def test_of_two_rules_that_tell_all_of_each_other_only_the_later_is_shadowed() -> None:
    written = rules(prohibit(22, EVERYONE, "internet"), prohibit(22, "internet"))
    assert [(each.code, each.path) for each in remarks(written)] == [("shadowed-rule", "prohibited_rules.inbound[1]")]


def test_a_rule_that_binds_nowhere_is_not_compared_with_others() -> None:
    nowhere = prohibit(22, environments=["staging"])
    assert codes(rules(prohibit(22), environments=production(nowhere))) == {"never-binds"}


def test_a_policy_with_every_key_can_be_linted() -> None:
    text = (Path(__file__).parents[1] / "data" / "policies" / "every_key.json").read_text(encoding="utf-8")
    assert lint(parse_policy(text, "p.json").document, NOW)


def test_the_paths_follow_the_section_wherever_it_stands() -> None:
    inside = {"compliance_policies": rules(FINE, **dummy(cidr_blocks=["52.0.0.1/32"]))}
    assert [each.path for each in remarks(inside)] == [
        "compliance_policies.compliance_actions.violation_handling.dummy_rule_config.cidr_blocks"
    ]
