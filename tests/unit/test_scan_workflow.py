"""Scanning: every shard is read, failures stay where they are, and the result says what it lacks."""

from __future__ import annotations

import random
import signal
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import translate
from sg_compliance.errors import AwsError, InputError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.interfaces import Page, Shard
from sg_compliance.local.history import SqliteHistory
from sg_compliance.model.finding import Severity
from sg_compliance.model.scan import Skipped
from sg_compliance.workflows.scan import Selection, scan
from tests.builders import BASELINE, EVERYONE, HTTP, NOW, SSH, WIDE_SSH, bind, raw_group, tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Summary
    from sg_compliance.model.security_group import SecurityGroup
    from tests.builders import Json

SCORED = {"reporting": {"compliance_score_calculation": {"total_possible_points": 100}}}


def group(number: int, *ports: int, account: str = "111122223333", region: str = "eu-west-1") -> SecurityGroup:
    permissions = [tcp(port, EVERYONE) for port in ports]
    return translate.security_group(raw_group(*permissions, group_id=f"sg-{number:04}", account=account), region=region)


def page(*groups: SecurityGroup) -> Page:
    return Page(groups, {})


class Memory:
    """An inventory that is written down: for each shard pages, skips, errors to raise, and things to do first."""

    def __init__(self, parts: dict[str, Sequence[object]], before: Sequence[Skipped] = ()) -> None:
        self._parts = parts
        self._before = before
        self.asked_for_ids: list[str] = []

    def shards(self) -> Iterator[Shard | Skipped]:
        yield from self._before
        for name in self._parts:
            account, _, region = name.partition("/")
            yield Shard(name, account, region)

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        for part in self._parts[shard.name]:
            if isinstance(part, BaseException):
                raise part
            if callable(part):
                part()
            else:
                assert isinstance(part, Page | Skipped)
                yield part

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        self.asked_for_ids += [each.group_id for each in groups]
        return [
            replace(each, rules=tuple(rule._replace(rule_id=f"sgr-{rule.first}") for rule in each.rules))
            for each in groups
        ]


class Store:
    """Findings in a list."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []

    def add(self, findings: Iterable[Finding]) -> None:
        self.kept.extend(findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self.kept, key=lambda finding: finding.sort_key()))


class Told:
    """Progress that is written down, and checks that it comes from one thread."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        self.shards: int | None = None
        self.groups: dict[str, int] = {}
        self.findings: dict[str, int] = {}
        self.over: dict[str, bool] = {}
        self._thread = threading.get_ident()
        self._on_advance = on_advance

    def begun(self, shards: int) -> None:
        assert self.shards is None
        self.shards = shards

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        assert threading.get_ident() == self._thread
        assert shard.name not in self.over
        self.groups[shard.name] = self.groups.get(shard.name, 0) + groups
        self.findings[shard.name] = self.findings.get(shard.name, 0) + findings
        self._on_advance()

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        assert threading.get_ident() == self._thread
        assert shard.name not in self.over
        self.over[shard.name] = skipped is not None


class Result:
    """A scan of a fake inventory under the baseline."""

    def __init__(
        self,
        inventory: Memory,
        *,
        workers: int = 1,
        document: Json | None = None,
        told: Told | None = None,
        **selected: Any,  # noqa: ANN401 - fields of a selection
    ) -> None:
        self.store = Store()
        self.told = told or Told()
        evaluator = Evaluator(bind(document or {**BASELINE, **SCORED}), NOW)
        self.summary: Summary = scan(
            inventory, evaluator, self.store, self.told, Selection(**selected), workers=workers
        )

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(finding.group.group_id, finding.rule_id) for finding in self.store]

    @property
    def skipped(self) -> list[str]:
        return [each.reason for each in self.summary.skipped]


