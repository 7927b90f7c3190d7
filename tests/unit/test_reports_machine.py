"""JSON, JSON Lines and CSV: complete, in the documented shape, and harmless."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from dataclasses import replace
from typing import Any, Final

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_compliance.model.finding import FindingState
from sg_compliance.policy.parse import parse_policy
from sg_compliance.reports.machine import COLUMNS, csv_report, json_report, jsonl_report
from sg_compliance.reports.record import finding_record
from tests.builders import EVERYONE, group, icmp, judge, permission, prohibit, tcp
from tests.golden.scene import HOSTILE_NAME, Scene, scene

SCENE: Final = scene()
Schema = dict[str, Any]

PARSED = parse_policy("{}", "policy.json")


def an_object(optional: Schema | None = None, /, **properties: Schema) -> Schema:
    """Exactly these keys, and maybe the optional ones."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": sorted(properties),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


TEXT: Final[Schema] = {"type": "string"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
SEVERITY: Final[Schema] = {"enum": ["critical", "high", "medium", "low", "info"]}
DIRECTION: Final[Schema] = {"enum": ["ingress", "egress", None]}
PORT: Final[Schema] = {"type": ["integer", "string", "null"]}
PORTS: Final[Schema] = {
    "oneOf": [
        an_object(**{"from": NUMBER, "to": NUMBER}),
        an_object({"from_code": NUMBER, "to_code": NUMBER}, from_type=NUMBER, to_type=NUMBER),
    ]
}
PEER_KEYS: Final = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")
RULE: Final[Schema] = {
    **an_object(
        {
            "SecurityGroupRuleId": TEXT,
            "FromPort": PORT,
            "ToPort": PORT,
            "CidrIpv4": TEXT,
            "CidrIpv6": TEXT,
            "PrefixListId": TEXT,
            "ReferencedGroupInfo": an_object({"UserId": TEXT, "GroupName": TEXT}, GroupId=TEXT),
            "Description": TEXT,
        },
        IsEgress=FLAG,
        IpProtocol=TEXT,
    ),
    "oneOf": [{"required": [key]} for key in PEER_KEYS],
}
MALFORMED: Final = an_object(IsEgress=FLAG, IpProtocol=TEXT, FromPort=PORT, ToPort=PORT, peer=TEXT, problem=TEXT)
FINDING: Final = an_object(
    id={"type": "string", "pattern": "^sgf-[0-9a-f]{20}$"},
    account_id=TEXT,
    region=TEXT,
    vpc_id=MAYBE_TEXT,
    group_id=TEXT,
    group_name=TEXT,
    rule_id=TEXT,
    severity=SEVERITY,
    direction=DIRECTION,
    state={"enum": ["open", "exempt"]},
    reason=TEXT,
    message=TEXT,
    certain=FLAG,
    unknown_peers=list_of(TEXT),
    evidence=list_of({"oneOf": [RULE, MALFORMED]}),
    overlap=list_of(
        an_object(
            protocol=TEXT,
            ports=list_of(PORTS),
            cidrs=list_of(TEXT),
            groups=list_of(TEXT),
            public_addresses=NUMBER,
        )
    ),
    change=list_of(an_object(revoke=RULE, keep=list_of(an_object(ports=PORTS, cidr=MAYBE_TEXT)), text=TEXT)),
    advice=TEXT,
    network_interfaces={"type": ["array", "null"], "items": TEXT},
    exemption={
        "oneOf": [
            {"type": "null"},
            an_object(
                path=TEXT,
                reason=TEXT,
                approved_by=TEXT,
                expires=TEXT,
                days_left={"type": ["integer", "null"]},
                applies=FLAG,
                lapsed=MAYBE_TEXT,
            ),
        ]
    },
    references=list_of(TEXT),
    first_seen=MAYBE_TEXT,
    last_seen=MAYBE_TEXT,
    policy_version=MAYBE_TEXT,
    policy_hash=TEXT,
)
SKIPPED: Final = an_object(
    account_id=MAYBE_TEXT, region=MAYBE_TEXT, what=TEXT, reason=TEXT, next_step=MAYBE_TEXT, on_purpose=FLAG
)
POLICY: Final = an_object(version=MAYBE_TEXT, hash={"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, source=TEXT)
SUMMARY: Final = an_object(
    complete=FLAG,
    interrupted=FLAG,
    accounts=NUMBER,
    shards=NUMBER,
    groups=NUMBER,
    noncompliant_groups=NUMBER,
    open=NUMBER,
    exempt=NUMBER,
    by_severity=an_object(critical=NUMBER, high=NUMBER, medium=NUMBER, low=NUMBER, info=NUMBER),
    score={"type": ["number", "null"], "minimum": 0, "maximum": 100},
)
REPORT: Final = an_object(
    schema_version={"const": "1.0"},
    policy=POLICY,
    summary=SUMMARY,
    findings=list_of(FINDING),
    skipped=list_of(SKIPPED),
)


def report(made: Scene) -> Any:  # noqa: ANN401 - JSON
    return json.loads("".join(json_report(*made)))


def rows(made: Scene) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_report(*made)), newline="")))


def test_json_has_the_documented_shape() -> None:
    jsonschema.validate(report(SCENE), REPORT)


def test_json_without_findings_has_the_documented_shape_too() -> None:
    jsonschema.validate(report(SCENE._replace(findings=[])), REPORT)


def test_the_figures_of_the_summary_are_those_of_the_findings() -> None:
    found = report(SCENE)
    states = [finding["state"] for finding in found["findings"]]
    assert found["summary"]["open"] == states.count("open") == sum(found["summary"]["by_severity"].values())
    assert found["summary"]["exempt"] == states.count("exempt") == 2
    assert found["summary"]["complete"] is False
    assert [each["on_purpose"] for each in found["skipped"]] == [True, False, False]


