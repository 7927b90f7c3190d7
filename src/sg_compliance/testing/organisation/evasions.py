"""Groups that mean more than they seem to, or less. Each `case` fools, or has fooled, some tool that compares strings.

An evasion violates a rule in a way that is easy to miss; a decoy looks like a violation and is none.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.organisation.blueprint import (
    ALL_IPV4,
    ALL_TCP,
    ANYWHERE,
    HTTP,
    IPV6_ALL,
    MORE_THAN_DEFAULT_QUOTA,
    NOT_CANONICAL,
    RDP,
    SSH,
    Rule,
    cidr,
    cidrs,
    every_protocol,
    special_case,
    tcp,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HALVES: Final = cidrs(("0.0.0.0/1", "128.0.0.0/1"))
_SLASH_EIGHTS: Final = cidrs(f"{first}.0.0.0/8" for first in range(256))


def _everything_but(excluded: str) -> Iterator[str]:
    return (str(block) for block in sorted(IPv4Network("0.0.0.0/0").address_exclude(IPv4Network(excluded))))


ADDRESSES: Final = (
    special_case("sftp-partners", "two halves of the internet in one permission", tcp(22, *HALVES), expected=(SSH,)),
    special_case(
        "sftp-regions",
        "two halves of the internet in two permissions",
        tcp((20, 22), HALVES[0]),
        tcp((22, 30), HALVES[1]),
        expected=(SSH,),
    ),
    special_case(
        "desktop-clients",
        "256 blocks of /8",
        tcp(3389, *_SLASH_EIGHTS),
        expected=(RDP,),
        oddity=MORE_THAN_DEFAULT_QUOTA,
    ),
    special_case(
        "shell-external",
        "everything but 10.0.0.0/8",
        tcp(22, *cidrs(_everything_but("10.0.0.0/8"))),
        expected=(SSH,),
    ),
    special_case(
        "shell-all-but-resolver",
        "everything but one address: a matter for a budget of public addresses",
        tcp(22, *cidrs(_everything_but("8.8.8.8/32"))),
    ),
    special_case(
        "mesh-ipv6",
        "two halves of the IPv6 internet",
        every_protocol(*cidrs(("::/1", "8000::/1"))),
        expected=(IPV6_ALL,),
    ),
    special_case(
        "mesh-ipv6-unicast",
        "all global unicast IPv6",
        every_protocol(cidr("2000::/3")),
        expected=(IPV6_ALL,),
    ),
    special_case(
        "mesh-ipv6-written-out",
        "long-form IPv6",
        every_protocol(cidr("0000:0000:0000:0000:0000:0000:0000:0000/0")),
        expected=(IPV6_ALL,),
        oddity=NOT_CANONICAL,
    ),
    special_case(
        "shell-vendor",
        "a /0 with host bits",
        tcp(22, cidr("1.2.3.4/0")),
        expected=(SSH,),
        oddity=NOT_CANONICAL,
    ),
    special_case("shell-zero-slash-sixteen", "decoy: 0.0.0.0/16", tcp(22, cidr("0.0.0.0/16"))),
    special_case("shell-zero-slash-thirty-two", "decoy: 0.0.0.0/32", tcp(22, cidr("0.0.0.0/32"))),
    special_case(
        "shell-mixed",
        "10.0.0.0/8 and 0.0.0.0/0 in one permission",
        tcp(22, cidr("10.0.0.0/8", "internal networks"), ANYWHERE),
        expected=(SSH,),
    ),
)

PORTS: Final = (
    special_case("files-upload", "tcp 20-25", tcp((20, 25), ANYWHERE), expected=(SSH,)),
    special_case("telnet-migration", "tcp 22-23", tcp((22, 23), ANYWHERE), expected=(SSH,)),
    special_case("files-ftp", "tcp 20-22", tcp((20, 22), ANYWHERE), expected=(SSH,)),
    special_case("loadtest-targets", "tcp 0-65535", tcp((0, 65535), ANYWHERE), expected=ALL_TCP),
    special_case("loadtest-clients", "tcp 1-65535", tcp((1, 65535), ANYWHERE), expected=ALL_TCP),
    special_case("webapps-any-port", "tcp 80-65535", tcp((80, 65535), ANYWHERE), expected=(HTTP, RDP)),
    special_case(
        "shell-reversed",
        "an inverted range, 23-21",
        tcp((23, 21), ANYWHERE),
        oddity="AWS refuses a FromPort above the ToPort",
    ),
    special_case(
        "loadtest-portless",
        "tcp without ports",
        Rule("tcp", None, (ANYWHERE,)),
        expected=ALL_TCP,
        oddity="AWS always gives tcp its ports",
    ),
    special_case(
        "collector-many-sources",
        "1,000 rules in one group, one of them open",
        tcp(514, *cidrs(f"10.{n // 250}.{n % 250}.0/24" for n in range(999))),
        tcp(22, ANYWHERE),
        expected=(SSH,),
        oddity=MORE_THAN_DEFAULT_QUOTA,
    ),
)

PROTOCOLS: Final = (
    special_case("lab-everything", "-1", every_protocol(ANYWHERE), expected=ALL_IPV4),
    special_case("lab-everything-in-halves", "-1 from two halves", every_protocol(*HALVES), expected=ALL_IPV4),
    special_case(
        "lab-web-only",
        "-1 with ports 80-80",
        Rule("-1", (80, 80), (ANYWHERE,)),
        expected=ALL_IPV4,
        oddity="AWS gives -1 no ports",
    ),
    special_case(
        "shell-number-six",
        "protocol 6",
        Rule("6", (22, 22), (ANYWHERE,)),
        expected=(SSH,),
        oddity="AWS gives 6 back as tcp",
    ),
    special_case(
        "shell-capitals",
        "protocol TCP",
        Rule("TCP", (22, 22), (ANYWHERE,)),
        expected=(SSH,),
        oddity="AWS gives protocol names back in lower case",
    ),
    special_case("tunnel-gre", "decoy: GRE", Rule("47", None, (ANYWHERE,))),
    special_case("tunnel-esp", "decoy: ESP", Rule("50", None, (ANYWHERE,))),
    special_case("probe-type-22", "decoy: ICMP type 22", Rule("icmp", (22, -1), (ANYWHERE,))),
    special_case("probe-type-252", "decoy: ICMP type 252", Rule("icmp", (252, -1), (ANYWHERE,))),
    special_case("dns-tunnel-port-22", "decoy: udp 22", Rule("udp", (22, 22), (ANYWHERE,))),
)
