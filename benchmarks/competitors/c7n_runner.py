"""Ask Cloud Custodian the thirty questions; run by the Python of Cloud Custodian's own environment.

Timed: `process` of the real `ingress` and `egress` filters of `aws.security-group`, loaded with Cloud Custodian's own
policy loader, schema validation on. Not timed: importing it, loading the policies, reading the groups, and the fresh
top-level copy of each group for each question (the filters write their matches into the group). No AWS call is made.

The protocol is a value filter on "the protocol or -1", so that permissions for all traffic count. The source can be
asked in three ways:
  strings        what its documentation shows: an `or` of one filter for 0.0.0.0/0 and one for ::/0
  ipv4-strings   the first half of that alone, the least that it can be asked
  addresses      the same pair with `value_type: cidr`: the permission's range covers the source, as addresses

Usage: c7n_runner.py GROUPS.jsonl QUESTIONS.json strings|ipv4-strings|addresses
With `--policies` in place of the groups it asks nothing and prints the policies, as a file for `custodian run`.
"""

import json
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from c7n.config import Config
from c7n.loader import PolicyLoader
from c7n.resources import load_resources

CIDR_KEYS = {"0.0.0.0/0": "Cidr", "::/0": "CidrV6"}
ALL_PORTS = [[0, 65535]]


def main(arguments: list[str]) -> None:
    """Print one JSON object: the figures, or the policies."""
    source, questions_file, way = arguments
    questions = json.loads(Path(questions_file).read_text())
    policies = [policy(question, way) for question in questions]
    if source == "--policies":
        print(json.dumps({"policies": policies}))
        return
    groups = [json.loads(line) for line in Path(source).read_text().splitlines()]
    print(json.dumps(measured(groups, questions, load(policies))))


def measured(groups: list[Any], questions: list[Any], policies: list[Any]) -> dict[str, Any]:
    """Put the groups through the filters of each policy."""
    cpu = wall = 0.0
    hits: dict[str, int] = {}
    for question, loaded in zip(questions, policies, strict=True):
        resources = [dict(group) for group in groups]
        started_cpu, started = time.process_time(), time.perf_counter()
        for one in loaded.resource_manager.filters:
            resources = one.process(resources, None)
        cpu += time.process_time() - started_cpu
        wall += time.perf_counter() - started
        hits[question["rule_id"]] = len(resources)
    return figures(len(groups), hits, cpu, wall)


def policy(question: dict[str, Any], way: str) -> dict[str, Any]:
    """Write one question as a Cloud Custodian policy."""
    sources = question["sources"][:1] if way == "ipv4-strings" else question["sources"]
    filters = [{**permission_filter(question), CIDR_KEYS[source]: source_filter(source, way)} for source in sources]
    name = question["rule_id"].lower().replace("_", "-")
    return {"name": name, "resource": "aws.security-group", "filters": [{"or": filters}] if filters[1:] else filters}


def source_filter(source: str, way: str) -> Any:
    """Write the source as a string to be equal to, or as addresses to be covered."""
    return {"value_type": "cidr", "op": "contains", "value": source} if way == "addresses" else source


def permission_filter(question: dict[str, Any]) -> dict[str, Any]:
    """Write the direction, protocol and ports of a question as one filter."""
    written: dict[str, Any] = {"type": question["direction"], "IpProtocol": "-1"}
    if question["protocol"] != "-1":
        written["IpProtocol"] = {
            "type": "value",
            "key": "IpProtocol",
            "op": "in",
            "value": [question["protocol"], "-1"],
        }
    if question["ports"] == ALL_PORTS:
        written |= {"FromPort": 0, "ToPort": 65535}
    elif question["ports"]:
        written["Ports"] = [port for first, last in question["ports"] for port in range(first, last + 1)]
    return written


def load(documents: list[dict[str, Any]]) -> list[Any]:
    """Load the policies as `custodian run` does, with a region given so that nothing is looked up."""
    load_resources(("aws.security-group",))
    loader = PolicyLoader(Config.empty(region="us-east-1", regions=["us-east-1"], account_id="1" * 12))
    return list(loader.load_data({"policies": documents}, "memory://questions"))


def figures(groups: int, hits: dict[str, int], cpu: float, wall: float) -> dict[str, Any]:
    """Collect what was measured; the peak is that of the whole process, imports included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "tool": "c7n",
        "version": metadata.version("c7n"),
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
