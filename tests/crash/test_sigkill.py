"""A real process, really killed, at every point of applying and of taking back: on local stores and a server.

The same as test_every_point.py with nothing made up; there all kinds of failures are tried as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.bootstrap import demo_server, demo_where
from sg_compliance.bootstrap.enforcement import writer
from sg_compliance.enforcement.decide import Circumstances
from sg_compliance.enforcement.plan import Plan, PlannedGroup
from sg_compliance.enforcement.planning import Planning
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.security_group import Place, identity
from sg_compliance.testing.organisation import demo_organisation
from tests.builders import policy, prohibit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Where
    from sg_compliance.model.security_group import SecurityGroup

ROOT = Path(__file__).parents[2]
POLICY = policy(prohibit(22, severity="critical", max_public_addresses=65536))


@pytest.fixture
def where() -> Iterator[Where]:
    with demo_server() as server:
        yield demo_where(server)


def place() -> Place:
    """A group of the demo organisation that opens SSH, with tags and egress."""
    group = next(each for each in demo_organisation().groups if each.name == "sftp-partners")
    return Place(group.account_id, group.region, group.group_id)


def planned(group: SecurityGroup) -> Plan:
    now = datetime.now(UTC)
    evaluator = Evaluator(POLICY, now)
    planning = Planning(POLICY, Circumstances(), now, Strategy.LOCKDOWN)
    found = planning.decide(
        group,
        evaluator.evaluate(group, {}),
        {},
        lambda each: evaluator.evaluate(each, {}),
        compliant=False,
    )
    assert isinstance(found, PlannedGroup), found
    return Plan(now, "tester", "test.json", "1", "sha256:0", "COMPLIANCE_", (found,), (), {group.account_id: 1000})


def shown(group: SecurityGroup) -> Any:  # noqa: ANN401 - something to compare
    rules = {identity(rule): (rule.description or "", rule.tags) for rule in group.rules}
    return rules, {key: value for key, value in group.tags if key != "COMPLIANCE_BACKUP_ID"}


@pytest.mark.e2e
def test_a_run_that_is_killed_at_any_point_is_finished_by_the_next_and_taken_back_exactly(
    where: Where, tmp_path: Path
) -> None:
    hands, target = writer(where), place()
    original = shown(hands.read(target))
    plan_file = tmp_path / "plan.json"
    plan_file.write_text(planned(hands.read(target)).encode(), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "tests.crash.killed_runs",
        str(where.endpoint_url),
        where.change_role_name,
        str(tmp_path / "state"),
        str(plan_file),
    ]
    kills: dict[str, int] = {"apply": 0, "roll back": 0}
    locked: Any = None
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment()
    ) as runs:
        assert runs.stdin is not None
        assert runs.stdout is not None
        for line in runs.stdout:
            said = json.loads(line) if line != "back\n" else None
            now = shown(hands.read(target))
            if said is None:
                assert now == original
            else:
                assert (said["killed"], said["again"]) == (9, 0), said
                kills[said["kind"]] += 1
                locked = locked or now
                assert now == (locked if said["kind"] == "apply" else original), said
            runs.stdin.write("\n")
            runs.stdin.flush()
    assert runs.returncode == 0
    assert min(kills.values()) >= 12
    assert locked != original


def _environment() -> dict[str, str]:
    import os  # noqa: PLC0415

    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
