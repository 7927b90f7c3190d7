from __future__ import annotations

import base64
import json
import random
import string
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.policy.automation import Automation, automation_of
from sg_compliance.policy.document import Document
from sg_compliance.policy.reaction import MassOperations
from sg_compliance.realtime import mass_operations
from sg_compliance.realtime.mass_operations import HOUR, MINUTE, MOST_KEPT, Limits, Operation, Window, limits_of, take
from sg_compliance.realtime.sliding import counted
from sg_compliance.realtime.verdict import Level
from sg_compliance.realtime.window_record import window_key, window_of, window_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sg_compliance.realtime.verdict import Verdict

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
ZOE = "arn:aws:iam::111122223333:user/zoë"
DEFAULTS = Limits(10, 50, 20)
DYNAMODB_ITEM = 400 * 1024


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many are kept in full: fewer, for the tests' sake."""
    monkeypatch.setattr(mass_operations, "MOST_KEPT", 60)
    return 60


def operation(seconds: float = 0, name: str = "", **changes: Any) -> Operation:  # noqa: ANN401  fields of an operation
    time = NOON + timedelta(seconds=seconds)
    made = Operation(name or f"at {seconds}", "111122223333", "eu-west-1", ZOE, "sg-1", time, failed=False)
    return replace(made, **changes)


def at(*seconds: float) -> list[Operation]:
    return [operation(second, f"{number}") for number, second in enumerate(seconds)]


def taken(operations: Iterable[Operation], limits: Limits = DEFAULTS) -> tuple[Window, list[Verdict | None]]:
    window, verdicts = Window(), []
    for each in operations:
        window, verdict = take(window, each, limits)
        verdicts.append(verdict)
    return window, verdicts


def told(operations: Iterable[Operation], limits: Limits = DEFAULTS) -> list[tuple[int, str]]:
    """Which of the operations made a verdict, and its level."""
    _, verdicts = taken(operations, limits)
    return [(number, verdict.level.value) for number, verdict in enumerate(verdicts, 1) if verdict]


def only(operations: Iterable[Operation], limits: Limits = DEFAULTS) -> Verdict:
    _, verdicts = taken(operations, limits)
    (verdict,) = filter(None, verdicts)
    return verdict


# The windows


def test_ten_before_noon_and_ten_after_are_twenty_in_a_minute() -> None:
    assert told(at(*[-1] * 10, *[1] * 10)) == [(11, "alert"), (20, "critical")]


def test_as_many_as_the_threshold_are_not_too_many() -> None:
    assert told(at(*range(10))) == []
    assert told(at(*range(11))) == [(11, "alert")]


def test_an_operation_a_minute_later_is_in_another_minute() -> None:
    assert told(at(*[0] * 10, 60)) == []
    assert told(at(*[0] * 10, 59)) == [(11, "alert")]


def test_an_operation_an_hour_later_is_in_another_hour() -> None:
    spread = [number * 61 for number in range(50)]
    assert told(at(*spread, 3600)) == []
    assert told(at(*spread, 3599)) == [(51, "critical")]


def test_a_slow_principal_is_never_over() -> None:
    assert told(at(*[number * 73 for number in range(300)])) == []


def test_a_late_operation_is_judged_where_it_stands_and_not_where_the_last_one_does() -> None:
    late = [*at(*[0] * 10, *range(600, 610)), operation(30, "late")]
    verdict = only(late)
    assert (verdict.event_id, verdict.count) == ("late", 11)
    assert (verdict.first, verdict.last) == (NOON, NOON + timedelta(seconds=30))


def test_the_verdict_is_about_the_densest_window_with_the_operation() -> None:
    burst = at(*[0] * 10, *[70] * 14)
    _, verdicts = taken([*burst, operation(59, "between")])
    assert [each.count for each in verdicts if each] == [11]
    _, verdicts = taken([*burst, operation(59, "between")], DEFAULTS._replace(escalate_from=15))
    assert [each.count for each in verdicts if each] == [11, 15]


def test_refused_calls_are_too_many_and_never_critical() -> None:
    refused = [replace(each, failed=True) for each in at(*range(40))]
    assert told(refused) == [(11, "alert")]
    assert told([*refused, *(operation(40, f"ok {number}") for number in range(19))]) == [(11, "alert")]


def test_what_took_effect_among_refused_calls_is_critical_and_the_evidence_has_both() -> None:
    refused = [replace(each, failed=True) for each in at(*[5] * 15)]
    _, verdicts = taken([*refused, *(operation(number, f"ok {number}") for number in range(20))])
    last = next(each for each in reversed(verdicts) if each)
    assert (last.level, last.event_id, last.count, last.failed) == (Level.CRITICAL, "ok 19", 35, 15)
    assert (last.first, last.last) == (NOON, NOON + timedelta(seconds=19))


