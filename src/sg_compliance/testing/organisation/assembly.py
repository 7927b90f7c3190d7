"""Everything put in its place: the one definition that the server plays and that tests hold findings to."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sg_compliance.testing.organisation import accounts
from sg_compliance.testing.organisation.blueprint import Blueprint, cidr, tcp
from sg_compliance.testing.organisation.careless_groups import CARELESS
from sg_compliance.testing.organisation.controller_groups import controller_groups
from sg_compliance.testing.organisation.everyday_groups import (
    everyday_groups,
    locked_default_group,
    untouched_default_group,
)
from sg_compliance.testing.organisation.interfaces import interfaces
from sg_compliance.testing.organisation.networks import WITH_DEFAULT_VPC, prefix_lists, vpc_cidr, vpcs
from sg_compliance.testing.organisation.placement import Place, placed
from sg_compliance.testing.organisation.shapes import Organisation
from sg_compliance.testing.organisation.special_cases import SPECIAL_CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.testing.organisation.shapes import Group


@cache
def demo_organisation() -> Organisation:
    """Give the demo organisation, the same each time."""
    return Organisation(
        organization_id=accounts.ORGANIZATION_ID,
        root_id=accounts.ROOT_ID,
        management_account_id=accounts.MANAGEMENT.account_id,
        role_name=accounts.ROLE_NAME,
        regions=accounts.REGIONS,
        organizational_units=accounts.ORGANIZATIONAL_UNITS,
        accounts=accounts.ACCOUNTS,
        suspended_accounts=(accounts.CLOSED,),
        vpcs=tuple(vpcs()),
        prefix_lists=tuple(prefix_lists()),
        groups=tuple(_groups()),
        interfaces=tuple(interfaces()),
    )


def _groups() -> Iterator[Group]:
    for account in accounts.ACCOUNTS:
        for region in accounts.REGIONS:
            yield from (placed(blueprint, Place(account, region)) for blueprint in _regular(Place(account, region)))
    for account, region, blueprints in (*CARELESS, *SPECIAL_CASES):
        yield from (placed(blueprint, Place(account, region)) for blueprint in blueprints)
    yield _participant_group()


def _regular(place: Place) -> Iterator[Blueprint]:
    yield locked_default_group()
    if place.account in WITH_DEFAULT_VPC:
        yield untouched_default_group()
    yield from everyday_groups(place.account, place.region)
    yield from controller_groups(place.account, place.region)


def _participant_group() -> Group:
    """Give a group that development owns in the VPC which staging shares with it: both accounts see it."""
    block = vpc_cidr(accounts.STAGING, "eu-west-1")
    blueprint = Blueprint(
        name="sandbox-in-shared-vpc",
        description="Sandbox services in the VPC shared by staging",
        project="sandbox",
        purpose="shared-vpc",
        ingress=(tcp(8443, cidr(block, "the shared VPC")),),
        case="a participant's group in a shared VPC",
    )
    return placed(blueprint, Place(accounts.DEVELOPMENT, "eu-west-1"), vpc_of=accounts.STAGING)
