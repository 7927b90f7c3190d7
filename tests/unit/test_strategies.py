"""What a group is to become, by example."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws.translate import security_group
from sg_compliance.enforcement.calls import after
from sg_compliance.enforcement.marker import DEFAULT_DESCRIPTION, clean_description, marker
from sg_compliance.enforcement.strategies import Remedy, Strategy, concerns_traffic, remedy
from sg_compliance.enforcement.trim import rest_rules
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.change import Rest, RuleChange
from sg_compliance.model.security_group import CidrPeer, SecurityGroup, SecurityGroupRule, identity
from sg_compliance.policy.reaction import ViolationHandling
from tests.builders import (
    EVERYONE,
    NOW,
    REGION,
    all_traffic,
    bind,
    document,
    group,
    icmp,
    judge,
    lists,
    only,
    policy,
    prohibit,
    restrict,
    tcp,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.resolve import Policy

Json = dict[str, Any]
LOCKDOWN, REVOKE, TRIM = Strategy.LOCKDOWN, Strategy.REVOKE_VIOLATING, Strategy.TRIM
HANDLING = ViolationHandling()


def handling(**keys: object) -> ViolationHandling:
    return ViolationHandling.model_validate(keys)


def dummy(**keys: object) -> ViolationHandling:
    return handling(dummy_rule_config=keys)


def remedied(
    bound: Policy,
    judged: SecurityGroup,
    strategies: Strategy | Mapping[str, Strategy],
    known: Mapping[str, Sequence[str] | None] | None = None,
    **others: Any,  # noqa: ANN401 - quota, marker
) -> Remedy:
    """The remedy of all that is found, or of the rules that are named."""
    evaluator, prefix_lists = Evaluator(bound, NOW), lists(known or {})
    findings = evaluator.evaluate(judged, prefix_lists)
    if isinstance(strategies, Strategy):
        strategies = {finding.rule_id: strategies for finding in findings}
    wanted = [finding for finding in findings if finding.rule_id in strategies]

    def evaluate(group: SecurityGroup) -> list[Finding]:
        return evaluator.evaluate(group, prefix_lists)

    return remedy(judged, wanted, strategies, evaluate, prefix_lists, **others)


def said(rule: SecurityGroupRule) -> str:
    """`tcp 20-21 0.0.0.0/0`."""
    peer = str(rule.peer.block) if isinstance(rule.peer, CidrPeer) else rule.peer[0]
    return f"{rule.ip_protocol} {rule.from_port}-{rule.to_port} {peer}"


def added(made: Remedy) -> list[str]:
    return [said(rule) for rule in made.wanted.rules]


def gone(made: Remedy, judged: SecurityGroup) -> list[str]:
    assert made.wanted.gone is not None
    return [said(rule) for rule in judged.rules if identity(rule) in made.wanted.gone]


# ---- lockdown ----


def test_a_lockdown_takes_everything_and_leaves_the_marker() -> None:
    judged = group(tcp(22, EVERYONE), tcp(443, "10.0.0.0/8"), egress=[all_traffic(EVERYONE)])
    marks = marker(HANDLING, "SSH is open")
    made = remedied(policy(prohibit(22)), judged, LOCKDOWN, marker=marks)
    assert (made.strategy, made.wanted.rules, made.wanted.gone) == (LOCKDOWN, marks, None)
    assert [finding.rule_id for finding in made.closed] == ["RULE"]
    assert made.remaining == ()
    assert after(judged, made.wanted).rules == marks


def test_one_finding_to_be_closed_by_lockdown_locks_the_group_down() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit(23, rule_id="B"))
    judged = group(tcp("22-23", EVERYONE))
    assert remedied(bound, judged, {"A": TRIM, "B": LOCKDOWN}).strategy is LOCKDOWN
    assert remedied(bound, judged, {"A": TRIM, "B": TRIM}).strategy is TRIM
    assert remedied(bound, judged, {"A": TRIM, "B": REVOKE}).strategy is REVOKE


def test_a_marker_that_violates_the_policy_itself_is_said_to_remain() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit(65535, "127.0.0.0/8", rule_id="B", source_match="overlap"))
    made = remedied(bound, group(tcp(22, EVERYONE)), {"A": LOCKDOWN}, marker=marker(HANDLING, "SSH"))
    assert [finding.rule_id for finding in made.remaining] == ["B"]
    assert [finding.rule_id for finding in made.closed] == ["A"]


def test_a_rule_without_a_strategy_is_an_error_not_a_guess() -> None:
    judged = group(tcp(22, EVERYONE))
    findings = judge(policy(prohibit(22)), judged)
    with pytest.raises(KeyError):
        remedy(judged, findings, {}, lambda _: findings, {})


# ---- revoke_violating ----


def test_only_the_rules_that_carry_violating_traffic_go() -> None:
    judged = group(tcp("20-25", EVERYONE, "10.0.0.0/8"), tcp(443, EVERYONE))
    made = remedied(policy(prohibit(22)), judged, REVOKE)
    assert gone(made, judged) == ["tcp 20-25 0.0.0.0/0"]
    assert made.wanted.rules == ()


def test_what_the_outer_rule_covered_goes_too() -> None:
    judged = group(tcp(22, EVERYONE, "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8"))
    made = remedied(policy(prohibit(22)), judged, REVOKE)
    assert gone(made, judged) == ["tcp 22-22 0.0.0.0/0", "tcp 22-22 0.0.0.0/1", "tcp 22-22 128.0.0.0/1"]


def test_a_rule_that_one_finding_closes_is_enough_for_both() -> None:
    wide = prohibit(22, rule_id="WIDE", max_public_addresses=1 << 31, severity="low")
    judged = group(tcp(22, EVERYONE, "0.0.0.0/2", "64.0.0.0/2"))
    assert len(gone(remedied(policy(prohibit(22), wide), judged, REVOKE), judged)) == 1


def test_hygiene_findings_and_exempt_ones_take_no_rule() -> None:
    bound = policy(prohibit(22), global_rules={"max_rules_per_sg": 0, "enforce_tagging": True, "required_tags": ["X"]})
    judged = group(tcp(443, EVERYONE))
    assert {concerns_traffic(finding) for finding in judge(bound, judged)} == {False}
    assert remedied(bound, judged, LOCKDOWN).wanted.gone == frozenset()


def test_a_finding_that_is_not_to_be_closed_stays_open() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit(23, rule_id="B"))
    judged = group(tcp(22, EVERYONE), tcp(23, EVERYONE))
    made = remedied(bound, judged, {"A": REVOKE})
    assert gone(made, judged) == ["tcp 22-22 0.0.0.0/0"]
    assert made.remaining == ()


# ---- trim ----


def test_the_ports_around_the_prohibited_one_stay_with_their_description() -> None:
    judged = group(tcp("20-25", EVERYONE, description="ftp and mail"))
    made = remedied(policy(prohibit(22)), judged, TRIM)
    assert added(made) == ["tcp 20-21 0.0.0.0/0", "tcp 23-25 0.0.0.0/0"]
    assert gone(made, judged) == ["tcp 20-25 0.0.0.0/0"]
    assert {rule.description for rule in made.wanted.rules} == {"ftp and mail"}
    assert {rule.rule_id for rule in made.wanted.rules} == {None}
    assert made.strategy is TRIM
    assert made.notes == ()


def test_a_restricted_rule_becomes_the_allowed_sources_that_it_covered() -> None:
    judged = group(tcp(22, EVERYONE))
    made = remedied(policy(restricted=[restrict(22, "10.0.0.0/8", "192.168.1.0/24")]), judged, TRIM)
    assert added(made) == ["tcp 22-22 10.0.0.0/8", "tcp 22-22 192.168.1.0/24"]


def test_a_rest_that_is_there_already_is_not_added_twice() -> None:
    judged = group(tcp("20-25", EVERYONE), tcp("20-21", EVERYONE, description="ftp"))
    made = remedied(policy(prohibit(22)), judged, TRIM)
    assert added(made) == ["tcp 23-25 0.0.0.0/0"]
    assert gone(made, judged) == ["tcp 20-25 0.0.0.0/0"]


def test_two_rules_with_the_same_rest_give_one() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit("24-25", rule_id="B"))
    judged = group(tcp("22-23", EVERYONE), tcp("23-25", EVERYONE))
    made = remedied(bound, judged, TRIM)
    assert added(made) == ["tcp 23-23 0.0.0.0/0"]
    assert len(gone(made, judged)) == 2


def test_a_rule_that_a_revoke_finding_touches_goes_whole_though_another_would_trim_it() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit(24, rule_id="B"))
    judged = group(tcp("20-30", EVERYONE), tcp("23-25", "0.0.0.0/0"))
    made = remedied(bound, judged, {"A": REVOKE, "B": TRIM})
    assert len(gone(made, judged)) == 2
    assert added(made) == ["tcp 23-23 0.0.0.0/0", "tcp 25-25 0.0.0.0/0"]


def test_all_traffic_cannot_be_trimmed_and_a_note_says_so() -> None:
    judged = group(all_traffic(EVERYONE))
    made = remedied(policy(prohibit(22)), judged, TRIM)
    assert made.strategy is REVOKE
    assert gone(made, judged) == ["-1 None-None 0.0.0.0/0"]
    (note,) = made.notes
    assert note.startswith("rule all traffic from 0.0.0.0/0 cannot be trimmed: it opens every protocol")


def test_a_list_that_cannot_be_read_cannot_be_trimmed() -> None:
    judged = group(tcp("20-25", "pl-1"))
    made = remedied(policy(prohibit(22)), judged, TRIM, {"pl-1": None})
    assert added(made) == []
    assert made.notes == ("rule tcp 20-25 from pl-1 cannot be trimmed: what pl-1 holds could not be read",)


def test_what_stays_in_doubt_is_said_to_remain() -> None:
    judged = group(tcp(22, "pl-1", EVERYONE))
    made = remedied(policy(prohibit(22)), judged, TRIM, {"pl-1": None})
    assert gone(made, judged) == ["tcp 22-22 0.0.0.0/0"]
    assert [finding.certain for finding in made.remaining] == [False]
    assert made.closed == ()
    assert made.notes[0].startswith("RULE remains: ")


def test_a_trim_that_needs_too_many_rules_becomes_a_revocation() -> None:
    bound = policy(prohibit(22, rule_id="A"), prohibit(30, rule_id="B"))
    judged = group(tcp("20-25", EVERYONE), tcp("29-30", EVERYONE))
    made = remedied(bound, judged, TRIM, quota=2)
    assert added(made) == ["tcp 29-29 0.0.0.0/0"]
    assert len(gone(made, judged)) == 2
    (note,) = made.notes
    assert note.endswith("it would become 2 rules, and the group may have 2 ingress rules for IPv4")
    assert "tcp 20-25 from 0.0.0.0/0" in note
    assert made.strategy is REVOKE


def test_a_group_that_has_more_rules_than_the_quota_may_keep_as_many() -> None:
    judged = group(tcp("20-25", EVERYONE), tcp(443, EVERYONE), tcp(22, "0.0.0.0/0"))
    assert added(remedied(policy(prohibit(22)), judged, TRIM, quota=1)) == [
        "tcp 20-21 0.0.0.0/0",
        "tcp 23-25 0.0.0.0/0",
    ]


def test_a_policy_that_is_never_content_ends_in_a_revocation() -> None:
    judged = group(tcp("1-65535", EVERYONE))
    finding = only(judge(policy(prohibit(22)), judged))

    def never_content(group: SecurityGroup) -> list[Finding]:
        cut = [RuleChange(rule, (Rest(rule.first, rule.last - 1, None),)) for rule in group.rules if rule.first < 22]
        return [replace(finding, change=tuple(cut))] if cut else []

    made = remedy(judged, [finding], {"RULE": TRIM}, never_content, {})
    assert added(made) == []
    assert made.notes == (
        "rule tcp 1-65535 from 0.0.0.0/0 cannot be trimmed: what is left of it would still violate RULE",
    )


def test_a_verdict_on_rules_that_are_not_there_ends_the_work() -> None:
    judged = group(tcp(22, EVERYONE))
    finding = only(judge(policy(prohibit(22)), judged))
    made = remedy(group(), [finding], {"RULE": REVOKE}, lambda _: [finding], {})
    assert made.wanted.gone == frozenset()
    assert made.remaining == (finding,)


# ---- ICMP ----


def icmp_rests(*spans: tuple[int, int]) -> list[tuple[object, object, int, int]]:
    rule = group(icmp(-1, -1, EVERYONE)).rules[0]
    made = rest_rules(RuleChange(rule, tuple(Rest(*span, None) for span in spans)))
    return [(each.from_port, each.to_port, each.first, each.last) for each in made]


def test_icmp_is_written_as_type_and_code() -> None:
    assert icmp_rests((0, 65535)) == [(-1, -1, 0, 65535)]
    assert icmp_rests((8 * 256, 9 * 256 - 1)) == [(8, -1, 2048, 2303)]
    assert icmp_rests((3 * 256 + 4, 3 * 256 + 4)) == [(3, 4, 772, 772)]
    assert icmp_rests((3 * 256 + 254, 4 * 256 + 256)) == [
        *((3, 254, 1022, 1022), (3, 255, 1023, 1023), (4, -1, 1024, 1279), (5, 0, 1280, 1280)),
    ]


def test_a_trim_of_icmp_keeps_the_other_types_where_the_quota_has_room() -> None:
    bound, judged = policy(prohibit("2-255", protocol="icmp")), group(icmp(-1, -1, EVERYONE))
    made = remedied(bound, judged, TRIM)
    assert added(made) == ["icmp 0--1 0.0.0.0/0", "icmp 1--1 0.0.0.0/0"]
    assert added(remedied(policy(prohibit(8, protocol="icmp")), judged, TRIM)) == []  # 255 rules


def test_a_trimmed_rule_reads_back_as_what_it_was_written() -> None:
    for span in ((0, 65535), (512, 767), (772, 772)):
        rule = group(icmp(-1, -1, EVERYONE)).rules[0]
        (made,) = rest_rules(RuleChange(rule, (Rest(*span, None),)))
        raw = {"IpProtocol": "icmp", "FromPort": made.from_port, "ToPort": made.to_port}
        again = security_group({"IpPermissions": [raw | {"IpRanges": [{"CidrIp": EVERYONE}]}]}, region=REGION)
        assert identity(again.rules[0]) == identity(made)


def test_a_protocol_without_ports_keeps_its_allowed_sources() -> None:
    bound = bind(document(restricted=[restrict(None, "10.0.0.0/8", protocol="47")]))
    judged = group({"IpProtocol": "47", "IpRanges": [{"CidrIp": EVERYONE}]})
    assert added(remedied(bound, judged, TRIM)) == ["47 None-None 10.0.0.0/8"]


# ---- the marker ----


def test_the_marker_is_the_rule_of_the_design() -> None:
    (rule,) = marker(HANDLING, "SSH is open to everyone")
    assert said(rule) == "tcp 65535-65535 127.0.0.1/32"
    assert rule.description == (
        "ALL RULES REMOVED - Security Group failed compliance check. Contact Security Team. "
        "Violation: SSH is open to everyone"
    )
    assert marker(handling(create_dummy_rule=False), "SSH") == ()


def test_each_cidr_of_the_marker_is_a_rule() -> None:
    made = marker(dummy(cidr_blocks=["127.0.0.1/32", "::1/128", "127.0.0.1/32"]), "x")
    assert [said(rule) for rule in made] == ["tcp 65535-65535 127.0.0.1/32", "tcp 65535-65535 ::1/128"]


@pytest.mark.parametrize(
    ("keys", "written", "span"),
    [
        ({"protocol": "-1"}, "-1 None-None", (0, 65535)),
        ({"protocol": "17", "from_port": 9, "to_port": 9}, "udp 9-9", (9, 9)),
        ({"protocol": "tcp", "from_port": -1, "to_port": -1}, "tcp 0-65535", (0, 65535)),
        ({"protocol": "tcp", "from_port": -1, "to_port": 80}, "tcp 0-80", (0, 80)),
        ({"protocol": "icmp"}, "icmp -1--1", (0, 65535)),
        ({"protocol": "icmp", "from_port": 8, "to_port": -1}, "icmp 8--1", (2048, 2303)),
        ({"protocol": "icmpv6", "from_port": 3, "to_port": 4}, "icmpv6 3-4", (772, 772)),
        ({"protocol": "47"}, "47 None-None", (0, 65535)),
    ],
)
def test_a_marker_of_any_protocol_is_what_aws_takes(keys: Json, written: str, span: tuple[int, int]) -> None:
    (rule,) = marker(dummy(**keys), "x")
    assert said(rule) == f"{written} 127.0.0.1/32"
    assert (rule.first, rule.last) == span
    raw = {"IpProtocol": rule.ip_protocol, "FromPort": rule.from_port, "ToPort": rule.to_port}
    assert identity(group(raw | {"IpRanges": [{"CidrIp": "127.0.0.1/32"}]}).rules[0]) == identity(rule)


def test_braces_in_a_reason_are_text() -> None:
    (rule,) = marker(dummy(description="Locked: {violation_reason} {0} {x}"), "{violation_reason} {1}")
    assert rule.description == "Locked: {violation_reason} {1} {0} {x}"


def test_a_long_reason_is_cut_and_what_stands_around_it_is_not() -> None:
    (rule,) = marker(dummy(description="Why: {violation_reason} - see the wiki"), "x" * 400)
    assert rule.description is not None
    assert len(rule.description) == 255
    assert rule.description.endswith("x... - see the wiki")
    (rule,) = marker(dummy(description="y" * 300 + "{violation_reason}"), "reason")
    assert rule.description == "y" * 252 + "..."


def test_a_description_is_cleaned_to_the_alphabet_of_aws() -> None:
    assert (
        clean_description('Caf\u00e9\u2026 \u2013 don\u2019t "open" 50% <b>\n\tSSH?') == "Cafe... - dont open 50 b SSH"
    )
    assert clean_description(DEFAULT_DESCRIPTION) == DEFAULT_DESCRIPTION
    (rule,) = marker(HANDLING, "\u65e5\u672c\u8a9e")
    assert rule.description is not None
    assert rule.description.endswith("Violation:")
