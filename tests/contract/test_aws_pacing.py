"""The live inventory keeps to its pace, and clients of one endpoint share connections."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.retries.bucket import TokenBucket

from benchmarks.groups import OWNER
from benchmarks.loopback_ec2 import Ec2Handler, render_pages
from sg_compliance.aws import pacing
from sg_compliance.aws.ec2 import Ec2Inventory, Targets
from sg_compliance.aws.session import Sessions
from sg_compliance.interfaces import Shard
from tests.contract.test_aws_scripted_server import (
    CALLER,
    ScriptedAws,
    ec2,
    group,
    groups,
    items,
    refusal,
    scripted_aws,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

REGIONS = ("eu-west-1", "eu-west-2", "eu-west-3")
HERE, THERE = (Shard(f"{CALLER}/{region}", CALLER, region) for region in REGIONS[:2])


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is slept in a time that stands still."""
    found: list[float] = []
    monkeypatch.setattr(pacing, "monotonic", lambda: 1_000.0)
    monkeypatch.setattr(pacing, "sleep", found.append)
    return found


def pages(aws: ScriptedAws, count: int) -> None:
    aws.answers["DescribeSecurityGroups"] = lambda call: groups(
        group(f"sg-{call.token or 1}"), token=str(int(call.token or 1) + 1) if int(call.token or 1) < count else ""
    )


def test_after_fifty_calls_to_a_region_each_waits_for_its_turn(aws: ScriptedAws, naps: list[float]) -> None:
    pages(aws, 52)
    assert len(list(Ec2Inventory(aws.sessions(), Targets()).read(HERE))) == 52
    assert len(aws.calls) == 1 + 52 + 1
    assert naps == pytest.approx([0.1, 0.2, 0.3])


def test_readings_of_a_region_share_a_pace_and_regions_do_not(aws: ScriptedAws, naps: list[float]) -> None:
    pages(aws, 24)
    aws.answers["DescribeSecurityGroupRules"] = ec2("DescribeSecurityGroupRules", items("securityGroupRuleSet"))
    inventory = Ec2Inventory(aws.sessions(), Targets())
    for shard in (HERE, THERE, HERE, THERE):
        assert len(list(inventory.read(shard))) == 24
    assert naps == []
    inventory.with_rule_ids(HERE, next(iter(inventory.read(HERE))).groups)  # type: ignore[union-attr]  # a page
    assert len(naps) == 2 + 1


def test_a_call_takes_one_turn_however_often_its_client_was_asked_for(
    aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []

    def take(_: pacing.Pace, now: float) -> float:
        turns.append(now)
        return 0.0

    monkeypatch.setattr(pacing.Pace, "take", take)
    pages(aws, 3)
    inventory = Ec2Inventory(aws.sessions(), Targets())
    for _ in range(3):
        list(inventory.read(HERE))
    assert len(turns) == len(aws.calls) - len(aws.called("GetCallerIdentity")) == 3 * 4


def test_each_try_of_a_call_takes_its_turn(
    aws: ScriptedAws, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "AT_ONCE", 1)
    monkeypatch.setattr(TokenBucket, "_sleep_amount", lambda *_: 0)
    turns = iter([refusal("RequestLimitExceeded", "slower", 503), groups()])
    aws.answers["DescribeSecurityGroups"] = lambda _: next(turns)
    assert list(Ec2Inventory(aws.sessions(max_attempts=2), Targets()).read(HERE)) == []
    assert pytest.approx(0.1) in naps


class Counting(ThreadingHTTPServer):
    """Counts connections."""

    connections = 0

    def get_request(self) -> Any:  # noqa: ANN401  a socket and an address
        self.connections += 1
        return super().get_request()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    monkeypatch.setattr(Ec2Handler, "pages", render_pages(3), raising=False)
    with Counting(("127.0.0.1", 0), Ec2Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sessions(server: Counting) -> Sessions:
    return Sessions(endpoint_url=f"http://127.0.0.1:{server.server_address[1]}", keys=("a", "b"))


def test_clients_of_one_endpoint_share_a_connection(endpoint: Counting) -> None:
    inventory = Ec2Inventory(sessions(endpoint), Targets())
    for region in REGIONS:
        assert list(inventory.read(Shard(region, OWNER, region)))
    assert endpoint.connections == 1


def test_threads_do_not_wait_for_each_other_and_leave_their_connections_to_the_next(
    endpoint: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_at_once = 12
    together, answer = threading.Barrier(threads_at_once), Ec2Handler.do_POST
    made = sessions(endpoint)
    clients: list[Any] = [
        made.client("ec2", frozenset({"ec2:DescribeRegions"}), f"eu-west-{number}") for number in range(threads_at_once)
    ]

    def meet(handler: Ec2Handler) -> None:
        together.wait(10)
        answer(handler)

    monkeypatch.setattr(Ec2Handler, "do_POST", meet)
    for _ in range(2):
        threads = [threading.Thread(target=each.describe_regions) for each in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert not together.broken
    assert endpoint.connections == threads_at_once
