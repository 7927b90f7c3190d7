"""Which rules bind a group: by account, environment, override; and what the text of a rule means when it is bound."""

from __future__ import annotations

from typing import Any

import pytest

from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import ALL_PORTS, WITH_PORTS, Direction
from sg_compliance.policy.bound import BoundRule, Kind, Match, SourceType
from tests.builders import ACCOUNT, EVERYONE, allow, bind, fired, group, prohibit, restrict, tcp

Json = dict[str, Any]
OTHER = "444455556666"


def rules(*names: str) -> list[Json]:
    return [prohibit(22, rule_id=name) for name in names]


def bound_in(written: Json, environment: str | None = None, account: str = ACCOUNT) -> list[str]:
    rule_set = bind(written).rule_set(account, environment)
    return [rule.rule_id for rule in (*rule_set.rules, *rule_set.allowances)]


def the_rule(section: str = "prohibited_rules", side: str = "inbound", **keys: object) -> BoundRule:
    (found,) = bind({section: {side: [{"rule_id": "R", **keys}]}}).rules()
    return found


def the_restriction(**keys: object) -> BoundRule:
    section = {"production": {"additional_restrictions": [{"rule_id": "R", **keys}]}}
    (found,) = bind({"environment_specific": section}).rules()
    return found


# Environments


@pytest.mark.parametrize("name", ["prod", "production", "Production", " PROD "])
@pytest.mark.parametrize("written", ["prod", "production"])
def test_an_environment_has_one_meaning_under_all_its_names(name: str, written: str) -> None:
    policy = bind({"environment_specific": {written: {"additional_restrictions": rules("P")}}})
    tagged = group(tcp(22, EVERYONE), tags={"Environment": name})
    assert fired(policy, tagged) == {"P"}
    assert fired(policy, group(tcp(22, EVERYONE), tags={"Environment": "staging"})) == set()


@pytest.mark.parametrize(("short", "long"), [("dev", "development"), ("stage", "staging")])
def test_the_other_short_names_are_known_as_well(short: str, long: str) -> None:
    written = {"environment_specific": {short: {"additional_restrictions": rules("E")}}}
    assert bound_in(written, long) == ["E"]


def test_an_environment_of_ones_own_is_as_good() -> None:
    assert bound_in({"environment_specific": {"Sandbox-7": {"additional_restrictions": rules("E")}}}, "sandbox-7") == [
        "E"
    ]


def test_the_tag_comes_before_the_account_and_the_account_before_the_deployment() -> None:
    section = {"additional_restrictions": rules("E")}
    written = {"environment_specific": {"staging": section}}
    of_account = {"accounts_config": [{"account_id": ACCOUNT, "environment": "staging"}]}
    plain, tagged = group(tcp(22, EVERYONE)), group(tcp(22, EVERYONE), tags={"Environment": "stage"})
    blank = group(tcp(22, EVERYONE), tags={"Environment": " "})
    assert fired(bind(written), plain) == set()
    assert fired(bind(written, "staging"), plain) == {"E"}
    assert fired(bind(written | of_account, "production"), plain) == {"E"}
    assert fired(bind(written | of_account, "production"), blank) == {"E"}
    assert fired(bind(written, "production"), tagged) == {"E"}


def test_a_rule_with_environments_binds_nowhere_else() -> None:
    written = {"prohibited_rules": {"inbound": [prohibit(22, environments=["prod", "staging"])]}}
    assert [name for name in ("production", "staging", "development", None) if bound_in(written, name)] == [
        *("production", "staging")
    ]


def test_the_allowances_of_an_environment_excuse_its_restrictions_only_there() -> None:
    section = {"additional_allowances": [allow("8000-9000")]}
    written = {
        "restricted_rules": {"inbound": [restrict(8080, "10.0.0.0/8")]},
        "environment_specific": {"dev": section},
    }
    policy, opened = bind(written), tcp(8080, EVERYONE)
    assert fired(policy, group(opened, tags={"Environment": "dev"})) == set()
    assert fired(policy, group(opened, tags={"Environment": "prod"})) == {"RULE"}


