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


# The oracle: a list of sightings, and of what people were told, for each finding that is not gone


@dataclass
class Story:
    sightings: list[tuple[datetime, Finding]] = field(default_factory=list)
    told: list[Severity] = field(default_factory=list)

    @property
    def newest(self) -> Finding:
        """What was seen at the latest time; of two at one time, what was told last."""
        latest = max(time for time, _ in self.sightings)
        return [each for time, each in self.sightings if time == latest][-1]

    @property
    def times(self) -> tuple[datetime, datetime]:
        return min(time for time, _ in self.sightings), max(time for time, _ in self.sightings)

    @property
    def waits(self) -> bool:
        worst = max((each.rank for each in self.told), default=-1)
        return self.newest.state is FindingState.OPEN and self.newest.severity.rank > worst


@dataclass
class Oracle:
    stories: dict[str, Story] = field(default_factory=dict)

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        dated = []
        for each in findings:
            story = self.stories.setdefault(each.id, Story())
            story.sightings.append((now, each))
            dated.append(replace(each, first_seen=story.times[0], last_seen=story.times[1]))
        return dated

    def gone(self, place: Place, but_for: Iterable[str]) -> None:
        kept = set(but_for)
        for name, story in list(self.stories.items()):
            if story.newest.group.place == place and name not in kept:
                del self.stories[name]

    def told(self, telling: Iterable[Finding | Remembered]) -> None:
        for each in telling:
            story = self.stories.get(each.id)
            if story and each.first_seen and each.first_seen >= story.times[0]:
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


@dataclass(frozen=True)
class Told:
    """People are told of what `seen` gave back so many sightings ago."""

    back: int


@dataclass(frozen=True)
class AllTold:
    """People are told of all that waits."""


Step: TypeAlias = Seen | Gone | Told | AllTold


_findings = st.builds(
    finding, st.integers(0, GROUPS - 1), st.sampled_from(RULES), st.sampled_from(list(Severity)), exempt=st.booleans()
)
_steps = st.one_of(
    st.builds(
        Seen,
        st.lists(_findings, max_size=4, unique_by=lambda each: each.id).map(tuple),
        st.integers(-90, 90).map(lambda minutes: timedelta(minutes=minutes)),
    ),
    st.builds(Gone, st.integers(0, GROUPS - 1), st.lists(_findings.map(lambda each: each.id), max_size=2).map(tuple)),
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
            case Gone(number, kept):
                place = finding(number).group.place
                history.gone(place, kept)
                oracle.gone(place, kept)
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
