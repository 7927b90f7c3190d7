"""The options that several commands share, each with one spelling and one help text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.bootstrap import Where

if TYPE_CHECKING:
    from sg_compliance.bootstrap.enforcement import State

_ACCOUNT: Final = re.compile(r"^\d{12}$", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,4}-[0-9]{1,2}", re.ASCII)
_QUEUE: Final = re.compile(r"https?://[\w.-]+(:[0-9]{1,5})?/[\w./-]+", re.ASCII)
_MEANT_A_QUEUE: Final = re.compile(r"arn:|sqs\.|[a-z-]+\.queue\.|[\w.-]+\.amazonaws\.com", re.ASCII)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/", re.ASCII)
_TOPIC: Final = re.compile(r"^arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?$", re.ASCII)


class SeverityName(StrEnum):
    """The severities as words."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


def _accounts(values: list[str] | None) -> list[str]:
    """12-digit account ids, given one by one or with commas."""
    found = _separated(values)
    for account in found:
        if not _ACCOUNT.match(account):
            raise typer.BadParameter(f"{account!r} is not a 12-digit account id")
    return found


def account_id(text: str) -> str:
    """A 12-digit account id."""
    return _accounts([text])[0]


def _separated(values: list[str] | None) -> list[str]:
    """Values given one by one or with commas. An empty one is an error: it would be taken for "all of them"."""
    found = [part.strip() for value in values or () for part in value.split(",")]
    if "" in found:
        raise typer.BadParameter("an empty value; leave the option out to ask for all of them")
    return found


def _not_empty(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """A value that is there where the option is: a variable that is not set would be taken for no option at all."""
    if _is_given(context, parameter) and not value.strip():
        raise typer.BadParameter("an empty value; leave the option out")
    return value


def _is_given(context: typer.Context, parameter: typer.CallbackParam) -> bool:
    source = context.get_parameter_source(parameter.name or "")
    return source is not None and source.name != "DEFAULT"


def regions(values: list[str] | None) -> list[str]:
    """Names of regions, given one by one or with commas."""
    found = _separated(values)
    for region in found:
        if not _REGION.fullmatch(region):
            raise typer.BadParameter(f"{region!r} is the name of no region: write it like eu-west-1")
    return found


def roles(values: list[str] | None) -> list[str]:
    """Names or ARNs of roles: a pattern, or nothing, would name none."""
    from sg_compliance.realtime.principals import is_role

    for role in values or ():
        if not is_role(role):
            raise typer.BadParameter(f"{role!r} is no role: give its name or its ARN, without * and ?")
    return values or []


def queue(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """The URL of a queue, where the option is given."""
    url = value.strip()
    if _is_given(context, parameter) and not _QUEUE.fullmatch(url):
        what = f"{url!r} is the URL of no SQS queue" if url else "an empty value"
        raise typer.BadParameter(f"{what}: write it like https://sqs.eu-west-1.amazonaws.com/111122223333/NAME")
    return url


def letters(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """A file, or the URL of a queue. What is neither would make a file that nobody looks for."""
    place = _not_empty(context, parameter, value).strip()
    if place.startswith(("http://", "https://")) or _MEANT_A_QUEUE.match(place):
        return queue(context, parameter, value)
    if _SCHEME.match(place):
        raise typer.BadParameter(f"{place!r} is no file, and the URL of no SQS queue: give one of these")
    return place


def figures(context: typer.Context, parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """A file. What is none would make one that nobody looks for."""
    place = str(value or "").strip()
    if _is_given(context, parameter) and place in {"", "."}:
        raise typer.BadParameter("an empty value; leave the option out")
    if _SCHEME.match(place) or _MEANT_A_QUEUE.match(place):
        raise typer.BadParameter(f"{place!r} is no file: give the name of a file on this machine")
    return value


Policy = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Policy in JSON or YAML, or one that ships: default, minimal, strict, cis-aws-foundations, fsbp.",
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(help="Environment of groups that have no Environment tag and whose account has none either."),
]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Read groups from a file, a folder, or - (output of the AWS CLI, JSON Lines, a snapshot), not from AWS. "
        "Can be repeated.",
    ),
]
Profile = Annotated[str | None, typer.Option(help="AWS profile.")]
EndpointUrl = Annotated[str | None, typer.Option(metavar="URL", help="Another endpoint for every AWS service.")]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--accounts", "--account", metavar="ID", callback=_accounts, help="Only these accounts. Can be repeated."
    ),
]
Organization = Annotated[bool, typer.Option("--org", help="Every active account of the organisation.")]
Units = Annotated[
    list[str] | None,
    typer.Option("--ou", metavar="OU", callback=_separated, help="Only accounts under this OU. Can be repeated."),
]
Excluded = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ID", callback=_accounts, help="Without this account. Can be repeated."),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--regions", "--region", metavar="REGION", callback=regions, help="Only these; else all that are enabled."
    ),
]
RoleName = Annotated[str, typer.Option(help="Role to assume in every other account.")]
ExternalId = Annotated[str | None, typer.Option(help="External id to assume the role with.")]
SessionName = Annotated[str, typer.Option(help="Session name that CloudTrail will show.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Regions read at once.")]
StatePlace = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="PLACE",
        help="Where backups, journal and audit log are kept: a folder, or s3://BUCKET/PREFIX. "
        "Else $SG_COMPLIANCE_STATE, else the folder for your programs' state.",
    ),
]
Table = Annotated[str, typer.Option("--table", metavar="NAME", help="DynamoDB table beside a state in S3.")]
KmsKey = Annotated[str, typer.Option("--kms-key", metavar="KEY", help="KMS key of a state in S3; else AWS's own.")]
PauseParameter = Annotated[
    str, typer.Option("--pause-parameter", metavar="NAME", help="SSM parameter that pauses all changes, with S3.")
]
Topic = Annotated[
    str, typer.Option("--topic", metavar="ARN", callback=_not_empty, help="SNS topic where changes are told.")
]
ChangeRoleName = Annotated[
    str, typer.Option("--change-role-name", help="Role to assume in every other account to change groups.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for backups and the audit log.")]
