"""Sets of IPv4 and IPv6 addresses, and the CIDR notation they are written in.

`parse_cidr` reads what AWS accepts and canonicalises as AWS does: host bits are dropped, so `1.2.3.4/0` is
`0.0.0.0/0`; a bare address is one address; IPv6 may be in long form. Refused: netmasks, zones (`fe80::1%eth0`),
leading zeros, digits of other scripts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.model import globally_routable
from sg_compliance.model.intervals import EMPTY, Interval, IntervalSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BITS: Final = {4: 32, 6: 128}
_CACHED_CIDRS: Final = 1 << 16
_PLAIN_IPV4: Final = re.compile(r"{0}\.{0}\.{0}\.{0}/{0}".format("(0|[1-9][0-9]{,2})")).fullmatch
_PLAIN_IPV6: Final = re.compile(r"((?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){,6})?)::/(0|[1-9][0-9]{,2})").fullmatch
"""What nearly every CIDR looks like: read three times faster than by `ipaddress`, which reads all others."""


class Cidr(NamedTuple):
    """A canonical CIDR block: the first and last address as integers, and how many of them are on the internet."""

    version: int
    first: int
    last: int
    routable: int

    @property
    def prefix_length(self) -> int:
        """The n of `/n`."""
        return BITS[self.version] - (self.last - self.first).bit_length()

    def is_everything(self) -> bool:
        """Whether this is all of IPv4, or all of IPv6."""
        return self.last - self.first + 1 == 1 << BITS[self.version]

    def __str__(self) -> str:
        """Canonical notation, as AWS would return it."""
        return f"{_address(self.version, self.first)}/{self.prefix_length}"


@lru_cache(maxsize=_CACHED_CIDRS)
def parse_cidr(text: str) -> Cidr:
    """Read a CIDR. Raises ValueError that says what is wrong with it."""
    plain = _PLAIN_IPV4(text)
    if plain:
        a, b, c, d, length = map(int, plain.groups())
        if a < 256 and b < 256 and c < 256 and d < 256 and length <= 32:  # noqa: PLR2004 - octets and bits
            size = 1 << (32 - length)
            first = (a << 24 | b << 16 | c << 8 | d) & -size
            return cidr(4, first, first + size - 1)
    plain = _PLAIN_IPV6(text)
    if plain and int(plain[2]) <= BITS[6]:
        hextets = plain[1].split(":") if plain[1] else []
        value = int("".join([hextet.zfill(4) for hextet in hextets]).ljust(32, "0"), 16)
        size = 1 << (BITS[6] - int(plain[2]))
        return cidr(6, value & -size, (value & -size) + size - 1)
    address, slash, prefix = text.partition("/")
    version, value = _parse_address(address)
    bits = BITS[version]
    size = 1 << (bits - (_parse_decimal(prefix, bits) if slash else bits))
    first = value & -size
    return cidr(version, first, first + size - 1)


def cidr(version: int, first: int, last: int) -> Cidr:
    """The block from first to last, which must be aligned."""
    return Cidr(version, first, last, globally_routable.count_between(version, first, last))


def _parse_address(text: str) -> tuple[int, int]:
    if "%" in text or not text.isascii():
        message = f"{text!r} is not an address that AWS accepts"
        raise ValueError(message)
    if ":" in text:
        return 6, int(IPv6Address(text))
    return 4, int(IPv4Address(text))


def _parse_decimal(text: str, highest: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and int(text) <= highest:
        return int(text)
    message = f"{text!r} is not a prefix length from 0 to {highest}"
    raise ValueError(message)


def _address(version: int, value: int) -> str:
    return str(IPv4Address(value) if version == 4 else IPv6Address(value))  # noqa: PLR2004 - the IP version


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A set of IPv4 addresses and a set of IPv6 addresses."""

    v4: IntervalSet = EMPTY
    v6: IntervalSet = EMPTY

    @classmethod
    def of(cls, blocks: Iterable[Cidr]) -> AddressSet:
        """The union of the blocks."""
        by_version: dict[int, list[Interval]] = {4: [], 6: []}
        for block in blocks:
            by_version[block.version].append((block.first, block.last))
        return cls(IntervalSet(by_version[4]), IntervalSet(by_version[6]))

    @classmethod
    def parse(cls, *cidrs: str) -> AddressSet:
        """The union of the CIDRs. Raises ValueError."""
        return cls.of(parse_cidr(text) for text in cidrs)

    def __or__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 | other.v4, self.v6 | other.v6)

    def __and__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 & other.v4, self.v6 & other.v6)

    def __sub__(self, other: AddressSet) -> AddressSet:
        return AddressSet(self.v4 - other.v4, self.v6 - other.v6)

    def __bool__(self) -> bool:
        return bool(self.v4) or bool(self.v6)

    def overlaps(self, other: AddressSet) -> bool:
        """Whether the two sets share an address."""
        return self.v4.overlaps(other.v4) or self.v6.overlaps(other.v6)

    def covers(self, other: AddressSet) -> bool:
        """Whether every address of the other set is in this one."""
        return self.v4.covers(other.v4) and self.v6.covers(other.v6)

    def count(self) -> int:
        """How many addresses there are."""
        return self.v4.count() + self.v6.count()

    def count_globally_routable(self) -> int:
        """How many of the addresses are on the public internet (see `globally_routable`)."""
        return sum(
            globally_routable.count_between(version, first, last)
            for version, intervals in ((4, self.v4), (6, self.v6))
            for first, last in intervals
        )

    def cidrs(self) -> Iterator[Cidr]:
        """The fewest CIDR blocks that make up this set, in order, IPv4 first."""
        for version, intervals in ((4, self.v4), (6, self.v6)):
            for first, last in intervals:
                yield from _blocks(version, first, last)


def _blocks(version: int, first: int, last: int) -> Iterator[Cidr]:
    """Cut [first, last] into the fewest aligned blocks: at each step the largest that starts here and fits."""
    while first <= last:
        aligned = first & -first or 1 << BITS[version]
        fitting = 1 << ((last - first + 1).bit_length() - 1)
        size = min(aligned, fitting)
        yield cidr(version, first, first + size - 1)
        first += size


NOWHERE: Final = AddressSet()
EVERYWHERE: Final = AddressSet.parse("0.0.0.0/0", "::/0")
INTERNET: Final = AddressSet(globally_routable.IPV4, globally_routable.IPV6)
"""Every globally routable address."""
