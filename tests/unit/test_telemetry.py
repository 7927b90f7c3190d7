"""Lines of the log and figures, as CloudWatch reads them."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws import emf
from sg_compliance.aws.emf import EmfMetrics
from sg_compliance.entrypoints import telemetry
from sg_compliance.entrypoints.telemetry import Levels, logger
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Text
from sg_compliance.model.metric import Metric, MetricName
from tests.builders import EVERYONE, NOW, group, judge, prohibit, tcp

EMF = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"const": "SecurityGroup/Compliance"},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 1,
                                "items": {"type": "object", "required": ["Name", "Unit"]},
                            },
                        },
                    },
                },
            },
        }
    },
}
"""CloudWatch user guide, embedded metric format, its schema; and one figure a line."""

HOSTILE = '\n{"level": "ERROR", "message": "forged"}\r\u2028\u202e\x1b[2J\ud800'


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(emf, "sys", SimpleNamespace(stdout=stream))
    monkeypatch.setattr(logger.logger_handler, "stream", stream)
    logger.setLevel("INFO")
    return stream


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    text = log.getvalue()
    assert text.isascii()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def published(metric: Metric, environment: str = "test") -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr(emf, "sys", SimpleNamespace(stdout=stream))
        EmfMetrics(environment).put(metric)
    (line,) = lines(stream)
    jsonschema.validate(line, EMF)
    return line


def test_a_figure_is_one_line_that_counts_for_the_deployment_and_for_its_own_dimensions() -> None:
    line = published(Metric(MetricName.COMPLIANCE_VIOLATIONS, 3, {"severity": "high", "account": "111122223333"}))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["environment"], ["environment", "severity", "account"]]
    assert directive["Metrics"] == [{"Name": "ComplianceViolations", "Unit": "Count"}]
    assert line["ComplianceViolations"] == [3.0]
    assert (line["environment"], line["severity"], line["account"]) == ("test", "high", "111122223333")


@pytest.mark.parametrize("name", list(MetricName))
def test_every_figure_has_its_unit(name: MetricName) -> None:
    (directive,) = published(Metric(name))["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": name.value, "Unit": name.unit.value}]


def test_figures_of_one_process_do_not_mix(log: io.StringIO) -> None:
    metrics = EmfMetrics("test")
    metrics.put(Metric(MetricName.LAMBDA_ERRORS, 1, {"function": "scan"}))
    metrics.put(Metric(MetricName.LAMBDA_ERRORS))
    first, second = lines(log)
    assert first["function"] == "scan"
    assert "function" not in second
    assert second["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["environment"]]


def test_the_environment_of_powertools_adds_no_dimension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "another")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Another")
    line = published(Metric(MetricName.GROUPS_SCANNED))
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["environment"]]


def test_a_figure_that_is_no_number_is_left_out(log: io.StringIO) -> None:
    for value in (math.nan, math.inf, -math.inf):
        EmfMetrics("test").put(Metric(MetricName.SCAN_DURATION, value))
    assert lines(log) == []


def test_a_figure_never_fails_where_nobody_can_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(emf, "sys", SimpleNamespace(stdout=stream))
    EmfMetrics("test").put(Metric(MetricName.SCAN_DURATION))


def test_a_deployment_cannot_be_passed_off_as_another() -> None:
    line = published(Metric(MetricName.LAMBDA_ERRORS, 1, {"environment": "another"}))
    assert line["environment"] == "test"


@given(
    st.dictionaries(st.text(min_size=1, max_size=300), st.text(max_size=1_500)),
    st.text(),
    st.floats(),
)
def test_any_dimensions_make_a_line_that_cloudwatch_takes(
    given_dimensions: dict[str, str], environment: str, value: float
) -> None:
    if not math.isfinite(value):
        return
    line = published(Metric(MetricName.OWN_CHANGES, value, given_dimensions), environment)
    ((first, *others),) = (each["Dimensions"] for each in line["_aws"]["CloudWatchMetrics"])
    assert first == ["environment"]
    assert len(others) <= 1
    for name in {*first, *(name for names in others for name in names)}:
        said = line[name]
        assert isinstance(said, str)
        assert 0 < len(said.strip()) <= len(said) <= 250
        assert (name + said).isascii()
        assert (name + said).isprintable()
        assert not name.startswith(":")


@pytest.mark.parametrize("name", ["_aws", "OwnChanges", " OwnChanges"])
def test_a_dimension_cannot_take_the_place_of_the_figure(name: str) -> None:
    line = published(Metric(MetricName.OWN_CHANGES, 2, {name: "x", "account": "y"}))
    assert line["OwnChanges"] == [2.0]
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][1] == ["environment", "account"]


def test_a_long_dimension_is_cut() -> None:
    line = published(Metric(MetricName.OWN_CHANGES, 1, {"account": "x" * 2_000}))
    assert line["account"] == "x" * 250


def test_an_open_finding_is_one_line_that_filters_find(log: io.StringIO) -> None:
    (finding,) = judge(prohibit(22), group(tcp(22, EVERYONE)))
    telemetry.violation(replace(finding, first_seen=NOW))
    (line,) = lines(log)
    assert line["message"] == "COMPLIANCE_VIOLATION"
    assert line["level"] == "WARNING"
    assert line["service"] == "sg-compliance"
    assert (line["account_id"], line["region"], line["group_id"]) == finding.group.place
    assert (line["rule_id"], line["severity"], line["direction"]) == ("RULE", finding.severity, "ingress")
    assert line["first_seen"] == NOW.isoformat()


def test_hostile_text_stays_inside_its_line(log: io.StringIO) -> None:
    (finding,) = judge(prohibit(22), group(tcp(22, EVERYONE), GroupName=HOSTILE))
    telemetry.violation(finding)
    written = HOSTILE.replace("\ud800", "")  # pytest-xdist cannot pass on a log with half a character
    telemetry.failure(AwsError(written, hint=HOSTILE), "scan failed")
    first, second = lines(log)
    assert first["group_name"] == HOSTILE
    assert second["message"] == f"scan failed: {written}"


def test_long_text_is_cut(log: io.StringIO) -> None:
    logger.info("said", extra={"reason": "x" * 500_000, "list": [{"deep": "y" * 500_000}]})
    (line,) = lines(log)
    assert len(log.getvalue()) < 20_000
    assert line["reason"].endswith("…")


class Parameter:
    """The parameter of the level."""

    name = "parameter /level"

    def __init__(self, *said: str | AwsError) -> None:
        self.said = list(said)
        self.reads = 0

    def read(self) -> Text:
        self.reads += 1
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, AwsError):
            raise said
        return Text(said, "1")


def test_the_level_is_what_people_say_and_is_looked_at_once_a_minute(log: io.StringIO) -> None:
    levels, parameter = Levels(), Parameter("debug\n", "ERROR")
    levels.follow(parameter, NOW)
    logger.debug("seen")
    levels.follow(parameter, NOW + timedelta(seconds=59))
    logger.info("seen too")
    levels.follow(parameter, NOW + timedelta(seconds=60))
    logger.info("not seen")
    assert [line["message"] for line in lines(log)] == ["seen", "seen too"]
    assert parameter.reads == 2


@pytest.mark.parametrize("said", ["LOUD", "", "10", "NOTSET", AwsError("ssm:GetParameter: no"), "x\ny\u2028"])
def test_another_word_keeps_the_level_and_is_told_once(said: str | AwsError, log: io.StringIO) -> None:
    levels, parameter = Levels(), Parameter(said)
    for minute in range(3):
        levels.follow(parameter, NOW + timedelta(minutes=minute))
    logger.debug("not seen")
    (line,) = lines(log)
    assert "the level of the log stays as it is" in line["message"]
    assert logger.log_level == 20


def test_without_a_parameter_nobody_is_asked(log: io.StringIO) -> None:
    Levels().follow(None, NOW)
    assert lines(log) == []
