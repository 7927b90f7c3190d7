"""When each severity is told, by every way in which a document may say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sg_compliance.model.finding import Severity
from sg_compliance.policy.cadence import Cadence, cadence_of, is_told, severities_of
from tests.builders import policy

if TYPE_CHECKING:
    from sg_compliance.policy.document import Policies
    from tests.builders import Json

AT_ONCE, HOURLY, DAILY, WEEKLY = Cadence


def policies(
    lists: dict[str, list[str]] | None = None, levels: dict[str, str] | None = None, *, at_once: bool = True
) -> Policies:
    """A document with these lists of real time, and these alert levels."""
    settings = {"send_immediate_alerts": at_once, "alert_levels": levels or {}}
    said: Json = {"compliance_actions": {"notification_settings": settings}}
    if lists is not None:
        said["real_time_scanning"] = {"notification_escalation": lists}
    return policy(**said).document.policies()


def told(said: Policies) -> dict[str, Cadence]:
    return {each.value: cadence_of(each, said) for each in Severity}


DEFAULT = {"critical": AT_ONCE, "high": HOURLY, "medium": DAILY, "low": WEEKLY, "info": WEEKLY}


def test_a_document_that_says_nothing_tells_the_worst_soonest() -> None:
    assert told(policy().document.policies()) == told(policies()) == DEFAULT


def test_alert_levels_say_when() -> None:
    levels = {"critical": "daily_digest", "high": "immediate", "medium": "weekly_digest", "low": "within_1_hour"}
    expected = {"critical": DAILY, "high": AT_ONCE, "medium": WEEKLY, "low": HOURLY, "info": WEEKLY}
    assert told(policies(levels=levels)) == expected
    assert told(policies({}, levels)) == expected


def test_a_list_of_real_time_wins_where_it_is_given_and_names_the_severity() -> None:
    levels = {"critical": "weekly_digest", "high": "weekly_digest", "medium": "within_1_hour"}
    said = policies({"immediate_alert_severities": ["high"], "daily_digest_severities": ["medium", "low"]}, levels)
    assert told(said) == {"critical": WEEKLY, "high": AT_ONCE, "medium": DAILY, "low": DAILY, "info": WEEKLY}


def test_an_empty_list_names_nothing() -> None:
    assert told(policies({"immediate_alert_severities": [], "hourly_digest_severities": []})) == DEFAULT


def test_of_two_lists_that_name_a_severity_the_sooner_wins() -> None:
    lists = {"daily_digest_severities": ["high", "low"], "hourly_digest_severities": ["low", "info"]}
    assert told(policies(lists)) == DEFAULT | {"high": DAILY, "low": HOURLY, "info": HOURLY}
    assert told(policies({**lists, "immediate_alert_severities": ["low"]}))["low"] is AT_ONCE


def test_without_immediate_alerts_what_was_to_be_told_at_once_waits_for_the_hour() -> None:
    assert told(policies(at_once=False)) == DEFAULT | {"critical": HOURLY}
    lists = {"immediate_alert_severities": ["medium", "info"], "daily_digest_severities": ["low"]}
    assert told(policies(lists, at_once=False)) == {
        "critical": HOURLY,
        "high": HOURLY,
        "medium": HOURLY,
        "low": DAILY,
        "info": HOURLY,
    }


def test_the_section_may_stand_in_compliance_policies() -> None:
    lists = {"daily_digest_severities": ["high"]}
    said = policy(compliance_policies={"real_time_scanning": {"notification_escalation": lists}})
    assert told(said.document.policies()) == DEFAULT | {"high": DAILY}


@pytest.mark.parametrize("at_once", [True, False])
def test_every_severity_is_told_in_one_of_the_four(at_once: bool) -> None:
    said = policies({"hourly_digest_severities": ["low"]}, at_once=at_once)
    found = [each for cadence in Cadence for each in severities_of(cadence, said)]
    assert sorted(found) == sorted(Severity)
    assert set(severities_of(HOURLY, said)) >= {Severity.LOW, Severity.HIGH}


def test_an_account_may_want_to_be_left_alone() -> None:
    accounts = [
        {"account_id": "111122223333", "actions": {"send_notifications": False}},
        {"account_id": "444455556666"},
    ]
    said = policy(accounts_config=accounts)
    assert [is_told(each, said) for each in ("111122223333", "444455556666", "")] == [False, True, True]
