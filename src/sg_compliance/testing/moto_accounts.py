"""The demo organisation's accounts inside moto: Organizations, the role of each account, and who may assume it.

moto gives credentials for any role, even for one that does not exist. Here AssumeRole refuses as AWS does, because a
misspelt role name must be seen to fail. Trust policies and external ids are not judged: the caller is always trusted.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends
from moto.organizations.models import (
    FakeAccount,
    FakeOrganization,
    FakeOrganizationalUnit,
    FakeRoot,
    organizations_backends,
)
from moto.sts import urls as sts_urls
from moto.sts.models import STSBackend, sts_backends
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from types import ModuleType

    from moto.sts.models import AssumedRole

    from sg_compliance.testing.organisation import Account, Organisation

_PARTITION = "aws"
_HOME_REGION = "us-east-1"


def play_accounts(organisation: Organisation) -> None:
    """Make moto's Organizations, IAM and STS those of the organisation."""
    _create_organization(organisation)
    for account in organisation.accounts:
        _create_role(account, organisation)
    sts_backends.backend = RefusingStsBackend


def _create_organization(organisation: Organisation) -> None:
    backend = organizations_backends[organisation.management_account_id][_PARTITION]
    created = FakeOrganization(organisation.management_account_id, region_name=_HOME_REGION, feature_set="ALL")
    created.id, created.root_id = organisation.organization_id, organisation.root_id
    backend.org = created
    backend.ou.append(FakeRoot(created))
    for unit in organisation.organizational_units:
        in_moto = FakeOrganizationalUnit(created, Name=unit.name, ParentId=unit.parent_id)
        in_moto.id = unit.ou_id
        backend.ou.append(in_moto)
    for account in (*organisation.accounts, *organisation.suspended_accounts):
        backend.accounts.append(_account(account, created))
        if account.account_id == created.master_account_id:
            created.master_account_email = account.email
        else:
            membership = (created.master_account_id, _PARTITION)
            organizations_backends.master_accounts[account.account_id] = membership


def _account(account: Account, created: FakeOrganization) -> FakeAccount:
    in_moto = FakeAccount(created, AccountName=account.name, Email=account.email)
    del iam_backends[in_moto.id]  # moto has made an account with an id of its own
    in_moto.id = account.account_id
    in_moto.parent_id = account.ou_id
    in_moto.create_time = datetime.fromisoformat(account.joined).replace(
        tzinfo=None
    )  # moto's times are UTC, and do not say so
    in_moto.joined_method = "INVITED" if account.account_id == created.master_account_id else "CREATED"
    if account.status == "SUSPENDED":
        in_moto.close()
    return in_moto


def _create_role(account: Account, organisation: Organisation) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{_PARTITION}:iam::{organisation.management_account_id}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam_backends[account.account_id][_PARTITION].create_role(
        role_name=organisation.role_name,
        assume_role_policy_document=json.dumps(trust),
        path="/",
        permissions_boundary=None,
        description="Read security groups for sg-compliance",
        tags=[],
        max_session_duration="3600",
    )


class RefusingStsBackend(STSBackend):
    """moto's STS, which refuses a role that does not exist."""

    @property
    def _url_module(self) -> ModuleType:
        return sts_urls  # moto looks for it beside the module of the class

    def assume_role(  # noqa: PLR0913, PLR0917  moto's signature
        self,
        region_name: str,
        role_session_name: str,
        role_arn: str,
        policy: str,
        duration: int,
        external_id: str,
    ) -> AssumedRole:
        """Give credentials of the role, or raise AWS's refusal."""
        if not _role_exists(role_arn):
            caller_arn = self.get_caller_identity("", region_name)[1]
            raise AssumeRoleDeniedError(caller_arn, role_arn)
        return super().assume_role(region_name, role_session_name, role_arn, policy, duration, external_id)


def _role_exists(role_arn: str) -> bool:
    return any(role.arn == role_arn for account in iam_backends.values() for role in account[_PARTITION].roles.values())


class AssumeRoleDeniedError(HTTPException):
    """AWS's answer to AssumeRole for a role that is missing or does not trust the caller: it does not say which."""

    code = 403

    def __init__(self, caller_arn: str, role_arn: str) -> None:
        message = f"User: {caller_arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        super().__init__(
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>AccessDenied</Code><Message>{escape(message)}</Message></Error>"
            "<RequestId>demo</RequestId></ErrorResponse>"
        )

    def get_headers(self, *_: object, **__: object) -> list[tuple[str, str]]:
        """Say that the body is XML."""
        return [("Content-Type", "text/xml")]
