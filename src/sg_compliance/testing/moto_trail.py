"""Writes the trail of calls that the twin answers behind moto: who called is what moto's STS and IAM know of the key.

A key that neither handed out is that of an IAM user of the management account. The address is the one that the client
names in `X-Forwarded-For`, for a test that plays somebody elsewhere; else it is loopback.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from moto.sts.models import sts_backends

from sg_compliance.testing.trail import Answered, Caller, event, is_recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.testing.trail import Json, TrailFile
    from sg_compliance.testing.twin import TwinError

_PARTITION: Final = "aws"
_LOOPBACK: Final = "127.0.0.1"


class MotoTrail:
    """Keeps the changing calls in a file."""

    def __init__(self, file: TrailFile) -> None:
        self._file = file

    def keep(self, caller: Caller, answered: Answered) -> None:
        """Write down the call, where it is one that changes something."""
        if is_recorded(answered.operation):
            ids = [str(uuid.uuid4()) for _ in range(3)]
            self._file.append(event(answered, caller, datetime.now(UTC), ids))


def caller_of(account_id: str, region: str, access_key: str, headers: Mapping[str, str]) -> Caller:
    """Who made a request to moto."""
    sts = sts_backends[account_id][_PARTITION]
    unique_id, arn, owner = sts.get_caller_identity(access_key, region)
    session = sts.get_assumed_role_from_access_key(access_key)
    return Caller(
        arn=arn if session else arn.replace(":sts:", ":iam:"),  # moto's own name for an unknown key is of STS
        account_id=owner,
        unique_id=unique_id,
        access_key_id=access_key,
        role_arn=session.role_arn if session else "",
        source_ip=headers.get("X-Forwarded-For", _LOOPBACK),
        user_agent=headers.get("User-Agent", ""),
    )


def answered(
    place: tuple[str, str], operation: str, params: Json, answer: Json, refusal: TwinError | None = None
) -> Answered:
    """What came of a request. `place`: account and region."""
    code, message = (refusal.code, refusal.message) if refusal else ("", "")
    return Answered(*place, operation, params, answer, code, message)
