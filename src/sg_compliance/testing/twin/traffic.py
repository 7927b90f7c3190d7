"""Protocols, ports and CIDRs as AWS takes and stores them.

`6` comes back as `tcp`; only tcp, udp, icmp and icmpv6 have ports; `1.2.3.4/0` is stored as `0.0.0.0/0`.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.model.addresses import parse_cidr
from sg_compliance.testing.twin.refusal import invalid

if TYPE_CHECKING:
    from sg_compliance.testing.twin.nouns import Json

ALL: Final = "-1"
_NAMES: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": ALL, ALL: ALL}
_WITH_PORTS: Final = frozenset({"tcp", "udp"})
_ICMP: Final = frozenset({"icmp", "icmpv6"})
_LAST_PROTOCOL: Final = 255
_LAST_PORT: Final = 65535
_LAST_CODE: Final = 255


def traffic(raw: Json) -> tuple[str, int | None, int | None]:
    """Protocol, FromPort and ToPort as AWS stores them. Raises TwinError."""
    protocol = _protocol(raw.get("IpProtocol"))
    first, last = raw.get("FromPort"), raw.get("ToPort")
    if protocol in _WITH_PORTS:
        return (protocol, *_ports(first, last))
    if protocol in _ICMP:
        return (protocol, *_type_and_code(protocol, first, last))
    return protocol, None, None


def _protocol(text: object) -> str:
    if text is None:
        raise invalid("Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.")
    name = str(text).lower()
    name = _NAMES.get(name, name)
    if name in _WITH_PORTS | _ICMP | {ALL}:
        return name
    if name.isascii() and name.isdigit() and int(name) <= _LAST_PROTOCOL:
        return _NAMES.get(str(int(name)), str(int(name)))
    raise invalid(f"Invalid value '{text}' for IP protocol. Unknown protocol.")


def _ports(first: int | None, last: int | None) -> tuple[int, int]:
    if first is None or last is None:
        raise invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
    if not 0 <= first <= _LAST_PORT or not 0 <= last <= _LAST_PORT:
        raise invalid(f"Invalid value '{first}-{last}' for portRange. Ports must be between 0 and {_LAST_PORT}.")
    if first > last:
        raise invalid(f"Invalid TCP/UDP port range ({first}:{last})")
    return first, last


def _type_and_code(protocol: str, kind: int | None, code: int | None) -> tuple[int, int]:
    if protocol == "icmpv6" and kind is None and code is None:
        return -1, -1
    if kind is None or code is None:
        raise invalid("Invalid value 'Must specify both type and code with ICMP.' for portRange.")
    if not -1 <= kind <= _LAST_CODE or not -1 <= code <= _LAST_CODE:
        raise invalid(f"ICMP type {kind} and code {code} must be between -1 and {_LAST_CODE}")
    if kind == -1 and code != -1:
        raise invalid(f"ICMP code {code}: all types go with all codes, -1")
    return kind, code


def canonical_cidr(text: str, version: int) -> str:
    """The block as AWS stores it. Raises TwinError for what is no block of that IP version."""
    try:
        block = parse_cidr(text)
    except ValueError:
        raise invalid(f"CIDR block {text} is malformed") from None
    if "/" not in text:
        raise invalid(f"CIDR block {text} is malformed")
    if block.version != version:
        raise invalid(f"CIDR block {text} is no IPv{version} block")
    return str(block)
