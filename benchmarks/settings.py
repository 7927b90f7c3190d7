"""How much is measured: the whole, or a quick look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes are numbers of groups.

    `compared` is the size at which every tool is asked the same thing, `careless_share` the share of open groups in an
    estate that nobody looks after, and a file of `once_from` groups or more is scanned once, not `runs` times.
    Snapshots of up to `beside_lines` groups are scanned in JSON Lines too. Estates of `live_alone` groups are scanned
    by ours only.
    """

    runs: int = 5
    compared: int = 1_000
    evaluation: tuple[int, ...] = (1_000, 10_000, 100_000)
    careless_share: float = 0.5
    files: tuple[int, ...] = (1_000, 10_000, 100_000)
    snapshots: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    beside_lines: int = 100_000
    once_from: int = 100_000
    live: tuple[int, ...] = (1_000, 10_000)
    live_alone: tuple[int, ...] = (100_000,)
    live_runs: int = 3
    enforced: int = 1_000


FULL = Settings()
QUICK = Settings(
    runs=3,
    compared=200,
    evaluation=(200, 1_000),
    files=(1_000,),
    snapshots=(1_000,),
    live=(200,),
    live_alone=(),
    live_runs=1,
    enforced=50,
)
