"""The IAM policies of roles that people make by hand: what the adapters call, on as little as IAM can say.

The actions are the adapters' own (IAM_ACTIONS); here is on what they are allowed, and what is denied. Terraform's
modules/member-account makes the same roles, and a test holds the two together.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sg_compliance.enforcement.guards import PROTECT_TAG
from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Statement: TypeAlias = "dict[str, Any]"

LAMBDA: Final = "lambda.amazonaws.com"
INLINE_LIMIT: Final = 10_240
MANAGED_LIMIT: Final = 6_144
TRUST_LIMIT: Final = 2_048
"""Characters of a role's inline policies together, of a managed policy, of a trust policy; white space does not count
(IAM user guide, IAM and STS quotas)."""

_DESCRIBING: Final = re.compile(r"ec2:Describe\w+")
_PREFIX_LISTS: Final = re.compile(r"ec2:GetManagedPrefixList\w+")
_RULES: Final = re.compile(r"ec2:(Authorize|Revoke|Update)SecurityGroup\w+")
_TAGS: Final = re.compile(r"ec2:(Create|Delete)Tags")
_PRINCIPALS: Final = re.compile(r"iam:\w+")
_PUTTING: Final = re.compile(r"iam:(Delete|Put)\w+")
_ORGANISATION: Final = re.compile(r"organizations:List\w+")
_NEEDS_NO_PERMISSION: Final = "sts:GetCallerIdentity"
_PRINCIPAL: Final = re.compile(r"arn:([a-z-]+):iam::(\d{12}):(role|user)/[\w+=,.@/-]+", re.ASCII)
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)


class RoleKind(StrEnum):
    """What a role is for: three in each account that is watched, and one where the command runs."""

    SCAN = "scan"
    REMEDIATE = "remediate"
    CONTAIN = "contain"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Scope:
    """On what. `accounts`: none are all. `entered`, `organisation` and `organisation_id` are the caller's.

    `break_glass`: names of users and roles that must never be blocked, with `*` and `?`.
    """

    accounts: tuple[str, ...] = ()
    partition: str = "aws"
    name_prefix: str = "sg-compliance"
    break_glass: tuple[str, ...] = ("break-glass*",)
    change_protected_groups: bool = False
    entered: tuple[RoleKind, ...] = (RoleKind.SCAN,)
    organisation: bool = False
    organisation_id: str = ""

    def of_ec2(self, kind: str) -> list[str]:
        """The ARNs of all resources of a kind in the accounts."""
        return [f"arn:{self.partition}:ec2:*:{account}:{kind}/*" for account in self._accounts()]

    def of_iam(self, *names: str) -> list[str]:
        """The ARNs of users and roles in the accounts: `role/…`, `user/…`."""
        return [f"arn:{self.partition}:iam::{account}:{name}" for account in self._accounts() for name in names]

    def _accounts(self) -> tuple[str, ...]:
        return self.accounts or ("*",)


def permissions(kind: RoleKind, scope: Scope) -> dict[str, Any]:
    """The policy of a role: what it may do. Raises InputError where IAM would not take it for its length."""
    hint = "name fewer accounts (without any the policy fits all), or fewer users and roles"
    return _document(_statements(kind, scope), INLINE_LIMIT, hint)


def _statements(kind: RoleKind, scope: Scope) -> list[Statement]:
    from sg_compliance.aws import ec2, ec2_lookup, ec2_rules, iam

    match kind:
        case RoleKind.SCAN:
            return _reading(ec2.IAM_ACTIONS | ec2_lookup.IAM_ACTIONS, scope)
        case RoleKind.REMEDIATE:
            return [*_reading(ec2_rules.IAM_ACTIONS, scope), *_changing(ec2_rules.IAM_ACTIONS, scope)]
        case RoleKind.CONTAIN:
            return _blocking(iam.IAM_ACTIONS, scope)
        case RoleKind.CALLER:
            return _calling(scope)


def trust(
    principals: Iterable[str], external_id: str, organisation_id: str = "", partition: str = "aws"
) -> dict[str, Any]:
    """The trust policy of a role: who may assume it. `principals` are ARNs of roles and users, and ids of accounts.

    Of an account that is named by an ARN only that role or user gets in. The account as a whole is the principal all
    the same: AWS would tie a role named there to its unique id, and one that is made anew would be locked out (IAM user
    guide, AWS JSON policy elements: Principal). Raises InputError.
    """
    named = list(dict.fromkeys(principals))
    found = [_PRINCIPAL.fullmatch(each) for each in named]
    roots = [f"arn:{each[1]}:iam::{each[2]}:root" for each in found if each]
    whole = [f"arn:{partition}:iam::{each}:root" for each in named if _ACCOUNT.fullmatch(each)]
    if len(roots) + len(whole) < len(named) or not named:
        raise InputError(
            "a trust policy names roles, users and accounts",
            hint="write them like arn:aws:iam::111122223333:role/NAME, or as an account's 12 digits",
        )
    arns = [each[0] for each in found if each]
    conditions = _entry(external_id, organisation_id)
    statements = [_assumed(roots, {"ArnEquals": {"aws:PrincipalArn": arns}, **conditions})] if arns else []
    statements += [_assumed(whole, conditions)] if whole else []
    return _document(statements, TRUST_LIMIT, "name fewer: an account's id stands for all of its roles")


def trust_of_lambda() -> dict[str, Any]:
    """The trust policy of a function's own role (Lambda developer guide, execution role)."""
    return _document([{"Effect": "Allow", "Principal": {"Service": LAMBDA}, "Action": "sts:AssumeRole"}], TRUST_LIMIT)


