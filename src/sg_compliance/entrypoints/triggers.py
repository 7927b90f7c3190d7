"""What a function was called for: EventBridge's events and the inputs of timers, read strictly.

A manual scan can ask for less than the deployment does, and never for more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sg_compliance.errors import InputError
from sg_compliance.workflows.narrowing import Narrowing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.bootstrap.settings import Settings

MANUAL_SOURCE: Final = "custom.security.compliance"
MANUAL_TYPE: Final = "Manual Compliance Scan"
CADENCES: Final = ("hourly", "daily", "weekly")

_SCHEDULED: Final = ("aws.events", "Scheduled Event")
_KEYS: Final = frozenset({"scan_type", "accounts", "regions", "security_groups", "dry_run"})
_MOST: Final = 1_000
_SHOWN: Final = 80
_ITEMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "accounts": (re.compile("[0-9]{12}"), "account ids of 12 digits"),
    "regions": (re.compile("[a-z]{2,}(-[a-z]+)+-[0-9]+"), "names of regions"),
    "security_groups": (re.compile("sg-[0-9a-f]{8,17}"), "ids of groups (sg-…)"),
}
_WORD: Final = re.compile(r"[\w-]{1,64}", re.ASCII)

Event: TypeAlias = "Mapping[str, Any]"


class Asked(NamedTuple):
    """A scan: of what, and whether nothing may be changed in it. `kind` is said in the log."""

    kind: str
    narrowing: Narrowing = Narrowing()
    dry_run: bool = False


def scan_of(event: object, settings: Settings) -> Asked:
    """The scan that an event asks for. Raises InputError for any other event."""
    if isinstance(event, dict):
        kind = (event.get("source"), event.get("detail-type"))
        if kind == _SCHEDULED or event == {"scan": "scheduled"}:
            return Asked("scheduled")
        if kind == (MANUAL_SOURCE, MANUAL_TYPE):
            return _manual(event.get("detail"), settings)
    raise _refused(
        event,
        "no event that asks for a scan",
        f'send {{"scan": "scheduled"}}, a scheduled event, or source {MANUAL_SOURCE} with detail-type {MANUAL_TYPE}',
    )


def digest_of(event: object) -> str:
    """Which digest is due: `hourly`, `daily` or `weekly`. Raises InputError for any other event."""
    if isinstance(event, dict) and event.keys() == {"digest"} and event["digest"] in CADENCES:
        return str(event["digest"])
    raise _refused(event, "no event that asks for a digest", f'send {{"digest": "…"}}: one of {", ".join(CADENCES)}')


def cadences_of(digest: str) -> tuple[str, ...]:
    """What a digest tells. The one of the hour has what was to be told at once, too, where that failed."""
    return ("at once", digest) if digest == "hourly" else (digest,)


def records_of(event: object) -> list[dict[str, Any]]:
    """The messages of a batch from SQS. Raises InputError for any other event."""
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list) and records and all(map(_is_message, records)):
        return records
    raise _refused(event, "no batch of messages from SQS", "connect the function to its queue, and to nothing else")


def _is_message(record: object) -> bool:
    return (
        isinstance(record, dict)
        and record.get("eventSource") == "aws:sqs"
        and all(isinstance(record.get(key), str) for key in ("messageId", "body"))
    )


def _manual(detail: object, settings: Settings) -> Asked:
    if not isinstance(detail, dict) or not detail.keys() <= _KEYS:
        raise _refused(detail, "the detail of a manual scan", f"its keys are {', '.join(sorted(_KEYS))}")
    scan_type, dry_run = detail.get("scan_type", "manual"), detail.get("dry_run", False)
    if not isinstance(scan_type, str) or not _WORD.fullmatch(scan_type):
        raise _refused(scan_type, "scan_type", "give a word, such as manual")
    if not isinstance(dry_run, bool):
        raise _refused(dry_run, "dry_run", "give true or false")
    lists = {key: _items(detail, key) for key in _ITEMS}
    _within(lists["accounts"], settings.accounts, "accounts")
    _within(lists["regions"], settings.regions, "regions")
    narrowing = Narrowing(lists["accounts"], lists["regions"], lists["security_groups"])
    return Asked(scan_type, narrowing, dry_run)


def _items(detail: Event, key: str) -> frozenset[str]:
    """The items of a list; none where the key is not there: an empty list would ask for all."""
    if key not in detail:
        return frozenset()
    items, (pattern, expected) = detail[key], _ITEMS[key]
    right = isinstance(items, list) and 0 < len(items) <= _MOST
    if not right or not all(isinstance(each, str) and pattern.fullmatch(each) for each in items):
        raise _refused(items, key, f"give a list of {expected}, or leave the key out")
    return frozenset(items)


def _within(asked: frozenset[str], deployed: tuple[str, ...], key: str) -> None:
    beyond = sorted(asked - set(deployed)) if deployed else []
    if beyond:
        raise _refused(beyond, key, f"a manual scan can only narrow what is deployed: {', '.join(deployed[:_MOST])}")


def _refused(got: object, what: str, hint: str) -> InputError:
    shown = repr(got)
    return InputError(f"{what}: got {shown if len(shown) <= _SHOWN else f'{shown[:_SHOWN]}…'}", hint=hint)
