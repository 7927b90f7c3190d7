"""What people read: never broken, never misled by a name."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.explain import explain
from sg_compliance.model.finding import FindingState, Severity
from sg_compliance.model.scan import Skipped, Summary
from sg_compliance.policy.resolve import Policy
from sg_compliance.reports.explanation import explanation_lines
from sg_compliance.reports.text import brief_report, partial_lines, skipped_lines, summary_lines, text_report
from tests.builders import NOW, permission, raw_group, read, tcp
from tests.golden.scene import HOSTILE_NAME, RAW, SKIPPED, scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.text import Text

    from tests.golden.scene import Scene

SCENE: Final = scene()
anything: Final = st.text(st.characters(), max_size=12)


def plain(lines: Iterable[Text]) -> list[str]:
    return [line.plain for line in lines]


def harmless(lines: Iterable[Text]) -> bool:
    return not [char for line in lines for char in line.plain if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl"}]


def hostile(made: Scene, text: str) -> Scene:
    findings = [
        replace(
            finding,
            group=replace(finding.group, name=text, vpc_id=text, group_id=text, region=text),
            reason=text,
            message=text,
            advice=text,
            exemption=finding.exemption and finding.exemption._replace(reason=text, approved_by=text, lapsed=text),
        )
        for finding in made.findings
    ]
    summary = replace(made.summary, skipped=[Skipped(text, text, text, text, text)])
    return made._replace(findings=findings, summary=summary)


@settings(max_examples=60)
@given(text=anything)
def test_no_text_of_a_finding_reaches_the_terminal_as_control_characters(text: str) -> None:
    made = hostile(SCENE, text)
    assert harmless(text_report(*made))
    assert harmless(brief_report(*made))
    assert harmless(partial_lines(made.summary))


@settings(max_examples=60)
@given(text=anything)
def test_no_text_of_a_group_reaches_the_terminal_through_an_explanation(text: str) -> None:
    peers = {"UserIdGroupPairs": [{"GroupId": f"sg-{text}", "UserId": text, "GroupName": text, "Description": text}]}
    raw = raw_group(
        tcp(22, "0.0.0.0/0", description=text),
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **peers},
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": text}]},
        permission(text, text, text, text),
        GroupName=text,
        VpcId=text,
        Tags=[{"Key": "Environment", "Value": text}],
    )
    evaluator = Evaluator(Policy(SCENE.policy.document), NOW)
    assert harmless(explanation_lines(explain(evaluator, read(raw), {})))


def test_a_name_is_no_markup() -> None:
    lines = list(text_report(*SCENE))
    (name,) = [line for line in lines if "calc" in line.plain]
    assert "[bold red]" in name.plain
    assert "[/]" in name.plain
    assert not [span for span in name.spans if "red" in str(span.style)]
    assert "\\x1b[2J\\u202egpj.exe\\x0a" in name.plain
    assert HOSTILE_NAME not in name.plain


def test_each_group_is_a_block_with_the_worst_finding_first() -> None:
    lines = plain(text_report(*SCENE))
    starts = [index for index, line in enumerate(lines) if line.startswith("sg-")]
    assert [lines[index].split()[0] for index in starts] == ["sg-0002", "sg-0003", "sg-0004"]
    labels = [line.split()[0] for line in lines[starts[1] : starts[2]] if line.startswith("  ") and line[2] != " "]
    assert labels == ["critical", "high", "medium", "medium"]


def test_interfaces_are_told_only_where_they_are_known() -> None:
    finding = SCENE.findings[0]

    def first_line(interfaces: tuple[str, ...] | None) -> str:
        shown = replace(finding, group=replace(finding.group, interfaces=interfaces))
        return plain(text_report(SCENE.policy, SCENE.summary, [shown]))[0]

    assert "interface" not in first_line(None)
    assert first_line(()).endswith("  no interfaces attached")
    assert first_line(("eni-1",)).endswith("  1 interface attached")
    assert first_line(("eni-1", "eni-2")).endswith("  2 interfaces attached")


def test_an_exempt_finding_is_labelled_so_and_needs_no_fix() -> None:
    exempt = [each for each in SCENE.findings if each.state is FindingState.EXEMPT]
    lines = plain(text_report(SCENE.policy, SCENE.summary, exempt))
    assert "  exempt    NO_SSH" in lines[1]
    assert lines[2].strip() == "exempt: partners, until they have a VPN (approved by security_team, 16 days left)"
    assert not [line for line in lines if "fix:" in line]
    assert "permanent" in lines[6]


def test_the_brief_report_has_one_line_for_each_group_with_an_open_finding() -> None:
    lines = plain(brief_report(*SCENE))
    assert [line.split()[2] for line in lines[: lines.index("")]] == ["sg-0003", "sg-0004"]
    assert lines[0].endswith("NO_SSH, DATABASE and 2 more")


def summary(**fields: Any) -> Summary:  # noqa: ANN401 - fields of a summary
    return replace(Summary(NOW), **fields)


def test_the_figures_are_said_in_grammar() -> None:
    none = plain(summary_lines(SCENE.policy, summary()))
    judged_by = f"policy policy.json version 1.2 sha256:{SCENE.policy.sha256[:12]}"
    assert none[:3] == [
        "0 open findings",
        "0 groups in 0 accounts read, 0 with open findings",
        f"compliance score none, for there was no group  {judged_by}",
    ]
    one = plain(summary_lines(SCENE.policy, _one_finding()))
    assert one[:2] == ["1 open finding: 1 low; 3 exempt", "1 group in 1 account read, 1 with open findings"]
    assert one[2].startswith("compliance score 99.5 of 100")


def _one_finding() -> Summary:
    made = summary(groups=1, noncompliant_groups=1, accounts={"1"}, exempt=3, score=99.5)
    made.open[Severity.LOW] = 1
    return made


def test_large_numbers_are_grouped() -> None:
    assert (
        "1,234,567 groups in 1 account"
        in plain(summary_lines(SCENE.policy, summary(groups=1234567, accounts={"1"})))[1]
    )


def test_a_partial_result_says_so_last_and_why() -> None:
    def last(*skipped: Skipped, interrupted: bool = False) -> str:
        return plain(summary_lines(SCENE.policy, summary(skipped=list(skipped), interrupted=interrupted)))[-1]

    assert "PARTIAL RESULT: something could not be read" in last(SKIPPED[0])
    assert "PARTIAL RESULT: interrupted" in last(SKIPPED[0], interrupted=True)
    assert "PARTIAL" not in last()
    assert "PARTIAL" not in last(SKIPPED[2])
    assert "not known to be compliant" in last(SKIPPED[0])


def test_what_was_left_out_on_purpose_is_not_called_unread() -> None:
    def said(skipped: Skipped) -> list[str]:
        return plain(skipped_lines(skipped))

    assert said(SKIPPED[2]) == ["left out: account 777: suspended"]
    assert said(SKIPPED[1]) == ["not read 111122223333/eu-west-1: pl-1 cannot be read"]
    assert said(SKIPPED[0])[1] == "  help: allow sts:AssumeRole"
    assert plain(partial_lines(summary(skipped=list(SKIPPED)))) == [
        *said(SKIPPED[0]),
        *said(SKIPPED[1]),
        "PARTIAL RESULT: something could not be read; what is not listed here is not known to be compliant",
    ]


def test_a_finding_that_is_older_than_this_scan_says_since_when() -> None:
    def notes(first: datetime) -> Iterator[str]:
        finding = replace(SCENE.findings[1], first_seen=first, last_seen=NOW)
        return (line.strip() for line in plain(text_report(SCENE.policy, SCENE.summary, [finding])))

    assert "first seen 2025-12-01 00:00 UTC" in notes(datetime(2025, 12, 1, tzinfo=UTC))
    assert not [line for line in notes(NOW) if "first seen" in line]
    assert "first seen 2026-01-15 11:59 UTC" in notes(NOW - timedelta(minutes=1))


def test_the_hostile_group_is_explained_in_plain_lines() -> None:
    evaluator = Evaluator(Policy(SCENE.policy.document), NOW)
    lines = plain(explanation_lines(explain(evaluator, read(RAW[1]), {})))
    assert all(len(line.splitlines()) <= 1 for line in lines)
    assert any("\\u202eback" in line for line in lines)
