"""Snapshots in Parquet for tests: written from groups, changed behind the tool's back, read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sg_compliance.aws import render, translate
from sg_compliance.interfaces import Page
from sg_compliance.local import parquet_schema as schema
from sg_compliance.local.files import FileInventory
from sg_compliance.local.snapshot_file import open_parquet
from sg_compliance.model.scan import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sg_compliance.model.security_group import PrefixLists, SecurityGroup

ABOUT = {"taken_at": "2026-01-15T12:00:00+00:00", "sg_compliance": "1.2.3"}


def write(
    path: Path,
    *pages: Sequence[SecurityGroup],
    prefix_lists: PrefixLists | None = None,
    skipped: Sequence[Skipped] = (),
) -> Path:
    """A snapshot of these pages."""
    with open_parquet(path, render, ABOUT, replace=True) as snapshot:
        for page in pages:
            snapshot.add(Page(page, prefix_lists or {}))
        if skipped:
            snapshot.lacks(skipped)
    return path


def header(path: Path) -> dict[str, Any]:
    """What is said of the whole snapshot."""
    found: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[schema.HEADER.encode()])
    return found


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table], **said: object) -> Path:
    """The same file, its table changed, and keys of its header."""
    table = change(pq.read_table(path))
    told = json.dumps({**header(path), **said})
    pq.write_table(table.replace_schema_metadata({schema.HEADER: told}), path)
    return path


def changed_rule(name: str, value: object, at: int = 0, **others: object) -> Callable[[pa.Table], pa.Table]:
    """Another value in a field of one rule of the first group; and in others."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows[0]["rules"][at] |= {name: value, **others}
        return pa.Table.from_pylist(rows, schema=schema.SCHEMA)

    return change


def changed(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Another value in a column of the first group."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows[0][name] = value
        return pa.Table.from_pylist(rows, schema=schema.SCHEMA)

    return change


class Read:
    """All that an inventory of files gives, rules with their ids; errors as a scan would note them."""

    def __init__(self, *sources: Path, names_needed: bool = False) -> None:
        inventory = FileInventory([str(each) for each in sources], translate, names_needed=names_needed)
        self.groups: list[SecurityGroup] = []
        self.pages: list[Page] = []
        self.lists: dict[str, Any] = {}
        self.skipped: list[Skipped] = []
        try:
            for shard in inventory.shards():
                if isinstance(shard, Skipped):
                    self.skipped.append(shard)
                    continue
                for part in inventory.read(shard):
                    if isinstance(part, Skipped):
                        self.skipped.append(part)
                        continue
                    self.pages.append(part)
                    self.groups += inventory.with_rule_ids(shard, part.groups)
                    self.lists |= part.prefix_lists
        finally:
            inventory.close()
