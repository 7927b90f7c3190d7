"""Lock groups down and take it back, and print what it cost: with our transaction, or with the calls alone.

Each group has as many ingress and as many egress rules; 60, the most that AWS's default quota allows, unless said. The
subject `bare` does what a
script does: describes the rules, revokes them by id, adds the explaining rule. No lock, backup, journal, tags, audit or
reading back. AWS is played by the twin in this process, or by moto's server over HTTP in another one.

Usage: python -m benchmarks.enforcement_runner (ours|bare) (twin|moto) --groups N --rules N
"""

import argparse
import json
import logging
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from sg_compliance.aws.ec2_rules import Ec2RuleWriter
from sg_compliance.bootstrap import Where
from sg_compliance.bootstrap.enforcement import State, SystemClock, new_run, stores
from sg_compliance.enforcement.guards import fingerprint
from sg_compliance.enforcement.plan import TO_COME, Plan, PlannedGroup
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.change import Wanted
from sg_compliance.model.outcome import Status
from sg_compliance.model.security_group import CidrPeer, Direction, Place, SecurityGroup, SecurityGroupRule
from sg_compliance.testing.twin import Twin, attach
from sg_compliance.workflows.apply import Applying, Budget
from sg_compliance.workflows.rollback import RollingBack, What, backups_for

ACCOUNT, REGION = "123456789012", "eu-west-1"
RULES = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON object with the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enforcement_runner", description=__doc__)
    parser.add_argument("subject", choices=("ours", "bare"))
    parser.add_argument("face", choices=("twin", "moto"))
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--rules", type=int, default=RULES)
    options = parser.parse_args(arguments)
    with _client(options.face) as client:
        calls: Counter[str] = Counter()
        count = partial(_count, calls)
        client.meta.events.register("provide-client-params.ec2", count)
        places = [_group(client, number, options.rules) for number in range(options.groups)]
        calls.clear()
        figures = _ours(client, places, calls) if options.subject == "ours" else _bare(client, places, calls)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    sys.stdout.write(
        json.dumps({"groups": options.groups, "questions": 0, "hits": None, "peak_rss_bytes": peak, **figures}) + "\n"
    )


def _count(calls: Counter[str], *, model: Any, **_: object) -> None:
    calls.update([model.name])


@contextmanager
def _client(face: str) -> Iterator[Any]:
    if face == "twin":
        client = _made()
        twin = Twin(group_quota=1_000_000)
        twin.vpc(ACCOUNT, REGION, is_default=True)
        attach(client, twin, ACCOUNT)
        yield client
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _made(f"http://{host}:{port}")
    finally:
        server.stop()


def _made(endpoint: str | None = None) -> Any:
    return boto3.client(
        "ec2",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - it is no secret
    )


def _group(client: Any, number: int, rules: int) -> Place:
    group_id = client.create_security_group(GroupName=f"group-{number}", Description="benchmark")["GroupId"]
    permissions = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        for port in range(1000, 1000 + rules)
    ]
    client.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permissions)
    client.authorize_security_group_egress(GroupId=group_id, IpPermissions=permissions[1:])
    return Place(ACCOUNT, REGION, group_id)


def _marker() -> SecurityGroupRule:
    peer = CidrPeer(parse_cidr("127.0.0.1/32"), "127.0.0.1/32")
    return SecurityGroupRule(Direction.INGRESS, 6, 65535, 65535, peer, "tcp", 65535, 65535, "ALL RULES REMOVED")


def _ours(client: Any, places: Sequence[Place], calls: Counter[str]) -> dict[str, Any]:
    writer = Ec2RuleWriter(_OneClient(client))  # type: ignore[arg-type]
    wanted = Wanted((_marker(),), None, (("COMPLIANCE_STATUS", "NON_COMPLIANT"), ("COMPLIANCE_BACKUP_ID", TO_COME)))
    groups = tuple(_planned(writer.read(place), wanted) for place in places)
    clock = SystemClock()
    plan = Plan(clock.now(), "benchmark", "", "", "", "COMPLIANCE_", groups, (), {ACCOUNT: len(places)})
    with tempfile.TemporaryDirectory() as folder, stores(State(folder), Where()) as kept:
        Path(folder).chmod(0o700)
        calls.clear()
        run = new_run("benchmark")
        applying = Applying(writer, kept, clock, run, Budget(len(places), 100.0))
        down = _timed(lambda: [each.status for each in applying.apply(plan)])
        after_down = calls.copy()
        rolling = RollingBack(writer, kept, clock, new_run("benchmark"))
        back = _timed(lambda: _taken_back(rolling, backups_for(kept, What(run_id=run.id))))
    expected = [Status.CHANGED] * len(places)
    return {
        "done": down["result"] == expected and back["result"] == expected,
        "cpu_seconds": down["cpu"],
        "wall_seconds": down["wall"],
        "rollback_wall_seconds": back["wall"],
        "calls_a_group": sum(after_down.values()) / len(places),
        "rollback_calls_a_group": (sum(calls.values()) - sum(after_down.values())) / len(places),
    }


def _taken_back(rolling: RollingBack, backup_ids: list[str]) -> list[Status]:
    return [each.status for each in rolling.roll_back(list(rolling.plan(backup_ids)))]


def _planned(group: SecurityGroup, wanted: Wanted) -> PlannedGroup:
    return PlannedGroup(group, fingerprint(group), "lockdown", wanted)


def _bare(client: Any, places: Sequence[Place], calls: Counter[str]) -> dict[str, Any]:
    def script() -> list[str]:
        for place in places:
            found = client.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [place.group_id]}])
            for side, egress in (("ingress", False), ("egress", True)):
                rules = [each for each in found["SecurityGroupRules"] if each["IsEgress"] is egress]
                ids = [each["SecurityGroupRuleId"] for each in rules]
                getattr(client, f"revoke_security_group_{side}")(GroupId=place.group_id, SecurityGroupRuleIds=ids)
            client.authorize_security_group_ingress(
                GroupId=place.group_id, IpProtocol="tcp", FromPort=65535, ToPort=65535, CidrIp="127.0.0.1/32"
            )
        return []

    timed = _timed(script)
    return {
        "done": True,
        "cpu_seconds": timed["cpu"],
        "wall_seconds": timed["wall"],
        "calls_a_group": sum(calls.values()) / len(places),
    }


def _timed(work: Callable[[], Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"result": result, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class _OneClient:
    """Sessions of one account and region."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, *_: object) -> Any:
        """The client."""
        return self._client

    @staticmethod
    def enter(account_id: str, *_: object) -> str:
        """The ARN of who acts."""
        return f"arn:aws:iam::{account_id}:role/benchmark"


if __name__ == "__main__":
    main()
