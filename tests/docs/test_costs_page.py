"""The page of costs is held to the calculator, and the calculator to what was measured and to the code."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from benchmarks.loopback_aws import COMPLIANT, DESCRIBING, FAILED, KINDS, REVOKING
from sg_compliance.aws import ec2_region, history
from sg_compliance.aws.dynamodb_table import shares
from sg_compliance.bootstrap import load_policy
from sg_compliance.model.finding import Severity
from sg_compliance.policy.cadence import Cadence, severities_of
from tools import costs
from tools.costs import Volume

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = (DOCS / "costs.md").read_text(encoding="utf-8")
BENCHMARKS: Final = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
SHOWN: Final = re.findall(
    r"^```bash\npython tools/costs\.py ?([^\n]*)\n```\n\n((?:\|[^\n]*\n)+(?:\nA scan: [^\n]*\n)?)", PAGE, re.MULTILINE
)
TEAM: Final = Volume(accounts=10, regions=4, groups=200, events=500)
DESIGN: Final = Volume(regions=17, log_gb=1, stored_gb=10, messages=1000)


def total(volume: Volume) -> tuple[float, float]:
    lines = costs.costs(volume)
    return sum(each.full for each in lines), sum(each.left for each in lines)


@pytest.mark.parametrize(("arguments", "shown"), SHOWN, ids=[arguments for arguments, _ in SHOWN])
def test_a_table_of_the_page_is_what_the_calculator_prints(arguments: str, shown: str) -> None:
    assert shown == costs.printed(shlex.split(arguments)) + "\n"


def test_every_table_of_the_calculator_is_shown_with_its_command() -> None:
    assert len(SHOWN) == PAGE.count("python tools/costs.py ") >= 7
    assert sum("**all**" in shown for _, shown in SHOWN) == PAGE.count("| **all** |") == PAGE.count("\nA scan: ")


def test_the_calls_of_an_event_are_those_that_were_measured() -> None:
    table = BENCHMARKS.partition("### Calls to AWS for one event\n")[2].partition("\n### ")[0]
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    measured = {
        row[0]: {service: int(cell) for service, cell in zip(head[2:], row[2:], strict=True) if cell} for row in rows
    }
    assert {kind: measured[kind] for kind in costs.CALLS} == costs.CALLS


def test_the_mix_of_events_is_that_of_the_benchmark() -> None:
    def share(*kinds: str) -> float:
        return sum(KINDS.count(each) for each in kinds) / len(KINDS)

    assert share(FAILED) == costs.MIX["a call that AWS refused"]
    assert share(DESCRIBING) == costs.MIX["a description"]
    assert share(COMPLIANT, REVOKING) == costs.MIX["a compliant rule"]
    assert math.isclose(sum(costs.MIX.values()), 1)


def test_the_times_are_those_that_were_measured() -> None:
    assert f"an event takes {costs.EVENT_CPU * 1000:.0f} ms of" in BENCHMARKS
    assert f"{costs.START_CPU} s at the least" in BENCHMARKS
    scale = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert f"{costs.GROUP_CPU * 1_000_000:.0f} µs" in scale
    assert f"there are {costs.SHARD_CPU * 1000:.0f} left" in scale


def test_the_calls_of_a_scan_are_those_of_the_adapters() -> None:
    assert vars(ec2_region)["_PAGE_SIZE"] == costs.PAGE
    assert vars(history)["_AT_ONCE"] == costs.TOGETHER
    assert len(shares("untold#critical")) == costs.SHARES
    assert len(Severity) == costs.SEVERITIES
    policies = load_policy(None).document.policies()
    told = {cadence: len(frozenset(severities_of(cadence, policies))) for cadence in Cadence}
    assert told[Cadence.AT_ONCE] == told[Cadence.HOURLY] == costs.AT_ONCE
    assert told[Cadence.DAILY] + told[Cadence.WEEKLY] == costs.SEVERITIES - 2 * costs.AT_ONCE


def test_a_scan_is_counted() -> None:
    calls = costs.scan_calls(TEAM)
    assert (calls.assume_role, calls.security_groups, calls.interfaces) == (10, 40, 40)
    assert (calls.gone, calls.seen, calls.waiting) == (2000, 2 * 40, 96)
    assert costs.scan_calls(Volume(groups=66_000, finding_share=0.5)).seen == 2 * 2000


def test_the_figure_of_the_design_is_missed_as_deployed_and_met_with_twelve_alarms() -> None:
    assert total(DESIGN)[1] > 1.50
    assert "no more than 12 alarms" in PAGE
    assert total(Volume(regions=17, log_gb=1, stored_gb=10, messages=1000, alarms=12))[1] <= 1.50
    assert total(Volume(regions=17, log_gb=1, stored_gb=10, messages=1000, alarms=13))[1] > 1.50
    assert total(DESIGN)[0] > 4 * 1.50  # "several times as much"


def test_without_real_time_nothing_is_asked_of_queues() -> None:
    of = {each.price: each.quantity for each in costs.costs(Volume())}
    assert of[costs.PRICES["queue"]] == 0
    assert of[costs.PRICES["event"]] == 0


def test_the_free_tier_is_taken_off_and_never_gives_money_back() -> None:
    (alarm,) = [each for each in costs.costs(Volume(alarms=5)) if each.price is costs.PRICES["alarm"]]
    assert (alarm.full, alarm.left) == (0.5, 0)
    assert math.isclose(alarm._replace(quantity=12).left, 0.2)
    assert all(0 <= each.left <= each.full for each in costs.costs(TEAM))


@pytest.mark.parametrize(
    "more",
    [
        Volume(accounts=11, regions=4, groups=200, events=500),
        Volume(accounts=10, regions=4, groups=300, events=500),
        Volume(accounts=10, regions=4, groups=200, events=600),
        Volume(accounts=10, regions=4, groups=200, events=500, closed=20),
        Volume(accounts=10, regions=4, groups=200, events=500, scans=4),
        Volume(accounts=10, regions=4, groups=200, events=500, memory=1024),
        Volume(accounts=10, regions=4, groups=200, events=500, finding_share=0.2),
    ],
    ids=str,
)
def test_more_of_anything_costs_more(more: Volume) -> None:
    assert total(more)[0] > total(TEAM)[0]


def test_a_scan_that_takes_too_long_is_said() -> None:
    assert "more than a function has" in costs.printed(["--accounts", "1", "--groups", "45000"])
    assert "more than a function has" not in costs.printed(["--accounts", "1", "--groups", "35000"])
    assert "some 40,000 groups" in PAGE


@pytest.mark.parametrize("wrong", ["--accounts=0", "--groups=-1", "--events-per-day=nan", "--scans-per-day=-1"])
def test_a_volume_that_cannot_be_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        costs.printed([wrong])
    assert "expected" in capsys.readouterr().err
