"""The sockets: what a workflow needs of the world. Adapters in `aws/` and `local/` fit in; tests bring their own.

A shard is what is read in one go and can fail alone: one region of one account, or one file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import PrefixLists, SecurityGroup


class Shard(NamedTuple):
    """Where groups are read from. `name` is shown to people: `123456789012/eu-west-1`, or a file's name."""

    name: str
    account_id: str = ""
    region: str = ""


class Page(NamedTuple):
    """Some of a shard's groups, with the prefix lists that they may refer to."""

    groups: Sequence[SecurityGroup]
    prefix_lists: PrefixLists


class Inventory(Protocol):
    """Where security groups come from. Reads only."""

    def shards(self) -> Iterable[Shard | Skipped]:
        """What there is to read. Raises SgComplianceError where not even that can be found out."""

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """The shard's groups, page by page. Raises SgComplianceError where the shard cannot be read on.

        Safe to call for several shards at once, from several threads.
        """

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """The same groups, in the same order, their rules named by id (`sgr-…`) where that can be found out."""


class Progress(Protocol):
    """Who wants to know how far a scan has come. Called from one thread at a time."""

    def begun(self, shards: int) -> None:
        """So many shards are to be read."""

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        """So many more groups of the shard were judged, with so many findings."""

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        """The shard is read, or was given up."""


class FindingStore(Protocol):
    """Holds the findings of one scan, more than fit in memory, and gives them back in the order of reports."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Keep some more."""

    def __iter__(self) -> Iterator[Finding]:
        """All of them, sorted by `Finding.sort_key`. Can be asked for more than once."""


class FindingHistory(Protocol):
    """Remembers when a finding was first and last seen."""

    def seen(self, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """The same findings with both times, now among them. Raises SgComplianceError."""
