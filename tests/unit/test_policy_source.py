from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sg_compliance.errors import AwsError, PolicyError, StoreError
from sg_compliance.interfaces import Text
from sg_compliance.local.kept import MemoryWindows
from sg_compliance.model.finding import Severity
from sg_compliance.model.metric import MetricName
from sg_compliance.workflows.policy_source import KEPT_FOR, PolicySource
from tests.builders import document, prohibit
from tests.response_world import Figures, Told
from tests.world import MovableClock

GOOD = Text(json.dumps(document(prohibit(22))), "1")
BETTER = Text(json.dumps(document(prohibit(22), prohibit(23, rule_id="OTHER"))), "2")
BAD = Text('{"version": 1}', "3")


class Place:
    """Where the policy is kept."""

    name = "s3://my-bucket/policy.json"

    def __init__(self, now: Text | AwsError) -> None:
        self.now = now
        self.reads = 0

    def read(self) -> Text:
        self.reads += 1
        if isinstance(self.now, AwsError):
            raise self.now
        return self.now


class Kept:
    """A source, and what came of it."""

    def __init__(self, now: Text | AwsError, marks: MemoryWindows | None = None) -> None:
        self.place, self.told, self.figures, self.clock = Place(now), Told(), Figures(), MovableClock()
        self.warned: list[str] = []
        self.source = PolicySource(self.place, self.told, self.figures, self.clock, self.warned.append, marks=marks)

    def later(self, now: Text | AwsError) -> int:
        """How many rules the policy has after a while in which it became this one."""
        self.place.now = now
        self.clock.sleep(KEPT_FOR.total_seconds())
        return self.rules()

    def rules(self) -> int:
        return len(self.source.current().document.policies().prohibited_rules.inbound)


def test_it_is_read_once_in_a_few_minutes() -> None:
    kept = Kept(GOOD)
    assert kept.rules() == 1
    kept.place.now = BETTER
    kept.clock.sleep((KEPT_FOR - timedelta(seconds=1)).total_seconds())
    assert kept.rules() == 1
    assert kept.place.reads == 1
    assert kept.later(BETTER) == 2
    assert kept.source.current().source == "s3://my-bucket/policy.json"


def test_what_did_not_change_is_not_parsed_again() -> None:
    kept = Kept(GOOD)
    first = kept.source.current()
    kept.later(GOOD)
    assert kept.source.current() is first
    assert kept.place.reads == 2


@pytest.mark.parametrize(
    "bad", [BAD, Text("", "4"), Text("nonsense", "5"), AwsError("s3:GetObject: denied", hint="allow it")]
)
def test_a_bad_new_policy_is_told_once_and_the_last_good_one_stays(bad: Text | AwsError) -> None:
    kept = Kept(GOOD)
    kept.rules()
    for _ in range(3):
        assert kept.later(bad) == 1
    (notice,) = kept.told.notices
    assert notice.severity is Severity.HIGH
    assert notice.kind == "operation"
    assert "The policy of before goes on being used" in notice.text
    assert notice.record["in_use"] == kept.source.current().sha256
    assert len(kept.figures.of(MetricName.LAMBDA_ERRORS)) == 3
    assert len(kept.warned) == 1


def test_a_policy_that_was_mended_is_used_and_the_next_failure_is_told_anew() -> None:
    kept = Kept(GOOD)
    kept.rules()
    kept.later(BAD)
    assert kept.later(BETTER) == 2
    kept.later(BAD)
    assert len(kept.told.notices) == 2


def test_without_a_good_one_nothing_takes_its_place() -> None:
    kept = Kept(BAD)
    for _ in range(2):
        with pytest.raises(PolicyError):
            kept.source.current()
    (notice,) = kept.told.notices
    assert notice.severity is Severity.CRITICAL
    assert "nothing is judged" in notice.text
    assert kept.place.reads == 2
    kept.place.now = GOOD
    assert kept.rules() == 1


def test_what_another_process_has_told_people_of_is_told_again_an_hour_later_or_when_it_is_another() -> None:
    marks = MemoryWindows()
    for bad, told, hours in ((BAD, 1, 0), (BAD, 0, 0), (Text("", "4"), 1, 0), (BAD, 1, 1), (BAD, 0, 1)):
        kept = Kept(bad, marks)
        kept.clock.sleep(hours * 3600)
        with pytest.raises(PolicyError):
            kept.source.current()
        assert (len(kept.told.notices), len(kept.warned)) == (told, 1)
        assert len(kept.figures.of(MetricName.LAMBDA_ERRORS)) == 1


def test_who_could_not_be_told_is_told_by_the_next_process() -> None:
    marks = MemoryWindows()
    first, second = Kept(BAD, marks), Kept(BAD, marks)
    first.told.failure = AwsError("sns:Publish: denied")
    for each in (first, second):
        with pytest.raises(PolicyError):
            each.source.current()
    assert len(second.told.notices) == 1


def test_people_are_told_where_nobody_knows_whether_they_were() -> None:
    class Broken(MemoryWindows):
        def was_told(self, mark: str) -> bool:
            raise StoreError(f"throttled: {mark[:6]}", hint="wait")

        def note_told(self, mark: str) -> None:
            raise StoreError(f"not noted: {mark[:6]}", hint="wait")

    kept = Kept(BAD, Broken())
    with pytest.raises(PolicyError):
        kept.source.current()
    assert len(kept.told.notices) == 1
    assert kept.warned[1:] == ["throttled: policy", "not noted: policy"]


def test_where_nobody_can_be_told_the_log_says_so() -> None:
    kept = Kept(GOOD)
    kept.rules()
    kept.told.failure = AwsError("sns:Publish: denied")
    assert kept.later(BAD) == 1
    assert any("nobody was told: sns:Publish: denied" in line for line in kept.warned)
