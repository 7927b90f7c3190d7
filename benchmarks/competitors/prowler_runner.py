"""Ask Prowler the thirty questions; run by the Python of Prowler's own environment.

Timed: `check_security_group`, called for each permission of a group until one matches, with the arguments that
Prowler's own checks give it. Not timed, in Prowler's favour: importing it, reading the groups, and the report object
that its checks build for every group, clean or not.

Prowler asks only about ingress; for the four egress questions the same matcher gets the egress permissions, which have
the same shape. One call answers for 0.0.0.0/0 and ::/0 together.

Usage: prowler_runner.py GROUPS.jsonl QUESTIONS.json
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from prowler.providers.aws.services.ec2.lib.security_groups import check_security_group

PERMISSIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
ALL_PORTS = [[0, 65535]]


def main(arguments: list[str]) -> None:
    """Print one JSON object with the figures."""
    groups = [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]
    questions = json.loads(Path(arguments[1]).read_text())
    cpu = wall = 0.0
    hits: dict[str, int] = {}
    for question in questions:
        keywords = matcher_arguments(question)
        started_cpu, started = time.process_time(), time.perf_counter()
        hits[question["rule_id"]] = flagged(check_security_group, groups, PERMISSIONS[question["direction"]], keywords)
        cpu += time.process_time() - started_cpu
        wall += time.perf_counter() - started
    print(json.dumps(figures(len(groups), hits, cpu, wall)))


def flagged(matches: Callable[..., bool], groups: list[Any], permissions: str, keywords: dict[str, Any]) -> int:
    """Count the groups with a matching permission, as the loop in each of Prowler's checks does."""
    count = 0
    for group in groups:
        for permission in group[permissions]:
            if matches(permission, **keywords):
                count += 1
                break
    return count


def matcher_arguments(question: dict[str, Any]) -> dict[str, Any]:
    """Write one question as the keywords of `check_security_group`."""
    keywords: dict[str, Any] = {"protocol": question["protocol"], "any_address": True}
    if question["protocol"] == "icmp":
        keywords["all_ports"] = True
    if question["ports"] not in ([], ALL_PORTS):
        keywords["ports"] = [port for first, last in question["ports"] for port in range(first, last + 1)]
    return keywords


def figures(groups: int, hits: dict[str, int], cpu: float, wall: float) -> dict[str, Any]:
    """Collect what was measured; the peak is that of the whole process, imports included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "tool": "prowler",
        "version": metadata.version("prowler"),
        "groups": groups,
        "questions": len(hits),
        "hits": sum(hits.values()),
        "hits_by_question": hits,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