def test_a_rule_that_is_switched_off_does_not_bind() -> None:
    written = {"prohibited_rules": {"inbound": [prohibit(22, enabled=False)]}}
    assert bound_in(written) == []
    assert list(bind(written).rules()) == []


# Overrides


def override(**keys: object) -> Json:
    return {
        "prohibited_rules": {"inbound": rules("GLOBAL")},
        "global_rules": {"max_rules_per_sg": 5, "enforce_tagging": True, "required_tags": ["Owner"]},
        "environment_specific": {"prod": {"additional_restrictions": rules("PROD"), "required_approvals": ["ciso"]}},
        "account_specific_overrides": {f"account_{ACCOUNT}": keys},
    }


def test_an_override_adds_to_what_the_account_inherits() -> None:
    written = override(
        additional_prohibited_rules=rules("MORE"),
        prohibited_rules={"inbound": rules("OWN")},
        environment_specific={"production": {"additional_restrictions": rules("OWN_PROD")}},
        allowed_rules={"inbound": [allow(443)]},
    )
    assert bound_in(written, "production") == ["GLOBAL", "PROD", "OWN", "OWN_PROD", "MORE", "ALLOWED"]
    assert bound_in(written, "staging") == ["GLOBAL", "OWN", "MORE", "ALLOWED"]
    assert bound_in(written, "production", OTHER) == ["GLOBAL", "PROD"]


def test_an_account_that_inherits_nothing_has_only_its_own() -> None:
    written = override(inherit_global_rules=False, additional_prohibited_rules=rules("MORE"))
    rule_set = bind(written).rule_set(ACCOUNT, "production")
    assert [rule.rule_id for rule in rule_set.rules] == ["MORE"]
    assert rule_set.hygiene.required_tags == ()
    assert rule_set.hygiene.max_rules is None
    assert rule_set.required_approvals == ()


def test_hygiene_of_an_override_changes_only_the_keys_that_it_names() -> None:
    hygiene = bind(override(global_rules={"max_rules_per_sg": 9})).rule_set(ACCOUNT, None).hygiene
    assert (hygiene.max_rules, hygiene.required_tags) == (9, ("Owner",))


def test_hygiene_of_an_account_that_inherits_nothing_starts_from_nothing() -> None:
    written = override(inherit_global_rules=False, global_rules={"max_rules_per_sg": 9})
    hygiene = bind(written).rule_set(ACCOUNT, None).hygiene
    assert (hygiene.max_rules, hygiene.required_tags) == (9, ())


@pytest.mark.parametrize("key", [ACCOUNT, f"account_{ACCOUNT}", f"prod shop {ACCOUNT}"])
def test_an_override_may_stand_under_any_key_that_ends_in_the_account(key: str) -> None:
    written = {"account_specific_overrides": {key: {"additional_prohibited_rules": rules("MORE")}}}
    assert bound_in(written) == ["MORE"]
    (found,) = bind(written).rules()
    assert found.path == f"account_specific_overrides.{key}.additional_prohibited_rules[0]"


def test_additional_prohibited_rules_are_about_egress_when_they_name_a_destination() -> None:
    added = [{"rule_id": "IN", "source": "any"}, {"rule_id": "OUT", "destination": "any"}, {"rule_id": "ALL"}]
    written = {"account_specific_overrides": {ACCOUNT: {"additional_prohibited_rules": added}}}
    assert [rule.direction for rule in bind(written).rules()] == [
        Direction.INGRESS,
        Direction.EGRESS,
        Direction.INGRESS,
    ]


def test_approvals_are_those_of_the_environment_and_of_the_account() -> None:
    written = override(environment_specific={"production": {"required_approvals": ["owner", "ciso"]}})
    policy = bind(written)
    assert policy.rule_set(ACCOUNT, "production").required_approvals == ("ciso", "owner")
    assert policy.rule_set(OTHER, "production").required_approvals == ("ciso",)
    assert policy.rule_set(OTHER, "staging").required_approvals == ()


