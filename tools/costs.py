"""What a deployment costs in a month, from what is deployed, the calls that are made, and AWS's list prices.

`python tools/costs.py --accounts 10 --regions 4 --groups 200 --events-per-day 500` prints the table that stands in
docs/costs.md; `--resources` and `--prices` print the other two. Tests hold what is deployed to terraform/ and the calls
to docs/benchmarks.md and the adapters. What is assumed is a constant that says so.

Not in it: taxes, data transfer (nothing leaves the region but calls to AWS), support, CloudTrail and what it keeps, and
people who look at logs and dashboards.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOURS: Final = 730.0
"""Of a month, as AWS counts it."""
DAYS: Final = HOURS / 24
MILLION: Final = 1_000_000


class Price(NamedTuple):
    """US dollars for one `unit`; of `free` units a month AWS asks nothing, in every account and for good."""

    service: str
    unit: str
    dollars: float
    free: float = 0.0


PRICES_OF: Final = "us-east-1, without taxes, as published in 2025"
PRICES: Final[Mapping[str, Price]] = {
    "key": Price("KMS", "key", 1.0),
    "key-request": Price("KMS", "10,000 requests", 0.03, 2),
    "alarm": Price("CloudWatch", "alarm", 0.10, 10),
    "dashboard": Price("CloudWatch", "dashboard", 3.0, 3),
    "metric": Price("CloudWatch", "figure, for all hours of a month", 0.30, 10),
    "log": Price("CloudWatch Logs", "GB written", 0.50, 5),
    "kept-log": Price("CloudWatch Logs", "GB kept", 0.03, 5),
    "invocation": Price("Lambda", "million invocations", 0.20, 1),
    "gb-second": Price("Lambda", "million GB-seconds, arm64", 13.3334, 0.4),
    "write": Price("DynamoDB", "million write units", 0.625),
    "read": Price("DynamoDB", "million read units", 0.125),
    "table": Price("DynamoDB", "GB kept", 0.25, 25),
    "recovery": Price("DynamoDB", "GB of point-in-time recovery", 0.20),
    "put": Price("S3", "1,000 writes", 0.005),
    "get": Price("S3", "1,000 reads", 0.0004),
    "object": Price("S3", "GB kept", 0.023),
    "queue": Price("SQS", "million requests", 0.40, 1),
    "message": Price("SNS", "million messages", 0.50, 1),
    "mail": Price("SNS", "100,000 mails", 2.0, 0.01),
    "event": Price("EventBridge", "million events to the central bus", 1.0),
}

PLANNED: Final[Mapping[str, int]] = {
    "aws_kms_key": 1,
    "aws_cloudwatch_metric_alarm": 19,
    "aws_cloudwatch_dashboard": 1,
    "aws_cloudwatch_log_group": 4,
    "aws_lambda_function": 4,
    "aws_lambda_event_source_mapping": 2,
    "aws_dynamodb_table": 1,
    "aws_s3_bucket": 1,
    "aws_sqs_queue": 4,
    "aws_sns_topic": 3,
    "aws_ssm_parameter": 2,
    "aws_cloudwatch_event_rule": 7,
    "aws_cloudwatch_event_bus": 1,
}
"""What terraform/ makes by default of all that AWS can ask money for, by Terraform's types."""

STANDING: Final[Mapping[str, str]] = {
    "aws_kms_key": "key",
    "aws_cloudwatch_metric_alarm": "alarm",
    "aws_cloudwatch_dashboard": "dashboard",
}
"""What costs by being there. All else costs by use."""

CALLS: Final[Mapping[str, Mapping[str, int]]] = {
    "a call that AWS refused": {"DynamoDB": 5},
    "a description": {"EC2": 3, "DynamoDB": 6},
    "a compliant rule": {"EC2": 3, "DynamoDB": 6},
    "SSH opened, dry run": {"EC2": 3, "DynamoDB": 13, "SNS": 1},
    "SSH opened, closed": {"EC2": 12, "DynamoDB": 22, "S3": 3, "SSM": 1, "SNS": 1},
}
"""Calls to AWS for one event: docs/benchmarks.md."""

MIX: Final[Mapping[str, float]] = {
    "a call that AWS refused": 0.1,
    "a description": 0.1,
    "a compliant rule": 0.7,
    "SSH opened": 0.1,
}
"""Assumed: the events of benchmarks/loopback_aws.py. A rule that is revoked is counted as one that complies."""

