"""Once, however often: Powertools' idempotency on the journal's DynamoDB table.

Items: `once` / what#hash: `status`, `in_progress_expiration` (milliseconds), and `expires`, the table's TTL attribute.
Calls: 2 for what is done, and for what is not to be remembered; 1 for what was done already.

One partition: a message is two writes under 1 KB, so that a hundred a second are 200 units of the 1,000 that it takes;
from 500 on it would be full. AWS deletes what is over without units (DynamoDB developer guide, Time to Live).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import BaseError, IdempotencyAlreadyInProgressError

from sg_compliance.errors import BusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.aws.session import Sessions

IAM_ACTIONS: Final = frozenset({"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"})

REMEMBERED_FOR: Final = timedelta(days=1)
_PARTITION: Final = "once"


class Invocation(Protocol):
    """What is asked of the context of a Lambda invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long it may still run: who is killed by then has given the key back."""


class _UndoneError(Exception):
    """Nothing was done that would have to be remembered: what Powertools meets with an error it forgets."""


class DynamoOnce:
    """The Once socket, remembering for a day. `what` keeps the keys of one purpose from those of another."""

    def __init__(self, sessions: Sessions, table: str, what: str, invocation: Invocation, region: str = "") -> None:
        self._what = what
        self._place = f"table {table}, {_PARTITION} {what}"
        client: Any = sessions.client("dynamodb", IAM_ACTIONS, region)
        self._layer = DynamoDBPersistenceLayer(
            table_name=table,
            key_attr="pk",
            sort_key_attr="sk",
            static_pk_value=_PARTITION,
            expiry_attr="expires",
            boto3_client=client,
        )
        self._config = IdempotencyConfig(
            expires_after_seconds=int(REMEMBERED_FOR.total_seconds()),
            hash_function="sha256",
            lambda_context=invocation,  # type: ignore[arg-type]  # it asks for the remaining time only
        )

    def do(self, key: str, act: Callable[[], object]) -> bool:
        """Act, unless it was done; False from `act` is not remembered. Raises what it raises, BusyError, StoreError."""
        acted = False

        def acting(*, key: str) -> None:
            nonlocal acted
            del key
            acted = True
            if act() is False:
                raise _UndoneError

        once = idempotent_function(
            acting,
            data_keyword_argument="key",
            persistence_store=self._layer,
            config=self._config,
            key_prefix=self._what,
        )
        try:
            once(key=f"={key}")  # an empty key would be none
        except _UndoneError:
            return True
        except IdempotencyAlreadyInProgressError as error:
            raise BusyError(f"{self._place}: another is at it", hint="it comes again by itself") from error
        except BaseError as error:
            raise StoreError(
                f"{self._place}: {error}", hint="let the message come again: what was done is not done twice"
            ) from error
        return acted
