"""What would come of events, for a person and as JSON: what is found, what would be changed, who would be told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from sg_compliance.enforcement.plan import NotPlanned, PlannedGroup
from sg_compliance.errors import RejectedEventError
from sg_compliance.model.visible import visible
from sg_compliance.realtime.response import Reaction
from sg_compliance.reports.again import completed
from sg_compliance.reports.plan import group_block, heading
from sg_compliance.reports.plan_record import left_alone_record, planned_record
from sg_compliance.reports.record import SCHEMA_VERSION
from sg_compliance.reports.responses import (
    BAD,
    called,
    error_record,
    finding_lines,
    handled_record,
    passed_over,
    reaction_text,
    response_record,
    shown,
    verdict_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sg_compliance.errors import SgComplianceError
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.security_group import Place
    from sg_compliance.policy.cadence import Cadence
    from sg_compliance.realtime.response import Handled, Response

_HELP: Final = "cyan"
_UNSEEN: Final = "not known: the group could not be looked at"
_MEND: Final = "it would be put with the dead letters: mend the event, and try it again"
_SUPPOSED: Final = "the rules that the event added are not shown: judged as if they were"


class Event(NamedTuple):
    """What would come of one event, the `number`-th, at a time. `error`: it cannot be found out; `source`: its place.

    `plans` are what would be done, or why nothing; `notices` would be told at once, `digests` say when the rest is.
    `supposed` are groups judged with rules that they do not show; `unseen` why a group could not be looked at.
    """

    number: int
    at: datetime
    handled: Handled | None
    error: SgComplianceError | None
    plans: Mapping[Place, PlannedGroup | NotPlanned]
    notices: Sequence[Notice]
    digests: Mapping[Place, Sequence[Cadence]]
    supposed: frozenset[Place]
    unseen: Mapping[Place, SgComplianceError]
    source: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether what would happen is not known: it cannot be read, or a group that it touched is not there."""
        handled = self.handled
        if handled is None or handled.rejected:
            return True
        return any(each.reaction is Reaction.LOOK_AGAIN for each in handled.responses)

    @property
    def is_bad(self) -> bool:
        """Whether something violates the policy, or somebody would be told."""
        handled = self.handled
        return bool(self.notices or (handled and any(each.findings for each in handled.responses)))


def event_lines(event: Event, again: str = "") -> Iterator[Text]:
    """The event, each group that it touched, and what people would be told."""
    handled = event.handled
    yield _heading(event)
    if event.error:
        yield from _error_lines(event.error, again)
    if handled and handled.rejected:
        yield Text.assemble(("  help: ", _HELP), visible(completed(_next_step(handled), again)))
    if handled is None or handled.rejected:
        return
    if not handled.responses and handled.read:
        yield Text(f"  {passed_over(handled.read)}", style="dim")
    for response in handled.responses:
        yield from _response_lines(event, response, again)
    for verdict in handled.verdicts:
        yield Text.assemble("  mass operations  ", (f"{verdict_text(verdict)}: {shown(verdict.principal)}", BAD))
    for note in handled.notes:
        yield Text.assemble(("  note: ", "yellow"), shown(note))
    for notice in event.notices:
        yield Text.assemble("  told at once     ", (shown(notice.subject), "bold"))


def _heading(event: Event) -> Text:
    handled, number = event.handled, f"event {event.number}  "
    place = f"{visible(event.source)}: " if event.source else ""
    if handled is None:
        return Text.assemble((number, "bold"), place, ("cannot be simulated", BAD))
    if handled.read is None:
        said = f"rejected: {shown(handled.rejected)}" if handled.rejected else "; ".join(map(shown, handled.notes))
        return Text.assemble((number, "bold"), place, (said, BAD))
    return Text.assemble((number, "bold"), called(handled.read), (f"  {event.at:%Y-%m-%d %H:%M:%S} UTC", "dim"))


