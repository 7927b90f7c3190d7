"""Rules held against each other, and held to what the evaluation really finds."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.policy.bound import Kind
from sg_compliance.policy.comparison import finds_all_of, opening_of, sets_off
from tests.builders import (
    EVERYONE,
    EVERYONE_V6,
    allow,
    bind,
    document,
    fired,
    group,
    permission,
    prohibit,
    prohibit_every_peer,
    restrict,
)

if TYPE_CHECKING:
    from sg_compliance.policy.bound import BoundRule

Json = dict[str, Any]

TRAFFIC: list[Json] = [
    {"protocol": "tcp", "port_range": "22"},
    {"protocol": "tcp", "port_range": "20-25"},
    {"protocol": "tcp", "port_range": "20-25", "port_match": "cover"},
    {"protocol": "tcp"},
    {"protocol": "-1", "port_range": "22"},
    {"protocol": "-1"},
    {"protocol": "icmp", "port_range": "8"},
]
PEERS: list[Json] = [
    {"source": EVERYONE},
    {"source": "any"},
    {"source": "internet"},
    {"source": "internet", "source_match": "cover"},
    {"source": "52.0.0.0/8"},
    {"source": "52.0.0.0/8", "source_match": "overlap"},
    {"source": "52.1.0.0/16"},
    {"source": "52.1.0.0/16", "source_match": "overlap"},
    {"source": "10.0.0.0/8", "source_match": "overlap"},
    {"source": EVERYONE, "source_match": "overlap"},
    {"source": EVERYONE, "max_public_addresses": 0},
    {"source": EVERYONE, "max_public_addresses": 100_000},
    {"source": EVERYONE_V6, "max_public_addresses": 5},
    {"source": "sg-a"},
    {"sources": ["sg-a", "sg-b"]},
    {"source": "pl-1"},
    {"source": EVERYONE, "source_type": "cidr"},
    {"source": EVERYONE, "source_type": "prefix_list"},
    {},
]
LIMITS: list[Json] = [
    {"allowed_sources": []},
    {"allowed_sources": ["10.0.0.0/8"]},
    {"allowed_sources": ["10.0.0.0/8", "52.1.0.0/16", "sg-a"]},
    {"allowed_sources": ["10.0.0.0/8", "sg-a", "sg-b", "pl-1"]},
]


def every_rule() -> Json:
    prohibited = [{**traffic, **peers} for traffic in TRAFFIC for peers in PEERS]
    restricted = [
        {key: value for key, value in {**traffic, **limit}.items() if key != "port_match"}
        for traffic in TRAFFIC
        for limit in LIMITS
    ]
    excused = [{**TRAFFIC[1], **peers} for peers in PEERS]
    return document(
        *({"rule_id": f"P{index}", **rule} for index, rule in enumerate(prohibited)),
        restricted=[{"rule_id": f"R{index}", **rule} for index, rule in enumerate(restricted)],
        allowed=[allow("20-22", "10.0.0.0/9", "52.1.0.0/16")],
        environments={
            "prod": {
                "additional_restrictions": [{"rule_id": f"E{index}", **rule} for index, rule in enumerate(excused)]
            }
        },
    )


POLICY = bind(every_rule(), "production")
RULES = [rule for rule in POLICY.rules() if rule.kind is not Kind.ALLOWED]
IMPLIED = [(one.rule_id, other.rule_id) for one, other in permutations(RULES, 2) if finds_all_of(other, one)]

PEER_TEXTS = (
    *(EVERYONE, EVERYONE_V6, "0.0.0.0/1", "128.0.0.0/1", "52.0.0.0/8", "52.0.0.0/9", "52.1.0.0/16", "52.1.2.3/32"),
    *("10.0.0.0/8", "10.200.0.0/16", "2600::/16", "sg-a", "sg-b", "sg-c", "pl-1", "pl-2", "pl-3"),
)
LISTS = {"pl-1": ["52.1.0.0/16"], "pl-2": [EVERYONE], "pl-3": None}
PORTS = st.sampled_from([(22, 22), (20, 25), (20, 21), (22, 25), (0, 65535), (1, 65535), (8, -1), (-1, -1)])
permissions = st.builds(
    lambda protocol, ends, texts: permission(
        protocol, *(ends if protocol == "icmp" or ends[1] > 0 else (0, 65535)), *texts
    ),
    st.sampled_from(["tcp", "udp", "icmp", "-1", "47"]),
    PORTS,
    st.lists(st.sampled_from(PEER_TEXTS), min_size=1, max_size=4),
)


def test_there_is_much_to_be_implied_among_the_rules() -> None:
    assert len(IMPLIED) > 1_000


@given(st.lists(permissions, min_size=1, max_size=4))
def test_a_rule_that_is_said_to_find_all_of_another_fires_whenever_the_other_does(raw: list[Json]) -> None:
    found = fired(POLICY, group(*raw), LISTS)
    assert [(one, other) for one, other in IMPLIED if one in found and other not in found] == []


def the_rule(written: Json) -> BoundRule:
    section = {"restricted": [written]} if "allowed_sources" in written else {}
    (found,) = bind(document(*([] if section else [written]), **section)).rules()  # type: ignore[arg-type]
    return found


def fact(other: Json, one: Json) -> bool:
    return finds_all_of(the_rule(other), the_rule(one))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (prohibit("20-25"), prohibit(22)),
        (prohibit(22, protocol="-1"), prohibit(22)),
        (prohibit(22, "any"), prohibit(22)),
        (prohibit(22, max_public_addresses=1000), prohibit(22)),
        (prohibit(22, max_public_addresses=10), prohibit(22, max_public_addresses=1000)),
        (prohibit(22, "internet"), prohibit(22)),
        (prohibit(22, "internet"), prohibit(22, "52.0.0.0/8", source_match="overlap")),
        (prohibit(22, "52.1.0.0/16"), prohibit(22, "52.0.0.0/8")),
        (prohibit(22, "52.0.0.0/8", source_match="overlap"), prohibit(22, "52.1.0.0/16")),
        (prohibit(22, "52.0.0.0/8", source_match="overlap"), prohibit(22)),
        (prohibit(22, max_public_addresses=65_535), prohibit(22, "52.1.0.0/16")),
        (prohibit_every_peer(22), prohibit(22, "sg-1")),
        (prohibit_every_peer(22), restrict(22, "10.0.0.0/8")),
        (restrict(22, "10.0.0.0/8"), restrict(22, "10.0.0.0/8", "sg-1")),
        (prohibit(None), prohibit(None)),
    ],
)
def test_what_follows_from_the_sets_is_seen(wide: Json, narrow: Json) -> None:
    assert fact(wide, narrow)


@pytest.mark.parametrize(
    ("other", "one"),
    [
        (prohibit(22), prohibit("20-25")),
        (prohibit(22), prohibit(22, protocol="udp")),
        (prohibit(22), prohibit(22, "any")),
        (prohibit(22), prohibit(22, max_public_addresses=10)),
        (prohibit(22), prohibit(22, "52.0.0.0/8")),
        (prohibit(22), prohibit_every_peer(22)),
        (prohibit(None), prohibit(22)),
        (prohibit("20-25", port_match="cover"), prohibit(22)),
        (prohibit(22, source_type="prefix_list"), prohibit(22)),
        (restrict(22, "0.0.0.0/0"), prohibit(22)),
        (restrict(22, "10.0.0.0/8"), prohibit(22)),  # an allowance may excuse it from the one and not from the other
        (restrict(22, "10.0.0.0/8"), prohibit(22, "10.0.0.0/8")),
        (restrict(22, "pl-1"), prohibit(22)),
        (restrict(22, "10.0.0.0/8", source_pattern=".*"), restrict(22, "10.0.0.0/8")),
        (prohibit(22, "any"), restrict(22, "10.0.0.0/8")),
        (prohibit(22, "internet"), prohibit(22, "0.0.0.0/0", source_match="overlap")),
        (prohibit(22, "pl-1"), prohibit(22, "pl-1", source_match="overlap")),
        (restrict(22, "10.0.0.0/8", "sg-1"), restrict(22, "10.0.0.0/8")),
        (restrict(22, "10.0.0.0/8", "pl-1"), restrict(22, "10.0.0.0/8")),
    ],
)
def test_what_does_not_follow_is_not_claimed(other: Json, one: Json) -> None:
    assert not fact(other, one)


@pytest.mark.parametrize(
    ("of_environment", "found"),
    [
        (prohibit(22, max_public_addresses=256), True),
        (prohibit(22, max_public_addresses=255), False),
        (prohibit(22), True),
        (prohibit(22, "52.0.0.0/23"), True),
        (prohibit(22, "52.0.0.0/24"), False),
        (prohibit(22, "53.0.0.0/8", source_match="overlap"), True),
        (prohibit(22, "52.0.0.0/8", source_match="overlap"), False),
        (prohibit(22, "internet"), False),
        (prohibit_every_peer(22), False),
    ],
)
def test_a_restriction_finds_what_needs_a_peer_that_it_keeps_out(of_environment: Json, found: bool) -> None:
    section = {"prod": {"additional_restrictions": [of_environment]}}
    (one,) = bind({"environment_specific": section}).rules()
    assert finds_all_of(the_rule(restrict(22, "52.0.0.0/24")), one) is found


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("texts", [(EVERYONE,), ("52.0.0.0/8", "sg-a"), ("10.0.0.0/8",), ("2600::/16",), ("sg-b",)])
def test_an_opening_that_is_said_to_set_a_rule_off_does(traffic: Json, texts: tuple[str, ...]) -> None:
    kept = {key: value for key, value in traffic.items() if key != "port_match"}
    (allowed,) = bind(document(allowed=[{"rule_id": "A", "sources": list(texts), **kept}])).rules()
    first, _, last = str(kept.get("port_range", "0-65535")).partition("-")
    protocols = ("tcp", "udp") if kept["protocol"] == "-1" and "port_range" in kept else (kept["protocol"],)
    ends = (int(first), -1 if kept["protocol"] == "icmp" else int(last or first))
    found = fired(POLICY, group(*(permission(each, *ends, *texts) for each in protocols)), LISTS)
    prohibited = [rule for rule in RULES if rule.rule_id.startswith("P")]
    assert {rule.rule_id for rule in prohibited if sets_off(opening_of(allowed), rule)} <= found