def test_every_group_of_every_shard_is_judged_and_counted() -> None:
    result = Result(
        Memory({"1/a": [page(group(1, 80), group(2)), page(group(3, 22))], "2/b": [page(group(4, 443, account="2"))]})
    )
    assert result.found == [("sg-0001", HTTP), ("sg-0003", SSH), ("sg-0003", WIDE_SSH)]
    summary = result.summary
    assert (summary.shards, summary.groups, summary.noncompliant_groups) == (2, 4, 2)
    assert summary.accounts == {"111122223333", "2"}
    assert dict(summary.open) == {Severity.CRITICAL: 1, Severity.HIGH: 2}
    assert summary.complete
    assert summary.worst() is Severity.CRITICAL


def test_the_score_is_what_groups_keep_on_average() -> None:
    deductions = {"critical_violation": 40, "high_violation": 25}
    scored = {"compliance_score_calculation": {"total_possible_points": 100, "deductions": deductions}}
    document = {**BASELINE, "reporting": scored}
    inventory = Memory({"1/a": [page(group(1, 80), group(2), group(3, 22), group(4))]})
    assert Result(inventory, document=document).summary.score == (75 + 100 + 35 + 100) / 4


def test_no_group_has_no_score_and_no_worst_finding() -> None:
    summary = Result(Memory({"1/a": [page()]})).summary
    assert (summary.score, summary.worst(), summary.groups) == (None, None, 0)
    assert summary.complete


def test_an_inventory_without_shards_ends() -> None:
    result = Result(Memory({}))
    assert result.summary.complete
    assert result.told.shards == 0


def test_rule_ids_are_asked_for_of_groups_with_findings_only() -> None:
    inventory = Memory({"1/a": [page(group(1, 22), group(2), group(3, 443))]})
    result = Result(inventory)
    assert inventory.asked_for_ids == ["sg-0001"]
    assert {rule.rule_id for finding in result.store for rule in finding.evidence} == {"sgr-22"}


@pytest.mark.parametrize("workers", [1, 4])
def test_a_shard_that_fails_is_told_with_its_place_and_never_stops_the_others(workers: int) -> None:
    result = Result(
        Memory(
            {
                "1/a": [AwsError("denied", hint="allow it")],
                "2/b": [page(group(1, 80)), page(group(2, 80)), AwsError("went away")],
                "3/c": [page(group(3, 80))],
                "4/d": [page(), InputError("broken")],
            }
        ),
        workers=workers,
    )
    assert [each for each, _ in result.found] == ["sg-0001", "sg-0002", "sg-0003"]
    assert sorted(result.skipped) == ["broken", "denied", "went away (after 2 groups)"]
    denied = next(each for each in result.summary.skipped if each.reason == "denied")
    assert (denied.what, denied.hint, denied.account_id, denied.region) == ("security groups", "allow it", "1", "a")
    assert not result.summary.complete
    assert not result.summary.interrupted
    assert result.told.over == {"1/a": True, "2/b": True, "3/c": False, "4/d": True}


def test_what_the_inventory_skips_is_kept_and_what_was_left_out_on_purpose_is_no_failure() -> None:
    left_out = Skipped("security groups", "disabled", wanted=False)
    assert Result(Memory({"1/a": [page(group(1))]}, [left_out])).summary.complete
    result = Result(Memory({"1/a": [Skipped("prefix lists", "denied"), page(group(1, 80))]}, [left_out]))
    assert result.skipped == ["denied", "disabled"]
    assert not result.summary.complete
    assert result.told.over == {"1/a": False}


def test_where_not_even_the_shards_can_be_found_out_the_error_goes_up() -> None:
    class Closed(Memory):
        def shards(self) -> Iterator[Shard | Skipped]:
            raise AwsError("no credentials", hint="log in")

    with pytest.raises(AwsError, match="no credentials"):
        Result(Closed({}))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_bug_in_an_adapter_is_not_swallowed(workers: int) -> None:
    parts: dict[str, Sequence[object]] = {f"{number}/a": [page(group(number))] for number in range(5)}
    with pytest.raises(ZeroDivisionError):
        Result(Memory({**parts, "9/a": [ZeroDivisionError()]}), workers=workers)


def test_a_bug_that_only_the_rule_ids_bring_to_light_is_not_swallowed() -> None:
    class Wrong(Memory):
        def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
            del shard
            return groups[:-1]

    with pytest.raises(ValueError, match="zip"):
        Result(Wrong({"1/a": [page(group(1, 22))]}))