def test_all_rules_are_told_whatever_they_are_for() -> None:
    written = override(
        inherit_global_rules=False,
        additional_prohibited_rules=rules("MORE"),
        environment_specific={"lab": {"additional_restrictions": rules("LAB"), "additional_allowances": [allow(1)]}},
        restricted_rules={"outbound": [{"rule_id": "R", "allowed_destinations": ["any"]}]},
    )
    told = [rule.rule_id for rule in bind(written).rules()]
    assert told == ["GLOBAL", "PROD", "R", "LAB", "ALLOWED", "MORE"]


def test_the_same_account_and_environment_give_the_same_rule_set_object() -> None:
    policy = bind(override())
    assert policy.rule_set(ACCOUNT, "production") is policy.rule_set(ACCOUNT, "production")


def test_hygiene_asks_only_what_is_switched_on() -> None:
    written: Json = {"global_rules": {"required_tags": ["Owner"], "min_description_length": 10}}
    hygiene = bind(written).rule_set(ACCOUNT, None).hygiene
    assert (hygiene.required_tags, hygiene.min_description) == ((), None)
    written["global_rules"] |= {"enforce_tagging": True, "require_descriptions": True}
    hygiene = bind(written).rule_set(ACCOUNT, None).hygiene
    assert (hygiene.required_tags, hygiene.min_description) == (("Owner",), 10)
    written["global_rules"] |= {"min_description_length": 0}
    assert bind(written).rule_set(ACCOUNT, None).hygiene.min_description == 1


# What the text of a rule means


@pytest.mark.parametrize(
    ("protocol", "ports", "number", "first", "last"),
    [
        ("tcp", "22", 6, 22, 22),
        (6, 22, 6, 22, 22),
        ("TCP", " 20 - 25 ", 6, 20, 25),
        ("udp", "*", 17, 0, 65535),
        ("icmp", "8", 1, 8 * 256, 8 * 256 + 255),
        ("icmpv6", "0-255", 58, 0, 65535),
        ("icmp", "0-65535", 1, 0, 65535),
        ("47", "*", 47, 0, 65535),
    ],
)
def test_protocols_and_ports(protocol: object, ports: object, number: int, first: int, last: int) -> None:
    found = the_rule(protocol=protocol, port_range=ports)
    assert found.protocols == frozenset({number})
    assert found.ports == IntervalSet([(first, last)])


@pytest.mark.parametrize("protocol", ["-1", "all", "*", -1, "ALL"])
def test_every_protocol_has_many_names(protocol: object) -> None:
    found = the_rule(protocol=protocol)
    assert found.protocols is None
    assert found.ports == ALL_PORTS


def test_ports_without_a_protocol_are_ports_of_tcp_and_udp() -> None:
    found = the_rule(port_range="22")
    assert (found.protocols, found.ports) == (WITH_PORTS, IntervalSet([(22, 22)]))


@pytest.mark.parametrize("ports", [["0-65535"], ["*"], ["0-1023", "1024-65535"]])
def test_every_port_without_a_protocol_is_every_protocol(ports: list[str]) -> None:
    assert the_rule(port_ranges=ports).protocols is None


def test_every_port_but_one_is_a_matter_of_ports() -> None:
    found = the_rule(port_range="1-65535", source="any")
    assert (found.protocols, found.port_match) == (WITH_PORTS, Match.OVERLAP)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("prohibited_rules", "prohibited_port_ranges"),
        ("restricted_rules", "restricted_port_ranges"),
        ("allowed_rules", "allowed_port_ranges"),
    ],
)
def test_ports_may_stand_under_each_key_of_their_section_and_are_added_up(section: str, key: str) -> None:
    keys: Json = {"protocol": "tcp", "port_range": "1", "port_ranges": ["3", "5"], key: ["7-9"]}
    found = the_rule(section, **keys)
    assert list(found.ports) == [(1, 1), (3, 3), (5, 5), (7, 9)]


