"""An organisation, drawn from a seed: mostly small accounts, a few very large ones, and three that make trouble."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from benchmarks.scale.aws import DESCRIBES, REGIONS, Bucket
from sg_compliance.interfaces import Shard

SLOW_SECONDS: Final = 30.0
MOST_GROUPS: Final = 10_000


class Size(NamedTuple):
    """What a region of an account has: groups, those with findings, interfaces, prefix lists that groups refer to."""

    groups: int
    violating: int
    interfaces: int
    prefix_lists: int


@dataclass(slots=True)
class Account:
    """An account. `slow`: seconds that each answer of EC2 takes there, if that is longer than usual."""

    account_id: str
    sizes: dict[str, Size]
    buckets: dict[str, Bucket]
    slow: float = 0.0
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Organisation:
    """Its accounts by id. Buckets are used up: an organisation is for one run."""

    accounts: dict[str, Account]
    slow: str
    throttled: str
    broken: str

    @property
    def groups(self) -> int:
        """How many groups there are, without those that nobody may read."""
        return sum(size.groups for each in self.accounts.values() if not each.broken for size in each.sizes.values())

    def shards(self, account_ids: list[str]) -> list[Shard]:
        """The shards of these accounts, as the inventory gives them."""
        return [
            Shard(f"{each}/{region}", each, region)
            for each in account_ids
            if not self.accounts[each].broken
            for region in self.accounts[each].sizes
        ]


def organisation(accounts: int, regions: int, seed: int, *, slow: bool = True) -> Organisation:
    """Draw one. Without `slow` it is the same organisation, and the slow account answers as others do."""
    chance = Random(seed)  # noqa: S311 - it is to come out the same again
    drawn = [_account(chance, at, regions) for at in range(accounts)]
    for at in range(1, accounts, max(1, accounts // 10)):
        _enlarge(drawn[at])
    slow_one, throttled, broken = (drawn[accounts * at // 4] for at in (1, 2, 3))
    slow_one.slow = SLOW_SECONDS if slow else 0.0
    throttled.buckets = {each: Bucket(*DESCRIBES, others=25.0) for each in throttled.sizes}
    broken.broken = True
    return Organisation(
        {each.account_id: each for each in drawn}, slow_one.account_id, throttled.account_id, broken.account_id
    )


def _account(chance: Random, at: int, regions: int) -> Account:
    names = [region.name for region in REGIONS[:regions]]
    used = set(chance.sample(names, min(len(names), chance.choice((1, 2, 3)))))
    others = chance.choices((chance.uniform(0, 5), chance.uniform(5, 10), chance.uniform(10, 19)), (90, 9, 1))[0]
    return Account(
        f"{at:012}",
        {name: _used(chance) if name in used else Size(1, chance.randint(0, 1), 0, 0) for name in names},
        {name: Bucket(*DESCRIBES, others=others if name in used else 0.0) for name in names},
    )


def _used(chance: Random) -> Size:
    groups = min(MOST_GROUPS, int(8 * chance.paretovariate(1.0)))
    return Size(groups, groups // 5, groups * 2, chance.choices((0, 1, 3), (90, 7, 3))[0])


def _enlarge(account: Account) -> None:
    """Make its busiest region as large as a raised quota may let it be."""
    busiest = max(account.sizes, key=lambda name: account.sizes[name].groups)
    account.sizes[busiest] = Size(MOST_GROUPS, MOST_GROUPS // 5, MOST_GROUPS * 2, 3)


def pages(items: int, of: int = 1_000) -> Iterator[int]:
    """How many items each page has: one page at least, which may be empty."""
    yield min(items, of)
    yield from (min(of, items - start) for start in range(of, items, of))