def length(document: Mapping[str, Any]) -> int:
    """Characters of a policy as IAM counts them: without white space."""
    return sum(not each.isspace() for each in json.dumps(document))


# ---- What each may do ----


def _reading(declared: frozenset[str], scope: Scope) -> list[Statement]:
    """`*`: EC2's describing actions know no resources (Service Authorization Reference).

    Prefix lists may be of any account: AWS's own, and those that others share, can be referred to.
    """
    lists = _those(declared, _PREFIX_LISTS)
    of_lists = [_allow("ReadPrefixLists", lists, [f"arn:{scope.partition}:ec2:*:*:prefix-list/*"])] if lists else []
    return [_allow("DescribeSecurityGroups", _those(declared, _DESCRIBING), ["*"]), *of_lists]


def _changing(declared: frozenset[str], scope: Scope) -> list[Statement]:
    """Rules and tags of security groups; not of protected ones, whose tag cannot be taken off either."""
    groups = [*scope.of_ec2("security-group"), *scope.of_ec2("security-group-rule")]
    protecting = {"aws:ResourceTag/" + PROTECT_TAG: "true"}
    rules = _allow("ChangeSecurityGroups", _those(declared, _RULES), groups)
    tags = _those(declared, _TAGS)
    alone = _deny("LeaveTheProtectingTagAlone", tags, groups)
    alone["Condition"] = {"ForAnyValue:StringEquals": {"aws:TagKeys": [PROTECT_TAG]}}
    statements = [rules, _allow("TagSecurityGroups", tags, groups), alone]
    if scope.change_protected_groups:
        return statements
    rules["Condition"] = {"StringNotEqualsIgnoreCase": protecting}
    kept = _deny("LeaveTheTagsOfProtectedGroupsAlone", [each for each in tags if "Delete" in each], groups)
    kept["Condition"] = {"StringEqualsIgnoreCase": protecting}
    return [*statements, kept]


def _blocking(declared: frozenset[str], scope: Scope) -> list[Statement]:
    """Users and roles. IAM cannot bound what a policy says that is put: who must not be touched is denied by name."""
    never = scope.of_iam(
        f"role/{scope.name_prefix}-*",
        "role/aws-service-role/*",
        "role/aws-reserved/*",
        *(f"{kind}/*{name}" for name in scope.break_glass for kind in ("role", "user")),
    )
    return [
        _allow("BlockPrincipals", _those(declared, _PRINCIPALS), scope.of_iam("role/*", "user/*")),
        _deny("NeverBlock", _those(declared, _PUTTING), never),
    ]


def _calling(scope: Scope) -> list[Statement]:
    """What the command needs itself: to enter the accounts, and to ask which there are."""
    from sg_compliance.aws import organizations, session

    roles = scope.of_iam(*(f"role/{scope.name_prefix}-{each}" for each in scope.entered))
    enter = _allow("EnterTheAccounts", sorted(session.IAM_ACTIONS - {_NEEDS_NO_PERMISSION}), roles)
    if scope.organisation_id:
        enter["Condition"] = {"StringEquals": {"aws:ResourceOrgID": scope.organisation_id}}
    if not scope.organisation:
        return [enter]
    return [enter, _allow("ListTheOrganisationsAccounts", _those(organizations.IAM_ACTIONS, _ORGANISATION), ["*"])]


def _entry(external_id: str, organisation_id: str) -> dict[str, Any]:
    same = {"sts:ExternalId": external_id}
    return {"StringEquals": {**same, "aws:PrincipalOrgID": organisation_id} if organisation_id else same}


def _assumed(accounts: list[str], conditions: Mapping[str, Any]) -> Statement:
    principal = {"AWS": list(dict.fromkeys(accounts))}
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": conditions}


def _those(declared: frozenset[str], which: re.Pattern[str]) -> list[str]:
    return sorted(each for each in declared if which.fullmatch(each))


def _allow(sid: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _deny(sid: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": resources}


def _document(statements: list[Statement], limit: int, hint: str = "") -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": statements}
    if length(document) > limit:
        message = f"the policy would have {length(document):,} characters, and IAM takes {limit:,} of such a one"
        raise InputError(message, hint=hint)
    return document
