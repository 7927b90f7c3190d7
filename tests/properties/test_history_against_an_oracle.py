"""The history of findings against an oracle that keeps every event and works out the rest when it is asked."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.local.history import SqliteHistory
from sg_compliance.model.finding import FindingState, Severity
from tests.builders import EVERYONE, group, judge, only, prohibit, tcp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.interfaces import FindingHistory
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.remembered import Remembered
    from sg_compliance.model.security_group import Place

START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
GROUPS = 3
RULES = ("ONE", "TWO")
_FOUND = only(judge(prohibit(22, rule_id="ONE"), group(tcp(22, EVERYONE))))


def finding(number: int, rule: str = "ONE", severity: Severity = Severity.HIGH, *, exempt: bool = False) -> Finding:
    """A finding of a group by number."""
    return replace(
        _FOUND,
        group=replace(_FOUND.group, group_id=f"sg-{number}", name=f"name-{number}"),
        rule_id=rule,
        severity=severity,
        state=FindingState.EXEMPT if exempt else FindingState.OPEN,
    )


# The oracle: a list of sightings, of the times at which it went, and of what people were told since, for each finding


@dataclass
class Story:
    sightings: list[tuple[datetime, Finding]] = field(default_factory=list)
    told: list[Severity] = field(default_factory=list)
    went: list[datetime] = field(default_factory=list)
    earliest: datetime | None = None

    @property
    def is_gone(self) -> bool:
        return bool(self.went) and self.times[1] <= self.went[-1]

    @property
    def newest(self) -> Finding:
        """What was seen at the latest time; of two at one time, what was told last."""
        latest = max(time for time, _ in self.sightings)
        return [each for time, each in self.sightings if time == latest][-1]

    @property
    def times(self) -> tuple[datetime, datetime]:
        times = [time for time, _ in self.sightings]
        return min([*times, *filter(None, [self.earliest])]), max(times)

    @property
    def waits(self) -> bool:
        worst = max((each.rank for each in self.told), default=-1)
        is_open = self.newest.state is FindingState.OPEN and not self.is_gone
        return is_open and self.newest.severity.rank > worst


@dataclass
class Oracle:
    stories: dict[str, Story] = field(default_factory=dict)

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        dated = []
        for each in findings:
            story = self.stories.setdefault(each.id, Story())
            time = now
            if story.is_gone and now - story.went[-1] >= timedelta(hours=24):
                story = self.stories[each.id] = Story()
            elif story.is_gone:
                story.told.clear()
                time = max(now, story.went[-1] + timedelta(microseconds=1))
                story.earliest = min(now, story.times[0])
            story.sightings.append((time, each))
            dated.append(replace(each, first_seen=story.times[0], last_seen=story.times[1]))
        return dated

    def gone(self, place: Place, but_for: Iterable[str], as_of: datetime) -> None:
        kept = set(but_for)
        for name, story in self.stories.items():
            is_there = not story.is_gone and story.times[1] <= as_of
            if story.newest.group.place == place and name not in kept and is_there:
                story.went.append(as_of)

    def told(self, telling: Iterable[Finding | Remembered]) -> None:
        for each in telling:
            story = self.stories.get(each.id)
            if not story or not each.first_seen or not each.last_seen or each.first_seen < story.times[0]:
                continue
            if not story.went or each.last_seen > story.went[-1]:
                story.told.append(each.severity)

    def waiting(self, severities: Iterable[Severity]) -> set[tuple[str, Severity, datetime]]:
        return {
            (name, story.newest.severity, story.times[0])
            for name, story in self.stories.items()
            if story.waits and story.newest.severity in severities
        }


# What happens


@dataclass(frozen=True)
class Seen:
    findings: tuple[Finding, ...]
    at: timedelta


@dataclass(frozen=True)
class Gone:
    number: int
    kept: tuple[str, ...]
    at: timedelta


@dataclass(frozen=True)
class Told:
    """People are told of what `seen` gave back so many sightings ago."""

    back: int


@dataclass(frozen=True)
class AllTold:
    """People are told of all that waits."""


@dataclass(frozen=True)
class Passed:
    """Nothing happens for so long."""

    time: timedelta


Step: TypeAlias = Seen | Gone | Told | AllTold | Passed


_findings = st.builds(
    finding, st.integers(0, GROUPS - 1), st.sampled_from(RULES), st.sampled_from(list(Severity)), exempt=st.booleans()
)
_about_now = st.integers(-90, 90).map(lambda minutes: timedelta(minutes=minutes))
_steps = st.one_of(
    st.builds(
        Seen,
        st.lists(_findings, max_size=4, unique_by=lambda each: each.id).map(tuple),
        _about_now,
    ),
    st.builds(
        Gone,
        st.integers(0, GROUPS - 1),
        st.lists(_findings.map(lambda each: each.id), max_size=2).map(tuple),
        _about_now,
    ),
    st.builds(Passed, st.sampled_from([timedelta(hours=23), timedelta(hours=25)])),
    st.builds(Told, st.integers(1, 3)),
    st.just(AllTold()),
)
stories = st.lists(_steps, min_size=1, max_size=14)


def agree(history: FindingHistory, steps: Iterable[Step]) -> None:
    """What the history says after every step is what the oracle says."""
    oracle, now, given_back = Oracle(), START, [[finding(0)]]
    for step in steps:
        now += timedelta(minutes=7)
        match step:
            case Seen(findings, at):
                dated = history.seen(findings, now + at)
                assert dated == oracle.seen(findings, now + at)
                given_back.append(dated)
            case Gone(number, kept, at):
                place = finding(number).group.place
                history.gone(place, kept, as_of=now + at)
                oracle.gone(place, kept, now + at)
            case Passed(time):
                now += time
            case AllTold():
                told = list(history.waiting(Severity))
                history.told(told, now)
                oracle.told(told)
                assert list(history.waiting(Severity)) == []
            case Told(back):
                undated = [each for each in given_back[-min(back, len(given_back))] if each.first_seen]
                history.told(undated, now)
                oracle.told(undated)
        _same(history, oracle)


def _same(history: FindingHistory, oracle: Oracle) -> None:
    for severities in ([Severity.CRITICAL, Severity.INFO], [Severity.HIGH], list(Severity)):
        waiting = list(history.waiting(severities))
        assert {(each.id, each.severity, each.first_seen) for each in waiting} == oracle.waiting(severities)
        assert waiting == sorted(waiting, key=lambda each: (each.place, -each.severity.rank, each.rule_id))
    every = [finding(number, rule) for number in range(GROUPS) for rule in RULES]
    assert history.untold(every) == {name for name, story in oracle.stories.items() if story.waits}


@settings(max_examples=200)
@given(stories)
def test_a_file_remembers_what_the_oracle_does(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(SqliteHistory(Path(folder) / "seen.db")) as history:
        agree(history, steps)
