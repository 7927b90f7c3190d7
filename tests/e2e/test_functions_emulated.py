"""The functions `scan` and `digest` of the deployment, on the platform that stands for AWS."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.emulated.killed import place_of, running
from tests.e2e.emulated.response_stage import DUMMY, HTTPS, MANUAL, RDP, SSH, figures
from tests.e2e.emulated.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders import Json
    from tests.e2e.emulated.response_stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("responding")]


def manual(**detail: object) -> Json:
    return {"source": MANUAL["source"][0], "detail-type": MANUAL["detail-type"][0], "detail": detail}


def reports(stage: Stage) -> list[str]:
    """The keys of all reports that are kept."""
    found = stage.deployment.client("s3").list_objects_v2(Bucket=stage.bucket, Prefix="state/reports/")
    return [each["Key"] for each in found.get("Contents", [])]


def test_a_manual_scan_comes_over_the_bus_and_keeps_its_report(scan: str, responding: Stage) -> None:
    group, before = responding.group("scanned", HTTPS, SSH), reports(responding)
    responding.deployment.send_event(manual(scan_type="manual", security_groups=[group], dry_run=True))
    (key,) = eventually(lambda: set(reports(responding)) - set(before), "a report is kept")
    packed = responding.deployment.client("s3").get_object(Bucket=responding.bucket, Key=key)["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    assert group in json.dumps(lines)
    assert responding.ports(group) == [["tcp", 22, 22], ["tcp", 443, 443]], "a dry run changes nothing"
    assert responding.entries(group) == []

    ran = responding.deployment.invoke(scan, manual(scan_type="manual", security_groups=[group]))
    assert not ran.failed, ran.payload
    assert (ran.payload["groups"], ran.payload["open"]["critical"], ran.payload["changed"]) == (1, 1, 1)
    assert responding.ports(group) == DUMMY
    assert len(responding.entries(group)) == 1


def test_a_whole_scan_is_complete_and_a_digest_tells_of_what_it_found(scan: str, responding: Stage) -> None:
    group = responding.group("digested", HTTPS, RDP)
    ran = responding.deployment.invoke(scan, manual(dry_run=True)).payload
    assert (ran["complete"], ran["accounts"], ran["problems"], ran["changed"]) == (True, 1, 0, 0)
    function = responding.deploy("digest")
    told = responding.deployment.invoke(function, {"digest": "hourly"}).payload
    assert told["told"] >= 1
    (digest,) = eventually(lambda: responding.told(group, "digest"), "a digest is told")
    assert (digest["severity"], digest["topic"]) == ("high", responding.topics["findings"])
    assert responding.deployment.invoke(function, {"digest": "hourly"}).payload["told"] == 0


def test_an_event_of_no_kind_that_is_known_fails_the_invocation_and_is_counted(
    responding: Stage, tmp_path: Path
) -> None:
    unknown = [{"scan": "now"}, {}, manual(accounts=["999988887777"]), manual(dry_run="yes")]
    with running(responding, place_of(responding, tmp_path), "scan") as function:
        answers = [function.invoke(event) for event in unknown]
    assert [each.failed for each in answers] == [True] * len(unknown)
    (said,) = {each.payload["errorMessage"] for each in answers}
    assert said == "scan failed: the line before this one in the log says why"
    assert figures(function.records()) == {"LambdaErrors": [1.0] * len(unknown)}
    assert "can only narrow what is deployed" in function.said()
