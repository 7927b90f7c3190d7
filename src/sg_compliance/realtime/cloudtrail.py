"""CloudTrail event → what changed, where, by whom; or why it is no change to judge. Never guessed at: else rejected.

Taken is the envelope of EventBridge ("AWS API Call via CloudTrail"), a bare record, or either as text. Whatever JSON
comes in, a Change, a Skipped or a RejectedEventError goes out.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from sg_compliance.errors import RejectedEventError
from sg_compliance.model.security_group import Direction
from sg_compliance.policy.times import parse_time
from sg_compliance.realtime.event_fields import (
    ACCOUNT_ID,
    EVENT_ID,
    EVENT_NAME,
    EVENT_TIME,
    REGION,
    Json,
    identifier,
    inner,
    text,
)
from sg_compliance.realtime.group_calls import Call, added, created, described, modified, of_one_group, removed
from sg_compliance.realtime.network_calls import attachment, instance_regrouped, prefix_list, regrouped
from sg_compliance.realtime.principals import Ours, Standing, principal
from sg_compliance.realtime.record import Change, ChangeKind, Record, Skipped, SkipReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

DETAIL_TYPE: Final = "AWS API Call via CloudTrail"
SOURCE: Final = "aws.ec2"
EVENT_SOURCE: Final = "ec2.amazonaws.com"
LONGEST_EVENT: Final = 1 << 20
"""The largest message of SQS, in bytes (Amazon SQS developer guide, message quotas)."""
_YES: Final = (True, "true")
_FIRST_YEAR: Final = 2013
"""CloudTrail began then (CloudTrail user guide, document history)."""
_LAST_YEAR: Final = 9998

READERS: Final[Mapping[str, Callable[[Call], Change | None]]] = {
    "AuthorizeSecurityGroupEgress": partial(added, direction=Direction.EGRESS),
    "AuthorizeSecurityGroupIngress": partial(added, direction=Direction.INGRESS),
    "RevokeSecurityGroupEgress": partial(removed, direction=Direction.EGRESS),
    "RevokeSecurityGroupIngress": partial(removed, direction=Direction.INGRESS),
    "ModifySecurityGroupRules": modified,
    "CreateSecurityGroup": created,
    "DeleteSecurityGroup": partial(of_one_group, kind=ChangeKind.DELETED),
    "UpdateSecurityGroupRuleDescriptionsEgress": described,
    "UpdateSecurityGroupRuleDescriptionsIngress": described,
    "AssociateSecurityGroupVpc": partial(of_one_group, kind=ChangeKind.ASSOCIATION),
    "DisassociateSecurityGroupVpc": partial(of_one_group, kind=ChangeKind.ASSOCIATION),
    "CreateManagedPrefixList": prefix_list,
    "ModifyManagedPrefixList": prefix_list,
    "RestoreManagedPrefixListVersion": prefix_list,
    "ModifyNetworkInterfaceAttribute": regrouped,
    "ModifyInstanceAttribute": instance_regrouped,
    "RunInstances": attachment,
    "CreateNetworkInterface": attachment,
}
"""The calls that are watched, and how each is read."""


def read_json(body: str) -> object:
    """The JSON of a message, strictly. Raises RejectedEventError."""
    if len(body) > LONGEST_EVENT:
        raise RejectedEventError(f"the message has {len(body)} characters: more than {LONGEST_EVENT}")
    try:
        event: object = json.loads(body, object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RejectedEventError(f"the message is no JSON that can be read: {_problem(error)}") from error
    return event


def _problem(error: Exception) -> str:
    """What is wrong with the JSON, and where."""
    if isinstance(error, json.JSONDecodeError):
        rest = "it ends too early" if error.pos >= len(error.doc.rstrip()) else "what stands there is wrong"
        line = f"its line {error.lineno}, " if "\n" in error.doc.strip() else ""
        return f"{rest}, at {line}column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "a number in it is too long"


def _unambiguous(pairs: list[tuple[str, object]]) -> Json:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise RejectedEventError("an object in the message has one key twice")
    return read


def _no_number(name: str) -> NoReturn:
    raise RejectedEventError(f"the message holds {name}, which is no JSON")


def parse(event: object, ours: Ours) -> Change | Skipped:
    """Read an event. Raises RejectedEventError for what AWS would not have written, and for accounts not ours."""
    record, detail = _record(event, ours)
    reason, note = _reason_to_skip(record, detail)
    if reason:
        return _skipped(record, reason, note)
    change = _read_call(record, detail)
    if change is None:
        return _skipped(record, SkipReason.NOT_ABOUT_GROUPS)
    return _skipped(record, SkipReason.OWN_CHANGE, change=change) if record.own else change


def _record(event: object, ours: Ours) -> tuple[Record, Json]:
    """What every record says, and the rest of it."""
    if not isinstance(event, dict):
        raise RejectedEventError("the event is no object")
    detail = _detail(event) if "detail" in event or "detail-type" in event else event
    region = identifier(detail.get("awsRegion"), REGION, "awsRegion")
    account_id = _account(event, detail, ours)
    if detail is not event and event.get("region") != region:
        raise RejectedEventError(f"the envelope is not of {region}, where the record is from")
    who = principal(inner(detail.get("userIdentity"), "userIdentity"))
    standing = ours.standing(who, account_id)
    record = Record(
        account_id=account_id,
        region=region,
        event_id=identifier(detail.get("eventID"), EVENT_ID, "eventID"),
        event_name=identifier(detail.get("eventName"), EVENT_NAME, "eventName"),
        event_time=_time(detail.get("eventTime")),
        principal=who,
        source_ip=text(detail.get("sourceIPAddress"), "sourceIPAddress"),
        user_agent=text(detail.get("userAgent"), "userAgent"),
        own=standing is Standing.OWN,
        impostor=standing is Standing.IMPOSTOR,
    )
    return record, detail


def _detail(envelope: Json) -> Json:
    """The record in an envelope. Nobody but AWS can put events under `aws.` sources (EventBridge API, PutEvents)."""
    if envelope.get("detail-type") != DETAIL_TYPE or envelope.get("source") != SOURCE:
        raise RejectedEventError(f"the envelope is not {DETAIL_TYPE!r} from {SOURCE!r}")
    return inner(envelope.get("detail"), "detail")


def _account(event: Json, detail: Json, ours: Ours) -> str:
    """The account whose group it is: it received the event, whoever called (CloudTrail, recipientAccountId)."""
    account_id = identifier(detail.get("recipientAccountId"), ACCOUNT_ID, "recipientAccountId")
    if detail is not event and event.get("account") != account_id:
        raise RejectedEventError(f"the envelope is not of {account_id}, the account that the record is for")
    if not ours.answers_for(account_id):
        raise RejectedEventError(
            f"account {account_id} is none of ours",
            hint="if it is yours, name it: --accounts, or SG_COMPLIANCE_ACCOUNTS of the functions; "
            "else find out how its events came here",
        )
    return account_id


def _time(value: object) -> datetime:
    said = identifier(value, EVENT_TIME, "eventTime")
    try:
        time = parse_time(said)
    except ValueError:
        raise RejectedEventError(f"eventTime {said} is no time") from None
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise RejectedEventError(f"eventTime {said} is no time of CloudTrail's")
    return time


def _reason_to_skip(record: Record, detail: Json) -> tuple[SkipReason | None, str]:
    error_code = text(detail.get("errorCode"), "errorCode")
    source, kind = (text(detail.get(key), key) for key in ("eventSource", "eventType"))
    if not source:
        raise RejectedEventError("eventSource is missing")
    if detail.get("readOnly") in _YES:
        return SkipReason.READ_ONLY, record.event_name
    if source != EVENT_SOURCE or kind not in {"", "AwsApiCall"}:
        return SkipReason.UNSUPPORTED, f"{kind} {record.event_name} of {source}".strip()
    if record.event_name not in READERS:
        return SkipReason.UNSUPPORTED, record.event_name
    return (SkipReason.FAILED_CALL, error_code) if error_code else (None, "")


def _skipped(record: Record, reason: SkipReason, note: str = "", change: Change | None = None) -> Skipped:
    return Skipped(**record.said(), reason=reason, note=note, change=change)


def _read_call(record: Record, detail: Json) -> Change | None:
    """A newer call is wrapped in an object by its name: `ModifySecurityGroupRulesRequest`."""
    name = record.event_name
    request = inner(detail.get("requestParameters"), "requestParameters")
    response = inner(detail.get("responseElements"), "responseElements")
    call = Call(
        record,
        inner(request.get(f"{name}Request", request), f"{name}Request"),
        inner(response.get(f"{name}Response", response), f"{name}Response"),
    )
    return READERS[name](call)
