"""Wires what works when the journal does not: the pause switch, the audit log, and who tells people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sg_compliance.bootstrap import sessions_of
from sg_compliance.errors import InputError
from sg_compliance.workflows.switching import Board

if TYPE_CHECKING:
    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.interfaces import Notifier


def board(state: State, where: Where) -> Board:
    """The three of this state. Nothing is opened or made before it is used."""
    return _in_aws(state, where) if state.is_remote else _in_folder(state, where)


def _in_folder(state: State, where: Where) -> Board:
    from sg_compliance.local.audit import FileAuditLog
    from sg_compliance.local.notices import FileNotifier
    from sg_compliance.local.switch import FileSwitch

    folder = Path(state.place())
    notifier = _topic(state, where) if state.topic_arn else FileNotifier(folder / "notices.jsonl")
    return Board(FileSwitch(folder / "paused.json"), FileAuditLog(folder / "audit.jsonl"), notifier)


def _in_aws(state: State, where: Where) -> Board:
    from sg_compliance.aws.s3 import BucketPlace
    from sg_compliance.aws.s3_audit import S3AuditLog
    from sg_compliance.aws.ssm import SsmSwitch
    from sg_compliance.bootstrap.enforcement import SystemClock

    bucket, prefix = bucket_of(state.place())
    sessions = sessions_of(where, where.change_role_name)
    audit = S3AuditLog(sessions, BucketPlace(bucket, prefix, state.kms_key), state.table, SystemClock())
    return Board(SsmSwitch(sessions, state.switch), audit, _topic(state, where) if state.topic_arn else Nobody())


def _topic(state: State, where: Where) -> Notifier:
    from sg_compliance.aws.sns import SnsNotifier

    return SnsNotifier(sessions_of(where, where.change_role_name), state.topic_arn)


class Nobody:
    """Tells nobody: no topic was named. What was done is in the audit log."""

    def send(self, notice: object) -> None:
        """Tell nobody."""


def bucket_of(place: str) -> tuple[str, str]:
    """Bucket and prefix of an S3 location; the prefix ends in a slash, or is empty."""
    try:
        parts = urlsplit(place)
    except ValueError:  # a bracket, which would begin an IPv6 address
        parts = urlsplit("")
    if not parts.netloc or parts.query or parts.fragment:
        message = f"{place!r} is no place in S3"
        raise InputError(message, hint="write it like s3://my-bucket/sg-compliance")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""
