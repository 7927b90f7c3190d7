"""Alarms and the dashboard go by figures that are published, under dimensions that they are published under."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from sg_compliance.aws import emf
from sg_compliance.model.metric import NAMESPACE, Metric, MetricName
from tests.terraform.paper import ACCOUNT, REGION, listed, statements

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]

OF_AWS: Final = {
    "AWS/Lambda": ({"Errors", "Throttles"}, "FunctionName", "aws_lambda_function", "function_name"),
    "AWS/SQS": (
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
        "QueueName",
        "aws_sqs_queue",
        "name",
    ),
}
"""Namespace: metrics, the dimension, and whose name it is (CloudWatch metrics, in Lambda's and SQS's guides)."""
SEARCH: Final = re.compile(
    r"SEARCH\('\{([\w/]+),([\w,]+)\} MetricName=\"(\w+)\" environment=\"([\w-]+)\"', '(\w+)', \d+\)"
)


def alarms(applied: Applied) -> dict[str, Json]:
    return {each["alarm_name"]: each for each in applied.of("aws_cloudwatch_metric_alarm").values()}


def is_published(applied: Applied, namespace: str, name: str, dimensions: dict[str, str]) -> bool:
    """Whether somebody publishes the figure under these dimensions."""
    if namespace == NAMESPACE:
        return name in set(MetricName) and dimensions == emf.dimensions(Metric(MetricName(name)), "dev")
    metrics, dimension, kind, key = OF_AWS[namespace]
    names = {each[key] for each in applied.of(kind).values()}
    return name in metrics and dimensions.keys() == {dimension} and dimensions[dimension] in names


def test_alarms_go_by_figures_that_are_published(least: Applied) -> None:
    found = alarms(least)
    assert len(found) > 15
    for name, alarm in found.items():
        assert is_published(least, alarm["namespace"], alarm["metric_name"], alarm["dimensions"]), name


def test_a_figure_that_nobody_publishes_is_seen(least: Applied) -> None:
    here = {"environment": "dev"}
    assert is_published(least, NAMESPACE, "ScanDuration", here)
    assert not is_published(least, NAMESPACE, "ScanDurations", here)
    assert not is_published(least, NAMESPACE, "ScanDuration", {**here, "severity": "critical"})
    assert not is_published(least, "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "other"})


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "operator", "threshold"),
    [
        ("violations", "ComplianceViolations", "Sum", "GreaterThanThreshold", 10),
        ("errors", "LambdaErrors", "Sum", "GreaterThanThreshold", 0),
        ("scan-duration", "ScanDuration", "Maximum", "GreaterThanThreshold", 600),
        ("mass-operations", "MassOperationsDetected", "Sum", "GreaterThanThreshold", 0),
        ("dead-letters", "ApproximateNumberOfMessagesVisible", "Maximum", "GreaterThanThreshold", 0),
        ("undelivered-letters", "ApproximateNumberOfMessagesVisible", "Maximum", "GreaterThanThreshold", 0),
        ("events-wait", "ApproximateAgeOfOldestMessage", "Maximum", "GreaterThanThreshold", 900),
        ("no-scan", "ScanDuration", "SampleCount", "LessThanThreshold", 1),
    ],
)
def test_the_alarms_of_the_design_are_there(  # noqa: PLR0913, PLR0917  the columns of the table
    least: Applied, name: str, metric: str, statistic: str, operator: str, threshold: float
) -> None:
    alarm = alarms(least)[f"sg-compliance-dev-{name}"]
    assert (alarm["metric_name"], alarm["statistic"]) == (metric, statistic)
    assert (alarm["comparison_operator"], alarm["threshold"]) == (operator, threshold)


def test_silence_is_an_alarm_after_two_periods_of_the_schedule(least: Applied) -> None:
    alarm = alarms(least)["sg-compliance-dev-no-scan"]
    assert alarm["period"] * alarm["evaluation_periods"] == 2 * 24 * 3600
    assert alarm["treat_missing_data"] == "breaching"


def test_no_other_alarm_is_raised_by_silence(least: Applied) -> None:
    said = {name: alarm["treat_missing_data"] for name, alarm in alarms(least).items()}
    assert {name for name, missing in said.items() if missing == "breaching"} == {"sg-compliance-dev-no-scan"}
    assert set(said.values()) <= {"breaching", "notBreaching", "ignore", "missing"}


def test_every_alarm_sees_as_far_as_cloudwatch_lets_it(least: Applied) -> None:
    """Seven days, and a day where a period is shorter than an hour (CloudWatch API reference, PutMetricAlarm)."""
    for alarm in alarms(least).values():
        assert alarm["period"] % 60 == 0
        longest = 604_800 if alarm["period"] >= 3600 else 86_400
        assert alarm["period"] * alarm["evaluation_periods"] <= longest


def test_every_alarm_tells_somebody_and_may(least: Applied) -> None:
    topics = {topic["arn"]: name for name, topic in least.of("aws_sns_topic").items()}
    pattern = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:sg-compliance-dev-"
    for name, alarm in alarms(least).items():
        assert name.startswith("sg-compliance-dev-")
        for topic in alarm["alarm_actions"]:
            (allowed,) = statements(json.loads(least.of("aws_sns_topic_policy")[topics[topic]]["policy"]))
            assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
            assert listed(allowed["Condition"]["ArnLike"]["aws:SourceArn"]) == [f"{pattern}*"]
        assert len(alarm["alarm_actions"]) == 1
        assert alarm["alarm_description"]


def test_mail_goes_out_for_every_topic_where_an_address_is_given(least: Applied, everything: Applied) -> None:
    assert least.of("aws_sns_topic_subscription") == {}
    mail = everything.of("aws_sns_topic_subscription")
    assert set(mail) == set(everything.of("aws_sns_topic"))
    assert {(each["protocol"], each["endpoint"]) for each in mail.values()} == {("email", "security-team@example.com")}


# ---- the dashboard ----


def widgets(applied: Applied) -> list[Json]:
    body = json.loads(applied.one("aws_cloudwatch_dashboard")["dashboard_body"])
    found: list[Json] = body["widgets"]
    return found


def drawn(applied: Applied) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of every metric that is drawn by name."""
    lines = [line for each in widgets(applied) if each["type"] == "metric" for line in each["properties"]["metrics"]]
    plain = [[part for part in line if isinstance(part, str)] for line in lines]
    return [
        (line[0], line[1], dict(zip(line[2::2], line[3::2], strict=True))) for line in plain if line and len(line) > 2
    ]


