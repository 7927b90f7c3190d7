"""What the property tests draw: groups that hide what they open, and policies that look for it."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.builders import document, peers, raw_group

if TYPE_CHECKING:
    from tests.builders import Json


def _excluding(*holes: str) -> list[str]:
    left = [IPv4Network("0.0.0.0/0")]
    for hole in map(IPv4Network, holes):
        left = [piece for each in left for piece in (each.address_exclude(hole) if hole.subnet_of(each) else [each])]
    return [str(each) for each in left]


LISTS: Final[dict[str, list[str] | None]] = {
    "pl-all": ["0.0.0.0/0"],
    "pl-half": ["0.0.0.0/1"],
    "pl-other": ["128.0.0.0/2", "192.0.0.0/2"],
    "pl-small": ["10.0.0.0/8", "8.8.8.0/24"],
    "pl-six": ["2000::/4", "fd00::/8"],
    "pl-empty": [],
    "pl-secret": None,
}
WIDE: Final[list[list[str]]] = [
    ["0.0.0.0/0"],
    ["1.2.3.4/0"],
    ["0.0.0.0/1", "128.0.0.0/1"],
    ["0.0.0.0/1", "pl-other"],
    [f"{first}.0.0.0/8" for first in range(256)],
    _excluding("10.0.0.0/8"),
    _excluding("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "240.0.0.0/4"),
    _excluding("8.8.8.8/32"),
    ["::/0"],
    ["::/1", "8000::/1"],
    ["2000::/3"],
    ["2000::/4", "3000:0:0:0:0:0:0:0/4"],
    ["0:0:0:0:0:0:0:1/0"],
]
NARROW: Final = (
    *("0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/16", "0.0.0.0/32", "10.0.0.0/8", "10.1.0.0/16", "8.8.8.0/24", "8.8.8.8/32"),
    *("8.8.8.128/25", "8.0.0.0/5", "9.9.9.9", "54.0.0.0/8", "203.0.113.0/24", "192.168.0.0/15", "192.168.77.0/24"),
    *("2000::/4", "3000::/4", "2600::/16", "fd00::/8", "2001:db8::/32", "2002::/16", "2001::/16", "fe80::1/128"),
    *("2001:db8:0:0:0:0:0:1/32", *LISTS, "sg-1", "sg-2", "sg-web"),
)
PORTS: Final = (
    *((22, 22), (20, 25), (22, 23), (20, 21), (0, 0), (1, 1), (80, 80), (443, 443), (23, 3389)),
    *((0, 65535), (1, 65535), (0, 21), (23, 65535), (80, 65535), (None, None), (-1, -1), ("22", "80")),
)
ICMP: Final = ((8, -1), (8, 0), (8, 1), (22, -1), (-1, -1), (252, -1), (3, 4), (0, 0))
RULE_PORTS: Final = ("22", "20-25", "80", "23", "0-65535", "*", "22-80", "8", "0-22", "3389")
BLOCKS: Final = (
    *("0.0.0.0/0", "::/0", "0.0.0.0/1", "10.0.0.0/8", "8.8.8.0/24", "8.0.0.0/6", "192.168.0.0/16", "2000::/3"),
    "2600::/15",
)

_pieces = st.one_of(
    st.sampled_from(WIDE),
    st.lists(st.sampled_from(NARROW), min_size=1, max_size=3),
    st.lists(st.sampled_from(NARROW), min_size=1, max_size=3),
)


@st.composite
def permissions(draw: st.DrawFn) -> Json:
    """One IpPermission."""
    protocol = draw(
        st.sampled_from(["tcp", "tcp", "tcp", "6", "TCP", "udp", "17", "-1", "-1", "icmp", "58", "47", "50"])
    )
    ends: tuple[Any, Any] = (80, 80)
    if protocol.lower() in {"tcp", "6", "udp", "17"}:
        ends = draw(st.sampled_from(PORTS))
    elif protocol in {"icmp", "58"}:
        ends = draw(st.sampled_from(ICMP))
    texts = [text for chosen in draw(st.lists(_pieces, min_size=1, max_size=2)) for text in chosen]
    return {"IpProtocol": protocol, "FromPort": ends[0], "ToPort": ends[1], **peers(*_slashed(texts))}


def _slashed(texts: list[str]) -> list[str]:
    return [text if text[:3] in {"sg-", "pl-"} or "/" in text else f"{text}/32" for text in texts]


@st.composite
def raw_groups(draw: st.DrawFn) -> Json:
    """A group with one to six permissions in and up to two out."""
    tags = draw(st.sampled_from([{"Environment": "prod"}, {"Environment": "Production"}, {"Environment": "dev"}, {}]))
    ingress = draw(st.lists(permissions(), min_size=1, max_size=6))
    return raw_group(*ingress, egress=draw(st.lists(permissions(), max_size=2)), tags=tags)


@st.composite
def _traffic(draw: st.DrawFn, rule_id: str, ports_key: str = "port_range") -> Json:
    protocol = draw(st.sampled_from(["tcp", "tcp", "6", "udp", "-1", "-1", "all", "icmp", "icmpv6", 58, "47"]))
    texts: list[str] = []
    if protocol != "47" and draw(st.booleans() if protocol in {"-1", "all"} else st.sampled_from([True, True, False])):
        texts = draw(st.lists(st.sampled_from(RULE_PORTS), min_size=1, max_size=2))
    if protocol in {"icmp", "icmpv6", 58}:
        texts = [text for text in texts if text != "3389"]
    environments = draw(st.sampled_from([[], [], [], ["production"], ["dev", "staging"]]))
    rule: Json = {"rule_id": rule_id, "protocol": protocol, "environments": environments}
    if texts:
        rule[ports_key] = texts[0] if ports_key == "port_range" else texts
    return rule


def _sources(*, internet: bool = True) -> st.SearchStrategy[list[str]]:
    named = [*BLOCKS, "0.0.0.0/0", "any", "pl-small", "pl-half", "sg-1"]
    return st.lists(st.sampled_from([*named, *(["internet"] if internet else [])]), min_size=1, max_size=2)


@st.composite
def prohibited(draw: st.DrawFn, rule_id: str, *, outbound: bool = False, key: str = "port_range") -> Json:
    """A prohibited rule: cover, overlap, a budget, groups, or every peer."""
    rule = draw(_traffic(rule_id, key))
    shape = draw(st.sampled_from(["cover", "cover", "overlap", "budget", "every", "internet", "pattern", "groups"]))
    sources: list[str] = []
    if shape in {"cover", "overlap"}:
        sources = draw(_sources())
        rule |= (
            {"source_match": "overlap"}
            if shape == "overlap"
            else draw(st.sampled_from([{}, {"source_match": "cover"}]))
        )
    elif shape == "budget":
        sources = draw(st.sampled_from([["0.0.0.0/0"], ["::/0"], ["any"], []]))
        rule["max_public_addresses"] = draw(st.sampled_from([0, 256, 257, 65536, 1 << 31, 3_700_000_000, 1 << 120]))
    elif shape == "internet":
        sources = ["internet"]
    elif shape == "groups":
        sources = ["sg-1"]
    elif shape == "pattern":
        rule["source_pattern"] = draw(st.sampled_from(["sg-.*", "sg-1", "sg", "sg-(1|web)"]))
    if sources:
        rule["destinations" if outbound else "sources"] = sources
    partial = any(rule.get(each) not in (None, "*", "0-65535") for each in (key,)) and rule["protocol"] in {"-1", "all"}
    if not partial and draw(st.sampled_from([True, False, False])):
        rule["port_match"] = draw(st.sampled_from(["cover", "overlap"]))
    return rule


@st.composite
def restricted(draw: st.DrawFn, rule_id: str, key: str = "port_range") -> Json:
    """A restricted rule with its allowed sources."""
    rule = draw(_traffic(rule_id, key))
    rule["allowed_sources"] = draw(_sources())
    if draw(st.booleans()):
        rule["source_pattern"] = draw(st.sampled_from(["sg-.*", "sg-2"]))
    return rule


@st.composite
def allowances(draw: st.DrawFn, rule_id: str) -> Json:
    """An allowed rule."""
    rule = draw(_traffic(rule_id))
    return rule | draw(st.one_of(st.just({}), _sources().map(lambda sources: {"sources": sources})))


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """A policy with some rules in every section."""
    restrictions = st.one_of(prohibited("E1", key="prohibited_port_ranges"), restricted("E1"))
    production = {
        "additional_restrictions": draw(st.lists(restrictions, max_size=1)),
        "additional_allowances": draw(st.lists(allowances("A2"), max_size=1)),
    }
    return document(
        *(draw(prohibited(f"P{index}")) for index in range(draw(st.integers(1, 4)))),
        outbound=[draw(prohibited("O1", outbound=True))],
        restricted=[draw(restricted(f"R{index}")) for index in range(draw(st.integers(0, 2)))],
        allowed=draw(st.lists(allowances("A1"), max_size=1)),
        environments={draw(st.sampled_from(["production", "prod"])): production},
    )
