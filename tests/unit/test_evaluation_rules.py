"""What each kind of rule means, by example: sources, restrictions, allowances, environments, exemptions, hygiene."""

from __future__ import annotations

import pytest

from sg_compliance.model.finding import FindingState
from sg_compliance.model.quota import quota_count
from sg_compliance.model.security_group import Direction
from tests.builders import (
    ACCOUNT,
    EVERYONE,
    EVERYONE_V6,
    Json,
    all_traffic,
    allow,
    fired,
    group,
    judge,
    lists,
    only,
    permission,
    policy,
    prohibit,
    prohibit_every_peer,
    restrict,
    tcp,
    udp,
    violated,
)

# Sources


def test_any_is_each_family_on_its_own() -> None:
    assert violated(prohibit(22, "any"), group(tcp(22, EVERYONE)))
    assert violated(prohibit(22, "any"), group(tcp(22, EVERYONE_V6)))
    assert not violated(prohibit(22, "any"), group(tcp(22, "0.0.0.0/1", "8000::/1")))


def test_half_the_ports_to_each_family_is_neither() -> None:
    assert not violated(prohibit(None, "any"), group(tcp("0-30000", EVERYONE), tcp("30001-65535", EVERYONE_V6)))


def test_internet_is_violated_by_one_public_address() -> None:
    assert violated(prohibit(22, "internet"), group(tcp(22, "8.8.8.8/32")))
    assert not violated(prohibit(22, "internet"), group(tcp(22, "10.0.0.0/8", "fd00::/8", "sg-1")))
    assert not violated(prohibit(22, "internet", source_match="cover"), group(tcp(22, "8.8.8.8/32")))


def test_a_block_that_is_not_whole_must_be_covered_with_its_private_addresses() -> None:
    rule = prohibit(22, "192.168.0.0/15")
    assert not violated(rule, group(tcp(22, "192.169.0.0/16")))
    assert violated(rule, group(tcp(22, "192.169.0.0/16", "192.168.0.0/17", "192.168.128.0/17")))


def test_source_match_overlap_needs_one_common_address() -> None:
    rule = prohibit(22, "10.0.0.0/8", source_match="overlap")
    assert violated(rule, group(tcp(22, "10.255.255.255/32")))
    assert not violated(rule, group(tcp(22, "11.0.0.0/8")))


def test_a_named_network_is_its_blocks() -> None:
    bound = policy(prohibit(22, "office"), x_networks={"office": ["10.1.0.0/16", "10.9.0.0/16"]})
    assert violated(bound, group(tcp(22, "10.9.0.0/17", "10.9.128.0/17")))
    assert not violated(bound, group(tcp(22, "10.8.0.0/16")))


def test_a_rule_without_a_source_is_violated_by_every_peer() -> None:
    for peer in ("10.0.0.1/32", "fd00::1/128", "sg-1"):
        assert violated(prohibit_every_peer(23), group(tcp(23, peer)))


def test_a_rule_without_a_source_leaves_doubt_about_an_unreadable_list() -> None:
    finding = only(judge(prohibit_every_peer(23), group(tcp(23, "pl-1")), {"pl-1": None}))
    assert not finding.certain


def test_a_prohibited_group_is_prohibited_by_id_and_by_pattern() -> None:
    assert violated(prohibit(22, "sg-1"), group(tcp(22, "sg-1")))
    assert not violated(prohibit(22, "sg-1"), group(tcp(22, "sg-12", EVERYONE)))
    assert violated(prohibit_every_peer(22, source_pattern="sg-.*"), group(tcp(22, "sg-12")))
    assert not violated(prohibit_every_peer(22, source_pattern="sg-1"), group(tcp(22, "sg-12")))


def test_an_unreadable_list_does_not_match_a_pattern_for_groups() -> None:
    assert not violated(prohibit_every_peer(22, source_pattern="sg-.*"), group(tcp(22, "pl-1")), {"pl-1": None})


