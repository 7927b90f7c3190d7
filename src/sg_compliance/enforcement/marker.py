"""The rule that explains why a group is empty: the policy's dummy rule, filled in and cleaned for AWS."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.security_group import (
    CODES,
    ICMP_PROTOCOLS,
    LAST_PORT,
    PROTOCOL_NAMES,
    WITH_PORTS,
    CidrPeer,
    Direction,
    SecurityGroupRule,
)
from sg_compliance.policy.notation import parse_protocol

if TYPE_CHECKING:
    from sg_compliance.policy.reaction import DummyRule, ViolationHandling

LONGEST_DESCRIPTION: Final = 255
DEFAULT_DESCRIPTION: Final = (
    "ALL RULES REMOVED - Security Group failed compliance check. Contact Security Team. Violation: {violation_reason}"
)
_REASON: Final = "{violation_reason}"
_CUT: Final = "..."
_DROPPED: Final = re.compile(r"['\"`\u2018\u2019\u201c\u201d\u0300-\u036f]")
"""Quotation marks, and the accents that decomposing leaves behind."""
_DASHES: Final = re.compile(r"[\u2010-\u2015\u2212]")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9._\-:/()#,@\[\]+=&;{}!$*]+")


def marker(handling: ViolationHandling, reason: str) -> tuple[SecurityGroupRule, ...]:
    """The rules that mark a locked group: one for each CIDR; none where the policy wants no dummy rule."""
    if not handling.create_dummy_rule:
        return ()
    dummy = handling.dummy_rule_config
    protocol = parse_protocol(dummy.protocol)
    first, last, from_port, to_port = _ports(protocol, dummy)
    description = _filled(dummy.description or DEFAULT_DESCRIPTION, reason)
    name = PROTOCOL_NAMES[protocol] if protocol in WITH_PORTS | ICMP_PROTOCOLS else str(protocol)
    return tuple(
        SecurityGroupRule(
            *(Direction.INGRESS, protocol, first, last, CidrPeer(block, str(block))),
            *(name, from_port, to_port, description),
        )
        for block in dict.fromkeys(map(parse_cidr, dummy.cidr_blocks))
    )


def _ports(protocol: int, dummy: DummyRule) -> tuple[int, int, int | None, int | None]:
    """The span in the port space, then the two numbers as AWS wants them."""
    if protocol in WITH_PORTS:
        everything = dummy.to_port < 0
        first, last = (0, LAST_PORT) if everything else (max(dummy.from_port, 0), dummy.to_port)
        return first, last, first, last
    if protocol in ICMP_PROTOCOLS:
        return _icmp(dummy.from_port, dummy.to_port)
    return 0, LAST_PORT, None, None


def _icmp(kind: int, code: int) -> tuple[int, int, int, int]:
    """Numbers that are no ICMP type or code, such as the default port 65535, mean every one."""
    if not 0 <= kind < CODES:
        return 0, LAST_PORT, -1, -1
    if not 0 <= code < CODES:
        return kind * CODES, kind * CODES + CODES - 1, kind, -1
    return kind * CODES + code, kind * CODES + code, kind, code


def _filled(template: str, reason: str) -> str:
    """The description with the reason in it; the reason is cut before the text around it is."""
    parts = [clean_description(part, keep_ends=True) for part in template.split(_REASON)]
    places = len(parts) - 1
    if places:
        room = (LONGEST_DESCRIPTION - sum(map(len, parts))) // places
        parts = [_shortened(clean_description(reason), max(room, 0)).join(parts)]
    return _shortened(parts[0].strip(), LONGEST_DESCRIPTION)


def clean_description(text: str, *, keep_ends: bool = False) -> str:
    """The text in AWS's alphabet for descriptions of rules: `a-zA-Z0-9 ._-:/()#,@[]+=&;{}!$*`.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
    """
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", text))
    spaced = _FOREIGN.sub(" ", _DASHES.sub("-", plain))
    return spaced if keep_ends else spaced.strip()


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: most - len(_CUT)].rstrip() + _CUT if most > len(_CUT) else text[:most]
