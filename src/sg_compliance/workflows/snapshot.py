"""Write down what a scan would read, so that it can be judged again offline under another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sg_compliance.interfaces import Page
from sg_compliance.workflows.reading import Readers, shards_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.interfaces import Inventory, Progress, Shard
    from sg_compliance.model.scan import Skipped
    from sg_compliance.model.security_group import PrefixList, SecurityGroup


class Rendering(Protocol):
    """The model → AWS's JSON. `aws/translate.py` is one."""

    def render_group(self, group: SecurityGroup) -> dict[str, Any]:
        """One element of `SecurityGroups`."""

    def render_prefix_list(self, prefix_list: PrefixList) -> dict[str, Any]:
        """One element of `PrefixLists`, with its `Entries`."""

    def render_rules(self, group: SecurityGroup) -> list[dict[str, Any]]:
        """Elements of `SecurityGroupRules` for the rules of one group whose ids are known."""


class Sink(Protocol):
    """Where a snapshot goes. Called from one thread."""

    def add(self, page: Page) -> None:
        """Write groups, and the prefix lists that they may refer to."""

    def lacks(self, skipped: Sequence[Skipped]) -> None:
        """Write what could not be read. Comes at the end, if at all."""


class Documents:
    """A sink as JSON objects: what AWS's describe calls would have returned.

    Prefix lists come with the page that first refers to them.
    """

    def __init__(self, rendering: Rendering, write: Callable[[dict[str, Any]], None]) -> None:
        self._rendering = rendering
        self._write = write
        self._written: set[str] = set()

    def add(self, page: Page) -> None:
        """Write a document for each kind that the page has something of."""
        for document in _documents(page, self._rendering, self._written):
            self._write(document)

    def lacks(self, skipped: Sequence[Skipped]) -> None:
        """Write what could not be read as a document of its own."""
        self._write({"Skipped": [each._asdict() for each in skipped]})


class Taken(NamedTuple):
    """What a snapshot holds, and what it lacks."""

    groups: int
    shards: int
    skipped: tuple[Skipped, ...]


def take_snapshot(
    inventory: Inventory, sink: Sink, progress: Progress, *, rule_ids: bool = False, workers: int = 1
) -> Taken:
    """Write page after page. A shard that fails is left out and reported."""
    skipped: list[Skipped] = []
    shards: list[Shard] = []
    shards_of(inventory, shards, skipped)
    progress.begun(len(shards))

    def complete(shard: Shard, page: Page) -> Page:
        return Page(inventory.with_rule_ids(shard, page.groups), page.prefix_lists) if rule_ids else page

    groups = 0
    with Readers(inventory, shards, complete, workers) as readers:
        for result in readers.results():
            if result.skipped:
                skipped.append(result.skipped)
            if result.work:
                groups += len(result.work.groups)
                sink.add(result.work)
                progress.advanced(result.shard, len(result.work.groups), 0)
            if result.over:
                progress.done(result.shard, result.skipped)
    if skipped:
        sink.lacks(skipped)
    return Taken(groups, len(shards), tuple(skipped))


def _documents(page: Page, rendering: Rendering, written: set[str]) -> Iterator[dict[str, Any]]:
    """What AWS's describe calls would have returned; prefix lists that were not `written` yet."""
    lists = [rendering.render_prefix_list(each) for name, each in page.prefix_lists.items() if name not in written]
    written.update(page.prefix_lists)
    if lists:
        yield {"PrefixLists": lists}
    groups = [*page.groups]  # each is made once
    rules = [rule for group in groups for rule in rendering.render_rules(group)]
    if rules:
        yield {"SecurityGroupRules": rules}
    if groups:
        yield {"SecurityGroups": [rendering.render_group(group) for group in groups]}
