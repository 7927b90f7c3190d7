"""Explanations: what is open, why it violates, and for every rule that does not fire a reason that is true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.bootstrap import load_policy
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.explain import explain
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from sg_compliance.reports.explanation import explanation_lines, explanation_record
from tests.builders import (
    BASELINE,
    EVERYONE,
    EVERYONE_V6,
    NOW,
    SSH,
    all_traffic,
    allow,
    bind,
    document,
    group,
    icmp,
    lists,
    permission,
    policy,
    prohibit,
    prohibit_every_peer,
    restrict,
    tcp,
    udp,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sg_compliance.evaluation.explain import Explanation
    from sg_compliance.model.security_group import SecurityGroup
    from tests.builders import Json

POLICY = parse_policy("{}", "policy.json")


def explained(
    bound: Policy, judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None
) -> Explanation:
    return explain(Evaluator(bound, NOW), judged, lists(prefix_lists or {}))


def why_not(
    bound: Policy, judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None
) -> str:
    """The reason of the one rule, which must not fire."""
    found = explained(bound, judged, prefix_lists)
    assert found.findings == ()
    (silence,) = found.silent
    return silence.because


def text(found: Explanation) -> str:
    return "\n".join(line.plain for line in explanation_lines(found))


def opens(judged: SecurityGroup, prefix_lists: Mapping[str, Sequence[str] | None] | None = None) -> list[str]:
    return [
        f"{each.direction} {each.traffic} {each.peers}" + (f" ({each.public})" if each.public else "")
        for each in explained(policy(), judged, prefix_lists).openings
    ]


def test_what_is_open_is_said_by_traffic_and_not_by_rule() -> None:
    split = group(tcp(22, "0.0.0.0/1"), tcp("22-23", "128.0.0.0/1"), egress=[udp(53, "10.0.0.2/32")])
    half = explained(policy(), split).openings[1].public_addresses
    assert opens(split) == [
        "ingress tcp 22 0.0.0.0/0 (the whole IPv4 internet)",
        f"ingress tcp 23 128.0.0.0/1 ({half:,} public IPv4 addresses)",
        "egress udp 53 10.0.0.2/32",
    ]


def test_each_opening_names_the_rules_that_cause_it() -> None:
    found = explained(policy(), group(tcp(22, "10.0.0.0/8"), tcp("20-25", "10.1.0.0/16"), all_traffic("sg-2")))
    at_22 = next(each for each in found.openings if each.traffic == "tcp 22")
    assert [rule.first for rule in at_22.rules] == [22, 20, 0]
    assert at_22.peers == "10.0.0.0/8, sg-2 in 111122223333"


def test_an_unreadable_list_is_said_to_be_unknown() -> None:
    assert opens(group(tcp(22, "pl-1", "pl-2")), {"pl-1": None, "pl-2": ["10.0.0.0/8"]}) == [
        "ingress tcp 22 10.0.0.0/8, pl-1 (entries unknown)"
    ]


def test_a_group_without_rules_opens_nothing() -> None:
    found = explained(bind(BASELINE), group())
    assert found.openings == ()
    assert "nothing: the group lets no traffic through" in text(found)


SILENT: Final[dict[str, tuple[Policy, SecurityGroup, str]]] = {
    "nothing of the kind is open": (
        policy(prohibit(22)),
        group(tcp(443, EVERYONE), udp(22, EVERYONE), egress=[tcp(22, EVERYONE)]),
        "no ingress rule of the group opens tcp 22",
    ),
    "the other direction": (
        policy(outbound=[{"rule_id": "OUT", "protocol": "-1", "port_range": "*", "destination": EVERYONE}]),
        group(all_traffic(EVERYONE)),
        "no egress rule of the group opens all protocols and ports",
    ),
    "another kind of peer": (
        policy(prohibit_every_peer(22, source_type="security_group")),
        group(tcp(22, EVERYONE)),
        "it looks only at peers of type security_group, and tcp 22 from 0.0.0.0/0 is to others",
    ),
    "peers that may": (
        policy(restricted=[restrict(22, "10.0.0.0/8", "sg-2")]),
        group(tcp(22, "10.1.0.0/16", "sg-2")),
        "only peers that may use it do: tcp 22 from 10.1.0.0/16, tcp 22 from sg-2 in 111122223333",
    ),
    "known to be good, for a restricted rule": (
        policy(restricted=[restrict(443, "10.0.0.0/8")], allowed=[allow(443, "203.0.113.0/24")]),
        group(tcp(443, "203.0.113.0/24")),
        "all of it is known to be good by allowed_rules or an allowance: tcp 443 from 203.0.113.0/24",
    ),
    "known to be good in part": (
        policy(restricted=[restrict(443, "10.0.0.0/8")], allowed=[allow(443, "203.0.113.0/24")]),
        group(tcp(443, "203.0.113.0/24", "10.1.0.0/16")),
        "only peers that may use it do: tcp 443 from 10.1.0.0/16",
    ),
    "an empty prefix list": (
        policy(restricted=[restrict(22, "10.0.0.0/8")]),
        group(tcp(22, "pl-empty")),
        "tcp 22 from pl-empty lets nobody through: the prefix list has no entries",
    ),
    "less than the whole internet": (
        policy(prohibit(22)),
        group(tcp(22, "8.8.8.0/24", "10.0.0.0/8")),
        "it admits 256 public IPv4 addresses, not the whole IPv4 internet: tcp 22 from 8.8.8.0/24, tcp 22 from 10.0.",
    ),
    "the other IP version": (
        policy(prohibit(22, EVERYONE_V6)),
        group(tcp(22, EVERYONE)),
        "it admits no public IPv6 address, not the whole IPv6 internet: tcp 22 from 0.0.0.0/0",
    ),
    "halves of the internet at different ports": (
        policy(prohibit("22-23")),
        group(tcp(22, "0.0.0.0/1"), tcp(23, "128.0.0.0/1")),
        "not the whole IPv4 internet",
    ),
    "within its bounds": (
        policy(prohibit(22, max_public_addresses=256)),
        group(tcp(22, "8.8.8.0/24")),
        "it admits 256 public IPv4 addresses, and 256 are within bounds: tcp 22 from 8.8.8.0/24",
    ),
    "within its bounds at every port": (
        policy(prohibit("22-23", max_public_addresses=256)),
        group(tcp(22, "8.8.8.0/24"), tcp(23, "8.8.4.0/24")),
        "it admits 256 public IPv4 addresses, and 256 are within bounds",
    ),
    "within its bounds, at one port more than at another": (
        policy(prohibit("22-23", max_public_addresses=256)),
        group(tcp(22, "8.8.8.0/25"), tcp(23, "8.8.4.0/24")),
        "it admits 256 public IPv4 addresses, and 256 are within bounds",
    ),
    "part of what it is about": (
        policy(prohibit("*")),
        group(tcp("0-1000", EVERYONE)),
        "some of what the rule is about (tcp, all ports) is closed: tcp 0-1000 from 0.0.0.0/0",
    ),
    "one protocol of all": (
        policy(prohibit("*", protocol="-1")),
        group(tcp("0-65535", EVERYONE)),
        "some of what the rule is about (all protocols and ports) is closed",
    ),
    "another source": (
        policy(prohibit(22, "203.0.113.0/24")),
        group(tcp(22, "203.0.113.0/25")),
        "it is not what the rule prohibits: tcp 22 from 203.0.113.0/25",
    ),
    "ICMP of another type": (
        policy(prohibit(None, protocol="icmp")),
        group(icmp(8, -1, EVERYONE)),
        "some of what the rule is about (icmp, all types) is closed: icmp type 8 from 0.0.0.0/0",
    ),
}


@pytest.mark.parametrize(("bound", "judged", "reason"), SILENT.values(), ids=SILENT)
def test_a_rule_that_does_not_fire_has_a_reason_that_is_true(bound: Policy, judged: SecurityGroup, reason: str) -> None:
    found = why_not(bound, judged, {"pl-empty": []})
    assert reason in found
    assert "whole" not in found.replace("not the whole", "")


def test_an_environment_rule_that_an_allowance_answers_says_so() -> None:
    production: Json = {
        "additional_restrictions": [{"rule_id": "NO_DB", "protocol": "tcp", "prohibited_port_ranges": ["5432"]}],
        "additional_allowances": [
            {"rule_id": "BACKUP", "protocol": "tcp", "port_range": "5432", "source": "10.9.0.0/16"}
        ],
    }
    bound = policy(environments={"production": production}, environment="production")
    because = why_not(bound, group(tcp(5432, "10.9.1.0/24")))
    assert because == "all of it is known to be good by allowed_rules or an allowance: tcp 5432 from 10.9.1.0/24"


def test_every_binding_rule_either_fires_or_has_a_reason() -> None:
    found = explained(bind(BASELINE), group(tcp(22, EVERYONE)))
    fired = {finding.rule_id for finding in found.findings}
    silent = [silence.rule.rule_id for silence in found.silent]
    assert SSH in fired
    assert len(silent) == len(set(silent))
    assert fired | set(silent) == {rule.rule_id for rule in bind(BASELINE).rules()}
    assert not fired & set(silent)


def test_a_rule_of_another_environment_is_not_spoken_of() -> None:
    bound = policy(prohibit(22, environments=["production"]), environment="dev")
    assert explained(bound, group()).silent == ()


def test_the_environment_is_told() -> None:
    assert "environment: production" in text(explained(policy(), group(tags={"Environment": "prod"})))
    assert "environment: not known" in text(explained(policy(), group()))


def test_a_violation_is_told_with_the_policy_the_cause_and_the_change() -> None:
    bound = policy(prohibit(22, reason="Too open", references=["CIS 5.2"], severity="critical"))
    judged = group(tcp("20-25", EVERYONE, description="old"))
    said = text(explained(bound, judged))
    for line in (
        "  critical  RULE: tcp 22 is open from 0.0.0.0/0 (the whole IPv4 internet)",
        "    policy    prohibited ingress: tcp 22, in prohibited_rules.inbound[0]",
        "    why       Too open",
        "    caused by rule: tcp 20-25 from 0.0.0.0/0  old",
        "    fix       narrow tcp 20-25 from 0.0.0.0/0 to tcp 20-21, tcp 23-25",
        "    see       CIS 5.2",
    ):
        assert line in said.splitlines()


def test_a_malformed_rule_is_told_among_the_violations() -> None:
    said = text(explained(policy(), group(permission("tcp", 23, 21, EVERYONE))))
    assert "caused by ports 23-21: the range is inverted and lets nothing through (ingress, 0.0.0.0/0)" in said


def test_the_same_as_json() -> None:
    bound = policy(prohibit(22), prohibit(3389, rule_id="RDP"))
    record = explanation_record(explained(bound, group(tcp(22, EVERYONE))), POLICY)
    assert json.loads(json.dumps(record)) == record
    assert (record["group_id"], record["account_id"], record["environment"]) == ("sg-0a1b2c3d", "111122223333", None)
    (opening,) = record["open"]
    assert (opening["traffic"], opening["peers"]) == ("tcp 22", "0.0.0.0/0")
    assert opening["rules"][0]["CidrIpv4"] == EVERYONE
    (finding,) = record["findings"]
    assert finding["policy_rule"] == {"path": "prohibited_rules.inbound[0]", "kind": "prohibited", "traffic": "tcp 22"}
    assert finding["evidence"] == opening["rules"]
    assert record["silent"] == [
        {
            "rule_id": "RDP",
            "because": "no ingress rule of the group opens tcp 3389",
            "path": "prohibited_rules.inbound[1]",
        }
    ]


def test_a_matter_of_hygiene_has_no_policy_rule() -> None:
    bound = bind(document(global_rules={"enforce_tagging": True, "required_tags": ["Owner"]}))
    record = explanation_record(explained(bound, group()), POLICY)
    assert [finding["policy_rule"] for finding in record["findings"]] == [None]


ports = st.sampled_from([0, 21, 22, 23, 80, 443, 3306, 3389, 5432, 8080, 65535])
cidrs = st.sampled_from(
    [EVERYONE, EVERYONE_V6, "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "8.8.8.0/24", "2000::/3", "pl-1", "pl-2", "sg-2"]
)
permissions = st.one_of(
    st.builds(
        lambda protocol, one, other, texts: permission(protocol, min(one, other), max(one, other), *texts),
        st.sampled_from(["tcp", "udp", "17", "tcp"]),
        ports,
        ports,
        st.lists(cidrs, min_size=1, max_size=3),
    ),
    st.builds(lambda texts: all_traffic(*texts), st.lists(cidrs, min_size=1, max_size=2)),
    st.builds(lambda kind, text: icmp(kind, -1, text), st.sampled_from([-1, 0, 8]), cidrs),
)
POLICIES: Final = [
    Evaluator(Policy(load_policy(name).document, environment), NOW)
    for name, environment in (("default", "production"), ("strict", "dev"), ("fsbp", None))
]


@settings(max_examples=80)
@given(
    ingress=st.lists(permissions, max_size=4),
    egress=st.lists(permissions, max_size=2),
    evaluator=st.sampled_from(POLICIES),
)
def test_any_group_can_be_explained_under_the_shipped_policies(
    ingress: list[Json], egress: list[Json], evaluator: Evaluator
) -> None:
    judged, known = group(*ingress, egress=egress), lists({"pl-1": ["0.0.0.0/0"], "pl-2": None})
    found = explain(evaluator, judged, known)
    expected = evaluator.evaluate(judged, known)
    assert list(found.findings) == sorted(expected, key=lambda finding: finding.sort_key())
    bound = {rule.rule_id for rule in evaluator.policy.binding(judged).rules}
    fired = {finding.rule_id for finding in found.findings} & bound
    silent = {silence.rule.rule_id for silence in found.silent}
    assert fired | silent == bound
    assert not fired & silent
    for silence in found.silent:
        assert "the whole" not in silence.because.replace("not the whole", ""), silence
    assert text(found)
    json.dumps(explanation_record(found, POLICY))
