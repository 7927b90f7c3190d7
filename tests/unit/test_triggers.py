from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.bootstrap.settings import settings_of
from sg_compliance.entrypoints.triggers import digest_of, records_of, scan_of
from sg_compliance.errors import InputError
from sg_compliance.workflows.narrowing import Narrowing
from tests.unit.test_settings import LEAST

ANYWHERE = settings_of(LEAST)
BOUND = replace(ANYWHERE, accounts=("111122223333", "444455556666"), regions=("eu-west-1",))


def manual(**detail: object) -> dict[str, Any]:
    return {"source": "custom.security.compliance", "detail-type": "Manual Compliance Scan", "detail": detail}


@pytest.mark.parametrize(
    "event", [{"scan": "scheduled"}, {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}]
)
def test_a_timer_asks_for_everything(event: object) -> None:
    asked = scan_of(event, BOUND)
    assert asked.narrowing.is_whole
    assert not asked.dry_run


def test_the_event_of_the_readme_is_a_manual_scan_of_everything() -> None:
    asked = scan_of(manual(scan_type="manual"), BOUND)
    assert (asked.kind, asked.narrowing, asked.dry_run) == ("manual", Narrowing(), False)


def test_a_manual_scan_can_narrow() -> None:
    event = manual(
        scan_type="urgent",
        accounts=["111122223333"],
        regions=["eu-west-1"],
        security_groups=["sg-0a1b2c3d"],
        dry_run=True,
    )
    asked = scan_of(event, BOUND)
    assert asked.kind == "urgent"
    assert asked.dry_run
    assert asked.narrowing == Narrowing(
        frozenset({"111122223333"}), frozenset({"eu-west-1"}), frozenset({"sg-0a1b2c3d"})
    )


@pytest.mark.parametrize(
    "detail",
    [
        {"accounts": ["777788889999"]},
        {"accounts": ["111122223333", "777788889999"]},
        {"regions": ["us-east-1"]},
        {"accounts": []},
        {"accounts": "111122223333"},
        {"accounts": [111122223333]},
        {"security_groups": ["web"]},
        {"security_groups": []},
        {"security_groups": None},
        {"security_groups": ["sg-0a1b2c3d"] * 1_001},
        {"dry_run": "false"},
        {"dry_run": 0},
        {"dry_run": None},
        {"scan_type": "a\nb"},
        {"scan_type": ["manual"]},
        {"apply": True},
        {"dry_run": False, "Accounts": ["111122223333"]},
    ],
)
def test_a_manual_scan_of_more_or_of_something_else_is_refused(detail: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        scan_of(manual(**detail), BOUND)
    assert len(str(caught.value)) < 200
    assert caught.value.hint


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "scan",
        {},
        {"scan": "manual"},
        {"scan": "scheduled", "dry_run": False},
        {"source": "custom.security.compliance", "detail-type": "Manual Compliance Scan"},
        {"source": "custom.security.compliance", "detail-type": "Manual Compliance Scan", "detail": "{}"},
        {"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": {}},
        {"source": ["aws.events"], "detail-type": {}},
    ],
)
def test_any_other_event_asks_for_no_scan(event: object) -> None:
    with pytest.raises(InputError):
        scan_of(event, ANYWHERE)


@pytest.mark.parametrize("cadence", ["hourly", "daily", "weekly"])
def test_a_timer_asks_for_its_digest(cadence: str) -> None:
    assert digest_of({"digest": cadence}) == cadence


@pytest.mark.parametrize(
    "event", [{}, {"digest": "at once"}, {"digest": ["hourly"]}, {"digest": "daily", "x": 1}, None]
)
def test_any_other_event_asks_for_no_digest(event: object) -> None:
    with pytest.raises(InputError):
        digest_of(event)


RECORD = {"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}


def test_a_batch_is_messages_of_a_queue() -> None:
    assert records_of({"Records": [RECORD]}) == [RECORD]


@pytest.mark.parametrize(
    "records", [None, [], {}, [RECORD, None], [{**RECORD, "eventSource": "aws:s3"}], [{**RECORD, "body": None}]]
)
def test_anything_else_is_no_batch(records: object) -> None:
    with pytest.raises(InputError):
        records_of({"Records": records})


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["accounts", "regions", "security_groups", "dry_run", "scan_type", "x"]), inner
        ),
    ),
    max_leaves=8,
)


@given(JSON)
def test_whatever_is_asked_for_lies_within_what_is_deployed(detail: Any) -> None:  # noqa: ANN401 - JSON
    try:
        asked = scan_of({**manual(), "detail": detail}, BOUND)
    except InputError:
        return
    assert asked.narrowing.accounts <= set(BOUND.accounts)
    assert asked.narrowing.regions <= set(BOUND.regions)


@given(JSON)
def test_any_event_is_read_or_refused(event: Any) -> None:  # noqa: ANN401 - JSON
    for read in (digest_of, records_of):
        with pytest.raises(InputError):
            read(event)
