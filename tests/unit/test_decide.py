"""The ladder as a table: who is told, tagged or remediated, and the key of the policy that says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sg_compliance.enforcement.decide import Action, Circumstances, Decision, decide, strategy_of
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.model.finding import Severity
from tests.builders import ACCOUNT, EVERYONE, NOW, group, judge, only, policy, prohibit, tcp

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding
    from sg_compliance.policy.resolve import Policy

Json = dict[str, Any]
NONE, WARN, TAG, REMEDIATE = Action.NONE, Action.WARN, Action.TAG, Action.REMEDIATE
HAND, AUTO = Circumstances(), Circumstances(automatic=True)
FREE: Json = {"automatic_remediation": True, "require_manual_approval": False, "grace_period_hours": 24}


def account(level: str | None = None, **keys: object) -> Json:
    """`accounts_config` with this level for the account of the group; None: without the account."""
    return {"accounts_config": [{"account_id": ACCOUNT, "enforcement_level": level, **keys}] if level else []}


def a_policy(accounts: Json | None = None, settings: Json | None = None, handling: Json | None = None) -> Policy:
    actions = {"remediation_settings": settings or {}, "violation_handling": handling or {}}
    return policy(prohibit(22, severity="high"), compliance_actions=actions, **(accounts or {}))


def finding(bound: Policy, hours: float | None = 1000, known: Json | None = None, *permissions: Json) -> Finding:
    """The finding of the policy's rule, first seen so many hours ago."""
    found = only(judge(bound, group(*(permissions or [tcp(22, EVERYONE)])), known))
    return replace(found, first_seen=None if hours is None else NOW - timedelta(hours=hours))


def decided(bound: Policy, how: Circumstances = HAND, hours: float | None = 1000) -> Decision:
    return decide(finding(bound, hours), bound, how, NOW)


@pytest.mark.parametrize(
    ("level", "how", "action", "reason"),
    [
        ("disabled", HAND, NONE, f"account {ACCOUNT} is at enforcement_level 'disabled'"),
        ("monitor", HAND, NONE, f"account {ACCOUNT} is at enforcement_level 'monitor': reported only"),
        ("monitor", AUTO, NONE, f"account {ACCOUNT} is at enforcement_level 'monitor': reported only"),
        ("warn", HAND, TAG, f"account {ACCOUNT} is at enforcement_level 'warn'"),
        ("warn", AUTO, TAG, f"account {ACCOUNT} is at enforcement_level 'warn'"),
        ("enforce", HAND, REMEDIATE, f"account {ACCOUNT} is at enforcement_level 'enforce'"),
        ("enforce", AUTO, REMEDIATE, f"account {ACCOUNT} is at enforcement_level 'enforce'"),
        (None, HAND, REMEDIATE, f"account {ACCOUNT} is not in accounts_config, and a person reviews the plan"),
        (None, AUTO, NONE, f"account {ACCOUNT} is not in accounts_config: reported only"),
    ],
)
def test_the_level_of_the_account_decides(level: str | None, how: Circumstances, action: Action, reason: str) -> None:
    made = decided(a_policy(account(level), FREE), how)
    assert (made.action, made.reason) == (action, reason)


@pytest.mark.parametrize(
    ("level", "action"), [("disabled", NONE), ("monitor", NONE), ("warn", TAG), ("enforce", REMEDIATE)]
)
@pytest.mark.parametrize("own", [None, "disabled", "monitor", "enforce"])
def test_a_level_that_is_asked_for_stands_in_place_of_the_accounts(
    own: str | None,
    level: Literal["disabled", "monitor", "warn", "enforce"],
    action: Action,
) -> None:
    made = decided(a_policy(account(own)), Circumstances(level=level))
    assert made.action is action
    assert made.reason.startswith(f"enforcement_level '{level}' was asked for in this run")


@pytest.mark.parametrize(
    ("settings", "hours", "action", "key"),
    [
        (FREE, 24, REMEDIATE, "enforcement_level"),
        (FREE, 23.9, TAG, "grace_period_hours (24) has not passed since"),
        (FREE, None, TAG, "when it was first seen is not known"),
        (FREE | {"grace_period_hours": 0}, 0, REMEDIATE, "enforcement_level"),
        (FREE | {"grace_period_hours": 10**30}, 1000, TAG, "grace_period_hours"),
        (FREE | {"automatic_remediation": False}, 1000, TAG, "remediation_settings.automatic_remediation is false"),
        (FREE | {"require_manual_approval": True}, 1000, TAG, "remediation_settings.require_manual_approval is true"),
        ({}, 1000, TAG, "remediation_settings.automatic_remediation is false"),
    ],
)
def test_an_automatic_run_needs_leave_and_patience(
    settings: Json, hours: float | None, action: Action, key: str
) -> None:
    made = decided(a_policy(account("enforce"), settings), AUTO, hours)
    assert made.action is action
    assert key in made.reason


def test_a_person_needs_neither() -> None:
    assert decided(a_policy(account("enforce")), HAND, None).action is REMEDIATE


@pytest.mark.parametrize(
    ("own", "handling", "action"),
    [
        ({}, {}, TAG),
        ({"tag_non_compliant": False}, {}, WARN),
        ({}, {"tag_non_compliant": False}, WARN),
    ],
)
def test_tagging_needs_the_account_and_the_policy(own: Json, handling: Json, action: Action) -> None:
    assert decided(a_policy(account("warn", actions=own), handling=handling)).action is action
    unlisted = decided(a_policy(None, handling=handling), Circumstances(level="warn"))
    assert unlisted.action is (WARN if handling else TAG)


