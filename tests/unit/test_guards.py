"""The brakes, by example: protected groups, budgets, flapping, holds, drift, pause, and what people granted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sg_compliance.enforcement.guards import (
    Pause,
    budget,
    fingerprint,
    flapping,
    held,
    paused,
    protections,
    unprotected,
)
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.model.finding import FindingState
from sg_compliance.model.journal import Entry, EntryKind, EntryState
from sg_compliance.model.security_group import Place
from sg_compliance.policy.exemptions import exempting
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from tests.builders import ACCOUNT, EVERYONE, NOW, REGION, group, judge, only, policy, prohibit, tcp

HOUR = timedelta(hours=1)
PLACE = Place(ACCOUNT, REGION, "sg-0a1b2c3d")
EXEMPTION, UNPROTECTION = ConcessionKind.EXEMPTION, ConcessionKind.UNPROTECTION
ENTRY = {"reason": "x", "exempted_rules": ["A"], "expiry_date": "2026-01-01T00:00:00Z", "approved_by": "ciso"}


def concession(kind: ConcessionKind = EXEMPTION, /, **others: Any) -> Concession:  # noqa: ANN401 - its fields
    granted = Concession(kind, "sg-0a1b2c3d", ("A",), "partner", "ciso", NOW + HOUR, NOW - HOUR, "me")
    return replace(granted, **others)


def entry(hours: float, kind: EntryKind = EntryKind.REMEDIATION, **others: Any) -> Entry:  # noqa: ANN401 - its fields
    """An entry that began so many hours ago."""
    begun = NOW - hours * HOUR
    return replace(Entry(f"e{hours}", PLACE, kind, EntryState.DONE, "run", "me", "b-1", begun, wanted={}), **others)


# ---- protected groups ----


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"aws:eks:cluster-name": "prod"}, "aws:eks:cluster-name=prod"),
        ({"aws:elasticmapreduce:job-flow-id": "j-1"}, "aws:elasticmapreduce:job-flow-id=j-1"),
        ({"aws:something-new:id": "1"}, "aws:something-new:id=1"),
        ({"elbv2.k8s.aws/cluster": "prod"}, "elbv2.k8s.aws/cluster=prod"),
        ({"kubernetes.io/cluster/prod": "owned"}, "kubernetes.io/cluster/prod=owned"),
        ({"sg-compliance:protect": " True "}, "sg-compliance:protect=true"),
    ],
)
def test_tags_protect_a_group(tags: dict[str, str], said: str) -> None:
    (reason,) = protections(group(tags=tags))
    assert said in reason


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"aws:cloudformation:stack-name": "web", "aws:cloudformation:logical-id": "Group"},
        {"aws:servicecatalog:productArn": "x", "aws:createdBy": "me"},
        {"kubernetes.io/cluster/prod": "shared"},
        {"sg-compliance:protect": "false"},
        {"Name": "eks-cluster-sg-x"},
    ],
)
def test_tags_that_say_where_a_group_came_from_do_not(tags: dict[str, str]) -> None:
    assert protections(group(tags=tags)) == ()


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("d-9067a1b2c3_controllers", "AWS Directory Service"),
        ("AWSServiceNameForX", "an AWS service"),
        ("ElasticMapReduce-master", "Amazon EMR"),
        ("eks-cluster-sg-prod-123", "Amazon EKS"),
        ("FMManagedSecurityGroup1234", "AWS Firewall Manager"),
    ],
)
def test_names_that_services_give_protect_a_group(name: str, service: str) -> None:
    assert protections(group(GroupName=name)) == (f"{service} manages it: its name is {name}",)


@pytest.mark.parametrize("name", ["my-d-9067a1b2c3_controllers", "d-x_controllers", "eks", "not-ElasticMapReduce-x"])
def test_names_that_only_look_like_it_do_not(name: str) -> None:
    assert protections(group(GroupName=name)) == ()


def test_a_load_balancer_controller_is_known_by_its_rules() -> None:
    nodes = {"kubernetes.io/cluster/prod": "shared"}
    written = tcp(80, "sg-1", description="elbv2.k8s.aws/targetGroupBinding=shared")
    assert protections(group(written, tags=nodes))
    assert protections(group(tcp(80, "sg-1", description="for elbv2.k8s.aws/x"), tags=nodes)) == ()


def test_a_description_alone_protects_nobody_for_whoever_opens_a_group_writes_it() -> None:
    assert protections(group(tcp(22, "0.0.0.0/0", description="elbv2.k8s.aws/x"))) == ()


def test_interfaces_that_a_service_manages_protect_a_group() -> None:
    (reason,) = protections(replace(group(), managed_interfaces=("eni-1", "eni-2")))
    assert reason.endswith("eni-1, eni-2")


def test_a_group_of_another_account_is_not_ours() -> None:
    assert protections(group(), ACCOUNT) == ()
    (reason,) = protections(group(), "999999999999")
    assert reason == f"it belongs to account {ACCOUNT} and is only shared with 999999999999"


@pytest.mark.parametrize(
    ("others", "counts"),
    [
        ({}, True),
        ({"expires": None}, True),
        ({"expires": NOW}, False),
        ({"subject": "sg-other"}, False),
        ({"subject": ACCOUNT}, False),
        ({"approved_by": " "}, False),
    ],
)
def test_people_lift_the_protection_of_one_group_for_a_time(others: dict[str, Any], counts: bool) -> None:
    given = concession(UNPROTECTION, **others)
    assert unprotected([concession(), given], PLACE, NOW) == (given if counts else None)


# ---- flapping, holds, budget ----


def test_a_group_that_is_remediated_again_and_again_is_flapping() -> None:
    reason = flapping([entry(20), entry(10), entry(1)], NOW)
    assert reason.startswith("remediated 3 times within 24 hours, last at 2026-01-15T11:00:00")
    assert flapping([entry(20), entry(10)], NOW) == ""
    assert flapping([entry(24), entry(10), entry(1)], NOW) == ""
    assert flapping([entry(20), entry(10)], NOW, times=2)
    assert flapping([entry(20), entry(10), entry(1)], NOW, window=12 * HOUR) == ""


def test_only_remediations_that_were_done_count() -> None:
    others = [entry(1, EntryKind.ROLLBACK), entry(1, state=EntryState.OPEN), entry(1, state=EntryState.SUPERSEDED)]
    assert flapping([entry(3), entry(2), *others], NOW) == ""


def test_when_it_ended_counts() -> None:
    late = [entry(30, ended=NOW - hours * HOUR) for hours in (3, 2, 1)]
    assert flapping(late, NOW)


def hold(hours: float, until: datetime | None, **others: Any) -> Entry:  # noqa: ANN401 - its fields
    return entry(hours, EntryKind.ROLLBACK, hold_until=until, **others)


def test_a_rollback_holds_until_its_time() -> None:
    assert held([hold(1, NOW + HOUR)], NOW) == NOW + HOUR
    assert held([hold(1, NOW)], NOW) is None
    assert held([hold(1, None), entry(0, hold_until=NOW + HOUR)], NOW) is None
    assert held([], NOW) is None


def test_the_newest_rollback_decides_unless_it_was_superseded() -> None:
    assert held([hold(1, NOW + HOUR), hold(2, NOW + 5 * HOUR)], NOW) == NOW + HOUR
    assert held([hold(1, None), hold(2, NOW + 5 * HOUR)], NOW) is None
    assert held([hold(1, None, state=EntryState.SUPERSEDED), hold(2, NOW + HOUR)], NOW) == NOW + HOUR
    assert held([hold(1, NOW + HOUR, state=EntryState.OPEN)], NOW) == NOW + HOUR


def test_a_run_that_would_change_too_much_is_stopped() -> None:
    assert budget({ACCOUNT: 10}, {ACCOUNT: 100}) == ()
    assert budget({ACCOUNT: 11}, {ACCOUNT: 100}) == (
        f"11 of the 100 groups of account {ACCOUNT} would be changed, at most 10 % may be",
    )
    assert budget({"a": 13, "b": 13}, {"a": 1000, "b": 1000}) == (
        "26 groups would be changed, at most 25 may be in one run",
    )
    assert budget({"a": 25}, {"a": 250}) == ()
    assert budget({"a": 2, "b": 3}, {"a": 4, "b": 4}, max_groups=9, max_percent=50) == (
        "3 of the 4 groups of account b would be changed, at most 50 % may be",
    )


def test_one_group_of_an_account_is_never_too_much_for_it() -> None:
    assert budget({"a": 1, "b": 1}, {"a": 3}) == ()
    assert len(budget({"a": 2}, {})) == 1
    assert len(budget({"a": 1, "b": 1}, {}, max_groups=1)) == 1


# ---- drift ----


def test_a_fingerprint_does_not_depend_on_order_ids_or_our_own_tags() -> None:
    one = group(tcp(22, EVERYONE), tcp(443, "10.0.0.0/8", description="web"), tags={"Owner": "a", "B": "b"})
    other = replace(
        one,
        rules=tuple(rule._replace(rule_id=f"sgr-{rule.first}", tags=(("x", "y"),)) for rule in one.rules[::-1]),
        tags=(*one.tags[::-1], ("COMPLIANCE_STATUS", "x"), ("aws:x", "y")),
    )
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one, "") != fingerprint(other, "")
    assert len(fingerprint(one)) == 64


def test_a_fingerprint_is_the_same_on_any_machine() -> None:
    assert fingerprint(group(tcp(22, EVERYONE), tags={"Owner": "a"})) == (
        "453c0417850aa0352646b46329667ee84ab24d7f95170f412455aeba1ba85a68"
    )


@pytest.mark.parametrize(
    "other",
    [
        group(tcp(23, EVERYONE, description="x"), tags={"Owner": "a"}),
        group(tcp(22, "10.0.0.0/8", description="x"), tags={"Owner": "a"}),
        group(tcp(22, EVERYONE, description="y"), tags={"Owner": "a"}),
        group(egress=[tcp(22, EVERYONE, description="x")], tags={"Owner": "a"}),
        group(tcp(22, EVERYONE, description="x"), tags={"Owner": "b"}),
        group(tcp(22, EVERYONE, description="x"), tcp("23-21", EVERYONE), tags={"Owner": "a"}),
        group(tags={"Owner": "a"}),
    ],
)
def test_every_change_that_matters_changes_the_fingerprint(other: Any) -> None:  # noqa: ANN401 - a group
    assert fingerprint(group(tcp(22, EVERYONE, description="x"), tags={"Owner": "a"})) != fingerprint(other)


def test_no_description_is_the_empty_one() -> None:
    one, other = group(tcp(22, EVERYONE)), group(tcp(22, EVERYONE, description=""))
    assert fingerprint(one) == fingerprint(other)


# ---- pause ----


def test_a_pause_reads_back_as_it_was_written() -> None:
    for until in (None, NOW + HOUR):
        pause = Pause("deploy {x} \u00e4", "me", NOW, until)
        assert Pause.parse(pause.encode()) == pause
    assert Pause.parse('{"reason": "r", "by": "b", "since": "2026-01-15T12:00:00"}').since == NOW


def test_a_pause_lasts_until_its_time() -> None:
    text = Pause("a deployment", "me", NOW - HOUR, NOW + HOUR).encode()
    assert paused(text, NOW) == (
        "paused by me since 2026-01-15T11:00:00+00:00 until 2026-01-15T13:00:00+00:00: a deployment"
    )
    assert paused(text, NOW + HOUR) == ""
    assert paused(Pause("r", "me", NOW).encode(), NOW + 10_000 * HOUR).endswith("r")
    assert paused("", NOW) == paused(" \n", NOW) == ""


@pytest.mark.parametrize(
    "text",
    [
        "stop",
        "[]",
        "1",
        "{}",
        '{"reason": "r", "by": "b", "since": 5}',
        pytest.param("[" * 100_000, id="deep"),
        '{"reason": "r", "since"',
    ],
)
def test_a_switch_that_cannot_be_read_stops_changes(text: str) -> None:
    assert "which cannot be read" in paused(text, NOW)


# ---- what was granted beside the policy ----


def exempted(*concessions: Concession, **sections: Any) -> Any:  # noqa: ANN401 - a finding
    """The finding of rule A under the policy and what was granted beside it."""
    bound = policy(prohibit(22, rule_id="A"), prohibit(23, rule_id="B"), **sections)
    granted = Policy(exempting(bound.document, concessions), "production")
    return only(judge(granted, group(tcp(22, EVERYONE))))


def test_a_granted_exemption_is_as_good_as_one_of_the_policy() -> None:
    found = exempted(concession())
    assert found.state is FindingState.EXEMPT
    assert found.exemption.path == "exemption/sg-0a1b2c3d"
    assert (found.exemption.reason, found.exemption.approved_by) == ("partner", "ciso")
    assert found.exemption.expires == NOW + HOUR
    assert exempted(concession(subject=ACCOUNT, expires=None)).state is FindingState.EXEMPT


@pytest.mark.parametrize(
    "others",
    [
        {"expires": NOW},
        {"subject": "sg-other"},
        {"rules": ("B",)},
        {"rules": ()},
        {"approved_by": ""},
        {"kind": UNPROTECTION},
    ],
)
def test_what_does_not_cover_the_finding_does_not_count(others: dict[str, Any]) -> None:
    assert exempted(concession(**others)).state is FindingState.OPEN


def test_a_grant_neither_extends_nor_hides_an_entry_of_the_policy() -> None:
    def entries(**keys: object) -> Any:  # noqa: ANN401 - JSON
        return {"security_group_exemptions": {"sg-0a1b2c3d": {**ENTRY, **keys}}}

    other = concession(rules=("B",))
    assert exempted(other, exemptions=entries()).state is FindingState.OPEN
    assert exempted(other, exemptions=entries(expiry_date="permanent")).state is FindingState.EXEMPT
    assert exempted(concession(), exemptions=entries(exempted_rules=["B"])).state is FindingState.EXEMPT
    assert exempted(concession(expires=NOW), exemptions=entries(expiry_date="permanent")).state is FindingState.EXEMPT
    assert exempted(concession(), exemptions=entries()).exemption.path == "exemption/sg-0a1b2c3d"


def test_a_granted_exemption_needs_the_approval_of_the_environment() -> None:
    environments = {"production": {"required_approvals": ["security_team"]}}
    found = exempted(concession(), environments=environments)
    assert found.state is FindingState.OPEN
    assert found.exemption.lapsed == "approved by none of security_team"
    assert exempted(concession(approved_by="security_team"), environments=environments).state is FindingState.EXEMPT


def test_the_document_itself_is_not_touched() -> None:
    bound = policy(prohibit(22, rule_id="A"))
    before = bound.document.model_dump_json()
    granted = exempting(exempting(bound.document, [concession()]), [concession(subject=ACCOUNT)])
    assert bound.document.model_dump_json() == before == granted.model_dump_json()
    assert only(judge(bound, group(tcp(22, EVERYONE)))).state is FindingState.OPEN
    assert len(list(granted.exemptions.of("sg-0a1b2c3d", ACCOUNT))) == 2


def test_a_document_that_is_parsed_holds_no_grant() -> None:
    document = parse_policy("{}", "x.json").document
    assert list(document.exemptions.of("sg-0a1b2c3d", ACCOUNT)) == []