def _next_step(handled: Handled) -> str:
    """What to do about an event that is rejected; nothing is put with the dead letters here."""
    usual = RejectedEventError.USUAL_HINT
    return handled.next_step if handled.next_step not in {"", usual} else _MEND


def _response_lines(event: Event, response: Response, again: str) -> Iterator[Text]:
    place, planned = response.place, event.plans.get(response.place)
    said = reaction_text(response)
    yield Text.assemble("  ", heading(place, response.name, said.plain, style=str(said.style)))
    for line in finding_lines(response.findings):
        yield Text.assemble("  ", line)
    if place in event.supposed:
        yield Text.assemble(("    note      ", "yellow"), _SUPPOSED)
    yield Text(f"    decision  {shown(_decision(event, response))}")
    if isinstance(planned, PlannedGroup):
        for line in list(group_block(planned))[1:]:
            yield Text.assemble("  ", line)
    elif planned and planned.hint:
        yield Text.assemble(("    help: ", _HELP), visible(completed(planned.hint, again)))
    if place in event.unseen:
        for line in _error_lines(event.unseen[place], again):
            yield Text.assemble("  ", line)
    if response.look_again:
        yield Text(f"    again     {response.look_again:%Y-%m-%d %H:%M:%S} UTC")
    digests = [cadence.value for cadence in event.digests.get(place, ())]
    if digests:
        yield Text(f"    told      later, in a digest: {', '.join(digests)}")


def _decision(event: Event, response: Response) -> str:
    """What was decided, in words; of what could not be looked at nothing is known, whoever was asked."""
    return _UNSEEN if response.place in event.unseen else response.done


def _error_lines(error: SgComplianceError, again: str) -> Iterator[Text]:
    yield Text.assemble(("  error: ", BAD), visible(str(error)))
    if error.hint:
        yield Text.assemble(("  help: ", _HELP), visible(completed(error.hint, again)))


def totals_line(events: Sequence[Event]) -> Text:
    """`3 events: 1 group would be changed, 1 reported; 1 rejected`."""
    reactions: Counter[Reaction] = Counter()
    for event in events:
        reactions.update(each.reaction for each in (event.handled.responses if event.handled else ()))
    said = [f"{reactions[each]} {each.value}" for each in Reaction if reactions[each]]
    rejected = sum(bool(event.handled and event.handled.rejected) for event in events)
    failed = sum(event.handled is None for event in events)
    said += [f"{rejected} rejected"] if rejected else []
    said += [f"{failed} that cannot be simulated"] if failed else []
    number = f"{len(events):,} event{'s' if len(events) != 1 else ''}"
    return Text(f"{number}: {', '.join(said) or 'nothing to do'}; nothing was changed", style="bold")


def event_record(event: Event, again: str = "") -> dict[str, Any]:
    """One event as JSON values."""
    responses = event.handled.responses if event.handled else ()
    return {
        "schema_version": SCHEMA_VERSION,
        "number": event.number,
        "source": event.source or None,
        "at": event.at.isoformat(),
        "error": error_record(event.error),
        **handled_record(event.handled),
        "next_step": completed(_next_step(event.handled), again) if event.handled and event.handled.rejected else None,
        "responses": [_response_record(event, each, again) for each in responses],
        "told_at_once": [
            {"kind": each.kind.value, "severity": each.severity.value, "subject": each.subject}
            for each in event.notices
        ],
    }


def _response_record(event: Event, response: Response, again: str) -> dict[str, Any]:
    """One group, with what is known of it beside the response."""
    planned = event.plans.get(response.place)
    return {
        **response_record(response),
        "done": _decision(event, response),
        "plan": planned_record(planned) if isinstance(planned, PlannedGroup) else None,
        "left_alone": left_alone_record(planned, again) if isinstance(planned, NotPlanned) else None,
        "supposed": response.place in event.supposed,
        "unseen": error_record(event.unseen.get(response.place)),
        "digests": [each.value for each in event.digests.get(response.place, ())],
    }
