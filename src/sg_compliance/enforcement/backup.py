"""The backup of one group: everything that AWS showed of it, who was about to change it and why, and a checksum.

One JSON document, schema version 1, readable for ever. Its id holds the time and the beginning of its own checksum:
a backup that was changed does not carry its name any more.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.enforcement.record import group_of, group_record
from sg_compliance.errors import BackupDamagedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup, SecurityGroupRule

SCHEMA: Final = "sg-compliance/backup"
VERSION: Final = 1
BACKUP_ID: Final = re.compile(r"(sg-[0-9a-z]+)-\d{8}T\d{6}Z-([0-9a-f]{16})", re.ASCII)
_IN_NAME: Final = 16


@dataclass(frozen=True, slots=True)
class Cause:
    """Who was about to change the group, in which run, and why. `findings` are those that were to be closed."""

    kind: str
    run_id: str
    by: str
    why: str
    policy_version: str = ""
    policy_hash: str = ""
    findings: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """A group as it was. `amends` is the backup that this one takes the place of: rules were added meanwhile."""

    group: SecurityGroup
    created: datetime
    cause: Cause
    amends: str = ""

    @property
    def id(self) -> str:
        """`sg-…-20260115T120000Z-0123456789abcdef`."""
        checksum = _checksum(self._body())
        return f"{self.group.group_id}-{self.created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{checksum[:_IN_NAME]}"

    def encode(self) -> bytes:
        """The document, as it is kept."""
        body = self._body()
        return json.dumps({**body, "checksum": f"sha256:{_checksum(body)}"}, indent=2).encode() + b"\n"

    def with_rules(self, added: Iterable[SecurityGroupRule], now: datetime) -> Backup:
        """The same group with rules that were added since: what to go back to, had nothing been done."""
        group = replace(self.group, rules=(*self.group.rules, *added))
        return replace(self, group=group, created=now, amends=self.id)

    def _body(self) -> dict[str, Any]:
        cause = self.cause
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "created": self.created.isoformat(),
            "amends": self.amends or None,
            "cause": {
                "kind": cause.kind,
                "run_id": cause.run_id,
                "by": cause.by,
                "why": cause.why,
                "policy_version": cause.policy_version,
                "policy_hash": cause.policy_hash,
                "findings": list(cause.findings),
            },
            "group": group_record(self.group),
        }


def finding_note(finding: Finding) -> dict[str, Any]:
    """What a backup and a plan remember of a finding."""
    return {
        "id": finding.id,
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "direction": finding.direction.value if finding.direction else None,
        "reason": finding.reason,
        "message": finding.message,
    }


def decode_backup(data: bytes, backup_id: str) -> Backup:
    """Read a backup and check that it is what was written under this id. Raises BackupDamagedError."""
    try:
        document = json.loads(data)
        return _backup(document, backup_id)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"backup {backup_id} cannot be used: {_words(error)}"
        hint = "it was changed after it was written: take another (sg-compliance backups list), and find out who did it"
        raise BackupDamagedError(message, hint=hint) from error


def _words(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _backup(document: dict[str, Any], backup_id: str) -> Backup:
    if document["schema"] != SCHEMA or document["version"] != VERSION:
        message = f"it is {document['schema']!s} version {document['version']!s}; this program reads version {VERSION}"
        raise ValueError(message)
    said = document.pop("checksum")
    checksum = _checksum(document)
    if said != f"sha256:{checksum}":
        message = "its content does not match its checksum"
        raise ValueError(message)
    name = BACKUP_ID.fullmatch(backup_id)
    if name is None or name[2] != checksum[:_IN_NAME] or name[1] != document["group"]["group_id"]:
        message = "its content is that of another backup"
        raise ValueError(message)
    cause = document["cause"]
    return Backup(
        group=group_of(document["group"]),
        created=datetime.fromisoformat(document["created"]),
        cause=Cause(**{**cause, "findings": tuple(cause["findings"])}),
        amends=document["amends"] or "",
    )


def _checksum(body: dict[str, Any]) -> str:
    """Of the canonical form, so that indenting it anew is no damage."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
