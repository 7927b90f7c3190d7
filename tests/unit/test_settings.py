from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.bootstrap.settings import PREFIX, VARIABLES, Settings, settings_of
from sg_compliance.errors import InputError
from sg_compliance.model.finding import Severity

LEAST = {
    "SG_COMPLIANCE_STATE": "s3://my-bucket/sg-compliance",
    "SG_COMPLIANCE_TABLE": "sg-compliance",
    "SG_COMPLIANCE_TOPIC_CRITICAL": "arn:aws:sns:eu-west-1:111122223333:critical",
    "SG_COMPLIANCE_TOPIC_FINDINGS": "arn:aws:sns:eu-west-1:111122223333:findings",
    "SG_COMPLIANCE_TOPIC_OPERATIONS": "arn:aws:sns:eu-west-1:111122223333:operations",
}
QUEUES = {
    "SG_COMPLIANCE_RECHECK_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/recheck",
    "SG_COMPLIANCE_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/dead",
}


def wrong(**variables: str) -> str:
    """What is said of the environment with these variables."""
    with pytest.raises(InputError) as caught:
        settings_of({**LEAST, **{f"{PREFIX}{name}": value for name, value in variables.items()}})
    return str(caught.value)


def read(**variables: str) -> Settings:
    return settings_of({**LEAST, **{f"{PREFIX}{name}": value for name, value in variables.items()}})


def test_what_is_left_out_changes_nothing_and_blocks_nobody() -> None:
    settings = settings_of(LEAST)
    assert settings.dry_run_mode
    assert not settings.enable_automatic_remediation
    assert not settings.immediate_remediation_enabled
    assert not settings.block_suspicious_users
    assert not settings.real_time_scanning_enabled
    assert settings.violation_severity_threshold is Severity.CRITICAL
    assert settings.policy == "default"
    assert settings.look_again_for == timedelta(minutes=5)


def test_there_is_a_variable_for_each_setting_and_no_other() -> None:
    assert list(VARIABLES) == sorted(VARIABLES, key=list(VARIABLES).index)
    assert {f"{PREFIX}{each.name.upper()}" for each in fields(Settings)} == set(VARIABLES)


def test_everything_can_be_said() -> None:
    settings = settings_of(
        {
            **LEAST,
            **QUEUES,
            "SG_COMPLIANCE_KMS_KEY": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab",
            "SG_COMPLIANCE_POLICY": "s3://my-bucket/config/security_policies.json",
            "SG_COMPLIANCE_ACCOUNTS": "111122223333, 444455556666,111122223333",
            "SG_COMPLIANCE_REGIONS": "eu-west-1,us-gov-east-1",
            "SG_COMPLIANCE_EXTERNAL_ID": "an-external/id",
            "SG_COMPLIANCE_DRY_RUN_MODE": "false",
            "SG_COMPLIANCE_ENABLE_AUTOMATIC_REMEDIATION": "true",
            "SG_COMPLIANCE_REAL_TIME_SCANNING_ENABLED": "true",
            "SG_COMPLIANCE_VIOLATION_SEVERITY_THRESHOLD": "high",
            "SG_COMPLIANCE_MAX_OPERATIONS_PER_MINUTE": "12",
            "SG_COMPLIANCE_BREAK_GLASS": "arn:aws:iam::*:role/break-glass, rescue-*",
            "SG_COMPLIANCE_OWN_ROLES": "sg-compliance-dev-respond, arn:aws:iam::111122223333:role/path/other,",
            "SG_COMPLIANCE_LOOK_AGAIN_FOR": "90s",
            "SG_COMPLIANCE_CONTACTS": "#security, security@example.com",
            "SG_COMPLIANCE_LOG_LEVEL_PARAMETER": "/sg-compliance/log-level",
            "PATH": "/bin",
        }
    )
    assert settings.accounts == ("111122223333", "444455556666")
    assert settings.regions == ("eu-west-1", "us-gov-east-1")
    assert not settings.dry_run_mode
    assert settings.enable_automatic_remediation
    assert settings.violation_severity_threshold is Severity.HIGH
    assert settings.max_operations_per_minute == 12
    assert settings.break_glass == ("arn:aws:iam::*:role/break-glass", "rescue-*")
    assert settings.own_roles == ("sg-compliance-dev-respond", "arn:aws:iam::111122223333:role/path/other")
    assert settings.look_again_for == timedelta(seconds=90)
    assert settings.contacts == ("#security", "security@example.com")


def test_all_that_is_wrong_is_said_at_once() -> None:
    said = wrong(TABLE="?", DRY_RUN_MODE="False", REGIONS="eu-west-1,nowhere")
    assert "3 problems" in said
    assert "SG_COMPLIANCE_TABLE: expected the name of a DynamoDB table, got '?'" in said
    assert "SG_COMPLIANCE_DRY_RUN_MODE: expected true or false, got 'False'" in said
    assert "SG_COMPLIANCE_REGIONS" in said


