"""What is remembered of findings, in the journal's DynamoDB table: an item for each, and another while it waits.

Items: `findings#place` / id of the finding: what is kept of it; `untold#severity#` 0 to f / the same id: the finding,
for as long as people are to be told of it. Both are written in one transaction, and have the same end: `expires`, the
table's TTL attribute, 90 days after the finding was last seen, a day after it was gone. What is past its end is
forgotten: AWS deletes it days later (DynamoDB developer guide, Time to Live). `version` is another text after every
change: nothing is written over what was not read.

To be seen and told of, a finding takes 4 units of an `untold` partition, of 1,000 a second: two items under 1 KB, each
twice since it is a transaction. A hundred groups a second with four critical ones each, as SSH open to the internet is,
are 1,600 units: too many for one partition, not for 16. What is kept of a finding is in its group's partition.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sg_compliance.aws.dynamodb_table import Change, Key, Table, shares, spread
from sg_compliance.enforcement.wire import sortable
from sg_compliance.errors import StoreError
from sg_compliance.model.finding import Severity
from sg_compliance.model.remembered import (
    REOPENED_WITHIN,
    Kept,
    Remembered,
    in_order,
    kept_place,
    remembered,
    sighted,
)
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sg_compliance.aws.dynamodb_table import Item
    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.remembered import Dated

IAM_ACTIONS: Final = frozenset({"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"})

KEPT_FOR: Final = timedelta(days=90)
"""How long a finding is remembered after it was last seen."""

_FINDINGS: Final = "findings#"
_UNTOLD: Final = "untold#"
_AT_ONCE: Final = 33
"""Findings in one transaction: three items each, and 100 are the most (DynamoDB API reference, TransactWriteItems)."""

_ATTEMPTS: Final = 40
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_MEND: Final = "delete the item: the finding is new when it is seen again, and nothing else depends on it"

_Change: TypeAlias = "Callable[[Kept | None], Kept | None]"


class DynamoHistory:
    """The FindingHistory socket. Raises StoreError.

    Calls, for every 33 findings: seen and told 2, told 1 where that is known, and 2 more for each time that another got
    there first; untold 1. gone 1, and 1 more where a finding goes. waiting 16 for each severity, and 1 more for each
    megabyte. Times are kept as they are given: `gone` depends on the last one, to the microsecond.
    """

    def __init__(self, sessions: Sessions, table: str, clock: Clock, region: str = "") -> None:
        self._table = Table(sessions, table, clock, region, actions=IAM_ACTIONS)
        self._clock = clock

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """The same findings with the times at which they were first and last seen, now among them."""
        dated: list[Finding] = []
        left = iter(findings)
        while part := list(islice(left, _AT_ONCE)):
            kept = self._change({_key(each): partial(sighted, finding=each, now=now) for each in part})
            dated += [_with_times(each, kept[_key(each)]) for each in part]
        return dated

    def gone(self, place: Place, but_for: Iterable[str] = (), *, as_of: datetime) -> None:
        """The findings of the group are gone, save those with these ids and those that were seen after that time."""
        but = frozenset(but_for)
        items = self._table.query(f"{_FINDINGS}{kept_place(place)}", "", "", {})
        known = {Key(item["pk"], item["sk"]): item for item in items if item["sk"] not in but}
        alive = ((key, self._alive(item)) for key, item in known.items())
        left = (key for key, kept in alive if kept and kept.once_gone(as_of) != kept)
        while part := list(islice(left, _AT_ONCE)):
            self._change({key: partial(_once_gone, as_of=as_of) for key in part}, {key: known[key] for key in part})

    def untold(self, findings: Iterable[Dated]) -> frozenset[str]:
        """The ids of those that are remembered and wait for people to be told."""
        found: set[str] = set()
        left = iter(findings)
        while part := list(islice(left, _AT_ONCE)):
            kept = map(self._alive, self._table.get_all({_key(each) for each in part}).values())
            found.update(each.finding.id for each in kept if each and each.waits)
        return frozenset(found)

    def told(self, findings: Iterable[Dated], now: datetime) -> None:
        """People were told of these, as they are given."""
        left = iter(findings)
        while part := list(islice(left, _AT_ONCE)):
            self._change({_key(each): partial(_once_told, telling=each, now=now) for each in part})

    def waiting(self, severities: Iterable[Severity]) -> Iterator[Remembered]:
        """Open findings of these severities that people are to be told of, in the order of reports."""
        found: list[Remembered] = []
        for severity in frozenset(severities):
            for share in shares(f"{_UNTOLD}{severity.value}"):
                alive = map(self._alive, self._table.query(share, "", "", {}))
                found += [kept.finding for kept in alive if kept]
        yield from in_order(found)

    def _change(self, changes: Mapping[Key, _Change], read: Mapping[Key, Item] | None = None) -> dict[Key, Kept | None]:
        """Let each decide what is kept of its finding, of what the others left. Where another was first, once more.

        `read` are the items, where they were read just now.
        """
        for attempt in range(_ATTEMPTS):
            items = read if read and not attempt else self._table.get_all(changes)
            before = {key: self._alive(items[key]) if key in items else None for key in changes}
            after = {key: change(before[key]) for key, change in changes.items()}
            wanted = [
                each
                for key in changes
                if before[key] != after[key]
                for each in _writes(key, items.get(key, {}), before[key], after[key])
            ]
            if not wanted or self._table.change_all(wanted):
                return after
            longest = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
            self._clock.sleep(longest * secrets.randbelow(1000) / 1000)
        raise StoreError(
            f"{self._table.place(next(iter(changes)))}: others kept writing it at the same time",
            hint="try again in a minute: nothing was written",
        )

    def _alive(self, item: Item) -> Kept | None:
        """What is kept, unless its end has come."""
        kept = self._kept(item)
        return kept if item["expires"] > self._clock.now().timestamp() else None

    def _kept(self, item: Item) -> Kept:
        key = Key(item["pk"], item["sk"])
        try:
            return _kept_of(item)
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"{self._table.place(key)}: what the table holds cannot be read: {error}", hint=_MEND
            ) from error


def _key(finding: Dated) -> Key:
    place = finding.place if isinstance(finding, Remembered) else kept_place(finding.group.place)
    return Key(f"{_FINDINGS}{place}", finding.id)


def _with_times(finding: Finding, kept: Kept | None) -> Finding:
    known = kept.finding if kept else remembered(finding)
    return replace(finding, first_seen=known.first_seen, last_seen=known.last_seen)


def _once_gone(kept: Kept | None, as_of: datetime) -> Kept | None:
    return kept and kept.once_gone(as_of)


def _once_told(kept: Kept | None, telling: Dated, now: datetime) -> Kept | None:
    return kept and kept.once_told(telling, now)


def _writes(key: Key, item: Item, before: Kept | None, after: Kept | None) -> Iterator[Change]:
    """The finding, if it is as it was read; and the item that says that it waits, gone or in its place."""
    if item:
        held, values = "#version = :version", {"version": item["version"]}
    else:
        held, values = "attribute_not_exists(#version)", {}
    yield Change(key, _item(after) if after else None, held, values)
    left, entered = _waiting_key(before), _waiting_key(after)
    if left and left != entered:
        yield Change(left, None)
    if entered and after:
        yield Change(entered, _item(after))


def _end(kept: Kept) -> datetime:
    return kept.gone + REOPENED_WITHIN if kept.is_gone and kept.gone else kept.finding.last_seen + KEPT_FOR


def _waiting_key(kept: Kept | None) -> Key | None:
    if not kept or not kept.waits:
        return None
    return Key(spread(f"{_UNTOLD}{kept.finding.severity.value}", kept.finding.id), kept.finding.id)


def _item(kept: Kept) -> dict[str, str | int]:
    finding = kept.finding
    return {
        "version": secrets.token_hex(8),
        "expires": int(_end(kept).timestamp()),
        "account_id": finding.place.account_id,
        "region": finding.place.region,
        "group_id": finding.place.group_id,
        "group_name": finding.group_name,
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "direction": finding.direction,
        "reason": finding.reason,
        "message": finding.message,
        "first_seen": sortable(finding.first_seen),
        "last_seen": sortable(finding.last_seen),
        "exempt": int(kept.exempt),
        "told": kept.told,
        **({"told_at": sortable(kept.told_at)} if kept.told_at else {}),
        **({"gone_at": sortable(kept.gone)} if kept.gone else {}),
    }


def _kept_of(item: dict[str, Any]) -> Kept:
    finding = Remembered(
        id=item["sk"],
        place=Place(item["account_id"], item["region"], item["group_id"]),
        group_name=item["group_name"],
        rule_id=item["rule_id"],
        severity=Severity(item["severity"]),
        direction=item["direction"],
        reason=item["reason"],
        message=item["message"],
        first_seen=datetime.fromisoformat(item["first_seen"]),
        last_seen=datetime.fromisoformat(item["last_seen"]),
    )
    return Kept(finding, bool(item["exempt"]), item["told"], _time(item.get("told_at")), _time(item.get("gone_at")))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
