"""A plan for a person: a diff for each group, the groups that are left alone and why, and whether it may run."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.text import Text

from sg_compliance.evaluation.wording import listed
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.visible import visible
from sg_compliance.reports.again import completed
from sg_compliance.reports.diff import diff_lines, diff_of, tags_text
from sg_compliance.reports.plan_figures import account_lines, budget_lines, counted, policy_text, totals_text
from sg_compliance.reports.text import STYLES, skipped_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sg_compliance.enforcement.plan import NotPlanned, Plan, PlannedGroup
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import Place
    from sg_compliance.reports.plan_figures import Limits

_ALIKE: Final = 5
"""So many groups that are left alone for one reason are named."""
_NAMED: Final = 10
"""So many groups are named before a person is asked."""
_INTERFACES: Final = 6
_HELP: Final = "cyan"
_LOUD: Final = "bold yellow"
_AGES: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class Reading(NamedTuple):
    """What was read for the plan, and what not."""

    skipped: Sequence[Skipped] = ()
    complete: bool = True
    interrupted: bool = False


def plan_lines(plan: Plan, reading: Reading, limits: Limits, again: str = "") -> Iterator[Text]:
    """The whole plan. The next command is up to the caller. `again`: options for commands that are shown."""
    for planned in plan.groups:
        if planned.changes_rules:
            yield from group_block(planned)
            yield Text()
    yield from _tagged_block([planned for planned in plan.groups if not planned.changes_rules])
    yield from _left_alone_block(plan.not_planned, again)
    for skipped in reading.skipped:
        yield from skipped_lines(skipped)
    if reading.skipped:
        yield Text()
    yield from _summary(plan, limits)
    if not reading.complete:
        why = "interrupted" if reading.interrupted else "something could not be read"
        yield Text(f"PARTIAL PLAN: {why}; groups that are not listed here are not known to be compliant", style=_LOUD)


def heading(place: Place, name: str, what: str, vpc_id: str | None = None, style: str = "bold") -> Text:
    """Who the group is, where it is, and what is done."""
    where = "/".join(part for part in (place.account_id, place.region, vpc_id) if part)
    named = f"  {visible(name)}" if name else ""
    placed = f"  {visible(where)}" if where else ""
    return Text.assemble((visible(place.group_id), "bold"), named, (placed, "dim"), "  ", (what, style))


def group_block(planned: PlannedGroup) -> Iterator[Text]:
    """One group: the diff, what is closed by it and what remains, what hangs on it, and why."""
    group = planned.group
    yield heading(group.place, group.name, planned.strategy, group.vpc_id)
    yield from diff_lines(diff_of(group, planned.wanted))
    for note in planned.closed:
        yield _finding_line("closes", note)
    for note in planned.remaining:
        yield _finding_line("remains", note)
    yield Text(f"  attached  {_attached(planned)}")
    for reason in planned.reasons:
        yield Text(f"  why       {visible(reason)}", style="dim")
    for said in planned.notes:
        yield Text(f"  note      {visible(said)}", style="yellow")


def _finding_line(label: str, note: Mapping[str, Any]) -> Text:
    severity = Severity(note["severity"])
    said = f"{note['rule_id']}: {note['message']}"
    return Text.assemble(f"  {label:<10}", (f"{severity.value:<8}", STYLES[severity]), f"  {visible(said)}")


def _attached(planned: PlannedGroup) -> str:
    interfaces = planned.interfaces
    if interfaces is None:
        return "interfaces were not read: not known"
    if not interfaces:
        return "to no interface"
    managed = planned.group.managed_interfaces
    by_service = f"; managed by a service: {listed(managed, _INTERFACES)}" if managed else ""
    return visible(f"to {counted(len(interfaces), 'interface')}: {listed(interfaces, _INTERFACES)}{by_service}")


def _tagged_block(groups: Sequence[PlannedGroup]) -> Iterator[Text]:
    """One line a group, those that are tagged for one reason together."""
    by_reason: dict[str, list[PlannedGroup]] = defaultdict(list)
    for planned in groups:
        by_reason["; ".join(planned.reasons)].append(planned)
    if groups:
        yield Text("Only tags change", style="bold")
    for reason, alike in sorted(by_reason.items()):
        yield Text(f"  {visible(reason)}")
        for planned in alike:
            yield Text.assemble("    ", heading(planned.place, planned.group.name, _tags_changed(planned), style=""))
    if groups:
        yield Text()


def _tags_changed(planned: PlannedGroup) -> str:
    diff = diff_of(planned.group, planned.wanted)
    gone = f"- {visible(', '.join(diff.untagged))}" if diff.untagged else ""
    return "  ".join(part for part in (gone, f"+ {tags_text(diff.tags)}" if diff.tags else "") if part)


def _left_alone_block(left: Sequence[NotPlanned], again: str) -> Iterator[Text]:
    by_reason: dict[str, list[NotPlanned]] = defaultdict(list)
    for each in left:
        by_reason[each.reason].append(each)
    if left:
        yield Text("Left alone", style="bold")
    for reason, groups in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        yield Text(f"  {visible(reason)}")
        yield from _alike(groups, again)
    if left:
        yield Text()


def _alike(groups: Sequence[NotPlanned], again: str) -> Iterator[Text]:
    """Groups that are left alone for one reason. A hint that is the same for all is said once."""
    one_hint = len({each.hint for each in groups}) == 1
    for each in groups[:_ALIKE]:
        yield Text.assemble("    ", heading(each.place, each.name, visible(listed(each.rules, 3)), style="dim"))
        if each.hint and not one_hint:
            yield Text.assemble(("      help: ", _HELP), visible(completed(each.hint, again)))
    if len(groups) > _ALIKE:
        yield Text(f"    and {len(groups) - _ALIKE} more", style="dim")
    if groups[0].hint and one_hint:
        yield Text.assemble(("    help: ", _HELP), visible(completed(groups[0].hint, again)))


def _summary(plan: Plan, limits: Limits) -> Iterator[Text]:
    yield Text.assemble((totals_text(plan), "bold"))
    yield from account_lines(plan)
    yield from budget_lines(plan, limits)
    yield Text(f"{plan.id}  {policy_text(plan)}", style="dim")


def brief_lines(plan: Plan, now: datetime) -> Iterator[Text]:
    """The plan before a person is asked: how old, by whom, and which groups."""
    made = f"made {age_text(plan, now)} by {plan.by}"
    yield Text.assemble((plan.id, "bold"), f"  {visible(made)}  ", (policy_text(plan), "dim"))
    for planned in plan.groups[:_NAMED]:
        yield Text.assemble("  ", heading(planned.place, planned.group.name, planned.strategy))
    if len(plan.groups) > _NAMED:
        yield Text(f"  and {len(plan.groups) - _NAMED} more")
    yield Text.assemble((totals_text(plan), "bold"))
    yield from account_lines(plan)


def age_text(plan: Plan, now: datetime) -> str:
    """`3 minutes ago`, in the largest unit."""
    seconds = int((now - plan.created).total_seconds())
    for unit, length in _AGES:
        if seconds >= length:
            return f"{counted(seconds // length, unit)} ago"
    return "just now"


def unmet_lines(plan: Plan, wanted: Sequence[str], found: Mapping[str, Sequence[Finding]]) -> Iterator[Text]:
    """The groups, by id or name, that were asked for and that the plan says nothing about: they may be misspelt.

    `found`: the findings, of any state, of the groups that were read.
    """
    met = {text for each in plan.groups for text in (each.place.group_id, each.group.name)}
    met |= {text for each in plan.not_planned for text in (each.place.group_id, each.name)}
    for group in wanted:
        if group not in met:
            yield Text.assemble(("note: ", "yellow"), f"{visible(group)}: {_unmet(found.get(group))}")


def _unmet(found: Sequence[Finding] | None) -> str:
    if found is None:
        return "no group of this id or name was read"
    if any(each.state is FindingState.OPEN for each in found):
        return "it has no open finding of those that were asked for (--severity, --rule)"
    return "nothing to do: all of its findings are exempt" if found else "nothing to do: it has no finding"


def next_lines(plan: Plan, file: str, again: str) -> Iterator[Text]:
    """What to do with the plan: `file` is where it was written. `again`: options to be given again."""
    if not plan.groups:
        yield Text("nothing to apply")
    elif file:
        yield Text.assemble(
            f"written to {visible(file)}; look at it, then: ",
            (f"sg-compliance apply {shlex.quote(file)}{again}", _HELP),
        )
    else:
        yield Text("nothing was changed, and the plan is not kept: give --output FILE to apply it")
