"""Who can be blocked and who never is, and the policy that does it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.errors import InputError
from sg_compliance.model.block import Because, Block, BlockState, Target, TargetKind
from sg_compliance.realtime.block_record import block_of, block_record
from sg_compliance.realtime.blocking import (
    AUTOMATIC,
    LEFT_ALONE,
    LONGEST,
    SHORTEST,
    blocked_event,
    blocked_notice,
    checked_lasting,
    checked_reason,
    evidence,
    lifted,
    merged,
    new_block,
)
from sg_compliance.realtime.containment import (
    Bounds,
    Refusal,
    check_names_somebody,
    named,
    refusal,
    target_of,
    target_of_arn,
)
from sg_compliance.realtime.deny_policy import ON_ITS_WAY, Standing, deny_document, standing_of, whole
from sg_compliance.realtime.principals import Ours, Principal
from tests.blocked_world import ADA, CALLER, DEPLOY, HOUR, SESSION, block, person, session, target, verdict
from tests.builders import ACCOUNT
from tests.world import START

OTHER = "444455556666"
BOUNDS = Bounds(
    Ours(
        role_names=frozenset({"sg-compliance-contain"}),
        role_arns=frozenset({f"arn:aws:iam::{ACCOUNT}:role/ops/keeper"}),
        accounts=frozenset({ACCOUNT}),
    ),
    (
        "break-glass*",
        "user/keeper",
        f"arn:aws:iam::{ACCOUNT}:user/hands",
        "arn:aws:iam::*:role/emergency/*",
        "arn:aws:sts::*:assumed-role/fire-exit",
    ),
    CALLER,
)


def role(name: str, path: str = "/", account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role{path}{name}"


# ---- whom ----


def test_a_user_of_an_event_is_the_user() -> None:
    assert target_of(person(), BOUNDS) == Target("aws", ACCOUNT, TargetKind.USER, "ada", "/team/")
    assert target().arn == ADA


def test_a_session_of_an_event_is_its_role_with_the_path_of_its_issuer() -> None:
    assert target_of(session(), BOUNDS) == Target("aws", ACCOUNT, TargetKind.ROLE, "deploy", "/pipelines/")
    assert target_of(session(issuer=""), BOUNDS) == Target("aws", ACCOUNT, TargetKind.ROLE, "deploy")


@pytest.mark.parametrize("arn", [SESSION, DEPLOY, f"arn:aws:iam::{ACCOUNT}:role/deploy", f" {DEPLOY}\n"])
def test_whatever_names_a_role_has_one_block(arn: str) -> None:
    found = target_of_arn(arn, BOUNDS)
    assert isinstance(found, Target)
    assert found.block_id == target(DEPLOY).block_id == target(DEPLOY.replace("deploy", "DEPLOY")).block_id
    assert re.fullmatch("block-[0-9a-f]{12}", found.block_id)


def test_users_roles_accounts_and_partitions_have_blocks_of_their_own() -> None:
    arns = [ADA, role("ada"), ADA.replace(ACCOUNT, OTHER), ADA.replace("aws:iam", "aws-cn:iam"), ADA + "2"]
    assert len({target(arn).block_id for arn in arns}) == len(arns)


REFUSED = {
    "root": (f"arn:aws:iam::{ACCOUNT}:root", "root of its account"),
    "federated": (f"arn:aws:sts::{ACCOUNT}:federated-user/fred", "federated user"),
    "service-linked by path": (role("AnyName", "/aws-service-role/ec2.amazonaws.com/"), "service-linked"),
    "service-linked by name": (role("AWSServiceRoleForAutoScaling"), "service-linked"),
    "session of service-linked": (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForECS/ecs",
        "service-linked",
    ),
    "identity center by path": (role("x", "/aws-reserved/sso.amazonaws.com/eu-west-1/"), "IAM Identity Center"),
    "identity center by name": (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/zoe",
        "IAM Identity Center",
    ),
    "another account": (ADA.replace(ACCOUNT, OTHER), "none of the accounts"),
    "our role": (role("sg-compliance-contain"), "role of this tool"),
    "our role with a path": (role("sg-compliance-contain", "/any/"), "role of this tool"),
    "our role by ARN": (f"arn:aws:sts::{ACCOUNT}:assumed-role/keeper/anything", "role of this tool"),
    "caller": (CALLER, "lock itself out"),
    "caller's role": (role("sec", "/deep/"), "lock itself out"),
    "break glass role by name": (role("break-glass-1", "/x/"), "break-glass list"),
    "break glass user by name": (f"arn:aws:iam::{ACCOUNT}:user/break-glass", "break-glass list"),
    "break glass as messages name it": (f"arn:aws:iam::{ACCOUNT}:user/team/keeper", "break-glass list"),
    "break glass in another case": (f"arn:aws:iam::{ACCOUNT}:user/Break-Glass", "break-glass list"),
    "break glass user by ARN": (f"arn:aws:iam::{ACCOUNT}:user/elsewhere/hands", "break-glass list"),
    "break glass by path": (role("any", "/emergency/"), "break-glass list"),
    "break glass session": (f"arn:aws:sts::{ACCOUNT}:assumed-role/break-glass-2/zoe", "break-glass list"),
    "break glass by ARN of sessions": (role("fire-exit", "/x/"), "break-glass list"),
    "a group": (f"arn:aws:iam::{ACCOUNT}:group/admins", "no user, role or session"),
    "a name": ("ada", "no user, role or session"),
    "nothing": ("", "no user, role or session"),
    "an ARN with more behind it": (f"{ADA}\nBy: ceo", "no user, role or session"),
    "a user in STS": (f"arn:aws:sts::{ACCOUNT}:user/ada", "no user, role or session"),
    "a session in IAM": (f"arn:aws:iam::{ACCOUNT}:assumed-role/deploy/x", "no user, role or session"),
    "too long a name": (f"arn:aws:iam::{ACCOUNT}:user/{'a' * 65}", "no user, role or session"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_never_blocked_is_refused_with_what_to_do_instead(case: str) -> None:
    arn, why = REFUSED[case]
    found = target_of_arn(arn, BOUNDS)
    assert isinstance(found, Refusal), found
    assert why in found.reason
    assert len(found.instead) > 20
    assert "\n" not in found.reason


def test_without_accounts_every_account_is_ours() -> None:
    assert isinstance(target_of_arn(ADA.replace(ACCOUNT, OTHER), Bounds()), Target)


PRINCIPALS = {
    "root": (Principal("Root", f"arn:aws:iam::{ACCOUNT}:root", "root", ACCOUNT, is_root=True), "root of its account"),
    "root by its mark": (person()._replace(is_root=True), "root of its account"),
    "root by its type": (Principal("Root"), "root of its account"),
    "a session that is a user": (session(arn=ADA, issuer=ADA), "not certain who it was"),
    "a session that is a user, without an issuer": (session(arn=ADA, issuer=""), "not certain who it was"),
    "service": (Principal("AWSService", invoked_by="autoscaling.amazonaws.com"), "autoscaling.amazonaws.com"),
    "account": (Principal("AWSAccount", account=OTHER), OTHER),
    "identity center": (Principal("IdentityCenterUser", name="u-1"), "no user or role of its own"),
    "saml": (Principal("SAMLUser", name="zoe"), "no user or role of its own"),
    "unknown": (Principal("Novel", "arn:x"), "no kind of principal"),
    "type is a user, ARN is root": (person(f"arn:aws:iam::{ACCOUNT}:root"), "root of its account"),
    "a role's session and another role's ARN": (session(issuer=role("other")), "not certain who it was"),
    "a session of a user": (session(issuer=ADA), "not certain who it was"),
    "a session without an ARN": (session(arn="", issuer=DEPLOY), "not certain who it was"),
    "break glass by the path of the issuer": (
        session(f"arn:aws:sts::{ACCOUNT}:assumed-role/any/x", role("any", "/emergency/")),
        "break-glass list",
    ),
}


@pytest.mark.parametrize("case", PRINCIPALS)
def test_principals_that_are_no_user_or_role_for_certain_are_refused(case: str) -> None:
    who, why = PRINCIPALS[case]
    found = target_of(who, BOUNDS)
    assert isinstance(found, Refusal), found
    assert why in found.reason
    assert found.instead


def test_of_a_federated_user_the_user_behind_it_is_named() -> None:
    who = Principal("FederatedUser", f"arn:aws:sts::{ACCOUNT}:federated-user/fred", "fred", ACCOUNT)
    found = target_of(who._replace(session_issuer=ADA), BOUNDS)
    assert isinstance(found, Refusal)
    assert found.instead.endswith(f"sg-compliance block {ADA}")
    without = target_of(who, BOUNDS)
    assert isinstance(without, Refusal)
    assert "GetFederationToken" in without.instead


def test_a_path_that_only_iam_knows_is_looked_at_once_it_is_known() -> None:
    found = target_of_arn(f"arn:aws:sts::{ACCOUNT}:assumed-role/any/x", BOUNDS)
    assert isinstance(found, Target)
    assert refusal(replace(found, path="/emergency/"), BOUNDS)
    assert refusal(replace(found, path="/aws-service-role/x/"), BOUNDS)
    assert refusal(found, BOUNDS) is None


@given(st.text(max_size=300))
def test_any_text_is_a_target_or_a_refusal_that_can_be_shown(text: str) -> None:
    found = target_of_arn(text, BOUNDS)
    if isinstance(found, Refusal):
        assert found.reason.isprintable()
    else:
        assert found.arn.isprintable()


@given(st.builds(Principal, *[st.text(max_size=60)] * 7, is_root=st.booleans()))
def test_any_principal_is_a_target_or_a_refusal(who: Principal) -> None:
    assert isinstance(target_of(who, BOUNDS), Target | Refusal)


def test_text_of_an_event_is_bounded_and_made_safe_to_show() -> None:
    for who in (
        Principal("Novel\x1b" + "x" * 9000),
        session("arn:\x1b\n" + "x" * 9000),
        Principal("SAMLUser", "", "\x1b"),
    ):
        found = target_of(who, BOUNDS)
        assert isinstance(found, Refusal)
        assert found.reason.isprintable()
        assert len(found.reason) < 600


# ---- the policy ----


def statement(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = document["Statement"]
    return dict(found)


def test_a_user_is_denied_everything_until_a_time() -> None:
    made = deny_document(block())
    assert made["Version"] == "2012-10-17"
    assert statement(made) == {
        "Sid": "SgComplianceBlock" + block().id.removeprefix("block-").title(),
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-15T13:00:00Z"}},
    }


def test_of_a_role_only_sessions_from_before_are_denied() -> None:
    assert statement(deny_document(block(DEPLOY)))["Condition"] == {
        "DateLessThan": {"aws:CurrentTime": "2026-01-15T13:00:00Z", "aws:TokenIssueTime": "2026-01-15T12:00:30Z"}
    }


def test_a_policy_fits_beside_others_and_its_sid_is_one() -> None:
    longest = block(f"arn:aws-us-gov:iam::{ACCOUNT}:role/{'p' * 500}/{'n' * 64}", reason="r" * 500)
    document = json.dumps(deny_document(longest))
    assert len(re.sub(r"\s", "", document)) < 300
    assert re.fullmatch("[A-Za-z0-9]+", statement(deny_document(longest))["Sid"])


@pytest.mark.parametrize("arn", [ADA, DEPLOY])
def test_a_policy_of_ours_is_read_as_what_it_means(arn: str) -> None:
    found = standing_of(deny_document(block(arn)), target(arn))
    assert found == Standing(START + HOUR, START + ON_ITS_WAY if arn == DEPLOY else None)
    assert found.covers(block(arn))
    assert not found.covers(block(arn, expires=START + HOUR + timedelta(seconds=1)))
    later = block(arn, before=START + HOUR)
    assert found.covers(later) is (arn == ADA)


FOREIGN: list[Any] = [
    None,
    {},
    {"Statement": []},
    {"Statement": "x"},
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
    {"Statement": [{"Condition": {"DateLessThan": {"aws:CurrentTime": 7}}}]},
    {"Statement": [{"Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}]},
]


@pytest.mark.parametrize("document", FOREIGN)
def test_another_policy_is_none_of_ours(document: Any) -> None:  # noqa: ANN401 - JSON
    assert standing_of(document, target()) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("Effect", "Allow"), ("Action", ["*"]), ("Resource", "arn:aws:s3:::x"), ("Sid", "Other"), ("NotAction", "iam:*")],
)
def test_a_policy_of_ours_that_somebody_changed_is_none_of_ours(key: str, value: object) -> None:
    document = deny_document(block())
    document["Statement"][0][key] = value
    assert standing_of(document, target()) is None


def test_a_policy_with_more_in_it_or_of_another_target_is_none_of_ours() -> None:
    document = deny_document(block())
    assert standing_of(document, target(ADA + "2")) is None
    assert standing_of({**document, "Id": "x"}, target()) is None
    document["Statement"].append({"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert standing_of(document, target()) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_in_a_policy_is_never_earlier_than_it_was_meant(time: datetime) -> None:
    assert timedelta() <= whole(time) - time < timedelta(seconds=1)
    read = standing_of(deny_document(block(DEPLOY, expires=time, before=time)), target(DEPLOY))
    assert read == Standing(whole(time), whole(time))


# ---- a block ----

TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 2, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0)
)
BLOCKS = st.builds(
    Block,
    target=st.sampled_from([target(), target(DEPLOY)]),
    reason=st.text(),
    by=st.text(),
    created=TIMES,
    expires=TIMES,
    before=TIMES,
    state=st.sampled_from(BlockState),
    causes=st.lists(st.text(), max_size=3).map(tuple),
)


@given(BLOCKS)
def test_a_block_is_read_as_it_was_written(made: Block) -> None:
    assert block_of(json.loads(json.dumps(block_record(made)))) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"id": "block-000000000000"},
        {"name": "eve"},
        {"kind": "group"},
        {"state": "gone"},
        {"expires": "soon"},
        {"expires": "2026-01-15T12:00:00"},
        {"reason": 7},
        {"account_id": None},
    ],
    ids=str,
)
def test_a_record_that_is_no_block_is_not_taken_for_one(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        block_of(block_record(block()) | changes)


@given(BLOCKS, BLOCKS, st.none() | st.builds(Standing, TIMES, st.none() | TIMES))
def test_a_block_is_extended_and_never_shortened(wanted: Block, kept: Block, standing: Standing | None) -> None:
    made = merged(wanted, kept, standing)
    assert made.expires >= wanted.expires
    assert made.before >= wanted.before
    if kept.runs(wanted.created):
        assert made.expires >= kept.expires
        assert made.before >= kept.before
        assert set(made.causes) >= set(wanted.causes)
        assert made.created == kept.created
    if standing and standing.expires > wanted.created:
        assert made.expires >= standing.expires
        assert standing.before is None or made.before >= standing.before
    assert (made.reason, made.by) == (wanted.reason, wanted.by)


def test_a_policy_that_stands_for_newer_sessions_goes_on_to_hold_for_them() -> None:
    newer = Standing(START + HOUR / 2, START + timedelta(minutes=5))
    made = merged(block(DEPLOY), None, newer)
    assert (made.expires, made.before) == (START + HOUR, newer.before)
    assert merged(block(DEPLOY), None, Standing(START, START + HOUR)) == block(DEPLOY)


def test_a_new_block_is_for_what_is_issued_until_it_has_spread() -> None:
    made = new_block(target(DEPLOY), "why", "zoe", START, HOUR, "key")
    assert (made.expires, made.before, made.causes) == (START + HOUR, START + timedelta(seconds=30), ("key",))
    assert made.state is BlockState.BEGUN


def test_causes_are_bounded_and_the_newest_are_kept() -> None:
    kept = block(causes=tuple(map(str, range(20))))
    made = merged(replace(kept, causes=("new",)), kept, None)
    assert (len(made.causes), made.causes[-1], made.causes[0]) == (20, "new", "1")


def test_a_lifted_block_runs_no_more_and_is_left_alone_for_a_day() -> None:
    made = lifted(block(), "a release \x1b", "zoe", START)
    assert not made.runs(START)
    assert (made.by, made.lifted) == (block().by, Because("a release \\x1b", "zoe"))
    assert block_of(json.loads(json.dumps(block_record(made)))) == made
    assert made.expires == START + LEFT_ALONE
    assert block().runs(START)
    assert not block().runs(START + HOUR)


def test_every_reason_that_somebody_was_blocked_for_is_kept() -> None:
    first = block()
    second = merged(replace(first, reason="again", by="zoe", expires=first.expires + HOUR), first, None)
    third = merged(replace(first, reason="once more", by="eve"), second, None)
    assert (third.reason, third.by) == ("once more", "eve")
    assert third.earlier == (Because(first.reason, first.by), Because("again", "zoe"))
    assert block_of(json.loads(json.dumps(block_record(third)))) == third
    assert merged(replace(third, earlier=()), third, None).earlier == third.earlier  # begun anew: no other reason
    many = replace(first, earlier=tuple(Because(str(number), "zoe") for number in range(40)))
    assert len(merged(replace(first, reason="x"), many, None).earlier) == 20


def test_a_block_of_before_is_read_though_it_does_not_say_as_much() -> None:
    record = block_record(block())
    del record["earlier"], record["lifted"]
    assert block_of(record) == block()


@pytest.mark.parametrize(
    "pattern",
    [
        "ada",
        "break-*",
        "user/ada",
        "*/ada",
        "role/rescue/*",
        "arn:aws:iam::111122223333:user/ada",
        "arn:aws:iam::*:role/glass",
        "arn:*:iam::1111*:*/team/ada",
        "arn:aws:sts::111122223333:assumed-role/deploy",
    ],
)
def test_a_pattern_of_the_break_glass_list_can_name_somebody(pattern: str) -> None:
    assert check_names_somebody(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "expected an ARN"),
        ("*", "names everybody"),
        ("arn:aws:iam:111122223333:user/ada", "an ARN is written like"),
        ("arn:aws:iam::1111222233:user/ada", "an ARN is written like"),
        ("arn:aws:s3:::bucket/ada", "an ARN is written like"),
        ("arn", "an ARN is written like"),
        ("user:ada", "an ARN is written like"),
        ("usr/ada", "neither a user nor a role"),
        ("group/ada", "neither a user nor a role"),
        ("assumed-role/deploy", "neither a user nor a role"),
        ("user/", "neither a user nor a role"),
        ("arn:aws:iam::111122223333:ada", "neither a user nor a role"),
        ("arn:aws:iam::111122223333:assumed-role/deploy", "neither a user nor a role"),
        ("arn:aws:sts::111122223333:assumed-role/deploy/laptop", "names one session"),
        ("x" * 65, "more than 64"),
    ],
)
def test_a_pattern_that_can_name_nobody_is_refused_with_the_reason(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_names_somebody(pattern)


def test_who_is_of_another_partition_is_not_blocked_from_here() -> None:
    caller = Bounds(caller="arn:aws:iam::111122223333:user/zoe")
    found = target_of_arn("arn:aws-cn:iam::111122223333:user/ada", caller)
    assert isinstance(found, Refusal)
    assert "is of the partition aws-cn, and who runs this is of aws" in found.reason
    assert isinstance(target_of_arn("arn:aws:iam::111122223333:user/ada", caller), Target)


@pytest.mark.parametrize(
    "lasting",
    [timedelta(), timedelta(seconds=-1), SHORTEST - timedelta(seconds=1), LONGEST + timedelta(seconds=1)],
)
def test_a_block_lasts_for_some_time_and_not_for_long(lasting: timedelta) -> None:
    with pytest.raises(InputError, match="a block lasts from 1m to 7d"):
        checked_lasting(lasting)
    assert checked_lasting(SHORTEST) == SHORTEST
    assert checked_lasting(LONGEST) == LONGEST
    assert AUTOMATIC == HOUR


def test_a_reason_is_one_line_that_can_be_shown_and_is_there() -> None:
    assert checked_reason(" too\nmany \x1b[31m ") == "too many \\x1b[31m"
    assert len(checked_reason("x" * 1000)) == 500
    with pytest.raises(InputError, match="no reason"):
        checked_reason(" \n")


def test_the_evidence_of_a_verdict_is_one_line() -> None:
    assert evidence(verdict()) == (
        "25 operations within a minute (more than 10), 3 of them failed, on 12 groups in 1 region, "
        "from 2026-01-15 12:00:00 to 2026-01-15 12:00:30 UTC"
    )
    assert "within an hour" in evidence(verdict(window=HOUR, at_least=True))
    assert "on at least 12 groups" in evidence(verdict(at_least=True))


def test_a_notice_says_who_why_until_when_and_how_to_undo_it() -> None:
    made = block(DEPLOY, reason="x\nBy: ceo")
    notice = blocked_notice(made, blocked_event(made, "run-1", extended=False))
    assert notice.severity.value == "critical"
    assert notice.kind.value == "block"
    assert notice.subject == f"role deploy in {ACCOUNT}: blocked"
    for said in (DEPLOY, "By: zoe", "Until: 2026-01-15 13:00 UTC", f"To undo it: sg-compliance unblock {made.id}"):
        assert said in notice.text
    assert "\nBy: ceo" not in notice.text


def test_what_is_named_is_read_whether_it_may_be_blocked_or_not() -> None:
    found = named(role("AWSServiceRoleForECS", "/aws-service-role/ecs.amazonaws.com/"))
    assert found
    assert found.path == "/aws-service-role/ecs.amazonaws.com/"
