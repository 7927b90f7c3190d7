"""The sockets: what a workflow needs of the world. Adapters in `aws/` and `local/` fit in; tests bring their own.

A shard is what is read in one go and can fail alone: one region of one account, or one file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sg_compliance.model.page import Page as Page  # noqa: PLC0414, TC001 - others have it from here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from sg_compliance.model.block import Block, Target
    from sg_compliance.model.change import Call
    from sg_compliance.model.concession import Concession
    from sg_compliance.model.finding import Finding, Severity
    from sg_compliance.model.journal import Entry, Lock
    from sg_compliance.model.metric import Metric
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.remembered import Dated, Remembered
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import Place, PrefixLists, SecurityGroup
    from sg_compliance.realtime.mass_operations import Operation, Watched, Window
    from sg_compliance.realtime.second_look import SecondLook
    from sg_compliance.realtime.verdict import Verdict


class Shard(NamedTuple):
    """Where groups are read from. `name` is shown to people: `123456789012/eu-west-1`, or a file's name."""

    name: str
    account_id: str = ""
    region: str = ""


class Inventory(Protocol):
    """Where security groups come from. Reads only."""

    def shards(self) -> Iterable[Shard | Skipped]:
        """What there is to read. Raises SgComplianceError where not even that can be found out."""

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """The shard's groups, page by page. Raises SgComplianceError where the shard cannot be read on.

        Safe to call for several shards at once, from several threads.
        """

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """The same groups, in the same order, their rules named by id (`sgr-…`) where that can be found out."""


class Progress(Protocol):
    """Who wants to know how far a scan has come. Called from one thread at a time."""

    def begun(self, shards: int) -> None:
        """So many shards are to be read."""

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        """So many more groups of the shard were judged, with so many findings."""

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        """The shard is read, or was given up."""


class FindingStore(Protocol):
    """Holds the findings of one scan, more than fit in memory, and gives them back in the order of reports."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Keep some more."""

    def __iter__(self) -> Iterator[Finding]:
        """All of them, sorted by `Finding.sort_key`. Can be asked for more than once."""


class FindingHistory(Protocol):
    """Remembers when a finding was first and last seen, and whether people were told of it.

    A finding that is seen again after it was gone waits for people to be told anew; it is as old as it was if it was
    gone for less than a day, else new. An exempt finding waits for nobody to be told of it; one that is worse than what
    people were told of waits again.
    """

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """The same findings with both times, now among them. Raises SgComplianceError."""

    def gone(self, place: Place, but_for: Iterable[str] = (), *, as_of: datetime) -> None:
        """The group had no finding when it was read at that time, save those with these ids.

        What was seen after that time is not gone. Raises SgComplianceError.
        """

    def untold(self, findings: Iterable[Dated]) -> frozenset[str]:
        """The ids of those that are remembered and wait for people to be told. Raises SgComplianceError."""

    def told(self, findings: Iterable[Dated], now: datetime) -> None:
        """People were told of these, as they are given: with the dates of `seen`, and the severity that was told.

        What became worse meanwhile, or is gone and began anew, still waits. What is not remembered is passed over.
        Raises SgComplianceError.
        """

    def waiting(self, severities: Iterable[Severity]) -> Iterator[Remembered]:
        """Open findings of these severities that people are to be told of, in the order of reports.

        Raises SgComplianceError.
        """


class Clock(Protocol):
    """The time, and waiting."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class RuleWriter(Protocol):
    """One group at a time, in AWS: read it whole, and make one call."""

    def read(self, place: Place, *, interfaces: bool = False) -> SecurityGroup:
        """The group as AWS shows it now, every rule with its id, description and tags; its interfaces where asked for.

        Raises AwsError: a code of `enforcement.refusals.GONE` where the group is not there (any more).
        """

    def do(self, place: Place, call: Call) -> None:
        """Make the call. Raises AwsError; whether it took effect is then known only where AWS answered."""


class BackupStore(Protocol):
    """Backups by id. They are written once, and never changed or deleted by this tool."""

    def put(self, backup_id: str, data: bytes) -> None:
        """Keep the bytes, for good. The same bytes again are fine; others under the same id are refused.

        Raises SgComplianceError where it is not certain that they are kept.
        """

    def get(self, backup_id: str) -> bytes:
        """The bytes, as they are kept. Raises BackupNotFoundError, SgComplianceError."""

    def ids(self, group_id: str = "") -> Iterator[str]:
        """The ids of all backups, or of one group's, oldest first."""


