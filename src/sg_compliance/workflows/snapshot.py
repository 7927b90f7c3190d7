"""Write down what a scan would read, so that it can be judged again offline under another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sg_compliance.errors import SgComplianceError
from sg_compliance.interfaces import Page
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.interfaces import Inventory, Progress, Shard
    from sg_compliance.model.security_group import PrefixList, SecurityGroup


class Rendering(Protocol):
    """The model → AWS's JSON. `aws/translate.py` is one."""

    def render_group(self, group: SecurityGroup) -> dict[str, Any]:
        """One element of `SecurityGroups`."""

    def render_prefix_list(self, prefix_list: PrefixList) -> dict[str, Any]:
        """One element of `PrefixLists`, with its `Entries`."""

    def render_rules(self, group: SecurityGroup) -> list[dict[str, Any]]:
        """Elements of `SecurityGroupRules` for the rules of one group whose ids are known."""


class Taken(NamedTuple):
    """What a snapshot holds, and what it lacks."""

    groups: int
    shards: int
    skipped: tuple[Skipped, ...]


def take_snapshot(
    inventory: Inventory,
    rendering: Rendering,
    write: Callable[[dict[str, Any]], None],
    progress: Progress,
    *,
    rule_ids: bool = False,
) -> Taken:
    """Write JSON objects for each page: what AWS's describe calls would have returned.

    Prefix lists come with the page that first refers to them. A shard that fails is left out and reported.
    """
    skipped: list[Skipped] = []
    shards: list[Shard] = []
    for found in inventory.shards():
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            shards.append(found)
    progress.begun(len(shards))
    groups = 0
    written: set[str] = set()
    for shard in shards:
        failed = None
        try:
            for page in inventory.read(shard):
                if isinstance(page, Page):
                    groups += len(page.groups)
                    named = inventory.with_rule_ids(shard, page.groups) if rule_ids else page.groups
                    for document in _documents(page._replace(groups=named), rendering, written):
                        write(document)
                    progress.advanced(shard, len(page.groups), 0)
                else:
                    skipped.append(page)
        except SgComplianceError as error:
            failed = Skipped("security groups", str(error), error.hint, shard.account_id, shard.region)
            skipped.append(failed)
        progress.done(shard, failed)
    if skipped:
        write({"Skipped": [each._asdict() for each in skipped]})
    return Taken(groups, len(shards), tuple(skipped))


def _documents(page: Page, rendering: Rendering, written: set[str]) -> Iterator[dict[str, Any]]:
    """What AWS's describe calls would have returned; prefix lists that were not `written` yet."""
    lists = [rendering.render_prefix_list(each) for name, each in page.prefix_lists.items() if name not in written]
    written.update(page.prefix_lists)
    if lists:
        yield {"PrefixLists": lists}
    rules = [rule for group in page.groups for rule in rendering.render_rules(group)]
    if rules:
        yield {"SecurityGroupRules": rules}
    if page.groups:
        yield {"SecurityGroups": [rendering.render_group(group) for group in page.groups]}
