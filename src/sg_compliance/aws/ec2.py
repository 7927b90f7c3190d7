"""Security groups, prefix lists and network interfaces as EC2 tells them now: the live Inventory.

A shard is one region of one account. What fails in one account or region is told as Skipped or raised for that shard,
and never stops another. Always paginated: unpaginated describes are throttled harder (EC2 API guide, throttling).
Only groups that the account owns: in a shared VPC the owner sees the participants' groups too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws import translate
from sg_compliance.aws.concurrency import in_order
from sg_compliance.aws.ec2_region import FILTER_VALUES, Region, all_pages, items, with_names
from sg_compliance.aws.failures import explained
from sg_compliance.aws.organizations import Account, OrganisationScope, organisation_accounts
from sg_compliance.aws.pacing import paced
from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.client import BaseClient

    from sg_compliance.aws.session import Sessions
    from sg_compliance.model.security_group import SecurityGroup

IAM_ACTIONS: Final = frozenset(
    {
        "ec2:DescribeManagedPrefixLists",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRegions",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:GetManagedPrefixListEntries",
    }
)


@dataclass(frozen=True, slots=True)
class Targets:
    """What to read.

    `accounts`: the named ones, or a scope of the organisation; empty: the caller's own. `regions`: the named ones;
    where it is empty, those of `account_regions`, else all that the account has enabled. `role_names` are the accounts
    whose role has another name. `names_of_groups`: the policy asks for the names of referenced groups, so that a
    region's pages may have to wait for each other.
    """

    accounts: tuple[str, ...] | OrganisationScope = ()
    regions: tuple[str, ...] = ()
    role_names: Mapping[str, str] = field(default_factory=dict)
    account_regions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    disabled_accounts: frozenset[str] = frozenset()
    names_of_groups: bool = False


class Ec2Inventory:
    """The Inventory socket on EC2. `workers`: how many accounts are entered at once by `shards`."""

    def __init__(self, sessions: Sessions, targets: Targets, *, workers: int = 8) -> None:
        self._sessions = sessions
        self._targets = targets
        self._workers = workers
        self._without_rule_ids: set[Shard] = set()

    def shards(self) -> Iterator[Shard | Skipped]:
        """Accounts in the order asked for, and their regions. Raises AwsError where the caller is refused."""
        accounts = self._accounts()
        for found in in_order(self._shards_of, accounts, self._workers):
            yield from found

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """The region's groups. Denied prefix lists or interfaces are Skipped; denied groups raise AwsError.

        Calls: DescribeSecurityGroups; once there is a group, DescribeNetworkInterfaces; once a rule refers to a prefix
        list, DescribeManagedPrefixLists, and GetManagedPrefixListEntries for each list that is referred to.
        """
        client, principal = self._client(shard), self._principal(shard.account_id)
        parts = Region(client, principal, shard).parts()
        yield from with_names(parts) if self._targets.names_of_groups else parts

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """The groups with rule ids; as they are where the caller may not know them (they are evidence, no more).

        A shard that refused once is not asked again. Raises AwsError where it fails in another way.
        """
        if shard in self._without_rule_ids:
            return groups
        try:
            return self._identified(shard, groups)
        except AwsError as error:
            if error.code not in DENIED:
                raise
            self._without_rule_ids.add(shard)
            return groups

    def _accounts(self) -> list[Account | Skipped]:
        caller, wanted = self._sessions.caller(), self._targets.accounts
        if isinstance(wanted, OrganisationScope):
            return organisation_accounts(self._sessions, wanted)
        return [Account(account_id) for account_id in dict.fromkeys(wanted or (caller.account_id,))]

    def _shards_of(self, account: Account | Skipped) -> Sequence[Shard | Skipped]:
        if isinstance(account, Skipped):
            return (account,)
        account_id = account.account_id
        if account_id in self._targets.disabled_accounts:
            reason = "disabled by the policy"
            return (Skipped("security groups", reason, account_id=account_id, wanted=False),)
        try:
            principal = self._sessions.enter(account_id, self._role_name(account_id))
            regions = self._regions(account_id, principal)
        except AwsError as error:
            return (Skipped("security groups", str(error), error.hint, account_id),)
        return [Shard(f"{account_id}/{region}", account_id, region) for region in regions]

    def _regions(self, account_id: str, principal: str) -> Iterable[str]:
        named = self._targets.regions or self._targets.account_regions.get(account_id)
        if named:
            return dict.fromkeys(named)
        client: Any = self._client(Shard("", account_id))
        with explained(principal):
            answer = client.describe_regions()
        regions = items(answer, "Regions", "ec2:DescribeRegions")
        return sorted(each["RegionName"] for each in regions if each.get("OptInStatus") != "not-opted-in")

    def _role_name(self, account_id: str) -> str:
        return self._targets.role_names.get(account_id, "")

    def _principal(self, account_id: str) -> str:
        return self._sessions.enter(account_id, self._role_name(account_id))

    def _client(self, shard: Shard) -> BaseClient:
        role_name = self._role_name(shard.account_id)
        return paced(self._sessions.client("ec2", IAM_ACTIONS, shard.region, shard.account_id, role_name))

    def _identified(self, shard: Shard, groups: Sequence[SecurityGroup]) -> list[SecurityGroup]:
        client, principal = self._client(shard), self._principal(shard.account_id)
        ids = [group.group_id for group in groups]
        rules: dict[str, list[Mapping[str, Any]]] = {group_id: [] for group_id in ids}
        for start in range(0, len(ids), FILTER_VALUES):
            wanted = [{"Name": "group-id", "Values": ids[start : start + FILTER_VALUES]}]
            for page in all_pages(
                client, principal, "DescribeSecurityGroupRules", "SecurityGroupRules", Filters=wanted
            ):
                for rule in page:
                    rules.get(rule.get("GroupId", ""), []).append(rule)
        return [translate.with_rule_ids(group, translate.rule_ids(rules[group.group_id])) for group in groups]
