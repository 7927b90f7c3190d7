"""The settings of a deployment: variables of the environment, read whole and strictly before anything is done.

What is left out is as safe as it can be: nothing is changed, nobody is blocked. A variable that begins like ours and is
none of them is refused: a switch with a slip of the pen in its name would be off, and nobody would know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.bootstrap import shipped_policies
from sg_compliance.enforcement.guards import MOST_GROUPS
from sg_compliance.errors import InputError
from sg_compliance.model.finding import Severity
from sg_compliance.realtime.containment import check_names_somebody
from sg_compliance.realtime.principals import is_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "SG_COMPLIANCE_"

_SHOWN: Final = 80
_LONGEST_LOOK: Final = timedelta(days=1)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_WORDS: Final = {"true": True, "false": False}
_LIST: Final = re.compile(r"\s*,\s*")
_POLICY: Final = re.compile(r"s3://[a-z0-9.-]{3,63}/[\w!.*'()/-]{1,1024}|/[\w./-]{1,1010}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a deployment says. Each field is a variable: `dry_run_mode` is `SG_COMPLIANCE_DRY_RUN_MODE`.

    `state`: `s3://bucket/prefix`. `policy`: `s3://bucket/key`, the name of an SSM parameter, or of a policy that ships.
    Without accounts and `organization` it is the account that the functions are in. None: as the policy says.
    """

    state: str
    table: str
    topic_critical: str
    topic_findings: str
    topic_operations: str
    kms_key: str = ""
    policy: str = "default"
    accounts: tuple[str, ...] = ()
    organization: bool = False
    regions: tuple[str, ...] = ()
    scan_role_name: str = "sg-compliance-scan"
    change_role_name: str = "sg-compliance-remediate"
    contain_role_name: str = "sg-compliance-contain"
    external_id: str = ""
    session_name: str = "sg-compliance"
    dry_run_mode: bool = True
    enable_automatic_remediation: bool = False
    real_time_scanning_enabled: bool = False
    immediate_remediation_enabled: bool = False
    block_suspicious_users: bool = False
    violation_severity_threshold: Severity = Severity.CRITICAL
    max_operations_per_minute: int | None = None
    mass_operations_alert_threshold: int | None = None
    max_groups_per_hour: int = MOST_GROUPS
    break_glass: tuple[str, ...] = ()
    own_roles: tuple[str, ...] = ()
    environment: str = "default"
    recheck_queue_url: str = ""
    dead_letter_queue_url: str = ""
    look_again_for: timedelta = timedelta(minutes=5)
    contacts: tuple[str, ...] = ()
    log_level_parameter: str = ""
    pause_parameter: str = "/sg-compliance/paused"


class _WrongError(Exception):
    """What was expected of a value."""


def _text(pattern: str, expected: str) -> Callable[[str], str]:
    matches = re.compile(pattern, re.ASCII).fullmatch

    def read(value: str) -> str:
        if not matches(value):
            raise _WrongError(expected)
        return value

    return read


def _list(pattern: str, expected: str) -> Callable[[str], tuple[str, ...]]:
    item = _text(pattern, expected)
    return lambda value: tuple(dict.fromkeys(item(each) for each in _LIST.split(value.strip())))


def _flag(value: str) -> bool:
    if value not in _WORDS:
        raise _WrongError("true or false")
    return _WORDS[value]


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value, re.ASCII) or not int(value):
        raise _WrongError("a whole number from 1 to 999999")
    return int(value)


def _severity(value: str) -> Severity:
    if value not in set(Severity):
        raise _WrongError(f"one of {', '.join(Severity)}")
    return Severity(value)


def _time(value: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,5})([smhd])", value, re.ASCII)
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    if span is None or not timedelta() < span <= _LONGEST_LOOK:
        raise _WrongError("a time of at most a day, such as 90s, 5m or 1h")
    return span


def _policy(value: str) -> str:
    known = shipped_policies()
    if value not in known and not _POLICY.fullmatch(value):
        raise _WrongError(f"s3://BUCKET/KEY, the name of an SSM parameter (/…), or one of {', '.join(known)}")
    return value


def _patterns(value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_LIST.split(value.strip())))
    try:
        for each in found:
            check_names_somebody(each)
    except ValueError as error:
        raise _WrongError(f"ARNs or names of users and roles, with * and ? for what varies ({error})") from error
    return found


def _roles(value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each for each in _LIST.split(value.strip()) if each))
    if not all(map(is_role, found)):
        raise _WrongError("names or ARNs of roles, with commas between them")
    return found


def _contacts(value: str) -> tuple[str, ...]:
    if not value.isprintable() or len(value) > 500:  # noqa: PLR2004  characters: it stands in every message
        raise _WrongError("a list of at most 500 printable characters")
    return tuple(each for each in _LIST.split(value.strip()) if each)