RolePolicy = Annotated[
    str | None,
    typer.Option("--policy", metavar="FILE", help="Policy that names accounts whose role is called otherwise."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

CHANGE_ROLE_NAME: Final = "sg-compliance-remediate"
TABLE: Final = "sg-compliance"
PAUSE_PARAMETER: Final = "/sg-compliance/paused"

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]

ROLE_NAME: Final = "sg-compliance-scan"
SESSION_NAME: Final = "sg-compliance"
WORKERS: Final = 8


def where(
    *,
    sources: list[str] | None,
    profile: str | None,
    endpoint_url: str | None,
    accounts: list[str] | None,
    organization: bool,
    units: list[str] | None,
    excluded: list[str] | None,
    regions: list[str] | None,
    role_name: str,
    external_id: str | None,
    session_name: str,
    workers: int = WORKERS,
    change_role_name: str = CHANGE_ROLE_NAME,
) -> Where:
    """Put the options together, and refuse those that contradict each other."""
    live = {
        "--org": organization,
        "--ou": units,
        "--exclude": excluded,
        "--profile": profile,
        "--endpoint-url": endpoint_url,
    }
    given = [name for name, value in live.items() if value]
    if sources and "" in sources:
        raise typer.BadParameter("an empty value; give a file, a folder, or -", param_hint="--from")
    if sources and len(regions or ()) > 1:
        raise typer.BadParameter("with --from, --region is the region of groups that do not say theirs: give one")
    if sources and given:
        raise typer.BadParameter(f"--from reads files, {given[0]} asks AWS: use one of them")
    if excluded and not (organization or units):
        raise typer.BadParameter("--exclude leaves accounts out of --org or --ou: give one of them too")
    if accounts and (organization or units):
        raise typer.BadParameter("--accounts names accounts, --org and --ou ask for them: use one of them")
    return Where(
        sources=tuple(sources or ()),
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=tuple(accounts or ()),
        organization=organization or bool(units),
        organizational_units=tuple(units or ()),
        excluded=tuple(excluded or ()),
        regions=tuple(regions or ()),
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
        workers=workers,
        change_role_name=change_role_name,
    )


def connection(
    *, profile: str | None, endpoint_url: str | None, external_id: str | None, session_name: str, change_role_name: str
) -> Where:
    """How to reach AWS, where no group has to be looked for."""
    return Where(
        profile=profile,
        endpoint_url=endpoint_url,
        external_id=external_id,
        session_name=session_name,
        change_role_name=change_role_name,
    )


def state(
    place: str | None,
    table: str = TABLE,
    kms_key: str = "",
    pause_parameter: str = PAUSE_PARAMETER,
    topic: str = "",
) -> State:
    """Where backups, journal and audit log are kept. Raises InputError where that cannot be."""
    from sg_compliance.bootstrap.enforcement import State

    if place is not None and not place.strip():
        raise typer.BadParameter("an empty value; give a folder, or s3://BUCKET/PREFIX", param_hint="--state")
    if topic and not _TOPIC.match(topic):
        told = "write it like arn:aws:sns:eu-west-1:111122223333:changes"
        raise typer.BadParameter(f"{topic!r} is the ARN of no SNS topic: {told}", param_hint="--topic")
    made = State(place, table, kms_key, pause_parameter, topic)
    made.check()
    return made


@contextmanager
def hints_completed(again: str) -> Iterator[None]:
    """Commands in the hints of errors are shown with these options."""
    from sg_compliance.errors import SgComplianceError
    from sg_compliance.reports.again import completed

    try:
        yield
    except SgComplianceError as error:
        error.hint = completed(error.hint, again)
        raise


def again(where: Where, state: State) -> str:
    """The options that a command which is shown has to be given again: what is not as it is without them."""
    given = {
        "--state": state.location,
        "--table": state.table if state.table != TABLE else None,
        "--kms-key": state.kms_key,
        "--pause-parameter": state.switch if state.switch != PAUSE_PARAMETER else None,
        "--topic": state.topic_arn,
        "--profile": where.profile,
        "--endpoint-url": where.endpoint_url,
        "--external-id": where.external_id,
        "--change-role-name": where.change_role_name if where.change_role_name != CHANGE_ROLE_NAME else None,
    }
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given.items() if value)


def duration(text: str) -> timedelta:
    """`90m`, `24h`, `7d`."""
    from sg_compliance.policy.times import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def lasting_of_block(text: str) -> timedelta:
    """How long a block lasts: one number and one unit, within its bounds."""
    from sg_compliance.policy.times import parse_duration
    from sg_compliance.realtime.blocking import BOUNDS, LONGEST, SHORTEST

    told = f"a block lasts {BOUNDS}: write one whole number and one unit, like 30m, 90m, 12h or 2d"
    try:
        found = parse_duration(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} cannot be read; {told}", param_hint="--for") from None
    if found < SHORTEST:
        raise typer.BadParameter(f"{text!r} is too short: IAM takes up to half a minute; {told}", param_hint="--for")
    if found > LONGEST:
        more = "to keep somebody out for longer, take their keys or the role away"
        raise typer.BadParameter(f"{text!r} is too long: {more}; {told}", param_hint="--for")
    return found


def moment(text: str, now: datetime) -> datetime:
    """A time: RFC 3339, in UTC where it does not say, or so long ago (`24h`)."""
    from sg_compliance.policy.times import parse_past

    try:
        return parse_past(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def lasting(text: str, now: datetime) -> timedelta:
    """For how long: `24h`, or until a time that is to come."""
    from sg_compliance.policy.times import parse_future

    try:
        left = parse_future(text, now) - now
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if left < timedelta(0):
        raise typer.BadParameter(f"{text!r} is over already")
    return left
