"""However many findings of whatever text: one message that SNS takes whole, and every finding counted once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.aws.sns import message_of, subject_of
from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import Place
from sg_compliance.model.visible import visible
from sg_compliance.policy.cadence import Cadence
from sg_compliance.realtime.digest import digest
from sg_compliance.realtime.root_causes import root_causes
from tests.builders import NOW
from tests.golden.digests import kept

if TYPE_CHECKING:
    from random import Random

    from sg_compliance.model.remembered import Remembered

LONG = st.sampled_from(["x" * 1_000, '"\\' * 500, "\U0001f600" * 1_000, "\u2028" * 1_000, "\x00\n" * 500, "$(id)"])
TEXTS = st.text(max_size=12) | LONG
NAMES = st.sampled_from(["", "web-1", "web-2", "web-3", "default", "4711", "\x1b[2J"]) | TEXTS.map(
    lambda text: text[:255]
)


@st.composite
def remembered(draw: st.DrawFn) -> Remembered:
    found = kept(
        draw(st.integers(0, 30)),
        draw(st.sampled_from(["A", "B", "C" * 128]) | TEXTS.map(lambda text: text[:255])),
        draw(st.sampled_from(list(Severity))),
        direction=draw(st.sampled_from(["ingress", "egress", ""])),
        message=draw(TEXTS),
        reason=draw(TEXTS),
        hours=draw(st.integers(0, 2_000)),
    )
    account, region = (
        draw(st.sampled_from(["1" * 12, "2" * 12, "\n" * 64])),
        draw(st.sampled_from(["r-1", "\U0001f600" * 64])),
    )
    return replace(found, place=Place(account, region, found.place.group_id), group_name=draw(NAMES))


def _named(findings: list[Remembered]) -> list[Remembered]:
    """A group has one name, and a finding one id."""
    names: dict[Place, str] = {}
    once = {}
    for each in findings:
        named = replace(each, group_name=names.setdefault(each.place, each.group_name))
        identity = repr((each.place, each.rule_id, each.direction))
        once[identity] = replace(named, id=identity)
    return list(once.values())


floods = st.lists(remembered(), min_size=1, max_size=60).map(_named)


@settings(max_examples=60)
@given(floods, st.sampled_from(list(Cadence)), st.lists(TEXTS, max_size=12), st.randoms(use_true_random=False))
def test_every_finding_is_counted_once_in_a_message_of_bounded_size(
    findings: list[Remembered], cadence: Cadence, contacts: list[str], random: Random
) -> None:
    notice = digest(cadence, findings, NOW, contacts)
    assert notice
    message = message_of(notice)
    assert len(message.encode()) < 200_000
    assert "cut" not in json.loads(json.loads(message)["sqs"])
    assert subject_of(notice) == notice.subject
    record = notice.record
    assert record["findings"] == len(findings)
    assert sum(each["findings"] for each in record["causes"]) + record["not_shown"]["findings"] == len(findings)
    assert len(record["causes"]) + record["not_shown"]["causes"] == record["causes_in_all"]
    assert record["causes"]
    counts = Counter(each.severity.value for each in findings)
    assert record["severities"] == counts
    assert [visible(line) for line in notice.text.splitlines()] == notice.text.split("\n")
    shuffled = findings[:]
    random.shuffle(shuffled)
    assert digest(cadence, shuffled, NOW, contacts) == notice


@given(floods)
def test_every_finding_is_of_one_cause_with_its_like(findings: list[Remembered]) -> None:
    causes = root_causes(findings)
    assert Counter(each.id for cause in causes for each in cause.findings) == Counter(each.id for each in findings)
    for cause in causes:
        assert len({each.direction for each in cause.findings}) == 1
        violated = {
            frozenset((each.rule_id, each.severity) for each in cause.findings if each.place == place)
            for place in cause.groups
        }
        assert len(violated) == 1
        assert cause.pattern or len({each.place.account_id for each in cause.findings}) == 1
        assert cause.first <= cause.newest <= NOW + timedelta()
    severities = [cause.severity.rank for cause in causes]
    assert severities == sorted(severities, reverse=True)