_ROLE: Final = _text(r"[\w+=,.@-]{1,64}", "the name of a role (no ARN, no path)")
_TOPIC: Final = _text(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[\w-]{1,256}", "the ARN of an SNS topic")
_QUEUE: Final = _text(r"https?://[\w.:-]+/[\w./-]+", "the URL of an SQS queue")
_PARAMETER: Final = _text(r"/[\w./-]{1,1010}", "the name of an SSM parameter, which begins with /")

_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "state": _text(r"s3://[a-z0-9.-]{3,63}(/[\w!.*'()/-]*)?", "s3://BUCKET/PREFIX"),
    "table": _text(r"[\w.-]{3,255}", "the name of a DynamoDB table"),
    "topic_critical": _TOPIC,
    "topic_findings": _TOPIC,
    "topic_operations": _TOPIC,
    "kms_key": _text(r"[\w:/-]{1,2048}", "the id, alias or ARN of a KMS key"),
    "policy": _policy,
    "accounts": _list(r"[0-9]{12}", "account ids of 12 digits, with commas between them"),
    "organization": _flag,
    "regions": _list(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", "names of regions, with commas between them"),
    "scan_role_name": _ROLE,
    "change_role_name": _ROLE,
    "contain_role_name": _ROLE,
    "external_id": _text(r"[\w+=,.@:/-]{2,1224}", "an external id of 2 to 1,224 characters"),
    "session_name": _text(r"[\w+=,.@-]{2,64}", "a session name of 2 to 64 characters"),
    "dry_run_mode": _flag,
    "enable_automatic_remediation": _flag,
    "real_time_scanning_enabled": _flag,
    "immediate_remediation_enabled": _flag,
    "block_suspicious_users": _flag,
    "violation_severity_threshold": _severity,
    "max_operations_per_minute": _count,
    "mass_operations_alert_threshold": _count,
    "max_groups_per_hour": _count,
    "break_glass": _patterns,
    "own_roles": _roles,
    "environment": _text(r"[\w-]{1,64}", "a name of letters, digits, - and _"),
    "recheck_queue_url": _QUEUE,
    "dead_letter_queue_url": _QUEUE,
    "look_again_for": _time,
    "contacts": _contacts,
    "log_level_parameter": _PARAMETER,
    "pause_parameter": _PARAMETER,
}
"""External ids, role and session names: STS API reference, AssumeRole. Names of parameters: SSM, PutParameter."""

_REQUIRED: Final = ("state", "table", "topic_critical", "topic_findings", "topic_operations")
_REAL_TIME: Final = ("recheck_queue_url", "dead_letter_queue_url")
_SECRET: Final = frozenset({"external_id"})

VARIABLES: Final = tuple(f"{PREFIX}{name.upper()}" for name in _READERS)
"""Every variable there is."""


@dataclass(slots=True)
class _Reading:
    """The settings on their way: what was read, and all that is wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def read(self, name: str, value: str) -> None:
        """Read one variable."""
        try:
            self.values[name] = _READERS[name](value)
        except _WrongError as wrong:
            got = f"{len(value)} characters" if name in _SECRET else _quoted(value)
            self.problems.append(f"{PREFIX}{name.upper()}: expected {wrong}, got {got}")

    def require(self, names: tuple[str, ...], why: str, environ: Mapping[str, str]) -> None:
        """Note those that are not set. What is set wrongly is noted already."""
        missing = [name for name in names if not environ.get(f"{PREFIX}{name.upper()}")]
        self.problems += [f"{PREFIX}{name.upper()}: expected a value{why}, got nothing" for name in missing]


def settings_of(environ: Mapping[str, str]) -> Settings:
    """Read them. An empty variable counts as one that is not set. Raises InputError with all that is wrong."""
    reading = _Reading()
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in VARIABLES:
            nearest = get_close_matches(variable, VARIABLES, n=1)
            meant = f"; did you mean {nearest[0]}?" if nearest else ""
            reading.problems.append(f"{_quoted(variable)}: there is no such variable{meant}")
    for name in _READERS:
        if value := environ.get(f"{PREFIX}{name.upper()}"):
            reading.read(name, value)
    reading.require(_REQUIRED, "", environ)
    if reading.values.get("real_time_scanning_enabled"):
        reading.require(_REAL_TIME, f" where {PREFIX}REAL_TIME_SCANNING_ENABLED is true", environ)
    if reading.values.get("organization") and reading.values.get("accounts"):
        reading.problems.append(f"{PREFIX}ACCOUNTS: expected nothing where {PREFIX}ORGANIZATION is true, got a list")
    if reading.problems:
        raise _refused(reading.problems)
    return Settings(**reading.values)


def _quoted(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def _refused(problems: list[str]) -> InputError:
    lines = "".join(f"\n  {problem}" for problem in problems)
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return InputError(
        f"the settings of the function: {count}{lines}",
        hint="set the variables where the function is deployed; docs/realtime.md lists them all",
    )
