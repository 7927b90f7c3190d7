"""Who made a call, and whether it was us.

Ours is a session of our role under our session name. Another session of our role is somebody who got hold of the
role: an impostor, and never passed over as our own change. So is one whose parts contradict each other.

At home no role is assumed: there ours is whoever runs this, exactly, and any session of the roles that our functions
run as, for a role that trusts Lambda alone has no other sessions. Other sessions of whoever runs this are strangers:
it may be a person, whose role others use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.errors import InputError, RejectedEventError
from sg_compliance.realtime.event_fields import ACCOUNT_ID, Json, identifier, inner, text

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROOT: Final = "Root"
_SESSION: Final = re.compile(r"arn:[a-z-]+:sts::([0-9]{12}):assumed-role/([^/]+)(?:/(.+))?")
_ROLE: Final = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):role/(?:.*/)?([^/]+)")
_NAMED: Final = re.compile(r"arn:[a-z-]+:[a-z]+::[0-9]{12}:(?:user|federated-user)/(?:.*/)?([^/]+)")
_ROLE_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_AT_HOME: Final = re.compile(r"arn:([a-z-]+):(?:sts|iam)::([0-9]{12}):.+")


class Principal(NamedTuple):
    """`userIdentity` of a record (CloudTrail user guide, userIdentity element). What is not known is empty.

    `name` is the user's, or the role's; of a service, its `invoked_by`. `session_issuer` is an ARN.
    """

    type: str
    arn: str = ""
    name: str = ""
    account: str = ""
    session_name: str = ""
    session_issuer: str = ""
    invoked_by: str = ""
    is_root: bool = False


def principal(identity: Json) -> Principal:
    """Read a `userIdentity`. Raises RejectedEventError."""
    kind, arn, invoked_by, user, unique = (
        text(identity.get(key), f"userIdentity.{key}")
        for key in ("type", "arn", "invokedBy", "userName", "principalId")
    )
    if not kind:
        raise RejectedEventError("userIdentity does not say its type")
    account, session = identity.get("accountId"), _SESSION.fullmatch(arn)
    return Principal(
        type=kind,
        arn=arn,
        name=_name(kind, arn) or user or invoked_by or unique,
        account="" if account is None else identifier(account, ACCOUNT_ID, "userIdentity.accountId"),
        session_name=(session[3] or "") if session else "",
        session_issuer=_issuer(identity),
        invoked_by=invoked_by,
        is_root=kind == _ROOT,
    )


def _name(kind: str, arn: str) -> str:
    """The name that an ARN holds, of a role or a user; `root` for root."""
    session, named = _SESSION.fullmatch(arn), _NAMED.fullmatch(arn)
    return session[2] if session else named[1] if named else "root" if kind == _ROOT else ""


def _issuer(identity: Json) -> str:
    context = inner(identity.get("sessionContext"), "userIdentity.sessionContext")
    issuer = inner(context.get("sessionIssuer"), "userIdentity.sessionContext.sessionIssuer")
    return text(issuer.get("arn"), "userIdentity.sessionContext.sessionIssuer.arn")


class Standing(StrEnum):
    """What a principal is to us."""

    STRANGER = "stranger"
    OWN = "own"
    IMPOSTOR = "impostor"


class _Role(NamedTuple):
    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Ours:
    """What is ours: roles by name in every account or by ARN, our session names, and the accounts we answer for.

    Case is no part of a role's name: no two differ by case alone (IAM user guide, quotas and names).
    `function_roles`: ARNs of roles that only our functions have sessions of, by whatever name. `callers`: ARNs of the
    users and sessions that run this, as they are. `accounts` None: every account. An event for another account is
    rejected. Raises InputError for what is no role ARN.
    """

    role_names: frozenset[str] = frozenset()
    role_arns: frozenset[str] = frozenset()
    session_names: frozenset[str] = frozenset()
    accounts: frozenset[str] | None = None
    function_roles: frozenset[str] = frozenset()
    callers: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for arn in sorted(self.role_arns | self.function_roles):
            if not _ROLE.fullmatch(arn):
                raise InputError(
                    f"{arn!r} is no ARN of a role", hint="write it like arn:aws:iam::111122223333:role/NAME"
                )

    def answers_for(self, account_id: str) -> bool:
        """Whether the account is one of those that this tool answers for."""
        return self.accounts is None or account_id in self.accounts

    def standing(self, who: Principal, account_id: str) -> Standing:
        """What the caller is to us, in the account that the call changed."""
        session, issuer = _SESSION.fullmatch(who.arn), _ROLE.fullmatch(who.session_issuer)
        claims = {_Role(match[1], match[2]) for match in (session, issuer) if match}
        readable = bool(session) and bool(issuer or not who.session_issuer)
        here = all(role.account == account_id for role in claims)
        consistent = readable and len(claims) == 1 and who.type == "AssumedRole" and here
        if self._is_caller(who, account_id, consistent=consistent):
            return Standing.OWN
        if not any(self.owns(*role) for role in claims):
            return Standing.STRANGER
        named = who.session_name in self.session_names
        known = named or any(_is_named(role, self.function_roles) for role in claims)
        return Standing.OWN if consistent and known else Standing.IMPOSTOR

    def owns(self, account_id: str, role_name: str) -> bool:
        """Whether it is one of our roles, whoever has a session of it."""
        role = _Role(account_id, role_name)
        return self._is_ours(role) or _is_named(role, self.function_roles)

    def _is_ours(self, role: _Role) -> bool:
        named = role.name.lower() in {name.lower() for name in self.role_names}
        return named or _is_named(role, self.role_arns)

    def _is_caller(self, who: Principal, account_id: str, *, consistent: bool) -> bool:
        """Whether it is who runs this: the very session, or the user, in the account that it is of."""
        if who.arn not in self.callers:
            return False
        return consistent if _SESSION.fullmatch(who.arn) else who.type == "IAMUser" and who.account == account_id


def _is_named(role: _Role, arns: frozenset[str]) -> bool:
    """By ARN the account counts too; paths do not, for a session's ARN has none (IAM user guide, identifiers)."""
    matches = (_ROLE.fullmatch(arn) for arn in arns)
    named = {(match[1], match[2].lower()) for match in matches if match}
    return (role.account, role.name.lower()) in named


def is_role(name: str) -> bool:
    """Whether it is the name of a role or the ARN of one (IAM user guide, quotas: up to 64 characters)."""
    return bool(_ROLE.fullmatch(name) if name.startswith("arn:") else _ROLE_NAME.fullmatch(name))


def roles_at_home(names: Iterable[str], caller: str) -> frozenset[str]:
    """ARNs of the roles that are named: those that are ARNs already, and names in the account of the caller's ARN."""
    home = _AT_HOME.fullmatch(caller)
    here = f"arn:{home[1]}:iam::{home[2]}:role/" if home else ""
    named = {each for each in names if each}
    return frozenset(each if each.startswith("arn:") else f"{here}{each}" for each in named if here or ":" in each)
