"""Tell people, in one message, of the findings that wait to be told: each at least once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.policy.cadence import is_told, severities_of
from sg_compliance.realtime.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.interfaces import Clock, FindingHistory, Notifier
    from sg_compliance.model.notice import Notice
    from sg_compliance.policy.cadence import Cadence
    from sg_compliance.policy.resolve import Policy


class Sent(NamedTuple):
    """The message, None where there was nothing to tell; how many findings it told; how many were held back.

    Held back are those of accounts that want to be told nothing.
    """

    notice: Notice | None
    told: int = 0
    held_back: int = 0


def send_digest(  # noqa: PLR0913 - what is told to whom, and when
    cadence: Cadence,
    history: FindingHistory,
    notifier: Notifier,
    policy: Policy,
    clock: Clock,
    *,
    contacts: Iterable[str] = (),
) -> Sent:
    """Tell people of what is told at this pace. Raises SgComplianceError where nobody was told, or it was not noted.

    Findings are noted as told after the message was sent, so that a run that dies in between tells them once more, and
    none is ever left out. Those of accounts that want to be told nothing keep waiting: nobody was told of them, and
    people are, once the account's `send_notifications` is true, if they are still open.
    """
    waiting = list(history.waiting(severities_of(cadence, policy.document.policies())))
    telling = [each for each in waiting if is_told(each.place.account_id, policy)]
    held_back = len(waiting) - len(telling)
    notice = digest(cadence, telling, clock.now(), contacts)
    if notice is None:
        return Sent(None, held_back=held_back)
    notifier.send(notice)
    history.told(telling, clock.now())
    return Sent(notice, len(telling), held_back)
