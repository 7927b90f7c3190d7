"""No call may outlive half of a lease: whoever thinks it still has the lock would change what another is changing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sg_compliance.aws import session
from sg_compliance.bootstrap import CHANGING, RESPONDING, responding
from sg_compliance.workflows import countering, transaction

if TYPE_CHECKING:
    from datetime import timedelta

    from sg_compliance.bootstrap import Patience


@pytest.mark.parametrize(("patience", "lease"), [(CHANGING, transaction.LEASE), (RESPONDING, countering.LEASE)])
def test_a_call_is_given_up_in_less_than_half_of_the_lease(patience: Patience, lease: timedelta) -> None:
    tries = patience.attempts * (session._CONNECT_SECONDS + patience.seconds)  # noqa: SLF001 - each try may take both
    waits = sum(2**number for number in range(patience.attempts - 1))  # the SDK waits up to 1, 2, 4 … seconds
    assert tries + waits < lease.total_seconds() / 2


def test_a_queue_that_is_empty_has_time_to_say_so() -> None:
    assert CHANGING.seconds / 2 > responding._WAIT_SECONDS  # noqa: SLF001 - a long poll is answered at its end
