"""The pure parts of a response: what is expected but not shown, what becomes critical, the cause, the due time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.enforcement.prompt import prompt_of
from sg_compliance.errors import RejectedEventError
from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import Place, identity
from sg_compliance.policy.reaction import CriticalPattern, RealTimeScanning
from sg_compliance.realtime.critical import made_critical
from sg_compliance.realtime.expected import added_rules, missing_rules, with_entries, with_expected
from sg_compliance.realtime.second_look import MOST_ATTEMPTS, SecondLook, is_second_look, second_look_of
from sg_compliance.realtime.touch import Touch, cause_of, newest
from tests.builders import (
    ACCOUNT,
    EVERYONE,
    NOW,
    REGION,
    group,
    judge,
    lists,
    only,
    policy,
    prohibit,
    raw_group,
    read,
    tcp,
)
from tests.event_builders import (
    AUTHORIZE,
    EVENT,
    LIST,
    MODIFY,
    MODIFY_LIST,
    REVOKE,
    answered,
    asked,
    changed,
    listed,
    record,
    rule,
    update,
    updates,
)

if TYPE_CHECKING:
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.realtime.record import Change
    from tests.builders import Json

ID = "sg-0a1b2c3d4e5f60718"


def at(seconds: float, name: str, *args: Any, **others: Any) -> Change:  # noqa: ANN401 - JSON
    """A change so many seconds before now."""
    time = NOW - timedelta(seconds=seconds)
    return changed(record(name, *args, eventTime=f"{time:%Y-%m-%dT%H:%M:%SZ}", **others))


def opened(seconds: float, *permissions: Any) -> Change:  # noqa: ANN401 - JSON
    return at(seconds, AUTHORIZE, asked(*(permissions or [tcp(22, EVERYONE)]), group=ID))


def closed(seconds: float, *permissions: Any) -> Change:  # noqa: ANN401 - JSON
    return at(seconds, REVOKE, asked(*(permissions or [tcp(22, EVERYONE)]), group=ID))


def shown(*permissions: Any) -> SecurityGroup:  # noqa: ANN401 - JSON
    return group(*permissions, group_id=ID)


def ports(missing: Any) -> list[int]:  # noqa: ANN401 - rules
    return [each.first for each in missing]


def test_a_rule_that_was_added_and_is_not_shown_is_missing() -> None:
    assert ports(missing_rules(shown(), [opened(5)], NOW)) == [22]
    assert missing_rules(shown(tcp(22, EVERYONE)), [opened(5)], NOW) == ()
    assert missing_rules(group(group_id="sg-0fedcba9876543210"), [opened(5)], NOW) == ()


def test_a_rule_that_was_removed_after_it_was_added_is_not_missing_whatever_the_order_of_events() -> None:
    assert missing_rules(shown(), [closed(3), opened(5)], NOW) == ()
    assert missing_rules(shown(), [opened(5), closed(5)], NOW) == ()  # within one second
    assert ports(missing_rules(shown(), [opened(3), closed(5)], NOW)) == [22]
    assert ports(missing_rules(shown(), [opened(5), closed(3, tcp(23, EVERYONE))], NOW)) == [22]


def test_a_rule_that_was_removed_by_its_id_is_not_missing() -> None:
    response = answered(rule(22, EVERYONE))
    added = at(5, AUTHORIZE, asked(tcp(22, EVERYONE), group=ID), response)
    (known,) = added.rules_added
    request = {"groupId": ID, "securityGroupRuleIds": listed({"securityGroupRuleId": known.rule_id})}
    assert known.rule_id
    assert missing_rules(shown(), [added, at(3, REVOKE, request)], NOW) == ()


def test_what_is_old_or_was_seen_by_a_change_of_ours_is_not_missing() -> None:
    assert missing_rules(shown(), [opened(301)], NOW) == ()
    assert missing_rules(shown(), [opened(5)], NOW, NOW - timedelta(seconds=4)) == ()
    assert ports(missing_rules(shown(), [opened(5)], NOW, NOW - timedelta(seconds=6))) == [22]


def test_a_change_that_names_the_group_by_its_name_is_about_it() -> None:
    request = {
        "groupName": "web",
        **{key: value for key, value in asked(tcp(22, EVERYONE)).items() if key != "groupId"},
    }
    assert ports(missing_rules(shown(), [at(5, AUTHORIZE, request)], NOW)) == [22]


def test_a_modified_rule_is_expected_in_the_direction_that_it_has() -> None:
    before = shown(tcp(22, "10.0.0.0/8"))
    rules = tuple(each._replace(rule_id="sgr-0a1b2c3d4e5f60718") for each in before.rules)
    change = at(5, MODIFY, updates(update(22, EVERYONE), group=ID))
    assert ports(missing_rules(replace(before, rules=rules), [change], NOW)) == [22]
    assert missing_rules(before, [change], NOW) == ()  # an id that is not shown: its direction is not known
    assert len(added_rules([change], replace(before, rules=rules))) == 1


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([22, 23, 24]), st.integers(0, 20)), max_size=12), st.randoms())
def test_what_is_missing_is_what_playing_the_events_says(played: list[tuple[bool, int, int]], order: Any) -> None:  # noqa: ANN401 - a random
    changes = [(opened if adds else closed)(age, tcp(port, EVERYONE)) for adds, port, age in played]
    there: set[int] = set()
    for adds, port, _ in sorted(played, key=lambda each: (-each[2], not each[0])):
        there = there | {port} if adds else there - {port}
    order.shuffle(changes)
    missing = missing_rules(shown(), changes, NOW)
    assert set(ports(missing)) == there
    assert {identity(each) for each in with_expected(shown(), missing).rules} == {identity(each) for each in missing}


def listing(seconds: float, *added: str, removed: tuple[str, ...] = ()) -> Change:
    entries = {"AddEntry": [{"Cidr": each} for each in added], "RemoveEntry": [{"Cidr": each} for each in removed]}
    return at(seconds, MODIFY_LIST, {"ModifyManagedPrefixListRequest": {"PrefixListId": LIST, **entries}})


def test_entries_that_were_added_lately_are_joined_with_those_that_are_shown() -> None:
    known = lists({LIST: ["10.0.0.0/8"], "pl-unread": None})
    joined = with_entries(known, [listing(5, EVERYONE)], NOW)
    assert [str(each) for each in joined[LIST].blocks or ()] == ["10.0.0.0/8", EVERYONE]
    for settled in (
        [listing(5, "10.0.0.0/8")],
        [listing(400, EVERYONE)],
        [listing(3, removed=(EVERYONE,)), listing(5, EVERYONE)],
    ):
        assert with_entries(known, settled, NOW) is known
    unread = lists({LIST: None})
    assert with_entries(unread, [listing(5, EVERYONE)], NOW) is unread
    assert with_entries({}, [listing(5, EVERYONE)], NOW) == {}


# ---- what becomes critical ----

PATTERN = CriticalPattern(pattern=EVERYONE, protocol="*")


def severity_after(
    judged: SecurityGroup,
    *added: Json,
    pattern: CriticalPattern = PATTERN,
    sources: tuple[str, ...] = (),
) -> Severity:
    bound = policy(prohibit(22, *(sources or (EVERYONE,)), severity="medium", source_match="overlap"))
    identities = frozenset(identity(each) for each in group(*added).rules)
    return only(made_critical(judge(bound, judged), identities, [pattern], lists({}))).severity


def test_a_finding_with_a_new_rule_that_lets_everybody_in_is_critical() -> None:
    ssh = tcp(22, EVERYONE)
    assert severity_after(group(ssh), ssh) is Severity.CRITICAL
    assert severity_after(group(ssh), tcp(23, EVERYONE)) is Severity.MEDIUM  # it was there before
    assert severity_after(group(tcp(22, "203.0.113.0/24")), tcp(22, "203.0.113.0/24")) is Severity.MEDIUM


def test_splitting_the_internet_into_halves_is_no_escape() -> None:
    halves = (tcp(22, "0.0.0.0/1"), tcp(22, "128.0.0.0/1"))
    assert severity_after(group(*halves), halves[1]) is Severity.CRITICAL


def test_leaving_out_addresses_that_nobody_has_is_no_escape() -> None:
    parts = [f"{first}.0.0.0/8" for first in range(256) if first != 10]
    assert severity_after(group(tcp(22, *parts)), tcp(22, *parts)) is Severity.CRITICAL
    parts.remove("8.0.0.0/8")
    assert severity_after(group(tcp(22, *parts)), tcp(22, *parts)) is Severity.MEDIUM


def test_a_pattern_speaks_of_its_protocol_and_its_block() -> None:
    ssh = tcp(22, EVERYONE)
    udp = CriticalPattern(pattern=EVERYONE, protocol="udp")
    block = CriticalPattern(pattern="203.0.113.0/24", protocol="tcp")
    assert severity_after(group(ssh), ssh, pattern=udp) is Severity.MEDIUM
    assert severity_after(group(ssh), ssh, pattern=block) is Severity.CRITICAL
    narrow = tcp(22, "203.0.113.0/25")
    assert severity_after(group(narrow), narrow, pattern=block) is Severity.MEDIUM


def test_egress_and_hygiene_never_become_critical() -> None:
    raw = raw_group(egress=[tcp(22, EVERYONE)])
    bound = policy(
        outbound=[{"rule_id": "OUT", "protocol": "tcp", "port_range": "22", "destination": EVERYONE, "severity": "low"}]
    )
    judged = read(raw)
    added = frozenset(identity(each) for each in judged.rules)
    (found,) = [each for each in made_critical(judge(bound, judged), added, [PATTERN], {}) if each.rule_id == "OUT"]
    assert found.severity is Severity.LOW


# ---- touches ----


def touch(change: Change, attempt: int = 0, received: timedelta = timedelta()) -> Touch:
    return Touch(change, {"detail": {}}, NOW + received, attempt)


def test_the_cause_is_whoever_added_a_rule_that_violates() -> None:
    guilty, harmless = touch(opened(9)), touch(opened(1, tcp(443, "10.0.0.0/8")))
    removing = touch(closed(0, tcp(80, EVERYONE)))
    judged = shown(tcp(22, EVERYONE), tcp(443, "10.0.0.0/8"))
    found = judge(policy(prohibit(22)), judged)
    assert cause_of([removing, harmless, guilty], found, judged) is guilty
    assert cause_of([removing, harmless], found, judged) is harmless
    assert cause_of([removing], found, judged) is removing
    assert newest([guilty, removing, harmless]) is removing


def test_looks_come_at_longer_and_longer_intervals_and_end() -> None:
    waits = [touch(opened(1), attempt).next_delay().total_seconds() for attempt in (0, 1, 2, 3, 4, 5, 99)]
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    place = Place(ACCOUNT, REGION, ID)
    assert touch(opened(1), MOST_ATTEMPTS).look(place, NOW) is None
    look = touch(opened(1), 1).look(place, NOW)
    assert look is not None
    assert (look.attempt, look.left(NOW - timedelta(seconds=3)), look.left(NOW + timedelta(seconds=3))) == (
        2,
        timedelta(seconds=3),
        timedelta(),
    )


# ---- second looks ----

LOOK = SecondLook(Place(ACCOUNT, REGION, ID), NOW, NOW + timedelta(minutes=5), 3, {"detail": {"eventID": EVENT}})


def test_a_second_look_comes_back_as_it_was_sent() -> None:
    written = json.loads(LOOK.encode())
    assert is_second_look(written)
    assert second_look_of(written) == LOOK


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"attempt": 0},
        {"attempt": MOST_ATTEMPTS + 1},
        {"attempt": "3"},
        {"attempt": True},
        {"event": []},
        {"group_id": "web"},
        {"account_id": "1"},
        {"region": "moon"},
        {"due": "soon"},
        {"received": 5},
        {"more": 1},
    ],
)
def test_a_second_look_that_this_tool_did_not_write_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(RejectedEventError):
        second_look_of(json.loads(LOOK.encode()) | wrong)


# ---- how far the policy lets an event go ----


def prompted(*, created: bool = False, severity: str = "high", age: float = 0.0, **scanning: Any) -> str:  # noqa: ANN401
    found = replace(only(judge(policy(prohibit(22, severity=severity)), group(tcp(22, EVERYONE)))), first_seen=NOW)
    prompt = prompt_of(RealTimeScanning(**scanning), created=created)
    assert "what stood before is remediated by scans" in prompt.objection(found, NOW)
    assert prompt.due(found) is None
    prompt = prompt._replace(fresh=frozenset({found.id}))
    return prompt.objection(found, NOW + timedelta(minutes=age))


EMERGENCY = {"remediation_settings": {"emergency_remediation": {"enabled": True}}}
IMMEDIATE = {"remediation_settings": {"immediate_remediation": {"enabled": True}}}


@pytest.mark.parametrize(
    ("scanning", "severity", "age", "objection"),
    [
        ({}, "critical", 9999, "lets critical findings be remediated"),
        (EMERGENCY, "critical", 0, ""),
        (EMERGENCY, "high", 9999, "lets high findings be remediated"),
        (IMMEDIATE, "high", 4.9, "grace_period_minutes (5) has not passed"),
        (IMMEDIATE, "high", 5, ""),
        (IMMEDIATE, "medium", 9999, "lets medium findings be remediated"),
        (
            {"remediation_settings": {"immediate_remediation": {"grace_period_minutes": 0}}},
            "critical",
            9,
            "lets critical",
        ),
        ({"remediation_settings": {"emergency_remediation": {"severity_threshold": "low"}}}, "high", 9, "lets high"),
        ({"detection_rules": {"risky_rule_added": {"auto_remediate_critical": True}}}, "critical", 0, ""),
        ({"detection_rules": {"risky_rule_added": {"auto_remediate_critical": True}}}, "high", 0, "lets high"),
        ({"detection_rules": {"new_security_group_created": {"auto_remediate_critical": True}}}, "critical", 0, "lets"),
    ],
)
def test_the_policy_says_what_an_event_may_lead_to(
    scanning: dict[str, Any], severity: str, age: float, objection: str
) -> None:
    said = prompted(severity=severity, age=age, **scanning)
    assert (objection in said) if objection else said == ""


def test_without_a_date_no_grace_period_can_be_counted() -> None:
    found = only(judge(policy(prohibit(22, severity="high")), group(tcp(22, EVERYONE))))
    prompt = prompt_of(RealTimeScanning(**IMMEDIATE), created=False)  # type: ignore[arg-type]
    prompt = prompt._replace(fresh=frozenset({found.id}))
    assert "not known" in prompt.objection(found, NOW)
    assert prompt.due(found) is None
