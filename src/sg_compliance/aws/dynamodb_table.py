"""One DynamoDB table with string keys `pk` and `sk`: conditional writes, transactions and pages, without its notation.

Expressions are written with `#name` and `:value` for every attribute: so many words are reserved in DynamoDB.

What has the same `pk` can be written 1,000 times a second and read 3,000 times, in units of 1 KB and 4 KB; what is
written in a transaction counts twice (DynamoDB developer guide, "Best practices for designing and using partition
keys" and "Transactions"). Where that may be too little for a hundred events a second, `spread` makes 16 of one `pk`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from sg_compliance.aws.stores import code_of, storing
from sg_compliance.errors import StoreError
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sg_compliance.aws.session import Sessions
    from sg_compliance.interfaces import Clock

IAM_ACTIONS: Final = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    }
)
AT_ONCE: Final = 100
"""Keys in one BatchGetItem, writes in one transaction (DynamoDB API reference); its 4 MB are far."""

_NAME: Final = re.compile(r"#(\w+)")
_REFUSED: Final = "ConditionalCheckFailedException"
_CANCELLED: Final = "TransactionCanceledException"
_BUSY: Final = frozenset(
    {
        "TransactionConflictException",
        "TransactionInProgressException",
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    }
)
"""Another transaction is at the item, or this one still is, or too much is asked of it: nothing was written.

