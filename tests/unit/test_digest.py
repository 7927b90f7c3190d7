"""Digests, byte for byte, and what belongs together in them. After a wanted change: UPDATE_GOLDEN=1 pytest."""

from __future__ import annotations

import json
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.aws.sns import message_of, subject_of
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import NoticeKind
from sg_compliance.policy.cadence import Cadence
from sg_compliance.realtime.digest import digest
from sg_compliance.realtime.root_causes import name_pattern, root_causes
from tests.builders import NOW
from tests.golden.digests import HOSTILE, SSH, Waiting, flood, hostile, kept, small

if TYPE_CHECKING:
    from sg_compliance.model.notice import Notice
    from sg_compliance.model.remembered import Remembered

GOLDEN: Final = Path(__file__).parent.parent / "golden"
DIGESTS: Final = {
    "digest-small": Waiting(Cadence.HOURLY, small(), ("#security", "security@example.com")),
    "digest-hostile": Waiting(Cadence.DAILY, hostile(), (f"#x\n{HOSTILE}",)),
    "digest-1000": Waiting(Cadence.WEEKLY, flood()),
}


def told(waiting: Waiting) -> Notice:
    notice = digest(waiting.cadence, waiting.findings, NOW, waiting.contacts)
    assert notice
    return notice


@pytest.mark.parametrize("name", DIGESTS)
def test_a_digest_reads_as_it_did(name: str) -> None:
    notice = told(DIGESTS[name])
    record = json.dumps(notice.record, indent=2, sort_keys=True)
    for ending, text in (("txt", f"{notice.subject}\n\n{notice.text}\n"), ("json", f"{record}\n")):
        path = GOLDEN / f"{name}.{ending}"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_bytes(text.encode())
        assert text == path.read_bytes().decode()


def grouped(*findings: Remembered) -> list[tuple[int, str]]:
    return [(len(cause.findings), cause.pattern) for cause in root_causes(findings)]


# What belongs together


def test_one_rule_in_groups_of_one_name_is_one_cause_wherever_they_are() -> None:
    found = [kept(each, name=f"Web-{each:02}", account=f"{each:012}", region=f"r-{each}") for each in range(30)]
    assert grouped(*found) == [(30, "web-*")]


def test_what_one_group_violates_in_one_direction_is_one_cause() -> None:
    inbound = kept(1, "A", name="web"), kept(1, "B", Severity.LOW, name="web")
    outbound, whole = kept(1, "C", direction="egress", name="web"), kept(1, "D", direction="", name="web")
    assert sorted(grouped(*inbound, outbound, whole)) == [(1, ""), (1, ""), (2, "")]
    assert grouped(*inbound, *(replace(each, place=kept(2).place) for each in inbound)) == [(4, "web")]


def test_groups_that_violate_other_rules_or_worse_have_another_cause() -> None:
    assert grouped(kept(1, name="w"), kept(2, "B", name="w")) == [(1, ""), (1, "")]
    assert grouped(kept(1, name="w"), kept(2, severity=Severity.LOW, name="w")) == [(1, ""), (1, "")]
    assert grouped(kept(1, name="w"), kept(2, name="w"), kept(2, "B", name="w")) == [(2, ""), (1, "")]


def test_groups_whose_findings_differ_in_how_bad_they_are_have_another_cause() -> None:
    ours = kept(1, "A", name="w"), kept(1, "B", Severity.LOW, name="w")
    theirs = kept(2, "A", name="w"), kept(2, "B", Severity.MEDIUM, name="w")
    assert grouped(*ours, *theirs) == [(2, ""), (2, "")]


def test_groups_of_other_names_have_one_cause_in_one_account_and_others_in_others() -> None:
    ours = [kept(each, name=name) for each, name in enumerate(("shop", "blog", "", "4711"))]
    theirs = [kept(9, name="mail", account="444455556666")]
    assert grouped(*ours, *theirs) == [(4, ""), (1, "")]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("default", "default"),
        ("launch-wizard-17", "launch-wizard-*"),
        ("web-20240115120000000000000001", "web-*"),
        ("webserver01", "webserver*"),
        ("eks-prod-3f9a1c", "eks-prod-*"),
        ("d-9067aa12bc_controllers", "d-*_controllers"),
        ("k8s-shop-checkout-5d2e7f0b9c", "k*s-shop-checkout-*"),
        ("API (v2)", "api (v*)"),
        ("4711", ""),
        ("", ""),
        (" - ", ""),
    ],
)
def test_names_are_alike_but_for_numbers(name: str, pattern: str) -> None:
    assert name_pattern(name) == pattern


