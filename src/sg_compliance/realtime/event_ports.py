"""Protocol and ports of a rule in an event → number and span in the port space of the model, or ValueError in words.

A protocol that is not tcp, udp, icmp or icmpv6 allows all ports; for ICMP fromPort is the type and toPort the code,
-1 is every one (EC2 API reference, SecurityGroupRule). The same reading as that of groups, held to it by a test.
"""

from __future__ import annotations

import re
from typing import Final

from sg_compliance.model.security_group import (
    ALL_PROTOCOLS,
    CODES,
    ICMP_PROTOCOLS,
    LAST_PORT,
    LAST_PROTOCOL,
    PROTOCOL_NUMBERS,
    WITH_PORTS,
)

_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
_PROTOCOL: Final = re.compile("[0-9]{1,10}")
_EVERY: Final = (None, -1)


def span(ip_protocol: str, from_port: int | str | None, to_port: int | str | None) -> tuple[int, int, int]:
    """Protocol number or -1, first and last port."""
    protocol = _protocol(ip_protocol)
    if protocol not in WITH_PORTS | ICMP_PROTOCOLS:
        return protocol, 0, LAST_PORT
    first, last = _number(from_port, "fromPort"), _number(to_port, "toPort")
    return (protocol, *(_icmp(first, last) if protocol in ICMP_PROTOCOLS else _ports(first, last)))


def _protocol(written: str) -> int:
    name = written.strip().lower()
    if name == str(ALL_PROTOCOLS):
        return ALL_PROTOCOLS
    if name in PROTOCOL_NUMBERS:
        return PROTOCOL_NUMBERS[name]
    if not _PROTOCOL.fullmatch(name) or int(name) > LAST_PROTOCOL:
        message = f"{written!r} is not a protocol"
        raise ValueError(message)
    return int(name)


def _number(value: int | str | None, name: str) -> int | None:
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value.strip()):
        message = f"{name} {value!r} is not a number"
        raise ValueError(message)
    return int(value)


def _ports(first: int | None, last: int | None) -> tuple[int, int]:
    if first in _EVERY and last in _EVERY:
        return 0, LAST_PORT
    if first is None or last is None:
        message = f"ports {first}-{last}: one of the two is missing"
        raise ValueError(message)
    if not 0 <= first <= LAST_PORT or not 0 <= last <= LAST_PORT:
        message = f"ports {first}-{last}: not between 0 and {LAST_PORT}"
        raise ValueError(message)
    if last < first:
        message = f"ports {first}-{last}: the range is inverted and lets nothing through"
        raise ValueError(message)
    return first, last


def _icmp(kind: int | None, code: int | None) -> tuple[int, int]:
    if kind is None or kind == -1:
        return 0, LAST_PORT
    if not 0 <= kind < CODES or (code is not None and not -1 <= code < CODES):
        message = f"ICMP type {kind} code {code}: not between 0 and {CODES - 1}"
        raise ValueError(message)
    start = kind * CODES
    return (start, start + CODES - 1) if code is None or code == -1 else (start + code, start + code)
