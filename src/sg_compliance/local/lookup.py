"""Single security groups in files: the Lookup socket over what `--from` names. An event can be tried without AWS.

Each question reads the files anew, up to its answer, so that memory stays flat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sg_compliance.errors import AwsError, InputError
from sg_compliance.interfaces import Looked, Page, Shard
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import PrefixListPeer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.interfaces import Inventory
    from sg_compliance.model.security_group import Place, SecurityGroup

_NOT_THERE: Final = "InvalidGroup.NotFound"
_HINT: Final = "give the output of: aws ec2 describe-security-groups"


class FileLookup:
    """Groups of an inventory, in files as a rule. Raises InputError where a file cannot be read."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        found = list(inventory.shards())
        self._shards = [each for each in found if isinstance(each, Shard)]
        self._skipped = [each for each in found if isinstance(each, Skipped) and each.wanted]

    def check(self, regions: Sequence[str] = ()) -> None:
        """See that all of the files can be read, and that groups are in them, of these regions if there are any.

        Raises InputError. What a snapshot could not read at its time is no fault of the file.
        """
        skipped, found = list(self._skipped), set[str]()
        for shard in self._shards:
            for part in self._inventory.read(shard):
                if isinstance(part, Page):
                    found.update(group.region for group in part.groups)
                else:
                    skipped.append(part)
        broken = [each for each in skipped if each.wanted and not each.account_id]
        if broken:
            raise InputError(broken[0].reason, hint=broken[0].hint or _HINT)
        if not found:
            raise InputError("there is no security group in the files", hint=_HINT)
        if regions and found.isdisjoint(regions):
            said = f"there is no group of {', '.join(regions)} in the files, but of {', '.join(sorted(found))}"
            raise InputError(said, hint="leave --regions out where the files say where their groups are")

    def group(self, place: Place) -> Looked:
        """The group as it stands in the files. Raises AwsError with a code of `GONE` where it is in none."""
        elsewhere = ""
        for shard, page in self._pages():
            for group in page.groups:
                if group.place == place:
                    (named,) = self._inventory.with_rule_ids(shard, [group])
                    return Looked(named, page.prefix_lists)
                if group.group_id == place.group_id:
                    elsewhere = str(group.place)
        raise self._not_there(place, elsewhere)

    def _not_there(self, place: Place, elsewhere: str) -> AwsError:
        message = f"{place}: there is no such group in the files"
        if elsewhere:
            message += f", but there is {elsewhere}"
            hint = "say where the groups are from with --accounts and --regions, if the files do not"
        elif self._skipped:
            hint = f"see why not all was read: {self._skipped[0].reason}"
        else:
            hint = f"{_HINT}, of that account and region"
        return AwsError(message, code=_NOT_THERE, hint=hint)

    def named(self, account_id: str, region: str, names: Iterable[str]) -> list[Place]:
        """The account's groups of these names, sorted. Case and spaces at the end do not count, as in EC2."""
        wanted = {_comparable(name) for name in names} - {""}
        here = (group for group in self._groups() if group.place[:2] == (account_id, region))
        return sorted({group.place for group in here if _comparable(group.name) in wanted})

    def referring(self, account_id: str, region: str, prefix_lists: Iterable[str]) -> list[Place]:
        """The groups of the region whose rules refer to one of these lists, in all accounts, sorted."""
        del account_id
        wanted = frozenset(prefix_lists)
        here = (group for group in self._groups() if group.region == region)
        return sorted({group.place for group in here if not wanted.isdisjoint(_lists_of(group))})

    def _pages(self) -> Iterator[tuple[Shard, Page]]:
        for shard in self._shards:
            for part in self._inventory.read(shard):
                if isinstance(part, Page):
                    yield shard, part

    def _groups(self) -> Iterator[SecurityGroup]:
        for _, page in self._pages():
            yield from page.groups


def _lists_of(group: SecurityGroup) -> Iterator[str]:
    for rule in group.rules:
        if isinstance(rule.peer, PrefixListPeer):
            yield rule.peer.prefix_list_id


def _comparable(name: str) -> str:
    return name.rstrip(" ").lower()
