"""The inventory in files: `--from` a file, a folder, or standard input. What `snapshot` writes is read back here.

JSON is read element by element, Parquet row group by row group, with columns. Both may stand side by side.
Prefix lists, network interfaces and security group rules may stand in any of the files, before or after the groups:
they are gathered in a first pass (rules in a temporary SQLite table, so that memory stays flat).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import nullcontext
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from sg_compliance.errors import InputError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.local.companions import ALL_PAGES, Companions
from sg_compliance.local.documents import (
    ENTRIES,
    GROUPS,
    INTERFACES,
    NEXT_PAGE,
    PREFIX_LISTS,
    RULES,
    SKIPPED,
    JsonFile,
    Pages,
)
from sg_compliance.local.snapshot_file import PARQUET, is_parquet, needing_pyarrow
from sg_compliance.model.columns import Made
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sg_compliance.local.companions import Translation
    from sg_compliance.local.parquet_file import ParquetFile
    from sg_compliance.local.parquet_page import Rows
    from sg_compliance.model.columns import Columns
    from sg_compliance.model.security_group import SecurityGroup

_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson", PARQUET})
_PAGE: Final = 500


_Identity: TypeAlias = tuple[str, str, str]
"""Account, region and group id."""


class FileInventory:
    """Groups in files. `account_id` and `region` are for groups that do not say where they are."""

    def __init__(
        self,
        sources: Sequence[str],
        translation: Translation,
        *,
        names_needed: bool = False,
        account_id: str = "",
        region: str = "",
    ) -> None:
        self._translate = translation
        self._place = {"account_id": account_id, "region": region}
        self._spooled: list[Path] = []
        self._owner: dict[_Identity, str] = {}
        self._is_one = False  # only one file has groups: none of them can stand in another
        self._companions = Companions(translation, names_needed=names_needed)
        try:
            given = [path for source in dict.fromkeys(sources) for path in self._files_of(source)]
            self._files = {name: JsonFile(path, name) for path, name in given if not is_parquet(path)}
            self._columnar = {name: _columnar_file(path, name) for path, name in given if is_parquet(path)}
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove what was put aside."""
        self._companions.close()
        for path in self._spooled:
            path.unlink(missing_ok=True)

    def _files_of(self, source: str) -> list[tuple[Path, str]]:
        """The files of a source, with what people know them by."""
        if source == "-":
            return [self._spool(None, "standard input")]
        path = Path(source)
        if path.is_dir():
            named = (each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES)
            found = sorted(each for each in named if each.is_file() or each.is_symlink())
            if not found:
                message = f"{source}: the folder holds no .json, .jsonl, .ndjson or .parquet file"
                raise InputError(message, hint="give a folder with the output of: aws ec2 describe-security-groups")
            return [(each, str(each)) for each in found]
        if not path.exists():
            message = f"{source}: there is no such file or folder"
            raise InputError(message, hint="give a file, a folder, or - for standard input")
        if not path.is_file():
            return [self._spool(path, source)]
        return [(path, str(path))]

    def _spool(self, pipe: Path | None, name: str) -> tuple[Path, str]:
        """Put aside what can be read only once: a pipe, or standard input."""
        if pipe is None and sys.stdin is None:
            message = "standard input is closed"
            raise InputError(message, hint="give a file or a folder")
        try:
            with tempfile.NamedTemporaryFile(prefix="sg-compliance-", suffix=".json", delete=False) as spool:
                self._spooled.append(Path(spool.name))
                with pipe.open("rb") if pipe else nullcontext(sys.stdin.buffer) as stream:
                    shutil.copyfileobj(stream, spool)
        except OSError as error:
            message = f"{name}: cannot be read: {error.strerror}"
            raise InputError(message, hint="write it to a file first, and give that") from error
        return self._spooled[-1], name

    def shards(self) -> Iterator[Shard | Skipped]:
        """One shard for each file with groups. The first pass, over what goes with the groups, is made here."""
        with_groups = []
        for file in self._files.values():
            has_groups = False
            try:
                has_groups = _has_groups(file)
                yield from _lacking(file.elements(SKIPPED) if file.mentions(SKIPPED) else ())
                useful = self._companions.gather(file)
                if not (has_groups or useful or _has_place(file)):
                    yield _nothing_in(file)
            except InputError as error:
                self._companions.broken = True
                if not has_groups:  # else whoever reads the groups comes upon the break, and says so
                    yield Skipped(file.name, str(error), error.hint)
            if has_groups:
                with_groups.append(Shard(file.name))
        columnar: list[Shard] = []
        yield from self._gathered_columnar(columnar)
        yield from self._companions.cut_off()
        yield from self._cut_off_groups(with_groups)
        with_groups += columnar
        self._is_one = len(with_groups) == 1
        yield from with_groups

    def _gathered_columnar(self, shards: list[Shard]) -> Iterator[Skipped]:
        """The first pass over snapshots in Parquet; those that can be read are added to the shards."""
        for name, file in self._columnar.items():
            try:
                self._companions.gather_columnar(file)
                yield from _lacking(file.skipped())
                shards.append(Shard(name))
            except InputError as error:
                self._companions.broken = True
                yield Skipped(name, str(error), error.hint)

    def _cut_off_groups(self, shards: Sequence[Shard]) -> Iterator[Skipped]:
        """Groups of which every page goes on in another one: the last page is missing."""
        files = [self._files[shard.name] for shard in shards]
        pages = [file.pages(GROUPS) if file.mentions(NEXT_PAGE) else Pages(1) for file in files]
        if reduce(add, pages, Pages()).lacks_the_last():
            reason = "the groups end with a NextToken, and the page that follows is not there"
            yield Skipped("security groups", reason, ALL_PAGES)

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        """The file's groups, some hundred at a time; of Parquet some thousand, with columns."""
        columnar = self._columnar.get(shard.name)
        return self._read_columnar(columnar, shard) if columnar else self._read_json(self._files[shard.name], shard)

    def _read_columnar(self, file: ParquetFile, shard: Shard) -> Iterator[Page | Skipped]:
        met: set[_Identity] = set()
        repeated = 0
        look_up = not (self._is_one and file.ids_are_distinct())
        for rows in file.rows(self._translate):
            made, columns = self._joined(rows)
            places = enumerate(rows.places()) if look_up else ()
            again = {at for at, key in places if not self._is_new(key, shard, met)}
            if again:  # few, if any at all
                repeated += len(again)
                columns, made = None, [group for at, group in enumerate(made) if at not in again]
            yield Page(made, self._companions.prefix_lists, columns)
        if repeated:
            yield _repeated(shard.name, repeated)

    def _joined(self, rows: Rows) -> tuple[Sequence[SecurityGroup], Columns | None]:
        made, join = rows.groups(), self._companions.joined
        return Made(len(made), lambda at: join(made[at])), self._companions.named(rows.columns())

    def _read_json(self, file: JsonFile, shard: Shard) -> Iterator[Page | Skipped]:
        page: list[SecurityGroup] = []
        elements = nameless = repeated = 0
        met: set[_Identity] = set()
        try:
            for elements, raw in enumerate(file.elements(GROUPS), start=1):  # noqa: B007 - counted
                if not isinstance(raw, dict) or not raw.get("GroupId"):
                    nameless += 1
                    continue
                group = self._companions.joined(self._translate.security_group(raw, **self._place))
                if not self._is_new(group.place, shard, met):
                    repeated += 1
                    continue
                page.append(group)
                if len(page) == _PAGE:
                    yield Page(page, self._companions.prefix_lists)
                    page = []
        except InputError:
            yield Page(page, self._companions.prefix_lists)
            raise
        yield Page(page, self._companions.prefix_lists)
        if nameless:
            yield _nameless(shard.name, nameless)
        if repeated:
            yield _repeated(shard.name, repeated)
        if not elements and not file.has_list(GROUPS):
            yield _nothing_in(file)

    def _is_new(self, key: _Identity, shard: Shard, met: set[_Identity]) -> bool:
        """Whether the group was not met before, in this file or in one that was read before it."""
        if self._owner.setdefault(key, shard.name) != shard.name or key in met:
            return False
        met.add(key)
        return True

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        """Rule ids where a file holds the output of `describe-security-group-rules`."""
        del shard
        return self._companions.with_rule_ids(groups)