def test_a_refused_call_that_comes_last_makes_nothing_critical_that_was_not() -> None:
    mixed = [*at(*range(19)), *(operation(20, f"refused {number}", failed=True) for number in range(30))]
    assert [level for _, level in told(mixed)] == ["alert"]


def test_backwards_is_as_good_as_forwards() -> None:
    assert told(reversed(at(*range(30)))) == told(at(*range(30))) == [(11, "alert"), (20, "critical")]


def test_an_hour_late_is_not_too_late() -> None:
    early = at(*[number * 70 for number in range(50)])
    operations = [*early, operation(3500 + 3500, "now"), operation(3500, "late")]
    assert told(operations) == [(52, "critical")]


def test_two_hours_late_is_too_late() -> None:
    window, _ = taken([operation(7200)])
    assert take(window, operation(0), DEFAULTS) == (window, None)
    assert take(window, operation(0.000001), DEFAULTS)[0] != window


def test_nothing_older_than_two_hours_is_kept() -> None:
    window, _ = taken(at(*range(40), 7300))
    assert [each.time for each in window.operations] == [NOON + timedelta(seconds=7300)]


def test_what_was_told_is_known_as_long_as_it_could_be_told_again() -> None:
    assert len(taken(at(*range(40), 2 * 3600 + 3599))[0].told) == 2
    assert taken(at(*range(40), 3 * 3600))[0].told == ()


def test_times_in_other_zones_are_the_same_times() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    moved = [replace(each, time=each.time.astimezone(india)) for each in at(*range(11))]
    assert only(moved).key == only(at(*range(11))).key


# Duplicates


def test_an_operation_that_comes_twice_counts_once() -> None:
    assert told(at(*range(10)) * 3) == []


def test_the_window_is_the_same_object_when_nothing_new_came() -> None:
    window, _ = taken(at(0))
    assert take(window, operation(0, "0"), DEFAULTS)[0] is window
    assert take(window, operation(5, "0"), DEFAULTS)[0] is window


def test_the_operation_that_made_a_verdict_gets_it_again() -> None:
    operations = at(*range(15))
    window, verdicts = taken(operations)
    assert verdicts[10]
    assert take(window, operations[10], DEFAULTS) == (window, verdicts[10])
    assert take(window, operations[11], DEFAULTS) == (window, None)


def test_a_verdict_is_given_again_after_its_operation_is_only_a_number(few: int) -> None:
    operations = at(*range(few + 30))
    window, verdicts = taken(operations)
    assert window.operations[0].event_id == "30"
    assert take(window, operations[19], DEFAULTS) == (window, verdicts[19])


# Levels and keys


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(2, 99, 5), [(3, "alert"), (5, "critical")]),
        (Limits(2, 99, 3), [(3, "critical")]),
        (Limits(2, 99, 0), [(3, "critical")]),
        (Limits(5, 99, 2), [(6, "critical")]),
        (Limits(99, 4, 7), [(5, "alert"), (7, "critical")]),
        (Limits(0, 0, 2), [(1, "alert"), (2, "critical")]),
        (Limits(8, 8, 99), [(9, "alert")]),
        (Limits(9, 9, 0), []),
    ],
)
def test_critical_is_what_is_over_a_threshold_and_has_escalated(
    limits: Limits, expected: list[tuple[int, str]]
) -> None:
    assert told(at(*range(9)), limits) == expected


def test_escalation_counts_the_window_that_is_over() -> None:
    spread = [*range(0, 3000, 100), *[3300] * 11]
    assert [level for _, level in told(at(*spread))] == ["alert"]


def test_a_burst_is_told_once_and_again_when_it_escalates() -> None:
    assert told(at(*[number / 2 for number in range(400)])) == [(11, "alert"), (20, "critical")]


def test_a_principal_that_goes_on_is_told_again_each_hour() -> None:
    verdicts = [each for each in taken(at(*range(0, 3 * 3600, 5)))[1] if each]
    assert [verdict.level.value for verdict in verdicts] == ["alert", "critical", *["critical"] * 3]
    assert [verdict.marks[0].hour.hour for verdict in verdicts] == [12, 12, 13, 14, 15]
    assert verdicts[2].last == NOON + HOUR - MINUTE


def test_one_burst_over_the_full_hour_is_told_once_a_level() -> None:
    verdicts = [each for each in taken(at(*[-30 + number for number in range(60)]))[1] if each]
    assert [each.level for each in verdicts] == [Level.ALERT, Level.CRITICAL]
    assert [[mark.hour.hour for mark in each.marks] for each in verdicts] == [[11, 12], [11, 12]]


