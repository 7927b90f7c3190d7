"""What is drawn to try the screen: pages of groups of several owners, and policies with every condition there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.builders import ACCOUNT, document
from tests.properties.cases import LISTS, allowances, permissions, prohibited, restricted

if TYPE_CHECKING:
    from tests.builders import Json

OTHER: Final = "444455556666"
DISABLED: Final = "777788889999"
TEXTS: Final = (
    *("", " ", "\u00a0\u2003", "short", "nine char", "ten chars!", " nine char ", "\U0001f512" * 9, "\U0001f512" * 10),
    *("e\u0301" * 5, "\u200b" * 10, "\x1f\x1f\x1f long enough", None),
)
TAGS: Final = ("Environment", "environment", "Owner", "Name")
VALUES: Final = ("prod", " Production ", "dev", "staging", "nowhere", "", " ")
ODD: Final[tuple[Json, ...]] = (
    {"IpProtocol": "tcp", "FromPort": 23, "ToPort": 21, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 70000, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "icmp", "FromPort": 300, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "warp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "300.0.0.0/0"}]},
    {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [{"CidrIpv6": "::ffff:0.0.0.0/96"}]},
    {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::ffff:8.8.8.8/128"}]},
)
"""What cannot mean any traffic, and IPv4 that is written as IPv6."""


@st.composite
def _permissions(draw: st.DrawFn) -> Json:
    permission = draw(permissions())
    text = draw(st.sampled_from(TEXTS))
    for key in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"):
        for peer in permission.get(key) or ():
            if text is not None:
                peer["Description"] = text
    return permission


@st.composite
def raw_groups(draw: st.DrawFn, number: int, *, odd: bool = True) -> Json:
    """A group of one of three accounts."""
    some = st.lists(_permissions(), max_size=4)
    ingress, egress = draw(some), draw(st.lists(_permissions(), max_size=2))
    if odd and draw(st.sampled_from([True, False, False, False])):
        ingress.append(draw(st.sampled_from(ODD)))
    tags = draw(st.dictionaries(st.sampled_from(TAGS), st.sampled_from(VALUES), max_size=3))
    return {
        "OwnerId": draw(st.sampled_from([ACCOUNT, ACCOUNT, OTHER, DISABLED])),
        "GroupId": f"sg-{number}",
        "GroupName": draw(st.sampled_from(["web", "sg", "sg-1", ""])),
        "Description": draw(st.sampled_from(TEXTS)) or "",
        "IpPermissions": ingress,
        "IpPermissionsEgress": egress,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


@st.composite
def pages(draw: st.DrawFn, *, odd: bool = True) -> list[Json]:
    """Some groups, none at times."""
    return [draw(raw_groups(number, odd=odd)) for number in range(draw(st.integers(0, 8)))]


@st.composite
def _twisted(draw: st.DrawFn, rules: st.SearchStrategy[Json]) -> Json:
    """A rule that looks at one kind of peer only, or names lists that cannot be read, or has many ranges of ports."""
    rule = draw(rules)
    kinds = ["any", "any", "security_group"]
    rule["source_type"] = draw(
        st.sampled_from([*kinds, *([] if "source_pattern" in rule else ["cidr", "prefix_list"])])
    )
    for key in ("sources", "allowed_sources", "destinations"):
        if key in rule:
            more = draw(st.sampled_from([[], [], ["pl-secret"], ["pl-other"], ["pl-six"], ["pl-empty"], ["2600::/15"]]))
            rule[key] = [*rule[key], *more]
    if "max_public_addresses" in rule:
        rule["max_public_addresses"] = draw(st.sampled_from([rule["max_public_addresses"], 1 << 128, 1 << 40]))
    if rule["protocol"] == "tcp" and "port_range" in rule and draw(st.booleans()):
        zero = [] if rule.get("port_match") == "cover" else ["0"]
        rule["port_range"] = draw(st.sampled_from(["22", "0-21", *zero]))
        rule["port_ranges"] = draw(st.sampled_from([[], ["80", "443"], ["80", "443", "1000-2000", "3389", "65535"]]))
    return rule


@st.composite
def policies(draw: st.DrawFn) -> Json:
    """Rules of every kind, for all, for one environment and for one account; and no rules of hygiene."""
    restrictions = st.one_of(
        _twisted(prohibited("E1", key="prohibited_port_ranges")), _twisted(restricted("E1")), _limited_restriction()
    )
    production = {
        "additional_restrictions": draw(st.lists(restrictions, max_size=1)),
        "additional_allowances": draw(st.lists(_twisted(allowances("A2")), max_size=1)),
    }
    rules = range(draw(st.integers(1, 4)))
    exempt = {"reason": "r", "exempted_rules": ["P0"], "expiry_date": "permanent", "approved_by": "x"}
    override = {
        "inherit_global_rules": draw(st.booleans()),
        "additional_prohibited_rules": draw(st.lists(_twisted(prohibited("X1")), max_size=1)),
    }
    return document(
        *(draw(_twisted(prohibited(f"P{number}"))) for number in rules),
        outbound=[draw(_twisted(prohibited("O1", outbound=True)))],
        restricted=[draw(_twisted(restricted(f"R{number}"))) for number in range(draw(st.integers(0, 2)))],
        allowed=draw(st.lists(_twisted(allowances("A1")), max_size=1)),
        environments={draw(st.sampled_from(["production", "prod"])): production},
        account_specific_overrides={f"account_{OTHER}": override} if draw(st.booleans()) else {},
        accounts_config=[
            {"account_id": DISABLED, "enforcement_level": "disabled"},
            {"account_id": OTHER, "environment": draw(st.sampled_from(["dev", "prod"]))},
        ],
        exemptions=draw(st.sampled_from([{}, {"account_exemptions": {ACCOUNT: exempt}}])),
        reporting={"compliance_score_calculation": draw(st.sampled_from([_THIRDS, {}]))},
    )


_THIRDS: Final[dict[str, Any]] = {
    "total_possible_points": 0.7,
    "deductions": {"medium_violation": 0.1, "high_violation": 0.3},
}
"""Points that do not add up exactly."""


@st.composite
def _limited_restriction(draw: st.DrawFn) -> Json:
    """A restricted rule that stands where a prohibited one may."""
    ports = {"restricted_port_ranges": draw(st.sampled_from([[], ["0-65535"], ["22"]]))}
    protocol = draw(st.sampled_from(["tcp", "-1"]))
    return {"rule_id": "E1", "protocol": protocol, "allowed_sources": draw(st.sampled_from(_ALLOWED)), **ports}


_ALLOWED: Final = (["any"], ["10.0.0.0/8"], ["pl-small", "::/0"], ["pl-secret"], ["pl-all", "::/0"])


@st.composite
def hygiene(draw: st.DrawFn) -> Json:
    """A policy with rules of hygiene and nothing else, of its own for one account at times."""
    own = draw(st.sampled_from([{}, {f"account_{OTHER}": {"global_rules": draw(_global_rules())}}]))
    return document(global_rules=draw(_global_rules()), account_specific_overrides=own)


@st.composite
def _global_rules(draw: st.DrawFn) -> Json:
    rules: Json = {}
    if draw(st.booleans()):
        rules |= {"enforce_tagging": True, "required_tags": draw(st.sampled_from([["Owner"], ["Name", "Owner"]]))}
    if draw(st.booleans()):
        rules["max_rules_per_sg"] = draw(st.sampled_from([0, 1, 2, 5, 9, 260]))
    if draw(st.booleans()):
        rules |= {"require_descriptions": True, "min_description_length": draw(st.sampled_from([0, 1, 9, 10]))}
    return rules


WEIGHTS: Final = (None, 1, 7, -3, 1 << 2000)
"""How many entries lists may have at most: what AWS says, and what a file may."""

KNOWN: Final = [name for name, entries in LISTS.items() if entries is not None]