def test_findings_are_selected_by_severity_rule_account_and_region_and_the_score_stays() -> None:
    def inventory() -> Memory:
        return Memory(
            {
                "1/a": [page(group(1, 22, 80), group(2, 80, account="999988887777"))],
                "1/b": [page(group(3, 22, region="us-east-1"))],
            }
        )

    everything = Result(inventory())
    assert len(everything.found) == 6
    critical = Result(inventory(), severity=Severity.CRITICAL)
    assert critical.found == [("sg-0001", SSH), ("sg-0003", SSH)]
    http = Result(inventory(), rules=frozenset({HTTP}))
    assert http.found == [("sg-0001", HTTP), ("sg-0002", HTTP)]
    for result in (critical, http):
        assert result.summary.score == everything.summary.score
        assert result.summary.groups == 3
        assert sum(result.summary.open.values()) == result.summary.noncompliant_groups == 2
    other = Result(inventory(), accounts=frozenset({"999988887777"}))
    assert (other.found, other.summary.groups) == ([("sg-0002", HTTP)], 1)
    there = Result(inventory(), regions=frozenset({"us-east-1"}))
    assert ([each for each, _ in there.found], there.summary.groups) == (["sg-0003", "sg-0003"], 1)


def test_groups_of_a_disabled_account_are_left_out_and_told_once() -> None:
    document = {**BASELINE, "accounts_config": [{"account_id": "999988887777", "enforcement_level": "disabled"}]}
    groups = [group(1, 80), group(2, 80, account="999988887777")]
    result = Result(Memory({"1/a": [page(*groups), page(*groups)], "1/b": [page(*groups)]}), document=document)
    assert {each for each, _ in result.found} == {"sg-0001"}
    assert result.skipped == ["account 999988887777: disabled by the policy"]
    assert result.summary.complete
    assert result.summary.groups == 3


def test_an_exempt_finding_is_kept_and_counted_apart() -> None:
    exemption = {"reason": "a test", "exempted_rules": [HTTP], "expiry_date": "permanent", "approved_by": "security"}
    document = {**BASELINE, "exemptions": {"security_group_exemptions": {"sg-0001": exemption}}}
    result = Result(Memory({"1/a": [page(group(1, 80), group(2, 80))]}), document=document)
    assert [each for each, _ in result.found] == ["sg-0001", "sg-0002"]
    assert (result.summary.exempt, result.summary.noncompliant_groups) == (1, 1)
    assert dict(result.summary.open) == {Severity.HIGH: 1}


def many_shards(seed: int) -> Memory:
    draw = random.Random(seed)  # noqa: S311 - an order
    groups = [group(number, *((22, 80, 443)[: number % 4])) for number in range(300)]
    draw.shuffle(groups)
    parts: dict[str, Sequence[object]] = {}
    for number in range(30):
        own = groups[number * 10 : number * 10 + 10]
        cut = draw.randrange(11)
        parts[f"1/{number}"] = [page(*own[:cut]), page(*own[cut:])]
    return Memory(parts)


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
def test_the_order_of_groups_and_the_number_of_workers_change_nothing(workers: int) -> None:
    reference, other = Result(many_shards(1)), Result(many_shards(workers), workers=workers)
    assert list(other.store) == list(reference.store)
    assert other.summary == reference.summary
    assert len(other.found) > 100


def test_progress_adds_up() -> None:
    result = Result(many_shards(1), workers=4)
    assert result.told.shards == len(result.told.over) == 30
    assert sum(result.told.groups.values()) == result.summary.groups == 300
    assert sum(result.told.findings.values()) == len(result.store.kept)


def test_results_that_come_faster_than_they_are_taken_are_not_lost() -> None:
    parts = [page(group(number, 80)) for number in range(500)]
    assert len(Result(Memory({"1/a": parts}), told=Told(lambda: time.sleep(0.0002))).found) == 500


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupt_the_second_time() -> Callable[[], None]:
    before: list[bool] = []

    def called() -> None:
        if before:
            interrupt()
        before.append(True)

    return called


