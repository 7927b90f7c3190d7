"""Queues in SQS: second looks that come when they are due, dead letters, and a queue that is read by hand.

Source: SQS API reference, SendMessage, ReceiveMessage, ChangeMessageVisibility.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sg_compliance.aws.failures import malformed
from sg_compliance.aws.stores import storing
from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError, StoreError
from sg_compliance.interfaces import Message
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from sg_compliance.aws.session import Sessions
    from sg_compliance.realtime.second_look import SecondLook

SENDING: Final = frozenset({"kms:Decrypt", "kms:GenerateDataKey", "sqs:SendMessage"})
RECEIVING: Final = frozenset({"kms:Decrypt", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"})
CHECKING: Final = frozenset({"sqs:GetQueueAttributes"})
IAM_ACTIONS: Final = SENDING | RECEIVING | CHECKING

LONGEST_DELAY: Final = timedelta(minutes=15)
_LONGEST_HIDDEN: Final = timedelta(hours=12)
_MOST: Final = 10
_WAIT_SECONDS: Final = 20

_LARGEST: Final = 262_144 - 2_048
"""Bytes of a body, beside its attributes: less than any queue takes that is not set to take less."""

_REASON: Final = 1_000
_CUT: Final = "\n[cut off: it was longer than a dead letter can be]"
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class SqsLater:
    """The Later socket on a queue. Calls: look 1.

    A message waits 15 minutes at most: who receives a second look before it is due sends it on for the rest.
    """

    def __init__(self, sessions: Sessions, queue_url: str) -> None:
        self._queue = _Queue(sessions, queue_url)

    def check(self) -> None:
        """See that there is such a queue. Calls: 1. Raises StoreError, AwsError."""
        self._queue.check()

    def look(self, look: SecondLook, delay: timedelta) -> None:
        """Send it. Raises StoreError."""
        wait = min(max(delay, timedelta()), LONGEST_DELAY)
        self._queue.send(look.encode(), DelaySeconds=_whole_seconds(wait))


class SqsDeadLetters:
    """The DeadLetters socket on a queue: the message as it came, the reason beside it. Calls: put 1."""

    def __init__(self, sessions: Sessions, queue_url: str) -> None:
        self._queue = _Queue(sessions, queue_url)

    def check(self) -> None:
        """See that there is such a queue. Calls: 1. Raises StoreError, AwsError."""
        self._queue.check()

    def put(self, body: str, reason: str) -> None:
        """Send it. Raises StoreError."""
        why = visible(reason)[:_REASON] or "no reason was given"
        self._queue.send(
            letter(body), MessageAttributes={"reason": {"DataType": "String", "StringValue": _sendable(why)}}
        )


class SqsInbox:
    """The Inbox socket on a queue. Calls: receive 1, done 1, again 1."""

    def __init__(self, sessions: Sessions, queue_url: str, wait_seconds: int = _WAIT_SECONDS) -> None:
        self._queue = _Queue(sessions, queue_url)
        self._wait_seconds = wait_seconds

    def receive(self) -> list[Message]:
        """Up to ten messages; waits up to 20 seconds for the first one. Raises StoreError, AwsError."""
        with storing(self._queue.name):
            answer = self._queue.client(RECEIVING).receive_message(
                QueueUrl=self._queue.url,
                MaxNumberOfMessages=_MOST,
                WaitTimeSeconds=self._wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [_message(each) for each in answer.get("Messages", ())]

    def done(self, message: Message) -> None:
        """Delete it. Raises StoreError."""
        with storing(self._queue.name):
            self._queue.client(RECEIVING).delete_message(QueueUrl=self._queue.url, ReceiptHandle=message.receipt)

    def again(self, message: Message, delay: timedelta) -> None:
        """Show it again after the delay, 12 hours at most. Raises StoreError."""
        hidden = min(max(delay, timedelta()), _LONGEST_HIDDEN)
        with storing(self._queue.name):
            self._queue.client(RECEIVING).change_message_visibility(
                QueueUrl=self._queue.url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=_whole_seconds(hidden),
            )


class _Queue:
    """A queue by its URL, which says its region: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME."""

    def __init__(self, sessions: Sessions, url: str) -> None:
        self._sessions = sessions
        self.url = url
        self.name = f"queue {url}"
        parts = (urlsplit(url).hostname or "").split(".")
        self._region = parts[1] if parts[0] == "sqs" and len(parts) > 3 else ""  # noqa: PLR2004  sqs.REGION.amazonaws.com

    def check(self) -> None:
        """See that it is there. Who may not ask is believed: to send takes another permission."""
        try:
            with storing(self.name):
                self.client(CHECKING).get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        except StoreError as error:
            if not isinstance(error.__cause__, AwsError) or error.__cause__.code not in DENIED:
                raise

    def send(self, body: str, **others: object) -> None:
        with storing(self.name):
            self.client(SENDING).send_message(QueueUrl=self.url, MessageBody=body, **others)

    def client(self, actions: frozenset[str]) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return self._sessions.client("sqs", actions, self._region)


def letter(body: str) -> str:
    """The body as a queue takes it: cut where it is too long, and without the characters that SQS refuses."""
    data = _sendable(body).encode()
    if len(data) > _LARGEST:
        return data[: _LARGEST - len(_CUT)].decode(errors="ignore") + _CUT
    return data.decode() or "[an empty message]"


def _sendable(text: str) -> str:
    """SQS takes what XML 1.0 takes (SendMessage, MessageBody)."""
    return _FORBIDDEN.sub("\ufffd", text)


def _whole_seconds(span: timedelta) -> int:
    """No less than the span: what comes early has to be sent on."""
    return -(-span // timedelta(seconds=1))


def _message(raw: dict[str, Any]) -> Message:
    try:
        attributes = raw["Attributes"]
        sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        receives = int(attributes["ApproximateReceiveCount"])
        return Message(raw["MessageId"], raw["Body"], sent, receives, raw["ReceiptHandle"])
    except (LookupError, TypeError, ValueError, OverflowError):
        raise malformed("sqs:ReceiveMessage", "holds a message without its body, times or receipt") from None