def test_a_cidr_rule_sees_the_cidrs_in_a_prefix_list() -> None:
    assert violated(prohibit(22, source_type="cidr"), group(tcp(22, "pl-1")), {"pl-1": [EVERYONE]})
    assert violated(prohibit(22, source_type="cidr"), group(tcp(22, "0.0.0.0/1", "pl-1")), {"pl-1": ["128.0.0.0/1"]})


def test_a_block_but_one_address_is_not_covered() -> None:
    rule = prohibit(22, "10.0.0.0/30")
    assert not violated(rule, group(tcp(22, "10.0.0.0/31", "10.0.0.2/32")))
    assert violated(rule, group(tcp(22, "10.0.0.0/31", "10.0.0.2/32", "10.0.0.3/32")))


def test_a_budget_on_any_counts_each_family_on_its_own() -> None:
    rule = prohibit(22, "any", max_public_addresses=1)
    assert not violated(rule, group(tcp(22, "8.8.8.8/32", "2600::1/128")))
    assert violated(rule, group(tcp(22, "2600::/127")))
    assert violated(rule, group(tcp(22, "8.8.8.8/31")))


# Ports


def test_one_common_port_is_enough_for_ports_1_to_65535() -> None:
    assert violated(prohibit("1-65535"), group(tcp(443, EVERYONE)))


def test_a_budget_on_all_ports_needs_one_of_them() -> None:
    assert violated(prohibit(None, max_public_addresses=256), group(tcp(443, "8.8.0.0/16")))


def test_several_ranges_are_one_set_of_ports() -> None:
    rule = prohibit(None, port_ranges=["20-21", "3306", 5432])
    assert [violated(rule, group(tcp(port, EVERYONE))) for port in (20, 22, 3306, 5432)] == [True, False, True, True]


# Restricted


def test_restricted_traffic_from_outside_violates() -> None:
    rule = restrict(5432, "10.0.0.0/8")
    assert not violated(rule, group(tcp(5432, "10.1.0.0/16", "10.0.0.0/8")))
    assert violated(rule, group(tcp(5432, "10.1.0.0/16", "11.0.0.1/32")))
    assert violated(rule, group(tcp(5432, "8.0.0.0/5")))
    assert violated(rule, group(all_traffic("0.0.0.0/32")))
    assert not violated(rule, group(tcp(5433, EVERYONE), udp(5432, EVERYONE)))


def test_neighbouring_allowed_blocks_hold_the_block_that_spans_them() -> None:
    assert not violated(restrict(22, "10.0.0.0/9", "10.128.0.0/9"), group(tcp(22, "10.0.0.0/8")))


def test_a_prefix_list_is_inside_when_all_its_entries_are() -> None:
    rule, open_to_list = restrict(22, "10.0.0.0/8"), group(tcp(22, "pl-1"))
    assert not violated(rule, open_to_list, {"pl-1": ["10.1.0.0/16"]})
    assert violated(rule, open_to_list, {"pl-1": ["10.1.0.0/16", "11.0.0.0/16"]})


def test_what_an_allowed_prefix_list_holds_is_inside() -> None:
    assert not violated(restrict(22, "pl-1"), group(tcp(22, "10.1.0.0/16")), {"pl-1": ["10.0.0.0/8"]})


def test_an_unreadable_list_outside_is_a_doubt() -> None:
    finding = only(judge(restrict(22, "10.0.0.0/8"), group(tcp(22, "pl-1")), {"pl-1": None}))
    assert not finding.certain
    assert finding.unknown_peers == ("pl-1",)


def test_a_restriction_to_named_groups_is_violated_by_addresses() -> None:
    rule = restrict(22, source_type="security_group", source_pattern="sg-bastion.*")
    assert not violated(rule, group(tcp(22, "sg-bastion1")))
    assert violated(rule, group(tcp(22, "sg-other")))
    assert violated(rule, group(tcp(22, EVERYONE)))


