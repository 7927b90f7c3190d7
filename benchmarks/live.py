"""The whole command on a loopback endpoint, beside boto3's paginator alone, `custodian run` and `prowler aws`.

The same estate for all. Cloud Custodian is asked the same questions, as text. Prowler is asked what it has of its own:
its checks of ports open to the internet, fewer than our thirty questions, and only of the smaller estate, for it takes
45 s and 900 MB for 1,000 groups; all that its EC2 service reads beside groups is refused at once by the endpoint.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks import ours
from benchmarks.competitors.environments import cache, python_of
from benchmarks.loopback_ec2 import served
from benchmarks.measure import Cost, offline_environment, run
from benchmarks.results import OURS, Missing, Row
from benchmarks.rounds import Subjects, row_of_process, take_turns
from benchmarks.settings import Settings
from benchmarks.subjects import competitor, module, written
from benchmarks.thirty_questions import ALL, as_data, as_policy_document

Environment: TypeAlias = dict[str, str]
ANY_RESULT = (0, 1)
"""1 says that there are findings."""
PROWLER_CHECKS = (
    "all_ports",
    "any_port",
    "high_risk_tcp_ports",
    *(f"tcp_port_{port}" for port in ("22", "3389", "cassandra_7199_9160_8888", "elasticsearch_kibana_9200_9300_5601")),
    *(f"tcp_port_{port}" for port in ("ftp_20_21", "kafka_9092", "memcached_11211", "mongodb_27017_27018")),
    *(f"tcp_port_{port}" for port in ("mysql_3306", "oracle_1521_2483", "postgres_5432", "redis_6379")),
    *(f"tcp_port_{port}" for port in ("sql_server_1433_1434", "telnet_23")),
)
"""Each is `ec2_securitygroup_allow_ingress_from_internet_to_…`."""


def live(settings: Settings) -> Iterator[Row | Missing]:
    """Scan the endpoint with one question and with all; the largest estates with ours alone."""
    if missing := ours.missing("live"):
        yield Missing("live", OURS, missing)
        return
    runs = settings.live_runs
    for size in settings.live:
        with served(size) as endpoint:
            env = offline_environment(AWS_ENDPOINT_URL=endpoint)
            yield from _beside(runs, size, env, ("SSH",), {"custodian run": partial(_custodian, env, ("SSH",))})
            others = {"custodian run": partial(_custodian, env, ALL)}
            if size <= settings.compared:
                others[f"prowler aws, {len(PROWLER_CHECKS)} checks"] = partial(_prowler, env)
            yield from _beside(runs, size, env, ALL, others)
    for size in settings.live_alone:
        with served(size) as endpoint:
            env = offline_environment(AWS_ENDPOINT_URL=endpoint)
            yield from _beside(1, size, env, ALL, {})


def _beside(
    runs: int, size: int, env: Environment, rule_ids: Sequence[str], others: Mapping[str, Callable[[], Cost]]
) -> Iterator[Row]:
    label = f"{size} groups, {len(rule_ids)} question{'s' if len(rule_ids) > 1 else ''}"
    policy = written(f"policy-{len(rule_ids)}.json", as_policy_document(rule_ids))
    subjects: Subjects = {
        (label, OURS): partial(run, ours.live_command(env["AWS_ENDPOINT_URL"], policy), env=env, accepted=ANY_RESULT),
        (label, "boto3 paginator alone"): partial(
            module, "benchmarks.reading_floor", "boto3", env["AWS_ENDPOINT_URL"], env=env
        ),
        **{(label, name): subject for name, subject in others.items()},
    }
    for key, costs in take_turns(subjects, runs).items():
        yield row_of_process("live", key, costs, groups=size)


def _custodian(env: Environment, rule_ids: Sequence[str]) -> Cost:
    """Run the policies with `custodian run`: one process, an output folder and a cache file of its own."""
    folder = _emptied("custodian")
    questions = written(f"questions-{len(rule_ids)}.json", as_data(rule_ids))
    printed = competitor("c7n", "--policies", questions, "strings")
    policies = written(f"policies-{len(rule_ids)}.json", json.loads(printed.output))
    arguments = ("run", "-s", folder / "out", "--cache", folder / "cache", "--region", "us-east-1", policies)
    return run((python_of("c7n"), "-m", "c7n.cli", *arguments), env=env)


def _prowler(env: Environment) -> Cost:
    """Run Prowler's checks of open ports: of all groups, also of those without interfaces."""
    folder = _emptied("prowler")
    checks = [f"ec2_securitygroup_allow_ingress_from_internet_to_{each}" for each in PROWLER_CHECKS]
    arguments = ("--checks", *checks, "--scan-unused-services", "--region", "us-east-1", "--ignore-exit-code-3")
    quiet = ("--no-banner", "--log-level", "CRITICAL", "--output-formats", "csv", "--output-directory", folder)
    return run((python_of("prowler"), "-m", "prowler", "aws", *arguments, *quiet), env=env)


def _emptied(name: str) -> Path:
    folder = cache() / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder
