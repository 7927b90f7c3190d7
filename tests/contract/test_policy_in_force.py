"""The policy that a function's process keeps from one invocation to the next, on a deployment in moto."""

from __future__ import annotations

import gc
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from sg_compliance.bootstrap import any_pattern
from sg_compliance.bootstrap.deployed import Deployment, deployment
from sg_compliance.bootstrap.enforcement import SystemClock
from sg_compliance.bootstrap.in_force import InForce
from sg_compliance.entrypoints import lambda_handler
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.policy.parse import parse_policy
from tests.builders import document, prohibit
from tests.deployment import BUCKET, Deployed, Invocation, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    with mock_aws():
        yield deploy(monkeypatch, json.dumps(document(prohibit(22))))


@pytest.fixture
def here(deployed: Deployed) -> Deployment:
    del deployed
    return deployment(pytest.fail)


def policy_of(here: Deployment) -> object:
    return here.evaluator(here.policy.current().document, here.clock.now()).policy


def test_a_policy_is_bound_once(here: Deployment) -> None:
    assert policy_of(here) is policy_of(here)


def test_each_invocation_has_its_own_time(here: Deployment) -> None:
    document, now = here.policy.current().document, here.clock.now()
    later = now + timedelta(days=1)
    assert [here.evaluator(document, time).now for time in (now, later)] == [now, later]


def test_what_people_grant_counts_from_the_next_invocation_on(here: Deployment) -> None:
    before = policy_of(here)
    now = SystemClock().now()
    granted = Concession(
        kind=ConcessionKind.EXEMPTION,
        subject="sg-0a1b2c3d4e5f60718",
        rules=("RULE",),
        reason="a test of it",
        approved_by="bob",
        expires=now + timedelta(days=1),
        created=now,
        created_by="alice",
    )
    here.stores.concessions.grant(granted)
    after = policy_of(here)
    assert after is not before
    here.stores.concessions.withdraw(granted.id)
    assert policy_of(here) is not after


def test_a_policy_that_was_changed_is_bound_anew(deployed: Deployed, here: Deployment) -> None:
    before = policy_of(here)
    changed = json.dumps(document(prohibit(23)))
    deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=changed.encode())
    here.policy._looked = None  # noqa: SLF001 - the minutes are over
    assert policy_of(here) is not before


def test_real_time_stays_under_the_settings_when_the_policy_changes(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SG_COMPLIANCE_MAX_OPERATIONS_PER_MINUTE", "7")
    here = deployment(pytest.fail)
    in_force, documents = InForce(here.settings), []
    for port in (22, 23):
        written = json.dumps(document(prohibit(port)))
        deployed.client("s3").put_object(Bucket=BUCKET, Key="config/policy.json", Body=written.encode())
        here.policy._looked = None  # noqa: SLF001 - the minutes are over
        documents += [in_force.in_real_time(here.policy.current()) for _ in range(2)]
    assert documents[0] is documents[1]
    assert documents[2] is documents[3]
    for each, ports in zip(documents[::2], ("22", "23"), strict=True):
        assert each.policies().prohibited_rules.inbound[0].port_range == ports
        limits = each.policies().real_time_scanning.detection_rules.mass_operations_detected
        assert limits.threshold_per_minute == 7


@pytest.mark.parametrize(
    ("pattern", "enabled", "wanted"), [("^web", True, True), ("^web", False, False), ("", True, False)]
)
def test_names_of_groups_are_asked_for_where_an_enabled_rule_has_a_pattern(
    pattern: str, enabled: bool, wanted: bool
) -> None:
    source = {"source_type": "security_group", "source_pattern": pattern} if pattern else {"source": "0.0.0.0/0"}
    rule = {"rule_id": "R", "severity": "high", "protocol": "tcp", "port_range": "22", "enabled": enabled, **source}
    written = {"version": "1", "compliance_policies": {"prohibited_rules": {"inbound": [rule]}}}
    assert any_pattern(parse_policy(json.dumps(written), "test")) is wanted


def test_the_garbage_collector_passes_over_what_stays(deployed: Deployed) -> None:
    del deployed
    lambda_handler._settle.cache_clear()  # noqa: SLF001 - a process of its own
    gc.unfreeze()
    try:
        for _ in range(2):
            lambda_handler.digest({"digest": "weekly"}, Invocation())  # type: ignore[arg-type]
        assert gc.get_freeze_count() > 100_000, "the models of services are in it"
    finally:
        gc.unfreeze()
