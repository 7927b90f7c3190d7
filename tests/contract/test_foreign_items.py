"""Items in the table that this program never writes: each way of reading says which one it is, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws.dynamodb_table import Answer, Key, Table, Write
from sg_compliance.errors import StoreError
from tests.contract.store_homes import AwsHome, RealClock, Wire, aws_on_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

KEY = Key("block", "one")
READS: dict[str, Callable[[Table], object]] = {
    "get": lambda table: table.get(KEY),
    "get_all": lambda table: table.get_all([KEY]),
    "query": lambda table: list(table.query(KEY.pk, "", "", {})),
    "update": lambda table: table.update(Write(KEY, "SET #x = :x", "attribute_exists(#pk)", {"x": 1})),
    "update that is refused": lambda table: table.update(Write(KEY, "SET #x = :x", "#x = :x", {"x": 1})),
    "delete that is refused": lambda table: table.delete_if(KEY, "#x = :x", {"x": 1}),
}


@pytest.fixture(scope="module")
def home() -> Iterator[AwsHome]:
    wire: Wire
    with aws_on_loopback() as wire:
        yield AwsHome(wire)


def table_of(home: AwsHome) -> Table:
    return Table(home.sessions(), home.name, RealClock())


@pytest.mark.parametrize("foreign", [{"NULL": True}, {"N": "1.5"}, {"M": {"a": {"S": "\x1b[2J"}}}], ids=str)
@pytest.mark.parametrize("way", READS)
def test_an_item_that_others_wrote_is_named_with_the_next_step(
    way: str, foreign: dict[str, Any], home: AwsHome
) -> None:
    item = {"pk": {"S": KEY.pk}, "sk": {"S": KEY.sk}, "record": foreign}
    home.client("dynamodb").put_item(TableName=home.name, Item=item)
    with pytest.raises(StoreError) as failed:
        READS[way](table_of(home))
    assert str(failed.value).startswith(
        f"table {home.name}, block one: this item was not written by sg-compliance: record is "
    )
    assert "\x1b" not in str(failed.value)
    assert "put back what stood there" in failed.value.hint
    assert "proxy" not in failed.value.hint


def test_what_is_taken_away_under_a_condition_is_gone_or_stays(home: AwsHome) -> None:
    table, key = table_of(home), Key("block", "two")
    table.put({**key._asdict(), "x": 1})
    assert table.delete_if(key, "#x = :x", {"x": 2}) == Answer(held=False, item={**key._asdict(), "x": 1})
    assert table.delete_if(key, "#x = :x", {"x": 1}) == Answer(held=True, item={})
    assert table.delete_if(key, "#x = :x", {"x": 1}) == Answer(held=False, item={})
