"""Exemptions: a finding stays a finding, and counts or does not, by who approved it and until when."""

from __future__ import annotations

from typing import Any

import pytest

from sg_compliance.model.finding import Finding, FindingState
from tests.builders import ACCOUNT, EVERYONE, bind, document, group, judge, only, prohibit, tcp

Json = dict[str, Any]
ENTRY: Json = {"reason": "legacy", "exempted_rules": ["RULE"], "expiry_date": "permanent", "approved_by": "ciso"}


def exempted(account: Json | None = None, sections: Json | None = None, **keys: object) -> Finding:
    """The finding of an open group under an exemption of the group, or of its account."""
    exemptions = {"account_exemptions": {ACCOUNT: {**ENTRY, **account}}} if account is not None else {}
    if account is None or keys:
        exemptions["security_group_exemptions"] = {"sg-0a1b2c3d": {**ENTRY, **keys}}
    policy = bind(document(prohibit(22), exemptions=exemptions, **(sections or {})), "production")
    return only(judge(policy, group(tcp(22, EVERYONE))))


def test_an_exempt_finding_is_reported_with_reason_and_approver() -> None:
    finding = exempted()
    assert finding.state is FindingState.EXEMPT
    assert finding.exemption is not None
    assert (finding.exemption.reason, finding.exemption.approved_by) == ("legacy", "ciso")
    assert (finding.exemption.expires, finding.exemption.days_left, finding.exemption.lapsed) == (None, None, "")
    assert finding.exemption.path == "exemptions.security_group_exemptions.sg-0a1b2c3d"


def test_an_exemption_of_the_account_is_as_good() -> None:
    finding = exempted({})
    assert finding.state is FindingState.EXEMPT
    assert finding.exemption is not None
    assert finding.exemption.path == f"exemptions.account_exemptions.{ACCOUNT}"


@pytest.mark.parametrize(
    ("expiry", "state", "days"),
    [
        ("2026-01-15T12:00:01Z", FindingState.EXEMPT, 0),
        ("2026-01-25T12:00:00Z", FindingState.EXEMPT, 10),
        ("2026-01-15T14:30:00+02:00", FindingState.EXEMPT, 0),
        ("2026-01-15T12:00:00Z", FindingState.OPEN, 0),
        ("2026-01-15t11:59:59.9z", FindingState.OPEN, -1),
        ("2025-01-15T12:00:00Z", FindingState.OPEN, -365),
    ],
)
def test_an_exemption_counts_until_its_time_and_says_how_long_that_is(
    expiry: str, state: FindingState, days: int
) -> None:
    finding = exempted(expiry_date=expiry)
    assert finding.state is state
    assert finding.exemption is not None
    assert finding.exemption.days_left == days
    assert finding.exemption.lapsed == ("" if state is FindingState.EXEMPT else "expired")


def test_another_rule_is_not_exempt() -> None:
    finding = exempted(exempted_rules=["GLOBAL_MAX_RULES"])
    assert finding.state is FindingState.OPEN
    assert finding.exemption is None


def test_the_exemption_that_still_counts_is_the_one_that_is_told() -> None:
    finding = exempted({"approved_by": "owner"}, expiry_date="2025-01-01T00:00:00Z")
    assert finding.state is FindingState.EXEMPT
    assert finding.exemption is not None
    assert finding.exemption.approved_by == "owner"


APPROVALS: Json = {"environment_specific": {"prod": {"required_approvals": ["security_team", "ciso"]}}}


def test_where_approvals_are_required_only_those_count() -> None:
    written = {"environments": APPROVALS["environment_specific"]}
    assert exempted(sections=written).state is FindingState.EXEMPT
    finding = exempted(sections=written, approved_by="owner")
    assert finding.state is FindingState.OPEN
    assert finding.exemption is not None
    assert finding.exemption.lapsed == "approved by none of security_team, ciso"


def test_findings_of_hygiene_can_be_exempted_too() -> None:
    exemptions = {"account_exemptions": {ACCOUNT: {**ENTRY, "exempted_rules": ["GLOBAL_REQUIRED_TAGS"]}}}
    written = document(exemptions=exemptions, global_rules={"enforce_tagging": True, "required_tags": ["Owner"]})
    assert only(judge(bind(written), group())).state is FindingState.EXEMPT
