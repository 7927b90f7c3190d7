"""The plan: which groups would be changed, from what to what, and why; which would not, and why not. As data.

A plan is a JSON document, schema version 1, with a checksum. `apply` does nothing that is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.enforcement.record import group_of, group_record, wanted_of, wanted_record
from sg_compliance.errors import InputError
from sg_compliance.model.security_group import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.model.change import Tags, Wanted
    from sg_compliance.model.security_group import SecurityGroup

SCHEMA: Final = "sg-compliance/plan"
VERSION: Final = 1
TAG_ONLY: Final = "tag"
CLEAR: Final = "clear tags"
"""What is done in place of a strategy where no violating traffic is taken away."""

TO_COME: Final = "to come"
"""The id of a backup that is not written yet, where a plan shows it."""


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """One group to be changed. `group` is as it was read; `fingerprint` is what it must still have when it is changed.

    `closed` and `remaining` are the findings that go away and that stay (`backup.finding_note`); `reasons` say why the
    decision was taken, `notes` what a person should know before agreeing.
    """

    group: SecurityGroup
    fingerprint: str
    strategy: str
    wanted: Wanted
    closed: tuple[dict[str, Any], ...] = ()
    remaining: tuple[dict[str, Any], ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] | None = None

    @property
    def place(self) -> Place:
        """Where the group is."""
        return self.group.place

    @property
    def is_remediation(self) -> bool:
        """Whether violating traffic is taken away: not where a warning is only set or cleared."""
        return self.strategy not in {TAG_ONLY, CLEAR}

    @property
    def changes_rules(self) -> bool:
        """Whether more than tags is changed."""
        return bool(self.wanted.rules) or self.wanted.gone is None or bool(self.wanted.gone)

    def wanted_with(self, backup_id: str) -> Wanted:
        """What the group is to become, now that the backup has an id."""
        return replace(self.wanted, tags=with_backup(self.wanted.tags, TO_COME, backup_id))


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """A group with open findings that is left alone, and why. `hint` is what would change that."""

    place: Place
    name: str
    rules: tuple[str, ...]
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `totals` are the groups of each account, for the budget."""

    created: datetime
    by: str
    policy_source: str
    policy_version: str
    policy_hash: str
    tag_prefix: str
    groups: tuple[PlannedGroup, ...] = ()
    not_planned: tuple[NotPlanned, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    automatic: bool = False

    @property
    def id(self) -> str:
        """`plan-20260115T120000Z-0123456789ab`."""
        return f"plan-{self.created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{_checksum(self._body())[:12]}"

    def by_account(self) -> Counter[str]:
        """In how many groups of each account rules would be changed."""
        return Counter(each.group.account_id for each in self.groups if each.changes_rules)

    def encode(self) -> str:
        """The document, as it is written to a file."""
        body = self._body()
        return json.dumps({**body, "checksum": f"sha256:{_checksum(body)}"}, indent=2) + "\n"

    def _body(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "created": self.created.isoformat(),
            "by": self.by,
            "policy": {"source": self.policy_source, "version": self.policy_version, "hash": self.policy_hash},
            "tag_prefix": self.tag_prefix,
            "automatic": self.automatic,
            "totals": dict(self.totals),
            "groups": [_planned_record(each) for each in self.groups],
            "not_planned": [_not_planned_record(each) for each in self.not_planned],
        }


def with_backup(tags: Tags, before: str, backup_id: str) -> Tags:
    """The tags with the id of the backup in place of another value."""
    return tuple((key, backup_id if value == before else value) for key, value in tags)


def _planned_record(each: PlannedGroup) -> dict[str, Any]:
    return {
        "group": group_record(each.group),
        "fingerprint": each.fingerprint,
        "strategy": each.strategy,
        "wanted": wanted_record(each.wanted, each.group.rules),
        "closed": list(each.closed),
        "remaining": list(each.remaining),
        "reasons": list(each.reasons),
        "notes": list(each.notes),
        "network_interfaces": None if each.interfaces is None else list(each.interfaces),
    }


def _planned_of(raw: dict[str, Any]) -> PlannedGroup:
    attached = raw["network_interfaces"]
    return PlannedGroup(
        group=group_of(raw["group"]),
        fingerprint=raw["fingerprint"],
        strategy=raw["strategy"],
        wanted=wanted_of(raw["wanted"]),
        closed=tuple(raw["closed"]),
        remaining=tuple(raw["remaining"]),
        reasons=tuple(raw["reasons"]),
        notes=tuple(raw["notes"]),
        interfaces=None if attached is None else tuple(attached),
    )


def _not_planned_record(each: NotPlanned) -> dict[str, Any]:
    return {
        "place": list(each.place),
        "name": each.name,
        "rules": list(each.rules),
        "reason": each.reason,
        "hint": each.hint,
    }


def decode_plan(text: str, source: str) -> Plan:
    """Read a plan file and check that nobody changed it. Raises InputError."""
    try:
        return _plan(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        message = f"{source} cannot be used as a plan: {problem}"
        raise InputError(message, hint="make a new plan: sg-compliance plan --output FILE") from error


def _plan(document: dict[str, Any]) -> Plan:
    if document["schema"] != SCHEMA or document["version"] != VERSION:
        message = f"it is {document['schema']!s} version {document['version']!s}; this program reads version {VERSION}"
        raise ValueError(message)
    if document.pop("checksum") != f"sha256:{_checksum(document)}":
        message = "it was changed after it was made: its content does not match its checksum"
        raise ValueError(message)
    policy = document["policy"]
    return Plan(
        created=datetime.fromisoformat(document["created"]),
        by=document["by"],
        policy_source=policy["source"],
        policy_version=policy["version"],
        policy_hash=policy["hash"],
        tag_prefix=document["tag_prefix"],
        groups=tuple(_planned_of(each) for each in document["groups"]),
        not_planned=tuple(
            NotPlanned(Place(*each["place"]), each["name"], tuple(each["rules"]), each["reason"], each["hint"])
            for each in document["not_planned"]
        ),
        totals=document["totals"],
        automatic=document["automatic"],
    )


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