def test_restricted_outbound_traffic_goes_to_allowed_destinations() -> None:
    bound = policy(
        restricted_outbound=[
            {"rule_id": "R", "protocol": "tcp", "port_range": "25", "allowed_destinations": ["10.0.0.0/8"]}
        ]
    )
    assert violated(bound, group(egress=[tcp(25, EVERYONE)]))
    assert not violated(bound, group(tcp(25, EVERYONE), egress=[tcp(25, "10.0.0.0/9")]))


# Allowed


def test_allowed_traffic_is_taken_out_before_a_restriction_looks() -> None:
    bound = policy(restricted=[restrict(22, "10.0.0.0/8")], allowed=[allow(22, "192.0.2.0/24")])
    assert not violated(bound, group(tcp(22, "192.0.2.0/25", "10.0.0.0/8")))
    assert violated(bound, group(tcp(22, "192.0.2.0/23")))


def test_allowed_traffic_on_one_port_excuses_no_other() -> None:
    bound = policy(restricted=[restrict("22-23", "10.0.0.0/8")], allowed=[allow(22, EVERYONE)])
    assert not violated(bound, group(tcp(22, EVERYONE)))
    assert violated(bound, group(tcp("22-23", EVERYONE)))


def test_prohibition_wins_over_allowance() -> None:
    assert violated(
        policy(prohibit(22), allowed=[allow(22), allow(22, EVERYONE, rule_id="A2")]), group(tcp(22, EVERYONE))
    )


def test_an_allowed_rule_without_a_source_is_about_every_peer() -> None:
    bound = policy(restricted=[restrict(22)], allowed=[allow(22)])
    assert not violated(bound, group(tcp(22, EVERYONE, "sg-1", "pl-1", EVERYONE_V6)), {"pl-1": None})


def test_traffic_that_is_allowed_out_is_not_allowed_in() -> None:
    bound = policy(restricted=[restrict(22, "10.0.0.0/8")], allowed_outbound=[allow(22, rule_id="OUT")])
    assert violated(bound, group(tcp(22, EVERYONE)))


# Environments


def production(*restrictions: Json, **keys: object) -> Json:
    return {"production": {"additional_restrictions": list(restrictions), **keys}}


EPHEMERAL: Json = {"rule_id": "E", "protocol": "tcp", "prohibited_port_ranges": ["32768-65535"], "severity": "medium"}


@pytest.mark.parametrize("name", ["prod", "production", "Production", "PROD"])
def test_the_environment_is_the_groups_tag(name: str) -> None:
    bound = policy(environments=production(EPHEMERAL), environment="dev")
    assert fired(bound, group(tcp(40000, "10.0.0.1/32"), tags={"Environment": name})) == {"E"}


def test_the_environment_is_else_the_accounts_else_the_deployments() -> None:
    accounts = [{"account_id": ACCOUNT, "environment": "prod"}]
    open_port = group(tcp(40000, "sg-1"))
    assert fired(
        policy(environments=production(EPHEMERAL), accounts_config=accounts, environment="dev"), open_port
    ) == {"E"}
    assert fired(policy(environments=production(EPHEMERAL), environment="prod"), open_port) == {"E"}
    assert fired(policy(environments=production(EPHEMERAL)), open_port) == set()
    assert not violated(
        policy(environments=production(EPHEMERAL), environment="prod"),
        group(tcp(40000, "sg-1"), tags={"Environment": "dev"}),
    )


def test_a_rule_for_some_environments_binds_there_only() -> None:
    bound = policy(prohibit(22, environments=["stage", "prod"]))
    assert violated(bound, group(tcp(22, EVERYONE), tags={"Environment": "staging"}))
    assert not violated(bound, group(tcp(22, EVERYONE), tags={"Environment": "dev"}))
    assert not violated(bound, group(tcp(22, EVERYONE)))