class Journal(Protocol):
    """Locks on groups, and what was begun and ended under them. Writes are refused to whom has lost the lock."""

    def lock(self, place: Place, owner: str, now: datetime, lease: timedelta) -> Lock:
        """Lock the group: it was free, or its lease has run out. Raises GroupLockedError."""

    def renew(self, lock: Lock, now: datetime, lease: timedelta) -> Lock:
        """Keep the lock for longer. Raises LockLostError."""

    def unlock(self, lock: Lock) -> None:
        """Give the lock back, if it is still held. An open entry stays open."""

    def begin(self, lock: Lock, entry: Entry) -> None:
        """Write down what is about to be done; in place of an open entry with the same id. Raises LockLostError."""

    def end(self, lock: Lock, entry: Entry) -> None:
        """Move the entry to the history, nothing being open any more, and give the lock back. Raises LockLostError."""

    def locks(self, now: datetime) -> list[Lock]:
        """The locks that run at the time, by place; none is taken."""

    def unfinished(self) -> list[Entry]:
        """The entries that are open, locked or not, oldest first."""

    def entries(self, group_id: str = "", run_id: str = "", since: datetime | None = None) -> list[Entry]:
        """Ended and open entries, oldest first: all, or of one group, of one run, started at or after a time."""


class Concessions(Protocol):
    """Exemptions and unprotections that were granted outside the policy document."""

    def all(self) -> list[Concession]:
        """All of them, lapsed ones too, by id."""

    def grant(self, concession: Concession) -> None:
        """Add it, in place of one with the same id."""

    def withdraw(self, concession_id: str) -> bool:
        """Take it away. Whether it was there."""


class Switch(Protocol):
    """The pause switch: a small text; empty where changes may be made."""

    def read(self) -> str:
        """The text."""

    def write(self, text: str) -> None:
        """Set the text."""


class AuditLog(Protocol):
    """The log of changes: lines that are only ever added, each with the hash of the one before."""

    def append(self, event: Mapping[str, Any]) -> None:
        """Add a line. Safe for several processes at once. Raises SgComplianceError where it is not kept."""

    def lines(self) -> Iterator[str]:
        """The lines, oldest first, as they are kept."""


class Notifier(Protocol):
    """Who tells people."""

    def send(self, notice: Notice) -> None:
        """Tell. Raises SgComplianceError where nobody was told."""


class Marks(Protocol):
    """What people were told of, by marks that say what it is."""

    def was_told(self, mark: str) -> bool:
        """Whether people were told of this in the last two days. Raises StoreError."""

    def note_told(self, mark: str) -> None:
        """Note that people were told: after they were. Raises StoreError where it is not certain that it is kept."""


class OperationWindows(Marks, Protocol):
    """What is known of each principal's operations in each account. Operations of one are taken one after another."""

    def take(self, operation: Operation, decide: Callable[[Window], tuple[Window, Verdict | None]]) -> Verdict | None:
        """Let `decide` add the operation to the window of its principal, keep what it returns, and return its verdict.

        Exact for several processes at once: `decide` may be asked more than once, of what the others left, and what
        counts is the last answer. Where the window is the same object nothing is written. Raises StoreError where it
        is not certain that the window was kept: take the operation once more then.
        """

    def all(self) -> Iterator[Watched]:
        """The windows that are kept now, in no order. Raises StoreError."""


class Looked(NamedTuple):
    """A group as it is now, with the prefix lists that it refers to."""

    group: SecurityGroup
    prefix_lists: PrefixLists


class Lookup(Protocol):
    """Single groups, looked at now, where an event says that something was changed. Reads only."""

    def group(self, place: Place) -> Looked:
        """The group, once two answers of AWS agree about it, its interfaces too where they may be read.

        Raises AwsError: `enforcement.refusals.GONE` where it is not there, `IN_FLUX` where the answers differ.
        """

    def named(self, account_id: str, region: str, names: Iterable[str]) -> list[Place]:
        """The account's own groups that have one of these names, in whatever VPC. Raises AwsError."""

    def referring(self, account_id: str, region: str, prefix_lists: Iterable[str]) -> list[Place]:
        """The groups that refer to one of these prefix lists, in other accounts too. Raises AwsError."""


