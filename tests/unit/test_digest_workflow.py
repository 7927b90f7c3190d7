"""Digests from a real history to a real file: told at least once, and not again."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.errors import StoreError
from sg_compliance.local.history import SqliteHistory
from sg_compliance.local.notices import FileNotifier
from sg_compliance.model.finding import Severity
from sg_compliance.policy.cadence import Cadence
from sg_compliance.workflows.digest import Sent, send_digest
from tests.builders import policy
from tests.properties.test_history_against_an_oracle import finding
from tests.world import START, MovableClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import Notifier
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.notice import Notice

HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
QUIET = "444455556666"
ACCOUNTS = [{"account_id": QUIET, "actions": {"send_notifications": False}}]


@dataclass
class Desk:
    """Where digests are made."""

    history: SqliteHistory
    folder: Path
    clock: MovableClock = field(default_factory=MovableClock)
    accounts: list[dict[str, Any]] = field(default_factory=lambda: ACCOUNTS)

    def see(self, *findings: Finding) -> None:
        self.history.seen(findings, self.clock.now())

    def send(self, cadence: Cadence = Cadence.HOURLY, notifier: Notifier | None = None) -> Sent:
        said = policy(accounts_config=self.accounts)
        teller = notifier or FileNotifier(self.folder / "notices.jsonl")
        return send_digest(cadence, self.history, teller, said, self.clock, contacts=["#security"])

    def told(self) -> list[dict[str, Any]]:
        path = self.folder / "notices.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(SqliteHistory(tmp_path / "seen.db")) as history:
        yield Desk(history, tmp_path)


def elsewhere(each: Finding, account_id: str = QUIET) -> Finding:
    return replace(each, group=replace(each.group, account_id=account_id))


def test_each_pace_tells_its_severities_once(desk: Desk) -> None:
    every = [finding(number, severity=severity) for number, severity in enumerate(Severity)]
    desk.see(*every)
    assert [desk.send(cadence).told for cadence in Cadence] == [1, 1, 1, 2]
    assert [desk.send(cadence) for cadence in Cadence] == [Sent(None)] * 4
    assert [each["severity"] for each in desk.told()] == ["critical", "high", "medium", "low"]
    assert {each["kind"] for each in desk.told()} == {"digest"}
    assert "Whom to ask: #security" in desk.told()[0]["text"]


def test_what_is_told_is_what_waits(desk: Desk) -> None:
    desk.see(finding(1), finding(2), finding(3, exempt=True), finding(4, severity=LOW))
    desk.history.gone(finding(2).group.place, as_of=desk.clock.now())
    sent = desk.send()
    assert (sent.told, sent.held_back) == (1, 0)
    assert sent.notice
    (cause,) = sent.notice.record["causes"]
    assert cause["some_findings"] == [finding(1).id]


def test_a_finding_that_was_told_is_told_again_when_it_is_worse_or_came_back(desk: Desk) -> None:
    desk.see(finding(1), finding(2, severity=MEDIUM))
    desk.send()
    desk.send(Cadence.DAILY)
    desk.clock.sleep(60)
    desk.history.gone(finding(1).group.place, as_of=desk.clock.now())
    desk.see(finding(1), finding(2, severity=HIGH))
    assert desk.send().told == 2


def test_where_nobody_could_be_told_everything_still_waits(desk: Desk) -> None:
    class Broken:
        def send(self, notice: Notice) -> None:
            raise StoreError(f"no: {notice.subject}")

    desk.see(finding(1))
    with pytest.raises(StoreError, match="no: Hourly digest: 1 finding, worst high, 1 cause"):
        desk.send(notifier=Broken())
    assert desk.send().told == 1


def test_a_run_that_dies_after_it_told_tells_once_more_and_then_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(findings: Iterable[object], now: object) -> None:
        raise KeyboardInterrupt(str((findings, now)))

    desk.see(finding(1))
    with monkeypatch.context() as patch:
        patch.setattr(desk.history, "told", die)
        with pytest.raises(KeyboardInterrupt):
            desk.send()
    assert desk.send().told == 1
    assert desk.send() == Sent(None)
    assert len(desk.told()) == 2


def test_what_becomes_worse_while_it_is_told_waits_for_its_own_telling(desk: Desk) -> None:
    class Slow(FileNotifier):
        def send(self, notice: Notice) -> None:
            super().send(notice)
            desk.see(finding(1, severity=Severity.CRITICAL))

    desk.see(finding(1))
    assert desk.send(notifier=Slow(desk.folder / "notices.jsonl")).told == 1
    assert desk.send(Cadence.AT_ONCE).told == 1


def test_accounts_that_want_to_be_told_nothing_keep_theirs_waiting(desk: Desk) -> None:
    desk.see(finding(1), elsewhere(finding(2)), elsewhere(finding(3)))
    sent = desk.send()
    assert (sent.told, sent.held_back) == (1, 2)
    assert [each["account_id"] for each in desk.told()] == [finding(1).group.account_id]
    assert desk.send() == Sent(None, held_back=2)
    assert len(desk.told()) == 1
    desk.accounts = []
    assert desk.send().told == 2


def test_the_message_counts_age_from_the_first_time(desk: Desk) -> None:
    desk.see(finding(1))
    desk.clock.time = START + timedelta(days=3, minutes=1)
    desk.see(finding(1))
    sent = desk.send()
    assert sent.notice
    assert "Since: 2026-01-15T12:00+00:00 (3 days ago)" in sent.notice.text