def test_a_key_names_account_principal_level_and_hour() -> None:
    verdict = only(at(*range(11)))
    assert verdict.keys == (verdict.key,) == (f"111122223333/{ZOE}/alert/2026-01-15T12",)


def test_no_key_is_told_twice() -> None:
    shuffled = at(*range(0, 9000, 7))
    random.Random(1).shuffle(shuffled)  # noqa: S311  the same order each time
    keys = [key for each in taken(shuffled)[1] if each for key in each.keys]
    assert len(keys) == len(set(keys)) > 4


# Evidence


def test_the_evidence_counts_groups_regions_and_failures() -> None:
    operations = [
        operation(number, f"{number}", group_id=f"sg-{number % 4}", region=f"eu-west-{number % 2}", failed=number > 8)
        for number in range(11)
    ]
    verdict = only([*operations[:5], replace(operations[5], group_id=""), *operations[6:]])
    assert (verdict.groups, verdict.some_groups) == (4, ("sg-0", "sg-1", "sg-2", "sg-3"))
    assert (verdict.regions, verdict.some_regions) == (2, ("eu-west-0", "eu-west-1"))
    assert (verdict.count, verdict.failed, verdict.error_rate) == (11, 2, 2 / 11)
    assert (verdict.window, verdict.threshold, verdict.automation) == (MINUTE, 10, "")
    assert (verdict.account_id, verdict.principal, verdict.at_least) == ("111122223333", ZOE, False)


def test_of_many_groups_ten_are_named() -> None:
    verdict = only([replace(each, group_id=f"sg-{each.event_id:>04}") for each in at(*range(19))][:19])
    assert verdict.groups == 11
    assert len(verdict.some_groups) == 10


def test_the_evidence_says_which_window_was_over() -> None:
    assert only(at(*range(0, 3060, 60))).window == HOUR
    assert only(at(*range(0, 3060, 60))).threshold == 50


# Many operations


