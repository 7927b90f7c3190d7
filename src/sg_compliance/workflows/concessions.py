"""Grant exemptions and leave to change protected groups, and take them away again: audited, and told to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.enforcement import granted as grants
from sg_compliance.enforcement.operations import grant_notice, granted, withdrawn
from sg_compliance.errors import InputError
from sg_compliance.model.concession import ConcessionKind
from sg_compliance.policy.resolve import Policy
from sg_compliance.workflows.telling import audited, tell

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.enforcement.granted import Listed
    from sg_compliance.interfaces import Clock
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.document import Document
    from sg_compliance.workflows.accounting import Run
    from sg_compliance.workflows.transaction import Stores


class Done(NamedTuple):
    """The grant that was given or taken away, what it took the place of, and what a person should know."""

    concession: Concession
    before: Concession | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Granting:
    """The world of one grant."""

    stores: Stores
    clock: Clock
    run: Run

    def grant(self, concession: Concession, *, replace: bool) -> Done:
        """Give it. Raises InputError where there is one already and it is not to be replaced."""
        before = self.find(concession.id)
        running = before is not None and (before.expires is None or before.expires > self.clock.now())
        if before and running and not replace:
            until = f"until {before.expires.isoformat(timespec='minutes')}" if before.expires else "for good"
            message = f"{before.id} was granted already, {until}: {', '.join(before.rules) or before.reason}"
            raise InputError(message, hint="give --replace to put this in its place")
        event = granted(concession, before, self.run.id)
        with audited(self.stores.audit, event):
            self.stores.concessions.grant(concession)
        return Done(concession, before, tell(self.stores.notifier, grant_notice(event, concession, self.run.by)))

    def withdraw(self, concession_id: str) -> Done:
        """Take it away. Raises InputError where there is none."""
        concession = self.find(concession_id)
        if concession is None:
            raise not_granted(concession_id)
        event = withdrawn(concession, self.clock.now(), self.run.by, self.run.id)
        with audited(self.stores.audit, event):
            self.stores.concessions.withdraw(concession_id)
        return Done(concession, None, tell(self.stores.notifier, grant_notice(event, concession, self.run.by)))

    def find(self, concession_id: str) -> Concession | None:
        """The grant with this id."""
        return next((each for each in self.stores.concessions.all() if each.id == concession_id), None)


def exemptions(stores: Stores | None, document: Document, running_at: datetime | None) -> list[Listed]:
    """The exemptions of the document, then those granted outside it; with a time only those that run then."""
    found = grants.exemptions(Policy(document), stores.concessions.all() if stores else ())
    return [each for each in found if running_at is None or not each.lapsed(running_at)]


def unprotections(stores: Stores, now: datetime) -> list[Listed]:
    """The groups that are unprotected now."""
    found = grants.stored(stores.concessions.all(), ConcessionKind.UNPROTECTION)
    return [each for each in found if not each.lapsed(now)]


def not_granted(concession_id: str) -> InputError:
    """There is none with this id."""
    kind, _, subject = concession_id.partition("/")
    if kind == ConcessionKind.UNPROTECTION:
        return InputError(f"{subject} is not unprotected", hint="see which are: sg-compliance unprotect --list")
    return InputError(
        f"there is no exemption {concession_id!r} outside the policy document",
        hint="see which there are: sg-compliance exempt list; those of the document are taken out of the document",
    )