def test_json_is_all_ascii_and_keeps_every_text_as_it_is() -> None:
    text = "".join(json_report(*SCENE))
    assert text.isascii()
    assert "\x1b" not in text
    assert HOSTILE_NAME in {finding["group_name"] for finding in json.loads(text)["findings"]}


def test_evidence_is_as_aws_returned_it() -> None:
    database = next(finding for finding in report(SCENE)["findings"] if finding["rule_id"] == "DATABASE")
    common = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 5432, "ToPort": "5433"}
    assert database["evidence"] == [
        {**common, "CidrIpv4": "203.0.113.0/24"},
        {**common, "ReferencedGroupInfo": {"GroupId": "sg-9", "UserId": "111122223333"}},
    ]
    assert database["unknown_peers"] == ["pl-1"]


def test_what_cannot_be_ruled_out_is_not_certain() -> None:
    (finding,) = judge(prohibit(22), group(tcp(22, "pl-1")), {"pl-1": None})
    record = finding_record(finding, PARSED)
    assert (record["certain"], record["unknown_peers"]) == (False, ["pl-1"])
    assert all(each["certain"] for each in report(SCENE)["findings"])


def test_icmp_types_are_no_ports() -> None:
    whole, one, all_types = (
        finding_record(judge(prohibit(None, EVERYONE, protocol="icmp", port_match="overlap"), group(each))[0], PARSED)
        for each in (icmp(8, -1, EVERYONE), icmp(3, 4, EVERYONE), permission("icmp", -1, -1, EVERYONE))
    )
    assert whole["overlap"][0]["ports"] == [{"from_type": 8, "to_type": 8}]
    assert one["overlap"][0]["ports"] == [{"from_type": 3, "to_type": 3, "from_code": 4, "to_code": 4}]
    assert all_types["overlap"][0]["ports"] == [{"from_type": 0, "to_type": 255}]


def test_json_lines_are_findings_then_skips_then_one_summary() -> None:
    lines = "".join(jsonl_report(*SCENE)).splitlines()
    records = [json.loads(line) for line in lines]
    kinds = [record.pop("kind") for record in records]
    assert kinds == ["finding"] * len(SCENE.findings) + ["skipped"] * 3 + ["summary"]
    assert {record.pop("schema_version") for record in records} == {"1.0"}
    whole = report(SCENE)
    assert records[: len(SCENE.findings)] == whole["findings"]
    assert records[-4:-1] == whole["skipped"]
    assert records[-1] == {"policy": whole["policy"], **whole["summary"]}


def test_reports_are_the_same_every_time() -> None:
    again = scene()
    for write in (json_report, jsonl_report, csv_report):
        assert "".join(write(*again)) == "".join(write(*SCENE))


def test_csv_is_read_back_row_by_row() -> None:
    found = rows(SCENE)
    assert [row["id"] for row in found] == [finding.id for finding in SCENE.findings]
    assert all(tuple(row) == COLUMNS and None not in row.values() for row in found)
    ssh = next(row for row in found if row["group_id"] == "sg-0002")
    assert (ssh["rule_ids"], ssh["network_interfaces"]) == ("sgr-1; sgr-2", "eni-1")
    assert ssh["references"] == "CIS AWS 5.2; EC2.13"
    assert int(ssh["public_addresses"]) > 3_000_000_000
    assert next(row for row in found if row["group_id"] == "sg-0003")["vpc_id"] == ""


def test_csv_shows_hostile_text_and_never_runs_it() -> None:
    found = rows(SCENE)
    name = next(row for row in found if row["group_id"] == "sg-0002")["group_name"]
    assert name == "[bold red]=cmd|'/c calc'!A1\\x1b[2J\\u202egpj.exe\\x0a[/]\\ud800"
    assert {row["reason"] for row in found if row["rule_id"] == "DATABASE"} == {"'=Data, inside only"}


@settings(max_examples=80)
@given(name=st.text(st.characters(), max_size=20), reason=st.text(st.characters(), max_size=20))
def test_no_text_breaks_out_of_its_cell(name: str, reason: str) -> None:
    finding = SCENE.findings[0]
    hostile = replace(finding, group=replace(finding.group, name=name), reason=reason)
    text = "".join(csv_report(SCENE.policy, SCENE.summary, [hostile]))
    assert len(text.splitlines()) == 2
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert tuple(row) == COLUMNS
    for value in row.values():
        assert not value.lstrip().startswith(("=", "+", "-", "@"))
        assert not [char for char in value if unicodedata.category(char)[0] == "C"]


@pytest.mark.parametrize("report_of", [json_report, jsonl_report, csv_report])
def test_findings_are_written_as_they_come(report_of: Any) -> None:  # noqa: ANN401 - three writers
    def endless() -> Any:  # noqa: ANN401 - a generator
        while True:
            yield SCENE.findings[0]

    chunks = report_of(SCENE.policy, SCENE.summary, endless())
    assert any(SCENE.findings[0].id in next(chunks) for _ in range(5))


def test_an_exempt_finding_says_by_whom_and_how_long() -> None:
    exempt = next(each for each in SCENE.findings if each.state is FindingState.EXEMPT)
    record = finding_record(exempt, PARSED)["exemption"]
    assert (record["approved_by"], record["days_left"], record["applies"]) == ("security_team", 16, True)


def test_a_wide_change_names_what_may_stay() -> None:
    (finding,) = judge(prohibit(22), group(tcp("20-25", EVERYONE)))
    (change,) = finding_record(finding, PARSED)["change"]
    assert [rest["ports"] for rest in change["keep"]] == [{"from": 20, "to": 21}, {"from": 23, "to": 25}]