def test_additional_allowances_are_taken_out_before_restrictions_of_the_environment() -> None:
    bound = policy(
        environments=production(EPHEMERAL, additional_allowances=[allow("40000-40010", "10.0.0.0/8")]),
        environment="prod",
    )
    assert not violated(bound, group(tcp("40000-40001", "10.0.0.0/9")))
    assert violated(bound, group(tcp("40000-40011", "10.0.0.0/9")))
    assert violated(bound, group(tcp("40000-40001", EVERYONE)))


def test_an_allowance_leaves_less_than_every_port_for_a_rule_on_all_of_them() -> None:
    tcp_allowed = [allow(443, EVERYONE)]
    every = production(prohibit(None), additional_allowances=tcp_allowed)
    assert not violated(policy(environments=every, environment="prod"), group(tcp("0-65535", EVERYONE)))
    every = production(prohibit(None, protocol="-1"), additional_allowances=tcp_allowed)
    assert not violated(policy(environments=every, environment="prod"), group(all_traffic(EVERYONE)))


def test_an_environment_may_restrict_traffic_to_allowed_sources() -> None:
    bound = policy(environments=production(restrict(22, "10.0.0.0/8")), environment="prod")
    assert violated(bound, group(tcp(22, EVERYONE)))
    assert not violated(bound, group(tcp(22, "10.0.0.0/8")))


# Accounts


def test_an_override_adds_rules_or_replaces_them() -> None:
    for inherit, expected in ((True, {"RULE", "MORE"}), (False, {"MORE"})):
        override = {"inherit_global_rules": inherit, "additional_prohibited_rules": [prohibit(22, rule_id="MORE")]}
        bound = policy(prohibit(22), account_specific_overrides={f"account_{ACCOUNT}": override})
        assert fired(bound, group(tcp(22, EVERYONE))) == expected
        assert fired(bound, group(tcp(22, EVERYONE), account="999988887777")) == {"RULE"}


def test_an_additional_rule_with_a_destination_is_outbound() -> None:
    rule = {"rule_id": "OUT", "protocol": "tcp", "port_range": "25", "destination": EVERYONE}
    bound = policy(account_specific_overrides={ACCOUNT: {"additional_prohibited_rules": [rule]}})
    assert fired(bound, group(egress=[tcp(25, EVERYONE)])) == {"OUT"}
    assert fired(bound, group(tcp(25, EVERYONE))) == set()


# Exemptions


def exempt(expiry: str) -> Json:
    entry = {"reason": "legacy", "exempted_rules": ["RULE"], "expiry_date": expiry, "approved_by": "security"}
    return {"security_group_exemptions": {"sg-0a1b2c3d": entry}}


def test_an_exempt_finding_is_still_reported() -> None:
    finding = only(judge(policy(prohibit(22), exemptions=exempt("2026-01-25T12:00:00Z")), group(tcp(22, EVERYONE))))
    assert finding.state is FindingState.EXEMPT
    assert finding.exemption is not None
    assert (finding.exemption.reason, finding.exemption.approved_by, finding.exemption.days_left) == (
        "legacy",
        "security",
        10,
    )


def test_an_expired_exemption_counts_again_and_says_so() -> None:
    finding = only(judge(policy(prohibit(22), exemptions=exempt("2026-01-15T12:00:00Z")), group(tcp(22, EVERYONE))))
    assert finding.state is FindingState.OPEN
    assert finding.exemption is not None
    assert "expired" in finding.exemption.lapsed


def test_a_permanent_exemption_does_not_expire() -> None:
    finding = only(judge(policy(prohibit(22), exemptions=exempt("permanent")), group(tcp(22, EVERYONE))))
    assert finding.state is FindingState.EXEMPT


# Hygiene


def test_all_missing_tags_are_one_finding() -> None:
    bound = policy(global_rules={"enforce_tagging": True, "required_tags": ["Owner", "Team", "Cost"]})
    finding = only(judge(bound, group(tags={"Team": "web", "Cost": " "})))
    assert (finding.rule_id, finding.severity.value) == ("GLOBAL_REQUIRED_TAGS", "medium")
    assert all(tag in finding.message for tag in ("Owner", "Cost"))
    assert "Team" not in finding.message