def _columnar_file(path: Path, name: str) -> ParquetFile:
    with needing_pyarrow(name, "read"):
        from sg_compliance.local.parquet_file import ParquetFile  # noqa: PLC0415 - pyarrow only where needed
    return ParquetFile(path, name)


def _has_groups(file: JsonFile) -> bool:
    return file.mentions(GROUPS) or (file.mentions("GroupId") and file.mentions("IpPermissions"))


def _has_place(file: JsonFile) -> bool:
    """Whether there are lists of what goes with groups, if only empty ones."""
    return any(file.mentions(key) and file.has_list(key) for key in (PREFIX_LISTS, INTERFACES, RULES))


def _nothing_in(file: JsonFile) -> Skipped:
    if file.mentions(ENTRIES):
        reason = f"{file.name}: entries of a prefix list, and the file's name does not say of which"
        return Skipped(file.name, reason, "name the file after the list: pl-….json")
    reason = f"{file.name}: no SecurityGroups in it"
    return Skipped(file.name, reason, "give the output of: aws ec2 describe-security-groups --output json")


def _nameless(name: str, count: int) -> Skipped:
    reason = f"{name}: {count} element{'s' if count > 1 else ''} of SecurityGroups without a GroupId"
    return Skipped("security groups", reason, "give the unchanged output of: aws ec2 describe-security-groups")


def _repeated(name: str, count: int) -> Skipped:
    reason = f"{name}: {count} group{'s' if count > 1 else ''} that stood before; the first was judged"
    return Skipped("security groups", reason, wanted=False)


def _lacking(raws: Iterable[object]) -> Iterator[Skipped]:
    """What the snapshot that a file is could not read: it is missing from this scan too."""
    for raw in raws:
        if isinstance(raw, dict):
            fields = {name: str(raw.get(name) or "") for name in ("what", "reason", "hint", "account_id", "region")}
            yield Skipped(**fields, wanted=raw.get("wanted") is not False)
