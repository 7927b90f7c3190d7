"""Ways to run a scan of an organisation: one process, one Lambda, many Lambdas from a Distributed Map."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from benchmarks.scale import prices
from benchmarks.scale.engine import Steps
from benchmarks.scale.organisation import Organisation, organisation
from benchmarks.scale.reading import Cost, Process, World

LAMBDA_SECONDS: Final = 900.0
RESERVE_SECONDS: Final = 90.0
"""Before the end of its time the function begins nothing new (`entrypoints/lambda_handler.py`)."""
MB_OF_A_CORE: Final = 1769
"""Memory for which a Lambda gets one vCPU (Lambda developer guide, "Configure Lambda function memory")."""
START_SECONDS: Final = 1.5
"""Of a cold Lambda until it begins to scan: docs/benchmarks.md, import and first invocation, by the clock."""
MAP_SECONDS: Final = 5.0
"""Assumed: from the start of a Distributed Map to its first children, and from its last to its result."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which organisation, and what it is read with."""

    accounts: int = 5_000
    regions: int = 17
    seed: int = 1
    cost: Cost = Cost()  # noqa: RUF009 - a tuple: it cannot change
    ask_regions: bool = False

    def world(self, *, slow: bool) -> World:
        """One for one run."""
        drawn = organisation(self.accounts, self.regions, self.seed, slow=slow)
        return World(drawn, self.seed, self.cost, self.ask_regions)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run. `rest`: when all accounts but the slow one were read; `makespan`: when all was over."""

    name: str
    world: World
    makespan: float
    rest: float
    cpu: float
    dollars: float | None
    most_in_hand: int

    @property
    def organisation(self) -> Organisation:
        """The organisation, with its buckets as the run left them."""
        return self.world.organisation


def one_process(drawn: Drawn, workers: int, *, slow: bool = True) -> Run:
    """A laptop or a container, with all the time in the world."""
    world = drawn.world(slow=slow)
    process = Process(world, workers)
    world.simulation.begin(process.scan(list(world.organisation.accounts)))
    world.simulation.run()
    return _run(f"one process, {workers} workers", world, [process], None)


def one_lambda(drawn: Drawn, workers: int, megabytes: int, *, slow: bool = True) -> Run:
    """The function `scan` for the whole organisation: it ends with what it has."""
    world = drawn.world(slow=slow)
    until = LAMBDA_SECONDS - RESERVE_SECONDS
    process = Process(world, workers, speed=min(1.0, megabytes / MB_OF_A_CORE), until=until)
    world.simulation.begin(_after(START_SECONDS, process.scan(list(world.organisation.accounts))))
    world.simulation.run()
    seconds = min(LAMBDA_SECONDS, process.last)
    dollars = prices.functions(seconds * megabytes / 1024, 1)
    return _run(f"one Lambda, {megabytes} MB, {workers} workers", world, [process], dollars)


def distributed_map(  # noqa: PLR0913 - each is a knob of the map
    drawn: Drawn, workers: int, megabytes: int, *, batch: int, at_once: int, slow: bool = True
) -> Run:
    """Batches of whole accounts, each a Lambda; so many at once. An account's buckets are asked by one of them only."""
    world = drawn.world(slow=slow)
    ids = list(world.organisation.accounts)
    batches = deque(ids[start : start + batch] for start in range(0, len(ids), batch))
    children: list[Process] = []
    seconds: list[float] = []

    def slot() -> Steps:
        yield MAP_SECONDS
        while batches:
            child = Process(
                world,
                workers,
                speed=min(1.0, megabytes / MB_OF_A_CORE),
                until=world.simulation.now + LAMBDA_SECONDS - RESERVE_SECONDS,
            )
            children.append(child)
            began = world.simulation.now
            yield from _after(START_SECONDS, child.scan(batches.popleft()))
            seconds.append(world.simulation.now - began)

    for _ in range(at_once):
        world.simulation.begin(slot())
    world.simulation.run()
    gb_seconds = sum(seconds) * megabytes / 1024
    dollars = prices.functions(gb_seconds, len(children) + 2) + prices.mapped(len(children))
    name = f"Distributed Map, {batch} accounts a child, {at_once} at once, {megabytes} MB, {workers} workers"
    return _run(name, world, children, dollars, MAP_SECONDS)


def _after(seconds: float, steps: Steps) -> Steps:
    yield seconds
    yield from steps


def _run(name: str, world: World, processes: list[Process], dollars: float | None, after: float = 0.0) -> Run:
    slow = world.organisation.slow
    return Run(
        name,
        world,
        max(each.last for each in processes) + after,
        max((at for shard, at in world.ended.items() if shard.account_id != slow), default=0.0),
        sum(each.processor.busy for each in processes),
        dollars,
        max(each.most_in_hand for each in processes),
    )