# The message


def test_the_worst_comes_first_then_the_largest_then_the_oldest() -> None:
    found = [
        kept(1, "OLD", Severity.LOW, hours=9),
        kept(2, "NEW", Severity.LOW, hours=1),
        *(kept(each, "MANY", Severity.LOW, name="m") for each in (3, 4)),
        kept(5, "WORST", Severity.CRITICAL),
    ]
    causes = told(Waiting(Cadence.DAILY, found)).record["causes"]
    assert [each["rules"][0]["rule_id"] for each in causes] == ["WORST", "MANY", "OLD", "NEW"]


def test_a_notice_is_as_severe_as_the_worst_and_of_the_account_if_there_is_one() -> None:
    notice = told(Waiting(Cadence.HOURLY, [kept(1), kept(2, "B", Severity.CRITICAL)]))
    assert (notice.kind, notice.severity, notice.account_id) == (NoticeKind.DIGEST, Severity.CRITICAL, "111122223333")
    assert told(Waiting(Cadence.HOURLY, [kept(1), kept(2, account="444455556666")])).account_id == ""


def test_nothing_is_told_where_nothing_waits() -> None:
    assert digest(Cadence.DAILY, [], NOW) is None


@pytest.mark.parametrize("name", DIGESTS)
def test_a_subject_is_what_sns_takes(name: str) -> None:
    notice = told(DIGESTS[name])
    assert subject_of(notice) == notice.subject


def test_no_name_forges_a_line_or_a_command() -> None:
    notice = told(DIGESTS["digest-hostile"])
    assert all(char.isprintable() for line in notice.text.splitlines() for char in line)
    starts = [line for line in notice.text.splitlines() if line[:1].isdigit()]
    assert [line.partition(".")[0] for line in starts] == ["1", "2", "3"]
    commands = [line.partition(": ")[2] for line in notice.text.splitlines() if ": sg-compliance " in line]
    assert len(commands) == 7
    for command in commands:
        assert shlex.split(command)[:1] == ["sg-compliance"]
        assert shlex.join(shlex.split(command)) == command
    assert max(map(len, notice.text.splitlines())) < 1_600


def test_a_command_names_rules_whole_and_the_organisation_where_accounts_are_many() -> None:
    rule = "R" * 128
    found = [kept(each, rule, name="web", account=f"{each:012}", region=f"r-{each}") for each in range(3)]
    few, many = found, [*found, kept(9, rule, name="web", account="9" * 12, region="r-9")]
    for findings, scope in (
        (few, " --accounts 000000000000 --accounts 000000000001 --accounts 000000000002"),
        (many, " --org"),
    ):
        text = told(Waiting(Cadence.DAILY, findings)).text
        regions = " --regions r-0 --regions r-1 --regions r-2" if findings is few else ""
        assert f"Mend it: sg-compliance plan --rule {rule}{scope}{regions}\n" in text


def test_a_flood_of_fifty_thousand_is_one_message_that_is_not_cut_off() -> None:
    found = [replace(each, message=f"{HOSTILE} {each.id}", reason='"\\' * 500) for each in flood(50_000)]
    started = time.perf_counter()
    notice = told(Waiting(Cadence.DAILY, found))
    assert time.perf_counter() - started < 20
    message = message_of(notice)
    assert len(message.encode()) < 200_000
    assert "cut" not in json.loads(json.loads(message)["sqs"])
    assert "50,000 findings" in notice.subject
    assert len(notice.record["causes"]) >= 3
    shown = sum(each["findings"] for each in notice.record["causes"])
    assert shown + notice.record["not_shown"]["findings"] == 50_000
    assert SSH in notice.text