@pytest.mark.parametrize("name", list(LEAST))
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_needed_is_asked_for(name: str, *, empty: bool) -> None:
    environ = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(InputError, match=f"{name}: expected a value, got nothing"):
        settings_of({**environ, name: ""} if empty else environ)


def test_real_time_needs_its_queues() -> None:
    said = wrong(REAL_TIME_SCANNING_ENABLED="true")
    assert all(name in said for name in QUEUES)
    assert settings_of({**LEAST, **QUEUES, f"{PREFIX}REAL_TIME_SCANNING_ENABLED": "true"}).real_time_scanning_enabled


def test_a_slip_of_the_pen_is_seen() -> None:
    assert "did you mean SG_COMPLIANCE_DRY_RUN_MODE?" in wrong(DRY_RUN_MOD="false")


def test_accounts_and_the_organisation_are_not_both_meant() -> None:
    assert "SG_COMPLIANCE_ACCOUNTS" in wrong(ACCOUNTS="111122223333", ORGANIZATION="true")
    assert read(ORGANIZATION="true").organization


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE", "./state"),
        ("STATE", "s3://b"),
        ("POLICY", "defautl"),
        ("POLICY", "s3://my-bucket"),
        ("TOPIC_CRITICAL", "critical"),
        ("ACCOUNTS", "11112222333"),
        ("ACCOUNTS", "111122223333,"),
        ("ACCOUNTS", "\u0661\u0661\u0661\u0661\u0662\u0662\u0662\u0662\u0663\u0663\u0663\u0663"),
        ("SCAN_ROLE_NAME", "arn:aws:iam::111122223333:role/x"),
        ("SESSION_NAME", "x"),
        ("DRY_RUN_MODE", "no"),
        ("DRY_RUN_MODE", " true"),
        ("BLOCK_SUSPICIOUS_USERS", "1"),
        ("VIOLATION_SEVERITY_THRESHOLD", "Critical"),
        ("MAX_OPERATIONS_PER_MINUTE", "0"),
        ("MAX_GROUPS_PER_HOUR", "-1"),
        ("MAX_GROUPS_PER_HOUR", "1e3"),
        ("BREAK_GLASS", "a b"),
        ("BREAK_GLASS", "***"),
        ("OWN_ROLES", "a b"),
        ("OWN_ROLES", "arn:aws:iam::111122223333:user/x"),
        ("OWN_ROLES", "dev-*"),
        ("ENVIRONMENT", "a b"),
        ("RECHECK_QUEUE_URL", "queue"),
        ("LOOK_AGAIN_FOR", "5"),
        ("LOOK_AGAIN_FOR", "0m"),
        ("LOOK_AGAIN_FOR", "25h"),
        ("CONTACTS", "a\nb"),
        ("CONTACTS", "x" * 501),
        ("PAUSE_PARAMETER", "paused"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: str) -> None:
    said = wrong(**{name: value})
    assert "1 problem\n" in said
    assert f"\n  {PREFIX}{name}: expected " in said


def test_an_external_id_is_not_repeated() -> None:
    said = wrong(EXTERNAL_ID="a secret with spaces")
    assert "a secret" not in said
    assert "got 20 characters" in said


def test_a_long_or_odd_value_does_not_fill_or_forge_the_log() -> None:
    said = wrong(TABLE="x\nERROR forged " + "y" * 5_000)
    assert len(said) < 400
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("policy", ["default", "strict", "/sg-compliance/policy", "s3://my-bucket/a/policy.yaml"])
def test_a_policy_is_named_in_three_ways(policy: str) -> None:
    assert read(POLICY=policy).policy == policy


VALUES = st.one_of(
    st.sampled_from(
        ["true", "false", "", "5m", "critical", "12", "default", "s3://my-bucket/x", "/a", "a,b", *LEAST.values()]
    ),
    st.text(max_size=30),
)


@given(st.dictionaries(st.one_of(st.sampled_from(VARIABLES), st.text(max_size=20).map(PREFIX.__add__)), VALUES))
def test_any_environment_gives_settings_or_says_what_is_wrong(environ: dict[str, str]) -> None:
    for each in (environ, {**LEAST, **environ}):
        said = refusal_of(each)
        assert all(PREFIX in line for line in said.splitlines()[1:])


def refusal_of(environ: dict[str, str]) -> str:
    """What is said against the environment; empty where it gives settings."""
    try:
        assert settings_of(environ).state.startswith("s3://")
    except InputError as error:
        return f"{error}\n{PREFIX} {error.hint}"
    return ""


@given(st.sampled_from(["TRUE", "True", "yes", "1", "on", "t", " true", "true ", "truë", "false\n"]))
def test_a_flag_is_true_or_false_and_nothing_like_it(value: str) -> None:
    assert "expected true or false" in wrong(ENABLE_AUTOMATIC_REMEDIATION=value)
