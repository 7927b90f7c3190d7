"""The accounts, their OUs and their regions. The management account is the one a scan starts from."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from sg_compliance.testing.organisation.shapes import Account, OrganizationalUnit

ORGANIZATION_ID: Final = "o-demoharb0r"
ROOT_ID: Final = "r-demo"
ROLE_NAME: Final = "sg-compliance-scan"
"""The role that exists in each active account. Any other role name is refused."""

REGIONS: Final = ("us-east-1", "eu-west-1", "ap-southeast-2")
RECOVERY_REGION: Final = "ap-southeast-2"
"""Kept ready for disaster recovery: it runs no workers."""

SECURITY: Final = OrganizationalUnit("ou-demo-secur1ty", "Security", ROOT_ID)
WORKLOADS: Final = OrganizationalUnit("ou-demo-w0rkl0ad", "Workloads", ROOT_ID)
NON_PRODUCTION: Final = OrganizationalUnit("ou-demo-n0npr0d0", "NonProduction", WORKLOADS.ou_id)
ORGANIZATIONAL_UNITS: Final = (SECURITY, WORKLOADS, NON_PRODUCTION)

MANAGEMENT: Final = Account(
    # moto takes callers with access keys that it did not hand out for callers from this account.
    account_id="123456789012",
    name="harbour-management",
    email="aws+management@harbour.example",
    ou_id=SECURITY.ou_id,
    environment="production",
    environment_tag="production",
    joined="2019-02-11T09:30:00Z",
    projects=("identity", "billing"),
)
AUDIT: Final = Account(
    account_id="210987654321",
    name="harbour-security-audit",
    email="aws+audit@harbour.example",
    ou_id=SECURITY.ou_id,
    environment="production",
    environment_tag="production",
    joined="2019-02-12T10:00:00Z",
    projects=("siem", "forensics", "vulnerability-scanning"),
)
PAYMENTS: Final = Account(
    account_id="311122223333",
    name="harbour-payments-production",
    email="aws+payments@harbour.example",
    ou_id=WORKLOADS.ou_id,
    environment="production",
    environment_tag="production",
    joined="2019-06-03T08:15:00Z",
    projects=("checkout", "ledger", "settlement", "fraud"),
)
STOREFRONT: Final = Account(
    account_id="444455556666",
    name="harbour-storefront-production",
    email="aws+storefront@harbour.example",
    ou_id=WORKLOADS.ou_id,
    environment="production",
    environment_tag="prod",
    joined="2019-06-04T08:15:00Z",
    projects=("catalogue", "search", "orders", "media"),
)
STAGING: Final = Account(
    account_id="555566667777",
    name="harbour-staging",
    email="aws+staging@harbour.example",
    ou_id=NON_PRODUCTION.ou_id,
    environment="staging",
    environment_tag="staging",
    joined="2020-01-20T12:00:00Z",
    projects=("checkout", "catalogue", "orders"),
)
DEVELOPMENT: Final = Account(
    account_id="666677778888",
    name="harbour-development",
    email="aws+development@harbour.example",
    ou_id=NON_PRODUCTION.ou_id,
    environment="development",
    environment_tag="dev",
    joined="2020-01-21T12:00:00Z",
    projects=("checkout", "catalogue", "sandbox"),
)
ACCOUNTS: Final = (MANAGEMENT, AUDIT, PAYMENTS, STOREFRONT, STAGING, DEVELOPMENT)

CLOSED: Final = Account(
    account_id="777788889999",
    name="harbour-legacy-erp",
    email="aws+legacy-erp@harbour.example",
    ou_id=WORKLOADS.ou_id,
    environment="production",
    environment_tag="production",
    joined="2019-09-09T09:09:00Z",
    status="SUSPENDED",
)

OWNERS: Final = MappingProxyType(
    {
        "billing": "team-finance-systems",
        "catalogue": "team-catalogue",
        "checkout": "team-payments",
        "forensics": "team-security",
        "fraud": "team-risk",
        "identity": "team-platform",
        "ledger": "team-finance-systems",
        "media": "team-catalogue",
        "orders": "team-fulfilment",
        "sandbox": "team-platform",
        "search": "team-search",
        "settlement": "team-payments",
        "siem": "team-security",
        "vulnerability-scanning": "team-security",
    }
)
"""Which team owns a project; what is nobody's is the platform team's."""
