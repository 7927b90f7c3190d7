"""Which addresses are on the public internet, by IANA's registries and not by what a Python version thinks.

Sources: IANA IPv4 Special-Purpose Address Registry and IANA IPv6 Special-Purpose Address Registry (last updated
2024-10-22 and 2025-05-09), IANA IPv4 Multicast Address Space, IANA Internet Protocol Version 6 Address Space.
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry

Every registered block is listed with what the registry says in its column "Globally Reachable". Where the column
says N/A (6to4 and Teredo, deprecated relays) the block is held as not routable: it need not be open for a group to
be open to the whole internet. IPv6 outside 2000::/3 is not allocated as global unicast, so it is not routable;
64:ff9b::/96 (NAT64) is reachable but its packets are seen as IPv4, so it is left out as well.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from ipaddress import ip_network
from itertools import accumulate
from typing import Final

from sg_compliance.model.intervals import EMPTY, IntervalSet

REGISTRY_DATE: Final = "2025-05-09"

IPV4_SPACE: Final = ("0.0.0.0/0",)
IPV4_SPECIAL: Final = (
    ("0.0.0.0/8", False, "this network, RFC 791"),
    ("10.0.0.0/8", False, "private use, RFC 1918"),
    ("100.64.0.0/10", False, "shared address space (CGNAT), RFC 6598"),
    ("127.0.0.0/8", False, "loopback, RFC 1122"),
    ("169.254.0.0/16", False, "link local, RFC 3927"),
    ("172.16.0.0/12", False, "private use, RFC 1918"),
    ("192.0.0.0/24", False, "IETF protocol assignments, RFC 6890"),
    ("192.0.0.9/32", True, "port control protocol anycast, RFC 7723"),
    ("192.0.0.10/32", True, "TURN anycast, RFC 8155"),
    ("192.0.2.0/24", False, "documentation TEST-NET-1, RFC 5737"),
    ("192.31.196.0/24", True, "AS112-v4, RFC 7535"),
    ("192.52.193.0/24", True, "AMT, RFC 7450"),
    ("192.88.99.0/24", False, "deprecated 6to4 relay anycast, RFC 7526 (N/A)"),
    ("192.168.0.0/16", False, "private use, RFC 1918"),
    ("192.175.48.0/24", True, "direct delegation AS112 service, RFC 7534"),
    ("198.18.0.0/15", False, "benchmarking, RFC 2544"),
    ("198.51.100.0/24", False, "documentation TEST-NET-2, RFC 5737"),
    ("203.0.113.0/24", False, "documentation TEST-NET-3, RFC 5737"),
    ("224.0.0.0/4", False, "multicast, RFC 5771"),
    ("240.0.0.0/4", False, "reserved, RFC 1112, with limited broadcast, RFC 8190"),
)

IPV6_SPACE: Final = ("2000::/3",)
IPV6_SPECIAL: Final = (
    ("2001::/23", False, "IETF protocol assignments, RFC 2928"),
    ("2001::/32", False, "Teredo, RFC 4380 (N/A)"),
    ("2001:1::1/128", True, "port control protocol anycast, RFC 7723"),
    ("2001:1::2/128", True, "TURN anycast, RFC 8155"),
    ("2001:1::3/128", True, "DNS-SD service registration anycast, RFC 9665"),
    ("2001:2::/48", False, "benchmarking, RFC 5180"),
    ("2001:3::/32", True, "AMT, RFC 7450"),
    ("2001:4:112::/48", True, "AS112-v6, RFC 7535"),
    ("2001:10::/28", False, "deprecated ORCHID, RFC 4843"),
    ("2001:20::/28", True, "ORCHIDv2, RFC 7343"),
    ("2001:30::/28", True, "drone remote id entity tags, RFC 9374"),
    ("2001:db8::/32", False, "documentation, RFC 3849"),
    ("2002::/16", False, "6to4, RFC 3056 (N/A)"),
    ("2620:4f:8000::/48", True, "direct delegation AS112 service, RFC 7534"),
    ("3fff::/20", False, "documentation, RFC 9637"),
)


def _routable(space: tuple[str, ...], special: tuple[tuple[str, bool, str], ...]) -> IntervalSet:
    """Start from the space and apply the blocks, widest first: the more specific registration wins."""
    routable = EMPTY
    for cidr in space:
        routable |= _block(cidr)
    for cidr, reachable, _ in sorted(special, key=lambda row: ip_network(row[0]).prefixlen):
        routable = routable | _block(cidr) if reachable else routable - _block(cidr)
    return routable


def _block(cidr: str) -> IntervalSet:
    network = ip_network(cidr)
    return IntervalSet([(int(network.network_address), int(network.broadcast_address))])


IPV4: Final = _routable(IPV4_SPACE, IPV4_SPECIAL)
IPV6: Final = _routable(IPV6_SPACE, IPV6_SPECIAL)


def _sums(routable: IntervalSet) -> tuple[int, ...]:
    return (0, *accumulate(last - first + 1 for first, last in routable))


_SUMS: Final = {4: _sums(IPV4), 6: _sums(IPV6)}
_STARTS: Final = {version: [first for first, _ in routable] for version, routable in ((4, IPV4), (6, IPV6))}
_LASTS: Final = {version: [last for _, last in routable] for version, routable in ((4, IPV4), (6, IPV6))}
TOTAL: Final = {4: IPV4.count(), 6: IPV6.count()}
"""Number of globally routable addresses of each IP version."""


def count_between(version: int, first: int, last: int) -> int:
    """How many globally routable addresses lie in [first, last]. Most blocks lie whole in one range, or in none."""
    starts, lasts = _STARTS[version], _LASTS[version]
    index = bisect_right(starts, first) - 1
    if index >= 0 and last <= lasts[index]:
        return last - first + 1
    if (index < 0 or lasts[index] < first) and (index + 1 == len(starts) or last < starts[index + 1]):
        return 0
    return _below(version, last + 1) - _below(version, first)


def _below(version: int, address: int) -> int:
    index = bisect_left(_STARTS[version], address) - 1
    if index < 0:
        return 0
    return _SUMS[version][index] + min(address, _LASTS[version][index] + 1) - _STARTS[version][index]
