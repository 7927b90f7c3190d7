"""One process that scans: enters its accounts, then reads their shards with many readers, as `Readers` and EC2 do.

The order and the pace are the real code. CPU was measured on the machine of docs/benchmarks.md: see `Cost`.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from benchmarks.scale.aws import REGIONS, STS, Bucket, answering
from benchmarks.scale.engine import Asleep, Processor, Room, Simulation, Steps
from benchmarks.scale.limiter import Limiter
from benchmarks.scale.organisation import Account, Organisation, Size, pages
from sg_compliance.aws.ec2_region import FILTER_VALUES
from sg_compliance.aws.pacing import Pace
from sg_compliance.aws.session import MAX_ATTEMPTS
from sg_compliance.interfaces import Shard
from sg_compliance.workflows.scheduling import Schedule

RULES_OF_A_GROUP: Final = 20
_LONGEST_BACKOFF: Final = 20.0
_ROUND_TRIPS: Final = {region.name: region.round_trip for region in REGIONS}
_TO_CONNECT: Final = 2
"""Round trips of a new connection: TCP and TLS 1.3."""


class Cost(NamedTuple):
    """Seconds of CPU, measured. A group is of docs/benchmarks.md (live, 10,000 groups), the rest of docs/scale.md."""

    connection: float = 0.0176
    client: float = 0.0054
    call: float = 0.00096
    group: float = 0.000557
    interface: float = 0.000109
    rule: float = 0.000034


@dataclass(slots=True)
class World:
    """What all processes of a run share, and what came of it."""

    organisation: Organisation
    seed: int
    cost: Cost = Cost()  # noqa: RUF009 - a tuple: it cannot change
    ask_regions: bool = False
    simulation: Simulation = field(default_factory=Simulation)
    sts: Bucket = field(default_factory=lambda: Bucket(*STS))
    calls: Counter[str] = field(default_factory=Counter)
    throttles: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    ended: dict[Shard, float] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    groups: int = 0
    failed: list[str] = field(default_factory=list)
    late: list[Shard] = field(default_factory=list)


class _GivenUpError(Exception):
    """A call was throttled as often as it was tried."""


class _LateError(Exception):
    """The time is over."""


class _Client:
    """A client of one account and region."""

    def __init__(self, simulation: Simulation, round_trip: float, bucket: Bucket, chance: Random) -> None:
        self.pace = Pace()
        self.limiter = Limiter(simulation)
        self.round_trip = round_trip
        self.bucket = bucket
        self.chance = chance


class Process:
    """A Python process with so many workers. After `until` it makes no call any more."""

    def __init__(self, world: World, workers: int, speed: float = 1.0, until: float = float("inf")) -> None:
        self.processor = Processor(world.simulation, speed)
        self._world = world
        self._workers = workers
        self._until = until
        self._room = Room(world.simulation)
        self._idle: Counter[str] = Counter()
        self._finished = Room(world.simulation)
        self._busy = 0
        self.in_hand = self.most_in_hand = 0
        self.last = 0.0

    def scan(self, account_ids: list[str]) -> Steps:
        """Scan these accounts, to the end."""
        world = self._world
        waiting = deque(account_ids)
        yield from self._together(self._enter(waiting) for _ in range(min(self._workers, len(waiting))))
        shards = world.organisation.shards(account_ids)
        schedule = Schedule(shards, self._workers)
        yield from self._together(self._reader(schedule) for _ in range(schedule.readers))
        world.late += [shard for shard in shards if shard not in world.ended]
        self.last = world.simulation.now

    def _together(self, all_steps: Iterable[Steps]) -> Steps:
        """Let these run at once, until all have ended."""
        for steps in all_steps:
            self._busy += 1
            self._world.simulation.begin(self._counted(steps))
        while self._busy:
            yield Asleep(1e6, self._finished)

    def _counted(self, steps: Steps) -> Steps:
        yield from steps
        self._busy -= 1
        if not self._busy:
            self._finished.wake_one()

    def _enter(self, waiting: deque[str]) -> Steps:
        """What `Ec2Inventory.shards` does, account by account, before anything is read."""
        world, home = self._world, REGIONS[0].name
        while waiting:
            account = world.organisation.accounts[waiting.popleft()]
            chance = Random(f"{world.seed}/{account.account_id}")  # noqa: S311 - it is to come out the same again
            sts = _Client(world.simulation, _ROUND_TRIPS[home], world.sts, chance)
            yield from self._call("AssumeRole", sts, home, 0)
            if world.ask_regions and not account.broken:
                yield from self.processor.use(world.cost.client)
                ec2 = _Client(world.simulation, _ROUND_TRIPS[home], account.buckets[home], chance)
                try:
                    yield from self._call("DescribeRegions", ec2, home, 0, account.slow)
                except _GivenUpError:
                    world.failed.append(account.account_id)
                    account.broken = True

    def _reader(self, schedule: Schedule) -> Steps:
        """What a thread of `Readers` does."""
        read: Shard | None = None
        while True:
            if read:
                schedule.over(read)
            turn: Shard | float | None = 0.0
            while isinstance(turn, float):
                if self._world.simulation.now >= self._until:
                    return
                turn = schedule.next(self._world.simulation.now)
                if isinstance(turn, float):
                    yield Asleep(turn, self._room)
            self._room.wake_one()
            if turn is None:
                return
            yield from self._read(schedule, turn)
            read = turn

    def _read(self, schedule: Schedule, shard: Shard) -> Steps:
        world = self._world
        began = world.simulation.now
        account = world.organisation.accounts[shard.account_id]
        try:
            yield from self._pages(schedule, shard, account)
        except _GivenUpError:
            world.failed.append(shard.name)
        except _LateError:
            return
        world.ended[shard] = world.simulation.now
        world.read[shard.name] += 1
        world.seconds.append(world.simulation.now - began)

    def _pages(self, schedule: Schedule, shard: Shard, account: Account) -> Steps:
        world, size = self._world, account.sizes[shard.region]
        chance = Random(f"{world.seed}/{shard.name}")  # noqa: S311 - it is to come out the same again
        client = _Client(world.simulation, _ROUND_TRIPS[shard.region], account.buckets[shard.region], chance)
        yield from self.processor.use(world.cost.client)
        for at, groups in enumerate(pages(size.groups)):
            yield from self._call("DescribeSecurityGroups", client, shard.region, groups, account.slow)
            self.in_hand += groups
            self.most_in_hand = max(self.most_in_hand, self.in_hand)
            if at == 0:
                yield from self._once(client, shard.region, size, account.slow)
            yield from self.processor.use(groups * world.cost.group)
            yield from self._rule_ids(client, shard.region, size.violating * groups // size.groups, account.slow)
            self.in_hand -= groups
            world.groups += groups
            schedule.page(shard, world.simulation.now)

    def _once(self, client: _Client, region: str, size: Size, slow: float) -> Steps:
        for interfaces in pages(size.interfaces):
            yield from self._call("DescribeNetworkInterfaces", client, region, interfaces, slow)
            yield from self.processor.use(interfaces * self._world.cost.interface)
        if size.prefix_lists:
            yield from self._call("DescribeManagedPrefixLists", client, region, size.prefix_lists, slow)
        for _ in range(size.prefix_lists):
            yield from self._call("GetManagedPrefixListEntries", client, region, 1, slow)

    def _rule_ids(self, client: _Client, region: str, violating: int, slow: float) -> Steps:
        for start in range(0, violating, FILTER_VALUES):
            for rules in pages(min(FILTER_VALUES, violating - start) * RULES_OF_A_GROUP):
                yield from self._call("DescribeSecurityGroupRules", client, region, rules, slow)
                yield from self.processor.use(rules * self._world.cost.rule)

    def _call(self, operation: str, client: _Client, region: str, items: int, slow: float = 0.0) -> Steps:
        """Make a call, as often as the SDK would. `items` are of the answer; `slow` seconds it takes at least."""
        world = self._world
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if world.simulation.now >= self._until:
                raise _LateError
            yield from client.limiter.acquire()
            if wait := client.pace.take(world.simulation.now):
                yield wait
            yield from self._connect(region)
            world.calls[operation] += 1
            yield client.round_trip / 2
            taken = client.bucket.take(world.simulation.now)
            yield client.round_trip / 2 + (max(slow, answering(client.chance, items)) if taken else 0.0)
            self._idle[region] += 1
            yield from self.processor.use(world.cost.call)
            client.limiter.answered(throttled=not taken)
            if taken:
                return
            world.throttles[operation] += 1
            if attempt == MAX_ATTEMPTS:
                raise _GivenUpError
            yield client.chance.random() * min(2.0 ** (attempt - 1), _LONGEST_BACKOFF)

    def _connect(self, region: str) -> Steps:
        """Take a connection of those that are kept, or make one."""
        if self._idle[region]:
            self._idle[region] -= 1
            return
        yield from self.processor.use(self._world.cost.connection)
        yield _TO_CONNECT * _ROUND_TRIPS[region]