@contextmanager
def blocked() -> Iterator[threading.Event]:
    """An answer that does not come until the test is over."""
    gate = threading.Event()
    try:
        yield gate
    finally:
        gate.set()


def test_after_ctrl_c_there_is_what_was_found_said_to_be_partial() -> None:
    with blocked() as gate:
        inventory = Memory(
            {
                "1/a": [page(group(1, 80))],
                "2/b": [page(group(2, 80)), gate.wait, page(group(3, 80))],
                "3/c": [page(group(4, 80))],
            }
        )
        began = time.monotonic()
        result = Result(inventory, told=Told(interrupt_the_second_time()))
        assert time.monotonic() - began < 5
    assert result.summary.interrupted
    assert not result.summary.complete
    assert result.skipped == [
        "2/b: interrupted before it was read to its end",
        "3/c: interrupted before it was read to its end",
    ]
    assert [each for each, _ in result.found] == ["sg-0001", "sg-0002"]
    assert (result.summary.skipped[0].account_id, result.summary.skipped[0].region) == ("2", "b")


def test_what_was_judged_before_ctrl_c_is_taken_in_after_it() -> None:
    with blocked() as gate:
        judged = threading.Event()
        parts = [*(page(group(number, 80)) for number in range(20)), judged.set, gate.wait]

        def wait_and_interrupt() -> None:
            judged.wait(5)
            interrupt()

        told = Told(once(wait_and_interrupt))
        result = Result(Memory({"1/a": parts, "2/b": [page(group(99, 80))]}), told=told)
    assert result.summary.interrupted
    assert result.summary.groups == len(result.found) == 20
    assert len(result.skipped) == 2


def once(call: Callable[[], None]) -> Callable[[], None]:
    calls = [call]
    return lambda: calls.pop()() if calls else None


def test_ctrl_c_while_nothing_answers_ends_the_scan_at_once() -> None:
    with blocked() as gate:
        timer = threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident or 0, signal.SIGINT))
        timer.start()
        began = time.monotonic()
        result = Result(Memory({f"{number}/a": [gate.wait] for number in range(3)}), workers=2)
        assert time.monotonic() - began < 3
    assert result.summary.interrupted
    assert len(result.skipped) == 3
    assert result.found == []


def test_ctrl_c_while_shards_are_looked_for_is_a_partial_result_too() -> None:
    class Slow(Memory):
        def shards(self) -> Iterator[Shard | Skipped]:
            yield Shard("1/a", "1", "a")
            interrupt()

    summary = Result(Slow({"1/a": [page(group(1, 80))]})).summary
    assert summary.interrupted
    assert not summary.complete


def test_a_history_dates_the_findings_that_are_kept(tmp_path: Path) -> None:
    store = Store()
    evaluator = Evaluator(bind(BASELINE), NOW)
    inventory = Memory({"1/a": [page(group(1, 80))]})
    with closing(SqliteHistory(tmp_path / "seen.db")) as history:
        scan(inventory, evaluator, store, Told(), Selection(), workers=1, history=history)
    assert [finding.first_seen for finding in store] == [NOW]


def test_findings_stand_without_rule_ids_when_these_cannot_be_had() -> None:
    class WithoutIds(Memory):
        def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
            raise AwsError(f"too many requests for {len(groups)} groups of {shard.name}", hint="scan again")

    result = Result(WithoutIds({"1/r": [page(group(1, 22)), page(group(2, 22))]}))
    assert [finding.group.group_id for finding in result.store if finding.rule_id == SSH] == ["sg-0001", "sg-0002"]
    assert [each.what for each in result.summary.skipped] == ["security group rules"] * 2
    assert not result.summary.complete


def test_an_account_without_groups_in_the_wanted_regions_is_no_failure() -> None:
    result = Result(Memory({"111122223333/r": []}), accounts=frozenset({"111122223333", "999999999999"}))
    assert [each.account_id for each in result.summary.skipped] == ["999999999999"]
