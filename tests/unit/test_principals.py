"""Who we are: in accounts where a role is assumed, and at home, where none is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sg_compliance.bootstrap import Where
from sg_compliance.bootstrap.containing import bounds
from sg_compliance.bootstrap.responding import ours_of
from sg_compliance.errors import InputError
from sg_compliance.policy.parse import ParsedPolicy, parse_policy
from sg_compliance.realtime.containment import Refusal, target_of
from sg_compliance.realtime.principals import Ours, Standing, is_role, principal, roles_at_home
from tests.builders import ACCOUNT, document
from tests.event_builders import USER, session

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER = "444455556666"
FUNCTION = "sg-compliance-dev-respond"
SIBLING = "sg-compliance-dev-recheck"
SCAN = "sg-compliance-scan"
US = f"arn:aws:sts::{ACCOUNT}:assumed-role/{FUNCTION}/{FUNCTION}"
HERE = Ours(
    role_names=frozenset({SCAN}),
    session_names=frozenset({"sg-compliance"}),
    function_roles=roles_at_home([SIBLING], US),
    callers=frozenset({US}),
)


def standing(role: str, name: str, account: str = ACCOUNT, at: str = ACCOUNT, ours: Ours = HERE) -> Standing:
    return ours.standing(principal(session(role, name, account)), at)


def test_at_home_we_are_who_runs_this_and_our_other_functions() -> None:
    assert standing(FUNCTION, FUNCTION) is Standing.OWN
    assert standing(SIBLING, SIBLING) is Standing.OWN
    assert standing(SIBLING, "whatever") is Standing.OWN
    assert standing(SCAN, "sg-compliance") is Standing.OWN


@pytest.mark.parametrize(
    ("role", "name", "found"),
    [
        (SCAN, FUNCTION, Standing.IMPOSTOR),
        (SCAN, SIBLING, Standing.IMPOSTOR),
        (FUNCTION, "sg-compliance", Standing.STRANGER),
        (FUNCTION, "somebody", Standing.STRANGER),
        ("deploy", FUNCTION, Standing.STRANGER),
    ],
)
def test_role_and_session_go_together(role: str, name: str, found: Standing) -> None:
    assert standing(role, name) is found


def test_the_roles_at_home_are_none_of_ours_elsewhere() -> None:
    for role in (FUNCTION, SIBLING):
        assert standing(role, role, OTHER, OTHER) is Standing.STRANGER
    assert standing(FUNCTION, FUNCTION, at=OTHER) is not Standing.OWN
    assert standing(SIBLING, SIBLING, at=OTHER) is Standing.IMPOSTOR


def test_a_session_that_contradicts_itself_is_not_us() -> None:
    torn = {**session(FUNCTION, FUNCTION), "sessionContext": session("deploy")["sessionContext"]}
    assert HERE.standing(principal(torn), ACCOUNT) is Standing.STRANGER
    torn = {**session(SIBLING, SIBLING), "sessionContext": session("deploy")["sessionContext"]}
    assert HERE.standing(principal(torn), ACCOUNT) is Standing.IMPOSTOR


def test_a_user_who_runs_this_is_us_and_no_other_is() -> None:
    ours = Ours(callers=frozenset({USER["arn"]}))
    assert ours.standing(principal(USER), ACCOUNT) is Standing.OWN
    assert ours.standing(principal(USER), OTHER) is Standing.STRANGER
    assert ours.standing(principal({**USER, "type": "Root"}), ACCOUNT) is Standing.STRANGER
    assert ours.standing(principal({**USER, "arn": f"{USER['arn']}x"}), ACCOUNT) is Standing.STRANGER


def test_roles_are_named_or_given_by_arn() -> None:
    arn = f"arn:aws:iam::{OTHER}:role/path/other"
    assert roles_at_home([SIBLING, arn, ""], US) == {f"arn:aws:iam::{ACCOUNT}:role/{SIBLING}", arn}
    assert roles_at_home([SIBLING, arn], "") == {arn}
    assert roles_at_home(["x"], f"arn:aws-cn:iam::{OTHER}:user/ada") == {f"arn:aws-cn:iam::{OTHER}:role/x"}
    assert is_role(SIBLING)
    assert is_role(arn)
    assert not any(map(is_role, ["", "a b", "dev-*", USER["arn"], "path/name", "x" * 65]))


def test_case_is_no_part_of_a_roles_name() -> None:
    assert standing(SCAN.upper(), "sg-compliance") is Standing.OWN
    assert standing(SIBLING.upper(), "x") is Standing.OWN
    named = Ours(frozenset({"X"}), session_names=frozenset({"sg-compliance"}))
    assert standing("x", "sg-compliance", ours=named) is Standing.OWN
    by_arn = Ours(role_arns=frozenset({f"arn:aws:iam::{ACCOUNT}:role/Closer"}), session_names=frozenset({"s"}))
    assert standing("closeR", "s", ours=by_arn) is Standing.OWN
    assert standing("closeR", "S", ours=by_arn) is Standing.IMPOSTOR


def parsed(accounts: Sequence[str] = ()) -> ParsedPolicy:
    configs = [{"account_id": each, "enforcement_level": "monitor"} for each in accounts]
    return parse_policy(json.dumps(document(accounts_config=configs)), "policy.json")


def test_events_are_of_accounts_that_somebody_named_and_of_no_other() -> None:
    named = parsed([OTHER])
    assert ours_of(Where(), parsed(), caller=US).accounts == frozenset({ACCOUNT})
    assert ours_of(Where(), named, caller=US).accounts == frozenset({ACCOUNT, OTHER})
    assert ours_of(Where(accounts=("999999999999",)), named, caller=US).accounts == frozenset({"999999999999"})
    assert ours_of(Where(), named).accounts is None


def test_who_runs_the_command_is_ours_and_so_are_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SG_COMPLIANCE_OWN_ROLES", f"{SIBLING}, other")
    ours = ours_of(Where(), parsed(), caller=US)
    assert ours.callers == {US}
    assert standing(FUNCTION, FUNCTION, ours=ours) is Standing.OWN
    assert standing("other", "x", ours=ours) is Standing.OWN
    assert not ours_of(Where(), parsed()).callers


def test_the_roles_of_the_functions_are_never_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SG_COMPLIANCE_OWN_ROLES", SIBLING)
    limits = bounds(Where(), US)
    for role in (FUNCTION, SIBLING, SCAN):
        assert isinstance(target_of(principal(session(role, role)), limits), Refusal)
    assert not isinstance(target_of(principal(session("deploy")), limits), Refusal)


def test_a_role_that_can_be_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SG_COMPLIANCE_OWN_ROLES", "dev-*")
    with pytest.raises(InputError, match=r"dev-\*"):
        bounds(Where(), US)
