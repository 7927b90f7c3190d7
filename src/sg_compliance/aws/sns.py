"""Notices to SNS topics: text for people, JSON for queues and programs, attributes for subscribers' filters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.aws.failures import explained
from sg_compliance.enforcement.wire import notice_record
from sg_compliance.errors import InputError
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import NoticeKind

if TYPE_CHECKING:
    from sg_compliance.aws.session import Sessions
    from sg_compliance.model.notice import Notice

IAM_ACTIONS: Final = frozenset({"kms:Decrypt", "kms:GenerateDataKey", "sns:Publish"})

_SUBJECT: Final = 99
"""Less than 100 characters, no line breaks or control characters (SNS API reference, Publish, Subject)."""

_LARGEST: Final = 262_144 - 2_048
"""Bytes of a message, its attributes among them (SNS API reference, Publish, Message): these get what is left."""

_MACHINES: Final = ("http", "https", "lambda", "sqs")
_CUT: Final = "\n[cut off: the whole of it is in the audit log and the journal]"


class Topics(NamedTuple):
    """The ARNs of topics, empty where there is none.

    `critical`: what is critical, and brakes. `findings`: what violates, and what was done about it. `operations`: what
    people did to the tool itself. In place of one that is not there stands the next that wakes fewer people; `critical`
    comes last.
    """

    findings: str = ""
    critical: str = ""
    operations: str = ""

    def of(self, notice: Notice) -> str:
        """The topic of the notice; empty where no topic is named."""
        if notice.severity is Severity.CRITICAL or notice.kind is NoticeKind.BRAKE:
            return self.critical or self.findings or self.operations
        if notice.kind is NoticeKind.OPERATION:
            return self.operations or self.findings or self.critical
        return self.findings or self.operations or self.critical


class SnsNotifier:
    """The Notifier socket, on one topic or on several. Calls: send 1. Raises InputError where no topic is named."""

    def __init__(self, sessions: Sessions, topics: str | Topics) -> None:
        self._sessions = sessions
        self._topics = Topics(topics) if isinstance(topics, str) else topics
        if not any(self._topics):
            raise InputError("no SNS topic is named", hint="give the ARN of a topic: arn:aws:sns:REGION:ACCOUNT:NAME")

    def send(self, notice: Notice) -> None:
        """Publish it. Raises AwsError."""
        topic = self._topics.of(notice)
        region = topic.split(":")[3] if topic.count(":") > 3 else ""  # noqa: PLR2004  arn:aws:sns:REGION:…
        client: Any = self._sessions.client("sns", IAM_ACTIONS, region)
        attributes = {"kind": notice.kind.value, "severity": notice.severity.value, "account_id": notice.account_id}
        with explained():
            client.publish(
                TopicArn=topic,
                Subject=subject_of(notice),
                Message=message_of(notice),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
                },
            )


def subject_of(notice: Notice) -> str:
    """One line of printable ASCII that begins with no space: names in it are text that anybody may have chosen."""
    plain = "".join(char if char.isascii() and char.isprintable() else "?" for char in notice.subject)
    return plain.strip()[:_SUBJECT].rstrip() or notice.kind.value


def message_of(notice: Notice) -> str:
    """What each protocol's subscribers get, as JSON. What is too large is cut, and says so."""
    whole = _message(notice.text, notice_record(notice))
    if _size(whole) <= _LARGEST:
        return whole
    brief = {**notice_record(notice), "text": "", "record": {}, "cut": True}
    room = _LARGEST - _size(_message(_CUT, brief))
    return _message(_beginning(notice.text, room) + _CUT, brief)


def _message(text: str, record: dict[str, Any]) -> str:
    machine = json.dumps(record, sort_keys=True)
    return json.dumps({"default": text, **dict.fromkeys(_MACHINES, machine)})


def _beginning(text: str, room: int) -> str:
    """As much of the text as its JSON has room for."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(json.dumps(text[:middle])) <= room else (low, middle - 1)
    return text[:low]


def _size(text: str) -> int:
    return len(text.encode())