PAGE: Final = 1_000
"""Groups, or interfaces, in one call."""
SHARES: Final = 16
"""Queries for the findings of one severity that wait."""
TOGETHER: Final = 33
"""Findings that are read, and written, in one call each."""
SEVERITIES: Final = 5
AT_ONCE: Final = 1
"""Severities that are told at once; as many are told by the hour, two by the day and one by the week."""
UNITS_OF_A_FINDING: Final = 4
"""Write units of a finding that waits, at every scan: aws/history.py."""
UNITS_OF_A_CALL: Final = 2
"""Assumed, of an event: each call writes 1 KB in a transaction. Reads are cheaper."""
FIGURES_OF_A_SCAN: Final = 7
FIGURES_OF_AN_EVENT: Final = 2
"""Figures under `environment` alone: workflows/patrol.py, and RealTimeScanDuration and DetectionLatency."""
SEVERITIES_MET: Final = 4
"""Assumed: `ComplianceViolations` by account has so many severities."""

EVENT_CPU: Final = 0.019
GROUP_CPU: Final = 0.000557
START_CPU: Final = 0.8
"""Seconds of a whole processor: docs/benchmarks.md."""
SHARD_CPU: Final = 0.008
"""The same: docs/scale.md."""
CALL_CPU: Final = 0.002
CALL_WAIT: Final = 0.010
"""Assumed, in seconds: of a call to DynamoDB."""
WHOLE_PROCESSOR: Final = 1769
"""MB (Lambda developer guide, memory)."""
TIME_OF_A_SCAN: Final = 810
"""Seconds: 900, but for the last 90."""
POLLS: Final = 5 * 3 * 60 * HOURS
"""A queue that Lambda watches: five pollers that each wait 20 seconds (Lambda developer guide, SQS), all month."""
SPANS: Final = HOURS * 12
"""Assumed: SQS, SNS, DynamoDB and the logs ask for the key once in five minutes in which they are used."""
LINE: Final = 1_000
"""Assumed, in bytes: a line about a finding, or what an invocation says of itself."""
LINES_OF_AN_EVENT: Final = 2
PACKED: Final = 0.15
"""Of a byte of log that is kept (CloudWatch pricing)."""
FINDING_KEPT: Final = 2_000
"""Assumed, in bytes: in the table, with what says that it waits."""
REPORTED: Final = 200
"""Assumed, in bytes: of a finding in a report."""
GB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Volume:
    """How much there is. None: as it is worked out. `events` and `closed` are a day's, `groups` an account's.

    `finding_share` of the groups have a finding, two each.
    """

    accounts: int = 1
    regions: int = 1
    groups: int = 200
    events: float = 0.0
    closed: float = 0.0
    scans: float = 1.0
    finding_share: float = 0.05
    memory: int = 512
    alarms: int = PLANNED["aws_cloudwatch_metric_alarm"]
    kept_days: int = 400
    log_days: int = 90
    log_gb: float | None = None
    stored_gb: float | None = None
    messages: float | None = None

    @property
    def all_groups(self) -> int:
        """Of all accounts."""
        return self.accounts * self.groups

    @property
    def findings(self) -> float:
        """That are open at a scan."""
        return 2 * self.finding_share * self.all_groups


class Line(NamedTuple):
    """So much of something in a month."""

    price: Price
    quantity: float

    @property
    def full(self) -> float:
        """Without the free tier."""
        return self.quantity * self.price.dollars

    @property
    def left(self) -> float:
        """With all of the free tier, which is the account's and may be used up by others."""
        return max(self.quantity - self.price.free, 0.0) * self.price.dollars


class ScanCalls(NamedTuple):
    """Calls of one scan of everything. `gone`: one a group, for what it no longer has."""

    assume_role: int
    describe_regions: int
    security_groups: int
    interfaces: int
    gone: int
    seen: int
    waiting: int

    @property
    def dynamodb(self) -> int:
        """Of them to DynamoDB, one after the other."""
        return self.gone + self.seen + self.waiting


