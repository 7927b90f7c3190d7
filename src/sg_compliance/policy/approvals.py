"""Where an exemption does not count, because an environment asks for another approver."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.policy.consistency import override_account
from sg_compliance.policy.resolve import environments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.policy.document import Document
    from sg_compliance.policy.resolve import Policy


class Unaccepted(NamedTuple):
    """An environment that does not accept an exemption, and whose approval it needs: that of one of them."""

    environment: str
    needs: tuple[str, ...]

    def __str__(self) -> str:
        """`production: needs security_team`."""
        return f"{self.environment}: needs {' or '.join(self.needs)}"


def unaccepted(policy: Policy, approved_by: str, account_id: str = "") -> tuple[Unaccepted, ...]:
    """The environments that do not accept what was approved by this one.

    Without an account it is one of any account: then an environment of only some of them counts, too.
    """
    accounts = (account_id,) if account_id else ("", *_overridden(policy.document))
    found: dict[str, Unaccepted] = {}
    for environment in sorted(environments_of(policy.document)):
        for account in accounts:
            needs = policy.rule_set(account, environment).required_approvals
            if needs and approved_by not in needs:
                found.setdefault(environment, Unaccepted(environment, needs))
    return tuple(found.values())


def unaccepted_by_account(policy: Policy, approved_by: str, account_id: str) -> Unaccepted | None:
    """The environment that the account is in by the document, where that does not accept it."""
    environment = policy.environment_of_account(account_id)
    found = unaccepted(policy, approved_by, account_id)
    return next((each for each in found if each.environment == environment), None)


def _overridden(document: Document) -> Iterator[str]:
    for key in document.account_specific_overrides.by_key():
        account = override_account(key)
        if account:
            yield account
