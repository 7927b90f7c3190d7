"""The AWS adapters on the demo organisation: what they read is its definition, and they call what they declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.endpoint import Endpoint

from sg_compliance.aws import ec2, organizations, session
from sg_compliance.aws.ec2 import Ec2Inventory, Targets
from sg_compliance.aws.organizations import Account, OrganisationScope, organisation_accounts
from sg_compliance.aws.session import Role, Sessions
from sg_compliance.errors import AwsError, InputError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer
from sg_compliance.testing.moto_server import DemoServer, demo_organisation_process
from sg_compliance.testing.organisation import demo_organisation
from tests.contract.test_aws_scripted_server import Answer, Call, ScriptedAws, scripted_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel

    from sg_compliance.model.security_group import SecurityGroup

pytestmark = pytest.mark.e2e

DEMO = demo_organisation()
ACTIVE = [account.account_id for account in DEMO.accounts]
SUSPENDED = [account.account_id for account in DEMO.suspended_accounts]
WORKLOADS = next(unit for unit in DEMO.organizational_units if unit.name == "Workloads")
NON_PRODUCTION = next(unit for unit in DEMO.organizational_units if unit.parent_id == WORKLOADS.ou_id)


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with demo_organisation_process() as started:
        yield started


def sessions(server: DemoServer, role_name: str = "") -> Sessions:
    role = Role(role_name or server.role_name, external_id="demo")
    return Sessions(endpoint_url=server.endpoint_url, keys=("AKIADEMO", "demo"), role=role, max_attempts=1)


def whole(server: DemoServer, targets: Targets | None = None) -> Ec2Inventory:
    return Ec2Inventory(sessions(server), targets or Targets(OrganisationScope(), names_of_groups=True))


def read_all(inventory: Ec2Inventory) -> tuple[list[SecurityGroup], list[Page], list[Skipped]]:
    groups: list[SecurityGroup] = []
    pages, skipped = [], []
    for shard in inventory.shards():
        for part in [shard] if isinstance(shard, Skipped) else inventory.read(shard):
            if isinstance(part, Skipped):
                skipped.append(part)
                continue
            pages.append(part)
            groups += inventory.with_rule_ids(shard, part.groups) if isinstance(shard, Shard) else ()
    return groups, pages, skipped


@pytest.fixture(scope="module")
def everything(server: DemoServer) -> tuple[list[SecurityGroup], list[Page], list[Skipped]]:
    return read_all(whole(server))


Everything = tuple[list["SecurityGroup"], list[Page], list[Skipped]]


def test_every_group_of_every_account_and_region_is_read(everything: Everything) -> None:
    assert sorted((each.account_id, each.region, each.group_id, each.name) for each in everything[0]) == sorted(
        (each.account_id, each.region, each.group_id, each.name) for each in DEMO.groups
    )


def test_every_rule_has_its_id(everything: Everything) -> None:
    assert all(rule.rule_id for group in everything[0] for rule in group.rules)


def test_interfaces_are_those_of_the_definition(everything: Everything) -> None:
    attached = {(group.group_id, each) for group in everything[0] for each in group.interfaces or ()}
    assert attached == {(group_id, each.interface_id) for each in DEMO.interfaces for group_id in each.group_ids}


def test_references_within_an_account_have_names(everything: Everything) -> None:
    known = {each.group_id for each in everything[0]}
    unnamed = {
        rule.peer.group_id
        for group in everything[0]
        for rule in group.rules
        if isinstance(rule.peer, GroupPeer) and rule.peer.account_id in {None, group.account_id} and not rule.peer.name
    }
    assert not unnamed & known


def test_shared_and_aws_managed_lists_are_read_and_a_deleted_one_is_told(everything: Everything) -> None:
    _, pages, skipped = everything
    lists = {each.prefix_list_id: each for page in pages for each in page.prefix_lists.values()}
    assert {"com.amazonaws.global.cloudfront.origin-facing", "harbour-corporate-networks"} <= {
        each.name for each in lists.values() if each.blocks
    }
    unreadable = [each.prefix_list_id for each in lists.values() if each.blocks is None]
    told = [each.reason for each in skipped if each.what == "prefix lists"]
    assert unreadable
    assert all(any(each in reason for reason in told) for each in unreadable)


def test_suspended_accounts_are_told_and_are_no_failure(everything: Everything) -> None:
    told = [each for each in everything[2] if each.account_id in SUSPENDED]
    assert [(each.reason, each.wanted) for each in told] == [("the account is suspended", False)] * len(SUSPENDED)


def test_accounts_have_names(server: DemoServer) -> None:
    inventory = whole(server, Targets(OrganisationScope(), regions=("us-east-1",)))
    list(inventory.shards())


def ids(accounts: list[Account | Skipped]) -> set[str]:
    return {each.account_id for each in accounts if isinstance(each, Account)}


def test_a_unit_has_the_accounts_of_the_units_below_it_once(server: DemoServer) -> None:
    below = {WORKLOADS.ou_id, NON_PRODUCTION.ou_id}
    scope = OrganisationScope((WORKLOADS.ou_id, NON_PRODUCTION.ou_id))
    found = organisation_accounts(sessions(server), scope)
    assert ids(found) == {each.account_id for each in DEMO.accounts if each.ou_id in below}
    assert len(found) == len({each.account_id for each in found})


def test_excluded_accounts_are_told_and_are_no_failure(server: DemoServer) -> None:
    found = organisation_accounts(sessions(server), OrganisationScope(exclude=frozenset(ACTIVE[:2])))
    assert ids(found) == set(ACTIVE[2:])
    assert [each.wanted for each in found if isinstance(each, Skipped) and "--exclude" in each.reason] == [False, False]


def test_a_scope_with_nothing_to_read_is_an_error_and_no_clean_result(server: DemoServer) -> None:
    with pytest.raises(InputError, match="no active account in the organisation"):
        organisation_accounts(sessions(server), OrganisationScope(exclude=frozenset(ACTIVE)))


def test_a_unit_that_does_not_exist_is_told(server: DemoServer) -> None:
    with pytest.raises(AwsError, match="organizations:ListAccountsForParent") as caught:
        organisation_accounts(sessions(server), OrganisationScope(("ou-demo-n0where0",)))
    assert "--ou" in caught.value.hint


def test_a_wrong_role_name_skips_every_account_but_the_callers(server: DemoServer) -> None:
    inventory = Ec2Inventory(sessions(server, "misspelt"), Targets(OrganisationScope(), ("us-east-1",)))
    found = list(inventory.shards())
    assert [each.account_id for each in found if isinstance(each, Shard)] == [DEMO.management_account_id]
    refused = [each for each in found if isinstance(each, Skipped) and each.wanted]
    assert {each.account_id for each in refused} == set(ACTIVE) - {DEMO.management_account_id}
    assert all(f"{each.account_id}:role/misspelt exists" in each.hint for each in refused)


def test_the_declared_actions_are_the_calls_that_are_made(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[str] = set()
    call = Endpoint.make_request

    def record(self: Endpoint, model: OperationModel, request: dict[str, Any]) -> tuple[Any, Any]:
        called.add(f"{model.service_model.service_name}:{model.name}")
        answered: tuple[Any, Any] = call(self, model, request)
        return answered

    monkeypatch.setattr(Endpoint, "make_request", record)  # every call of every client goes through it
    read_all(whole(server))
    organisation_accounts(sessions(server), OrganisationScope((WORKLOADS.ou_id,)))
    assert called == ec2.IAM_ACTIONS | organizations.IAM_ACTIONS | session.IAM_ACTIONS


def organisation(call: Call) -> Answer:
    """Two pages of accounts, as Organizations will give them when `Status` is gone."""
    if "two" in call.parameters.get("body", ""):
        return Answer('{"Accounts": [{"Id": "444444444444", "State": "PENDING_CLOSURE"}, {"Id": "555555555555"}]}')
    return Answer('{"Accounts": [{"Id": "333333333333", "Name": "three", "State": "ACTIVE"}], "NextToken": "two"}')


@pytest.fixture
def scripted() -> Iterator[ScriptedAws]:
    with scripted_aws() as aws:
        yield aws


def test_accounts_come_in_pages_and_by_state(scripted: ScriptedAws) -> None:
    scripted.answers["ListAccounts"] = organisation
    assert organisation_accounts(scripted.sessions(), OrganisationScope()) == [
        Account("333333333333", "three"),
        Skipped("security groups", "the account is pending closure", account_id="444444444444", wanted=False),
        Skipped("security groups", "the account is unknown", account_id="555555555555", wanted=False),
    ]


def test_who_may_not_list_accounts_learns_what_to_do(scripted: ScriptedAws) -> None:
    said = '{"__type": "AccessDeniedException", "Message": "You don\'t have permissions to access this resource."}'
    scripted.answers["ListAccounts"] = Answer(said, 400)
    with pytest.raises(AwsError, match="organizations:ListAccounts: You don't have permissions") as caught:
        list(Ec2Inventory(scripted.sessions(), Targets(OrganisationScope())).shards())
    assert "delegated administrator" in caught.value.hint
