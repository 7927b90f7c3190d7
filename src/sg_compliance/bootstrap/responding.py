"""Wires what responds to events: to those of a queue, from a laptop or a container, and to what is only simulated."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.bootstrap import (
    CHANGING,
    RESPONDING,
    any_pattern,
    policy_file,
    read_text,
    role_names_of,
    sessions_of,
)
from sg_compliance.bootstrap.containing import CONTAIN_ROLE, function_roles, operation_windows
from sg_compliance.bootstrap.enforcement import SystemClock, new_run, stores
from sg_compliance.bootstrap.lookup import lookup
from sg_compliance.errors import InputError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.interfaces import Text
from sg_compliance.policy.exemptions import exempting
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from sg_compliance.realtime.principals import Ours
from sg_compliance.workflows.case import Surroundings
from sg_compliance.workflows.policy_source import PolicySource
from sg_compliance.workflows.receiving import Receiving
from sg_compliance.workflows.respond import Responding, responding
from sg_compliance.workflows.simulate import Simulating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from sg_compliance.aws.session import Sessions
    from sg_compliance.aws.sqs import SqsDeadLetters
    from sg_compliance.bootstrap import Where
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.interfaces import (
        Document,
        FindingHistory,
        Lookup,
        Metrics,
        OperationWindows,
        RuleWriter,
        Slots,
    )
    from sg_compliance.local.dead_letters import FileDeadLetters
    from sg_compliance.local.event_file import EventText
    from sg_compliance.local.later import MemoryLater
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.workflows.case import Terms

_JOURNAL: Final = "journal.sqlite"
_HISTORY: Final = "history.sqlite"
_LETTERS: Final = "dead-letters.jsonl"
_WAIT_SECONDS: Final = 5
"""A stop is heard once a call is over, and a container has ten seconds to end in (Docker's `stop`)."""
_DRAINING_SECONDS: Final = 1
"""Any wait asks all of a queue's servers: what comes back empty is empty (SQS developer guide, long polling)."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Where messages come from, and where second looks, dead letters and figures go; empty: see `from_queue`.

    `drained`: the queue is only to be emptied.
    """

    url: str
    recheck_url: str = ""
    dead_letters: str = ""
    metrics: Path | None = None
    drained: bool = False


def ours_of(
    where: Where,
    policy: ParsedPolicy,
    also: Iterable[str] = (),
    contain_role: str = CONTAIN_ROLE,
    caller: str = "",
) -> Ours:
    """What is ours: the roles of this deployment, those that the policy names, and `also`; under our session name.

    And, in the account that no role is assumed in, `caller`: the ARN of who runs this; and the functions' roles. The
    accounts are those of `where`, else those of `accounts_of`; every one where nobody runs this.
    """
    names = (where.role_name, where.change_role_name, contain_role, *role_names_of(policy).values(), *also)
    return Ours(
        role_names=frozenset(name.rpartition("/")[2] for name in names),
        session_names=frozenset({where.session_name}),
        accounts=frozenset(accounts_of(where, policy, caller)) or None,
        function_roles=function_roles(caller),
        callers=frozenset({caller} - {""}),
    )


def accounts_of(where: Where, policy: ParsedPolicy, caller: str) -> tuple[str, ...]:
    """The accounts that events may be of: those asked for, else the caller's (an ARN) and those that the policy names.

    Never any account that an event happens to name: its role would be assumed, with our external id. None without a
    caller, where no role is assumed at all.
    """
    if where.accounts or not caller:
        return where.accounts
    named = (each.account_id for each in policy.document.accounts_config)
    return tuple(dict.fromkeys((caller.split(":")[4], *named)))


class PolicyFile:
    """The Document socket on a policy in a file, or on one that comes with the package."""

    def __init__(self, name: str | None) -> None:
        self._path, self._name = policy_file(name)

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    def read(self) -> Text:
        """The policy as it is now. Raises InputError."""
        return Text(read_text(self._path), "")


class FromQueue(NamedTuple):
    """Responds to what a queue brings, as `by`, at first under `policy`, which may name the `accounts`.

    `looks`: second looks that are kept in this process, if they are.
    """

    receiving: Receiving
    by: str
    policy: ParsedPolicy
    looks: MemoryLater | None
    accounts: tuple[str, ...] = ()


@contextmanager
def from_queue(  # noqa: PLR0913  where everything is
    queue: Queue,
    where: Where,
    state: State,
    *,
    terms: Terms,
    policy: Document,
    environment: str | None,
    warn: Callable[[str], None],
    stop: Callable[[], bool],
) -> Iterator[FromQueue]:
    """What takes messages from a queue and responds to them; the policy is read anew for each batch.

    Second looks wait in this process where no queue is named for them. Dead letters go beside a state in a folder.
    What cannot be sent to, or written, is found out before the first message. `warn` gets what is wrong with a policy
    that was changed. Raises SgComplianceError, and nothing is made then.
    """
    from sg_compliance.aws.sqs import SqsInbox, SqsLater
    from sg_compliance.local.later import MemoryLater

    parsed = parse_policy(policy.read().text, policy.name)
    home, reading = _hasty(where, where.change_role_name), _hasty(where, where.role_name)
    clock, metrics = SystemClock(), _metrics(queue)
    letters, by = _letters(queue, state, home), home.caller().arn
    looks = None if queue.recheck_url else MemoryLater(clock)
    later = looks or SqsLater(home, queue.recheck_url)
    if isinstance(later, SqsLater):
        later.check()
    letters.check()
    with ExitStack() as opened:
        kept = opened.enter_context(stores(state, where))
        source = PolicySource(policy, kept.notifier, metrics, clock, warn, kept_for=timedelta())
        around = Surroundings(
            lookup=_lookup(reading, parsed),
            writer=_writer(home, parsed),
            stores=kept,
            history=opened.enter_context(_history(state, home)),
            later=later,
            dead_letters=letters,
            metrics=metrics,
            slots=opened.enter_context(_slots(state, home, terms)),
            clock=clock,
            run=new_run(by, "real-time response", parsed),
            terms=terms,
        )
        windows = opened.enter_context(operation_windows(state, where))
        making = _Making(around, windows, source, where, environment, reading, home)
        patient = sessions_of(where, where.change_role_name, CHANGING)  # an empty queue answers once the wait is over
        inbox = SqsInbox(patient, queue.url, _DRAINING_SECONDS if queue.drained else _WAIT_SECONDS)
        accounts = accounts_of(where, parsed, by)
        yield FromQueue(Receiving(inbox, making.responding, clock, stop, looks), by, parsed, looks, accounts)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes what responds under the policy of now, with the exemptions that people have granted by now."""

    around: Surroundings
    windows: OperationWindows
    source: PolicySource
    where: Where
    environment: str | None
    reading: Sessions
    home: Sessions

    def responding(self) -> Responding:
        """Raises SgComplianceError where what people granted cannot be read."""
        parsed, before = self.source.current(), self.around.run
        around = replace(
            self.around,
            lookup=_lookup(self.reading, parsed),
            writer=_writer(self.home, parsed),
            run=replace(new_run(before.by, before.why, parsed), id=before.id),
        )
        evaluator = _evaluator(parsed, self.environment, around.stores.concessions.all(), around.clock.now())
        return responding(around, self.windows, evaluator, ours_of(self.where, parsed, caller=before.by))


def event_texts(source: str) -> list[EventText]:
    """The events of a file, or of standard input (`-`), each as text, and where it stands. Raises InputError."""
    from sg_compliance.local import event_file

    return event_file.event_texts(source)


@contextmanager
def simulation(  # noqa: PLR0913  where everything is
    where: Where, state: State, policy: ParsedPolicy, *, environment: str | None, terms: Terms, our_roles: Iterable[str]
) -> Iterator[Simulating]:
    """What says what would come of events: nothing is changed, nobody is told, and nothing is kept or made.

    What earlier runs have left in the state counts, findings apart: none is known of yet. Without files events of
    accounts that are not ours are rejected, as they would be. Raises SgComplianceError: for files that cannot be read,
    too, before anything is asked of them.
    """
    from sg_compliance.local.history import SqliteHistory
    from sg_compliance.local.kept import KeptLetters, KeptNotices, MemoryWindows, NoSlots, NoWriter
    from sg_compliance.local.later import MemoryLater
    from sg_compliance.local.metrics import NoMetrics

    notices, clock = KeptNotices(), SystemClock()
    caller = "" if where.sources else sessions_of(where, where.role_name, CHANGING).caller().arn
    with ExitStack() as opened:
        kept = opened.enter_context(stores(state, where, reading=True))
        history = opened.enter_context(closing(SqliteHistory(Path(":memory:"))))
        around = Surroundings(
            lookup=opened.enter_context(lookup(where, policy, checked=True)),
            writer=NoWriter(),
            stores=kept,
            history=history,
            later=MemoryLater(clock),
            dead_letters=KeptLetters(),
            metrics=NoMetrics(),
            slots=NoSlots(),
            clock=clock,
            run=new_run("a simulation", policy=policy),
            terms=terms,
        )
        granted = kept.concessions.all()
        yield Simulating(
            around,
            MemoryWindows(),
            notices,
            lambda time: _evaluator(policy, environment, granted, time),
            ours=ours_of(where, policy, our_roles, caller=caller),
            now=clock.now(),
        )


def _evaluator(
    policy: ParsedPolicy, environment: str | None, granted: Sequence[Concession], time: datetime
) -> Evaluator:
    document = exempting(policy.document, granted) if granted else policy.document
    return Evaluator(Policy(document, environment), time)


def _hasty(where: Where, role_name: str) -> Sessions:
    """Sessions whose calls are given up in less than half of the time that a group stays locked."""
    return sessions_of(where, role_name, RESPONDING)


def _lookup(sessions: Sessions, policy: ParsedPolicy) -> Lookup:
    from sg_compliance.aws.ec2_lookup import Ec2Lookup

    return Ec2Lookup(sessions, role_names_of(policy), names_of_groups=any_pattern(policy))


def _writer(sessions: Sessions, policy: ParsedPolicy) -> RuleWriter:
    from sg_compliance.aws.ec2_rules import Ec2RuleWriter

    return Ec2RuleWriter(sessions, role_names_of(policy))


def _metrics(queue: Queue) -> Metrics:
    """Where figures go. Raises StoreError where they cannot."""
    from sg_compliance.local.metrics import FileMetrics, NoMetrics

    if queue.metrics is None:
        return NoMetrics()
    found = FileMetrics(queue.metrics, SystemClock())
    found.check()
    return found


def _letters(queue: Queue, state: State, home: Sessions) -> SqsDeadLetters | FileDeadLetters:
    """Where dead letters go. Raises InputError where nobody says so, and no folder is there to keep them in."""
    from sg_compliance.aws.sqs import SqsDeadLetters
    from sg_compliance.local.dead_letters import FileDeadLetters

    named = queue.dead_letters
    if named.startswith(("https://", "http://")):
        return SqsDeadLetters(home, named)
    if not named and state.is_remote:
        message = "nobody says where messages go that can never be handled"
        raise InputError(message, hint="name a file, or the URL of a queue: --dead-letters PLACE")
    return FileDeadLetters(Path(named) if named else Path(state.place()) / _LETTERS, SystemClock())


@contextmanager
def _slots(state: State, home: Sessions, terms: Terms) -> Iterator[Slots]:
    """What bounds how many groups are changed in an hour, beside the journal."""
    if terms.dry_run:
        from sg_compliance.local.kept import NoSlots

        yield NoSlots()
        return
    if state.is_remote:
        from sg_compliance.aws.slots import DynamoSlots

        yield DynamoSlots(home, state.table, SystemClock())
        return
    from sg_compliance.local.slots import SqliteSlots

    with closing(SqliteSlots(Path(state.place()) / _JOURNAL)) as found:
        yield found


@contextmanager
def _history(state: State, home: Sessions) -> Iterator[FindingHistory]:
    """What is remembered of findings, beside the journal. The folder is there by now."""
    if state.is_remote:
        from sg_compliance.aws.history import DynamoHistory

        yield DynamoHistory(home, state.table, SystemClock())
        return
    from sg_compliance.local.history import SqliteHistory

    with closing(SqliteHistory(Path(state.place()) / _HISTORY)) as found:
        yield found