def test_the_dashboard_draws_figures_that_are_published(least: Applied) -> None:
    assert len(drawn(least)) > 20
    for namespace, name, dimensions in drawn(least):
        assert is_published(least, namespace, name, dimensions), name


def test_a_search_is_over_dimensions_that_are_published_together(least: Applied) -> None:
    texts = [json.dumps(each["properties"].get("metrics", ())) for each in widgets(least)]
    (expression,) = [json.loads(text)[0][0]["expression"] for text in texts if "SEARCH" in text]
    search = SEARCH.fullmatch(expression)
    assert search
    namespace, dimensions, name, environment, statistic = search.groups()
    figure = Metric(MetricName(name), dimensions={"severity": "critical", "account": ACCOUNT})
    assert namespace == NAMESPACE
    assert set(dimensions.split(",")) == set(emf.dimensions(figure, environment))
    assert (environment, statistic) == ("dev", "Sum")


def test_every_figure_is_on_the_dashboard(least: Applied) -> None:
    text = least.one("aws_cloudwatch_dashboard")["dashboard_body"]
    assert [name.value for name in MetricName if f'"{name.value}"' not in text.replace("\\", "")] == []


def test_widgets_do_not_lie_on_each_other(least: Applied) -> None:
    taken = set[tuple[int, int]]()
    for each in widgets(least):
        cells = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert not cells & taken
        assert each["x"] + each["width"] <= 24
        taken |= cells


def test_every_alarm_is_on_the_dashboard(least: Applied) -> None:
    (widget,) = [each for each in widgets(least) if each["type"] == "alarm"]
    assert set(widget["properties"]["alarms"]) == {each["arn"] for each in alarms(least).values()}


def test_the_logs_that_are_asked_are_there(least: Applied) -> None:
    (widget,) = [each for each in widgets(least) if each["type"] == "log"]
    groups = set(re.findall(r"SOURCE '([^']+)'", widget["properties"]["query"]))
    assert groups == {each["name"] for each in least.of("aws_cloudwatch_log_group").values()}
