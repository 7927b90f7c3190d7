"""Grants and the pause switch: the line comes before the grant, the brake before its line, people are told last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.enforcement.guards import Pause
from sg_compliance.errors import InputError, StoreError
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.model.finding import Severity
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.concessions import Granting
from sg_compliance.workflows.switching import Board, Switching
from tests.builders import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sg_compliance.model.notice import Notice

GRANT = Concession(ConcessionKind.EXEMPTION, "sg-1", ("NO_SSH",), "a visit", "zoe", None, NOW, "ann@host")
RUN = Run("run-1", "ann@host")


@dataclass
class Diary:
    """Every store at once: what was done, in order. `failing` names what refuses."""

    done: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    granted: dict[str, Concession] = field(default_factory=dict)
    text: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def _do(self, what: str) -> None:
        if what in self.failing:
            message = f"cannot {what}"
            raise StoreError(message)
        self.done.append(what)

    def append(self, event: Mapping[str, Any]) -> None:
        self._do("audit")
        self.events.append(dict(event))

    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def all(self) -> list[Concession]:
        return list(self.granted.values())

    def grant(self, concession: Concession) -> None:
        self._do("grant")
        self.granted[concession.id] = concession

    def withdraw(self, concession_id: str) -> bool:
        self._do("withdraw")
        return self.granted.pop(concession_id, None) is not None

    def read(self) -> str:
        if "read" in self.failing:
            message = "the switch is no text"
            raise StoreError(message)
        return self.text

    def write(self, text: str) -> None:
        self._do("write")
        self.text = text

    def send(self, notice: Notice) -> None:
        self._do("tell")
        self.notices.append(notice)

    @property
    def stores(self) -> Any:  # noqa: ANN401 - all of them
        class All:
            audit = concessions = switch = notifier = self

        return All()


class Still:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def granting(diary: Diary) -> Granting:
    return Granting(diary.stores, Still(), RUN)


def switching(diary: Diary) -> Switching:
    return Switching(Board(diary, diary, diary), Still(), RUN)


def test_a_grant_is_written_down_then_given_then_told() -> None:
    diary = Diary()
    assert granting(diary).grant(GRANT, replace=False).notes == ()
    assert diary.done == ["audit", "grant", "tell"]
    assert diary.events[0] | {"concession": None} == {
        "time": NOW.isoformat(),
        "event": "exemption granted",
        "run_id": "run-1",
        "by": "ann@host",
        "why": "a visit",
        "group_id": "sg-1",
        "concession": None,
        "replaces": None,
    }


def test_what_cannot_be_written_down_is_not_granted_nor_withdrawn() -> None:
    diary = Diary(failing={"audit"}, granted={GRANT.id: GRANT})
    with pytest.raises(StoreError):
        granting(diary).grant(GRANT, replace=True)
    with pytest.raises(StoreError):
        granting(diary).withdraw(GRANT.id)
    assert diary.done == []


def test_a_grant_that_fails_is_not_left_in_the_log_as_given() -> None:
    diary = Diary(failing={"grant"})
    with pytest.raises(StoreError):
        granting(diary).grant(GRANT, replace=False)
    assert diary.done == ["audit", "audit"]
    assert (diary.events[1]["status"], diary.events[1]["reason"]) == ("failed", "cannot grant")


def test_that_nobody_could_be_told_takes_no_grant_back() -> None:
    diary = Diary(failing={"tell"})
    assert granting(diary).grant(GRANT, replace=False).notes == ("nobody was told: cannot tell",)
    assert diary.granted == {GRANT.id: GRANT}
    assert granting(diary).withdraw(GRANT.id).notes == ("nobody was told: cannot tell",)
    assert diary.granted == {}


def test_a_grant_that_has_lapsed_needs_no_leave_to_be_replaced() -> None:
    lapsed = replace(GRANT, expires=NOW)
    diary = Diary(granted={GRANT.id: lapsed})
    assert granting(diary).grant(GRANT, replace=False).before == lapsed
    with pytest.raises(InputError, match="granted already, for good"):
        granting(diary).grant(GRANT, replace=False)


@pytest.mark.parametrize(
    ("concession", "severity"),
    [
        (GRANT, Severity.MEDIUM),
        (replace(GRANT, emergency=True), Severity.HIGH),
        (replace(GRANT, kind=ConcessionKind.UNPROTECTION, rules=()), Severity.HIGH),
    ],
)
def test_people_are_told_the_more_loudly_the_more_is_at_stake(concession: Concession, severity: Severity) -> None:
    diary = Diary()
    granting(diary).grant(concession, replace=False)
    (notice,) = diary.notices
    assert notice.severity is severity
    assert "Approved by: zoe\nBy: ann@host" in notice.text


def test_a_pause_comes_first_and_a_resumption_is_written_down_first() -> None:
    diary = Diary()
    switching(diary).pause("release", timedelta(hours=2))
    assert diary.done == ["write", "audit", "tell"]
    assert Pause.parse(diary.text) == Pause("release", "ann@host", NOW, NOW + timedelta(hours=2))
    diary.done.clear()
    switching(diary).resume()
    assert diary.done == ["audit", "write", "tell"]
    assert diary.text == ""


def test_people_are_told_of_a_pause_that_the_log_could_not_take() -> None:
    diary = Diary(failing={"audit"})
    switched = switching(diary).pause("release")
    assert (switched.changed, str(switched.unlogged)) == (True, "cannot audit")
    assert diary.done == ["write", "tell"]
    assert diary.notices[0].text.endswith("Not in the audit log: cannot audit")


def test_changes_go_on_without_a_line_in_the_log_only_where_that_is_asked() -> None:
    text = Pause("old", "bob", NOW).encode()
    diary = Diary(failing={"audit"}, text=text)
    with pytest.raises(StoreError, match="changes are still paused: the audit log cannot take the line about it"):
        switching(diary).resume()
    assert (diary.text, diary.done) == (text, [])
    switched = switching(diary).resume(despite_log=True)
    assert (switched.changed, str(switched.unlogged), diary.text) == (True, "cannot audit", "")


def test_a_pause_works_where_the_switch_cannot_be_read() -> None:
    diary = Diary(failing={"read"})
    assert switching(diary).pause("release").changed
    assert Pause.parse(diary.text).reason == "release"


def test_a_pause_that_is_over_is_none() -> None:
    diary = Diary(text=Pause("old", "bob", NOW - timedelta(hours=2), NOW).encode())
    assert not switching(diary).resume().changed
    assert switching(diary).pause("new").changed


@pytest.mark.parametrize(
    ("hours", "lasting", "changed"), [(2, 1, False), (2, 2, False), (2, 3, True), (2, None, True), (None, 3, False)]
)
def test_a_pause_is_made_longer_but_never_shorter(hours: int | None, lasting: int | None, changed: bool) -> None:
    until = NOW + timedelta(hours=hours) if hours else None
    diary = Diary(text=Pause("old", "bob", NOW, until).encode())
    switched = switching(diary).pause("new", timedelta(hours=lasting) if lasting else None)
    assert switched.changed is changed
    assert "paused by bob" in switched.before


@pytest.mark.parametrize(
    ("reason", "lasting", "said"),
    [
        (" \n", None, "no reason is given"),
        ("x", timedelta(), "a pause for no time is none"),
        ("x", timedelta.max, "--for is too long"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(reason: str, lasting: timedelta | None, said: str) -> None:
    diary = Diary()
    with pytest.raises(InputError, match=said):
        switching(diary).pause(reason, lasting)
    assert diary.done == []
