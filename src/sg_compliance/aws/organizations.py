"""Which accounts the organisation has: all, or those under some organizational units.

Asked as the caller, who has to be in the management account or a delegated administrator (Organizations API reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.aws.failures import explained
from sg_compliance.errors import InputError
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from botocore.client import BaseClient

    from sg_compliance.aws.session import Sessions

IAM_ACTIONS: Final = frozenset(
    {
        "organizations:ListAccounts",
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
    }
)


class Account(NamedTuple):
    """An account that is to be read. The name is empty where Organizations was not asked."""

    account_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class OrganisationScope:
    """Which of the organisation's accounts: those under `units` (`ou-…`, `r-…`) or all, without `exclude`."""

    units: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()


def organisation_accounts(sessions: Sessions, scope: OrganisationScope) -> list[Account | Skipped]:
    """The scope's accounts, in AWS's order, each once; those that are not active or are excluded as Skipped.

    Raises:
        AwsError: the organisation cannot be read.
        InputError: there is nothing in the scope to read.
    """
    caller = sessions.caller()
    client = sessions.client("organizations", IAM_ACTIONS)
    with explained(caller.arn):
        raw = list(_under(client, scope.units) if scope.units else _pages(client, "list_accounts", "Accounts"))
    accounts = [_account(each, scope.exclude) for each in {each["Id"]: each for each in raw}.values()]
    if not any(isinstance(account, Account) for account in accounts):
        where = f"under {', '.join(scope.units)}" if scope.units else "in the organisation"
        raise InputError(f"no active account {where} is left to read", hint="check what --ou and --exclude name")
    return accounts


def _under(client: BaseClient, units: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Accounts of the units and of the units below them. Units can be given that lie below each other."""
    waiting, seen = list(reversed(tuple(units))), set[str]()
    while waiting:
        unit = waiting.pop()
        if unit in seen:
            continue
        seen.add(unit)
        yield from _pages(client, "list_accounts_for_parent", "Accounts", ParentId=unit)
        below = _pages(client, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=unit)
        waiting += [each["Id"] for each in below]


def _pages(client: BaseClient, operation: str, key: str, **parameters: str) -> Iterator[Mapping[str, Any]]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page.get(key, ())


def _account(raw: Mapping[str, Any], exclude: frozenset[str]) -> Account | Skipped:
    account_id = raw["Id"]
    # `State` takes the place of `Status`, which goes on 2026-09-09 (Organizations API reference, Account).
    state = str(raw.get("State") or raw.get("Status") or "unknown")
    if account_id in exclude:
        return Skipped("security groups", "left out by --exclude", account_id=account_id, wanted=False)
    if state != "ACTIVE":
        reason = f"the account is {state.lower().replace('_', ' ')}"
        return Skipped("security groups", reason, account_id=account_id, wanted=False)
    return Account(account_id, raw.get("Name", ""))
