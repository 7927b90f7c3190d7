"""A second opinion on which policy rules a group violates: slow, simple, written from the meaning of the format alone.

Nothing of the package is used here. The universe of (protocol, port, peer) is shrunk without loss: every end of every
block in the group, the policy and the registries cuts the addresses into cells whose members all share one fate; the
ends of port ranges cut the ports, ICMP types and codes the same way; protocols that nobody names share one cell. Then
every cell is asked in turn.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Json: TypeAlias = dict[str, Any]
Lists: TypeAlias = "Mapping[str, Sequence[str] | None]"
Block: TypeAlias = tuple[int, int, int]
"""Version, first and last address."""
Place: TypeAlias = tuple[int, tuple[int, int]]
"""Protocol and port; for ICMP type and code; (0, 0) for protocols that have no ports."""
Token: TypeAlias = tuple[str, object]
"""A peer: ("cell", (version, index)), ("group", (id, name)), ("list", id), or ("unknown", id of a list)."""

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
NUMBERS: Final = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "-1": -1, "all": -1, "*": -1}
BITS: Final = {4: 32, 6: 128}

# IANA IPv4 and IPv6 special-purpose registries, "globally reachable" false or N/A; multicast and reserved space.
NOT_ROUTABLE: Final = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/29", "192.0.0.8/32", "192.0.0.11/32", "192.0.0.12/30", "192.0.0.16/28", "192.0.0.32/27"),
    *("192.0.0.64/26", "192.0.0.128/25", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    *("::/3", "4000::/2", "8000::/1", "2001:db8::/32", "2002::/16", "3fff::/20"),
    "2001::/23",
)
# What is registered inside 2001::/23 as globally reachable; 192.0.0.9 and 192.0.0.10 are left out above.
REACHABLE_INSIDE: Final = (
    *("2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28"),
    "2001:30::/28",
)


def block(text: str) -> Block:
    """A CIDR as AWS reads it: host bits do not count."""
    network = ip_network(text, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def routable(version: int, address: int) -> bool:
    """Whether the address is on the public internet."""
    if _within((version, address, address), map(block, REACHABLE_INSIDE)):
        return True
    return not _within((version, address, address), map(block, NOT_ROUTABLE))


def _within(inner: Block, blocks: Iterable[Block]) -> bool:
    return any(inner[0] == v and first <= inner[1] and inner[2] <= last for v, first, last in blocks)


def protocol_number(written: object) -> int:
    """`tcp`, `TCP`, `6`, 6 → 6."""
    name = str(written).lower()
    return NUMBERS[name] if name in NUMBERS else int(name)


class Opening(NamedTuple):
    """A permission as AWS means it: protocol (-1: all), the two ports or type and code (None: all), the peers."""

    protocol: int
    ends: tuple[int, int] | None
    blocks: tuple[Block, ...]
    tokens: tuple[Token, ...]


def openings(permissions: Iterable[Json], lists: Lists) -> list[Opening]:
    """AWS's permissions, prefix lists replaced by what they hold."""
    return [_opening(permission, lists) for permission in permissions]


def _opening(permission: Json, lists: Lists) -> Opening:
    protocol = protocol_number(permission["IpProtocol"])
    ends: tuple[int, int] | None = None
    if protocol in (TCP, UDP, ICMP, ICMPV6):
        first, last = permission.get("FromPort"), permission.get("ToPort")
        if first is not None and int(first) != -1:
            ends = (int(first), -1 if last is None else int(last))
    texts = [item["CidrIp"] for item in permission.get("IpRanges") or ()]
    texts += [item["CidrIpv6"] for item in permission.get("Ipv6Ranges") or ()]
    pairs = permission.get("UserIdGroupPairs") or ()
    tokens: list[Token] = [("group", (pair["GroupId"], pair.get("GroupName") or "")) for pair in pairs]
    for name in (item["PrefixListId"] for item in permission.get("PrefixListIds") or ()):
        held = lists.get(name)
        tokens += [("unknown", name)] if held is None else [("list", name)] if held else []
        texts += held or ()
    return Opening(protocol, ends, tuple(map(block, texts)), tuple(tokens))


class Rule(NamedTuple):
    """A policy rule as the format means it."""

    written: Json
    kind: str
    ingress: bool
    after_allowances: bool

    @property
    def protocol(self) -> int:
        return protocol_number(self.written.get("protocol", "-1"))

    @property
    def ranges(self) -> list[tuple[int, int]] | None:
        """Port ranges; None for all ports."""
        texts = [str(text) for key in PORT_KEYS for text in _listed(self.written.get(key))]
        if not texts or "*" in texts or "0-65535" in texts:
            return None
        return [(int(first), int(last or first)) for first, _, last in (text.partition("-") for text in texts)]

    @property
    def sources(self) -> list[str]:
        """The sources or destinations, `any` spelt out."""
        return [
            source
            for key in ("source", "sources", "destination", "destinations", "allowed_sources", "allowed_destinations")
            for text in _listed(self.written.get(key))
            for source in (("0.0.0.0/0", "::/0") if text == "any" else (text,))
        ]