def scan_calls(volume: Volume) -> ScanCalls:
    """What a scan asks. Two interfaces for each group; groups are spread evenly."""
    shards = volume.accounts * volume.regions
    pages = shards * math.ceil(volume.groups / volume.regions / PAGE)
    with_findings = min(pages, math.ceil(volume.findings))
    return ScanCalls(
        assume_role=volume.accounts,
        describe_regions=volume.accounts,
        security_groups=pages,
        interfaces=shards * math.ceil(2 * volume.groups / volume.regions / PAGE),
        gone=volume.all_groups,
        seen=2 * max(with_findings, math.ceil(volume.findings / TOGETHER)),
        waiting=SHARES * (SEVERITIES + AT_ONCE),
    )


def scan_seconds(volume: Volume) -> float:
    """How long a scan takes. One thread computes; AWS's answers to it are read meanwhile, DynamoDB's are waited for."""
    calls = scan_calls(volume)
    shards = volume.accounts * volume.regions
    cpu = START_CPU + shards * SHARD_CPU + volume.all_groups * GROUP_CPU + calls.dynamodb * CALL_CPU
    return cpu / _processor(volume) + calls.dynamodb * CALL_WAIT


def calls_of_events(volume: Volume) -> dict[str, float]:
    """Calls of a month's events, by service. Those that are closed are among those that open SSH, or beside them."""
    opening = max(volume.events * MIX["SSH opened"] - volume.closed, 0)
    counts = {
        **{kind: volume.events * share for kind, share in MIX.items() if kind in CALLS},
        "SSH opened, dry run": opening,
        "SSH opened, closed": volume.closed,
    }
    found: dict[str, float] = {}
    for kind, count in counts.items():
        for service, calls in CALLS[kind].items():
            found[service] = found.get(service, 0) + calls * count * DAYS
    return found


def costs(volume: Volume) -> list[Line]:
    """All lines, in the order of PRICES."""
    quantities = {**_standing(volume), **_used(volume)}
    return [Line(price, quantities[name]) for name, price in PRICES.items()]


def _standing(volume: Volume) -> dict[str, float]:
    planned = {**PLANNED, "aws_cloudwatch_metric_alarm": volume.alarms}
    return {price: float(planned[kind]) for kind, price in STANDING.items()}


def _used(volume: Volume) -> dict[str, float]:
    scan, of_events = scan_calls(volume), calls_of_events(volume)
    scans, events, closed = volume.scans * DAYS, volume.events * DAYS, volume.closed * DAYS
    opening = max(events * MIX["SSH opened"], closed)
    digests = HOURS + DAYS + DAYS / 7
    starts = min(HOURS, events) + digests + scans
    invocations = events + digests + scans
    seconds = scans * min(scan_seconds(volume), 900)
    seconds += (digests + min(HOURS, events)) * START_CPU / _processor(volume)
    seconds += events * (EVENT_CPU / _processor(volume) + CALL_WAIT * 9)
    waiting = HOURS * SHARES * 2 * AT_ONCE + DAYS * SHARES * 2 + DAYS / 7 * SHARES
    messages = scans + DAYS + DAYS / 7 + opening if volume.messages is None else volume.messages
    written = scans * volume.findings + events * LINES_OF_AN_EVENT + opening * 4 + invocations
    log_gb = written * LINE / GB if volume.log_gb is None else volume.log_gb
    reports = scans * volume.findings * REPORTED / GB * volume.kept_days / DAYS
    table_gb = volume.findings * FINDING_KEPT / GB
    return {
        "key-request": (4 * min(SPANS, invocations) + min(HOURS * 60, invocations) + starts) / 10_000,
        "metric": _figure_hours(volume, opening) / HOURS,
        "log": log_gb,
        "kept-log": log_gb * PACKED * volume.log_days / DAYS,
        "invocation": invocations / MILLION,
        "gb-second": seconds * volume.memory / 1024 / MILLION,
        "write": (scans * volume.findings * UNITS_OF_A_FINDING + of_events.get("DynamoDB", 0) * UNITS_OF_A_CALL)
        / MILLION,
        "read": (scans * (scan.gone + scan.waiting + volume.findings) + waiting + HOURS) / MILLION,
        "table": table_gb,
        "recovery": table_gb,
        "put": (scans + of_events.get("S3", 0)) / 1_000,
        "get": (starts + min(SPANS, events)) / 1_000,
        "object": reports if volume.stored_gb is None else volume.stored_gb,
        "queue": (2 * POLLS + 3 * events if events else 0) / MILLION,
        "message": messages / MILLION,
        "mail": messages / 100_000,
        "event": events / MILLION,
    }


