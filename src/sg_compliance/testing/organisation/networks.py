"""VPCs and managed prefix lists. Each account has one VPC a region; not everyone has deleted AWS's default VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.testing.organisation.accounts import (
    ACCOUNTS,
    AUDIT,
    DEVELOPMENT,
    PAYMENTS,
    REGIONS,
    STAGING,
    STOREFRONT,
)
from sg_compliance.testing.organisation.shapes import PrefixList, Vpc, stable_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.organisation.shapes import Account

WITH_DEFAULT_VPC: Final = (STOREFRONT, STAGING, DEVELOPMENT)
WITHDRAWN_LIST: Final = "partner-networks-withdrawn"
"""A list whose owner has stopped sharing it: rules still name it, nobody here can read it."""

_EVERYONE: Final = frozenset(account.account_id for account in ACCOUNTS)


class _ListOfAws(NamedTuple):
    name: str
    weight: int
    entries: tuple[str, ...]


_LISTS_OF_AWS: Final = (
    _ListOfAws(
        "com.amazonaws.global.cloudfront.origin-facing",
        55,
        ("13.124.199.0/24", "15.158.0.0/16", "18.68.0.0/16", "64.252.64.0/18", "130.176.0.0/18", "204.246.166.0/24"),
    ),
    _ListOfAws("com.amazonaws.{region}.s3", 1, ("3.5.0.0/19", "52.216.0.0/15", "54.231.0.0/16")),
)
_CORPORATE: Final = (
    ("10.200.0.0/16", "client VPN"),
    ("192.0.2.0/24", "headquarters"),
    ("198.51.100.0/24", "warehouse"),
)


def vpc_id(account: Account, region: str, *, is_default: bool = False) -> str:
    """Give the id of the account's own or default VPC."""
    return stable_id("vpc", account.account_id, region, "default" if is_default else "main")


def vpc_cidr(account: Account, region: str) -> str:
    """Give the block of the account's own VPC: no two overlap, so that they can be peered."""
    return f"10.{16 * (ACCOUNTS.index(account) + 1) + REGIONS.index(region)}.0.0/16"


def prefix_list_id(name: str, region: str) -> str:
    """Give the id of the list with this name in a region."""
    return stable_id("pl", region, name)


def vpcs() -> Iterator[Vpc]:
    """All VPCs, each with one subnet."""
    for account in ACCOUNTS:
        for region in REGIONS:
            yield _vpc(account, region, vpc_cidr(account, region), is_default=False)
            if account in WITH_DEFAULT_VPC:
                yield _vpc(account, region, "172.31.0.0/16", is_default=True)


def _vpc(account: Account, region: str, cidr: str, *, is_default: bool) -> Vpc:
    own_id = vpc_id(account, region, is_default=is_default)
    return Vpc(
        vpc_id=own_id,
        account_id=account.account_id,
        region=region,
        cidr=cidr,
        subnet_id=stable_id("subnet", own_id),
        subnet_cidr=cidr.replace("/16", "/20"),
        is_default=is_default,
    )


def prefix_lists() -> Iterator[PrefixList]:
    """All lists: AWS's, the one that the audit account shares with everyone, and a few of single accounts."""
    for region in REGIONS:
        for each in _LISTS_OF_AWS:
            yield _list_of_aws(each, region)
        yield _customer_list("harbour-corporate-networks", AUDIT, region, *_CORPORATE, visible_to=_EVERYONE)
        yield _customer_list("partner-allowlist", PAYMENTS, region, ("0.0.0.0/0", "until the partner sends its ranges"))
        yield _customer_list("cdn-lower-half", STOREFRONT, region, ("0.0.0.0/1", "edge locations, first part"))
        yield _customer_list("ipv6-clients", STAGING, region, ("::/0", "any IPv6 client"))
        yield _customer_list("contractor-homes", DEVELOPMENT, region, ("192.0.2.77/32", "contractor, home office"))


def _list_of_aws(of_aws: _ListOfAws, region: str) -> PrefixList:
    name = of_aws.name.format(region=region)
    entries = tuple((block, "") for block in of_aws.entries)
    return PrefixList(prefix_list_id(name, region), name, "AWS", region, "IPv4", entries, of_aws.weight, _EVERYONE)


def _customer_list(
    name: str,
    owner: Account,
    region: str,
    *entries: tuple[str, str],
    visible_to: frozenset[str] = frozenset(),
) -> PrefixList:
    return PrefixList(
        prefix_list_id=prefix_list_id(name, region),
        name=name,
        owner_id=owner.account_id,
        region=region,
        address_family="IPv6" if ":" in entries[0][0] else "IPv4",
        entries=entries,
        weight=10,
        visible_to=visible_to | {owner.account_id},
    )