PORT_KEYS: Final = (
    "port_range",
    "port_ranges",
    "prohibited_port_ranges",
    "restricted_port_ranges",
    "allowed_port_ranges",
)


def _listed(value: object) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _environment(text: str | None) -> str | None:
    return (
        {"dev": "development", "stage": "staging", "prod": "production"}.get(text.lower(), text.lower())
        if text
        else None
    )


def binding_rules(written: Json, raw: Json, deployment: str | None = None) -> list[Rule]:
    """The rules of the document that bind the group in its environment."""
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags") or ()}
    accounts = {config["account_id"]: config.get("environment") for config in written.get("accounts_config", ())}
    environment = _environment(tags.get("Environment") or accounts.get(raw["OwnerId"]) or deployment)
    sections = {**written.get("compliance_policies", {}), **written}
    found = [
        Rule(rule, section.removesuffix("_rules"), direction == "inbound", section == "restricted_rules")
        for section in ("prohibited_rules", "restricted_rules", "allowed_rules")
        for direction in ("inbound", "outbound")
        for rule in sections.get(section, {}).get(direction, ())
    ]
    for name, special in sections.get("environment_specific", {}).items():
        if _environment(name) == environment:
            found += [_of_environment(rule) for rule in special.get("additional_restrictions", ())]
            found += [Rule(rule, "allowed", _inbound(rule), True) for rule in special.get("additional_allowances", ())]
    return [rule for rule in found if _binds(rule.written, environment)]


def _inbound(rule: Json) -> bool:
    return not any(key in rule for key in ("destination", "destinations", "allowed_destinations"))


def _of_environment(rule: Json) -> Rule:
    limited = any(rule.get(key) for key in ("allowed_sources", "allowed_destinations", "restricted_port_ranges"))
    return Rule(rule, "restricted" if limited else "prohibited", _inbound(rule), True)


def _binds(rule: Json, environment: str | None) -> bool:
    wanted = [_environment(name) for name in rule.get("environments", ())]
    return bool(rule.get("enabled", True)) and (not wanted or environment in wanted)


class Universe:
    """The cells of addresses and places, cut at every end that the openings and the rules have."""

    def __init__(self, opened: Iterable[Opening], rules: Sequence[Rule], lists: Lists) -> None:
        opened = list(opened)
        blocks = [each for opening in opened for each in opening.blocks]
        texts = [source for rule in rules for source in rule.sources if "/" in source]
        texts += [entry for held in lists.values() for entry in held or ()]
        blocks += map(block, (*texts, *NOT_ROUTABLE, *REACHABLE_INSIDE))
        self.starts = {version: _starts(blocks, version) for version in (4, 6)}
        self.routable = {
            version: [routable(version, start) for start in starts] for version, starts in self.starts.items()
        }
        self._cells: dict[Block, frozenset[Token]] = {}
        named = {TCP, UDP, ICMP, ICMPV6, *(each.protocol for each in opened), *(rule.protocol for rule in rules)} - {-1}
        other = next((number for number in range(256) if number not in named), None)
        self.protocols = [*sorted(named), *([] if other is None else [other])]
        self._ends = self._port_ends(opened, rules)
        self.places = [(protocol, port) for protocol in self.protocols for port in self._ports(protocol)]

    def cells(self, each: Block) -> frozenset[Token]:
        """The cells that make up a block."""
        found = self._cells.get(each)
        if found is None:
            version, first, last = each
            starts = self.starts[version]
            indexes = range(bisect_left(starts, first), bisect_left(starts, last + 1))
            found = self._cells[each] = frozenset(("cell", (version, index)) for index in indexes)
        return found

    def size(self, version: int, index: int) -> int:
        """How many addresses a cell has."""
        starts = [*self.starts[version], 1 << BITS[version]]
        return starts[index + 1] - starts[index]

    def internet(self, version: int) -> frozenset[Token]:
        """The cells of globally routable addresses."""
        return frozenset(("cell", (version, index)) for index, yes in enumerate(self.routable[version]) if yes)

    def public_addresses(self, tokens: Iterable[Token], version: int) -> int:
        """How many globally routable addresses are among the peers."""
        return sum(
            self.size(version, index)
            for kind, (v, index) in _addressed(tokens)
            if v == version and self.routable[v][index]
        )

    @staticmethod
    def _port_ends(opened: Iterable[Opening], rules: Iterable[Rule]) -> dict[str, set[int]]:
        ends: dict[str, set[int]] = {"port": {0, 1}, "type": {0}, "code": {0}}
        for opening in opened:
            if opening.ends and opening.protocol in (TCP, UDP):
                ends["port"] |= {opening.ends[0], opening.ends[1] + 1}
            elif opening.ends:
                kind, code = opening.ends
                ends["type"] |= {kind, kind + 1}
                ends["code"] |= {code, code + 1} if code >= 0 else set()
        for first, last in (span for rule in rules for span in rule.ranges or ()):
            ends["port"] |= {first, last + 1}
            ends["type"] |= {first, last + 1}
        return ends

    def _ports(self, protocol: int) -> Iterator[tuple[int, int]]:
        if protocol in (TCP, UDP):
            yield from ((port, 0) for port in sorted(self._ends["port"]) if port <= 65535)
        elif protocol in (ICMP, ICMPV6):
            codes = [code for code in sorted(self._ends["code"]) if code <= 255]
            yield from ((kind, code) for kind in sorted(self._ends["type"]) if kind <= 255 for code in codes)
        else:
            yield 0, 0


