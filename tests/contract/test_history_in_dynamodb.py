"""What is remembered of findings, in DynamoDB: what it costs, when it ends, and what others do in between."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from sg_compliance.aws import history as dynamo
from sg_compliance.aws.dynamodb_table import spread
from sg_compliance.aws.history import KEPT_FOR
from sg_compliance.errors import StoreError
from sg_compliance.model.finding import Severity
from sg_compliance.model.remembered import REOPENED_WITHIN
from sg_compliance.model.security_group import Place
from tests.contract.histories import HOUR, StillClock, in_table, times, waiting
from tests.contract.store_homes import LOST, AwsHome, Refusal, Wire, aws_on_loopback
from tests.properties.test_history_against_an_oracle import START, agree, finding, stories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sg_compliance.aws.dynamodb_table import Item, Key
    from sg_compliance.aws.history import DynamoHistory
    from tests.properties.test_history_against_an_oracle import Step

pytestmark = pytest.mark.e2e

LATER = START + 2 * HOUR
MOMENT = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def aws(wire: Wire) -> AwsHome:
    return AwsHome(wire)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories)
def test_a_table_remembers_what_the_oracle_does(wire: Wire, steps: list[Step]) -> None:
    agree(in_table(AwsHome(wire), StillClock(START)), steps)


def items(home: AwsHome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.client("dynamodb").scan(TableName=home.name)["Items"]
    return found


def cost(home: AwsHome, act: Callable[[], object]) -> Counter[str]:
    home.wire.calls.clear()
    act()
    return Counter(home.wire.calls)


def test_each_operation_costs_so_many_calls(aws: AwsHome) -> None:
    history, many = in_table(aws), [finding(1, f"RULE-{number}") for number in range(33)]
    assert cost(aws, lambda: history.seen(many, START)) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert cost(aws, lambda: history.seen(many, START)) == {"BatchGetItem": 1}
    assert cost(aws, lambda: history.seen(many, START + MOMENT)) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert cost(aws, lambda: history.untold(many)) == {"BatchGetItem": 1}
    assert cost(aws, lambda: list(history.waiting([Severity.HIGH, Severity.LOW]))) == {"Query": 32}
    assert cost(aws, lambda: history.told(many, START)) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert cost(aws, lambda: history.told(many, START)) == {"BatchGetItem": 1}
    assert cost(aws, lambda: history.gone(Place("1", "2", "3"), as_of=START)) == {"Query": 1}
    place = finding(1).group.place
    assert cost(aws, lambda: history.gone(place, as_of=START)) == {"Query": 1}
    gone = {"Query": 1, "TransactWriteItems": 1}
    assert cost(aws, lambda: history.gone(place, as_of=START + MOMENT)) == gone
    assert cost(aws, lambda: history.gone(place, as_of=LATER)) == {"Query": 1}
    assert cost(aws, lambda: history.seen([], START)) == {}
    assert cost(aws, lambda: history.seen([*many, finding(2)], LATER)) == {"BatchGetItem": 2, "TransactWriteItems": 2}


def test_the_client_can_do_what_the_actions_allow_and_no_more(aws: AwsHome) -> None:
    made = aws.sessions().client("dynamodb", dynamo.IAM_ACTIONS)
    wanted = {"BatchGetItem", "DeleteItem", "PutItem", "Query", "TransactWriteItems"}
    assert set(made.meta.method_to_api_mapping.values()) == wanted


def test_both_items_end_ninety_days_after_the_finding_was_last_seen(aws: AwsHome) -> None:
    history = in_table(aws)
    history.seen([finding(1)], START)
    history.seen([finding(1)], LATER)
    ends = {each["pk"]["S"]: int(each["expires"]["N"]) for each in items(aws)}
    end = int((LATER + KEPT_FOR).timestamp())
    assert ends == {f"findings#{finding(1).group.place}": end, spread("untold#high", finding(1).id): end}


def test_what_is_gone_ends_a_day_after_and_what_came_back_in_its_time(aws: AwsHome) -> None:
    history = in_table(aws)
    history.seen([finding(1)], START)
    history.gone(finding(1).group.place, as_of=START + HOUR)
    (kept,) = items(aws)
    assert int(kept["expires"]["N"]) == int((START + HOUR + REOPENED_WITHIN).timestamp())
    history.seen([finding(1)], LATER)
    assert {int(each["expires"]["N"]) for each in items(aws)} == {int((LATER + KEPT_FOR).timestamp())}
    assert len(items(aws)) == 2


def test_what_is_past_its_end_is_gone_though_it_is_still_there(aws: AwsHome) -> None:
    history = in_table(aws)
    (dated,) = history.seen([finding(1)], START)
    late = in_table(aws, StillClock(START + KEPT_FOR))
    assert waiting(late) == []
    assert late.untold([dated]) == set()
    late.told([dated], START + KEPT_FOR)
    late.gone(dated.group.place, as_of=START)
    again = START + KEPT_FOR
    assert times(late.seen([finding(1)], again)) == {(again, again)}
    assert waiting(late) == [dated.id]
    assert len(items(aws)) == 2


@pytest.mark.parametrize("answer", [LOST, Refusal(400, "TransactionConflictException"), Refusal(500, "InternalError")])
def test_a_lost_answer_or_another_in_the_way_changes_nothing(aws: AwsHome, answer: Refusal) -> None:
    history = in_table(aws)
    for act in (
        lambda: history.seen([finding(1), finding(2)], START),
        lambda: history.told(history.waiting(Severity), START),
        lambda: history.seen([finding(1, severity=Severity.CRITICAL)], LATER),
        lambda: history.gone(finding(2).group.place, as_of=START),
    ):
        aws.wire.refuse("TransactWriteItems", answer)
        act()
    assert aws.wire.refusals == []
    assert [(each.id, each.severity) for each in history.waiting(Severity)] == [(finding(1).id, Severity.CRITICAL)]
    assert len(items(aws)) == 3


@pytest.mark.parametrize("action", ["TransactWriteItems", "Query"])
def test_a_call_that_is_refused_is_named_and_what_was_begun_can_be_done_again(aws: AwsHome, action: str) -> None:
    history = in_table(aws)
    history.seen([finding(1)], START)
    aws.wire.refuse(action, Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=f"table {aws.name}.*dynamodb:") as denied:
        history.gone(finding(1).group.place, as_of=START)
    assert "allow dynamodb:" in denied.value.hint
    assert waiting(history) == [finding(1).id]
    history.gone(finding(1).group.place, as_of=START)
    assert waiting(history) == []
    assert len(items(aws)) == 1


def test_a_reading_that_is_refused_is_named(aws: AwsHome) -> None:
    aws.wire.refuse("BatchGetItem", Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=f"table {aws.name}: dynamodb:BatchGetItem") as denied:
        in_table(aws).seen([finding(1)], START)
    assert "allow dynamodb:BatchGetItem" in denied.value.hint
    assert items(aws) == []


class Interfering:
    """Between the reading and the writing of a history, another does something, once."""

    def __init__(self, home: AwsHome, act: Callable[[DynamoHistory], object]) -> None:
        self.history = in_table(home)
        table = self.history._table  # noqa: SLF001 - to stand between two of its calls
        read, ask = table.get_all, table.query

        def get_all(keys: Iterable[Key]) -> dict[Key, Item]:
            patch.undo()
            found = read(keys)
            act(in_table(home))
            return found

        def query(*asked: Any) -> list[Item]:  # noqa: ANN401  whatever it is asked
            patch.undo()
            found = list(ask(*asked))
            act(in_table(home))
            return found

        patch = pytest.MonkeyPatch()
        patch.setattr(table, "get_all", get_all)
        patch.setattr(table, "query", query)


def test_a_finding_that_becomes_worse_while_it_is_marked_as_told_still_waits(aws: AwsHome) -> None:
    told = in_table(aws).seen([finding(1)], START)
    worse = finding(1, severity=Severity.CRITICAL)
    Interfering(aws, lambda other: other.seen([worse], LATER)).history.told(told, LATER)
    assert waiting(in_table(aws)) == waiting(in_table(aws), Severity.CRITICAL) == [finding(1).id]
    assert len(items(aws)) == 2


def test_a_finding_that_is_told_while_it_is_seen_stays_told(aws: AwsHome) -> None:
    told = in_table(aws).seen([finding(1)], START)
    Interfering(aws, lambda other: other.told(told, LATER)).history.seen([finding(1)], LATER)
    assert waiting(in_table(aws)) == []


def test_a_finding_that_is_seen_while_it_goes_stays(aws: AwsHome) -> None:
    in_table(aws).seen([finding(1), finding(1, "TWO")], START)
    place = finding(1).group.place
    Interfering(aws, lambda other: other.seen([finding(1)], START + MOMENT)).history.gone(place, as_of=START)
    assert waiting(in_table(aws)) == [finding(1).id]


def test_a_finding_that_goes_and_comes_while_it_is_marked_as_told_waits(aws: AwsHome) -> None:
    told = in_table(aws).seen([finding(1)], START)

    def begin_anew(other: DynamoHistory) -> None:
        other.gone(finding(1).group.place, as_of=START)
        other.seen([finding(1)], LATER)

    Interfering(aws, begin_anew).history.told(told, LATER)
    assert waiting(in_table(aws)) == [finding(1).id]


def test_two_that_see_a_finding_first_at_once_agree(aws: AwsHome) -> None:
    early = START - HOUR
    dated = Interfering(aws, lambda other: other.seen([finding(1)], early)).history.seen([finding(1)], START)
    assert times(dated) == {(early, START)}


def test_who_never_gets_to_write_says_so_after_a_while(aws: AwsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    history = in_table(aws, clock)
    monkeypatch.setattr(history._table, "change_all", lambda _: False)  # noqa: SLF001 - whatever it writes
    with pytest.raises(StoreError, match="at the same time") as busy:
        history.seen([finding(1)], START)
    assert "nothing was written" in busy.value.hint
    assert 10 < len(clock.waits) < 100


def test_keys_that_are_not_read_at_once_are_asked_for_again(aws: AwsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    history, clock = in_table(aws), StillClock()
    history.seen([finding(1), finding(2)], START)
    slow = in_table(aws, clock)
    client = slow._table._client()  # noqa: SLF001 - an answer that moto does not give
    whole, asked = client.batch_get_item, []

    def half(RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - as the SDK calls it
        keys = RequestItems[aws.name]["Keys"]
        asked.append(len(keys))
        answer: dict[str, Any] = whole(RequestItems={aws.name: {"Keys": keys[:1], "ConsistentRead": True}})
        left = {aws.name: {"Keys": keys[1:]}} if keys[1:] and len(asked) < limit else {}
        return {**answer, "UnprocessedKeys": left or ({aws.name: {"Keys": keys}} if limit == 1 else {})}

    limit = 9
    monkeypatch.setattr(client, "batch_get_item", half)
    monkeypatch.setattr(slow._table, "_client", lambda: client)  # noqa: SLF001
    assert slow.untold([finding(1), finding(2)]) == {finding(1).id, finding(2).id}
    assert (asked, len(clock.waits)) == ([2, 1], 1)
    limit = 1
    with pytest.raises(StoreError, match="not all of it could be read") as left:
        slow.untold([finding(1)])
    assert "throttling" in left.value.hint


def test_an_item_that_is_not_ours_is_said_to_be_unreadable(aws: AwsHome) -> None:
    history = in_table(aws)
    for pk in (f"findings#{finding(1).group.place}", spread("untold#high", finding(1).id)):
        item = {"pk": {"S": pk}, "sk": {"S": finding(1).id}, "severity": {"S": "awful"}}
        aws.client("dynamodb").put_item(TableName=aws.name, Item=item)
    for act in (
        lambda: history.seen([finding(1)], START),
        lambda: waiting(history),
        lambda: history.gone(finding(1).group.place, as_of=START),
    ):
        with pytest.raises(StoreError, match=r"what the table holds cannot be read") as damaged:
            act()
        assert "delete the item" in damaged.value.hint
