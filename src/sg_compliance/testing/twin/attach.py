"""A real boto3 client, answered by the twin: requests are built and checked by the SDK, and never sent.

botocore lets a handler of `before-call` answer in place of the network. Its retries are part of sending, so that a
refused call reaches the caller at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.testing.twin.refusal import TwinError

if TYPE_CHECKING:
    from sg_compliance.testing.twin.engine import Twin
    from sg_compliance.testing.twin.nouns import Json

_OK: Final = 200
_REFUSED: Final = 400
_THROTTLED: Final = 503
_PARAMS: Final = "sg_compliance_twin_params"


@dataclass(frozen=True, slots=True)
class _Http:
    """As much of an HTTP response as botocore looks at."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


def attach(client: Any, twin: Twin, account_id: str) -> None:  # noqa: ANN401  any SDK's client
    """Let the EC2 client answer from the twin, as the account, in the client's region.

    A refusal is a ClientError, as from AWS; a lost response is a TimeoutError.
    """

    def keep(*, params: Json, context: Json, **_: object) -> None:
        context[_PARAMS] = params

    def answer(*, model: Any, context: Json, **_: object) -> tuple[_Http, Json]:  # noqa: ANN401  the SDK's model
        try:
            answered = twin.call(account_id, client.meta.region_name, model.name, context[_PARAMS])
        except TwinError as error:
            return _response(_status(error), {"Error": {"Code": error.code, "Message": error.message}})
        return _response(_OK, answered)

    client.meta.events.register("provide-client-params.ec2", keep)
    client.meta.events.register("before-call.ec2", answer)


def _status(error: TwinError) -> int:
    return _THROTTLED if error.code == "RequestLimitExceeded" else _REFUSED


def _response(status: int, parsed: Json) -> tuple[_Http, Json]:
    metadata = {"RequestId": "twin", "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
    return _Http(status), {**parsed, "ResponseMetadata": metadata}