def _addressed(tokens: Iterable[Token]) -> Iterator[tuple[str, tuple[int, int]]]:
    for kind, value in tokens:
        if kind == "cell" and isinstance(value, tuple):
            yield kind, value


def _starts(blocks: Iterable[Block], version: int) -> list[int]:
    ends = {end for v, first, last in blocks if v == version for end in (first, last + 1)}
    return sorted(end for end in {0, *ends} if end < 1 << BITS[version])


def opens(opening: Opening, place: Place) -> bool:
    """Whether the permission is about this protocol and port."""
    protocol, port = place
    if opening.protocol == -1:
        return True
    if opening.protocol != protocol:
        return False
    if opening.ends is None:
        return True
    if protocol in (TCP, UDP):
        return opening.ends[0] <= port[0] <= opening.ends[1]
    return opening.ends[0] == port[0] and opening.ends[1] in (-1, port[1])


def traffic(opened: Sequence[Opening], universe: Universe) -> dict[Place, frozenset[Token]]:
    """Everything that the permissions let through: place → peers, places without peers left out."""
    peers = [frozenset().union(*map(universe.cells, each.blocks), each.tokens) for each in opened]
    found = {
        place: frozenset[Token]().union(*(own for each, own in zip(opened, peers, strict=True) if opens(each, place)))
        for place in universe.places
    }
    return {place: tokens for place, tokens in found.items() if tokens}


def about(rule: Rule, place: Place) -> bool:
    """Whether the rule is about this protocol and port."""
    protocol, port = place
    if rule.protocol == -1:
        if rule.ranges is None:
            return True
        if protocol not in (TCP, UDP):
            return False
    elif protocol != rule.protocol:
        return False
    return rule.ranges is None or any(first <= port[0] <= last for first, last in rule.ranges)


