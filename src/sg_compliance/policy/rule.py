"""The rules of a policy document as pydantic models, and the text types that the whole document shares."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from sg_compliance.model.finding import Severity
from sg_compliance.policy.notation import parse_block, parse_protocol


def _text(value: object) -> object:
    """Numbers may stand where the format has text: `22` is `"22"`."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _protocol(text: str) -> str:
    parse_protocol(text)
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"expected a regular expression: {error}"
        raise ValueError(message) from None
    return text


def _cidr(text: str) -> str:
    parse_block(text)
    return text


def _instant(value: object) -> datetime:
    if isinstance(value, str) and _RFC_3339.match(value):
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    message = 'expected an RFC 3339 time such as "2027-01-31T00:00:00Z"'
    raise ValueError(message)


def _expiry(value: object) -> datetime | str:
    if value == "permanent":
        return "permanent"
    try:
        return _instant(value)
    except ValueError as error:
        message = f'{error}, or "permanent"'
        raise ValueError(message) from None


_RFC_3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", re.ASCII)

PortText: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema(
        {
            "description": 'A port or a range: "22", "20-25", "*". For icmp and icmpv6, types.',
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\*|[0-9]{1,5}(\s*-\s*[0-9]{1,5})?)\s*$"},
                {"type": "integer", "minimum": 0, "maximum": 65535},
            ],
            "examples": ["22", "20-25", "*"],
        }
    ),
]
ProtocolText: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_protocol),
    WithJsonSchema(
        {
            "description": "tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1, all, * for every protocol.",
            "anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": -1, "maximum": 255}],
            "examples": ["tcp", "udp", "icmp", "-1"],
        }
    ),
]
Pattern: TypeAlias = Annotated[str, StringConstraints(min_length=1), AfterValidator(_pattern)]
Instant: TypeAlias = Annotated[
    datetime,
    PlainValidator(_instant),
    WithJsonSchema({"description": "An RFC 3339 time.", "type": "string", "format": "date-time"}),
]
Expiry: TypeAlias = Annotated[
    datetime | Literal["permanent"],
    PlainValidator(_expiry),
    WithJsonSchema(
        {
            "description": 'An RFC 3339 time, or "permanent".',
            "anyOf": [{"const": "permanent"}, {"type": "string", "format": "date-time"}],
            "examples": ["2027-01-31T00:00:00Z", "permanent"],
        }
    ),
]
NonEmpty: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
CidrText: TypeAlias = Annotated[NonEmpty, AfterValidator(_cidr)]
Count: TypeAlias = Annotated[int, Field(ge=0, strict=True)]
Points: TypeAlias = Annotated[float, Field(ge=0, strict=True)]
MatchText: TypeAlias = Literal["overlap", "cover"]
StrategyText: TypeAlias = Literal["lockdown", "revoke_violating", "trim"]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Region: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$")]
AccountId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
SecurityGroupId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^sg-[0-9a-z]+$")]
RuleId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=128)]
Duration: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]+[mhdw]$")]


class Section(BaseModel):
    """A JSON object with fixed keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str | None = None


class Rule(Section):
    """What every rule has, whatever section it stands in."""

    rule_id: RuleId
    severity: Severity = Severity.MEDIUM
    reason: str | None = None
    protocol: ProtocolText = "-1"
    port_range: PortText | None = None
    port_ranges: list[PortText] = []
    source_type: Literal["cidr", "security_group", "prefix_list", "any"] = "any"
    source_pattern: Pattern | None = Field(
        default=None, description="regular expression that the whole name or id of a referenced group must match"
    )
    environments: list[NonEmpty] = []
    enabled: Flag = True
    references: list[NonEmpty] = []


class Violable(Rule):
    """A rule that a group can violate."""

    strategy: StrategyText | None = None


class ProhibitedRule(Violable):
    """Traffic that no group may allow."""

    prohibited_port_ranges: list[PortText] = []
    source: NonEmpty | None = None
    sources: list[NonEmpty] = []
    destination: NonEmpty | None = None
    destinations: list[NonEmpty] = []
    max_public_addresses: Count | None = None
    port_match: MatchText | None = None
    source_match: MatchText | None = None


class RestrictedRule(Violable):
    """Traffic that is allowed only from (to) the listed peers."""

    restricted_port_ranges: list[PortText] = []
    allowed_sources: list[NonEmpty] = []
    allowed_destinations: list[NonEmpty] = []


class Restriction(ProhibitedRule, RestrictedRule):
    """A rule of one environment: prohibited traffic, or with `allowed_sources` restricted traffic."""


class AllowedRule(Rule):
    """Traffic that is known to be good."""

    allowed_port_ranges: list[PortText] = []
    source: NonEmpty | None = None
    sources: list[NonEmpty] = []
    destination: NonEmpty | None = None
    destinations: list[NonEmpty] = []
    allowed_sources: list[NonEmpty] = []
    allowed_destinations: list[NonEmpty] = []


class ProhibitedRules(Section):
    """Prohibited traffic into and out of a group."""

    inbound: list[ProhibitedRule] = []
    outbound: list[ProhibitedRule] = []


class RestrictedRules(Section):
    """Restricted traffic into and out of a group."""

    inbound: list[RestrictedRule] = []
    outbound: list[RestrictedRule] = []


class AllowedRules(Section):
    """Good traffic into and out of a group."""

    inbound: list[AllowedRule] = []
    outbound: list[AllowedRule] = []
