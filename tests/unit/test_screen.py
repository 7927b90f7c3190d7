"""The screen, rule by rule: what it must suspect, and what it must not if it is to be of any use."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.groups import groups as estate
from benchmarks.groups import prefix_lists as estate_lists
from benchmarks.thirty_questions import as_policy_document
from sg_compliance.aws import translate
from sg_compliance.errors import PolicyError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.rows import Members, Ports
from sg_compliance.evaluation.screen import Screen
from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import AddressSet, parse_cidr
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import ALL_PORTS, MalformedRule
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from tests.builders import (
    ACCOUNT,
    EVERYONE,
    NOW,
    Json,
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
    raw_group,
    read,
    restrict,
    tcp,
    udp,
)
from tests.columns_of import columns_of

HALVES = ("0.0.0.0/1", "128.0.0.0/1")
LISTS = lists(
    {
        "pl-all": [EVERYONE],
        "pl-ten": ["10.0.0.0/8"],
        "pl-both": [*HALVES, "10.0.0.0/8"],
        "pl-empty": [],
        "pl-secret": None,
        "pl-six": ["2600::/16"],
    }
)


def suspected(rule: Json | Policy, *permissions: Json, **keys: object) -> bool:
    """Whether a group with these permissions is a suspect under this one rule; and never less than it is judged."""
    egress = keys.pop("egress", ())
    judged = read(raw_group(*permissions, egress=egress, **keys))  # type: ignore[arg-type]
    bound = (
        rule if isinstance(rule, Policy) else policy(restricted=[rule]) if "allowed_sources" in rule else policy(rule)
    )
    suspects = Screen(bound).suspects(columns_of([judged]), LISTS)
    assert suspects or not Evaluator(bound, NOW).evaluate(judged, LISTS)
    return suspects == [0]


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([tcp(22, EVERYONE)], True),
        ([tcp("20-25", EVERYONE)], True),
        ([all_traffic(EVERYONE)], True),
        ([tcp("22-30", EVERYONE)], True),
        ([tcp("10-22", EVERYONE)], True),
        ([tcp("23-30", EVERYONE)], False),
        ([tcp("10-21", EVERYONE)], False),
        ([udp(22, EVERYONE)], False),
        ([tcp(22, *HALVES)], True),
        ([tcp(22, HALVES[0]), all_traffic(HALVES[1])], True),
        ([tcp(22, HALVES[0]), tcp(80, HALVES[1])], False),
        ([tcp(22, HALVES[0], "10.0.0.0/8")], False),
        ([tcp(22, "::/0")], False),
        ([tcp(22, "pl-all")], True),
        ([tcp(22, "pl-both")], True),
        ([tcp(22, "pl-ten")], False),
        ([tcp(22, "pl-secret")], True),
        ([tcp(80, "pl-secret")], False),
        ([tcp(22, "sg-1")], False),
        ([], False),
    ],
)
def test_the_whole_internet_on_one_port(permissions: list[Json], expected: bool) -> None:
    assert suspected(prohibit(22), *permissions) is expected


def test_addresses_that_are_not_routable_need_not_be_open_for_all_to_be() -> None:
    without_ten = [str(each) for each in (AddressSet.parse(EVERYONE) - AddressSet.parse("10.0.0.0/8")).cidrs()]
    assert suspected(prohibit(22), tcp(22, *without_ten))
    assert not suspected(prohibit(22), tcp(22, *without_ten[1:]))


def test_ingress_and_egress_are_two_things() -> None:
    out = policy(outbound=[{"rule_id": "OUT", "protocol": "tcp", "port_range": "22", "destination": EVERYONE}])
    assert suspected(out, egress=[tcp(22, EVERYONE)])
    assert not suspected(out, tcp(22, EVERYONE))
    assert not suspected(prohibit(22), egress=[tcp(22, EVERYONE)])


@pytest.mark.parametrize("ports", ["22", "22,80", "22,80,443", "22,80,443,1000-2000", "0,1,22,65535"])
def test_several_ranges_of_ports(ports: str) -> None:
    rule = prohibit(None, EVERYONE, port_ranges=ports.split(","))
    assert suspected(rule, tcp(22, EVERYONE))
    assert suspected(rule, tcp("21-23", EVERYONE))
    assert not suspected(rule, tcp("23-79", EVERYONE))


def test_a_rule_on_every_traffic_is_about_groups_that_open_all_of_it() -> None:
    everything = prohibit(None, EVERYONE, protocol="-1")
    assert suspected(everything, all_traffic(EVERYONE))
    assert not suspected(everything, tcp("0-65535", EVERYONE))
    assert not suspected(everything, tcp(443, EVERYONE), all_traffic("10.0.0.0/8"))
    assert suspected(everything, *(permission(str(number), None, None, EVERYONE) for number in range(256)))


def test_a_rule_on_every_port_is_about_groups_that_open_them_all() -> None:
    every_port = prohibit(None, EVERYONE)
    assert suspected(every_port, tcp("0-65535", EVERYONE))
    assert suspected(every_port, tcp("1-65535", EVERYONE))
    assert suspected(every_port, tcp("1-100", EVERYONE), tcp("101-65535", EVERYONE))
    assert not suspected(every_port, tcp("1-65534", EVERYONE))
    assert not suspected(every_port, tcp("2-65535", EVERYONE))
    assert suspected(every_port, tcp("2-65535", EVERYONE), tcp(1, "pl-secret"))


def test_the_first_and_the_last_of_several_ranges_must_be_open() -> None:
    rule = prohibit(None, EVERYONE, port_ranges=["20-21", "30-31"], port_match="cover")
    assert suspected(rule, tcp("20-21", EVERYONE), tcp("30-31", EVERYONE))
    assert not suspected(rule, tcp("20-30", EVERYONE))
    assert not suspected(rule, tcp("21-31", EVERYONE))


@pytest.mark.parametrize("ports", [["0"], [" 0 - 00"], ["0", "0-0"]])
def test_a_policy_has_no_rule_that_wants_all_of_port_zero_open(ports: list[str]) -> None:
    """The screen looks at the first and the last port but that one."""
    with pytest.raises(PolicyError):
        policy(prohibit(None, "8.8.8.0/24", port_ranges=ports, port_match="cover"))


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([icmp(8, -1, EVERYONE)], True),
        ([icmp(8, 0, EVERYONE)], True),
        ([icmp(-1, -1, EVERYONE)], True),
        ([icmp(9, -1, EVERYONE)], False),
        ([all_traffic(EVERYONE)], True),
        ([tcp(8 * 256, EVERYONE)], False),
    ],
)
def test_types_of_icmp(permissions: list[Json], expected: bool) -> None:
    assert suspected(prohibit(8, EVERYONE, protocol="icmp"), *permissions) is expected


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([tcp(22, "8.0.0.0/24")], False),
        ([tcp(22, "8.0.0.0/24", "9.0.0.0/32")], True),
        ([tcp(22, "8.0.0.0/24", "10.0.0.0/8")], False),
        ([tcp(22, "8.0.0.0/24"), tcp(22, "9.0.0.0/32")], True),
        ([tcp(22, "8.0.0.0/24"), udp(22, "9.0.0.0/32")], False),
        ([tcp(22, "2600::/120")], False),
        ([tcp(22, "2600::/120", "2601::/128")], True),
        ([tcp(22, "2600::/120", "fd00::/8")], False),
        ([tcp(22, "pl-ten")], False),
        ([tcp(22, "pl-six")], True),
        ([tcp(22, "pl-secret")], True),
        ([tcp(22, "pl-empty", "sg-1")], False),
    ],
)
def test_budgets_of_public_addresses(permissions: list[Json], expected: bool) -> None:
    named = prohibit(22, "any", max_public_addresses=256)
    unnamed = prohibit_every_peer(22, max_public_addresses=256)
    assert suspected(named, *permissions) is suspected(unnamed, *permissions) is expected


def test_a_budget_that_no_list_of_blocks_can_exceed_can_be_exceeded_by_one_that_cannot_be_read() -> None:
    endless = prohibit(22, "any", max_public_addresses=1 << 127)
    assert suspected(endless, tcp(22, "pl-secret"))
    assert not suspected(endless, tcp(22, *HALVES[:1], "2000::/4"))


def test_sums_that_floats_round_down_are_not_missed() -> None:
    rule = prohibit(22, "::/0", max_public_addresses=(1 << 53) + 1)
    assert suspected(rule, tcp(22, "2600::/75", "2601::1/128", "2601::3/128"))


def test_a_budget_of_one_ip_version_does_not_ask_about_the_other() -> None:
    assert not suspected(prohibit(22, EVERYONE, max_public_addresses=256), tcp(22, "2600::/16"))
    assert not suspected(prohibit(22, "::/0", max_public_addresses=256), tcp(22, "8.0.0.0/8"))


def test_no_source_is_every_peer() -> None:
    rule = prohibit_every_peer(22)
    assert all(suspected(rule, tcp(22, each)) for each in ("10.0.0.1/32", "fd00::/8", "sg-1", "pl-ten", "pl-secret"))
    assert not suspected(rule, tcp(23, "10.0.0.1/32"))


@pytest.mark.parametrize("match", [{}, {"source_match": "cover"}, {"source_match": "overlap"}])
def test_blocks_that_are_prohibited(match: Json) -> None:
    rule = prohibit(22, "8.8.8.0/24", "9.0.0.0/8", **match)
    some = "source_match" in match and match["source_match"] == "overlap"
    assert suspected(rule, tcp(22, "8.8.0.0/16"))
    assert suspected(rule, tcp(22, "8.8.8.0/25", "8.8.8.128/25"))
    assert suspected(rule, tcp(22, "8.8.8.0/25", "8.8.8.8/32")) is some
    assert not suspected(rule, tcp(22, "7.0.0.0/8"))
    assert suspected(rule, tcp(22, "pl-secret"))
    assert not suspected(rule, tcp(22, "sg-1"))


@pytest.mark.parametrize("match", [{}, {"source_match": "cover"}, {"source_match": "overlap"}])
def test_blocks_of_ipv6_that_are_prohibited(match: Json) -> None:
    rule = prohibit(22, "2600::/32", **match)
    some = "source_match" in match and match["source_match"] == "overlap"
    assert suspected(rule, tcp(22, "2600::/16"))
    assert suspected(rule, tcp(22, "2600::/33", "2600:0:8000::/33"))
    assert suspected(rule, tcp(22, "2600::/33")) is some
    assert not suspected(rule, tcp(22, "2601::/32", EVERYONE))


def test_the_internet_is_any_public_address_or_all_of_one_version() -> None:
    some, whole = prohibit(22, "internet"), prohibit(22, "internet", source_match="cover")
    assert suspected(some, tcp(22, "8.8.8.8/32"))
    assert suspected(some, tcp(22, "2600::/128"))
    assert not suspected(some, tcp(22, "10.0.0.0/8", "fd00::/8", "sg-1"))
    assert not suspected(whole, tcp(22, HALVES[0], "2600::/16"))
    assert suspected(whole, tcp(22, *HALVES))
    assert suspected(whole, tcp(22, "2000::/3"))


def test_any_beside_another_source_still_needs_all_or_the_other() -> None:
    rule = prohibit(22, "any", "sg-1", "192.168.0.0/16")
    assert not suspected(rule, tcp(22, "10.0.0.0/8", "2600::/16", "sg-2"))
    assert suspected(rule, tcp(22, "sg-1"))
    assert suspected(rule, tcp(22, "192.168.0.0/16"))
    assert suspected(rule, tcp(22, "::/1", "8000::/1"))


@pytest.mark.parametrize("match", [{}, {"source_match": "overlap"}])
def test_prefix_lists_that_are_prohibited(match: Json) -> None:
    rule = prohibit(22, "pl-ten", **match)
    assert suspected(rule, tcp(22, "pl-ten"))
    assert suspected(rule, tcp(22, "10.0.0.0/7"))
    assert suspected(rule, tcp(22, "10.0.0.0/9")) is bool(match)
    assert not suspected(rule, tcp(22, "11.0.0.0/8", "pl-six"))
    assert suspected(prohibit(22, "pl-six", **match), tcp(22, "2600::/16"))
    assert not suspected(prohibit(22, "pl-six", **match), tcp(22, "2601::/16", EVERYONE))
    assert suspected(prohibit(22, "pl-secret", **match), tcp(22, "11.0.0.0/8"))
    assert not suspected(prohibit(22, "pl-secret", **match), tcp(23, "11.0.0.0/8"))
    assert suspected(prohibit(22, "pl-secret", **match), tcp(22, "pl-secret"))


def test_a_list_can_hold_something_else_on_the_next_page() -> None:
    screen = Screen(policy(prohibit(22, "pl-1")))
    columns = columns_of([group(tcp(22, "11.0.0.0/8"))])
    assert screen.suspects(columns, lists({"pl-1": ["10.0.0.0/8"]})) == []
    assert screen.suspects(columns, lists({"pl-1": ["11.0.0.0/8"]})) == [0]


def test_groups_that_are_prohibited_by_id_or_by_name() -> None:
    assert suspected(prohibit(22, "sg-1"), tcp(22, "sg-1"))
    assert not suspected(prohibit(22, "sg-1"), tcp(22, "sg-2", EVERYONE))
    by_name = policy(prohibit_every_peer(22, source_pattern="web-.*", source_type="security_group"))
    judged = [group(tcp(22, "sg-1")), group(tcp(22, "sg-2", "sg-3"))]
    assert Screen(by_name).suspects(columns_of(judged).with_names({"sg-3": "web-3", "sg-1": "x"}), {}) == [1]


def test_a_rule_that_looks_at_one_kind_of_peer() -> None:
    groups_only = prohibit_every_peer(22, source_type="security_group")
    assert suspected(groups_only, tcp(22, "sg-1"))
    assert not suspected(groups_only, tcp(22, EVERYONE, "pl-secret", "::/0"))
    lists_only = prohibit(22, EVERYONE, source_type="prefix_list")
    assert suspected(lists_only, tcp(22, "pl-all"))
    assert not suspected(lists_only, tcp(22, EVERYONE))
    blocks_only = prohibit_every_peer(22, source_type="cidr")
    assert suspected(blocks_only, tcp(22, "pl-ten"))
    assert suspected(blocks_only, tcp(22, "fd00::/8"))
    assert not suspected(blocks_only, tcp(22, "sg-1"))


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        *(("10.0.0.0/8", False), ("10.1.0.0/16", False), ("10.0.0.0/7", True), ("11.0.0.0/32", True)),
        *(("fd00::/8", False), ("fd00::/7", True), ("sg-1", False), ("sg-2", True)),
        *(("pl-ten", False), ("pl-six", False), ("pl-all", True), ("pl-empty", False), ("pl-secret", True)),
    ],
)
def test_restricted_traffic(peer: str, expected: bool) -> None:
    rule = restrict(22, "10.0.0.0/8", "fd00::/8", "sg-1", "pl-six")
    assert suspected(rule, tcp(22, "10.0.0.0/8", peer)) is expected
    assert not suspected(rule, tcp(23, peer))


def test_restricted_to_everybody_is_open_to_all_but_groups_and_lists_that_cannot_be_read() -> None:
    assert not suspected(restrict(22, "any"), tcp(22, EVERYONE, "::/0", "pl-all"))
    assert suspected(restrict(22, "any"), tcp(22, "sg-1"))
    assert suspected(restrict(22, "any"), tcp(22, "pl-secret"))


def test_restricted_traffic_on_every_port_is_one_port_and_not_all() -> None:
    assert suspected(restrict(None, "10.0.0.0/8"), tcp(22, EVERYONE))
    assert suspected(restrict(None, "10.0.0.0/8", protocol="-1"), tcp(22, EVERYONE))
    one = {"rule_id": "E", "protocol": "tcp", "allowed_sources": ["10.0.0.0/8"]}
    production = policy(environments={"production": {"additional_restrictions": [one]}})
    assert suspected(production, tcp(22, EVERYONE), tags={"Environment": "prod"})


def test_restricted_to_a_list_that_cannot_be_read_may_let_in_anybody_or_nobody() -> None:
    assert suspected(restrict(22, "pl-secret"), tcp(22, "10.0.0.0/8"))
    assert not suspected(restrict(22, "pl-secret"), tcp(22, "pl-secret"))


def test_an_allowance_is_no_reason_to_look_away() -> None:
    secret = policy(restricted=[restrict(22, "10.0.0.0/8")], allowed=[allow(22, "pl-secret")])
    assert suspected(secret, tcp(22, "11.0.0.0/8"))


# Whose rules.


def test_each_group_is_held_to_the_rules_of_its_account_and_environment() -> None:
    written = document(
        prohibit(22, environments=["production"]),
        account_specific_overrides={
            "account_444455556666": {"additional_prohibited_rules": [prohibit(80, rule_id="OWN")]},
            "account_777788889999": {"inherit_global_rules": False},
        },
    )
    judged = [
        read(raw_group(tcp(port, EVERYONE), account=account, tags={"Environment": environment}))
        for account in (ACCOUNT, "444455556666", "777788889999")
        for environment in ("prod", "dev")
        for port in (22, 80)
    ]
    evaluator = Evaluator(bind(written), NOW)
    expected = [position for position, each in enumerate(judged) if evaluator.evaluate(each, {})]
    assert Screen(bind(written)).suspects(columns_of(judged), {}) == expected == [0, 4, 5, 7]


# Hygiene, and what cannot be told by columns.


def untidy(rules: Json, *permissions: Json, **keys: object) -> bool:
    return suspected(bind(document(global_rules=rules)), *permissions, **keys)


def test_tags_that_are_missing_or_empty() -> None:
    tags = {"enforce_tagging": True, "required_tags": ["Owner", "Project"]}
    assert untidy(tags, tags={"Owner": "me"})
    assert untidy(tags, tags={"Owner": "me", "Project": "  "})
    assert untidy(tags, tags={"Owner": "me", "project": "x"})
    assert not untidy(tags, tags={"Owner": "me", "Project": "x"})
    assert not untidy({"required_tags": ["Owner"]})


def test_rules_of_hygiene_are_the_same_in_every_environment() -> None:
    rules = {"enforce_tagging": True, "required_tags": ["Owner"]}
    written = bind(document(prohibit(22, environments=["production"]), global_rules=rules))
    judged = [group(tags={"Environment": environment}) for environment in ("dev", "prod", "test")]
    assert Screen(written).suspects(columns_of(judged), {}) == [0, 1, 2]


def test_descriptions_that_are_short() -> None:
    rules = {"require_descriptions": True, "min_description_length": 5}
    assert not untidy(rules, tcp(22, "sg-1", description="12345"))
    assert untidy(rules, tcp(22, "sg-1", description=" 1234 "))
    assert untidy(rules, tcp(22, "sg-1"))
    assert untidy(rules, egress=[tcp(22, "10.0.0.0/8", description="1234")])
    assert untidy(rules, tcp(22, "sg-1", description="12345"), Description=" 1234 ")


@pytest.mark.parametrize("out", [False, True])
def test_rules_are_counted_as_aws_counts_them(out: bool) -> None:
    def many(*texts: str) -> bool:
        permissions = [tcp(22, *texts)]
        return untidy({"max_rules_per_sg": 2}, *([] if out else permissions), egress=permissions if out else [])

    assert not many("10.0.0.1/32", "10.0.0.2/32", "fd00::1/128", "fd00::2/128")
    assert many("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32")
    assert many("fd00::1/128", "fd00::2/128", "fd00::3/128")
    assert many("10.0.0.1/32", "10.0.0.2/32", "sg-1")
    assert many("fd00::1/128", "fd00::2/128", "pl-ten")


def test_rules_in_and_out_are_counted_apart() -> None:
    two = tcp(22, "10.0.0.1/32", "10.0.0.2/32")
    assert not untidy({"max_rules_per_sg": 2}, two, egress=[two])


@pytest.mark.parametrize(
    ("most", "expected"), [(None, False), (2, False), (3, True), (-3, False), (-(1 << 2000), False), (1 << 2000, True)]
)
def test_a_prefix_list_weighs_what_it_may_hold(most: int | None, expected: bool) -> None:
    known = {"pl-ten": replace(LISTS["pl-ten"], max_entries=most)}
    written = bind(document(global_rules={"max_rules_per_sg": 2}))
    assert (Screen(written).suspects(columns_of([group(tcp(22, "pl-ten"))]), known) == [0]) is expected


def test_a_doubtful_group_is_a_suspect_whatever_its_rows_hold() -> None:
    malformed = MalformedRule("ingress", "ports 23-21", "tcp", 23, 21, EVERYONE)  # type: ignore[arg-type]
    judged = [group(tcp(22, "sg-1")), replace(group(tcp(22, "sg-1")), malformed=(malformed,)), group(tcp(22, "sg-1"))]
    columns = columns_of(judged)
    nonsense = replace(
        columns,
        first=np.array([22, -5, 22], np.int32),
        last=np.array([22, 99999, 22], np.int32),
        peer=np.array([columns.peer[0], 77, columns.peer[2]], np.int32),
    )
    rule = prohibit(None, EVERYONE, port_ranges=["1", "3", "5", "7"])
    assert Screen(policy(rule)).suspects(nonsense, {}) == [1]


def test_a_page_without_groups_has_no_suspects() -> None:
    assert Screen(policy(prohibit(22))).suspects(columns_of([]), {}) == []


# The ground it stands on.


def test_members_are_counted_in_blocks_as_one_by_one() -> None:
    blocks = [parse_cidr(text) for text in ("0.0.0.0/0", "10.0.0.0/8", "192.0.0.0/24", "192.0.0.9/32", "8.8.8.8/32")]
    low, high = (np.array(ends, np.uint32) for ends in zip(*((each.first, each.last) for each in blocks), strict=True))
    counted = Members(4, globally_routable.IPV4).in_blocks(low, high)
    assert counted.tolist() == [each.routable for each in blocks]
    assert Members(4, IntervalSet()).in_blocks(low, high).tolist() == [0] * 5
    assert Members(4, AddressSet.parse("255.255.255.255/32").v4).in_blocks(low, high).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("ports", [[(22, 22)], [(0, 0), (65535, 65535)], [(each, each) for each in range(0, 65536, 9)]])
def test_ports_are_met_where_they_are(ports: list[tuple[int, int]]) -> None:
    ranges = [(0, 0), (1, 8), (22, 22), (9, 9), (23, 65534), (65535, 65535), (0, 65535), (65533, 65535)]
    first, last = (np.array(ends, np.int32) for ends in zip(*ranges, strict=True))
    wanted = IntervalSet(ports)
    assert Ports(wanted).meet(first, last).tolist() == [bool(wanted.clip(*each)) for each in ranges]
    assert Ports(ALL_PORTS).meet(first, last).all()


def test_many_threads_may_ask_at_once() -> None:
    policy_ = Policy(parse_policy(json.dumps(as_policy_document()), "thirty").document)
    columns = columns_of([read(each) for each in estate(60)])
    expected = Screen(policy_).suspects(columns, {})
    screen, found = Screen(policy_), []
    threads = [threading.Thread(target=lambda: found.append(screen.suspects(columns, {}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_the_screen_is_worth_having() -> None:
    """On the estate of the benchmarks hardly more groups are suspected than have findings."""
    policy_ = Policy(parse_policy(json.dumps(as_policy_document()), "thirty").document)
    known = {
        each["PrefixListId"]: translate.prefix_list(each, each["Entries"]) for each in estate_lists()["PrefixLists"]
    }
    judged = [read(each) for each in estate(1_000)]
    suspects = Screen(policy_).suspects(columns_of(judged), known)
    evaluator = Evaluator(policy_, NOW)
    found = [position for position, each in enumerate(judged) if evaluator.evaluate(each, known)]
    assert len(found) > 20
    assert set(found) <= set(suspects)
    assert len(suspects) <= 1.5 * len(found)
