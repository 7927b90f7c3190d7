"""Which of three topics a notice goes to, and which it goes to where that one is not there."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws.sns import SnsNotifier, Topics
from sg_compliance.errors import InputError
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.policy.cadence import Cadence
from sg_compliance.realtime.digest import digest
from tests.builders import NOW
from tests.contract.store_homes import AwsHome, Wire, aws_on_loopback
from tests.golden.digests import flood

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

THREE = Topics(findings="findings", critical="critical", operations="operations")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


def notice(kind: NoticeKind, severity: Severity) -> Notice:
    return Notice(kind, severity, f"{kind.value} {severity.value}", "all of it")


def test_what_is_critical_and_brakes_go_to_the_critical_topic_operations_to_theirs() -> None:
    for kind, severity in product(NoticeKind, Severity):
        topic = THREE.of(notice(kind, severity))
        if severity is Severity.CRITICAL or kind is NoticeKind.BRAKE:
            assert topic == "critical"
        elif kind is NoticeKind.OPERATION:
            assert topic == "operations"
        else:
            assert topic == "findings"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"findings"}, ("findings", "findings", "findings")),
        ({"critical"}, ("critical", "critical", "critical")),
        ({"operations"}, ("operations", "operations", "operations")),
        ({"findings", "critical"}, ("critical", "findings", "findings")),
        ({"findings", "operations"}, ("findings", "operations", "findings")),
        ({"critical", "operations"}, ("critical", "operations", "operations")),
    ],
)
def test_where_a_topic_is_not_named_the_next_that_wakes_fewer_people_is_used(
    named: set[str], expected: tuple[str, str, str]
) -> None:
    topics = Topics(**{name: name for name in named})
    notices = (
        notice(NoticeKind.VIOLATION, Severity.CRITICAL),
        notice(NoticeKind.OPERATION, Severity.HIGH),
        notice(NoticeKind.DIGEST, Severity.HIGH),
    )
    assert tuple(map(topics.of, notices)) == expected


@pytest.mark.parametrize("topics", ["", Topics()])
def test_no_topic_at_all_is_said_at_once(wire: Wire, topics: str | Topics) -> None:
    with pytest.raises(InputError, match="no SNS topic is named") as missing:
        SnsNotifier(wire.sessions(), topics)
    assert "arn:aws:sns:" in missing.value.hint


def bodies(home: AwsHome) -> list[dict[str, Any]]:
    return [json.loads(each["Message"]) for each in home.delivered()]


def test_three_topics_get_their_own_and_a_digest_arrives_whole(wire: Wire) -> None:
    critical, findings, operations = AwsHome(wire), AwsHome(wire), AwsHome(wire)
    topics = Topics(findings=findings.topic, critical=critical.topic, operations=operations.topic)
    notifier = SnsNotifier(wire.sessions(), topics)
    made = digest(Cadence.DAILY, flood(), NOW)
    assert made
    for each in (
        made,
        notice(NoticeKind.BRAKE, Severity.HIGH),
        notice(NoticeKind.REMEDIATION, Severity.CRITICAL),
        notice(NoticeKind.OPERATION, Severity.MEDIUM),
    ):
        notifier.send(each)
    assert [each["subject"] for each in bodies(critical)] == ["brake high", "remediation critical"]
    assert [each["subject"] for each in bodies(operations)] == ["operation medium"]
    (told,) = bodies(findings)
    assert (told["kind"], told["severity"], told["record"]["findings"]) == ("digest", "medium", 1_000)
    assert told["text"] == made.text