class Judge:
    """The verdicts on one direction of one group."""

    def __init__(self, rules: Sequence[Rule], opened: Sequence[Opening], lists: Lists) -> None:
        self.lists = lists
        self.universe = Universe(opened, rules, lists)
        self.traffic = traffic(opened, self.universe)
        self.remaining = self._without_allowed([rule for rule in rules if rule.kind == "allowed"])

    def _without_allowed(self, allowances: Sequence[Rule]) -> dict[Place, frozenset[Token]]:
        remaining = dict(self.traffic)
        for rule in allowances:
            taken = None if _every_peer(rule) else self.named(rule)
            for place, tokens in remaining.items():
                if about(rule, place):
                    left = [token for token in tokens if taken is not None and not self.is_named(rule, token, taken)]
                    remaining[place] = frozenset(left)
        return remaining

    def named(self, rule: Rule) -> frozenset[Token]:
        """The cells of all addresses that the rule's sources name."""
        cells: set[Token] = set()
        for source in rule.sources:
            if source == "internet":
                cells |= self.universe.internet(4) | self.universe.internet(6)
            elif source.startswith("pl-"):
                cells |= self._held(source)
            elif "/" in source:
                cells |= self.universe.cells(block(source))
        return frozenset(cells)

    def _held(self, prefix_list: str) -> frozenset[Token]:
        return frozenset().union(*(self.universe.cells(block(text)) for text in self.lists.get(prefix_list) or ()))

    @staticmethod
    def is_named(rule: Rule, token: Token, cells: frozenset[Token]) -> bool:
        """Whether the rule's sources name this peer."""
        kind, value = token
        if kind == "cell":
            return token in cells
        if kind == "group" and isinstance(value, tuple):
            pattern = rule.written.get("source_pattern")
            by_pattern = pattern is not None and any(text and re.fullmatch(pattern, text) for text in value)
            return value[0] in rule.sources or by_pattern
        return value in rule.sources

    def violated(self, rule: Rule) -> bool | None:
        """None: no violation; True: certain; False: cannot be ruled out, for a prefix list is unreadable."""
        seen = self.remaining if rule.after_allowances else self.traffic
        for doubt in (False, True):
            if (
                self._restricted(rule, seen, doubt)
                if rule.kind == "restricted"
                else self._prohibited(rule, seen, doubt)
            ):
                return not doubt
        return None

    def _restricted(self, rule: Rule, seen: Mapping[Place, frozenset[Token]], doubt: bool) -> bool:
        cells = self.named(rule)
        return any(
            not self.is_named(rule, token, cells)
            for place, tokens in seen.items()
            if about(rule, place)
            for token in tokens
            if token[0] in ({"cell", "group", "unknown"} if doubt else {"cell", "group"})
        )

    def _prohibited(self, rule: Rule, seen: Mapping[Place, frozenset[Token]], doubt: bool) -> bool:
        places = [place for place in self.universe.places if about(rule, place)]
        for test in self._tests(rule, doubt):
            if self._default_cover(rule):
                needed = [place for place in places if not (place[0] in (TCP, UDP) and place[1] == (0, 0))]
                if all(test(seen.get(place, frozenset())) for place in needed):
                    return True
            elif any(test(seen.get(place, frozenset())) for place in places):
                return True
        return False

    @staticmethod
    def _default_cover(rule: Rule) -> bool:
        default = rule.ranges is None and "max_public_addresses" not in rule.written
        return bool(rule.written.get("port_match", "cover" if default else "overlap") == "cover")

    def _tests(self, rule: Rule, doubt: bool) -> Iterator[Callable[[frozenset[Token]], bool]]:
        """One test of the peers at a place for each source: each prohibits on its own."""

        def unknown(tokens: frozenset[Token]) -> bool:
            return doubt and any(kind == "unknown" for kind, _ in tokens)

        budget = rule.written.get("max_public_addresses")
        universe = self.universe
        if budget is not None:
            versions = {block(source)[0] for source in rule.sources if "/" in source} or {4, 6}
            for version in versions:
                yield lambda tokens, v=version: unknown(tokens) or universe.public_addresses(tokens, v) > budget  # type: ignore[misc]
            return
        if _every_peer(rule):
            yield lambda tokens: unknown(tokens) or any(kind in {"cell", "group"} for kind, _ in tokens)
            return
        for source in rule.sources:
            for wanted, every in self._wanted(rule, source):
                if every:
                    yield lambda tokens, w=wanted: unknown(tokens) or (bool(w) and w <= tokens)  # type: ignore[misc]
                else:
                    yield lambda tokens, w=wanted: unknown(tokens) or bool(w & tokens)  # type: ignore[misc]
        yield lambda tokens: any(self.is_named(rule, token, frozenset()) for token in tokens if token[0] != "cell")

    def _wanted(self, rule: Rule, source: str) -> Iterator[tuple[frozenset[Token], bool]]:
        """(cells, whether all of them are needed) for each block of a source."""
        written = rule.written.get("source_match")
        if source == "internet":
            for version in (4, 6):
                yield self.universe.internet(version), written == "cover"
        elif source.startswith("pl-"):
            yield self._held(source), written != "overlap"
        elif "/" in source:
            cells, every = self.universe.cells(block(source)), written != "overlap"
            if every and source in ("0.0.0.0/0", "::/0"):
                cells &= self.universe.internet(block(source)[0])
            yield cells, every


def _every_peer(rule: Rule) -> bool:
    return not rule.sources and "source_pattern" not in rule.written


def verdicts(written: Json, raw: Json, lists: Lists, environment: str | None = None) -> dict[str, bool]:
    """Rule id → whether it is certain, for every prohibited or restricted rule that the group violates."""
    found: dict[str, bool] = {}
    rules = binding_rules(written, raw, environment)
    for ingress, key in ((True, "IpPermissions"), (False, "IpPermissionsEgress")):
        own = [rule for rule in rules if rule.ingress is ingress]
        judge = Judge(own, openings(raw[key], lists), lists)
        for rule in own:
            certain = None if rule.kind == "allowed" else judge.violated(rule)
            if certain is not None:
                found[rule.written["rule_id"]] = certain
    return found