class Later(Protocol):
    """Has a group looked at again."""

    def look(self, look: SecondLook, delay: timedelta) -> None:
        """Hand it back after the delay. Raises SgComplianceError where it is not certain to come."""


class DeadLetters(Protocol):
    """Messages that can never be handled, for people to look at."""

    def put(self, body: str, reason: str) -> None:
        """Keep the message, and why it is here. Raises SgComplianceError."""


class Metrics(Protocol):
    """Figures for graphs and alarms. Never fails: a figure is not worth a group."""

    def put(self, metric: Metric) -> None:
        """Publish it."""


class Blocks(Protocol):
    """Who is blocked, kept: before the policy is put, until after it is taken away."""

    def all(self) -> list[Block]:
        """All of them, those that are over too, by id. Raises StoreError."""

    def keep(self, block: Block, instead_of: Block | None) -> bool:
        """Keep it where what is kept under its id is that one as it was read, or nothing (None). Whether it is kept.

        Exact for several processes at once. Raises StoreError where it is not certain.
        """

    def forget(self, block: Block) -> bool:
        """Take it away, if it is kept as it was read. Whether nothing is kept there now. Raises StoreError."""


class Containment(Protocol):
    """The deny policy on a user or role, always under the one name `realtime.deny_policy.POLICY_NAME`."""

    def identify(self, target: Target) -> Target:
        """The same user or role as IAM names it, with its path. Raises AwsError; `NoSuchEntity` where there is none."""

    def deny(self, target: Target, document: Mapping[str, Any]) -> None:
        """Put the policy there, in place of one of that name. Raises AwsError."""

    def release(self, target: Target) -> None:
        """Take the policy away, if it and whom it stands on are there. Raises AwsError."""

    def denied(self, target: Target) -> Mapping[str, Any] | None:
        """The policy of that name that stands there; None where there is none, or nobody for it to stand on.

        One that cannot be read as JSON is empty. Raises AwsError.
        """


class Text(NamedTuple):
    """A text as it is kept somewhere, and its version: another one when it was written anew."""

    text: str
    version: str


class Document(Protocol):
    """A text that people keep elsewhere: the policy, the level of the log."""

    @property
    def name(self) -> str:
        """Where it is, as people read it."""

    def read(self) -> Text:
        """The text as it is now. Raises SgComplianceError."""


class ReportStore(Protocol):
    """Reports of scans, written once."""

    def put(self, name: str, lines: Iterable[str]) -> str:
        """Keep the lines under this name, and return where. Raises SgComplianceError."""


class Once(Protocol):
    """Does a thing once, however often it is asked for."""

    def do(self, key: str, act: Callable[[], object]) -> bool:
        """Act, unless it was done under this key already. Whether it was done now. Raises what `act` raises.

        Where `act` returned False or raised, or the process was killed in it, it is done again when it is asked for
        again. Raises BusyError where another is at it at this moment, StoreError where it is not certain that it is
        remembered.
        """


class Message(NamedTuple):
    """A message from a queue: sent when, received how often, and `receipt`, by which it is settled."""

    message_id: str
    body: str
    sent: datetime
    receives: int
    receipt: str


class Inbox(Protocol):
    """A queue to take messages from."""

    def receive(self) -> list[Message]:
        """Some messages; waits for the first one a while. Raises SgComplianceError."""

    def done(self, message: Message) -> None:
        """The message needs never come again. Raises SgComplianceError."""

    def again(self, message: Message, delay: timedelta) -> None:
        """Let the message come again after the delay. Raises SgComplianceError."""


class Slots(Protocol):
    """How much may be done within a window of time, for several processes at once."""

    def take(self, name: str, item: str, most: int, window: timedelta, now: datetime) -> bool:
        """Whether the item has a slot under this name, or gets one: no more than `most` items within the window.

        Taken again, a slot is the same one. Raises StoreError where it is not certain.
        """
