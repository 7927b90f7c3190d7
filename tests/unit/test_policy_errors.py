"""What a person is told about a policy that cannot be used: where, what was expected and found, what is nearest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sg_compliance.errors import PolicyError, PolicyProblem
from sg_compliance.policy.parse import parse_policy

Json = dict[str, Any]

RULE: Json = {"rule_id": "R", "protocol": "tcp", "port_range": "22", "source": "0.0.0.0/0"}


def problems(written: object, source: str = "policy.json") -> list[PolicyProblem]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(written if isinstance(written, str) else json.dumps(written), source)
    return list(caught.value.problems)


def problem(written: object) -> PolicyProblem:
    (found,) = problems(written)
    return found


def inbound(*rules: Json) -> Json:
    return {
        "prohibited_rules": {"inbound": [{**RULE, "rule_id": f"R{index}", **rule} for index, rule in enumerate(rules)]}
    }


def restriction(**keys: object) -> Json:
    return {"environment_specific": {"production": {"additional_restrictions": [{"rule_id": "E", **keys}]}}}


def exemption(key: str = "sg-1", **keys: object) -> Json:
    entry = {"reason": "legacy", "exempted_rules": ["R0"], "expiry_date": "permanent", "approved_by": "team", **keys}
    kept = {key: value for key, value in entry.items() if value is not None}
    return {**inbound({}), "exemptions": {"security_group_exemptions": {key: kept}}}


PLACE = "prohibited_rules.inbound[0]"


@pytest.mark.parametrize(
    ("written", "path", "expected", "got", "nearest"),
    [
        ({"prohibited_rulse": {}}, "prohibited_rulse", "a known key", "'prohibited_rulse'", "prohibited_rules"),
        ({"zzz": 1}, "zzz", "one of ", "'zzz'", ""),
        (inbound({"severty": "low"}), f"{PLACE}.severty", "a known key", "'severty'", "severity"),
        (inbound({"severity": "hihg"}), f"{PLACE}.severity", "'info'", '"hihg"', "high"),
        (inbound({"severity": 5}), f"{PLACE}.severity", "'info'", "5", ""),
        (inbound({"protocol": "tpc"}), f"{PLACE}.protocol", "tcp, udp", '"tpc"', ""),
        (inbound({"protocol": 256}), f"{PLACE}.protocol", "0 to 255", "256", ""),
        (inbound({"port_range": "65536"}), f"{PLACE}.port_range", "0 to 65535", "'65536'", ""),
        (inbound({"port_range": "25-20"}), f"{PLACE}.port_range", "20-25", "'25-20'", ""),
        (inbound({"port_range": "ssh"}), f"{PLACE}.port_range", "a port", "'ssh'", ""),
        (inbound({"port_range": None, "port_ranges": ["22", "x"]}), f"{PLACE}.port_ranges[1]", "a port", "'x'", ""),
        (inbound({"protocol": "icmp", "port_range": "256"}), f"{PLACE}.port_range", "0 to 255", "'256'", ""),
        (inbound({"protocol": "47"}), f"{PLACE}.port_range", "no ports", "'22'", ""),
        (inbound({"source": "10.0.0.1/8"}), f"{PLACE}.source", "10.0.0.0/8", "'10.0.0.1/8'", ""),
        (inbound({"source": "10.0.0.0/33"}), f"{PLACE}.source", "a CIDR", "'10.0.0.0/33'", ""),
        (
            inbound({"source": "offcie"}) | {"x_networks": {"office": []}},
            f"{PLACE}.source",
            "a CIDR",
            "'offcie'",
            "office",
        ),
        (inbound({"source": ""}), f"{PLACE}.source", "at least 1 character", '""', ""),
        (inbound({"source": None, "destination": "::/0"}), f"{PLACE}.destination", "a source", "'destination'", ""),
        (
            {"prohibited_rules": {"outbound": [RULE]}},
            "prohibited_rules.outbound[0].source",
            "a destination",
            "'source'",
            "",
        ),
        (inbound({"enabled": "yes"}), f"{PLACE}.enabled", "true or false", '"yes"', ""),
        (
            inbound({"max_public_addresses": -1}),
            f"{PLACE}.max_public_addresses",
            "greater than or equal to 0",
            "-1",
            "",
        ),
        (inbound({"max_public_addresses": "9"}), f"{PLACE}.max_public_addresses", "a whole number", '"9"', ""),
        (inbound({"port_match": "all"}), f"{PLACE}.port_match", "'overlap' or 'cover'", '"all"', ""),
        (inbound({"source_match": "any"}), f"{PLACE}.source_match", "'overlap' or 'cover'", '"any"', ""),
        (inbound({"port_range": "0", "port_match": "cover"}), f"{PLACE}.port_match", '"overlap"', "'cover'", ""),
        (inbound({"port_range": "00 - 0", "port_match": "cover"}), f"{PLACE}.port_match", '"overlap"', "'cover'", ""),
        (inbound({"strategy": "trimm"}), f"{PLACE}.strategy", "'lockdown'", '"trimm"', "trim"),
        (inbound({"source_type": "group"}), f"{PLACE}.source_type", "'cidr'", '"group"', ""),
        (inbound({"source_pattern": "a{9999999999}"}), f"{PLACE}.source_pattern", "a regular expression", "a{9", ""),
        (inbound({"source_pattern": "(("}), f"{PLACE}.source_pattern", "a regular expression", '"(("', ""),
        (
            inbound({"source_pattern": "a", "source_type": "cidr"}),
            f"{PLACE}.source_pattern",
            "security_group",
            "'cidr'",
            "",
        ),
        (inbound({"rule_id": "a b"}), f"{PLACE}.rule_id", "of the form", '"a b"', ""),
        (inbound({"rule_id": "GLOBAL_MAX_RULES"}), f"{PLACE}.rule_id", "an id of its own", "global_rules", ""),
        (
            inbound({"rule_id": "A"}, {"rule_id": "A"}),
            "prohibited_rules.inbound[1].rule_id",
            "an id of its own",
            PLACE,
            "",
        ),
        ({"prohibited_rules": {"inbound": [{}]}}, f"{PLACE}.rule_id", "required", "nothing", ""),
        ({"prohibited_rules": {"inbound": {}}}, "prohibited_rules.inbound", "a list", "{}", ""),
        ({"prohibited_rules": []}, "prohibited_rules", "an object", "[]", ""),
        ({"prohibited_rules": {"inbound": ["R"]}}, PLACE, "an object", '"R"', ""),
        (restriction(source="any", allowed_sources=["any"]), "E.source", "either source", "both", ""),
        (restriction(restricted_port_ranges=["1"], source="any"), "E.source", "restricted_port_ranges", "both", ""),
        (restriction(allowed_sources=["any"], max_public_addresses=1), "E.max_public_addresses", "either", "both", ""),
        (restriction(allowed_sources=["any"], port_match="cover"), "E.port_match", "either", "both", ""),
        (
            restriction(source="any", destination="any"),
            "E",
            "sources or destinations",
            "both, source and destination",
            "",
        ),
        (exemption(approved_by=None), "X.approved_by", "required", "nothing", ""),
        (exemption(approved_by="  "), "X.approved_by", "at least 1 character", '"  "', ""),
        (exemption(reason=None), "X.reason", "required", "nothing", ""),
        (exemption(expiry_date="2027-01-31"), "X.expiry_date", "an RFC 3339 time", '"2027-01-31"', ""),
        (exemption(expiry_date="2027-02-30T00:00:00Z"), "X.expiry_date", "permanent", "2027-02-30", ""),
        (exemption(expiry_date="2027-01-31T00:00:00"), "X.expiry_date", "RFC 3339", "2027-01-31T00:00:00", ""),
        (exemption(expiry_date=0), "X.expiry_date", "RFC 3339", "0", ""),
        (exemption(expiry_date="0001-01-01T00:00:00+10:00"), "X.expiry_date", "RFC 3339", "0001", ""),
        (exemption(exempted_rules=[]), "X.exempted_rules", "at least 1 item", "[]", ""),
        (
            exemption(exempted_rules=["GLOBAL_MAX_RULE"]),
            "X.exempted_rules[0]",
            "id of a rule",
            "MAX",
            "GLOBAL_MAX_RULES",
        ),
        (exemption("web"), "exemptions.security_group_exemptions.web", "of the form", '"web"', ""),
        ({"accounts_config": [{"account_id": "1"}]}, "accounts_config[0].account_id", "of the form", '"1"', ""),
        ({"accounts_config": [{"account_id": "1" * 12}] * 2}, "accounts_config", "one entry an account", "2 for", ""),
        (
            {"accounts_config": [{"account_id": "1" * 12, "enforcement_level": "enforced"}]},
            *("accounts_config[0].enforcement_level", "'disabled'", '"enforced"', "enforce"),
        ),
        (
            {"accounts_config": [{"account_id": "1" * 12, "regions": ["eu-west"]}]},
            *("accounts_config[0].regions[0]", "of the form", '"eu-west"', ""),
        ),
        ({"account_specific_overrides": {"prod": {}}}, "account_specific_overrides.prod", "12-digit", "'prod'", ""),
        ({"account_specific_overrides": {"a1" + "1" * 12: {}}}, "account_specific_overrides.a1", "12-digit", "a1", ""),
        (
            {"account_specific_overrides": {"a" + "1" * 12: {}, "b" + "1" * 12: {}}},
            *("account_specific_overrides", "one entry an account", "2 for 111111111111", ""),
        ),
        (
            {"account_specific_overrides": {"1" * 12: {"prohibited_rule": {}}}},
            *(
                "account_specific_overrides.111111111111.prohibited_rule",
                "a known key",
                "prohibited_rule",
                "prohibited_rules",
            ),
        ),
        ({"environment_specific": {"prod": {}, "Production": {}}}, "environment_specific", "one entry", "2 for", ""),
        (
            {"environment_specific": {"prod": {"additional_restriction": []}}},
            *("environment_specific.prod.additional_restriction", "a known key", "'", "additional_restrictions"),
        ),
        ({"x_networks": {"office": ["10.0.0.1/8"]}}, "x_networks.office[0]", "10.0.0.0/8", "'10.0.0.1/8'", ""),
        ({"x_networks": {"any": []}}, "x_networks.any", "a name of its own", "'any'", ""),
        ({"x_networks": {"10.0.0.0/8": []}}, "x_networks.10.0.0.0/8", "a name of its own", "a source already", ""),
        ({"x_networks": {"office": "10.0.0.0/8"}}, "x_networks.office", "a list", '"10.0.0.0/8"', ""),
        ({"x_automation": {"*": {"threshold_per_hour": 9}}}, "x_automation.*", "names everybody", '"*"', ""),
        ({"x_automation": {"ci[1]": {"threshold_per_hour": 9}}}, "x_automation.ci[1]", "an ARN or", '"ci[1]"', ""),
        ({"x_automation": {"ci": {}}}, "x_automation.ci", "threshold_per_hour, or both", "{", ""),
        ({"x_automation": {"ci": 60}}, "x_automation.ci", "an object", "60", ""),
        (
            {"x_automation": {"ci": {"threshold_per_hour": "9"}}},
            "x_automation.ci.threshold_per_hour",
            "whole",
            '"9"',
            "",
        ),
        (
            {"x_automation": {"ci": {"threshold_per_minutes": 9}}},
            *("x_automation.ci.threshold_per_minutes", "a known key", "threshold_per_minutes", "threshold_per_minute"),
        ),
        ({"global_rules": {"max_rules_per_sg": 1.5}}, "global_rules.max_rules_per_sg", "whole number", "1.5", ""),
        ({"global_rules": {"required_tags": "Owner"}}, "global_rules.required_tags", "a list", '"Owner"', ""),
        (
            {"compliance_actions": {"notification_settings": {"alert_levels": {"high": "within_1_hours"}}}},
            *("compliance_actions.notification_settings.alert_levels.high", "'immediate'", "hours", "within_1_hour"),
        ),
        (
            {"compliance_actions": {"violation_handling": {"dummy_rule_config": {"cidr_blocks": ["127.0.0.1/8"]}}}},
            *(
                "compliance_actions.violation_handling.dummy_rule_config.cidr_blocks[0]",
                "127.0.0.0/8",
                "127.0.0.1/8",
                "",
            ),
        ),
        (
            {"compliance_actions": {"violation_handling": {"dummy_rule_config": {"from_port": 70000}}}},
            *("compliance_actions.violation_handling.dummy_rule_config.from_port", "65535", "70000", ""),
        ),
        (
            {"compliance_actions": {"violation_handling": {"dummy_rule_config": {"to_port": 1}}}},
            *("compliance_actions.violation_handling.dummy_rule_config", "from_port to be at most to_port", "{", ""),
        ),
        (
            {
                "real_time_scanning": {
                    "detection_rules": {"risky_rule_added": {"critical_patterns": [{"pattern": "*"}]}}
                }
            },
            *("real_time_scanning.detection_rules.risky_rule_added.critical_patterns[0].pattern", "a CIDR", '"*"', ""),
        ),
        (
            {"reporting": {"compliance_score_calculation": {"total_possible_points": 0}}},
            *("reporting.compliance_score_calculation.total_possible_points", "greater than 0", "0", ""),
        ),
        (
            {"reporting": {"compliance_score_calculation": {"deductions": {"high_violation": "10"}}}},
            *("reporting.compliance_score_calculation.deductions.high_violation", "number", '"10"', ""),
        ),
        ([1], "", "an object", "[1]", ""),
        ("{", "", "a well-formed document", "", ""),
        ("", "", "a well-formed document", "", ""),
        ('{"version": "1", "version": "2"}', "", "a well-formed document", "'version' stands twice", ""),
        (
            '{"prohibited_rules": {"inbound": [], "inbound": []}}',
            "",
            "a well-formed document",
            "'inbound' stands twice",
            "",
        ),
        ('{"metadata": {"share": NaN}}', "", "a well-formed document", "NaN is not a number in JSON", ""),
        ('{"metadata": {"share": 1e999}}', "metadata.share", "a finite number", "inf", ""),
        ('{"metadata": {"n": 1' + "0" * 60 + "}}", "metadata.n", "2 ** 128", "a larger one", ""),
        ('{"metadata": ' + "[" * 90 + "]" * 90 + "}", "metadata[0][0]", "at most 64 levels", "more", ""),
        ("[" * 100_000, "", "a well-formed document", "recursion", ""),
        ('{"version": "\\ud800"}', "version", "text", "surrogate", ""),
        ("9" * 5000, "", "a well-formed document", "4300 digits", ""),
    ],
)
def test_each_problem_names_its_place_what_was_expected_and_what_is_nearest(
    written: object, path: str, expected: str, got: str, nearest: str
) -> None:
    path = path.replace("E", "environment_specific.production.additional_restrictions[0]") if path[:1] == "E" else path
    path = path.replace("X", "exemptions.security_group_exemptions.sg-1") if path[:1] == "X" else path
    found = problem(written)
    assert found.path.startswith(path)
    assert expected in found.expected
    assert got in found.got
    assert found.suggestion == nearest


def test_all_problems_are_told_at_once_in_the_order_of_their_places() -> None:
    written = {
        "prohibited_rulse": {},
        "x_networks": {"office": ["10.0.0.1/8"]},
        **inbound({"severity": "bad", "source": "nowhere", "port_range": "99999"}),
        "exemptions": exemption("web")["exemptions"],
    }
    assert [each.path for each in problems(written)] == [
        "exemptions.security_group_exemptions.web",
        "prohibited_rules.inbound[0].port_range",
        "prohibited_rules.inbound[0].severity",
        "prohibited_rules.inbound[0].source",
        "prohibited_rulse",
        "x_networks.office[0]",
    ]


@pytest.mark.parametrize(
    "section",
    [
        *("global_rules", "prohibited_rules", "restricted_rules", "allowed_rules", "environment_specific"),
        *("compliance_actions", "real_time_scanning"),
    ],
)
def test_a_section_in_both_places_is_an_error_even_when_it_is_empty(section: str) -> None:
    found = problem({section: {}, "compliance_policies": {section: {}}})
    assert found.path == section
    assert found.got == "it stands here and in compliance_policies"


def test_the_error_reads_as_a_list_with_the_next_step() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy('{"prohibited_rulse": {}}', "p.json")
    assert str(caught.value) == (
        "p.json: 1 problem in the policy\n"
        "  prohibited_rulse: expected a known key, got 'prohibited_rulse'; did you mean 'prohibited_rules'?"
    )
    assert "sg-compliance policy check" in caught.value.hint


def test_the_same_document_always_gives_the_same_error() -> None:
    written = inbound({"severity": 1, "rule_id": 2, "port_range": [], "source": {}, "enabled": 0})
    assert len({tuple(problems(written)) for _ in range(5)}) == 1


@pytest.mark.parametrize("written", ["022", "22:30", "0x16", "2_2"])
def test_yaml_does_not_make_other_numbers_of_what_is_written(written: str) -> None:
    text = f"prohibited_rules: {{inbound: [{{rule_id: A, protocol: tcp, port_range: {written}, source: any}}]}}"
    if written == "022":
        assert parse_policy(text, "policy.yaml").document.prohibited_rules.inbound[0].port_range == written
        return
    with pytest.raises(PolicyError, match=written):
        parse_policy(text, "policy.yaml")