def test_a_rule_without_a_description_is_low() -> None:
    bound = policy(global_rules={"require_descriptions": True, "min_description_length": 5})
    finding = only(
        judge(bound, group(tcp(22, "10.0.0.1/32", description="why"), tcp(23, "10.0.0.1/32", description="because")))
    )
    assert (finding.rule_id, finding.severity.value, len(finding.evidence)) == ("GLOBAL_REQUIRE_DESCRIPTIONS", "low", 1)


def test_rules_are_counted_as_aws_counts_its_quota() -> None:
    counted = group(
        tcp(22, "10.0.0.1/32", "10.0.0.2/32", "fd00::1/128", "sg-1", "pl-1"), egress=[all_traffic(EVERYONE)]
    )
    known = lists({"pl-1": ["10.0.0.0/8", "11.0.0.0/8"]})
    assert quota_count(counted.rules, Direction.INGRESS, known) == {4: 5, 6: 4}
    assert quota_count(counted.rules, Direction.EGRESS, known) == {4: 1, 6: 0}


def test_more_rules_than_wanted_are_a_finding_of_their_direction() -> None:
    bound = policy(global_rules={"max_rules_per_sg": 2})
    assert not violated(
        bound, group(tcp(22, "10.0.0.1/32", "10.0.0.2/32", "fd00::1/128"), egress=[all_traffic(EVERYONE)])
    )
    finding = only(judge(bound, group(tcp(22, "10.0.0.1/32", "10.0.0.2/32", "sg-1"))))
    assert (finding.rule_id, finding.direction) == ("GLOBAL_MAX_RULES", Direction.INGRESS)


# Findings


def test_a_finding_has_the_same_id_whenever_and_however_it_is_found() -> None:
    one = only(judge(prohibit(22), group(tcp(22, EVERYONE))))
    other = only(
        judge(
            policy(prohibit(22), prohibit(23, rule_id="B")),
            group(permission("6", "20", "22", "0.0.0.0/1", "128.0.0.0/1")),
        )
    )
    assert one.id == other.id
    assert one.id != only(judge(prohibit(22), group(tcp(22, EVERYONE), group_id="sg-2"))).id


def test_each_rule_and_direction_has_an_id_of_its_own() -> None:
    out = {"rule_id": "OUT", "protocol": "tcp", "port_range": "22", "destination": EVERYONE}
    bound = policy(prohibit(22), prohibit("20-23", rule_id="B"), outbound=[out])
    findings = judge(bound, group(tcp(22, EVERYONE), egress=[tcp(22, EVERYONE)]))
    assert len({finding.id for finding in findings}) == len(findings) == 3


def test_the_overlap_says_ports_blocks_and_public_addresses() -> None:
    (overlap,) = only(
        judge(prohibit("20-22", source_match="overlap", port_match="overlap"), group(tcp("21-80", "192.168.0.0/15")))
    ).overlaps
    assert (overlap.protocol, overlap.ports.intervals, [str(each) for each in overlap.cidrs]) == (
        6,
        ((21, 22),),
        ["192.168.0.0/15"],
    )
    assert overlap.public_addresses == 65536


def test_the_overlap_of_restricted_traffic_is_what_is_outside() -> None:
    (overlap,) = only(judge(restrict(22, "0.0.0.0/1"), group(tcp(22, EVERYONE)))).overlaps
    assert [str(each) for each in overlap.cidrs] == ["128.0.0.0/1"]


def test_the_overlap_of_a_prohibited_block_is_inside_that_block() -> None:
    (overlap,) = only(judge(prohibit(22, "10.0.0.0/8", source_match="overlap"), group(tcp(22, EVERYONE)))).overlaps
    assert [str(each) for each in overlap.cidrs] == ["10.0.0.0/8"]