@pytest.mark.parametrize(("own", "action"), [({}, REMEDIATE), ({"remove_violating_rules": True}, REMEDIATE)])
def test_an_enforcing_account_removes_rules_unless_it_says_no(own: Json, action: Action) -> None:
    assert decided(a_policy(account("enforce", actions=own))).action is action
    said_no = decided(a_policy(account("enforce", actions={"remove_violating_rules": False})))
    assert said_no.action is TAG
    assert said_no.reason == f"account {ACCOUNT} has actions.remove_violating_rules false"


@pytest.mark.parametrize(
    ("warning", "hours", "action"),
    [
        ({"auto_enforce_after_days": 10}, 240, REMEDIATE),
        ({"auto_enforce_after_days": 10}, 239, TAG),
        ({"auto_enforce_after_days": 10}, None, TAG),
        ({"auto_enforce_after_days": 1}, 167, TAG),
        ({"auto_enforce_after_days": 1}, 168, REMEDIATE),
        ({"auto_enforce_after_days": 1, "grace_period_days": 0}, 24, REMEDIATE),
        ({}, 100_000, TAG),
    ],
)
def test_a_warning_that_is_not_heeded_becomes_enforcement(warning: Json, hours: float | None, action: Action) -> None:
    made = decided(a_policy(account("warn", warning_settings=warning), FREE), AUTO, hours)
    assert made.action is action
    assert ("past auto_enforce_after_days" in made.reason) is (action is REMEDIATE)


@pytest.mark.parametrize(("threshold", "action"), [("info", REMEDIATE), ("high", REMEDIATE), ("critical", WARN)])
def test_below_the_threshold_people_are_only_told(threshold: str, action: Action) -> None:
    made = decided(a_policy(account("enforce")), Circumstances(severity=Severity(threshold)))
    assert made.action is action
    if action is WARN:
        assert made.reason == "severity high is below the threshold critical"


def test_an_exempt_finding_is_left_alone() -> None:
    entry = {"reason": "x", "exempted_rules": ["RULE"], "expiry_date": "permanent", "approved_by": "ciso"}
    bound = policy(prohibit(22), exemptions={"account_exemptions": {ACCOUNT: entry}}, **account("enforce"))
    made = decided(bound)
    assert made == Decision(NONE, f"exempt by exemptions.account_exemptions.{ACCOUNT}, approved by ciso")


def test_a_finding_in_doubt_is_never_remediated() -> None:
    bound = a_policy(account("enforce"))
    made = decide(finding(bound, 1000, {"pl-1": None}, tcp(22, "pl-1")), bound, HAND, NOW)
    assert made.action is TAG
    assert made.reason == "the violation is not certain: what pl-1 holds could not be read"


@pytest.mark.parametrize(
    "rules",
    [
        {"max_rules_per_sg": 0},
        {"enforce_tagging": True, "required_tags": ["X"]},
        {"require_descriptions": True, "min_description_length": 99},
        {},
    ],
)
def test_a_hygiene_finding_is_never_remediated(rules: Json) -> None:
    bound = policy(global_rules=rules, **account("enforce"))
    wrong = [] if rules else [tcp("23-21", EVERYONE)]
    (found, *_) = judge(bound, group(*wrong, tcp(443, EVERYONE)))
    made = decide(found, bound, HAND, NOW)
    assert made.action is TAG
    assert made.reason == f"{found.rule_id} is about no traffic: people have to mend it"


@pytest.mark.parametrize(
    ("hours", "steps"), [(None, 0), (0, 0), (23, 0), (24, 1), (71, 1), (72, 3), (24 * 7, 4), (-5, 0)]
)
def test_old_findings_are_told_more_urgently(hours: float | None, steps: int) -> None:
    warning = {"escalation_schedule": ["24h", "3d", "1w", "99999999999w"]}
    bound = a_policy(account("warn", warning_settings=warning), {"escalation_after_hours": 72})
    assert decided(bound, HAND, hours).escalation == steps


def test_without_a_schedule_there_is_one_step() -> None:
    bound = a_policy(None, {"escalation_after_hours": 72})
    assert [decided(bound, HAND, hours).escalation for hours in (71, 72)] == [0, 1]
    assert decided(a_policy(account("monitor"))).escalation == 0


@pytest.mark.parametrize(
    ("asked", "rule", "own", "general", "strategy"),
    [
        (None, None, None, None, "lockdown"),
        (None, None, None, "trim", "trim"),
        (None, None, "revoke_violating", "trim", "revoke_violating"),
        (None, "lockdown", "revoke_violating", "trim", "lockdown"),
        ("trim", "lockdown", "revoke_violating", "lockdown", "trim"),
    ],
)
def test_the_nearest_strategy_counts(
    asked: str | None, rule: str | None, own: str | None, general: str | None, strategy: str
) -> None:
    bound = policy(
        prohibit(22, strategy=rule) if rule else prohibit(22),
        compliance_actions={"remediation_settings": {"strategy": general} if general else {}},
        **account("enforce", **({"strategy": own} if own else {})),
    )
    assert strategy_of(finding(bound), bound, Strategy(asked) if asked else None) is Strategy(strategy)


def test_an_account_that_is_not_listed_takes_the_general_strategy() -> None:
    bound = policy(prohibit(22), compliance_actions={"remediation_settings": {"strategy": "trim"}})
    assert strategy_of(finding(bound), bound) is Strategy.TRIM