def test_of_more_than_are_kept_none_is_lost_from_the_count(few: int) -> None:
    limits = Limits(1_000, few + 50, 1_000)
    assert told(at(*[number // 2 for number in range(few + 50)]), limits) == []
    verdict = only(at(*[number // 2 for number in range(few + 51)]), limits)
    assert (verdict.count, verdict.at_least, verdict.groups) == (few + 51, True, 1)


def test_no_more_than_the_bound_are_kept_in_full(few: int) -> None:
    window, _ = taken(at(*[number // 2 for number in range(few + 21)]))
    assert len(window.operations) == few
    assert sum(each.number for each in window.seconds) == 21
    assert len(window.seconds) == 11


def test_the_bound_is_two_thousand() -> None:
    full = Window(tuple(at(*range(MOST_KEPT))))
    window, _ = take(full, operation(MOST_KEPT, "one more"), DEFAULTS)
    assert (len(window.operations), len(window.seconds)) == (2_000, 1)


def test_what_happened_within_a_second_is_one_moment_from_its_first_to_its_last(few: int) -> None:
    window, _ = taken(at(*[number / 1000 for number in range(few + 50)]))
    (moment,) = window.seconds
    assert (moment.first, moment.last, moment.number) == (NOON, NOON + timedelta(seconds=0.049), 50)


# Known automation


def known(**written: dict[str, int]) -> dict[str, Automation]:
    return Document.model_validate({"x_automation": written}).x_automation


CI = {"threshold_per_minute": 60}


@pytest.mark.parametrize(
    ("pattern", "principal", "named"),
    [
        ("ci-*", "arn:aws:sts::111122223333:assumed-role/ci-deploy/run-1", True),
        ("ci-deploy", "arn:aws:iam::111122223333:role/ci-deploy", True),
        ("ci-deploy", "arn:aws:iam::111122223333:role/teams/blue/ci-deploy", True),
        ("arn:aws:iam::*:role/ci-*", "arn:aws:sts::111122223333:assumed-role/ci-deploy/run-1", True),
        ("arn:aws:sts::*:assumed-role/ci-*", "arn:aws:sts::111122223333:assumed-role/ci-deploy/run-1", True),
        ("arn:aws:sts::*:assumed-role/*/run-?", "arn:aws:sts::111122223333:assumed-role/ci-deploy/run-1", True),
        ("arn:aws-us-gov:iam::*:role/ci", "arn:aws-us-gov:sts::111122223333:assumed-role/ci/x", True),
        ("arn:aws:iam::111122223333:user/*", "arn:aws:iam::111122223333:user/bot", True),
        ("arn:aws:iam::444455556666:role/ci-*", "arn:aws:sts::111122223333:assumed-role/ci-deploy/run-1", False),
        ("*ci-deploy*", "arn:aws:sts::111122223333:assumed-role/thief/ci-deploy", False),
        ("arn:*:assumed-role/ci-*", "arn:aws:sts::111122223333:assumed-role/thief/ci-deploy", False),
        ("ci-deploy", "arn:aws:iam::111122223333:user/ci-deploy", False),
        ("ci-deploy", "arn:aws:sts::111122223333:assumed-role/CI-DEPLOY/x", False),
        ("ci.deploy", "arn:aws:iam::111122223333:role/ci-deploy", False),
        ("ci-?", "arn:aws:iam::111122223333:role/ci-", False),
        ("ci-deploy", "ci-deploy.amazonaws.com", False),
        ("ci", "", False),
    ],
)
def test_a_pattern_names_a_role_by_its_name_and_never_by_its_session(pattern: str, principal: str, named: bool) -> None:
    assert (automation_of(principal, known(**{pattern: CI})) is not None) == named


def test_of_several_patterns_the_longest_counts_wherever_it_stands() -> None:
    role = "arn:aws:iam::111122223333:role/ci-deploy"
    for names in (("ci-*", "ci-deploy", "ci-dep*"), ("ci-dep*", "ci-deploy", "ci-*")):
        found = automation_of(role, known(**dict.fromkeys(names, CI)))
        assert found
        assert found.pattern == "ci-deploy"


def test_known_automation_has_limits_of_its_own() -> None:
    mass = MassOperations()
    entries = known(ci={"threshold_per_minute": 60}, nightly={"threshold_per_minute": 0, "threshold_per_hour": 500})
    role = "arn:aws:iam::111122223333:role/"
    assert limits_of(mass, entries, ZOE) == Limits(10, 50, 20, "")
    assert limits_of(mass, entries, role + "ci") == Limits(60, 50, 20, "ci")
    assert limits_of(mass, entries, role + "nightly") == Limits(0, 500, 20, "nightly")


def test_the_verdict_names_the_pattern_by_which_automation_is_known() -> None:
    assert only(at(*range(3)), Limits(2, 99, 99, "ci-*")).automation == "ci-*"


def test_keys_of_the_user_may_stand_in_an_entry() -> None:
    assert known(ci={"threshold_per_hour": 9, "x_ticket": 1})["ci"].threshold_per_hour == 9


# What is kept


def _worst() -> Iterator[Operation]:
    draw = random.Random(1)  # noqa: S311  the same text each time
    for number in range(9_000):
        text = ["".join(draw.choices(string.printable, k=300)) for _ in range(3)]
        yield replace(
            operation(number * 0.8), event_id=text[0], group_id=text[1], region=text[2], failed=draw.random() < 0.5
        )


def test_the_most_that_can_be_kept_fits_in_an_item_of_dynamodb() -> None:
    operations = [each.bounded() for each in _worst()]
    burst, _ = taken([replace(each, time=NOON) for each in operations[:30]])
    seconds = tuple(counted(each.time, failed=each.failed) for each in operations[:-MOST_KEPT])
    full = Window(tuple(operations[-MOST_KEPT:]), seconds, burst.told * 5)
    text = window_text(full)
    assert len(text) < DYNAMODB_ITEM - 4_096
    assert window_of(text, operations[0]) == full


def test_long_texts_are_cut_and_stay_apart() -> None:
    operations = [operation(number, "x" * 5_000 + str(number), group_id="g" * 900) for number in range(11)]
    window, verdicts = taken(operations * 2)
    assert len(window.operations) == 11
    assert max(len(each.event_id) for each in window.operations) < 50
    assert [each is not None for each in verdicts] == [False] * 10 + [True] + [False] * 10 + [True]


@pytest.mark.parametrize(
    ("principal", "key"),
    [
        (ZOE, f"111122223333#{ZOE}"),
        ("half \ud800", "111122223333#half \\ud800"),
    ],
)
def test_the_key_of_a_window_is_readable_text(principal: str, key: str) -> None:
    assert window_key(operation(principal=principal)) == key


def test_the_key_of_a_long_name_is_short_and_its_own() -> None:
    one, other = (window_key(operation(principal="ü" * 2_000 + end)) for end in "ab")
    assert one != other
    assert len(one.encode()) < 100


def _packed(record: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(record).encode())).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "!!!!", base64.b64encode(b"no").decode(), _packed([]), _packed({"version": 2})),
        *(
            _packed({"version": 1}),
            window_text(Window())[:-8],
            base64.b64encode(zlib.compress(b" " * 9_000_000)).decode(),
        ),
        _packed({"version": 1, "names": [], "operations": [["e", 10**30, 0, 0, 0]], "seconds": [], "told": []}),
        _packed({"version": 1, "names": [], "operations": [["e", 1, 0, 0, 0]], "seconds": [], "told": []}),
    ],
)
def test_what_is_no_window_is_not_read_as_one(text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, OverflowError)):
        window_of(text, operation())
