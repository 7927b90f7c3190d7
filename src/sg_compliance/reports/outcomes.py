"""What a run did to each group, for a person and as JSON values: the way back, or why not and the next step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from sg_compliance.enforcement.notices import undo
from sg_compliance.enforcement.rollback import restoring
from sg_compliance.model.change import Authorize, Describe, Revoke, Tag
from sg_compliance.model.outcome import Status
from sg_compliance.model.visible import visible
from sg_compliance.reports.again import completed
from sg_compliance.reports.diff import ADDED, GONE, diff_lines, diff_of, diff_record, rule_line, tags_text
from sg_compliance.reports.plan import heading
from sg_compliance.reports.record import SCHEMA_VERSION, rule_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.enforcement.backup import Backup
    from sg_compliance.model.change import Call
    from sg_compliance.model.outcome import Outcome
    from sg_compliance.model.security_group import Place, SecurityGroup

STATUS_STYLES: Final = {
    Status.CHANGED: "green",
    Status.WOULD_CHANGE: "green",
    Status.UNCHANGED: "dim",
    Status.PARTIAL: "bold yellow",
    Status.REFUSED: "yellow",
    Status.LOCKED: "yellow",
    Status.GONE: "yellow",
    Status.FAILED: "bold red",
    Status.INCOMPLETE: "bold red",
}
_HELP: Final = "cyan"


class Ran(NamedTuple):
    """A run and what came of it.

    `left`: groups that it did not come to. `stopped`: why it ended early. `again`: options that commands which are
    shown have to be given again. `problems`: the brakes that stopped it, or would stop what is only rehearsed.
    """

    run_id: str
    by: str
    outcomes: Sequence[Outcome]
    plan_id: str = ""
    dry_run: bool = False
    left: Sequence[tuple[Place, str]] = ()
    stopped: str = ""
    again: str = ""
    problems: Sequence[str] = ()


class Restoring(NamedTuple):
    """One group that is to go back: the backup, and how the group is now; None where either could not be read."""

    backup_id: str
    backup: Backup | None
    now: SecurityGroup | None
    outcome: Outcome


def ran_lines(ran: Ran) -> Iterator[Text]:
    """Every outcome, then the figures."""
    for outcome in ran.outcomes:
        yield from outcome_lines(outcome, ran.again)
    if ran.outcomes:
        yield Text()
    yield from totals_lines(ran)


def totals_lines(ran: Ran) -> Iterator[Text]:
    """The figures, and what the run did not come to."""
    yield Text(totals_text(ran), style="bold")
    changed = [outcome for outcome in ran.outcomes if outcome.status is Status.CHANGED]
    if ran.plan_id and len(changed) > 1:
        yield Text.assemble(("  undo all: ", _HELP), f"sg-compliance rollback --run {visible(ran.run_id)}{ran.again}")
    yield from _left_lines(ran)


def outcome_lines(outcome: Outcome, again: str = "") -> Iterator[Text]:
    """What was done to the group, and how to undo it; or why not, and the next step."""
    yield outcome_heading(outcome)
    if outcome.status is Status.WOULD_CHANGE:
        yield from _call_lines(outcome.calls)
    for note in outcome.notes:
        yield Text.assemble(("  note: ", "yellow"), visible(note))
    if outcome.hint:
        yield Text.assemble(("  help: ", _HELP), visible(completed(outcome.hint, again)))
    if outcome.backup_id and _is_changed(outcome):
        yield Text.assemble(("  undo: ", _HELP), f"{visible(undo(outcome.backup_id))}{again}")


def _is_changed(outcome: Outcome) -> bool:
    """Whether there is something to take back: of what an earlier run has begun, no call may have been left."""
    made = outcome.calls and outcome.status is not Status.WOULD_CHANGE
    return bool(made) or outcome.status in {Status.CHANGED, Status.PARTIAL}


def outcome_heading(outcome: Outcome) -> Text:
    """One line: the group, how it ended, and why or what was done."""
    done = "" if outcome.status is Status.WOULD_CHANGE else calls_text(outcome.calls)
    if outcome.status is Status.CHANGED and not done:
        done = "every call was made by the run that began it"
    why = "; ".join(part for part in (visible(outcome.reason), done) if part)
    said = f"{outcome.status.value}{f': {why}' if why else ''}"
    return heading(outcome.place, outcome.name, said, style=STATUS_STYLES[outcome.status])


def calls_text(calls: Sequence[Call]) -> str:
    """`2 rules revoked, 1 added, tags set`."""
    counts: Counter[type] = Counter()
    for call in calls:
        counts[type(call)] += len(call.rules) if isinstance(call, Revoke | Authorize | Describe) else 1
    words = [(Revoke, "revoked"), (Authorize, "added"), (Describe, "described anew")]
    said = [f"{_rules(counts[kind])} {word}" for kind, word in words if counts[kind]]
    tagged = [call for call in calls if not isinstance(call, Revoke | Authorize | Describe)]
    return ", ".join([*said, *(["tags changed"] if tagged else [])])


def _rules(number: int) -> str:
    return f"{number} rule{'s' if number != 1 else ''}"


def _call_lines(calls: Sequence[Call]) -> Iterator[Text]:
    """The calls that would be made, in their order."""
    for call in calls:
        if isinstance(call, Revoke):
            yield from (Text(f"  - {rule_line(rule)}", style=GONE) for rule in call.rules)
        elif isinstance(call, Authorize | Describe):
            sign = "+" if isinstance(call, Authorize) else "~"
            yield from (Text(f"  {sign} {rule_line(rule)}", style=ADDED) for rule in call.rules)
        elif isinstance(call, Tag):
            yield Text(f"  + tags {tags_text(call.tags)}", style=ADDED)
        else:
            yield Text(f"  - tags {visible(', '.join(call.keys))}", style=GONE)


def totals_text(ran: Ran) -> str:
    """`2 changed, 1 refused, 3 not done`."""
    counts = Counter(outcome.status for outcome in ran.outcomes)
    said = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    if ran.left:
        said.append(f"{len(ran.left)} not done")
    dry = "dry run, nothing was changed: " if ran.dry_run else ""
    return f"{dry}{', '.join(said) or 'nothing to do'}"


def _left_lines(ran: Ran) -> Iterator[Text]:
    """What was not come to, and that the next run takes it up."""
    if ran.stopped:
        yield Text(f"STOPPED: {visible(ran.stopped)}", style="bold yellow")
    for place, name in ran.left:
        yield Text.assemble("  ", heading(place, name, "not done", style="yellow"))
    if ran.left:
        yield Text.assemble(
            ("  help: ", _HELP), "run it again: what is done stays done, what is begun is finished first"
        )


def restoring_lines(step: Restoring, again: str = "") -> Iterator[Text]:
    """What would be restored: when and why it was backed up, and the diff from how the group is now."""
    if step.backup is None or step.now is None:
        yield from outcome_lines(step.outcome, again)
        return
    group, cause = step.backup.group, step.backup.cause
    yield heading(group.place, group.name, f"back to {step.backup_id}", group.vpc_id)
    said = f"{step.backup.created:%Y-%m-%d %H:%M} UTC before a {cause.kind} by {cause.by}, run {cause.run_id}"
    yield Text(f"  backed up {visible(said)}", style="dim")
    if step.outcome.status is Status.UNCHANGED:
        yield Text("  nothing to do: the group is as the backup has it")
        return
    yield from diff_lines(diff_of(step.now, restoring(group, step.now)))


def ran_record(ran: Ran) -> dict[str, Any]:
    """The run as JSON values."""
    counts = Counter(outcome.status for outcome in ran.outcomes)
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": ran.run_id,
        "by": ran.by,
        "plan_id": ran.plan_id or None,
        "dry_run": ran.dry_run,
        "stopped": ran.stopped or None,
        "problems": list(ran.problems),
        "totals": {status.value.replace(" ", "_"): counts[status] for status in Status},
        "outcomes": [outcome_record(outcome, ran.again) for outcome in ran.outcomes],
        "not_done": [{**place._asdict(), "group_name": name} for place, name in ran.left],
    }


def outcome_record(outcome: Outcome, again: str = "") -> dict[str, Any]:
    """One element of `outcomes`."""
    return {
        **outcome.place._asdict(),
        "group_name": outcome.name,
        "status": outcome.status.value,
        "reason": outcome.reason or None,
        "next_step": completed(outcome.hint, again) or None,
        "backup_id": outcome.backup_id or None,
        "calls": [_call_record(call) for call in outcome.calls],
        "notes": list(outcome.notes),
    }


def _call_record(call: Call) -> dict[str, Any]:
    record: dict[str, Any] = {"call": type(call).__name__.lower()}
    if isinstance(call, Revoke | Authorize | Describe):
        return {**record, "direction": call.direction.value, "rules": [rule_record(rule) for rule in call.rules]}
    changed = {"tags": dict(call.tags)} if isinstance(call, Tag) else {"keys": list(call.keys)}
    return {**record, "resources": list(call.resources), **changed}


def restoring_record(step: Restoring, again: str = "") -> dict[str, Any]:
    """One group of a rollback that is only shown."""
    record = outcome_record(step.outcome, again)
    if step.backup is None or step.now is None:
        return {**record, "change": None}
    return {**record, "change": diff_record(diff_of(step.now, restoring(step.backup.group, step.now)))}