The last three are reasons of a TransactionCanceledException (DynamoDB API reference).
"""

_NOT_OURS: Final = (
    "the item in the table is wrong: put back what stood there (point-in-time recovery of the table), or delete it "
    "once it is known what it was; and see who else writes to the table"
)
_LONGEST_SHOWN: Final = 100
_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)

Item: TypeAlias = "dict[str, Any]"
Value: TypeAlias = "str | int | bytes"
_Reply = TypeVar("_Reply")


class Key(NamedTuple):
    """Which item."""

    pk: str
    sk: str


class Write(NamedTuple):
    """A conditional change of one item."""

    key: Key
    change: str
    condition: str
    values: Mapping[str, Value]


class Change(NamedTuple):
    """An item to be written, or taken away where it is None; `condition` is of what stands there now."""

    key: Key
    item: Mapping[str, Value] | None
    condition: str = ""
    values: Mapping[str, Value] = {}


class Answer(NamedTuple):
    """Whether the condition held; the item as it is after the change, or as it stood in the way."""

    held: bool
    item: Item


_SHARES: Final = "0123456789abcdef"


def spread(pk: str, name: str) -> str:
    """The one of 16 partitions in which what has this name is kept: always the same one."""
    return f"{pk}#{hashlib.sha256(name.encode()).hexdigest()[0]}"


def shares(pk: str) -> list[str]:
    """The partitions among which `spread` chooses."""
    return [f"{pk}#{each}" for each in _SHARES]


class Table:
    """The table. Every read is strongly consistent. Raises StoreError. `actions` are all that it may do."""

    def __init__(
        self, sessions: Sessions, name: str, clock: Clock, region: str = "", *, actions: frozenset[str] = IAM_ACTIONS
    ) -> None:
        self._sessions = sessions
        self._actions = actions
        self._name = name
        self._clock = clock
        self._region = region

    def update(self, write: Write) -> Answer:
        """Change the item if the condition holds."""
        return self._conditional("update_item", {**self._request(write), "ReturnValues": "ALL_NEW"}, write.key)

    def delete_if(self, key: Key, condition: str, values: Mapping[str, Value]) -> Answer:
        """Take the item away if the condition holds; the answer's item is empty then."""
        return self._conditional("delete_item", self._act(Change(key, None, condition, values))["Delete"], key)

    def _conditional(self, operation: str, request: Mapping[str, Any], key: Key) -> Answer:
        place = self.place(key)

        def ask() -> tuple[bool, Any] | None:
            with storing(place):
                try:
                    answer = getattr(self._client(), operation)(
                        **request, ReturnValuesOnConditionCheckFailure="ALL_OLD"
                    )
                except ClientError as error:
                    if code_of(error) in _BUSY:
                        return None
                    if code_of(error) != _REFUSED:
                        raise
                    return False, error.response.get("Item", {})
                return True, answer["Attributes"] if "ReturnValues" in request else {}

        held, raw = self._patiently(ask, place)
        return Answer(held, self._item(raw, key))

    def update_and_change(self, write: Write, changes: Sequence[Change]) -> bool:
        """Change one item, and write and take away others, all or none. Whether the conditions held."""
        acts = [{"Update": self._request(write)}, *map(self._act, changes)]
        return self._transact(acts, self.place(write.key))

    def change_all(self, changes: Sequence[Change]) -> bool:
        """Write and take away items, all or none. Whether the conditions held."""
        return self._transact([self._act(each) for each in changes], self.place(changes[0].key))

    def _transact(self, acts: list[dict[str, Any]], place: str) -> bool:
        """Write up to 100 items, in one token: DynamoDB knows by it what is asked again because its answer was lost.

        For ten minutes (DynamoDB API reference, TransactWriteItems, ClientRequestToken). Where a condition did not
        hold that is said, whatever stood in the way of other items.
        """
        token = secrets.token_hex(16)

        def ask() -> bool | None:
            with storing(place):
                try:
                    self._client().transact_write_items(TransactItems=acts, ClientRequestToken=token)
                except ClientError as error:
                    reasons = _reasons(error)
                    if "ConditionalCheckFailed" in reasons:
                        return False
                    if not reasons & _BUSY:
                        raise
                    return None
            return True

        return self._patiently(ask, place)

    def get_all(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that are there, of up to 100 keys (BatchGetItem), each named once."""
        place, found = f"table {self._name}", {}
        left: Any = [_packed(key._asdict()) for key in keys]
        for pause in _PAUSES if left else ():
            with storing(place):
                answer = self._client().batch_get_item(
                    RequestItems={self._name: {"Keys": left, "ConsistentRead": True}}
                )
                raws = answer["Responses"].get(self._name, [])
                left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            items = [self._item(raw) for raw in raws]
            found.update({Key(item["pk"], item["sk"]): item for item in items})
            if not left:
                break
            self._clock.sleep(pause)
        if left:
            raise StoreError(f"{place}: not all of it could be read", hint="try again in a minute: AWS is throttling")
        return found

    def get(self, key: Key) -> Item:
        """The item; empty where it is not there."""
        with storing(self.place(key)):
            answer = self._client().get_item(TableName=self._name, Key=_packed(key._asdict()), ConsistentRead=True)
            raw = answer.get("Item", {})
        return self._item(raw, key)

    def put(self, item: Mapping[str, Value]) -> None:
        """Write the item, in place of one with the same key."""
        with storing(self.place(Key(str(item["pk"]), str(item["sk"])))):
            self._client().put_item(TableName=self._name, Item=_packed(item))

    def delete(self, key: Key) -> None:
        """Take the item away, if it is there."""
        with storing(self.place(key)):
            self._client().delete_item(TableName=self._name, Key=_packed(key._asdict()))

    def query(self, pk: str, since: str, condition: str, values: Mapping[str, Value]) -> Iterator[Item]:
        """The items of a partition in the order of `sk`, from `since`, that meet the condition: 1 MB read a call."""
        for raw in self._raw(pk, since, condition, values):
            yield self._item(raw)

    def _raw(self, pk: str, since: str, condition: str, values: Mapping[str, Value]) -> Iterator[Any]:
        keys = "#pk = :pk AND #sk >= :since" if since else "#pk = :pk"
        bounds = {"pk": pk, "since": since} if since else {"pk": pk}
        with storing(self.place(Key(pk, since))):
            pages = (
                self._client()
                .get_paginator("query")
                .paginate(
                    TableName=self._name,
                    ConsistentRead=True,
                    KeyConditionExpression=keys,
                    ExpressionAttributeNames=_names(keys + condition),
                    ExpressionAttributeValues=_values({**bounds, **values}),
                    **({"FilterExpression": condition} if condition else {}),
                )
            )
            for page in pages:
                yield from page["Items"]

    def _item(self, raw: Mapping[str, Mapping[str, Any]], key: Key | None = None) -> Item:
        """Text, whole numbers and bytes. Raises StoreError for what this program does not write."""
        item: Item = {}
        for name, value in raw.items():
            try:
                item[name] = _value(value)
            except (KeyError, ValueError) as error:
                found = key or Key(*(str(raw.get(part, {}).get("S", "")) for part in Key._fields))
                what = f"{name} is {value}"[:_LONGEST_SHOWN]
                raise StoreError(
                    visible(f"{self.place(found)}: this item was not written by sg-compliance: {what}"),
                    hint=_NOT_OURS,
                ) from error
        return item

    def place(self, key: Key) -> str:
        """The table and the item, as people read it."""
        return f"table {self._name}, {key.pk} {key.sk}".rstrip()

    def _request(self, write: Write) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "Key": _packed(write.key._asdict()),
            "UpdateExpression": write.change,
            "ConditionExpression": write.condition,
            "ExpressionAttributeNames": _names(write.change + write.condition),
            "ExpressionAttributeValues": _values(write.values),
        }

    def _act(self, change: Change) -> dict[str, Any]:
        held = {
            "ConditionExpression": change.condition,
            "ExpressionAttributeNames": _names(change.condition),
            **({"ExpressionAttributeValues": _values(change.values)} if change.values else {}),
        }
        request = {"TableName": self._name, **(held if change.condition else {})}
        if change.item is None:
            return {"Delete": {**request, "Key": _packed(change.key._asdict())}}
        return {"Put": {**request, "Item": _packed({**change.key._asdict(), **change.item})}}

    def _patiently(self, ask: Callable[[], _Reply | None], place: str) -> _Reply:
        """Ask again while another transaction is at the item, or it is asked too much of: the SDK does not."""
        for pause in _PAUSES:
            reply = ask()
            if reply is not None:
                return reply
            self._clock.sleep(pause)
        raise StoreError(f"{place}: other runs kept writing it at the same time", hint="try again in a minute")

    def _client(self) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return self._sessions.client("dynamodb", self._actions, self._region)


def _reasons(error: ClientError) -> frozenset[str]:
    """Why a transaction was cancelled; empty for another error."""
    if code_of(error) != _CANCELLED:
        return frozenset({code_of(error)})
    reasons: list[dict[str, str]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return frozenset(reason.get("Code", "") for reason in reasons)


def _names(expression: str) -> dict[str, str]:
    return {f"#{name}": name for name in _NAME.findall(expression)}


def _values(values: Mapping[str, Value]) -> dict[str, dict[str, str | bytes]]:
    return {f":{name}": value for name, value in _packed(values).items()}


def _packed(item: Mapping[str, Value]) -> dict[str, dict[str, str | bytes]]:
    return {name: _typed(value) for name, value in item.items()}


def _typed(value: Value) -> dict[str, str | bytes]:
    if isinstance(value, bytes):
        return {"B": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _value(raw: Mapping[str, Any]) -> Value:
    """Raises KeyError, ValueError for what this program does not write."""
    found: str | bytes = raw["B"] if "B" in raw else raw["N"] if "N" in raw else raw["S"]
    return int(found) if "N" in raw else found
