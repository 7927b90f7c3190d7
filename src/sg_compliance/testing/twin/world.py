"""All that exists in the twin: regions of accounts, the ids it hands out, and what one account can see."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from sg_compliance.testing.twin.nouns import Region
from sg_compliance.testing.twin.refusal import TwinError, malformed_group_id, missing, no_such_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sg_compliance.testing.twin.nouns import Group, Json, PrefixList, Vpc

_REMEMBERED_SECONDS: Final = 900.0
"""How far back a describe can lag. AWS's own lag was seen to be over two minutes."""
_GROUP_ID: Final = re.compile(r"sg-[0-9a-f]+").fullmatch
_ID_DIGITS: Final = 17


@dataclass(slots=True)
class World:
    """Everything, of all accounts. Ids come from a counter: the same calls give the same ids."""

    clock: Callable[[], float]
    quota: int
    group_quota: int
    region_names: tuple[str, ...]
    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    peers: set[tuple[str, str]] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def region(self, account_id: str, name: str) -> Region:
        """The region of the account; there is one, maybe empty, for every name."""
        return self.regions.setdefault((account_id, name), Region(account_id, name))

    def new_id(self, prefix: str) -> str:
        """An id that was not given before."""
        digest = hashlib.sha256(f"{prefix} {next(self.numbers)}".encode()).hexdigest()
        return f"{prefix}-{digest[:_ID_DIGITS]}"

    def put(self, *groups: Group) -> None:
        """Make these groups what they are from now on, all at once."""
        now = self.clock()
        for group in groups:
            region = self.region(group.owner_id, group.region)
            self._remember(region, {**region.groups, group.group_id: group}, now)

    def drop(self, group: Group) -> None:
        """Make the group be gone from now on."""
        region = self.region(group.owner_id, group.region)
        left = {key: each for key, each in region.groups.items() if key != group.group_id}
        self._remember(region, left, self.clock())

    @staticmethod
    def _remember(region: Region, groups: Mapping[str, Group], now: float) -> None:
        if region.past and region.past[-1][0] == now:
            region.past[-1] = (now, groups)
        else:
            region.past.append((now, groups))
        while len(region.past) > 1 and region.past[1][0] < now - _REMEMBERED_SECONDS:
            del region.past[0]


class Scene:
    """The world as the caller of one operation sees it. `lag`: how many seconds old what it describes is."""

    def __init__(self, world: World, account_id: str, region: str, lag: float = 0) -> None:
        self.world = world
        self.account_id = account_id
        self.region_name = region
        self.region = world.region(account_id, region)
        self._lag = lag

    def visible(self) -> list[Group]:
        """The account's groups, and those that others have in its VPCs; as they were `lag` seconds ago."""
        own = list(self._as_of(self.region).values())
        shared = [
            group
            for (account_id, name), other in self.world.regions.items()
            if name == self.region_name and account_id != self.account_id
            for group in self._as_of(other).values()
            if group.vpc_id in self.region.vpcs
        ]
        return sorted(own + shared, key=lambda group: group.group_id)

    def _as_of(self, region: Region) -> Mapping[str, Group]:
        if not self._lag:
            return region.groups
        then = self.world.clock() - self._lag
        return next((groups for since, groups in reversed(region.past) if since <= then), {})

    def group(self, params: Json) -> Group:
        """The group to change: GroupId, or GroupName in the default VPC. Only its owner may change it."""
        if "GroupId" in params:
            return self.group_with_id(params["GroupId"])
        if "GroupName" in params:
            return self.group_with_name(params["GroupName"])
        raise missing("GroupId or GroupName")

    def group_with_id(self, group_id: str) -> Group:
        """One of the account's own groups."""
        checked_group_id(group_id)
        if group_id in self.region.groups:
            return self.region.groups[group_id]
        if any(group.group_id == group_id for group in self.visible()):
            raise TwinError("UnauthorizedOperation", f"The security group '{group_id}' belongs to another account.")
        raise no_such_group(group_id)

    def group_with_name(self, name: str) -> Group:
        """The group of that name in the default VPC, or in none."""
        default = {None, *(vpc.vpc_id for vpc in self.region.vpcs.values() if vpc.is_default)}
        found = (each for each in self.region.groups.values() if each.name == name and each.vpc_id in default)
        for group in found:
            return group
        raise no_such_group(name)

    def vpc(self, vpc_id: str | None) -> Vpc | None:
        """A VPC of the account or shared with it."""
        for region in self.same_region():
            vpc = region.vpcs.get(vpc_id or "")
            if vpc and (region is self.region or self.account_id in vpc.shared_with):
                return vpc
        return None

    def find_group(self, account_id: str, group_id: str) -> Group | None:
        """A group of any account in this region."""
        return self.world.region(account_id, self.region_name).groups.get(group_id)

    def prefix_list(self, prefix_list_id: str) -> PrefixList | None:
        """A prefix list that the account sees."""
        return self.region.prefix_lists.get(prefix_list_id)

    def referring_to(self, group: Group) -> Sequence[Group]:
        """Other groups, of any account in this region, whose rules refer to the group."""
        return [
            other
            for region in self.same_region()
            for other in region.groups.values()
            if other.group_id != group.group_id and any(rule.peer.value == group.group_id for rule in other.rules)
        ]

    def referring_to_list(self, prefix_list_id: str) -> list[Group]:
        """Groups, of any account in this region, whose rules refer to the list; as they were `lag` seconds ago."""
        return [
            group
            for region in self.same_region()
            for group in self._as_of(region).values()
            if any(prefix_list_id in group.prefix_list_ids(is_egress=is_egress) for is_egress in (False, True))
        ]

    def same_region(self) -> list[Region]:
        """The region of that name of every account."""
        return [region for (_, name), region in self.world.regions.items() if name == self.region_name]


def checked_group_id(text: str) -> None:
    """Raise TwinError where the text is no id of a group."""
    if not _GROUP_ID(text):
        raise malformed_group_id(text)