def _figure_hours(volume: Volume, opening: float) -> float:
    """A figure costs for each hour in which it is published, under each of its dimensions."""
    scans, events = volume.scans * DAYS, volume.events * DAYS
    of_scans = FIGURES_OF_A_SCAN + volume.accounts * min(SEVERITIES_MET, math.ceil(volume.findings / volume.accounts))
    of_events = FIGURES_OF_AN_EVENT * min(HOURS, events)
    of_openings = min(HOURS, opening) + min(HOURS * volume.accounts, opening)
    return of_scans * min(HOURS, scans) + of_events + of_openings


def _processor(volume: Volume) -> float:
    return min(volume.memory / WHOLE_PROCESSOR, 1.0)


# ---- what is printed ----


def table(volume: Volume) -> Iterator[str]:
    """The costs of a month as a table of Markdown, in dollars."""
    lines = costs(volume)
    yield "| service | what | quantity | without free tier, $ | with it, $ |"
    yield "|---|---|---|---|---|"
    for each in lines:
        price = each.price
        yield f"| {price.service} | {price.unit} | {_short(each.quantity)} | {each.full:.2f} | {each.left:.2f} |"
    yield f"| **all** | | | **{sum(each.full for each in lines):.2f}** | **{sum(each.left for each in lines):.2f}** |"
    seconds = scan_seconds(volume)
    yield ""
    yield f"A scan: {_short(scan_calls(volume).dynamodb)} calls to DynamoDB, about {seconds:.0f} s{_warning(seconds)}."


def _warning(seconds: float) -> str:
    return ": more than a function has" if seconds > TIME_OF_A_SCAN else ""


def resources() -> Iterator[str]:
    """What terraform/ makes, and what it costs by being there."""
    yield "| resource | made | each, $ a month |"
    yield "|---|---|---|"
    for kind, count in PLANNED.items():
        cost = f"{PRICES[STANDING[kind]].dollars:.2f}" if kind in STANDING else "by use"
        yield f"| `{kind}` | {count} | {cost} |"


def prices() -> Iterator[str]:
    """The list prices."""
    yield "| service | unit | $ | free a month |"
    yield "|---|---|---|---|"
    for each in PRICES.values():
        yield f"| {each.service} | {each.unit} | {each.dollars:g} | {f'{each.free:g}' if each.free else ''} |"


def _short(number: float) -> str:
    """Four figures at most; nothing that is there is shown as nothing."""
    if number >= 1_000:
        return f"{number:,.0f}"
    shown = f"{number:.3f}".rstrip("0").rstrip(".")
    return shown if shown != "0" or not number else "< 0.001"


def printed(arguments: Sequence[str]) -> str:
    """What the program prints."""
    given = _parser().parse_args(arguments)
    if given.resources or given.prices:
        return "\n".join(resources() if given.resources else prices())
    fields = {name: value for name, value in vars(given).items() if name not in {"resources", "prices"}}
    return "\n".join(table(Volume(**fields)))


def _parser() -> argparse.ArgumentParser:
    usual = Volume()
    parser = argparse.ArgumentParser(prog="python tools/costs.py", description="What a deployment costs in a month.")
    add = parser.add_argument
    add("--accounts", type=_whole, default=usual.accounts)
    add("--regions", type=_whole, default=usual.regions, help="of each account")
    add("--groups", type=_whole, default=usual.groups, help="of each account")
    add("--events-per-day", dest="events", type=_number, default=usual.events, help="0: without real time")
    add("--closed-per-day", dest="closed", type=_number, default=usual.closed, help="groups closed in real time")
    add("--scans-per-day", dest="scans", type=_number, default=usual.scans)
    add("--finding-share", type=_number, default=usual.finding_share, help="of groups; two findings each")
    add("--memory", type=_whole, default=usual.memory, help="MB of each function")
    add("--alarms", type=int, default=usual.alarms)
    add("--log-gb", type=_number, default=usual.log_gb, help="in place of what is worked out")
    add("--stored-gb", type=_number, default=usual.stored_gb, help="in S3, in place of what is worked out")
    add("--messages", type=_number, default=usual.messages, help="in place of what is worked out")
    add("--resources", action="store_true", help="what terraform/ makes")
    add("--prices", action="store_true", help="list prices")
    return parser


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1 on")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError("expected a number, 0 or more")
    return number


if __name__ == "__main__":
    import sys

    print(printed(sys.argv[1:]))
