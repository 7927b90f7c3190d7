"""The evaluator and the oracle must agree on every group and policy that hypothesis can think of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from tests.builders import bind, judge, read
from tests.oracle import verdicts
from tests.properties.cases import LISTS, documents, raw_groups

if TYPE_CHECKING:
    from tests.builders import Json


@given(raw=raw_groups(), written=documents())
def test_the_same_rules_fire_with_the_same_certainty(raw: Json, written: Json) -> None:
    found = {finding.rule_id: finding.certain for finding in judge(bind(written), read(raw), LISTS)}
    assert found == verdicts(written, raw, LISTS)
