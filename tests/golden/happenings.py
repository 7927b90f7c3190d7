"""A few fixed messages and what came of them, and events that are only simulated: something of everything shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sg_compliance.errors import AwsError, SgComplianceError, StoreError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.policy.cadence import Cadence
from sg_compliance.realtime.response import Handled, Reaction, Response
from sg_compliance.realtime.verdict import Level
from sg_compliance.reports.responses import Message
from sg_compliance.reports.simulation import Event
from tests.blocked_world import verdict
from tests.builders import EVERYONE, bind, tcp
from tests.event_builders import asked, changed, record, session, skipped
from tests.golden import changes

AT: Final = datetime(2026, 1, 15, 12, 0, 1, tzinfo=UTC)
FORGED: Final = "\u202egpj.exe\n12:00:00  all is well"
_PLAN: Final = changes.plan()
_LOCKED: Final = next(each for each in _PLAN.groups if each.group.group_id == "sg-0001")
_LEFT: Final = _PLAN.not_planned[0]
_FINDINGS: Final = tuple(Evaluator(bind(changes.DOCUMENT), AT).evaluate(_LOCKED.group, changes.PREFIX_LISTS))


def would(reaction: Reaction = Reaction.WOULD_CHANGE, **others: object) -> Response:
    """What is said of the group that would be locked."""
    made = {
        "done": "dry run: would be changed (lockdown)",
        "name": _LOCKED.group.name,
        "findings": _FINDINGS,
        "emergency": True,
        "received": AT,
        "judged": AT,
        **others,
    }
    return Response(_LOCKED.place, reaction, **made)  # type: ignore[arg-type]


OPENED: Final = changed(record(request=asked(tcp(22, EVERYONE)), userAgent=FORGED, sourceIPAddress=FORGED))
OTHER: Final = Response(
    _LEFT.place, Reaction.REPORTED, _LEFT.reason, name=_LEFT.name, look_again=AT + timedelta(minutes=5)
)
REFUSED: Final = skipped(record(errorCode="Client.UnauthorizedOperation", userIdentity=session()))
TOLD: Final = Notice(NoticeKind.VIOLATION, Severity.CRITICAL, f"critical: NO_SSH in {FORGED}", "…")
THERE: Final = AwsError("sg-1: there is no such group in the files", hint="give the output of the AWS CLI")


def _message(
    number: int, handled: Handled | None, error: SgComplianceError | None = None, seconds: float = 1.25
) -> Message:
    return Message(f"m-{number}", AT, timedelta(seconds=seconds), handled, error)


MESSAGES: Final = (
    _message(1, Handled(OPENED, responses=(would(), OTHER))),
    _message(2, Handled(REFUSED, verdicts=(verdict(), verdict(Level.ALERT, at_least=True)))),
    _message(3, Handled(None, f"the message is no JSON: {FORGED}")),
    _message(4, None, StoreError("the topic cannot be reached", hint="see whether it is there"), 61),
    _message(5, Handled(None, notes=("it came before its time, and waits on",), attempt=1)),
    _message(6, Handled(OPENED, responses=(OTHER,), notes=("somebody uses this tool's role",)), StoreError("late")),
    Message("", AT, timedelta(), None, StoreError("queue https://…: no answer")),
)


def _event(number: int, handled: Handled | None, error: SgComplianceError | None = None, **others: object) -> Event:
    made: dict[str, object] = {
        "plans": {},
        "notices": (),
        "digests": {},
        "supposed": frozenset(),
        "unseen": {},
        **others,
    }
    return Event(number, AT, handled, error, source=f"e.jsonl, line {number}", **made)  # type: ignore[arg-type]


EVENTS: Final = (
    _event(
        1,
        Handled(OPENED, responses=(would(), OTHER), verdicts=(verdict(),)),
        plans={_LOCKED.place: _LOCKED, _LEFT.place: _LEFT},
        notices=(TOLD,),
        digests={_LOCKED.place: (Cadence.HOURLY, Cadence.DAILY)},
        supposed=frozenset({_LOCKED.place}),
    ),
    _event(2, Handled(REFUSED)),
    _event(3, Handled(None, f"the message is no JSON: {FORGED}")),
    _event(4, None, StoreError("no answer", hint="try again: sg-compliance history sg-1")),
    _event(
        5,
        Handled(
            OPENED,
            responses=(would(Reaction.LOOK_AGAIN, done="AWS does not show the group yet", name="", findings=()),),
        ),
        unseen={_LOCKED.place: THERE},
    ),
)
