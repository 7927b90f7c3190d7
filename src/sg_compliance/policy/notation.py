"""How traffic is written in a policy: protocols, ports, ICMP types, sources. Text → value, or ValueError in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sg_compliance.model.addresses import INTERNET, AddressSet, Cidr, parse_cidr
from sg_compliance.model.intervals import EMPTY, IntervalSet
from sg_compliance.model.security_group import (
    ALL_PORTS,
    ALL_PROTOCOLS,
    CODES,
    ICMP_PROTOCOLS,
    LAST_PORT,
    LAST_PROTOCOL,
    PROTOCOL_NUMBERS,
    WITH_PORTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY: Final = ("0.0.0.0/0", "::/0")
_ALL_PROTOCOL_NAMES: Final = frozenset({"-1", "all", "*"})
_PORTS: Final = re.compile(r"^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$", re.ASCII)
_GROUP_ID: Final = re.compile(r"^sg-[0-9a-z]+$", re.ASCII)
_PREFIX_LIST_ID: Final = re.compile(r"^pl-[0-9a-z]+$", re.ASCII)


def parse_protocol(text: str) -> int:
    """The protocol number, or -1 for all of them."""
    name = text.strip().lower()
    if name in _ALL_PROTOCOL_NAMES:
        return ALL_PROTOCOLS
    if name in PROTOCOL_NUMBERS:
        return PROTOCOL_NUMBERS[name]
    if name.isascii() and name.isdigit() and int(name) <= LAST_PROTOCOL:
        return int(name)
    message = "expected tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1, all, *"
    raise ValueError(message)


def parse_ports(texts: Iterable[str], protocol: int) -> IntervalSet:
    """The ports in the port space of the protocol; for ICMP the numbers are types."""
    ports = EMPTY
    for text in texts:
        ports |= _parse_range(text, protocol)
    return ports


def _parse_range(text: str, protocol: int) -> IntervalSet:
    if text.strip() == "*":
        return ALL_PORTS
    match = _PORTS.match(text.strip())
    if not match:
        message = 'expected a port ("22"), a range ("20-25") or "*"'
        raise ValueError(message)
    first, last = int(match[1]), int(match[2] or match[1])
    if protocol in ICMP_PROTOCOLS and (first, last) != (0, LAST_PORT):
        return _interval(first, last, CODES - 1, CODES)
    ports = _interval(first, last, LAST_PORT, 1)
    if protocol not in (*WITH_PORTS, *ICMP_PROTOCOLS, ALL_PROTOCOLS) and ports != ALL_PORTS:
        message = f"expected no ports: protocol {protocol} has none"
        raise ValueError(message)
    return ports


def _interval(first: int, last: int, highest: int, width: int) -> IntervalSet:
    if last > highest:
        message = f"expected numbers from 0 to {highest}"
        raise ValueError(message)
    if last < first:
        message = f"expected the lower number first: {last}-{first}"
        raise ValueError(message)
    return IntervalSet([(first * width, last * width + width - 1)])


@dataclass(frozen=True, slots=True)
class Sources:
    """The peers that a list of sources names. `blocks` are judged one by one where a rule prohibits them."""

    blocks: tuple[Cidr, ...] = ()
    internet: bool = False
    groups: frozenset[str] = frozenset()
    prefix_lists: frozenset[str] = frozenset()
    addresses: AddressSet = field(default_factory=AddressSet)


def parse_sources(texts: Iterable[str], networks: Mapping[str, Iterable[str]]) -> Sources:
    """Read sources: CIDRs, `any`, `internet`, prefix list ids, group ids, names from `x_networks`."""
    blocks: list[Cidr] = []
    groups, prefix_lists = set(), set()
    internet = False
    for text in texts:
        if text in networks:
            blocks.extend(parse_block(cidr) for cidr in networks[text])
        elif text == "any":
            blocks.extend(map(parse_cidr, ANY))
        elif text == "internet":
            internet = True
        elif _GROUP_ID.match(text):
            groups.add(text)
        elif _PREFIX_LIST_ID.match(text):
            prefix_lists.add(text)
        else:
            blocks.append(parse_block(text))
    addresses = AddressSet.of(blocks) | (INTERNET if internet else AddressSet())
    unique = tuple(dict.fromkeys(blocks))
    return Sources(unique, internet, frozenset(groups), frozenset(prefix_lists), addresses)


def parse_block(text: str) -> Cidr:
    """Read a CIDR that stands in a policy: host bits are an error, for they hide what was meant."""
    try:
        block = parse_cidr(text)
    except ValueError:
        message = "expected a CIDR, any, internet, a group id, a prefix list id, or a name from x_networks"
        raise ValueError(message) from None
    if parse_cidr(text.partition("/")[0]).first != block.first:
        message = f"expected no host bits: did you mean {block}?"
        raise ValueError(message)
    return block


def environment_name(text: str) -> str:
    """The one name of an environment: `prod`, `Production` and `production` are the same."""
    name = text.strip().lower()
    return {"dev": "development", "stage": "staging", "prod": "production"}.get(name, name)
