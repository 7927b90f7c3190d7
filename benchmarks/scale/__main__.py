"""Simulate scans of an organisation: `python -m benchmarks.scale [--accounts N] [--regions N] [--seed N] …`.

Prints a table for docs/scale.md: one process, one Lambda, and a Distributed Map, each with the slow account and with
that account as quick as others. Nothing is asked of AWS. The default takes two to four minutes and 1 GB of memory.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from benchmarks.scale import prices
from benchmarks.scale.modes import Drawn, Run, distributed_map, one_lambda, one_process
from benchmarks.scale.organisation import SLOW_SECONDS
from benchmarks.scale.reading import Cost

BASE_MB: Final = 100
CLIENTS_MB: Final = 26
PAGE_MB: Final = 20
"""Of 1,000 groups. All three estimated from docs/benchmarks.md (live: 122 MB with a page of 1,000 groups in hand)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was asked for and print the table."""
    options = _options(arguments)
    drawn = Drawn(
        options.accounts, options.regions, options.seed, Cost(group=options.group_us / 1e6), options.ask_regions
    )
    mapped = partial(distributed_map, drawn, megabytes=options.memory)
    modes = (
        partial(one_process, drawn, 8),
        partial(one_process, drawn, 64),
        partial(one_lambda, drawn, 8, options.memory),
        partial(one_lambda, drawn, 64, options.memory),
        partial(mapped, 8, batch=options.batch, at_once=options.at_once // 2),
        partial(mapped, 8, batch=options.batch, at_once=options.at_once),
        partial(mapped, 16, batch=options.batch, at_once=options.at_once),
    )
    calls: Run | None = None
    for mode in modes:
        calls = mode(slow=True)
        if mode is modes[0]:
            sys.stdout.write("".join(f"{line}\n" for line in _head(calls)))
        sys.stdout.write(f"{_row(calls, mode(slow=False))}\n")
        sys.stdout.flush()
    if calls:
        sys.stdout.write("".join(f"{line}\n" for line in _calls(calls)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, usual, about in (
        ("accounts", 5_000, "how many accounts"),
        ("regions", 17, "how many regions of each, 17 at most"),
        ("seed", 1, "what is drawn from"),
        ("memory", 1_769, "MB of a Lambda"),
        ("batch", 50, "accounts of one child of the Distributed Map"),
        ("at-once", 40, "children at once"),
        ("group-us", 557, "microseconds of CPU that a group takes"),
    ):
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"{about} ({usual})")
    parser.add_argument("--ask-regions", action="store_true", help="regions are not named: ask each account for them")
    return parser.parse_args(arguments)


def _head(run: Run) -> Iterator[str]:
    found = run.organisation
    yield (
        f"{len(found.accounts):,} accounts, {sum(len(each.sizes) for each in found.accounts.values()):,} shards, "
        f"{found.groups:,} groups. Slow: each answer {SLOW_SECONDS:.0f} s. Prices: {prices.FORMULA}."
    )
    yield ""
    yield (
        "| run | all, min | the rest, min | slow one delayed the rest, s | read | shard p50 / p99, s | CPU, s "
        "| calls | throttled | lowest bucket | MB of one process | $ |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"


def _row(run: Run, without: Run) -> str:
    world, seconds = run.world, sorted(run.world.seconds)
    dollars = "" if run.dollars is None else f"{run.dollars:.3f}"
    cells = (
        run.name,
        f"{run.makespan / 60:.1f}",
        f"{run.rest / 60:.1f}",
        "" if world.late else f"{run.rest - without.rest:.1f}",
        f"{len(world.ended) / (len(world.ended) + len(world.late)):.0%}",
        f"{seconds[len(seconds) // 2]:.1f} / {seconds[len(seconds) * 99 // 100]:.1f}",
        f"{run.cpu:,.0f}",
        f"{sum(world.calls.values()):,}",
        f"{sum(world.throttles.values()):,}",
        f"{lowest_bucket(run):.0%}",
        f"{BASE_MB + CLIENTS_MB + PAGE_MB * run.most_in_hand / 1000:,.0f}",
        dollars,
    )
    return f"| {' | '.join(cells)} |"


def lowest_bucket(run: Run) -> float:
    """The lowest level of any bucket as a share, but for those of the account whose own workloads empty them."""
    found = run.organisation
    return min(
        bucket.lowest / bucket.size
        for each in found.accounts.values()
        if each.account_id != found.throttled
        for bucket in each.buckets.values()
    )


def _calls(run: Run) -> Iterator[str]:
    yield ""
    yield f"Calls of the last run: {_counted(run.world.calls)}. Throttled: {_counted(run.world.throttles)}."
    failed = len(run.world.failed)
    yield f"Not read: {failed} shards, given up for throttling, and those of one account whose role is broken."


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda each: -each[1])) or "none"


if __name__ == "__main__":
    main()