def test_sources_are_added_up_and_networks_stand_for_their_cidrs() -> None:
    sources = {"source": "sg-1", "sources": ["office", "pl-1", "internet", "any"]}
    written = {
        "x_networks": {"office": ["10.1.0.0/16", "fd00::/8"]},
        "prohibited_rules": {"inbound": [{"rule_id": "R", **sources}]},
    }
    (found,) = bind(written).rules()
    assert found.sources is not None
    assert [str(block) for block in found.sources.blocks] == ["10.1.0.0/16", "fd00::/8", "0.0.0.0/0", "::/0"]
    assert (set(found.sources.groups), set(found.sources.prefix_lists)) == ({"sg-1"}, {"pl-1"})
    assert found.sources.internet


def test_a_prohibited_rule_that_names_no_peer_is_about_every_peer() -> None:
    assert the_rule().sources is None
    assert the_rule("allowed_rules").sources is None


def test_a_restricted_rule_that_names_no_peer_allows_nobody() -> None:
    found = the_rule("restricted_rules")
    assert found.sources is not None
    assert not found.sources.addresses


def test_a_rule_on_a_pattern_is_about_groups_only() -> None:
    found = the_rule(source_pattern="web-.*")
    assert found.sources is not None
    assert not found.sources.blocks


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"port_range": "22"}, Match.OVERLAP),
        ({}, Match.COVER),
        ({"port_range": "0-65535"}, Match.COVER),
        ({"protocol": "tcp", "port_range": "*"}, Match.COVER),
        ({"port_match": "overlap"}, Match.OVERLAP),
        ({"protocol": "tcp", "port_range": "20-25", "port_match": "cover"}, Match.COVER),
        ({"max_public_addresses": 5}, Match.OVERLAP),
    ],
)
def test_a_rule_on_every_port_is_about_groups_that_open_them_all(keys: Json, match: Match) -> None:
    assert the_rule(source="any", **keys).port_match is match


def test_what_else_a_rule_says_is_kept() -> None:
    found = the_rule(
        protocol="tcp",
        severity="low",
        reason="why",
        description="what",
        source_match="overlap",
        source_type="cidr",
        max_public_addresses=7,
        references=["CIS AWS 5.2"],
        strategy="trim",
        source="any",
    )
    assert (found.severity.value, found.reason, found.description) == ("low", "why", "what")
    assert (found.source_match, found.source_type, found.max_public_addresses) == (Match.OVERLAP, SourceType.CIDR, 7)
    assert (found.references, found.strategy, found.path) == (("CIS AWS 5.2",), "trim", "prohibited_rules.inbound[0]")


def test_the_severity_is_medium_where_none_is_given() -> None:
    assert the_rule().severity.value == "medium"


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"prohibited_port_ranges": ["32768-65535"]}, Kind.PROHIBITED),
        ({"port_range": "1", "source": "any"}, Kind.PROHIBITED),
        ({"restricted_port_ranges": ["9090"], "allowed_sources": ["10.0.0.0/8"]}, Kind.RESTRICTED),
        ({"restricted_port_ranges": ["9090"]}, Kind.RESTRICTED),
        ({"prohibited_port_ranges": ["9090"], "allowed_sources": ["10.0.0.0/8"]}, Kind.RESTRICTED),
        ({"port_range": "1", "allowed_destinations": ["10.0.0.0/8"]}, Kind.RESTRICTED),
    ],
)
def test_a_restriction_of_an_environment_is_prohibited_or_restricted_by_its_keys(keys: Json, kind: Kind) -> None:
    found = the_restriction(**keys)
    assert found.kind is kind
    assert found.after_allowances
    assert found.direction is (Direction.EGRESS if "allowed_destinations" in keys else Direction.INGRESS)


def test_a_prohibited_rule_looks_before_allowances_and_a_restricted_one_after() -> None:
    assert not the_rule().after_allowances
    assert the_rule("restricted_rules").after_allowances


def test_what_accounts_config_says_is_at_hand() -> None:
    policy = bind({"accounts_config": [{"account_id": ACCOUNT, "account_name": "shop"}]})
    found = policy.account(ACCOUNT)
    assert found is not None
    assert found.account_name == "shop"
    assert policy.account(OTHER) is None
